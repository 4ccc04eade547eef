"""Compare isolation strategies from a shell.

python -m project.timing --tests 10 50 100 --rounds 3 --json times.json --plot times.png
"""

import argparse
import shlex
import sys
from pathlib import Path

from project.postgres import PostgresError
from project.runs import module_of
from project.timing.compare import SIZES, compare, save
from project.timing.figures import report
from project.timing.plots import draw_costs, draw_overview
from project.timing.workload import LEAST, TESTS, Workload

PROGRAM = "python -m project.timing"
MOST_PANELS = 3  # of bars; more workloads go into one picture of dots
BOTH = ["function_level", "session_level"]
PICTURES = (".png", ".svg", ".pdf")
FAILED, WRONG_ARGUMENTS, INTERRUPTED = 1, 2, 130


def main(arguments: list[str] | None = None) -> int:
    """Run a comparison and report it; return the exit status: 1 if a strategy's tests failed."""
    arguments = sys.argv[1:] if arguments is None else arguments
    parser = make_parser()
    given = parser.parse_args(arguments)
    try:
        workloads = side_by_side([getattr(given, size) for size in SIZES])
        for name in given.strategy or BOTH:
            module_of(name)
        if given.rounds < 1:
            raise ValueError("--rounds must be at least 1")
        if given.plot and given.plot.suffix not in PICTURES:
            raise ValueError(f"{given.plot} must end in {' or '.join(PICTURES)}")
        for file in filter(None, (given.json, given.plot)):
            file.touch()  # before it takes long to make what can't be written
    except (ValueError, ModuleNotFoundError, OSError) as error:
        parser.error(str(error))
    strategies, only = given.strategy or BOTH, given.only or TESTS
    try:
        found = compare(strategies, workloads, rounds=given.rounds, only=only)
    except (PostgresError, KeyboardInterrupt) as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        print("Interrupted: nothing is kept." if interrupted else error, file=sys.stderr)
        return INTERRUPTED if interrupted else FAILED
    if (rounds := found["round"].nunique()) < given.rounds:
        print(f"Interrupted: {rounds} complete rounds are kept.", file=sys.stderr)
    found.attrs["command"] = shlex.join([*PROGRAM.split(), *arguments])
    if given.json:
        save(found, given.json)
    print(report(found))
    if given.plot:
        draw = draw_costs if len(workloads) <= MOST_PANELS else draw_overview
        draw(found).savefig(given.plot, dpi=150)
    return FAILED if found.error.any() else 0


def side_by_side(sizes: list[list[int]]) -> list[Workload]:
    """Return the workloads of several lists of sizes; one value alone goes with all the others'."""
    longest = max(map(len, sizes))
    if any(len(values) not in (1, longest) for values in sizes):
        raise ValueError(f"give each size one value, or {longest} like the others")
    columns = [values if len(values) > 1 else values * longest for values in sizes]
    return [Workload(*row) for row in zip(*columns, strict=True)]


def make_parser() -> argparse.ArgumentParser:
    """Return the command's parser."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        usage="%(prog)s [--strategy NAME] [--tests N ...] [--rounds N] … (--help says more)",
        description="Time strategies, by default function_level and session_level, round by round.",
        epilog="--revisions 2 20 --tables 2 20 makes 2/2 and 20/20. A single value goes with all.",
    )
    add = parser.add_argument
    name = "a module in project.testing, or any with a dot in its name; again for more"
    add("--strategy", action="append", metavar="NAME", help=name)
    for size in SIZES:
        default = getattr(Workload(), size)
        number = f"how many {size}, {LEAST[size]} or more. By default {default}"
        add(f"--{size}", type=int, nargs="+", default=[default], metavar="N", help=number)
    add("--only", action="append", choices=TESTS, help="one of the two tests. By default both")
    add("--rounds", type=int, default=5, metavar="N", help="by default 5")
    add("--json", type=Path, metavar="FILE", help="save the result")
    add("--plot", type=Path, metavar="FILE", help="draw it, as .png, .svg or .pdf")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
