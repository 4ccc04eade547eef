"""Executes notebooks in fresh kernels, and normalises what is stored of their outputs.

python -m tests.notebooks                      every notebook, in place
python -m tests.notebooks notebooks/00*.ipynb  these

README's picture is the first one of notebook 00, and is written with it.
"""

import base64
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import nbformat
from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from nbclient.util import run_sync
from nbformat import NotebookNode
from traitlets.config import Config

from project.lab import STORED

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "notebooks"
README_PICTURE = FOLDER / "00_start_here.png"
CELL_SECONDS = 600  # the long cells of notebook 06, on a busy machine

ANSI_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
# IPython's name for a cell's code.
CELL_FILE = re.compile(r"\S*/ipykernel_\d+/\d+\.py\b")
IPYTEST_MODULE = re.compile(r"\bt_[0-9a-f]{32}\b")
OUTCOMES = "passed|failed|errors?|warnings?|deselected|skipped"
PYTEST_SECONDS = re.compile(rf"(\d+ (?:{OUTCOMES})) in \d+\.\d+s")
UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
TIMESTAMP = re.compile(r"\b20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\.\d+")


def all_notebooks() -> list[Path]:
    return sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))


@cache
def stored(path: Path) -> NotebookNode:
    """Read a notebook, once: whoever changes it takes a copy."""
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    return notebook


def execute(
    notebook: NotebookNode, folder: Path, environment: dict[str, str] | None = None
) -> NotebookNode:
    """Run every cell of a notebook in a fresh kernel that works in `folder`; return it.

    Raises nbclient's CellExecutionError if a cell fails that isn't tagged `raises-exception`.
    """
    with tempfile.TemporaryDirectory() as private:
        # Sockets in a private folder: on TCP other users of the machine could listen in.
        sockets = {"transport": "ipc", "ip": str(Path(private, "kernel"))}
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=CELL_SECONDS,
            resources={"metadata": {"path": str(folder)}},
            coalesce_streams=True,
            config=Config({"AsyncKernelManager": sockets}),
        )
        client.execute(env=os.environ | (environment or {}))
    return notebook


class Kernel(AsyncKernelClient):
    """A client of a kernel that Jupyter has started, and watches: its heartbeat isn't ours."""

    async def _async_is_alive(self) -> bool:
        return True

    is_alive = _async_is_alive


def execute_in(connection_file: Path, notebook: NotebookNode) -> str:
    """Run every cell of a notebook in a kernel that a Jupyter server has started and will stop.

    Returns what the last cell has printed. Raises as `execute` does.
    """
    kernel = Kernel()
    kernel.load_connection_file(str(connection_file))
    theirs = cast("KernelManager", SimpleNamespace(has_kernel=True))
    client = NotebookClient(notebook, theirs, timeout=CELL_SECONDS)
    client.kc = kernel
    kernel.start_channels()
    try:
        run_sync(kernel.wait_for_ready)(timeout=CELL_SECONDS)
        client.execute()
    finally:
        kernel.stop_channels()
    outputs = notebook.cells[-1].get("outputs", [])
    return "".join(it.text for it in outputs if it.output_type == "stream").strip()


def normalise(notebook: NotebookNode) -> NotebookNode:
    """Take out what differs from run to run and from machine to machine, so that a diff speaks."""
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
            STORED: True,
        }
    )
    clean = text_normaliser()
    for number, cell in enumerate(notebook.cells, start=1):
        cell.id = f"cell-{number:02}"
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        for output in cell.get("outputs", []):
            for key in ("text", "evalue"):
                if key in output:
                    output[key] = clean(output[key])
            if "traceback" in output:
                output.traceback = [clean(line) for line in output.traceback]
            for kind, data in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output.data[kind] = clean(data)
            if "metadata" in output:  # a picture's alternative text stays
                kept = {
                    kind: {"alt": of["alt"]} for kind, of in output.metadata.items() if "alt" in of
                }
                output.metadata = nbformat.from_dict(kept)
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
    return notebook


def text_normaliser() -> Callable[[str], str]:
    """Return a function that cleans a text; equal values stay equal over all texts given to it."""
    seen: dict[str, str] = {}

    def number(match: re.Match[str], form: str) -> str:
        return seen.setdefault(match[0], form.format(len(seen) + 1))

    def clean(text: str) -> str:
        for path, name in ((ROOT, "."), (Path(tempfile.gettempdir()), "/tmp"), (Path.home(), "~")):
            text = re.sub(rf"{re.escape(str(path))}(?=[/'\"\s]|$)", name, text)
        text = ANSI_COLOUR.sub("", text)
        text = CELL_FILE.sub("cell.py", text)
        text = ADDRESS.sub("0x…", text)
        text = IPYTEST_MODULE.sub("t_…", text)
        text = PYTEST_SECONDS.sub(r"\1", text)
        text = UUID.sub(lambda m: number(m, "00000000-0000-4000-8000-{:012}"), text)
        return TIMESTAMP.sub(lambda m: number(m, "2026-01-01 12:00:00.{:06}"), text)

    return clean


def first_picture(notebook: NotebookNode) -> bytes:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [o.data["image/png"] for o in outputs if "image/png" in o.get("data", {})]
    return base64.b64decode(pictures[0])


def main(arguments: list[str]) -> None:
    paths = [Path(argument).resolve() for argument in arguments] or all_notebooks()
    for path in paths:
        print(f"{path.name} …", end=" ", flush=True)
        start = time.perf_counter()
        notebook = normalise(execute(nbformat.read(path, as_version=4), path.parent))
        nbformat.write(notebook, path)
        if path.stem == README_PICTURE.stem:
            README_PICTURE.write_bytes(first_picture(notebook))
        print(f"{time.perf_counter() - start:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
