# not yet: because `(run)` holds the other rows already
seconds = found[found.strategy == "function_level"].groupby("what").seconds.sum()
my_share = seconds["migrate_db"] / seconds.sum()
