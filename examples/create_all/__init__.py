"""Notes, in tables that the models make."""
