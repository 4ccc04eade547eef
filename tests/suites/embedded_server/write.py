from project import postgres
from tests.servers import query

print(dsn := postgres.dsn(), flush=True)
input()
for _ in range(20):
    query(dsn, "INSERT INTO kept VALUES (1)")
print("written", flush=True)
input()
