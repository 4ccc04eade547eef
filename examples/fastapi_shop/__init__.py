"""A shop behind FastAPI."""
