"""A service of Advanced Alchemy on the sessions of `db`. Runs under every strategy."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from advanced_alchemy.exceptions import IntegrityError

from advanced_alchemy_books.conftest import Sessions
from advanced_alchemy_books.models import BookService


@pytest_asyncio.fixture
async def books(db: Sessions) -> AsyncIterator[BookService]:
    async with db.asessionmaker() as session:
        yield BookService(session, auto_commit=True)


@pytest.mark.parametrize("title", ["Emma", "Persuasion"])
async def test_a_book_is_found(books: BookService, title: str) -> None:
    await books.create({"title": title})
    assert [book.title for book in await books.get_many()] == [title]


async def test_a_title_is_there_once(books: BookService) -> None:
    await books.create({"title": "Emma"})
    with pytest.raises(IntegrityError):
        await books.create({"title": "Emma"})
