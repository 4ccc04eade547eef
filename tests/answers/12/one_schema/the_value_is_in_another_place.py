# not yet: enum state: active, found, lost in the migrations
my_upgrade = (
    "ALTER TYPE state ADD VALUE 'found' AFTER 'active';"
    "ALTER TABLE key ADD PRIMARY KEY (id);"
    "ALTER TABLE key ADD CONSTRAINT labelled CHECK (label <> '')"
)
