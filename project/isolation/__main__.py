"""Show what strategies isolate: `python -m project.isolation [STRATEGY ...]`."""

import sys

from project.isolation import groups, questions, table
from project.runs import module_of
from project.testing import STRATEGIES


def main() -> None:
    """Ask, and print a table, with a line for each group of questions."""
    strategies = sys.argv[1:] or STRATEGIES
    try:
        for strategy in strategies:
            module_of(strategy)
    except ModuleNotFoundError as error:
        sys.exit(f"{error}. There are: {', '.join(STRATEGIES)}.")
    width = max(map(len, questions().values()))
    names = [strategy.replace("_", " ") for strategy in strategies]
    group = None
    for question, row in table(strategies).items():
        if groups()[question] != group:
            group = groups()[question]
            print(f"\n{group:{width}}", *names, sep="  ")
        cells = [f"{answer:{len(name)}}" for answer, name in zip(row, names, strict=True)]
        print(f"{question:{width}}", *cells, sep="  ")


if __name__ == "__main__":  # the sessions' processes import it, too
    main()
