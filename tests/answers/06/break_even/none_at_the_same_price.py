# not yet: (3000, 100, 1000, 100) gives None
from math import floor


def my_break_even(once_a: float, each_a: float, once_b: float, each_b: float) -> int | None:
    if each_b >= each_a:
        return None
    return max(1, floor((once_b - once_a) / (each_a - each_b)) + 1)
