"""Checks the prose of the notebooks, the README and the book: links, words to avoid, words for
each picture, and whether a notebook takes as long as it says.

python -m tests.prose     prints what is wrong, a line each; exits 1 if anything is
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from nbformat import NotebookNode

from tests.exercises import tag_of
from tests.notebooks import stored

ROOT = Path(__file__).resolve().parents[1]

WORDS_A_MINUTE, MINUTES_A_CELL, MINUTES_AN_EXERCISE, LIMIT = 150, 0.6, 5, 45
FORBIDDEN = re.compile(
    r"\b(simply|just|obviously|of course|easily|trivial(?:ly)?)\b|!(?=\s|$)", re.I
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
IMAGE = re.compile(r"!\[([^\]]*)\]\([^)]+\)")
CODE = re.compile(r"```.*?```|`[^`]*`", re.S)


def headings(text: str) -> set[str]:
    """The anchors of a Markdown text's headings, as JupyterLab and code hosts make them."""
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", t).strip().replace(" ", "-").lower() for t in titles} | {
        t.strip().replace(" ", "-") for t in titles
    }


def text_of(path: Path) -> str:
    """A notebook's text cells, or a Markdown file's text."""
    if path.suffix != ".ipynb":
        return path.read_text()
    cells = stored(path).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def check_text(path: Path, text: str) -> Iterator[str]:
    """Yield what is wrong with a text: words to avoid, links to nowhere, images without words."""
    prose = CODE.sub("`…`", text)
    for match in FORBIDDEN.finditer(prose):
        yield f"avoid {match[0]!r}: …{prose[max(0, match.start() - 30) : match.end() + 30]!r}…"
    for target in LINK.findall(CODE.sub("`…`", text)):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        if not linked.exists():
            yield f"a link to nowhere: {target}"
        elif anchor and anchor not in headings(text_of(linked)):
            yield f"a link to a heading that isn't there: {target}"
    for words in IMAGE.findall(text):
        if not words.strip():
            yield "an image without a text in its place"


def check_pictures(path: Path) -> Iterator[str]:
    """Yield each picture that no table follows within three cells or precedes by two."""
    cells = stored(path).cells
    kinds = [
        {kind for output in cell.get("outputs", []) for kind in output.get("data", {})}
        for cell in cells
    ]
    for number, found in enumerate(kinds):
        near = kinds[max(0, number - 3) : number + 4]
        if "image/png" in found and not any("text/html" in other for other in near):
            yield f"cell {number + 1}: a picture without a table that says the same"


def minutes(notebook: NotebookNode) -> tuple[int, int]:
    """How long a notebook takes: its core, and its optional sections. Both to five minutes.

    Words / 150, and 0.6 for each code cell; a fold's words aren't counted. An exercise takes five
    minutes, its stub, its check and its solution included. A section is optional whose heading,
    or the heading above it, ends with "(optional)".
    """
    spent = {False: 0.0, True: 0.0}
    optional, level = False, 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.S)
            for marks, title in re.findall(r"^(#+) (.+)$", CODE.sub("", text), re.M):
                if not optional or len(marks) <= level:
                    optional, level = title.endswith("(optional)"), len(marks)
            spent[optional] += len(text.split()) / WORDS_A_MINUTE
        elif tag_of(cell, "exercise"):
            spent[optional] += MINUTES_AN_EXERCISE
        elif not tag_of(cell, "check"):
            spent[optional] += MINUTES_A_CELL
    return 5 * round(spent[False] / 5), 5 * round(spent[True] / 5)


def check_minutes(path: Path) -> Iterator[str]:
    """Yield where the minutes that a notebook takes, or that the two maps say, are others."""
    notebook = stored(path)
    core, optional = minutes(notebook)
    if core > LIMIT:
        yield f"takes {core} minutes without its optional parts, and {LIMIT} is the most"
    said = f"**Time:** {core} minutes" + (
        f", and {optional} for what is optional" if optional else ""
    )
    if not re.search(re.escape(said) + r"\b(?!, and \d)", notebook.cells[0].source):
        yield f"say in the first cell: {said}"
    column = f"{core} + {optional}" if optional else str(core)
    for file in (ROOT / "README.md", ROOT / "notebooks" / "00_start_here.ipynb"):
        if not re.search(
            rf"^\| {path.stem[:2]} \|.*\| {re.escape(column)} \|$", text_of(file), re.M
        ):
            yield f"the map in {file.name} has other minutes than {column}"


def main() -> int:
    """Check every text; return the number of texts in which something is wrong."""
    wrong = 0
    texts = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "examples").rglob("*.md")]
    texts += (ROOT / "book").glob("*.md")
    for path in [*sorted(texts), *sorted((ROOT / "notebooks").glob("*.ipynb"))]:
        found = list(check_text(path, text_of(path)))
        if path.suffix == ".ipynb":
            found += check_pictures(path)
            found += check_minutes(path)
        for line in found:
            print(f"{path.relative_to(ROOT)}: {line}")
        wrong += bool(found)
    return wrong


if __name__ == "__main__":
    sys.exit(min(main(), 1))
