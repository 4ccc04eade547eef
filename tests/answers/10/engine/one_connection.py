# not yet: session_level: the second test gets a connection that the first has opened
from sqlalchemy.pool import StaticPool

my_engine = {"poolclass": StaticPool}
