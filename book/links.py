"""Follows each internal link of a built site."""

import os
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote


class Page(HTMLParser):
    """What a page links to, and the places in it that a link can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: set[str] = set()
        self.places: set[str] = {"", "top"}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what an element is called and where it leads."""
        for name, value in attrs:
            if name == "id":
                self.places.add(value or "")
            elif name in ("href", "src") and value and not re.match(r"[a-z]+:|//", value):
                self.targets.add(value)


def broken(site: Path) -> list[str]:
    """The links that lead nowhere, a line each."""
    files = [file for file in site.rglob("*.html") if "_static" not in file.parts]
    pages = {file: Page(file.read_text()) for file in files}
    wrong = []
    for file, page in sorted(pages.items()):
        for target in sorted(page.targets):
            path, _, anchor = target.partition("#")
            path = unquote(path.partition("?")[0])
            there = Path(os.path.normpath(file.parent / path)) if path else file
            if not there.exists() or (
                there in pages and unquote(anchor) not in pages[there].places
            ):
                wrong.append(f"{file.relative_to(site)} links to {target}, which isn't there")
    return wrong
