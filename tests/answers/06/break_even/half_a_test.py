# not yet: gives 19.5, because something is left out: 19.5 tests can't run
def my_break_even(once_a: float, each_a: float, once_b: float, each_b: float) -> int | None:
    return (once_b - once_a) / (each_a - each_b)
