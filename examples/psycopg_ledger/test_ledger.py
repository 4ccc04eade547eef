"""Synchronous tests of synchronous code. Runs under every strategy but rollback."""

import pytest
from sqlalchemy import create_engine, func, select
from sqlalchemy.orm import Session

from psycopg_ledger.ledger import Entry, book

pytestmark = pytest.mark.usefixtures("database_url")


@pytest.mark.parametrize("amounts", [(3,), (3, -1), (5,)])
def test_the_balance_is_the_sum(amounts: tuple[int, ...]) -> None:
    assert book(*amounts) == sum(amounts)


def test_every_amount_is_an_entry(database_url: str) -> None:
    book(3, -1)
    engine = create_engine(database_url)
    with Session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Entry)) == 2
    engine.dispose()
