# not yet: which_system(2, 4) returns 'session level'
def which_system(tests: int, runs: int) -> str:
    return "function level" if runs == tests else "session level"
