# not yet: all three let time move on, cheapest first
def my_choice(isolation: pd.DataFrame, seconds: pd.Series, wanted: list[str]) -> list[str]:
    """Return the strategies that answer all that is wanted with yes, the cheapest first."""
    fitting = isolation.columns[(isolation.loc[wanted] == "yes").all()]
    return list(seconds[fitting].sort_values(ascending=False).index)
