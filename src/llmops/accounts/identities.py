"""Which subject at which connection is which person. The key is connection + subject, never an e-mail address."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ForeignKey, UniqueConstraint
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.db.tables import Base, Db, add, change, find, many
from llmops.errors import LoginAlreadyAnswered


class Identity(Base):
    """A link between a person and a subject at an identity provider. `subject` is compared byte for byte (SAML-36)."""

    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("connection_id", "subject"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    connection_id: Mapped[str]
    subject: Mapped[str]
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    linked_at: Mapped[datetime]
    last_used_at: Mapped[datetime]


def with_subject(db: Db, connection_id: str, subject: str) -> Identity | None:
    """The link of this subject at this connection."""
    return find(db, Identity, connection_id=connection_id, subject=subject)


def link(db: Db, connection_id: str, subject: str, *, user_id: str, now: datetime) -> None:
    """Connect a subject with a person. Raises: LoginAlreadyAnswered, when another request did so at this moment."""
    values = {"id": ids.new("ident"), "connection_id": connection_id, "subject": subject, "user_id": user_id}
    try:
        add(db, Identity, **values, linked_at=now, last_used_at=now)
    except IntegrityError:
        raise LoginAlreadyAnswered(connection=connection_id) from None


def used(db: Db, identity_id: str, *, now: datetime) -> None:
    """Remember that the person came through this link."""
    change(db, Identity, {"id": identity_id}, last_used_at=now)


def of_user(db: Db, user_id: str) -> Sequence[Identity]:
    """Every link of a person."""
    return many(db, Identity, Identity.rows().where(Identity.user_id == user_id).order_by(Identity.linked_at))


def erase(db: Db, user_id: str) -> int:
    """Put hashes in the place of a person's subjects. Returns how many."""
    theirs = of_user(db, user_id)
    for identity in theirs:
        change(db, Identity, {"id": identity.id}, subject=erased(identity.connection_id, identity.subject))
    return len(theirs)


def erased(connection_id: str, subject: str) -> str:
    """What stands in place of an erased person's subject. Not keyed: it must outlive every secret key."""
    return "erased:" + hashlib.sha256(f"{connection_id}\0{subject}".encode()).hexdigest()
