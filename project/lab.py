"""How `make lab` and the workshop open notebooks: without the outputs that are stored to be read.

A notebook asks "how often will Alembic run?", and its stored output would answer one cell below.
"""

from typing import Any

from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager

# In a notebook's metadata, put there by tests/notebooks.py. What a reader saves is without it, so
# the outputs of their own cells stay.
STORED = "outputs_stored_for_reading"


class WithoutOutputs(AsyncLargeFileManager):
    """Jupyter's manager of files. The file itself isn't changed until the reader saves it."""

    async def get(self, path: str, *args: Any, **options: Any) -> dict[str, Any]:
        """Return a file or a folder as Jupyter does; a notebook as stored, without its outputs."""
        model: dict[str, Any] = await super().get(path, *args, **options)  # type: ignore[no-untyped-call]
        if model["type"] == "notebook" and model["content"] is not None:
            notebook = model["content"]
            if notebook["metadata"].pop(STORED, False):
                for cell in notebook["cells"]:
                    if cell["cell_type"] == "code":
                        cell["outputs"] = []
                        cell["execution_count"] = None
        return model
