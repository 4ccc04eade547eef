# not yet: because session level's runs are in it
seconds = found.groupby("what").seconds.sum()
my_share = seconds["migrate_db"] / seconds["(run)"]
