# not yet: because something is left out: B costs more for each test
def my_break_even(once_a: float, each_a: float, once_b: float, each_b: float) -> int | None:
    return max(1, int((once_b - once_a) / (each_a - each_b)) + 1)
