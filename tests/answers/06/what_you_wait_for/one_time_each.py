# not yet: because `each` is of one time
rows = found[found.strategy == "function_level"]
my_share = rows[rows.what == "migrate_db"].each.sum() / rows[rows.what == "(run)"].each.sum()
