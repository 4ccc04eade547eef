# not yet: because it is a mean of shares, not of all seconds: sum first, then divide
rows = found[found.strategy == "function_level"]
seconds = rows.pivot_table("seconds", "round", "what", aggfunc="sum")
my_share = (seconds["migrate_db"] / seconds["(run)"]).mean()
