"""The test database is like the original: its encoding, its locale, its settings, extensions."""

import json
import logging
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from .errors import INSUFFICIENT_PRIVILEGE, quote, sqlstate

# A database's row names these; which of them there are depends on PostgreSQL's version.
LOCALE = (
    "encoding",
    "datcollate",
    "datctype",
    "datlocprovider",
    "daticulocale",
    "datlocale",
    "daticurules",
)
PROVIDERS = {"b": "builtin", "c": "libc", "i": "icu"}
# Lists of names, which PostgreSQL stores with each name quoted.
LISTS = ("local_preload_libraries", "search_path", "session_preload_libraries", "temp_tablespaces")

LOGGER = logging.getLogger(__name__)
SETTINGS = (
    "SELECT unnest(setconfig) FROM pg_db_role_setting AS s JOIN pg_database AS d"
    " ON d.oid = s.setdatabase WHERE d.datname = $1 AND s.setrole = 0"
)


async def locale_of_original(connection: AsyncConnection) -> str:
    """Return the options of CREATE DATABASE that make a database like the one connected to.

    Where it has the server's defaults, there are none, and the server's template1 is used, with
    whatever an administrator has put there.
    """
    rows = await connection.exec_driver_sql(
        "SELECT to_jsonb(d)::text FROM pg_database AS d"
        " WHERE datname IN (current_database(), 'template1') ORDER BY datname = 'template1'"
    )
    original, *default = (json.loads(row) for row in rows.scalars())
    if all(original.get(name) == default[0].get(name) for name in LOCALE if default):
        return ""
    encoding = await connection.exec_driver_sql(
        "SELECT pg_encoding_to_char($1)", (original["encoding"],)
    )
    options = {
        "ENCODING": encoding.scalar_one(),
        "LC_COLLATE": original["datcollate"],
        "LC_CTYPE": original["datctype"],
    }
    provider = PROVIDERS.get(original.get("datlocprovider", "c"), "libc")
    if provider != "libc":
        options["LOCALE_PROVIDER"] = provider
        locale = original.get("datlocale") or original.get("daticulocale")
        options["ICU_LOCALE" if provider == "icu" else "BUILTIN_LOCALE"] = locale
        options["ICU_RULES"] = original.get("daticurules")
    said = " ".join(f"{name} {literal(value)}" for name, value in options.items() if value)
    return f" TEMPLATE template0 {said}"


async def settings_of(connection: AsyncConnection, name: str) -> list[str]:
    """Return what ALTER DATABASE … SET has set for a database: `name=value`."""
    return list((await connection.exec_driver_sql(SETTINGS, (name,))).scalars())


async def copy_settings(connection: AsyncConnection, source: str, target: str) -> None:
    """Set for a database what is set for another, and log what this role may not set.

    Args:
        connection: an AUTOCOMMIT connection to some database of the server.
        source: the name of the database that has the settings.
        target: the name of the one that gets them.
    """
    for setting in await settings_of(connection, source):
        name, _, value = setting.partition("=")
        quoted = ".".join(quote(connection, part) for part in name.split("."))
        said = value if value and name in LISTS else literal(value)
        try:
            await connection.exec_driver_sql(
                f"ALTER DATABASE {quote(connection, target)} SET {quoted} TO {said}"
            )
        except DBAPIError as error:
            if sqlstate(error) != INSUFFICIENT_PRIVILEGE:
                raise
            LOGGER.warning(
                "%s has not the setting %s of %s: your role may not.", target, name, source
            )


def literal(value: Any) -> str:
    """Quote a value for SQL."""
    return "'" + str(value).replace("'", "''") + "'"
