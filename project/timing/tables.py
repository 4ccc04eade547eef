"""Tables of what a Recorder has recorded, for a notebook."""

import html
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from tabulate import tabulate

from project.timing.recorder import Recorder


class Table:
    """A table that a notebook shows as HTML and a terminal as text.

    Args:
        headers: the columns' names.
        rows: the cells, shown as `str` has them.
    """

    def __init__(self, headers: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        self.headers = headers
        self.rows = rows

    def __str__(self) -> str:
        rows = [[str(cell) for cell in row] for row in self.rows]  # or None would be an empty cell
        return tabulate(rows, headers=self.headers, disable_numparse=True)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        headers = [html.escape(str(header)) for header in self.headers]
        rows = [[html.escape(str(cell)) for cell in row] for row in self.rows]
        table = str(tabulate(rows, headers=headers, tablefmt="unsafehtml", disable_numparse=True))
        # Jupyter aligns cells to the right, which makes text hard to scan.
        for cell in ("td", "th"):
            table = table.replace(f"<{cell}>", f'<{cell} style="text-align: left">')
        return table


def milliseconds(seconds: float) -> str:
    """Write a duration in seconds as milliseconds, to two digits or a whole number."""
    value = seconds * 1000
    # Adding 0 turns a -0.0 into 0.0.
    return f"{round(value, 1) + 0:.1f} ms" if value < 10 else f"{value:,.0f} ms"


def lifetimes(recorder: Recorder) -> Table:
    """Tabulate one session: how often each fixture was made, and what it cost each time.

    The costs are medians over the fixture's lives.
    """
    rows = []
    for name in dict.fromkeys(span.name for span in recorder.fixtures):
        lives = [span for span in recorder.fixtures if span.name == name]
        rows.append(
            (
                name,
                lives[0].scope,
                len(lives),
                milliseconds(median(span.set_up for span in lives)),
                milliseconds(median(span.tear_down for span in lives)),
            )
        )
    return Table(["fixture", "scope", "made", "set-up", "tear-down"], rows)


def shares(recorder: Recorder) -> Table:
    """Tabulate where a test's time goes, as means over the tests, the dearest part first.

    Fixtures of session scope are left out: they cost the same for any number of tests.
    """
    tests = len(recorder.tests)
    parts = [("the test itself", "", "", sum(test.body for test in recorder.tests) / tests)]
    again = [span for span in recorder.fixtures if span.scope == "function"]
    for name in dict.fromkeys(span.name for span in again):
        up = sum(span.set_up for span in again if span.name == name) / tests
        down = sum(span.tear_down for span in again if span.name == name) / tests
        parts.append((name, milliseconds(up), milliseconds(down), up + down))
    total = sum(part[-1] for part in parts)
    rows = [
        (name, up, down, milliseconds(seconds), f"{seconds / total:.0%}")
        for name, up, down, seconds in sorted(parts, key=lambda part: part[-1], reverse=True)
    ]
    return Table(["part", "set-up", "tear-down", "per test", "share"], rows)


def costs(sessions: Mapping[str, Sequence[Recorder]]) -> Table:
    """Tabulate what each system's fixtures cost, as medians over its recorded sessions."""
    rows = []
    for name, recorders in sessions.items():
        last = recorders[-1]
        rows.append(
            (
                name,
                f"{len(last.migrations)} times",
                milliseconds(median(r.per_session for r in recorders)),
                milliseconds(median(r.per_test for r in recorders)),
            )
        )
    tests = len(next(iter(sessions.values()))[-1].tests)
    return Table(
        [
            "system",
            f"Alembic ran, for {tests} tests",
            "fixtures, per session",
            "fixtures, per test",
        ],
        rows,
    )
