"""The instructor's pack knows the notebooks: their exercises, their predictions, their minutes."""

import re
from datetime import datetime, timedelta
from pathlib import Path

import nbformat
import pytest

from tests.exercises import exercises_of, tag_of
from tests.prose import minutes

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TEACH = (ROOT / "book" / "teach.md").read_text()
PART = re.compile(r"^## (\d\d) .*?(?=^## |\Z)", re.M | re.S)
PARTS = {part[1]: part[0] for part in PART.finditer((ROOT / "book" / "answers.md").read_text())}
ROW = re.compile(r"^\| (\d\d:\d\d) \| (\d+) \| (.+) \|$", re.M)
SCHEDULES = re.findall(r"^## (?:Half a day|A day)\n.*?(?=^## )", TEACH, re.M | re.S)


def predictions(path: Path) -> list[str]:
    """The questions in bold, and what begins with "Guess"; not those of a solution."""
    cells = nbformat.read(path, as_version=4).cells
    texts = [it.source for it in cells if it.cell_type == "markdown" and not tag_of(it, "solution")]
    bold = [" ".join(it.split()) for text in texts for it in re.findall(r"\*\*([^*]+)\*\*", text)]
    return [it for it in bold if (it.endswith("?") or it.startswith("Guess")) and "Write" not in it]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_each_exercise_has_an_entry(path: Path) -> None:
    part = PARTS[path.stem[:2]]
    names = [it.name for it in exercises_of(nbformat.read(path, as_version=4))]
    assert [name for name in names if f"- `{name}`:" not in part] == []
    assert [name for name in re.findall(r"^- `(\w+)`:", part, re.M) if name not in names] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_each_prediction_has_an_entry(path: Path) -> None:
    part, asked = PARTS[path.stem[:2]], predictions(path)
    assert [question for question in asked if f"- *{question}*" not in part] == []
    found = re.findall(r"^- \*([^*]+)\*", part, re.M)
    text = "\n".join(it.source for it in nbformat.read(path, as_version=4).cells)
    assert [it for it in found if f"**{it}" not in " ".join(text.split())] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_each_notebook_says_how_to_go_on(path: Path) -> None:
    assert "\nTo go on: " in PARTS[path.stem[:2]]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["half a day", "a day"])
def test_a_schedule_holds(schedule: str) -> None:
    """Each line begins where the one before ends, and a notebook has its minutes and five more."""
    rows = ROW.findall(schedule)
    assert len(rows) > 5
    now = datetime.strptime(rows[0][0], "%H:%M")
    for at, takes, what in rows:
        assert (at, int(takes) % 5) == (f"{now:%H:%M}", 0)
        now += timedelta(minutes=int(takes))
        if named := re.search(r"notebooks/(\w+\.ipynb)", what):
            core, _ = minutes(nbformat.read(ROOT / "notebooks" / named[1], as_version=4))
            assert int(takes) >= core + 5, f"{named[1]} takes {core} minutes"


def test_the_messages_are_those_of_the_server() -> None:
    table = TEACH.partition("## When a server doesn't start")[2].partition("What isn't")[0]
    messages = re.findall(r"^\| `([^`]+)` \|", table, re.M)
    assert len(messages) > 10
    source = "".join(file.read_text() for file in (ROOT / "project" / "postgres").glob("*.py"))
    assert [message for message in messages if message not in source] == []
