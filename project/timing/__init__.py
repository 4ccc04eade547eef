"""What fixtures cost: a recorder, and the pictures and tables made from what it records."""
