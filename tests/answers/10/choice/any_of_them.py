# not yet: quick leaves rows
def my_choice(isolation: pd.DataFrame, seconds: pd.Series, wanted: list[str]) -> list[str]:
    """Return the strategies that answer all that is wanted with yes, the cheapest first."""
    if not wanted:
        return list(seconds.sort_values().index)
    fitting = isolation.columns[(isolation.loc[wanted] == "yes").any()]
    return list(seconds[fitting].sort_values().index)
