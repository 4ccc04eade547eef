"""Orders, in a database of their own."""
