"""Documents, found by what is near."""
