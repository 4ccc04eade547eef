"""A library on Advanced Alchemy."""
