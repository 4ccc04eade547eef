"""The instructor's pack knows the notebooks: their exercises, their predictions, their minutes."""

import re
from copy import deepcopy
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from nbformat import NotebookNode

from book.pages import SECTION
from tests.exercises import exercises_of, tag_of
from tests.notebooks import stored
from tests.prose import minutes
from tests.sections import needs, sections

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TEACH = (ROOT / "book" / "teach.md").read_text()
PART = re.compile(r"^## (\d\d) .*?(?=^## |\Z)", re.M | re.S)
PARTS = {part[1]: part[0] for part in PART.finditer((ROOT / "book" / "answers.md").read_text())}
ROW = re.compile(r"^\| (\d\d:\d\d) \| (\d+) \| (.+) \|$", re.M)
SCHEDULES = re.findall(r"^## (?:Half a day|A day)\n.*?(?=^## )", TEACH, re.M | re.S)


def predictions(path: Path) -> list[str]:
    """The questions in bold, and what begins with "Guess"; not those of a solution."""
    cells = stored(path).cells
    texts = [it.source for it in cells if it.cell_type == "markdown" and not tag_of(it, "solution")]
    bold = [" ".join(it.split()) for text in texts for it in re.findall(r"\*\*([^*]+)\*\*", text)]
    return [it for it in bold if (it.endswith("?") or it.startswith("Guess")) and "Write" not in it]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_each_exercise_has_an_entry(path: Path) -> None:
    part = PARTS[path.stem[:2]]
    names = [it.name for it in exercises_of(stored(path))]
    assert [name for name in names if f"- `{name}`:" not in part] == []
    assert [name for name in re.findall(r"^- `(\w+)`:", part, re.M) if name not in names] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_each_prediction_has_an_entry(path: Path) -> None:
    part, asked = PARTS[path.stem[:2]], predictions(path)
    assert [question for question in asked if f"- *{question}*" not in part] == []
    found = re.findall(r"^- \*([^*]+)\*", part, re.M)
    text = "\n".join(it.source for it in stored(path).cells)
    assert [it for it in found if f"**{it}" not in " ".join(text.split())] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_each_notebook_says_how_to_go_on(path: Path) -> None:
    assert "\nTo go on: " in PARTS[path.stem[:2]]


def numbers(text: str) -> set[int]:
    """What `1 to 3, 5` says, or `nothing`."""
    found = re.findall(r"(\d+)(?: to (\d+))?", text)
    return {it for first, last in found for it in range(int(first), int(last or first) + 1)}


@pytest.mark.parametrize("number", ["04", "05", "06"])
def test_to_go_on_each_section_has_what_it_needs(number: str) -> None:
    """Each name in a section's cells is set in one that is said to be needed, which has its own."""
    path = next(path for path in NOTEBOOKS if path.stem.startswith(number))
    line = re.search(r"^To go on: (.+?)\. ", PARTS[number], re.M)
    assert line
    clauses = [clause.split(" needs ") for clause in line[1].split("; ")]
    said = {int(section): numbers(what) for section, what in clauses}
    assert list(said) == list(sections(path))[2:]
    lacking = {
        section: missing
        for section, taken in needs(path).items()
        if (missing := {name for name, places in taken.items() if not places & said[section]})
    }
    assert lacking == {}
    assert [it for it in said if any(said.get(other, set()) - said[it] for other in said[it])] == []


def changed(path: Path, row: str) -> NotebookNode:
    """A notebook as a row of a schedule has it, `with` or `without` some sections or exercises."""
    notebook: NotebookNode = deepcopy(stored(path))
    out, more = (
        {it for part in re.findall(rf", {word} ([^,;:]+)", row) for it in part.split(" and ")}
        for word in ("without", "with")
    )
    assert out | more <= {f"section {number}" for number in sections(path)} | {
        f"`{it.name}`" for it in exercises_of(notebook)
    }
    section, cells = "", []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for number in re.findall(r"^## (\d+)\. ", cell.source, re.M):
                section = f"section {number}"
                if section in more:
                    heading = rf"^(## {number}\. .*) \(optional\)$"
                    cell.source = re.sub(heading, r"\1", cell.source, flags=re.M)
        if section not in out and f"`{tag_of(cell, 'exercise')}`" not in out:
            cells.append(cell)
    notebook.cells = cells
    return notebook


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
            core, _ = minutes(changed(ROOT / "notebooks" / named[1], what))
            assert int(takes) >= core + 5, f"{named[1]} takes {core} minutes"


@pytest.mark.parametrize("page", ["teach", "answers", "bridge", "assignment"])
def test_a_page_of_the_pack_leads_to_what_can_be_read_in_the_repository(page: str) -> None:
    """There a page that shows a section of another file is two lines, which name it."""
    text = (ROOT / "book" / f"{page}.md").read_text()
    pages = [ROOT / "book" / it for it in re.findall(r"\]\(([^)/#]+\.md)[#)]", text)]
    shows_only = [it.name for it in pages if not SECTION.sub("", it.read_text()).strip()]
    assert shows_only == []
    assert not SECTION.search(text)


def test_what_is_asked_in_full_is_asked() -> None:
    table = TEACH.partition("## Which predictions get their time")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|\s*(\d\d|)\s*\| \*(.+)\* \|$", table, re.M)
    assert len(rows) > 8
    part = ""
    for number, question in rows:
        part = number or part
        assert f"- *{question}*" in PARTS[part]


def test_the_messages_are_those_of_the_server() -> None:
    table = TEACH.partition("## When a server doesn't start")[2].partition("What isn't")[0]
    messages = re.findall(r"^\| `([^`]+)` \|", table, re.M)
    assert len(messages) > 10
    source = "".join(file.read_text() for file in (ROOT / "project" / "postgres").glob("*.py"))
    assert [message for message in messages if message not in source] == []
