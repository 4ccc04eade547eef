"""The notes."""

from sqlalchemy.orm import Mapped, mapped_column

from notes.models.base import Base


class Note(Base):
    """A note."""

    __tablename__ = "note"
    name: Mapped[str] = mapped_column(primary_key=True)
    priority: Mapped[int] = mapped_column(server_default="0")
