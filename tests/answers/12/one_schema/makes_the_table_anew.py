# not yet: the keys in the table don't stay
my_upgrade = (
    "DROP TABLE key;"
    "DROP TYPE state;"
    "CREATE TYPE state AS ENUM ('active', 'lost', 'found');"
    "CREATE TABLE key (id serial PRIMARY KEY, label varchar NOT NULL, state state NOT NULL,"
    " person_id int NOT NULL REFERENCES person ON DELETE CASCADE,"
    " CONSTRAINT labelled CHECK (label <> ''))"
)
