# not yet: session_level fails, because the first test's connection comes back
from sqlalchemy.pool import StaticPool

my_engine = {"poolclass": StaticPool}
