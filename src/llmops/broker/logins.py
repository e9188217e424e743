"""One attempt to sign in through a connection: started, answered once, redeemed once.

The identity provider's answer ends in a one-time code; the application redeems it for the profile, in the browser
that started the attempt. Every step is one conditional UPDATE, so of two at the same moment one wins, on every
replica.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import Index, delete, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.base.sealing import Sealer, same, token
from llmops.broker import traces
from llmops.broker.connections import Connection
from llmops.broker.profiles import Profile
from llmops.broker.saml.rules import Check
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
    SamlAlreadyUsed,
)

_KEPT_DAYS = 30

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


class UsedAssertion(Base):
    """An assertion that was accepted. Kept until it could no longer pass, so that it passes once (SAML-29)."""

    __tablename__ = "used_assertions"

    connection_id: Mapped[str] = mapped_column(primary_key=True)
    assertion_id: Mapped[str] = mapped_column(primary_key=True)
    forget_at: Mapped[datetime] = mapped_column(index=True)


@dataclass(frozen=True)
class Redeemed:
    """What the application gets for a code."""

    login_id: str
    organization_id: str
    connection_id: str
    return_to: str
    profile: Profile
    asked_for: bool  # the attempt began here, in the browser that now brings the code


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
) -> str:
    """Remember an attempt before the browser leaves. Returns its id.

    `request_key` is the AuthnRequest's ID, or the OAuth state; `browser` this browser's random name.
    """
    login_id = ids.new("login")
    add(
        db,
        Login,
        id=login_id,
        organization_id=connection.organization_id,
        connection_id=connection.id,
        how="started_here",
        request_key=sealer.hashed("login.request", request_key),
        browser_hash=sealer.hashed("login.browser", browser),
        secrets=sealer.seal(json.dumps(secrets), place=_place("secrets", login_id)) if secrets else None,
        return_to=return_to,
        started_at=now,
        expires_at=now + timedelta(seconds=ttl_seconds),
    )
    return login_id


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
    """The nonce and the verifier of an OpenID Connect attempt."""
    return dict(json.loads(sealer.unseal(login.secrets or "", place=_place("secrets", login.id))))


def begin_unsolicited(db: Db, connection: Connection, *, now: datetime) -> Login:
    """An attempt that the identity provider began. It is tied to no browser."""
    login_id = _insert_bare(db, connection, how="unsolicited", now=now)
    login = find(db, Login, id=login_id)
    assert login is not None
    return login


def use_assertion(db: Db, connection: Connection, *, assertion_id: str, forget_at: datetime) -> None:
    """Note the assertion as used, in the transaction that answers the attempt. Raises: SamlAlreadyUsed."""
    try:
        add(db, UsedAssertion, connection_id=connection.id, assertion_id=assertion_id, forget_at=forget_at)
    except IntegrityError:
        raise SamlAlreadyUsed(assertion=assertion_id) from None


def answer(
    db: Db,
    sealer: Sealer,
    login: Login,
    profile: Profile,
    *,
    checks: Sequence[Check],
    code_ttl_seconds: int,
    now: datetime,
) -> str:
    """The identity provider said yes: keep the profile for a moment and give out the code that fetches it.

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
        trace=traces.sealed(sealer, login.id, traces.of_steps(checks, {})),
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
    asked_for = login.how == "started_here"
    return Redeemed(login.id, login.organization_id, login.connection_id, login.return_to, profile, asked_for)


def refuse(
    db: Db,
    sealer: Sealer,
    connection: Connection,
    failure: Failure,
    *,
    login_id: str | None,
    ref: str,
    checks: Sequence[Check],
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
        trace=traces.sealed(sealer, login_id, traces.of_steps(checks, failure.facts)),
    )


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


def with_ref(db: Db, ref: str) -> Login | None:
    """The failed attempt with this reference."""
    return find(db, Login, ref=ref.strip().upper())


def trace_of(login: Login, sealer: Sealer) -> Trace:
    """What was received, what was checked and what was wrong."""
    return traces.opened(sealer, login.id, login.trace)


def forget_old(db: Db, *, now: datetime) -> None:
    """Delete attempts after 30 days, and assertions that can no longer pass."""
    db.execute(delete(Login).where(Login.started_at < now - timedelta(days=_KEPT_DAYS)))
    db.execute(delete(UsedAssertion).where(UsedAssertion.forget_at < now))


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
