"""What an owner does under Settings → Security: links for the administrator, approval, domains, break-glass.

Each of these can open or close a whole company's door, so the owner has proven within ten minutes who they are
(SES-12), it is recorded, and what puts somebody else in charge is told to all owners (TEN-12).
"""

from starlette.responses import Response

from llmops.accounts import sessions
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.email import normalise
from llmops.base.sealing import same
from llmops.broker import connections, drafts
from llmops.broker.connections import Connection, Kind
from llmops.broker.portal import links
from llmops.broker.portal.links import Intent
from llmops.broker.portal.steps import ACTIVATE
from llmops.dashboard.security import PAGE, security_page
from llmops.errors import (
    BreakGlassNeeded,
    BreakGlassNotReady,
    ChangeMovedOn,
    ConnectionUntested,
    DomainInvalid,
    DomainTaken,
    DomainUnproven,
    InvalidEmail,
    NotFound,
    OutboundUnreachable,
    SsoStillRequired,
)
from llmops.mail import letters
from llmops.organizations import domains, members, organization, owners
from llmops.signin import breakglass
from llmops.web import limits
from llmops.web.doors import post
from llmops.web.render import alert
from llmops.web.request import Request, see_other

_MOST_CONTACTS = 10


def make_link(r: Request) -> Response:
    """POST: an Admin Portal link of the organization's own, sent to the administrator or shown once (ADM-03)."""
    limits.check(r, "portal.links", r.member.organization_id, most=20, window_seconds=3600)
    found = organization.get(r.db, r.member.organization_id)
    intent = Intent(r.field("intent")) if r.field("intent") in set(Intent) else Intent.SETUP_SSO
    try:
        made, secret = links.make(
            r.db,
            r.sealer,
            found.id,
            intent=intent,
            kind=None,
            contacts=_addresses(r.field("contacts")),
            made_by=r.member.user_id,
            now=r.now,
        )
    except InvalidEmail as failure:
        return security_page(r, errors={"contacts": failure.message})
    _record(r, Action.PORTAL_LINK_MADE, target=made.id, intent=intent)
    _tell_owners(r, "dashboard/mail/link_made", purpose=intent.label)
    if not made.contacts:
        return security_page(r, new_link=links.address(r.settings, secret))
    links.send(r.db, r.sealer, r.settings, made, secret, organization_name=found.name, now=r.now)
    _record(r, Action.PORTAL_LINK_SENT, target=made.id, to=", ".join(made.contacts))
    return see_other(f"{PAGE}?done=link")


def revoke_link(r: Request) -> Response:
    """POST: the link and the sessions that it opened end at once."""
    link = links.get(r.db, r.member.organization_id, r.field("link"))
    if links.revoke(r.db, r.member.organization_id, link.id, now=r.now):
        _record(r, Action.PORTAL_LINK_REVOKED, target=link.id)
    return see_other(f"{PAGE}?done=revoked")


def approve(r: Request) -> Response:
    """POST: a tested change of a live connection takes its place (ADM-04, TEN-12).

    Only the one that the owner saw: a visitor of the portal could put another into its place between look and click.
    """
    draft = _own_draft(r)
    try:
        if not same(r.field("seen"), drafts.fingerprint(r.sealer, draft)):
            raise ChangeMovedOn(connection=draft.id)
        drafts.require_tested(draft, now=r.now)
    except (ChangeMovedOn, ConnectionUntested) as failure:
        return security_page(r, failure=alert(failure))
    before = connections.get(r.db, drafts.address_id(draft))
    live = drafts.promote(r.db, r.sealer, draft)
    links.approved(r.db, r.member.organization_id, step=ACTIVATE, now=r.now)
    if (before.idp_entity_id, before.issuer) != (live.idp_entity_id, live.issuer):
        _end_company_sessions(r)
    _record(r, Action.CONNECTION_APPROVED, target=live.id)
    _tell_owners(r, "dashboard/mail/connection_changed", connection_name=Kind(live.kind).label)
    return see_other(f"{PAGE}?done=approved")


def reject(r: Request) -> Response:
    """POST: the change is thrown away."""
    draft = _own_draft(r)
    drafts.discard(r.db, draft)
    _record(r, Action.CONNECTION_CHANGED, target=drafts.address_id(draft), outcome="an owner rejected the change")
    return see_other(f"{PAGE}?done=rejected")


def set_contacts(r: Request) -> Response:
    """POST: who gets the letters about a connection's certificates and secrets, and in them the links to renew them.

    Whoever is taken out loses the links that were sent to them: people leave their company's IT, and letters stay.
    """
    connection = _own_connection(r, r.field("connection"))
    typed = r.field("it_contacts")
    try:
        wanted = list(dict.fromkeys(normalise(address) for address in _addresses(typed)))
    except InvalidEmail as failure:
        return security_page(r, errors={"it_contacts": failure.message}, typed_contacts=typed)
    same_connection = drafts.address_id(connection)
    for one in connections.of_organization(r.db, r.member.organization_id):
        if drafts.address_id(one) == same_connection:  # a draft of it takes its contacts along when it goes live
            connections.set_contacts(r.db, one, wanted)
    gone = set(connection.contacts) - set(wanted)
    for link in links.of_organization(r.db, r.member.organization_id):
        if gone & set(link.contacts) and links.revoke(r.db, link.organization_id, link.id, now=r.now):
            _record(r, Action.PORTAL_LINK_REVOKED, target=link.id)
    if wanted != connection.contacts:
        told = ", ".join(wanted) or "nobody"
        _record(r, Action.CONNECTION_CHANGED, target=same_connection, it_contacts=told)
        _tell_owners(r, "dashboard/mail/contacts_changed", contacts=told)
    return see_other(f"{PAGE}?done=contacts")


def switch_off(r: Request) -> Response:
    """POST: nobody signs in through the connection any more; refused while single sign-on is compulsory."""
    organization.lock(r.db, r.member.organization_id)
    found = organization.get(r.db, r.member.organization_id)
    connection = _own_connection(r, r.field("connection"))
    if connection.state != "active":
        raise NotFound()
    if found.sso_enforced_at is not None:
        return security_page(r, failure=alert(SsoStillRequired(missing="another way in")))
    connections.switch_off(r.db, connection)
    # A first connection goes live without an owner: what was sent out before must not bring one back.
    links.revoke_all(r.db, found.id, now=r.now)
    _end_company_sessions(r)
    _record(r, Action.CONNECTION_OFF, target=connection.id)
    _tell_owners(r, "dashboard/mail/connection_off", connection_name=Kind(connection.kind).label)
    return see_other(f"{PAGE}?done=off")


def claim_domain(r: Request) -> Response:
    """POST: say that a domain is the organization's. It counts once it is proven (TEN-07)."""
    try:
        name = domains.company_domain(r.field("domain"), personal=r.settings.personal_domains)
    except DomainInvalid as failure:
        return security_page(r, errors={"domain": failure.message})
    actor = r.member
    domains.announce(r.db, actor.organization_id, domain=name, actor=actor.user_id, ip=r.ip, now=r.now)
    return see_other(f"{PAGE}?done=domain")


def check_domain(r: Request) -> Response:
    """POST: look for the TXT record of one domain now."""
    with r.looking() as db:
        domain = domains.of(db, r.member.organization_id, r.field("domain"))
    if domain is None:
        raise NotFound()
    try:
        domains.prove(r, domain, actor=r.member.user_id)
    except (DomainUnproven, DomainTaken, OutboundUnreachable) as failure:
        return security_page(r, failure=alert(failure))
    return see_other(f"{PAGE}?done=verified")


def remove_domain(r: Request) -> Response:
    """POST: the domain is not the organization's any more; its addresses sign in through the connection no longer."""
    organization.lock(r.db, r.member.organization_id)
    domain = domains.of(r.db, r.member.organization_id, r.field("domain"))
    if domain is None:
        raise NotFound()
    found = organization.get(r.db, r.member.organization_id)
    if found.sso_enforced_at is not None and domains.verified(r.db, found.id) <= {domain.domain}:
        return security_page(r, failure=alert(SsoStillRequired(missing="another verified domain")))
    domains.remove(r.db, domain, actor=r.member.user_id, ip=r.ip, now=r.now)
    if domain.verified_at is not None:
        _tell_owners(r, "dashboard/mail/domain_removed", domain=domain.domain)
    return see_other(f"{PAGE}?done=removed")


def name_owner(r: Request) -> Response:
    """POST: an owner keeps password and second factor for the day on which single sign-on is broken (TEN-19)."""
    actor = r.member
    try:
        breakglass.name(r.db, actor.organization_id, _own_member(r), by=actor.user_id, now=r.now, ip=r.ip)
    except BreakGlassNotReady as failure:
        return security_page(r, failure=alert(failure))
    return see_other(f"{PAGE}?done=named")


def unname_owner(r: Request) -> Response:
    """POST: the owner signs in like everybody else from now on."""
    actor = r.member
    try:
        breakglass.unname(r.db, actor.organization_id, _own_member(r), by=actor.user_id, now=r.now, ip=r.ip)
    except BreakGlassNeeded as failure:
        return security_page(r, failure=alert(failure))
    return see_other(f"{PAGE}?done=unnamed")


def _end_company_sessions(r: Request) -> None:
    """What the identity provider of before opened ends, but for the acting owner's: it may be why it was changed."""
    actor = r.member
    sessions.end_in_organization(r.db, actor.organization_id, methods=["sso"], now=r.now, except_for=actor.session_id)


def _addresses(typed: str) -> list[str]:
    """What somebody typed for addresses, with commas, semicolons or spaces between; the first ten."""
    return typed.replace(",", " ").replace(";", " ").split()[:_MOST_CONTACTS]


def _own_connection(r: Request, connection_id: str) -> Connection:
    """Raises: NotFound, for another organization's id exactly as for one that is not there (TEN-20)."""
    for connection in connections.of_organization(r.db, r.member.organization_id):
        if connection.id == connection_id:
            return connection
    raise NotFound()


def _own_member(r: Request) -> str:
    """The user id in the form, of somebody in this organization. Raises: NotFound."""
    if members.of(r.db, r.member.organization_id, r.field("user")) is None:
        raise NotFound()
    return r.field("user")


def _own_draft(r: Request) -> Connection:
    draft = _own_connection(r, r.field("draft"))
    if draft.draft_of is None or draft.approval_asked_at is None:
        raise NotFound()
    return draft


def _record(r: Request, action: Action, *, target: str, **facts: object) -> None:
    actor = r.member
    log.record(
        r.db,
        action,
        organization_id=actor.organization_id,
        actor=actor.user_id,
        target=target,
        ip=r.ip,
        now=r.now,
        **facts,
    )


def _tell_owners(r: Request, template: str, **values: str) -> None:
    """Write to every owner what was done, by whom and when."""
    actor = r.member
    owners.tell_now(
        r,
        actor.organization_id,
        template=template,
        who=f"{letters.harmless(actor.name)} ({actor.email})",
        page_link=f"{r.settings.base_url}{PAGE}",
        **values,
    )


def _session_key(r: Request) -> str:
    """Which session a request says it belongs to, before that is looked up."""
    return f"session {r.cookies.get(sessions.COOKIE, '')}"


doors = [
    post(f"{PAGE}/links", make_link, only="owner", recent=PAGE),
    post(f"{PAGE}/links/revoke", revoke_link, only="owner"),
    post(f"{PAGE}/changes/approve", approve, only="owner", recent=PAGE),
    post(f"{PAGE}/changes/reject", reject, only="owner"),
    post(f"{PAGE}/contacts", set_contacts, only="owner", recent=PAGE, lasting=True),
    post(f"{PAGE}/off", switch_off, only="owner", recent=PAGE),
    post(f"{PAGE}/domains/claim", claim_domain, only="owner", recent=PAGE),
    post(f"{PAGE}/domains/check", check_domain, only="owner", asks=_session_key),
    post(f"{PAGE}/domains/remove", remove_domain, only="owner", recent=PAGE),
    post(f"{PAGE}/break-glass/name", name_owner, only="owner", recent=PAGE, lasting=True),
    post(f"{PAGE}/break-glass/unname", unname_owner, only="owner", recent=PAGE),
]
