"""What staff write down about a customer: contract talks, calls, agreements. The customer does not see them.

That one was written stands in the customer's audit log, with its subject.
"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.db.tables import Base, Db, add, many
from llmops.errors import NoteEmpty

LONGEST = 4000


class Note(Base):
    """One note."""

    __tablename__ = "staff_notes"

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    staff_id: Mapped[str]
    at: Mapped[datetime]
    text: Mapped[str]


def write(db: Db, organization_id: str, *, staff_id: str, text: str, now: datetime) -> None:
    """Keep a note of at most 4,000 characters. Raises: NoteEmpty."""
    kept = text.strip()[:LONGEST]
    if not kept:
        raise NoteEmpty()
    add(db, Note, id=ids.new("note"), organization_id=organization_id, staff_id=staff_id, at=now, text=kept)


def of_organization(db: Db, organization_id: str, *, most: int = 50) -> Sequence[Note]:
    """The last notes about a customer, the latest first."""
    mine = Note.rows().where(Note.organization_id == organization_id)
    return many(db, Note, mine.order_by(Note.at.desc(), Note.id).limit(most))
