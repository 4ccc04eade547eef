# not yet: fixture 'my_review_fixture' not found, because
from decimal import Decimal

from project.db.models import Review


async def my_review_fixture(db: DBSessionManager) -> Review:
    async with db.asessionmaker() as session:
        review = Review(rating=Decimal("4.5"))
        session.add(review)
        await session.commit()
    return review


my_alembic_runs = 4
