"""What takes two people: allowing passwords beside single sign-on again (ADM-07).

One colleague asks, another confirms within a day. Where there is no other, the operator has the command line.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.db.tables import Base, Db, add, change, find, many
from llmops.errors import ConfirmationSpent, SecondPersonNeeded

LIVES = timedelta(hours=24)


class Confirmation(Base):
    """A wish that waits for a second person, until it is confirmed by one or withdrawn (`closed_at`)."""

    __tablename__ = "staff_confirmations"

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    asked_by: Mapped[str]
    asked_at: Mapped[datetime]
    reason: Mapped[str]
    closed_at: Mapped[datetime | None]
    confirmed_by: Mapped[str | None]


def ask(db: Db, organization_id: str, *, by: str, reason: str, now: datetime) -> None:
    """Wish for it; the colleague's id is `by`. A wish that waited before is withdrawn."""
    change(db, Confirmation, {"organization_id": organization_id, "closed_at": None}, closed_at=now)
    add(
        db,
        Confirmation,
        id=ids.new("pend"),
        organization_id=organization_id,
        asked_by=by,
        asked_at=now,
        reason=reason,
    )


def confirm(db: Db, organization_id: str, confirmation_id: str, *, by: str, now: datetime) -> Confirmation:
    """The second person agrees. Of two at the same moment one does.

    Raises: ConfirmationSpent, SecondPersonNeeded.
    """
    found = find(db, Confirmation, id=confirmation_id, organization_id=organization_id)
    if found is None or not _waits(found, now):
        raise ConfirmationSpent(seen=confirmation_id)
    if found.asked_by == by:
        raise SecondPersonNeeded(seen=by)
    if change(db, Confirmation, {"id": found.id, "closed_at": None}, closed_at=now, confirmed_by=by) != 1:
        raise ConfirmationSpent(seen=confirmation_id)
    return found


def withdraw(db: Db, organization_id: str, confirmation_id: str, *, now: datetime) -> None:
    """It is not wanted any more; any colleague may say so. Raises: ConfirmationSpent."""
    open_one = {"id": confirmation_id, "organization_id": organization_id, "closed_at": None}
    if change(db, Confirmation, open_one, closed_at=now) != 1:
        raise ConfirmationSpent(seen=confirmation_id)


def waiting(db: Db, organization_id: str, *, now: datetime) -> Confirmation | None:
    """The wish about this customer that a second person can confirm now."""
    return next((found for found in all_waiting(db, now=now) if found.organization_id == organization_id), None)


def all_waiting(db: Db, *, now: datetime) -> Sequence[Confirmation]:
    """Every wish that a second person can confirm now, the oldest first."""
    return [found for found in _open(db) if _waits(found, now)]


def void_all(db: Db, *, now: datetime) -> int:
    """Withdraw every wish that waits. Returns how many (SEC-09)."""
    return change(db, Confirmation, {"closed_at": None}, closed_at=now)


def _open(db: Db) -> Sequence[Confirmation]:
    open_ones = Confirmation.rows().where(Confirmation.closed_at.is_(None))
    return many(db, Confirmation, open_ones.order_by(Confirmation.asked_at))


def _waits(found: Confirmation, now: datetime) -> bool:
    return found.closed_at is None and now - found.asked_at <= LIVES
