"""Tags, in a package that carries its migrations with it."""
