# not yet: gives 20, because something is left out: with 20 tests both cost the same
from math import ceil


def my_break_even(once_a: float, each_a: float, once_b: float, each_b: float) -> int | None:
    if each_b >= each_a:
        return None
    return max(1, ceil((once_b - once_a) / (each_a - each_b)))
