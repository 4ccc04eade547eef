# not yet: it asks for no name from before
def test_keeps_names(at_0002):
    ask("INSERT INTO product (name) VALUES ('Lamp')")
    command.upgrade(my_config, "0003")
    assert ask("SELECT count(*) FROM product") == [(1,)]
