"""From a signed contract to compulsory single sign-on: the connection, the link to set it up, the switch.

A link's address holds its token. It is shown once, on the page that answers the form, or goes out by mail (ADM-05).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from llmops.audit.actions import Action
from llmops.broker import connections, drafts
from llmops.broker.connections import Kind
from llmops.broker.portal import links, steps
from llmops.broker.portal.links import Intent, PortalLink
from llmops.errors import BodyUnreadable, ConfirmationSpent, InvalidEmail, PlanNotEnterprise, PortalLinkSpent
from llmops.organizations.organization import Organization, allows_sso
from llmops.signin import enforcement
from llmops.staff import confirmations, console, customer
from llmops.staff.contract import back, claim
from llmops.staff.sessions import Colleague
from llmops.web.request import Request

MOST_LISTED = 20
_CUSTOMER = "/staff/organizations/{slug}"


@dataclass(frozen=True)
class Wish:
    """Which link is wanted, and whether it goes out by mail."""

    intent: Intent
    kind: Kind | None
    contacts: Sequence[str]
    lives_days: int
    send: bool


def provision(r: Request, who: Colleague) -> Response:
    """POST …/provision: domains, the draft of a connection if its kind is known, and the link to set it up."""
    found, why = customer.wanted(r), console.reason(r)
    if not allows_sso(found):
        raise PlanNotEnterprise(organization=found.slug, plan=found.plan)
    kind = _kind(r.field("kind"))
    wish = _wish(r, Intent.SETUP_SSO, kind)
    for typed in _listed(r.field("domains")):
        claim(r, who, found, typed, why)
    if kind is not None:
        _draft(r, who, found, kind, wish.contacts, why)
    return _made(r, who, found, wish, why)


def make_link(r: Request, who: Colleague) -> Response:
    """POST …/link: a link for another purpose than the first set-up."""
    found, why = customer.wanted(r), console.reason(r)
    try:
        intent = Intent(r.field("intent"))
    except ValueError:
        raise BodyUnreadable(parameter="intent", seen=r.field("intent")) from None
    return _made(r, who, found, _wish(r, intent, None), why)


def resend_link(r: Request, who: Colleague) -> Response:
    """POST …/resend: the same link with a new token, by mail to the same people. The old token works no more."""
    found, why = customer.wanted(r), console.reason(r)
    old = links.get(r.db, found.id, r.field("link_id"))
    kind, days = Kind(old.kind) if old.kind else None, (old.expires_at - old.made_at).days
    _make(r, who, found, Wish(Intent(old.intent), kind, old.contacts, days, send=True), why)
    return back(found, "resend")


def revoke_link(r: Request, who: Colleague) -> Response:
    """POST …/revoke: the link, and whoever is in through it."""
    found, why = customer.wanted(r), console.reason(r)
    link_id = r.field("link_id")
    if not links.revoke(r.db, found.id, link_id, now=r.now):
        raise PortalLinkSpent(link=link_id)
    console.record(r, who, Action.PORTAL_LINK_REVOKED, organization_id=found.id, reason=why, target=link_id)
    return back(found, "revoke")


def enforce(r: Request, who: Colleague) -> Response:
    """POST …/enforce: passwords off, if every condition is met."""
    found, why = customer.wanted(r), console.reason(r)
    enforcement.enforce(r.db, r.sealer, r.settings, found, by=who.actor, reason=why, now=r.now)
    return back(found, "enforce")


def ask_to_relax(r: Request, who: Colleague) -> Response:
    """POST …/relax: wish for passwords beside single sign-on again. It takes a second person (ADM-07)."""
    found, why = customer.wanted(r), console.reason(r)
    if found.sso_enforced_at is None:
        raise ConfirmationSpent(problem="single sign-on is not compulsory")
    confirmations.ask(r.db, found.id, by=who.id, reason=why, now=r.now)
    console.record(r, who, Action.SSO_RELAX_ASKED, organization_id=found.id, reason=why)
    return back(found, "relax")


def confirm_relaxing(r: Request, who: Colleague) -> Response:
    """POST …/confirm: the second person agrees, and it happens."""
    found, why = customer.wanted(r), console.reason(r)
    asked = confirmations.confirm(r.db, found.id, r.field("confirmation_id"), by=who.id, now=r.now)
    both = f"{asked.reason} / confirmed: {why}"
    enforcement.relax(r.db, r.sealer, r.settings, found, by=who.actor, reason=both, now=r.now)
    return back(found, "confirm")


def withdraw_relaxing(r: Request, who: Colleague) -> Response:
    """POST …/withdraw: it stays as it is."""
    found, why = customer.wanted(r), console.reason(r)
    confirmations.withdraw(r.db, found.id, r.field("confirmation_id"), now=r.now)
    console.record(r, who, Action.SSO_RELAX_WITHDRAWN, organization_id=found.id, reason=why)
    return back(found, "withdraw")


def _draft(r: Request, who: Colleague, found: Organization, kind: Kind, contacts: Sequence[str], why: str) -> None:
    """The connection to fill in, with who is told of it. What was prepared for another provider is thrown away."""
    now_there = steps.situation(r.db, found.id, lock=True)
    known = [one for one in (now_there.working, now_there.live) if one is not None and one.kind == kind]
    if known:
        prepared = known[0]
    elif now_there.live is not None:
        prepared = drafts.begin_with(r.db, r.sealer, now_there.live, kind=kind, now=r.now)
    else:
        if now_there.draft is not None:
            connections.discard(r.db, now_there.draft)
        prepared = connections.create(r.db, r.sealer, found.id, kind=kind, now=r.now)
    if not known:
        console.record(
            r,
            who,
            Action.CONNECTION_CREATED,
            organization_id=found.id,
            reason=why,
            target=prepared.id,
            kind=kind,
        )
    if prepared.state == "draft":  # of a live one they are sent links: who completes the set-up joins them
        connections.set_contacts(r.db, prepared, list(dict.fromkeys([*prepared.contacts, *contacts])))


def _make(r: Request, who: Colleague, found: Organization, wish: Wish, why: str) -> tuple[PortalLink, str]:
    """The link and its address, this once. Sent by mail, if that is wished."""
    if wish.send and not wish.contacts:
        raise InvalidEmail(problem="nobody to send it to")
    link, token = links.make(
        r.db,
        r.sealer,
        found.id,
        intent=wish.intent,
        kind=wish.kind,
        contacts=wish.contacts,
        made_by=who.id,
        now=r.now,
        lives_days=wish.lives_days,
    )
    about = {"purpose": str(wish.intent), "provider": wish.kind, "good_for_days": wish.lives_days}
    _record_link(r, who, Action.PORTAL_LINK_MADE, link, why, **about)
    _tell_owners(r, who, found, wish.intent)
    if wish.send:
        links.send(r.db, r.sealer, r.settings, link, token, organization_name=found.name, now=r.now)
        _record_link(r, who, Action.PORTAL_LINK_SENT, link, why, to=", ".join(link.contacts))
    return link, links.address(r.settings, token)


def _record_link(r: Request, who: Colleague, action: Action, link: PortalLink, why: str, **facts: object) -> None:
    organization_id = link.organization_id
    console.record(r, who, action, organization_id=organization_id, reason=why, target=link.id, **facts)


def _tell_owners(r: Request, who: Colleague, found: Organization, intent: Intent) -> None:
    """Every owner hears that there is a link, as if one of them had made it (ADM-03)."""
    console.tell_owners(r, who, found.id, template="dashboard/mail/link_made", purpose=intent.label)


def _made(r: Request, who: Colleague, found: Organization, wish: Wish, why: str) -> Response:
    """Make the link and show its address once."""
    link, address = _make(r, who, found, wish, why)
    return console.show(
        r,
        who,
        "staff/link_made.html",
        customer=found,
        link=link,
        purpose=wish.intent.label,
        address=address,
        sent=wish.send,
    )


def _wish(r: Request, intent: Intent, kind: Kind | None) -> Wish:
    """What the form says about the link."""
    days = next((days for days in customer.LIVES_DAYS if str(days) == r.field("lives_days")), 7)
    return Wish(intent, kind, _listed(r.field("contacts")), days, send=r.field("send") == "yes")


def _kind(value: str) -> Kind | None:
    """The chosen identity provider, None for «let them choose». Raises: BodyUnreadable."""
    try:
        return Kind(value) if value else None
    except ValueError:
        raise BodyUnreadable(parameter="kind", seen=value) from None


def _listed(text: str) -> list[str]:
    """Addresses or domains, one a line or parted by commas. Raises: BodyUnreadable, for more than twenty."""
    found = [part for part in re.split(r"[\s,;]+", text) if part]
    if len(found) > MOST_LISTED:
        raise BodyUnreadable(seen=f"{len(found)} in one field", expected=MOST_LISTED)
    return found


doors = [
    console.act(f"{_CUSTOMER}/provision", provision, edge=customer.again),
    console.act(f"{_CUSTOMER}/link", make_link, edge=customer.again),
    console.act(f"{_CUSTOMER}/resend", resend_link, edge=customer.again),
    console.act(f"{_CUSTOMER}/revoke", revoke_link, edge=customer.again),
    console.act(f"{_CUSTOMER}/enforce", enforce, edge=customer.again),
    console.act(f"{_CUSTOMER}/relax", ask_to_relax, edge=customer.again),
    console.act(f"{_CUSTOMER}/confirm", confirm_relaxing, edge=customer.again),
    console.act(f"{_CUSTOMER}/withdraw", withdraw_relaxing, edge=customer.again),
]
