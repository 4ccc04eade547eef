"""What a notebook's sections need of each other: the names in their code cells, nothing is run.

A section begins with a numbered heading of the second level. What stands before the first one is
section 0, which every section may use.
"""

import ast
import builtins
import re
from collections.abc import Iterator
from pathlib import Path

from tests.notebooks import stored

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


def sections(path: Path) -> dict[int, list[str]]:
    """The code cells of each section, without what isn't Python."""
    found: dict[int, list[str]] = {0: []}
    for cell in stored(path).cells:
        if cell.cell_type == "markdown":
            for number in re.findall(r"^## (\d+)\. ", cell.source, re.M):
                found[int(number)] = []
        else:
            found[max(found)].append(re.sub(r"^%.*$", "", cell.source, flags=re.M))
    return found


def is_collected(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Tell whether pytest reads the function's arguments as the names of fixtures."""
    return node.name.startswith("test_") or "fixture" in "".join(
        ast.unparse(it) for it in node.decorator_list
    )


def names(code: str) -> Iterator[tuple[str, bool]]:
    """Each name in a cell that the kernel holds or pytest finds, and whether the cell sets it.

    What a function sets for itself isn't among those that are set.
    """
    tree = ast.parse(code)
    functions = [it for it in ast.walk(tree) if isinstance(it, FUNCTION)]
    inside = {id(node) for it in functions for node in ast.walk(it) if node is not it}
    own = {it.arg for it in ast.walk(tree) if isinstance(it, ast.arg)} | {
        it.id
        for it in ast.walk(tree)
        if isinstance(it, ast.Name) and id(it) in inside and isinstance(it.ctx, ast.Store)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            if isinstance(node.ctx, ast.Store):
                if id(node) not in inside:
                    yield node.id, True
            elif id(node) not in inside or node.id not in own:
                yield node.id, False
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for alias in node.names:
                yield (alias.asname or alias.name).split(".")[0], True
        elif isinstance(node, FUNCTION | ast.ClassDef):
            yield node.name, True
            if not isinstance(node, ast.ClassDef) and is_collected(node):
                yield from ((it.arg, False) for it in node.args.args)


def needs(path: Path) -> dict[int, dict[str, set[int]]]:
    """For each section, the names that it takes from earlier ones, and which of these set it."""
    sets: dict[str, set[int]] = {}
    taken: dict[int, dict[str, set[int]]] = {}
    for number, cells in sections(path).items():
        here: set[str] = set()
        taken[number] = {}
        for code in cells:
            found = list(names(code))
            here |= {name for name, is_set in found if is_set}
            for name, is_set in found:
                if is_set or name in here or hasattr(builtins, name):
                    continue
                if name in sets and 0 not in sets[name]:
                    taken[number][name] = set(sets[name])
        for name in here:
            sets.setdefault(name, set()).add(number)
    return taken
