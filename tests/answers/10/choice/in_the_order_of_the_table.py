# not yet: all three let time move on, cheapest first
def my_choice(isolation: pd.DataFrame, seconds: pd.Series, wanted: list[str]) -> list[str]:
    """Return the strategies that answer all that is wanted with yes, the cheapest first."""
    fits = (isolation.loc[wanted] == "yes").all()
    return [strategy for strategy in seconds.index if fits[strategy]]
