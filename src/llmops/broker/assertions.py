"""Which assertions were used, so that each passes once, and since when all of them are known."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from llmops.broker.connections import Connection
from llmops.db.tables import Base, Db, add
from llmops.errors import SamlAlreadyUsed

_ONLY = 1


class UsedAssertion(Base):
    """An assertion that was accepted. Kept until it could no longer pass, so that it passes once (SAML-29)."""

    __tablename__ = "used_assertions"

    connection_id: Mapped[str] = mapped_column(primary_key=True)
    assertion_id: Mapped[str] = mapped_column(primary_key=True)
    forget_at: Mapped[datetime] = mapped_column(index=True)


class Memory(Base):
    """One row, once a backup was restored: what was used between the backup and `complete_since` is not known."""

    __tablename__ = "assertion_memory"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    complete_since: Mapped[datetime]


def use(db: Db, connection: Connection, *, assertion_id: str, forget_at: datetime) -> None:
    """Note the assertion as used, in the transaction that answers the attempt. Raises: SamlAlreadyUsed."""
    try:
        add(db, UsedAssertion, connection_id=connection.id, assertion_id=assertion_id, forget_at=forget_at)
    except IntegrityError:
        raise SamlAlreadyUsed(assertion=assertion_id) from None


def complete_since(db: Db) -> datetime | None:
    """Since when every used assertion is known; None: ever since."""
    return db.execute(select(Memory.complete_since)).scalar_one_or_none()


def remember_from(db: Db, *, now: datetime) -> None:
    """A backup was restored: what was used before this moment may be missing (SEC-09)."""
    db.execute(delete(Memory))
    add(db, Memory, id=_ONLY, complete_since=now)


def forget_old(db: Db, *, now: datetime) -> None:
    """Delete assertions that can no longer pass."""
    db.execute(delete(UsedAssertion).where(UsedAssertion.forget_at < now))
