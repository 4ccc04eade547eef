"""Builds the book into a folder that is empty: python -m book FOLDER.

Nothing is executed, nothing is downloaded. A warning is an error.
"""

import os
import sys
from pathlib import Path

from sphinx.cmd.build import build_main

from .links import broken
from .pages import BOOK, Book, NotThereError


def main(folder: Path) -> int:
    """Write the pages, have Sphinx build them, follow their links; return 0 if all is well."""
    pages, site = folder / "pages", folder / "html"
    try:
        Book(os.environ.get("GITHUB_REPOSITORY", "OWNER/REPO")).write(pages)
    except NotThereError as error:
        print(error.args[0], file=sys.stderr)
        return 1
    options = ["-q", "-W", "--keep-going", "-b", "html", "-d", f"{folder / 'doctrees'}"]
    if build_main([*options, "-c", str(BOOK), str(pages), str(site)]):
        return 1
    wrong = broken(site)
    print(*wrong, sep="\n", end="\n" if wrong else "", file=sys.stderr)
    print(f"Open {site / 'index.html'}")
    return min(len(wrong), 1)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
