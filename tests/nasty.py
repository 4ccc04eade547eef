"""The nastiest shell to start from: what readers have set for other projects."""

# Of `make`, which takes all of it out.
SHELL = {
    "ALEMBIC_CONFIG": "/other/alembic.ini",
    "COLUMNS": "20",
    "CONDA_PREFIX": "/other/conda",
    "FORCE_COLOR": "1",
    "GIT_DIR": "/other/.git",
    "GIT_INDEX_FILE": "/other/.git/index",
    "GIT_WORK_TREE": "/other",
    "IPYTHONDIR": "/other/ipython",
    "JUPYTERLAB_DIR": "/other/lab",
    "JUPYTER_PATH": "/other/jupyter",
    "JUPYTER_PREFER_ENV_PATH": "0",
    "MATPLOTLIBRC": "/other/matplotlibrc",
    "MPLBACKEND": "module://nonesuch",
    "PIP_DRY_RUN": "1",
    "PIP_NO_BINARY": ":all:",
    "PIP_PYTHON": "/other/bin/python",
    "PIP_TARGET": "/other/packages",
    "PIP_USER": "1",
    "PYTEST_ADDOPTS": "--nonesuch",
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    "PYTEST_PLUGINS": "nonesuch",
    "PYTHONASYNCIODEBUG": "1",
    "PYTHONDEVMODE": "1",
    "PYTHONHOME": "/other/python",
    "PYTHONINSPECT": "1",
    "PYTHONOPTIMIZE": "2",
    "PYTHONPATH": "/other/lib",
    "PYTHONSAFEPATH": "1",
    "PYTHONSTARTUP": "/other/startup.py",
    "PYTHONWARNINGS": "error",
    "PY_COLORS": "1",
    "UV_PYTHON": "3.9",
    "UV_SYSTEM_PYTHON": "1",
    "VIRTUAL_ENV": "/other/venv",
}

# Of a kernel that was started without `make`. With these it doesn't start, or its first cell stops.
NO_KERNEL = {"IPYTHONDIR", "PYTHONHOME", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONOPTIMIZE"}
KERNEL = {name: value for name, value in SHELL.items() if name not in NO_KERNEL} | {
    "PYTHONWARNINGS": "ignore"
}
