"""The application's database layer: its models and its session manager."""
