# not yet: rows of ['a'] are left
def my_delete(names: list[str]) -> str:
    """Return one statement that deletes every row of these tables."""
    parts = [f"d{number} AS (DELETE FROM {name})" for number, name in enumerate(names)]
    return f"WITH {', '.join(parts[:2])} SELECT 1"
