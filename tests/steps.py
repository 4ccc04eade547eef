"""What a long command of this project's prints as it goes on."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def step(name: str) -> Iterator[None]:
    """Print how long the block took."""
    start = time.perf_counter()
    try:
        yield
    except BaseException:
        print(f"FAILED    {name}", flush=True)
        raise
    print(f"{time.perf_counter() - start:6.1f} s  {name}", flush=True)
