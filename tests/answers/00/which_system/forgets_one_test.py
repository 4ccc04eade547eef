# not yet: because one test has an upgrade
def which_system(tests: int, runs: int) -> str:
    return "session level" if runs == 2 else "function level"
