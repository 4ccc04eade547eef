"""nest_asyncio, or its successor where it fails: both let a running event loop be entered again.

nest_asyncio is archived. From Python 3.14 on, whatever uses a time limit fails under it ("Timeout
should be used inside a task"). nest_asyncio2 carries it on, with the same function.
"""

import sys

if sys.version_info < (3, 14):
    from nest_asyncio import apply
else:
    from nest_asyncio2 import apply

__all__ = ["apply"]
