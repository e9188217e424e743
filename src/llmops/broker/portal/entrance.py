"""In and out of the portal: the page with the button, the session behind it, and leaving."""

from contextlib import suppress

from starlette.responses import Response

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.broker.portal import links, sessions
from llmops.broker.portal.links import Intent, PortalLink
from llmops.broker.portal.sessions import Visit
from llmops.errors import PortalClosed
from llmops.mail import letters, reminders
from llmops.organizations import organization, owners
from llmops.web import limits, one_time
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, see_other

ACTOR = "portal"
"""Who the audit log says it was: somebody with the link that stands beside it."""
_DAY_SECONDS = 24 * 3600


def show_start(r: Request) -> Response:
    """GET /portal/start: a button. Opening the page spends nothing, and its address is clean at once (SES-14)."""
    if (answer := one_time.arrived(r, "portal")) is not None:
        return answer
    secret = one_time.token_of(r, "portal")
    link = links.look(r.db, r.sealer, secret, now=r.now)
    name = organization.get(r.db, link.organization_id).name
    return render(
        r,
        "broker/portal/start.html",
        token=secret,
        organization_name=name,
        intent=Intent(link.intent),
        expires_at=link.expires_at,
    )


def start(r: Request) -> Response:
    """POST /portal/start: the token becomes a session in this browser; the owners hear of it (ADM-03)."""
    limits.check(r, "portal.open", limits.address_block(r.ip), most=30, window_seconds=600)
    link = links.look(r.db, r.sealer, r.field("token"), now=r.now)
    _end_session(r)  # of the link that this browser opened before
    secret = sessions.begin(r.db, r.sealer, link, ip=r.ip, user_agent=r.user_agent, now=r.now)
    links.opened(r.db, link, now=r.now)
    log.record(
        r.db,
        Action.PORTAL_OPENED,
        organization_id=link.organization_id,
        actor=ACTOR,
        now=r.now,
        target=link.id,
        ip=r.ip,
        agent=r.user_agent,
        purpose=link.intent,
    )
    _tell_owners(r, link)
    one_time.forget(r, "portal")
    r.set_cookie(sessions.COOKIE, secret, max_age_seconds=min(_left(r, link), 30 * _DAY_SECONDS))
    return see_other("/portal")


def leave(r: Request) -> Response:
    """POST /portal/leave: close the portal in this browser."""
    _end_session(r)
    r.clear_cookie(sessions.COOKIE)
    return see_other("/portal/left")


def show_left(r: Request) -> Response:
    """GET /portal/left."""
    return render(r, "broker/portal/left.html")


def record(r: Request, visiting: Visit, action: Action, *, target: str, **facts: object) -> None:
    """Record what a visitor of the portal did, with the link that let them in."""
    log.record(
        r.db,
        action,
        organization_id=visiting.organization_id,
        actor=ACTOR,
        now=r.now,
        target=target,
        ip=r.ip,
        link=visiting.link_id,
        **facts,
    )


def _end_session(r: Request) -> None:
    """End the session that this browser is in, if there is one (SES-06)."""
    with suppress(PortalClosed):
        sessions.leave(r.db, sessions.visit(r).session_id)


def _left(r: Request, link: PortalLink) -> int:
    return int((link.expires_at - r.now).total_seconds())


def _tell_owners(r: Request, link: PortalLink) -> None:
    """Once for each link and network, so that nobody can fill the owners' mailboxes by pressing the button."""
    if not reminders.first(r.db, f"portal.opened:{link.id}:{limits.address_block(r.ip)}", now=r.now):
        return
    owners.tell_now(
        r,
        link.organization_id,
        template="broker/portal/mail/opened",
        purpose=Intent(link.intent).label,
        contacts=", ".join(link.contacts),
        ip=r.ip,
        device=letters.harmless(r.user_agent),
        link=f"{r.settings.base_url}/settings/security",
    )


doors = [
    get("/portal/start", show_start),
    post("/portal/start", start),
    post("/portal/leave", leave),
    get("/portal/left", show_left),
]
