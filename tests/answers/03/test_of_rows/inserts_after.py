# not yet: or puts none in
def test_keeps_names(at_0002):
    command.upgrade(my_config, "0003")
    ask("INSERT INTO product (title) VALUES ('Lamp')")
    assert ask("SELECT title FROM product") == [("Lamp",)]
