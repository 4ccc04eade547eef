"""A fresh database for the assignment, beside the one that POSTGRES_DSN names.

python fresh.py           drops the last one with all that test runs have kept of it; prints the DSN
                          of a new one
python fresh.py --drop    drops the last one, and makes none
"""

import asyncio
import os
import sys

from project import postgres
from project.testing.scratch import HELD, create_scratch_database, drop_scratch_database


async def main(keep: bool) -> None:
    """Make the database; keep it and print its DSN, or drop it."""
    dsn = await create_scratch_database("assignment")
    if not keep:
        await drop_scratch_database(dsn)
        return
    _, held = HELD.pop(dsn)
    await held.aclose()
    print(dsn)


if __name__ == "__main__":
    if not os.environ.get("POSTGRES_DSN"):
        sys.exit("POSTGRES_DSN isn't set: begin with the first two lines of the assignment.")
    try:
        postgres.dsn()
    except postgres.PostgresError as error:
        sys.exit(str(error))
    asyncio.run(main(keep=sys.argv[1:] != ["--drop"]))
