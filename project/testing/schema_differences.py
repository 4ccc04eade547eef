"""The models' schema beside that of the migrations: each in a database of its own, compared.

The two databases are made for the comparison and dropped after it, under every strategy alike.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import MetaData
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.schema import CreateSchema

from .database.errors import first_line
from .database.fixtures import named_in_environment
from .database.guards import loggers_as_they_were
from .database.lifecycle import (
    add_extensions,
    admin_connection,
    create_database,
    drop_leftovers,
    drop_own_database,
    hold,
    run_async,
)
from .database.names import DsnPair, SecretDsn, make_test_dsn
from .database.proof import only_on
from .schema import schema_differences as differences_between

SIDES = ("by_migrations", "by_models")


@pytest.fixture(scope="session")
def models_metadata(
    target_metadata: MetaData | Iterable[MetaData],
) -> MetaData | Iterable[MetaData]:
    """Return your models' tables. By default `target_metadata`, the tables to empty.

    Override it where you leave a table out of that, so that its rows stay.
    """
    return target_metadata


@pytest.fixture(scope="session")
def create_models(models_metadata: MetaData | Iterable[MetaData]) -> Callable[[str], None]:
    """Return what makes the models' schema, given a DSN. By default `create_all` does.

    Override it where the models need what only a migration makes, such as a function.
    """
    several = [models_metadata] if isinstance(models_metadata, MetaData) else list(models_metadata)

    async def make(dsn: str) -> None:
        async with admin_connection(dsn) as connection:
            for metadata in several:
                for schema in sorted(schemas_of(metadata)):
                    await connection.execute(CreateSchema(schema, if_not_exists=True))
                await connection.run_sync(metadata.create_all)

    return lambda dsn: run_async(make(dsn))


def schemas_of(metadata: MetaData) -> set[str]:
    """Return the schemas that models name: for tables, for the types of columns, for sequences."""
    named = {table.schema for table in metadata.tables.values()}
    for table in metadata.tables.values():
        for column in table.columns:
            element = getattr(column.type, "item_type", None)  # an array's
            named |= {getattr(it, "schema", None) for it in (column.type, element, column.default)}
    return {name for name in named if name}


@pytest.fixture(scope="session")
def schema_differences(
    dsn_pair: DsnPair,
    os_environ_patch: None,
    upgrade_schema: Callable[[str], None],
    create_models: Callable[[str], None],
    pytestconfig: pytest.Config,
) -> list[str]:
    """Return how the schema that the migrations make differs from the models': a line for each.

    `assert schema_differences == []` is the whole test.
    """
    worker = getattr(pytestconfig, "workerinput", {}).get("workerid", "")
    migrated, made = (beside(dsn_pair, side, worker) for side in SIDES)

    async def compare() -> list[str]:
        await drop_compared(dsn_pair)
        async with (
            made_for_this(migrated),
            made_for_this(made),
        ):
            await asyncio.to_thread(migrate, migrated, upgrade_schema)
            await add_extensions(migrated.test, made.test)
            await asyncio.to_thread(make_models, made, create_models)
            return await differences_between(migrated.test, made.test)

    return run_async(compare())


@asynccontextmanager
async def made_for_this(pair: DsnPair) -> AsyncIterator[None]:
    """Make a database, and drop it whatever happens meanwhile.

    Not `holding`: to a side, a database that another worker of this run has kept is a leftover.
    """
    async with admin_connection(pair.original) as connection:
        await hold(connection, pair.name)
        await create_database(connection, pair.name, pair.run)
        try:
            yield
        finally:
            await drop_own_database(connection, pair, force=True)


def beside(pair: DsnPair, side: str, worker: str) -> DsnPair:
    """Return the pair of DSNs for a side's database. It is none of the run's other databases."""
    dsn = make_test_dsn(pair.original, f"{side}_{worker}".strip("_"))
    return DsnPair(pair.original, SecretDsn(dsn), f"{pair.run} {side}")


async def drop_compared(pair: DsnPair) -> None:
    """Drop the databases that crashed runs on the same original have left, their workers' too."""
    async with admin_connection(pair.original) as connection:
        for side in SIDES:
            await drop_leftovers(connection, beside(pair, side, ""), side)


def migrate(pair: DsnPair, upgrade_schema: Callable[[str], None]) -> None:
    """Migrate a database; let env.py reach no other one, and leave logging as it is."""
    with named_in_environment(pair), loggers_as_they_were(), only_on(pair):
        upgrade_schema(pair.test)


def make_models(pair: DsnPair, create_models: Callable[[str], None]) -> None:
    """Make the models' schema in a database."""
    try:
        with named_in_environment(pair), only_on(pair):
            create_models(pair.test)
    except SQLAlchemyError as error:
        raise pytest.fail.Exception(
            f"The models' schema can't be made: {first_line(error)}. What the models need and only"
            " a migration makes, such as a function, make in a fixture `create_models`.",
            pytrace=False,
        ) from error
