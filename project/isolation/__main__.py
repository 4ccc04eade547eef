"""Show what strategies isolate: `python -m project.isolation [STRATEGY ...]`."""

import sys

from project.isolation import table
from project.testing import STRATEGIES

if __name__ == "__main__":  # the sessions' processes import it, too
    try:
        print(table(sys.argv[1:] or STRATEGIES))
    except ModuleNotFoundError as error:
        sys.exit(f"{error}. The strategies are: {', '.join(STRATEGIES)}.")
