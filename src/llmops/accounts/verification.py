"""One-time links: verify an address, reset a password, confirm a connection. Only a keyed hash is stored.

Opening a link never spends it, the button on its page does: mail scanners open links too (SES-14).
"""

from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.base.sealing import Sealer, token
from llmops.db.tables import Base, Db, change, one
from llmops.errors import LetterSpent

_KEPT_DAYS = 7


class Purpose(StrEnum):
    """What a link is for; one for another purpose never passes (SES-04)."""

    VERIFY_EMAIL = "verify_email"
    RESET_PASSWORD = "reset_password"  # noqa: S105 (a purpose's name)
    CONFIRM_LINK = "confirm_link"
    REPLACE_SESSION = "replace_session"
    SECOND_STEP = "second_step"
    RESCUE = "rescue"
    CONFIRM_SESSION = "confirm_session"


LIFE = {
    Purpose.VERIFY_EMAIL: timedelta(days=1),
    Purpose.RESET_PASSWORD: timedelta(minutes=30),
    Purpose.CONFIRM_LINK: timedelta(minutes=30),
    Purpose.REPLACE_SESSION: timedelta(minutes=5),
    Purpose.SECOND_STEP: timedelta(minutes=5),
    Purpose.RESCUE: timedelta(minutes=30),
    Purpose.CONFIRM_SESSION: timedelta(minutes=10),
}


class OneTimeLink(Base):
    """One link. `subject` is the address or user it is about, `payload` what its purpose needs (no secret in clear)."""

    __tablename__ = "one_time_links"

    id: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    subject: Mapped[str] = mapped_column(index=True)
    payload: Mapped[dict[str, str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    spent_at: Mapped[datetime | None]


def minutes_valid(purpose: Purpose) -> int:
    """How long a link for this is good, as its letter says it."""
    return int(LIFE[purpose].total_seconds() // 60)


def issue(db: Db, sealer: Sealer, purpose: Purpose, *, subject: str, payload: dict[str, str], now: datetime) -> str:
    """Make a link's token; the subject's earlier links for this purpose are void from now on."""
    table = OneTimeLink.table()
    db.execute(
        update(table)
        .where(table.c.subject == subject, table.c.purpose == purpose, table.c.spent_at.is_(None))
        .values(spent_at=now)
    )
    secret = token()
    db.execute(
        insert(table).values(
            id=ids.new("once"),
            purpose=purpose,
            token_hash=sealer.hashed(purpose, secret),
            subject=subject,
            payload=payload,
            created_at=now,
            expires_at=now + LIFE[purpose],
        )
    )
    return secret


def look(db: Db, sealer: Sealer, purpose: Purpose, *, secret: str, now: datetime) -> OneTimeLink:
    """The link behind a token, without spending it. Raises: LetterSpent."""
    link = one(db, OneTimeLink, OneTimeLink.rows().where(OneTimeLink.token_hash == sealer.hashed(purpose, secret)))
    if link is None or link.spent_at is not None or link.expires_at <= now:
        raise LetterSpent()
    return link


def spend(db: Db, sealer: Sealer, purpose: Purpose, *, secret: str, now: datetime) -> OneTimeLink:
    """Use a link up: of two at the same moment one wins (SES-13). Raises: LetterSpent."""
    link = look(db, sealer, purpose, secret=secret, now=now)
    table = OneTimeLink.table()
    won = db.execute(update(table).where(table.c.id == link.id, table.c.spent_at.is_(None)).values(spent_at=now))
    if won.rowcount != 1:
        raise LetterSpent()
    return link


def pending(db: Db, purpose: Purpose, *, subject: str, now: datetime) -> OneTimeLink | None:
    """The subject's latest link for a purpose that is still good."""
    good = OneTimeLink.spent_at.is_(None) & (OneTimeLink.expires_at > now)
    mine = (OneTimeLink.subject == subject) & (OneTimeLink.purpose == purpose)
    return one(db, OneTimeLink, OneTimeLink.rows().where(mine & good).order_by(OneTimeLink.created_at.desc()))


def void(db: Db, subject: str, *, now: datetime) -> None:
    """No link that is out for this person works any more, whatever it is for."""
    change(db, OneTimeLink, {"subject": subject, "spent_at": None}, spent_at=now)


def void_all(db: Db, *, now: datetime) -> int:
    """No link that is out works any more, whatever it is for. Returns how many (SEC-09)."""
    return change(db, OneTimeLink, {"spent_at": None}, spent_at=now)


def forget_old(db: Db, *, now: datetime) -> None:
    """Delete links that have been over for a week."""
    db.execute(delete(OneTimeLink).where(OneTimeLink.expires_at < now - timedelta(days=_KEPT_DAYS)))
