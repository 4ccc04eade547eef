"""The models, a file for each."""

from notes.models.base import Base as Base
from notes.models.note import Note as Note
