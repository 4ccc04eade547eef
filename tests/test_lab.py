"""JupyterLab opens the series without its stored outputs, and keeps those of the reader's."""

import asyncio
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.sign import MemorySignatureStore, NotebookNotary

from project.lab import STORED, WithoutOutputs
from tests.notebooks import FOLDER, ROOT, normalise

NAME = "00_start_here.ipynb"


@pytest.fixture
def opened_in(tmp_path: Path) -> WithoutOutputs:
    stored = nbformat.read(FOLDER / NAME, as_version=4)
    nbformat.write(normalise(stored), tmp_path / NAME)
    # What Jupyter trusts is kept in memory, and not in a database in your home.
    notary = NotebookNotary(secret=b"of this test", store_factory=MemorySignatureStore)
    return WithoutOutputs(root_dir=str(tmp_path), allow_hidden=False, notary=notary)


def outputs(model: dict[str, Any]) -> list[Any]:
    return [it for cell in model["content"]["cells"] for it in cell.get("outputs", [])]


def test_it_opens_without_the_stored_outputs_and_leaves_the_file(
    opened_in: WithoutOutputs, tmp_path: Path
) -> None:
    before = (tmp_path / NAME).read_bytes()
    model = asyncio.run(opened_in.get(NAME))
    assert outputs(model) == []
    assert {cell.get("execution_count") for cell in model["content"]["cells"]} == {None}
    assert [cell["source"] for cell in model["content"]["cells"]] == [
        cell.source for cell in nbformat.read(tmp_path / NAME, as_version=4).cells
    ]
    assert (tmp_path / NAME).read_bytes() == before


def test_outputs_that_the_reader_saves_stay(opened_in: WithoutOutputs) -> None:
    model = asyncio.run(opened_in.get(NAME))
    cell = next(it for it in model["content"]["cells"] if it["cell_type"] == "code")
    cell["outputs"] = [nbformat.v4.new_output("stream", text="mine")]
    asyncio.run(opened_in.save(model, NAME))  # type: ignore[no-untyped-call]
    assert [it["text"] for it in outputs(asyncio.run(opened_in.get(NAME)))] == ["mine"]


def test_another_notebook_and_a_folder_open_as_they_are(
    opened_in: WithoutOutputs, tmp_path: Path
) -> None:
    cell = nbformat.v4.new_code_cell("1", outputs=[nbformat.v4.new_output("stream", text="1")])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), tmp_path / "mine.ipynb")
    assert len(outputs(asyncio.run(opened_in.get("mine.ipynb")))) == 1
    assert {it["name"] for it in asyncio.run(opened_in.get(""))["content"]} == {NAME, "mine.ipynb"}


def test_every_stored_notebook_says_that_it_is_stored() -> None:
    assert normalise(nbformat.v4.new_notebook()).metadata[STORED] is True


def test_make_lab_and_binder_open_them_so() -> None:
    assert "contents_manager_class=project.lab.WithoutOutputs" in (ROOT / "Makefile").read_text()
    assert "nbconvert --clear-output --inplace" in (ROOT / "binder" / "postBuild").read_text()
