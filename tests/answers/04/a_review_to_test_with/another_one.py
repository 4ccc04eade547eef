# not yet: it returns another review than the stored one
from decimal import Decimal

from project.db.models import Review


@pytest_asyncio.fixture(loop_scope="function")
async def my_review_fixture(db: DBSessionManager) -> Review:
    async with db.asessionmaker() as session:
        review = Review(rating=Decimal("4.5"))
        session.add(review)
        await session.commit()
    return Review(rating=Decimal("4.5"))


my_alembic_runs = 4
