"""The temporary test database.

names       which databases a run has
lifecycle   how the test database is made, held and dropped
proof       on which database a connection is
guards      that proof, wired into pytest
keeping     --keep-test-db
fixtures    the run's pair of DSNs, and the environment for the application's sake
errors      what goes wrong, in one line
"""
