"""The series as a site: `make book`."""
