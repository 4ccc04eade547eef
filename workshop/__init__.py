"""A JupyterHub for a workshop on one machine."""
