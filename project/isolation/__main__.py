"""Show what strategies isolate: `python -m project.isolation [STRATEGY ...]`."""

import sys

from project.isolation import questions, table
from project.testing import STRATEGIES

strategies = sys.argv[1:] or STRATEGIES
width = max(map(len, questions().values()))
names = [strategy.replace("_", " ") for strategy in strategies]
print(" " * width, *names, sep="  ")
for question, row in table(strategies).items():
    cells = [f"{answer:{len(name)}}" for answer, name in zip(row, names, strict=True)]
    print(f"{question:{width}}", *cells, sep="  ")
