"""Staff sessions: one signed-in browser of a colleague, 30 minutes idle, 8 hours in all (SES-09).

The cookie holds a random token, the row a keyed hash of it. It shares nothing with a customer's session: another
cookie, another table, another key. Neither opens the other's pages (ADM-06).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, bindparam, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.base.sealing import token
from llmops.db.tables import Base, Db, add, change
from llmops.staff.people import StaffMember
from llmops.web.request import Request
from llmops.web.security import STAFF_COOKIE

COOKIE = STAFF_COOKIE
IDLE = timedelta(minutes=30)
LONGEST = timedelta(hours=8)
_TOUCH = timedelta(seconds=60)


class StaffSession(Base):
    """A row per session, so that it can end on every replica at once."""

    __tablename__ = "staff_sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    staff_id: Mapped[str] = mapped_column(ForeignKey("staff_members.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ip: Mapped[str]
    user_agent: Mapped[str]


@dataclass(frozen=True)
class Colleague:
    """Who is at the staff console."""

    session_id: str
    id: str
    email: str
    name: str
    last_seen_at: datetime

    @property
    def actor(self) -> str:
        """What the customer's audit log calls them."""
        return f"staff:{self.email}"


_BEHIND_COOKIE = (
    select(StaffSession.id, StaffSession.last_seen_at, StaffMember.id, StaffMember.email, StaffMember.name)
    .join(StaffMember.table(), StaffMember.id == StaffSession.staff_id)
    .where(
        StaffSession.token_hash == bindparam("token_hash"),
        StaffSession.ended_at.is_(None),
        StaffSession.ends_at > bindparam("now"),
        StaffSession.last_seen_at > bindparam("idle_since"),
        StaffMember.suspended_at.is_(None),
    )
)


def open_session(r: Request, staff_id: str) -> None:
    """Open a session in this browser; one that was there ends (SES-06). Both factors have been checked."""
    end(r)
    secret = token()
    add(
        r.db,
        StaffSession,
        id=ids.new("ssess"),
        staff_id=staff_id,
        token_hash=_hash(r, secret),
        opened_at=r.now,
        last_seen_at=r.now,
        ends_at=r.now + LONGEST,
        ip=r.ip,
        user_agent=r.user_agent,
    )
    r.set_cookie(COOKIE, secret)


def colleague(r: Request) -> Colleague | None:
    """Who asks: the session lives and its holder is not suspended. Nothing is cached (SES-05)."""
    secret = r.cookies.get(COOKIE, "")
    if not 40 <= len(secret) <= 64:
        return None
    with r.looking() as db:
        asked = {"token_hash": _hash(r, secret), "now": r.now, "idle_since": r.now - IDLE}
        row = db.execute(_BEHIND_COOKIE, asked).first()
    if row is None:
        return None
    session_id, last_seen_at, staff_id, email, name = row
    return Colleague(session_id, staff_id, email, name, last_seen_at)


def touch(r: Request, who: Colleague) -> None:
    """Note that the session is in use, once a minute at most."""
    if r.now - who.last_seen_at > _TOUCH:
        r.afterwards(lambda db: _seen(db, who.session_id, r.now))


def end(r: Request) -> None:
    """End this browser's session, if there is one."""
    if secret := r.cookies.get(COOKIE):
        change(r.db, StaffSession, {"token_hash": _hash(r, secret), "ended_at": None}, ended_at=r.now)
        r.clear_cookie(COOKIE)


def end_all(db: Db, staff_id: str, *, now: datetime) -> int:
    """End every session of a colleague. Returns how many there were."""
    return change(db, StaffSession, {"staff_id": staff_id, "ended_at": None}, ended_at=now)


def void_all(db: Db, *, now: datetime) -> int:
    """End every session of every colleague. Returns how many (SEC-09)."""
    return change(db, StaffSession, {"ended_at": None}, ended_at=now)


def forget_old(db: Db, *, now: datetime) -> None:
    """Delete sessions a week after they could last be used."""
    db.execute(delete(StaffSession).where(StaffSession.ends_at < now - timedelta(days=7)))


def _seen(db: Db, session_id: str, now: datetime) -> None:
    change(db, StaffSession, {"id": session_id, "ended_at": None}, last_seen_at=now)


def _hash(r: Request, secret: str) -> str:
    return r.sealer.hashed("staff.session", secret)
