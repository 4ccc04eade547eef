# not yet: session_level: the second test gets a connection that the first has opened
my_engine = {"pool_pre_ping": True}
