"""One browser in the Admin Portal: what the link's token was exchanged for, with a cookie of its own.

It has nothing to do with the sessions of people with accounts: another cookie, another hash, another audience. It
ends with its link, whichever way that ends (ADM-02).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, bindparam, delete, select
from sqlalchemy.orm import Mapped, mapped_column
from starlette.responses import Response

from llmops.base import ids
from llmops.base.sealing import Sealer, token
from llmops.broker.connections import Kind
from llmops.broker.portal.links import RIGHTS, Intent, PortalLink, Right, maker_stands
from llmops.db.tables import Base, Db, add, change
from llmops.errors import PortalClosed, PortalNotCovered
from llmops.organizations.organization import Organization
from llmops.web.doors import Handler
from llmops.web.request import Request
from llmops.web.security import PORTAL_COOKIE

COOKIE = PORTAL_COOKIE
IDLE = timedelta(hours=4)
LONGEST = timedelta(days=30)
_TOUCH_SECONDS = 60
_PURPOSE = "portal.session"


class PortalSession(Base):
    """One browser in the portal. `ends_at` moves with activity, never past its link."""

    __tablename__ = "portal_sessions"

    id: Mapped[str] = mapped_column(primary_key=True)
    link_id: Mapped[str] = mapped_column(ForeignKey("portal_links.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ends_at: Mapped[datetime]
    ip: Mapped[str]
    user_agent: Mapped[str]


@dataclass(frozen=True)
class Visit:
    """Who is in the portal: a browser with a link of one organization. `step` is how far the link's visitors came."""

    session_id: str
    link_id: str
    organization_id: str
    organization_name: str
    organization_slug: str
    intent: Intent
    kind: Kind | None
    contacts: tuple[str, ...]
    step: str
    done: bool
    link_expires_at: datetime

    def may(self, right: Right) -> bool:
        """Whether the link covers this."""
        return right in RIGHTS[self.intent]


_BEHIND = (
    select(
        *(PortalSession.table().c[name] for name in ("id", "link_id", "opened_at", "last_seen_at")),
        *(PortalLink.table().c[name] for name in ("organization_id", "intent", "kind", "contacts", "step", "done_at")),
        PortalLink.expires_at,
        Organization.name,
        Organization.slug,
    )
    .join_from(PortalSession.table(), PortalLink.table(), PortalLink.id == PortalSession.link_id)
    .join(Organization.table(), Organization.id == PortalLink.organization_id)
    .where(
        PortalSession.token_hash == bindparam("token_hash"),
        PortalSession.ends_at > bindparam("now"),
        PortalLink.expires_at > bindparam("now"),
        PortalLink.revoked_at.is_(None),
        maker_stands(),
        Organization.suspended_at.is_(None),
    )
)


def session_key(r: Request) -> str:
    """Which session a request says it belongs to, before that is looked up: one link's, so one organization's."""
    return f"portal {r.cookies.get(COOKIE, '')}"


def begin(db: Db, sealer: Sealer, link: PortalLink, *, ip: str, user_agent: str, now: datetime) -> str:
    """A session for a link that was looked up. Returns the cookie's token."""
    secret = token()
    add(
        db,
        PortalSession,
        id=ids.new("psess"),
        link_id=link.id,
        token_hash=sealer.hashed(_PURPOSE, secret),
        opened_at=now,
        last_seen_at=now,
        ends_at=_end(now, opened_at=now, link_expires_at=link.expires_at),
        ip=ip,
        user_agent=user_agent,
    )
    return secret


def visit(r: Request) -> Visit:
    """Who is in the portal with this request; activity moves the end of the session. Raises: PortalClosed.

    Nothing is cached: a revoked link ends its sessions with their next request, on every replica.
    """
    values = {"token_hash": r.sealer.hashed(_PURPOSE, r.cookies.get(COOKIE, "")), "now": r.now}
    with r.looking() as db:
        row = db.execute(_BEHIND, values).first()
    if row is None:
        raise PortalClosed()
    if (r.now - row.last_seen_at).total_seconds() > _TOUCH_SECONDS:
        ends_at = _end(r.now, opened_at=row.opened_at, link_expires_at=row.expires_at)
        r.afterwards(lambda db: _touch(db, row.id, now=r.now, ends_at=ends_at))
    return Visit(
        session_id=row.id,
        link_id=row.link_id,
        organization_id=row.organization_id,
        organization_name=row.name,
        organization_slug=row.slug,
        intent=Intent(row.intent),
        kind=Kind(row.kind) if row.kind else None,
        contacts=tuple(row.contacts),
        step=row.step or "",
        done=row.done_at is not None,
        link_expires_at=row.expires_at,
    )


def inside(handler: Callable[[Request, Visit], Response], right: Right = Right.READ) -> Handler:
    """A handler for a door of the portal: it gets the visit, and only one whose link covers `right`.

    The door then raises: PortalClosed, PortalNotCovered.
    """

    def enter(r: Request) -> Response:
        visiting = visit(r)
        if not visiting.may(right):
            raise PortalNotCovered(seen=visiting.intent, expected=right)
        return handler(r, visiting)

    enter.__doc__ = handler.__doc__  # docs/routes.md tells from it what is behind the door
    return enter


def leave(db: Db, session_id: str) -> None:
    """End one browser's session; the link stays good."""
    db.execute(delete(PortalSession).where(PortalSession.id == session_id))


def forget_old(db: Db, *, now: datetime) -> None:
    """Delete sessions that are over."""
    db.execute(delete(PortalSession).where(PortalSession.ends_at < now))


def _end(now: datetime, *, opened_at: datetime, link_expires_at: datetime) -> datetime:
    return min(now + IDLE, opened_at + LONGEST, link_expires_at)


def _touch(db: Db, session_id: str, *, now: datetime, ends_at: datetime) -> None:
    change(db, PortalSession, {"id": session_id}, last_seen_at=now, ends_at=ends_at)
