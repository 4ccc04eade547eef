"""The library's books, as a model and as a service."""

from advanced_alchemy.base import UUIDBase
from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from advanced_alchemy.service import SQLAlchemyAsyncRepositoryService
from sqlalchemy.orm import Mapped, mapped_column


class Book(UUIDBase):
    """A book."""

    __tablename__ = "book"
    title: Mapped[str] = mapped_column(unique=True)


class BookService(SQLAlchemyAsyncRepositoryService[Book]):
    """What can be done with books."""

    class Repository(SQLAlchemyAsyncRepository[Book]):
        """Where they are kept."""

        model_type = Book

    repository_type = Repository
