# not yet: it is a Series, because it isn't one number: sum first
rows = found[found.strategy == "function_level"]
seconds = rows.pivot_table("seconds", "round", "what", aggfunc="sum")
my_share = seconds["migrate_db"] / seconds["(run)"]
