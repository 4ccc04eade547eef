"""This project's isolation strategies beside published ones. See README.md in this folder."""
