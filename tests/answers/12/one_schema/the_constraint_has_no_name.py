# not yet: called key_label_check in the migrations, labelled in the models
my_upgrade = (
    "ALTER TYPE state ADD VALUE 'found';"
    "ALTER TABLE key ADD PRIMARY KEY (id);"
    "ALTER TABLE key ADD CHECK (label <> '')"
)
