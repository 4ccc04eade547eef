"""What every notebook's first cell does for the others: nothing of another project steers them."""

import os
import tempfile
from pathlib import Path

# Whatever is named here, or begins with a name that ends in an underscore. The notebook's own
# process has read Python's variables already, but the processes that its cells start would do so.
FOR_OTHER_PROJECTS = (
    "ALEMBIC_CONFIG",  # another alembic.ini
    "COLUMNS",  # of a terminal: pytest cuts its lines there
    "PY_COLORS",  # three that colour what pytest prints, which cells compare and show
    "FORCE_COLOR",
    "NO_COLOR",
    "PYTEST_",  # options, plugins, and whether pytest-asyncio is loaded at all
    "PYTHONASYNCIODEBUG",  # measures asyncio, and takes its time
    "PYTHONDEVMODE",
    "PYTHONHOME",  # another Python's library
    "PYTHONINSPECT",  # a script would wait for input when it is done
    "PYTHONOPTIMIZE",  # leaves out every assert
    "PYTHONPATH",  # another package may be called as one of ours, or as one that we import
    "PYTHONSAFEPATH",  # `python -m` wouldn't find what is in its folder
    "PYTHONSTARTUP",
    "PYTHONWARNINGS",  # with `error`, the first deprecation in a library ends the run
)


class NotebookError(Exception):
    """A notebook can't run where it is: one line that says why, and what to do."""


def prepare() -> None:
    """Take out of the environment what was set for other projects; see that pytest can run here.

    Raises:
        NotebookError: The working folder can't be written.
    """
    for name in list(os.environ):
        if name in FOR_OTHER_PROJECTS or name.startswith("PYTEST_"):
            del os.environ[name]
    folder = Path.cwd()
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise NotebookError(
            f"{folder} can't be written ({error.strerror}), and pytest needs a file beside the"
            " notebook for a moment. Copy the whole course to a folder of yours, and open it there."
        ) from None
