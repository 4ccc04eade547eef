# not yet: because a share is between 0 and 1
rows = found[found.strategy == "function_level"]
alembic, runs = rows[rows.what == "migrate_db"], rows[rows.what == "(run)"]
my_share = 100 * alembic.seconds.sum() / runs.seconds.sum()
