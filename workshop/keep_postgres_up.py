"""Keeps the workshop's PostgreSQL up: a service that the hub starts, and starts again.

python -m workshop.keep_postgres_up
"""

import time

from project.postgres.connection import PostgresError
from workshop.participants import start_postgres

SECONDS = 2  # between two looks


def main() -> None:
    """Start the server; look every other second whether it runs, and start it again if not."""
    while True:
        try:
            start_postgres()
        except PostgresError as error:
            print(f"PostgreSQL: {error}", flush=True)
        time.sleep(SECONDS)


if __name__ == "__main__":
    main()
