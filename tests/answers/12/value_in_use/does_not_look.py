# not yet: it doesn't look at the rows after
def test_a_stolen_key(empty_db, alembic_config):
    config = point_at(alembic_config, empty_db)
    command.upgrade(config, "0003")
    query(empty_db, GIVE, A_KEY.replace("active", "stolen"))
    command.downgrade(config, "0002")


my_test = test_a_stolen_key
