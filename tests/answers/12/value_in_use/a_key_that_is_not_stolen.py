# not yet: it fails where all is right
def test_a_stolen_key(empty_db, alembic_config):
    config = point_at(alembic_config, empty_db)
    command.upgrade(config, "0003")
    query(empty_db, GIVE, A_KEY)
    command.downgrade(config, "0002")
    assert query(empty_db, "SELECT state::text FROM key") == [("lost",)]


my_test = test_a_stolen_key
