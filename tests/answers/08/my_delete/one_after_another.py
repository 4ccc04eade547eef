# not yet: these are several statements
def my_delete(names: list[str]) -> str:
    """Return one statement that deletes every row of these tables."""
    return "; ".join(f"DELETE FROM {name}" for name in names)
