# not yet: nothing renames it or copies them
my_rename = (
    "ALTER TABLE person ADD full_name varchar(100) NOT NULL DEFAULT '';"
    "ALTER TABLE person DROP name",
    "ALTER TABLE person ADD name varchar(100) NOT NULL DEFAULT '';"
    "ALTER TABLE person DROP full_name",
)
