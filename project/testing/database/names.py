"""Which databases a run has: the original's DSN and the test database's, decided once."""

import hashlib
import re
import shlex
from dataclasses import dataclass

from sqlalchemy import make_url

LONGEST_NAME = 63  # bytes; PostgreSQL cuts a longer identifier off without an error


class SecretDsn(str):
    """A DSN that shows no password where pytest prints the arguments of a failed test."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(make_url(str(self)).render_as_string())


@dataclass(frozen=True)
class DsnPair:
    """A run's two databases: one value, from which every fixture takes them.

    Args:
        original: the DSN that was given. The run connects to it to create and drop beside it.
        test: the DSN of the database that the tests use.
        run: what tells this run from any other. The test database carries it in its comment.
    """

    original: SecretDsn
    test: SecretDsn
    run: str

    @property
    def name(self) -> str:
        """The test database's name."""
        return database_of(self.test)


def make_test_dsn(dsn: str, part: str = "", longest: int = LONGEST_NAME) -> str:
    """Return the DSN of the test database that belongs to `dsn`: the same server, another name.

    The name is the original's with `_test` at its end. PostgreSQL would cut a name of over 63
    bytes, perhaps back to the original's: such a name is shortened here, and a hash of the whole
    keeps two of them apart. An original that is named like a worker's database gets a hash too.
    All else in the DSN keeps your spelling where that names the same.

    Args:
        dsn: the original database's.
        part: who shares the original and gets a database of its own: `gw0`, a pytest-xdist worker.
        longest: how many bytes the name may have.
    """
    url = make_url(dsn)
    original = database_of(dsn)
    name = f"{original}_{part}_test" if part else f"{original}_test"
    if len(name.encode()) > longest or re.search(r"_gw\d+$", original):
        end = f"_{hashlib.sha256(name.encode()).hexdigest()[:8]}_test"
        start = name.removesuffix("_test").encode()[: longest - len(end)]
        name = start.decode(errors="ignore") + end
    renamed = url.set(database=name)
    before, mark, query = dsn.partition("?")
    respelled = f"{before.rpartition('/')[0]}/{name}{mark}{query}"
    try:
        if make_url(respelled) == renamed:
            return respelled
    except ValueError:  # a port that is none: a password of yours has a slash or a ? in it
        pass
    return renamed.render_as_string(hide_password=False)


def database_of(dsn: str) -> str:
    """Return the name of the database that a DSN names."""
    return make_url(dsn).database or ""


def lock_number(name: str) -> int:
    """Return the number of the advisory lock on a test database: 64 bits of its name's hash."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def psql_command(dsn: str) -> str:
    """Return the shell command that opens a database in psql, without the password."""
    url = make_url(dsn)
    parameters = {
        "host": url.host or url.query.get("host"),
        "port": url.port or url.query.get("port"),
        "user": url.username,
        "dbname": url.database,
        "sslmode": url.query.get("ssl") or url.query.get("sslmode"),
    }
    return "psql " + shlex.quote(
        " ".join(
            f"{name}=" + re.sub(r"([\\'\s])", r"\\\1", str(value))
            for name, value in parameters.items()
            if value
        )
    )
