# not yet: it doesn't look at the state
def test_a_stolen_key(empty_db, alembic_config):
    config = point_at(alembic_config, empty_db)
    command.upgrade(config, "0003")
    query(empty_db, GIVE, A_KEY.replace("active", "stolen"))
    command.downgrade(config, "0002")
    assert query(empty_db, "SELECT count(*) FROM key") == [(1,)]


my_test = test_a_stolen_key
