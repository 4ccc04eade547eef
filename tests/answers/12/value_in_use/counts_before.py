# not yet: it passes on BACK
def test_a_stolen_key(empty_db, alembic_config):
    config = point_at(alembic_config, empty_db)
    command.upgrade(config, "0003")
    query(empty_db, GIVE, A_KEY.replace("active", "stolen"))
    assert query(empty_db, "SELECT state::text FROM key") == [("stolen",)]


my_test = test_a_stolen_key
