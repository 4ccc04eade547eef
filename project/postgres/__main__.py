"""The embedded server from a shell.

python -m project.postgres start          starts it and keeps it until `stop`
python -m project.postgres start --tcp    has it listen on a free port of 127.0.0.1 too
python -m project.postgres status         says whether it runs
python -m project.postgres dsn            prints its DSN, for POSTGRES_DSN
python -m project.postgres stop           stops it
"""

import argparse
import sys

from project.postgres.connection import PostgresError
from project.postgres.embedded import EmbeddedServer

NOT_RUNNING = 3  # as `pg_ctl status` has it


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m project.postgres",
        description="Your own embedded PostgreSQL server. POSTGRES_DSN plays no part here.",
    )
    parser.add_argument("command", choices=["start", "stop", "status", "dsn"])
    parser.add_argument(
        "--tcp",
        action="store_true",
        help="with start: listen on 127.0.0.1 too, with a password, for what needs host and port",
    )
    given = parser.parse_args(arguments)
    command = given.command
    if given.tcp and command != "start":
        parser.error(f"--tcp goes with start, not with {command}")
    try:
        server = EmbeddedServer()
        if command == "stop":
            print("PostgreSQL has stopped." if server.stop() else "PostgreSQL wasn't running.")
            return 0
        dsn = server.start(given.tcp) if command == "start" else server.running_dsn()
    except PostgresError as error:
        print(error, file=sys.stderr)
        return 1
    if dsn is None:
        print("PostgreSQL isn't running: python -m project.postgres start", file=sys.stderr)
        return NOT_RUNNING
    print(dsn if command == "dsn" else f"PostgreSQL is running: {dsn}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
