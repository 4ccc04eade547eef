"""Show what strategies isolate: `python -m project.isolation [STRATEGY ...]`."""

import sys

from project.isolation import STRATEGIES, table

print(table(sys.argv[1:] or STRATEGIES))
