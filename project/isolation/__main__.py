"""Show what strategies isolate: `python -m project.isolation [STRATEGY ...]`."""

import sys

from project.isolation import table
from project.testing import STRATEGIES

print(table(sys.argv[1:] or STRATEGIES))
