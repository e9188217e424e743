"""The dashboard's figures: sign-ins by day and method, and why some failed, over the last 30 days."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import func, select

from llmops.accounts.sessions import Session
from llmops.broker.logins import Login
from llmops.db.tables import Db, one
from llmops.errors import Unexpected, by_code
from llmops.organizations.members import Member

DAYS = 30


@dataclass(frozen=True)
class Day:
    """Sign-ins of one day (UTC) by method."""

    date: date
    password: int
    sso: int


@dataclass(frozen=True)
class Reason:
    """How often sign-ins failed with one code."""

    code: str
    message: str
    count: int


@dataclass(frozen=True)
class LastFailure:
    """The last refused attempt at a connection."""

    code: str
    message: str
    at: datetime
    ref: str


def sign_ins_by_day(db: Db, organization_id: str, *, now: datetime) -> list[Day]:
    """One entry for each of the last 30 days, today last. Every session began with one sign-in."""
    since = (now - timedelta(days=DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    day = func.date(Session.created_at)
    rows = db.execute(
        select(day, Session.method, func.count())
        .where(Session.organization_id == organization_id, Session.created_at >= since)
        .group_by(day, Session.method)
    )
    counts = Counter({(str(found), method): count for found, method, count in rows})
    dates = [(since + timedelta(days=offset)).date() for offset in range(DAYS)]
    return [Day(date, counts[str(date), "password"], counts[str(date), "sso"]) for date in dates]


def failures(db: Db, organization_id: str, *, now: datetime) -> list[Reason]:
    """Refused SSO attempts of the last 30 days by reason, the most frequent first."""
    count = func.count()
    rows = db.execute(
        select(Login.code, count)
        .where(
            Login.organization_id == organization_id,
            Login.started_at >= now - timedelta(days=DAYS),
            Login.code.is_not(None),
        )
        .group_by(Login.code)
        .order_by(count.desc(), Login.code)
    )
    return [Reason(code, (by_code(code) or Unexpected).message, times) for code, times in rows if code]


def people(db: Db, organization_id: str, *, now: datetime) -> tuple[int, int]:
    """Members seen in the last 30 days, and members in all."""
    active = func.count().filter(Member.last_seen_at >= now - timedelta(days=DAYS))
    where = (Member.organization_id == organization_id) & (Member.status != "removed")
    seen, total = db.execute(select(active, func.count()).select_from(Member).where(where)).one()
    return seen, total


def last_success(db: Db, connection_id: str) -> datetime | None:
    """When somebody last came in through a connection."""
    where = (Login.connection_id == connection_id) & Login.redeemed_at.is_not(None) & Login.code.is_(None)
    return db.execute(select(func.max(Login.redeemed_at)).where(where)).scalar_one_or_none()


def last_failure(db: Db, connection_id: str) -> LastFailure | None:
    """Why an attempt at a connection was last refused."""
    refused = Login.rows().where(Login.connection_id == connection_id, Login.failed_at.is_not(None))
    login = one(db, Login, refused.order_by(Login.failed_at.desc()).limit(1))
    if login is None or login.failed_at is None or login.code is None:
        return None
    message = (by_code(login.code) or Unexpected).message
    return LastFailure(login.code, message, login.failed_at, login.ref or "")
