# not yet: the way down does nothing
my_rename = ("ALTER TABLE person RENAME COLUMN name TO full_name", "SELECT 1")
