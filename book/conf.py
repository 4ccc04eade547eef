"""How Sphinx makes the book: `make book`. Its pages take their text from where others read it."""

import itertools
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parents[1]))

repository = os.environ.get("GITHUB_REPOSITORY", "OWNER/REPO")

project = html_title = "A Clean Database for Every Test"
copyright = "its authors. Code: MIT. Text and pictures: CC-BY-4.0"
language = "en"
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "**/.ipynb_checkpoints"]

nb_execution_mode = "off"
nb_merge_streams = True
nb_render_error_lexer = "none"
myst_heading_anchors = 6

autodoc_default_options = {"members": True, "member-order": "bysource", "ignore-module-all": True}
autodoc_typehints = "none"
add_module_names = False

html_theme = "sphinx_book_theme"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_copy_source = False
html_use_index = html_domain_indices = False  # the search finds more
html_show_sphinx = False
html_theme_options = {
    "repository_url": f"https://github.com/{repository}",
    "repository_branch": "main",
    "use_repository_button": True,
    "use_download_button": False,
    "launch_buttons": {
        "binderhub_url": "https://mybinder.org",
        "notebook_interface": "jupyterlab",
    },
    "navbar_start": [],
    "navbar_center": [],
    "navbar_end": [],
    "navbar_persistent": [],
    "show_navbar_depth": 1,
    "show_toc_level": 2,
}


def documented(function: Any = None, *, scope: str = "function", **_: Any) -> Any:
    """Stand where a decorator of fixtures does: autodoc finds a function, and its scope."""
    if function is None:
        return lambda it: documented(it, scope=scope)
    function.__doc__ = f"{function.__doc__ or ''}\n\n*A fixture, {scope} scope.*\n"
    return function


stand_in: Any = documented
pytest.fixture = pytest_asyncio.fixture = stand_in


def for_readers(
    app: Sphinx, what: str, name: str, it: object, options: Any, lines: list[str]
) -> None:
    """Have a docstring say what it says to readers alone, in Sphinx's way of writing code."""
    lines[:] = itertools.takewhile(lambda line: "PYTEST_DONT_REWRITE" not in line, lines)
    for number, line in enumerate(lines):
        line = re.sub(r"^pytest .*", r"| `\g<0>`", line)  # a line of its own
        lines[number] = re.sub(r"`([^`]+)`", r"``\1``", line)


def setup(app: Sphinx) -> None:
    """Have Sphinx ask what a docstring says."""
    app.connect("autodoc-process-docstring", for_readers, priority=400)  # before napoleon
