"""What PostgreSQL makes of the models."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy.exc import DBAPIError

from project.db.models import Product, Review
from project.db.session_manager import DBSessionManager


@pytest.mark.asyncio
async def test_the_server_fills_in_what_is_left_out(db: DBSessionManager) -> None:
    async with db.asessionmaker() as session:
        product, review = Product(), Review(rating=Decimal("4.5"))
        session.add_all([product, review])
        await session.commit()
        await session.refresh(product)
        await session.refresh(review)
    for row in (product, review):
        assert isinstance(row.id, UUID)
        assert isinstance(row.created_at, datetime)
    assert (product.name, review.content) == ("", "")
    assert isinstance(review.rating, Decimal)
    assert review.rating == Decimal("4.5")


@pytest.mark.parametrize(
    "row", [Product(name="n" * 101), Review(content="c" * 1001, rating=1), Review(rating=10)]
)
@pytest.mark.asyncio
async def test_the_server_refuses_what_does_not_fit(db: DBSessionManager, row: Product) -> None:
    async with db.asessionmaker() as session:
        session.add(row)
        with pytest.raises(DBAPIError, match=r"too long|overflow"):
            await session.commit()
