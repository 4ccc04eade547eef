"""The book shows what README and the notebooks say, its links lead on, and it builds."""

import subprocess
from pathlib import Path

import pytest

from book.links import broken
from book.pages import BOOK, ROOT, Book, NotThereError, headings, section, slug
from project.testing import STRATEGIES

PYTHON = ROOT / ".venv-book" / "bin" / "python"
TEXT = "# A\nabove\n\n## 1. B c's\nb\n\n```sh\n# no heading\n```\n### D\nd\n## E\ne\n"


@pytest.fixture(scope="module")
def book() -> Book:
    return Book("OWNER/REPO")


@pytest.mark.parametrize(
    ("anchor", "text"),
    [
        ("", "# A\nabove\n\n"),
        ("b-cs", TEXT[TEXT.index("## 1") : TEXT.index("## E")]),
        ("d", "### D\nd\n"),
        ("e", "## E\ne\n"),
    ],
)
def test_a_section_ends_where_the_next_begins(anchor: str, text: str) -> None:
    assert section(TEXT, anchor) == text


def test_a_heading_that_is_not_there_is_an_error() -> None:
    with pytest.raises(NotThereError, match="no-heading"):
        section(TEXT, "no-heading")
    assert slug("When the server doesn't answer") == "when-the-server-doesnt-answer"
    assert [name for *_, name in headings(TEXT)] == ["a", "1-b-cs", "d", "e"]


def test_every_section_of_readme_is_on_a_page(book: Book) -> None:
    assert book.missing() == []
    del (
        book.shown[ROOT / "README.md", "recipes"],
        book.shown[ROOT / "README.md", "use-the-fixtures"],
    )
    assert "recipes" in book.missing()


@pytest.mark.parametrize(
    ("link", "page", "expected"),
    [
        ("05_migrate_once.ipynb#Clean-up", "notebooks/x.ipynb", "05_migrate_once.ipynb#clean-up"),
        ("../README.md#every-seam", "notebooks/x.ipynb", "../seams.md#every-seam"),
        ("../README.md", "notebooks/x.ipynb", "../index.md"),
        ("../CONTRIBUTING.md", "series.md", "contribute.md"),
        ("../LICENSE", "series.md", "https://github.com/OWNER/REPO/blob/main/LICENSE"),
        ("../project", "series.md", "https://github.com/OWNER/REPO/tree/main/project"),
        ("../notebooks/00_start_here.png", "notebooks/x.ipynb", "../pictures/00_start_here.png"),
        ("https://example.org", "series.md", "https://example.org"),
    ],
)
def test_links_lead_to_pages_or_to_the_repository(link: str, page: str, expected: str) -> None:
    book = Book("OWNER/REPO")
    text = f"[a]({link}) `[b]({link})`"
    led = book.lead(text, ROOT / "notebooks" / "x.ipynb", page)
    assert led == f"[a]({expected}) `[b]({link})`"


def test_a_link_to_nowhere_is_an_error(book: Book) -> None:
    with pytest.raises(NotThereError, match=r"gone\.md, which isn't there"):
        book.lead("[a](gone.md)", ROOT / "README.md", "index.md")


def test_the_reference_has_every_strategy() -> None:
    text = (BOOK / "reference.md").read_text()
    assert all(f".. automodule:: project.testing.{strategy}\n" in text for strategy in STRATEGIES)


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<p id="here"><a href="#here">1</a><a href="b.html#x">2</a>')
    (tmp_path / "b.html").write_text('<p id="y"><a href="a.html#here">1</a><a href="c.html">2</a>')
    assert broken(tmp_path) == [
        "a.html links to b.html#x, which isn't there",
        "b.html links to c.html, which isn't there",
    ]


@pytest.mark.slow
@pytest.mark.thorough  # `make book` builds it, too
@pytest.mark.skipif(not PYTHON.exists(), reason="`make book` makes the environment")
def test_it_builds_without_a_warning(tmp_path: Path) -> None:
    built = subprocess.run(
        [PYTHON, "-m", "book", tmp_path], cwd=ROOT, capture_output=True, text=True
    )
    assert (built.returncode, built.stderr) == (0, "")
    pages = {str(page.relative_to(tmp_path / "html")) for page in tmp_path.rglob("*.html")}
    assert {"index.html", "search.html", "teach.html", "answers.html"} <= pages
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        page = tmp_path / "html" / "notebooks" / f"{notebook.stem}.html"
        assert f"mybinder.org/v2/gh/OWNER/REPO/main?urlpath=lab/tree/notebooks/{notebook.name}" in (
            page.read_text()
        )
