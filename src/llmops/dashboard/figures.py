"""The dashboard's figures: sign-ins by day and method, and why some failed, over the last 30 days."""

from collections import Counter
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import bindparam, func, select

from llmops.accounts.sessions import Session
from llmops.broker.logins import Login
from llmops.db.tables import Db
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


# Made once each: the page where everyone lands runs them all.
_DAY = func.date(Session.created_at)
_BY_DAY = (
    select(_DAY, Session.method, func.count())
    .where(Session.organization_id == bindparam("organization_id"), Session.created_at >= bindparam("since"))
    .group_by(_DAY, Session.method)
)
_OF_ORGANIZATION = (Login.organization_id == bindparam("organization_id")) & (Login.how != "test")
_OF_CONNECTION = _OF_ORGANIZATION & (Login.connection_id == bindparam("connection_id"))
_FAILURES = (
    select(Login.code, func.count())
    .where(_OF_ORGANIZATION, Login.failed_at.is_not(None), Login.failed_at >= bindparam("since"))
    .group_by(Login.code)
    .order_by(func.count().desc(), Login.code)
)
_LAST_FAILURE = (
    Login.rows().where(_OF_CONNECTION, Login.failed_at.is_not(None)).order_by(Login.failed_at.desc()).limit(1)
)
_LAST_SUCCESS = (
    select(Login.redeemed_at)
    .where(_OF_CONNECTION, Login.redeemed_at.is_not(None), Login.code.is_(None))
    .order_by(Login.started_at.desc())  # by which they are in order already; nobody sees the difference
    .limit(1)
)
_PEOPLE = (
    select(func.count().filter(Member.last_seen_at >= bindparam("since")), func.count())
    .select_from(Member.table())
    .where(Member.organization_id == bindparam("organization_id"), Member.status != "removed")
)


def sign_ins_by_day(db: Db, organization_id: str, *, now: datetime) -> list[Day]:
    """One entry for each of the last 30 days, today last. Every session began with one sign-in.

    Emergencies are few and count as what they are for this chart: not SSO.
    """
    since = (now - timedelta(days=DAYS - 1)).replace(hour=0, minute=0, second=0, microsecond=0)
    rows = db.execute(_BY_DAY, {"organization_id": organization_id, "since": since})
    counts: Counter[tuple[str, bool]] = Counter()
    for found, method, count in rows:
        counts[str(found), method == "sso"] += count
    dates = [(since + timedelta(days=offset)).date() for offset in range(DAYS)]
    return [Day(date, password=counts[str(date), False], sso=counts[str(date), True]) for date in dates]


def failures(db: Db, organization_id: str, *, now: datetime) -> list[Reason]:
    """Refused SSO attempts of the last 30 days by reason, the most frequent first."""
    rows = db.execute(_FAILURES, {"organization_id": organization_id, "since": now - timedelta(days=DAYS)})
    return [Reason(code, (by_code(code) or Unexpected).message, times) for code, times in rows if code]


def people(db: Db, organization_id: str, *, now: datetime) -> tuple[int, int]:
    """Members seen in the last 30 days, and members in all."""
    since = now - timedelta(days=DAYS)
    seen, total = db.execute(_PEOPLE, {"organization_id": organization_id, "since": since}).one()
    return seen, total


def last_success(db: Db, organization_id: str, connection_id: str) -> datetime | None:
    """When somebody last came in through a connection."""
    this = {"organization_id": organization_id, "connection_id": connection_id}
    return db.execute(_LAST_SUCCESS, this).scalar_one_or_none()


def last_failure(db: Db, organization_id: str, connection_id: str) -> LastFailure | None:
    """Why an attempt at a connection was last refused."""
    row = db.execute(_LAST_FAILURE, {"organization_id": organization_id, "connection_id": connection_id}).first()
    login = Login.from_row(row) if row is not None else None
    if login is None or login.failed_at is None or login.code is None:
        return None
    message = (by_code(login.code) or Unexpected).message
    return LastFailure(login.code, message, login.failed_at, login.ref or "")
