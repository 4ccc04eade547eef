"""Lends tools."""
