"""The book's pages, made of the texts that others read too: README, CONTRIBUTING, the notebooks.

In a page, two lines stand for a section of another file, its heading and those below included:

    ```{section} README.md#recipes
    ```

A section that has another place in the book is left out. Where the file is a notebook, the section
has the tables that its cells have put out, and no code. Links lead to the book's pages where there
is one, or else to the repository's.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
SECTION = re.compile(r"^```\{section\} ([^#\s]+)(?:#(\S+))?\n```$", re.M)
TARGET = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
CODE = re.compile(r"(^ *```.*?^ *```|`[^`\n]*`)", re.M | re.S)
HEADING = re.compile(r"^(#+) (.+)$", re.M)


class NotThereError(Exception):
    """What a page shows or links to isn't there."""


def slug(title: str) -> str:
    """The anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w\- ]", "", title.strip().lower()).replace(" ", "-")


def headings(text: str) -> Iterator[tuple[int, int, str]]:
    """Where a text has headings: the place, the level, and the anchor."""
    blank = CODE.sub(lambda code: code[0] if "\n" not in code[0] else "x" * len(code[0]), text)
    for match in HEADING.finditer(blank):
        yield match.start(), len(match[1]), slug(match[2])


def section(text: str, anchor: str) -> str:
    """A section of a text, with those below it. Without an anchor, what stands above all others.

    A number before a heading isn't part of the anchor.

    Raises:
        NotThereError: there is no such heading.
    """
    found = list(headings(text))
    if not anchor:
        return text[: next((start for start, level, _ in found if level == 2), len(text))]
    for start, depth, name in found:
        if re.sub(r"^\d+-", "", name) == anchor:
            ends = (end for end, level, _ in found if end > start and level <= depth)
            return text[start : next(ends, len(text))]
    raise NotThereError(f"no heading {anchor!r}")


def text_of(file: Path) -> str:
    """A Markdown file's text; or a notebook's, with its tables in the place of its code."""
    if file.suffix != ".ipynb":
        return file.read_text()
    parts = []
    for cell in json.loads(file.read_text())["cells"]:
        if cell["cell_type"] == "markdown":
            parts.append("".join(cell["source"]))
        for output in cell.get("outputs", []):
            if table := "".join(output.get("data", {}).get("text/html", "")):
                table = re.sub(r"\n\s*\n", "\n", table)  # a blank line would end the HTML
                parts.append(f'<div class="cell_output">\n{table}\n</div>')
    return "\n\n".join(parts)


def find(pattern: str, anchor: str) -> Path:
    """The file that a page means: of those that a pattern names, the last with such a heading.

    Raises:
        NotThereError: no file has it.
    """
    for file in sorted(ROOT.glob(pattern), reverse=True):
        try:
            section(text_of(file), anchor)
        except NotThereError:
            continue
        return file
    raise NotThereError(f"{pattern} has no heading {anchor!r}, which a page of the book shows")


class Book:
    """What the book's pages show of which files.

    Args:
        repository: its owner and name, on GitHub.
    """

    def __init__(self, repository: str) -> None:
        self.repository = repository
        self.pages = {page.name: page.read_text() for page in sorted(BOOK.glob("*.md"))}
        self.shown: dict[tuple[Path, str], str] = {}
        for page, text in self.pages.items():
            for pattern, anchor in SECTION.findall(text):
                self.shown[find(pattern, anchor), anchor] = page

    def section(self, file: Path, anchor: str) -> str:
        """A section of a file, without those that have another place."""
        text = section(text_of(file), anchor)
        for other, name in self.shown:
            if other == file and name not in ("", anchor):
                try:
                    text = text.replace(section(text, name), "")
                except NotThereError:
                    continue
        return text.strip()

    def target(self, file: Path, anchor: str) -> str | None:
        """The page, and the place there, that a file or a heading of it has become."""
        if file.parent == BOOK and file.suffix == ".md":
            return f"{file.name}#{anchor}" if anchor else file.name
        if file.parent == ROOT / "notebooks" and file.suffix == ".ipynb":
            return f"notebooks/{file.name}" + (f"#{anchor}" if anchor else "")
        for (other, name), page in self.shown.items():
            if other == file and not anchor and (not name or len(self.of(file)) == 1):
                return page
            if other == file and anchor in {at for *_, at in headings(self.section(file, name))}:
                return f"{page}#{anchor}"
        return None

    def of(self, file: Path) -> list[str]:
        """The sections of a file that the book shows."""
        return [anchor for other, anchor in self.shown if other == file]

    def missing(self) -> list[str]:
        """The headings of README that no page shows."""
        readme = ROOT / "README.md"
        text = "\n\n".join(self.section(readme, anchor) for anchor in self.of(readme))
        shown = {anchor for *_, anchor in headings(text)}
        return [at for *_, at in headings(readme.read_text()) if at not in shown]

    def lead(self, text: str, file: Path, page: str) -> str:
        """A text of a file with links that lead on from a page of the book.

        Raises:
            NotThereError: a link leads nowhere.
        """

        def lead(match: re.Match[str]) -> str:
            path, _, anchor = match[0].partition("#")
            if re.match(r"[a-z]+:", path):
                return match[0]
            anchor = slug(unquote(anchor))
            target = Path(os.path.normpath(file.parent / path)) if path else file
            if not target.exists():
                raise NotThereError(f"{file.relative_to(ROOT)} links to {path}, which isn't there")
            if target.suffix in (".png", ".svg"):
                there: str | None = f"pictures/{target.name}"
            else:
                there = self.target(target, anchor)
            if there is None:
                kind = "tree" if target.is_dir() else "blob"
                name = target.relative_to(ROOT).as_posix()
                end = f"#{anchor}" if anchor else ""
                return f"https://github.com/{self.repository}/{kind}/main/{name}{end}"
            name, _, anchor = there.partition("#")
            name = "" if name == page and anchor else os.path.relpath(name, Path(page).parent)
            return f"{name}#{anchor}" if anchor else name

        parts = CODE.split(text)
        parts[::2] = [TARGET.sub(lead, part) for part in parts[::2]]
        return "".join(parts).replace("OWNER/REPO", self.repository)

    def page(self, name: str) -> str:
        """The text of a page, with the sections that it shows."""
        text = self.pages[name]
        top = 2 if text.startswith("# ") else 1

        def show(match: re.Match[str]) -> str:
            nonlocal top
            file = find(match[1], match[2] or "")
            shown = self.lead(self.section(file, match[2] or ""), file, name)
            places = list(headings(shown))
            shift, top = top - places[0][1], 2
            for start, level, _ in reversed(places):
                shown = shown[:start] + "#" * (level + shift) + shown[start + level :]
            return re.sub(r"^(#+) \d+\. ", r"\1 ", shown)

        return SECTION.sub(show, self.lead(text, BOOK / name, name))

    def notebook(self, file: Path) -> str:
        """A notebook with the book's links, its pictures described where Sphinx looks for that."""
        notebook = json.loads(file.read_text())
        language = notebook["metadata"].setdefault("language_info", {"name": "python"})
        language["pygments_lexer"] = "ipython3"  # it knows % and !
        for number, cell in enumerate(notebook["cells"]):
            if cell["cell_type"] == "markdown":
                text = "".join(cell["source"])
                if number == 0:
                    text = text.replace("# ", f"# {file.name[:2]} · ", 1)  # as others name it
                cell["source"] = self.lead(text, file, f"notebooks/{file.name}")
            for output in cell.get("outputs", []):
                if alt := output.get("metadata", {}).get("image/png", {}).get("alt"):
                    cell["metadata"]["mystnb"] = {"image": {"alt": alt}}
        return json.dumps(notebook)

    def write(self, folder: Path) -> None:
        """Write every page into a folder, for Sphinx to read.

        Raises:
            NotThereError: a link leads nowhere, or something in README isn't in the book.
        """
        if missing := self.missing():
            raise NotThereError(f"no page of the book shows README's {', '.join(missing)}")
        (folder / "notebooks").mkdir(parents=True)
        (folder / "pictures").mkdir()
        for name in self.pages:
            (folder / name).write_text(self.page(name))
        for file in sorted((ROOT / "notebooks").glob("*.ipynb")):
            (folder / "notebooks" / file.name).write_text(self.notebook(file))
        for file in (*BOOK.glob("*.svg"), *ROOT.glob("*/*.png"), *ROOT.glob("project/*/*.png")):
            shutil.copy(file, folder / "pictures")
