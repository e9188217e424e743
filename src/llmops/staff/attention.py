"""What staff should look at before the customer calls: what expires soon, and connections that fail."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select

from llmops.broker import certificates
from llmops.broker.connections import Connection, Kind
from llmops.broker.logins import Login
from llmops.db.tables import Db, many
from llmops.organizations.organization import Organization

SOON_DAYS = 30
FAILING_SINCE = timedelta(hours=24)
FAILURES = 3
"""A connection fails when so many attempts in a day were refused and nobody came in since the first of them."""


@dataclass(frozen=True)
class Concern:
    """One reason to look at a customer. `urgent` when people cannot sign in, or will not from today on."""

    slug: str
    organization: str
    connection: str
    what: str
    urgent: bool


def concerns(db: Db, *, now: datetime) -> Sequence[Concern]:
    """Everything worth a look at connections that answer for their organization, the urgent first."""
    links = many(db, Connection, Connection.rows().where(Connection.state == "active"))
    wanted = Organization.rows().where(Organization.id.in_({link.organization_id for link in links}))
    customers = {one.id: one for one in many(db, Organization, wanted)}
    failing = _failing(db, since=now - FAILING_SINCE)
    found = [
        Concern(customers[link.organization_id].slug, customers[link.organization_id].name, Kind(link.kind).label, *one)
        for link in links
        for one in _of_link(link, failing.get(link.id, 0), now)
    ]
    return sorted(found, key=lambda concern: (not concern.urgent, concern.organization.lower()))


def _of_link(link: Connection, failures: int, now: datetime) -> Iterator[tuple[str, bool]]:
    for expiry in certificates.of(link):
        if not expiry.last:  # another one takes over
            continue
        days = expiry.days_left(now)
        if days < 0:
            yield f"A {expiry.what} expired on {expiry.at:%d %b %Y}", True
        elif days <= SOON_DAYS:
            yield f"A {expiry.what} expires in {days} {'day' if days == 1 else 'days'}", days < 1
    if failures:
        yield f"{failures} sign-ins refused in the last 24 hours and none let in since", True
    if link.metadata_failing_since is not None:
        yield f"Its metadata cannot be read since {link.metadata_failing_since:%d %b %Y, %H:%M} UTC", False


def _failing(db: Db, *, since: datetime) -> dict[str, int]:
    """Refused attempts by connection, for those through which nobody has come in since."""
    refused = func.sum(case((Login.failed_at.is_not(None), 1), else_=0))
    came_in = func.max(case((Login.code.is_(None), Login.redeemed_at)))
    first_refused = func.min(Login.failed_at)
    counted = (
        select(Login.connection_id, refused)
        .where(Login.started_at >= since, Login.how != "test")
        .group_by(Login.connection_id)
        .having(refused >= FAILURES, came_in.is_(None) | (came_in < first_refused))
    )
    return {connection_id: int(count) for connection_id, count in db.execute(counted)}
