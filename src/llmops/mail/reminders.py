"""Which reminders were sent, so that each goes out once, whichever replica is first."""

from datetime import datetime

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from llmops.db.tables import Base, Db, add, find


class Reminder(Base):
    """One reminder that was sent. `key` says of what: for example `certificate:conn_1:ab12…:30`."""

    __tablename__ = "reminders"

    key: Mapped[str] = mapped_column(primary_key=True)
    sent_at: Mapped[datetime]


def first(db: Db, key: str, *, now: datetime) -> bool:
    """Note that the reminder goes out, in the transaction that queues its letter. False when it did before."""
    if find(db, Reminder, key=key) is not None:
        return False
    try:
        with db.begin_nested():
            add(db, Reminder, key=key, sent_at=now)
    except IntegrityError:
        return False
    return True
