# not yet: session_level fails, because the first test's connection comes back
my_engine = {"pool_pre_ping": True}
