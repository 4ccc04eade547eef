"""Compare isolation strategies from a shell.

python -m project.timing --strategy function_level --strategy session_level
python -m project.timing --tests 10 50 100 --rounds 3 --json times.json --plot times.png
"""

import argparse
import os
import shlex
import sys
from collections.abc import Collection
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

from project.postgres import PostgresError
from project.timing.compare import compare, plugin
from project.timing.plots import draw_costs, draw_overview
from project.timing.report import report
from project.timing.workload import InvalidWorkloadError, Workload

PROGRAM = "python -m project.timing"
MOST_PANELS = 3  # of bars; more workloads go into one picture of dots
FAILED, WRONG_ARGUMENTS, INTERRUPTED = 1, 2, 130


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Say it, and exit."""
        self.exit(WRONG_ARGUMENTS, f"{message} (see {PROGRAM} --help)\n")


def main(arguments: list[str] | None = None) -> int:
    """Run a comparison and report it; return the exit status: 1 if a strategy's tests failed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = make_parser()
    given = parser.parse_args(arguments)
    strategies = given.strategy or ["function_level", "session_level"]
    try:
        workloads = side_by_side(*(getattr(given, field.name) for field in fields(Workload)))
        for name in strategies:
            plugin(name)
        if given.json:
            check_can_write(given.json, ["json"])
        if given.plot:
            check_can_write(given.plot, ["png", "svg", "pdf"])
        if given.rounds < 1:
            raise ValueError("--rounds must be at least 1")
    except (ValueError, ModuleNotFoundError) as error:
        parser.error(str(error))
    try:
        comparison = compare(strategies, workloads, rounds=given.rounds, bare=given.overhead)
    except (PostgresError, InvalidWorkloadError) as error:
        print(error, file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("Interrupted: nothing is kept.", file=sys.stderr)
        return INTERRUPTED
    if comparison.rounds < given.rounds:
        print(f"Interrupted: {comparison.rounds} complete rounds are kept.", file=sys.stderr)
    comparison.command = shlex.join([*PROGRAM.split(), *arguments])
    if given.json:
        comparison.save(given.json)
    print(report(comparison))
    if given.plot:
        draw = draw_costs if len(workloads) <= MOST_PANELS else draw_overview
        draw(comparison).savefig(given.plot, dpi=150)
    return FAILED if any(session.error for session in comparison.sessions) else 0


def make_parser() -> Parser:
    """Return the command's parser."""
    parser = Parser(
        prog=PROGRAM,
        description="Time isolation strategies on the same tests, on one server, round by round.",
        epilog="Several values of a size make several workloads, read side by side:"
        " --revisions 2 20 --tables 2 20 makes 2/2 and 20/20. A single value goes with all.",
    )
    parser.add_argument(
        "--strategy",
        action="append",
        metavar="NAME",
        help="a module in project.testing, or any module if there is a dot in its name; again for"
        " each one more. By default function_level and session_level",
    )
    for field in fields(Workload):
        parser.add_argument(
            f"--{field.name}",
            type=int,
            nargs="+",
            default=[field.default],
            metavar="N",
            help=f"{HELP[field.name]}. By default {field.default}",
        )
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="by default 5")
    parser.add_argument(
        "--overhead", action="store_true", help="see what recording adds; takes twice as long"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="save the result")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw it, as .png, .svg or .pdf")
    return parser


HELP = {
    "tests": "how many tests",
    "revisions": "how many migrations",
    "tables": "how many tables they make",
    "rows": "how many more rows each test finds in two of the tables",
    "kinds": "how many of the two tests; 1 leaves out the one that can't pass under rollback",
}


def side_by_side(*sizes: list[int]) -> list[Workload]:
    """Return the workloads of several lists of sizes; one value alone goes with all the others'.

    Raises:
        ValueError: two lists differ in length, or a size is out of range.
    """
    longest = max(len(values) for values in sizes)
    if any(len(values) not in (1, longest) for values in sizes):
        raise ValueError(f"give each size one value, or {longest} like the others")
    columns = [values * longest if len(values) == 1 else values for values in sizes]
    return [Workload(*row) for row in zip(*columns, strict=True)]


def check_can_write(file: Path, endings: Collection[str]) -> None:
    """Raise a ValueError unless a result can be written there: before it takes long to make one."""
    if file.suffix.removeprefix(".") not in endings:
        raise ValueError(f"{file} must end in {' or '.join(f'.{ending}' for ending in endings)}")
    if file.is_dir() or not os.access(file if file.exists() else file.absolute().parent, os.W_OK):
        raise ValueError(f"{file} can't be written")


if __name__ == "__main__":
    raise SystemExit(main())
