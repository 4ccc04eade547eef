"""The finished form of everything that the notebooks build."""
