"""What a notebook's first cell does first: take out what the reader's shell has set for others."""

import os
import tempfile
from pathlib import Path

# The Makefile has a longer list, for `make lab`: this one is for a JupyterLab that you start
# yourself. The notebook's own process has begun with these variables; those that its cells start,
# and pytest, would read them now.
FOR_OTHERS = (
    "ALEMBIC_CONFIG",  # another alembic.ini
    "COLUMNS",  # a terminal's width: pytest cuts its lines there
    "FORCE_COLOR",  # with the next two: colours in what pytest prints, which cells read and show
    "NO_COLOR",
    "PY_COLORS",
    "MATPLOTLIBRC",  # another look of the pictures
    "PYTEST_ADDOPTS",  # other options
    "PYTEST_DISABLE_PLUGIN_AUTOLOAD",  # no pytest-asyncio, and without it no test runs
    "PYTEST_PLUGINS",  # plugins that may not be installed here
    "PYTHONINSPECT",  # a script wouldn't end: Python waits for what you type next
    "PYTHONPATH",  # packages of the same names as those that are installed here
    "PYTHONSAFEPATH",  # `python -m` wouldn't find what is in its working folder
    "PYTHONSTARTUP",
    "PYTHONWARNINGS",  # other warnings than pytest shows by itself
)
# What only a new process can be without.
TOO_LATE = {
    "PYTHONOPTIMIZE": "leaves out every `assert`",
    "PYTHONASYNCIODEBUG": "refuses what pytest does in a thread beside the notebook",
    "PYTHONDEVMODE": "refuses what pytest does in a thread beside the notebook",
    "PYTHONWARNINGS": "takes a library's first deprecation for an error",
}
INLINE = "module://matplotlib_inline.backend_inline"
# Where hypothesis is installed, its plugin takes nearly half of each pytest's start.
UNUSED = "-p no:hypothesispytest"


class NotebookError(Exception):
    """A notebook can't run here: one line that says why, and what to do."""


def prepare() -> None:
    """Take what was set for others out of the environment, and see that pytest can run here.

    Raises:
        NotebookError: The working folder can't be written, or a variable is set that Python has
            acted upon already.
    """
    for name, effect in TOO_LATE.items():
        value = os.environ.get(name)
        if value and (name != "PYTHONWARNINGS" or "error" in value):
            raise NotebookError(
                f"{name} is set, with which Python {effect}. Close JupyterLab, `unset {name}`,"
                " and open it again."
            )
    for name in FOR_OTHERS:
        os.environ.pop(name, None)
    os.environ["MPLBACKEND"] = INLINE  # or pictures go to a window, a file or nowhere
    os.environ["PYTEST_ADDOPTS"] = UNUSED
    folder = Path.cwd()
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise NotebookError(
            f"The folder {folder} can't be written ({error.strerror}), and pytest needs a file"
            " beside the notebook for a moment. Copy the whole course to a folder of yours, and"
            " open it there."
        ) from None
