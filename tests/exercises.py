"""The exercises of a notebook, and what the tests put into their places.

An exercise is four cells one after another: its task, a text in bold; a stub, which runs as it
stands (tag `exercise:NAME`); a check, which says "right" or "not yet: …" (tag `check:NAME`); and
the solution, folded in a `<details>` block (tag `solution:NAME`).

Plausible wrong answers are files in `tests/answers/NN/NAME`, NN being the notebook's number. The
first line says what the check has to say: `# not yet: …`.
"""

import re
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

from nbformat import NotebookNode

ANSWERS = Path(__file__).parent / "answers"
SOLUTION = re.compile(
    r"<details>\s*<summary>[^<]+</summary>.*?```python\n(.*?)```.*?</details>", re.S
)


@dataclass(frozen=True)
class Exercise:
    """Where an exercise begins among a notebook's cells, and what its fold holds."""

    name: str
    task: int
    solution: str


def tag_of(cell: NotebookNode, kind: str) -> str:
    """The NAME of a cell's tag `kind:NAME`, or nothing."""
    tags = cell.metadata.get("tags", [])
    return next((tag.partition(":")[2] for tag in tags if tag.startswith(f"{kind}:")), "")


def exercises_of(notebook: NotebookNode) -> list[Exercise]:
    """Find a notebook's exercises. Raises ValueError where one isn't made as it should be."""
    found = []
    cells = notebook.cells
    for number, cell in enumerate(cells):
        name = tag_of(cell, "exercise")
        if not name:
            continue
        task, check, solution = cells[number - 1], cells[number + 1], cells[number + 2]
        if tag_of(check, "check") != name or tag_of(solution, "solution") != name:
            raise ValueError(f"{name}: a check and a solution come after the stub, with its name")
        if "**" not in task.source or task.cell_type != "markdown":
            raise ValueError(f"{name}: a text with the task in bold comes before the stub")
        folded = SOLUTION.search(solution.source)
        if not folded:
            raise ValueError(f"{name}: the solution is Python in a <details> block")
        found.append(Exercise(name, number - 1, folded[1]))
    return found


def wrong_answers(path: Path, name: str) -> list[Path]:
    """The files with plausible wrong answers to an exercise of a notebook."""
    return sorted((ANSWERS / path.stem[:2] / name).glob("*.py"))


def expected_of(answer: Path) -> str:
    """What the check has to say to a wrong answer."""
    first = answer.read_text().splitlines()[0]
    if not first.startswith("# not yet: "):
        raise ValueError(f"{answer}: the first line is `# not yet: …`")
    return first.removeprefix("# not yet: ").strip()


def with_attempts(notebook: NotebookNode, path: Path, *, wrong: bool) -> NotebookNode:
    """Put the solution, every wrong answer, if they are wanted, and the stub before each check.

    Each attempt is followed by the check. The solution is the first one: what it needs and doesn't
    import, no other attempt has imported. The stub is the last one, so that what comes after runs
    as it does for a reader who has skipped the exercise. The check that follows an attempt has
    `expects` in its metadata: what it has to print.
    """
    expanded = deepcopy(notebook)
    for exercise in reversed(exercises_of(notebook)):
        stub, check = expanded.cells[exercise.task + 1], expanded.cells[exercise.task + 2]
        answers = wrong_answers(path, exercise.name) if wrong else []
        attempts = [
            (exercise.solution, "right"),
            *((it.read_text(), expected_of(it)) for it in answers),
            (stub.source, "not yet: "),
        ]
        cells = []
        for source, expected in attempts:
            attempt, answer = deepcopy(stub), deepcopy(check)
            attempt.source = source
            answer.metadata["expects"] = expected
            cells += [attempt, answer]
        expanded.cells[exercise.task + 1 : exercise.task + 3] = cells
    for number, cell in enumerate(expanded.cells):
        cell.id = f"cell-{number}"
    return expanded


def printed(cell: NotebookNode) -> str:
    """What a code cell has printed."""
    return "".join(output.get("text", "") for output in cell.outputs)
