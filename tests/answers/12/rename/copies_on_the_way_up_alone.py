# not yet: test_stairs: AssertionError: 0003
my_rename = (
    "ALTER TABLE person ADD full_name varchar(100);"
    "UPDATE person SET full_name = name;"
    "ALTER TABLE person DROP name",
    "ALTER TABLE person ADD name varchar(100);ALTER TABLE person DROP full_name",
)
