"""Sessions: the encrypted-JWT cookie and the row behind it. Open, read, touch, list, end.

JWE compact, `dir` with A256GCM, key id in the header, opaque to the browser. The same for every way of signing in;
the way is a claim. The row is what can be listed and ended, and is asked on every request.
Source: RFC 7516; RFC 8725; SES-01…11.
"""

import json
from base64 import urlsafe_b64decode
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, get_args

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey
from sqlalchemy import ForeignKey, Index, delete, func, select, update
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.db.tables import Base, Db, add, change, many
from llmops.settings import Settings
from llmops.web.keyring import Keyring

COOKIE = "__Host-llmops_session"
LARGEST_TOKEN = 4096
_TYPE = "llmops-session+jwt"
_AUDIENCE = "llmops/session"
_KEPT_DAYS = 90

Method = Literal["password", "sso", "break_glass", "rescue"]
"""How a person got in: `break_glass` is a named owner past broken SSO, `rescue` a one-time link from the operator."""
UNKNOWN = datetime.fromtimestamp(0, UTC)
"""`authenticated_at` of who was let in by an identity provider that may not have asked them again (SES-12)."""


class Session(Base):
    """One signed-in browser. `ends_at` is the absolute end; unused for the idle time it ends sooner."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_organization_created", "organization_id", "created_at", "method"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    organization_id: Mapped[str]
    method: Mapped[str]
    connection_id: Mapped[str | None]
    authenticated_at: Mapped[datetime]
    created_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    ip: Mapped[str]
    user_agent: Mapped[str]


@dataclass(frozen=True)
class Claims:
    """What a valid cookie says. Whether the session still lives, only its row knows."""

    session_id: str
    user_id: str
    organization_id: str
    method: str
    authenticated_at: int


def open_session(
    db: Db,
    keyring: Keyring,
    settings: Settings,
    *,
    user_id: str,
    organization_id: str,
    method: Method,
    now: datetime,
    ip: str,
    user_agent: str,
    connection_id: str | None = None,
    not_after: datetime | None = None,
    authenticated_at: datetime | None = None,
) -> str:
    """A new session, and its cookie's value. It never outlives `not_after`.

    `authenticated_at`: when the person proved who they are, now unless it is said.
    """
    authenticated_at = authenticated_at or now
    ends_at = now + timedelta(seconds=settings.session_absolute_seconds)
    if not_after is not None:
        ends_at = min(ends_at, not_after)
    session_id = ids.new("sess")
    add(
        db,
        Session,
        id=session_id,
        user_id=user_id,
        organization_id=organization_id,
        method=method,
        connection_id=connection_id,
        authenticated_at=authenticated_at,
        created_at=now,
        last_seen_at=now,
        ends_at=ends_at,
        ip=ip,
        user_agent=user_agent,
    )
    claims = Claims(session_id, user_id, organization_id, method, int(authenticated_at.timestamp()))
    return seal(keyring, settings, claims, now=now, ends_at=ends_at)


def seal(keyring: Keyring, settings: Settings, claims: Claims, *, now: datetime, ends_at: datetime) -> str:
    """The cookie's value: claims, encrypted with the ring's current key and a fresh random IV."""
    key_id, key = keyring.current(now)
    payload = {
        "iss": settings.base_url,
        "aud": _AUDIENCE,
        "iat": int(now.timestamp()),
        "nbf": int(now.timestamp()),
        "exp": int(ends_at.timestamp()),
        "sid": claims.session_id,
        "sub": claims.user_id,
        "org": claims.organization_id,
        "method": claims.method,
        "auth_time": claims.authenticated_at,
    }
    return jwe.encrypt_compact(_header(key_id), json.dumps(payload).encode(), OctKey.import_key(key))


def read(keyring: Keyring, settings: Settings, token: str, *, now: datetime) -> Claims | None:
    """The claims of a cookie, or None for whatever is not exactly one of ours.

    The header is compared as a whole before any cryptography (SES-01), so no member of it can choose anything.
    """
    if not token or len(token) > LARGEST_TOKEN or not token.isascii():
        return None
    try:
        encoded = token.partition(".")[0]
        header = json.loads(urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)))
        key_id = header.get("kid") if isinstance(header, dict) else None
        if not isinstance(key_id, str) or header != _header(key_id):
            return None
        key = keyring.find(key_id, now)
        if key is None:
            return None
        plain = jwe.decrypt_compact(token, OctKey.import_key(key)).plaintext
        return _claims(json.loads(plain or b""), settings, now)
    except (JoseError, ValueError, RecursionError):  # RecursionError: a header of a thousand brackets
        return None


def _header(key_id: str) -> dict[str, str]:
    return {"alg": "dir", "enc": "A256GCM", "kid": key_id, "typ": _TYPE}


def _claims(payload: Any, settings: Settings, now: datetime) -> Claims | None:
    """Every claim is there, of its type, and fits (SES-04)."""
    if not isinstance(payload, dict):
        return None
    numbers = [payload.get(name) for name in ("iat", "nbf", "exp", "auth_time")]
    words = [payload.get(name) for name in ("sid", "sub", "org", "method")]
    if not all(type(number) is int for number in numbers) or not all(isinstance(word, str) for word in words):
        return None
    if payload.get("iss") != settings.base_url or payload.get("aud") != _AUDIENCE:
        return None
    if payload["method"] not in get_args(Method):
        return None
    # Replicas' clocks may differ a little; the row's own times decide to the second.
    moment, allowance = now.timestamp(), settings.clock_allowance_seconds
    begins = max(payload["nbf"], payload["iat"], payload["auth_time"])
    if not begins - allowance <= moment < payload["exp"]:
        return None
    return Claims(payload["sid"], payload["sub"], payload["org"], payload["method"], payload["auth_time"])


def touch(db: Db, session_id: str, *, now: datetime) -> None:
    """Remember that the session is in use."""
    change(db, Session, {"id": session_id}, last_seen_at=now)


def end(db: Db, session_id: str, *, user_id: str, now: datetime) -> bool:
    """End one session of this person. False when it is not theirs or over already."""
    return change(db, Session, {"id": session_id, "user_id": user_id, "ended_at": None}, ended_at=now) == 1


def end_all(db: Db, user_id: str, *, now: datetime, except_for: str | None = None) -> int:
    """End every session of this person, but for one. Returns how many."""
    table = Session.table()
    theirs = (table.c.user_id == user_id) & table.c.ended_at.is_(None) & (table.c.id != (except_for or ""))
    return db.execute(update(table).where(theirs).values(ended_at=now)).rowcount


def forget_places(db: Db, user_id: str) -> None:
    """Forget from where and with which browser a person came; that they came is still counted."""
    change(db, Session, {"user_id": user_id}, ip="", user_agent="")


def end_in_organization(
    db: Db, organization_id: str, *, methods: Collection[Method], now: datetime, except_for: str = ""
) -> int:
    """End every session of an organization that was opened in one of these ways, but for one. Returns how many."""
    table = Session.table()
    there = (table.c.organization_id == organization_id) & table.c.method.in_(methods) & table.c.ended_at.is_(None)
    there &= table.c.id != except_for
    return db.execute(update(table).where(there).values(ended_at=now)).rowcount


def void_all(db: Db, *, now: datetime) -> int:
    """End every session of everybody. Returns how many (SEC-09)."""
    return change(db, Session, {"ended_at": None}, ended_at=now)


def end_of_person(db: Db, organization_id: str, user_id: str, *, now: datetime) -> None:
    """End every session of a person in one organization."""
    change(db, Session, {"organization_id": organization_id, "user_id": user_id, "ended_at": None}, ended_at=now)


def end_of_member(db: Db, organization_id: str, user_id: str, *, method: Method, now: datetime) -> None:
    """End a person's sessions in one organization that were opened in one way."""
    mine = {"organization_id": organization_id, "user_id": user_id, "method": method, "ended_at": None}
    change(db, Session, mine, ended_at=now)


def end_of(db: Db, session_id: str) -> datetime:
    """When a session ends at the latest."""
    return db.execute(select(Session.ends_at).where(Session.id == session_id)).scalar_one()


def alive(db: Db, user_id: str, *, settings: Settings, now: datetime) -> Sequence[Session]:
    """The person's sessions that still open doors, the latest first."""
    idle = now - timedelta(seconds=settings.session_idle_seconds)
    lives = Session.ended_at.is_(None) & (Session.ends_at > now) & (Session.last_seen_at > idle)
    statement = Session.rows().where((Session.user_id == user_id) & lives).order_by(Session.last_seen_at.desc())
    return many(db, Session, statement)


def count_alive(db: Db, *, settings: Settings, now: datetime) -> int:
    """How many sessions open doors at this moment."""
    idle = now - timedelta(seconds=settings.session_idle_seconds)
    lives = Session.ended_at.is_(None) & (Session.ends_at > now) & (Session.last_seen_at > idle)
    return db.execute(select(func.count()).select_from(Session).where(lives)).scalar_one()


def forget_old(db: Db, *, now: datetime) -> None:
    """Delete rows of sessions that have been over for three months; the dashboard counts the last 30 days of them."""
    db.execute(delete(Session).where(Session.ends_at < now - timedelta(days=_KEPT_DAYS)))
