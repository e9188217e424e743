"""One attempt to sign in through a connection: started, answered once, redeemed once.

The identity provider's answer ends in a one-time code; the application redeems it for the profile, in the browser
that started the attempt. Every step is one conditional UPDATE, so of two at the same moment one wins, on every
replica.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Index, delete, text, update
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.base.sealing import Sealer, same, token
from llmops.broker import drafts, traces
from llmops.broker.connections import Connection
from llmops.broker.profiles import Profile
from llmops.broker.traces import Trace
from llmops.db.tables import Base, Db, add, change, find, many
from llmops.errors import (
    CodeAlreadyUsed,
    CodeExpired,
    Failure,
    LoginAlreadyAnswered,
    LoginExpired,
    LoginOtherBrowser,
    LoginUnknown,
)

_KEPT_DAYS = 30
_UNANSWERED_KEPT = timedelta(days=1)
TESTED = ("connection", "configuration")
"""Which connection a test tries, and the fingerprint of its configuration: kept among the attempt's secrets."""

How = Literal["started_here", "unsolicited", "unmatched", "test"]


class Login(Base):
    """An attempt. `code`, `ref` and `trace` say what became of it; names of browsers, states and codes are hashed."""

    __tablename__ = "logins"
    __table_args__ = (
        Index("ix_logins_organization_started", "organization_id", "started_at"),
        Index(
            "ix_logins_organization_failed",
            "organization_id",
            "failed_at",
            sqlite_where=text("failed_at IS NOT NULL"),
            postgresql_where=text("failed_at IS NOT NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str]
    connection_id: Mapped[str]
    how: Mapped[str]
    request_key: Mapped[str | None] = mapped_column(unique=True)  # what the answer must name
    browser_hash: Mapped[str | None]
    secrets: Mapped[str | None]  # sealed: nonce and verifier
    return_to: Mapped[str]
    forced_at: Mapped[datetime | None]  # the identity provider was told to ask the person again, at that moment
    started_by: Mapped[str | None]  # who runs a test: a portal session's or a user's id
    started_at: Mapped[datetime] = mapped_column(index=True)
    expires_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]
    code_hash: Mapped[str | None] = mapped_column(unique=True)
    code_expires_at: Mapped[datetime | None]
    profile: Mapped[str | None]  # sealed, and gone once redeemed
    redeemed_at: Mapped[datetime | None]
    failed_at: Mapped[datetime | None]
    code: Mapped[str | None]
    ref: Mapped[str | None] = mapped_column(index=True)
    trace: Mapped[str | None]  # sealed


@dataclass(frozen=True)
class Redeemed:
    """What the application gets for a code."""

    login_id: str
    organization_id: str
    connection_id: str
    return_to: str
    profile: Profile
    asked_for: bool  # the attempt began here, in the browser that now brings the code
    forced_at: datetime | None = None  # since then the person proved who they are, as we had asked for


def start(
    db: Db,
    sealer: Sealer,
    connection: Connection,
    *,
    request_key: str,
    browser: str,
    return_to: str,
    ttl_seconds: int,
    now: datetime,
    secrets: dict[str, str] | None = None,
    how: How = "started_here",
    started_by: str | None = None,
    forced: bool = False,
) -> str:
    """Remember an attempt before the browser leaves. Returns its id.

    `request_key` is the AuthnRequest's ID, or the OAuth state; `browser` this browser's random name. A draft's attempts
    stand under the live connection, whose addresses it has.
    """
    login_id = ids.new("login")
    add(
        db,
        Login,
        id=login_id,
        organization_id=connection.organization_id,
        connection_id=drafts.address_id(connection),
        how=how,
        request_key=sealer.hashed("login.request", request_key),
        browser_hash=sealer.hashed("login.browser", browser),
        secrets=sealer.seal(json.dumps(secrets), place=_place("secrets", login_id)) if secrets else None,
        return_to=return_to,
        forced_at=now if forced else None,
        started_by=started_by,
        started_at=now,
        expires_at=now + timedelta(seconds=ttl_seconds),
    )
    return login_id


def is_test(db: Db, sealer: Sealer, connection: Connection, *, request_key: str) -> bool:
    """Whether an answer names a test of this connection, which need not be active."""
    key = sealer.hashed("login.request", request_key)
    login = find(db, Login, request_key=key, connection_id=connection.id)
    return login is not None and login.how == "test"


def pending(db: Db, sealer: Sealer, connection: Connection, *, request_key: str, now: datetime) -> Login:
    """The attempt of this connection that an answer names.

    Raises: LoginUnknown, LoginAlreadyAnswered, LoginExpired.
    """
    key = sealer.hashed("login.request", request_key)
    login = find(db, Login, request_key=key, connection_id=connection.id)
    if login is None:
        raise LoginUnknown(seen=request_key[:80], connection=connection.id)
    if login.answered_at is not None:
        raise LoginAlreadyAnswered(answered_at=login.answered_at.isoformat())
    if login.expires_at <= now:
        raise LoginExpired(started_at=login.started_at.isoformat(), now=now.isoformat())
    return login


def require_browser(login: Login, sealer: Sealer, *, browser: str) -> None:
    """The browser that brings the answer is the one that started (SAML-28, OIDC-02). Raises: LoginOtherBrowser."""
    if not same(login.browser_hash or "", sealer.hashed("login.browser", browser)):
        raise LoginOtherBrowser(login=login.id)


def secrets_of(login: Login, sealer: Sealer) -> dict[str, str]:
    """The nonce and the verifier of an OpenID Connect attempt; of a test, what TESTED names."""
    return dict(json.loads(sealer.unseal(login.secrets or "", place=_place("secrets", login.id))))


def begin_unsolicited(db: Db, connection: Connection, *, now: datetime) -> Login:
    """An attempt that the identity provider began. It is tied to no browser."""
    login_id = _insert_bare(db, connection, how="unsolicited", now=now)
    login = find(db, Login, id=login_id)
    assert login is not None
    return login


def answer(
    db: Db,
    sealer: Sealer,
    login: Login,
    profile: Profile,
    *,
    trace: Trace,
    hidden: Collection[str],
    code_ttl_seconds: int,
    now: datetime,
) -> str:
    """The identity provider said yes: keep the profile for a moment and give out the code that fetches it.

    `hidden` are the secrets that the trace must not hold.
    Raises: LoginAlreadyAnswered, when another answer to this attempt was faster.
    """
    code = token()
    won = change(
        db,
        Login,
        {"id": login.id, "answered_at": None},
        answered_at=now,
        code_hash=sealer.hashed("login.code", code),
        code_expires_at=now + timedelta(seconds=code_ttl_seconds),
        profile=sealer.seal(profile.to_json(), place=_place("profile", login.id)),
        secrets=None,
        trace=traces.sealed(sealer, login.id, trace, secrets=hidden),
    )
    if won != 1:
        raise LoginAlreadyAnswered(login=login.id)
    return code


def redeem(db: Db, sealer: Sealer, *, code: str, browser: str, now: datetime) -> Redeemed:
    """Exchange a code for the profile, once, in the browser that started the attempt.

    Raises: CodeAlreadyUsed (also for a code that never was), CodeExpired, LoginOtherBrowser.
    """
    login = find(db, Login, code_hash=sealer.hashed("login.code", code))
    if login is None or login.redeemed_at is not None or login.profile is None or login.code_expires_at is None:
        raise CodeAlreadyUsed()
    if login.how == "started_here":
        require_browser(login, sealer, browser=browser)
    if login.code_expires_at <= now:
        raise CodeExpired(expired_at=login.code_expires_at.isoformat(), now=now.isoformat())
    won = change(db, Login, {"id": login.id, "redeemed_at": None}, redeemed_at=now, profile=None)
    if won != 1:
        raise CodeAlreadyUsed()
    profile = Profile.from_json(sealer.unseal(login.profile, place=_place("profile", login.id)))
    return Redeemed(
        login_id=login.id,
        organization_id=login.organization_id,
        connection_id=login.connection_id,
        return_to=login.return_to,
        profile=profile,
        asked_for=login.how == "started_here",
        forced_at=login.forced_at,
    )


def refuse(
    db: Db,
    sealer: Sealer,
    connection: Connection,
    failure: Failure,
    *,
    login_id: str | None,
    ref: str,
    trace: Trace,
    hidden: Collection[str] = (),
    now: datetime,
) -> None:
    """Record why an answer was refused. The attempt stays open: who sends rubbish must not end it for its owner."""
    login_id = login_id or _insert_bare(db, connection, how="unmatched", now=now)
    change(
        db,
        Login,
        {"id": login_id},
        failed_at=now,
        code=failure.code,
        ref=ref,
        trace=traces.sealed(sealer, login_id, trace, secrets=hidden),
    )


def hold(
    db: Db,
    sealer: Sealer,
    login: Login,
    *,
    trace: Trace,
    hidden: Collection[str],
    ttl_seconds: int,
    now: datetime,
) -> None:
    """The identity provider said yes to a test. It waits for its browser; there is no code and no profile (TEN-02).

    Of its secrets stays what it was about; nonce and verifier are spent. Raises: LoginAlreadyAnswered.
    """
    kept = {name: secrets_of(login, sealer)[name] for name in TESTED}
    won = change(
        db,
        Login,
        {"id": login.id, "answered_at": None},
        answered_at=now,
        code_expires_at=now + timedelta(seconds=ttl_seconds),
        secrets=sealer.seal(json.dumps(kept), place=_place("secrets", login.id)),
        trace=traces.sealed(sealer, login.id, trace, secrets=hidden),
    )
    if won != 1:
        raise LoginAlreadyAnswered(login=login.id)


def conclude(db: Db, sealer: Sealer, login: Login, *, browser: str, now: datetime) -> None:
    """The browser that started a test is back with a good answer: the test has passed.

    Raises: LoginOtherBrowser, CodeExpired, CodeAlreadyUsed.
    """
    require_browser(login, sealer, browser=browser)
    if login.code_expires_at is None or login.redeemed_at is not None:
        raise CodeAlreadyUsed(login=login.id)
    if login.code_expires_at <= now:
        raise CodeExpired(expired_at=login.code_expires_at.isoformat(), now=now.isoformat())
    # What somebody else may have sent to this attempt before is of no more interest.
    won = change(db, Login, {"id": login.id, "redeemed_at": None}, redeemed_at=now, failed_at=None, code=None, ref=None)
    if won != 1:
        raise CodeAlreadyUsed(login=login.id)


def spoil(db: Db, sealer: Sealer, failure: Failure, *, code: str, ref: str, now: datetime) -> None:
    """Record that a code could not be redeemed, and void it. One that was redeemed before keeps its good outcome."""
    unspent = {"code_hash": sealer.hashed("login.code", code), "redeemed_at": None}
    change(db, Login, unspent, failed_at=now, code=failure.code, ref=ref, redeemed_at=now, profile=None)


def fail(db: Db, login_id: str, failure: Failure, *, ref: str, now: datetime) -> None:
    """Record that the application could not let the person in after a good answer; the code is spent all the same."""
    outcome = {"failed_at": now, "code": failure.code, "ref": ref}
    change(db, Login, {"id": login_id}, **outcome, redeemed_at=now, profile=None)


def recent(db: Db, organization_id: str, *, most: int = 50) -> Sequence[Login]:
    """The organization's last attempts, the latest first."""
    mine = Login.rows().where(Login.organization_id == organization_id)
    return many(db, Login, mine.order_by(Login.started_at.desc()).limit(most))


def recent_tests(db: Db, organization_id: str, connection_id: str, *, most: int = 50) -> Sequence[Login]:
    """The last tests of a connection and of its drafts, the latest first."""
    mine = Login.rows().where(Login.organization_id == organization_id, Login.connection_id == connection_id)
    return many(db, Login, mine.where(Login.how == "test").order_by(Login.started_at.desc()).limit(most))


def of_organization(db: Db, organization_id: str, login_id: str) -> Login | None:
    """One attempt of this organization and of no other (SEC-05)."""
    return find(db, Login, id=login_id, organization_id=organization_id)


def with_ref(db: Db, ref: str) -> Login | None:
    """The failed attempt with this reference."""
    return find(db, Login, ref=ref.strip().upper())


def trace_of(login: Login, sealer: Sealer) -> Trace:
    """What was received, what was checked and what was wrong."""
    return traces.opened(sealer, login.id, login.trace)


def void_all(db: Db) -> int:
    """No attempt that waits can be answered any more, no code redeemed. Returns how many (SEC-09)."""
    table = Login.table()
    waiting = update(table).where(table.c.redeemed_at.is_(None), table.c.expires_at > table.c.started_at)
    return db.execute(waiting.values(expires_at=table.c.started_at, code_expires_at=None, profile=None)).rowcount


def forget_old(db: Db, *, now: datetime) -> None:
    """Delete attempts after 30 days; after one day those that nothing came of, because anybody can begin them."""
    db.execute(delete(Login).where(Login.started_at < now - timedelta(days=_KEPT_DAYS)))
    nothing = Login.answered_at.is_(None) & Login.failed_at.is_(None) & (Login.how == "started_here")
    db.execute(delete(Login).where(Login.started_at < now - _UNANSWERED_KEPT, nothing))


def _insert_bare(db: Db, connection: Connection, *, how: How, now: datetime) -> str:
    login_id = ids.new("login")
    add(
        db,
        Login,
        id=login_id,
        organization_id=connection.organization_id,
        connection_id=connection.id,
        how=how,
        return_to="/",
        started_at=now,
        expires_at=now,
    )
    return login_id


def _place(column: str, login_id: str) -> str:
    return f"logins.{column}:{login_id}"
