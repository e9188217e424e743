"""Let the prepared connection answer for its organization: at once, or once an owner has agreed (ADM-04, TEN-12)."""

from typing import Literal

from llmops.audit.actions import Action
from llmops.broker import connections, drafts
from llmops.broker.connections import Connection, Kind
from llmops.broker.portal import links, steps
from llmops.broker.portal.entrance import record
from llmops.broker.portal.links import Intent
from llmops.broker.portal.sessions import Visit
from llmops.errors import ConnectionIncomplete, DomainUnproven, PortalNotCovered
from llmops.mail import letters
from llmops.organizations import domains, members, owners
from llmops.web.request import Request

Outcome = Literal["active", "asked", "unchanged"]


def activate(r: Request, visiting: Visit) -> Outcome:
    """Put the draft in charge: «active» when it is by now, «asked» when an owner must agree first.

    The first connection of an organization, and a change that leaves the same identity provider in charge, need no
    owner. Only a link for the set-up puts a first connection in charge.
    Raises: ConnectionIncomplete, DomainUnproven, ConnectionUntested, PortalNotCovered.
    """
    found = steps.situation(r.db, visiting.organization_id, lock=True)
    draft, live = found.draft, found.live
    if draft is None:
        if live is None:
            raise ConnectionIncomplete(missing="an identity provider")
        return "unchanged"
    if not connections.is_complete(draft):
        raise ConnectionIncomplete(connection=draft.id)
    if not found.verified:
        raise DomainUnproven(organization=visiting.organization_id, expected="one verified domain")
    drafts.require_tested(draft, now=r.now)
    if live is None:
        if visiting.intent is not Intent.SETUP_SSO:  # a repair is of what answers already (ADM-02)
            raise PortalNotCovered(seen=visiting.intent, expected=Intent.SETUP_SSO)
        return _go_live(r, visiting, draft)
    if drafts.needs_owner(live, draft):
        return _ask_owner(r, visiting, draft)
    return _replace(r, visiting, draft)


def _go_live(r: Request, visiting: Visit, draft: Connection) -> Outcome:
    connections.activate(r.db, draft, now=r.now)
    record(r, visiting, Action.CONNECTION_ACTIVATED, target=draft.id, kind=draft.kind)
    _finish(r, visiting, draft, changed=False)
    return "active"


def _replace(r: Request, visiting: Visit, draft: Connection) -> Outcome:
    live = drafts.promote(r.db, r.sealer, draft)
    record(r, visiting, Action.CONNECTION_CHANGED, target=live.id, kind=live.kind)
    _finish(r, visiting, live, changed=True)
    return "active"


def _ask_owner(r: Request, visiting: Visit, draft: Connection) -> Outcome:
    links.reached(r.db, visiting.link_id, step=steps.ACTIVATE, now=r.now)  # the owner's word will close its task
    if not drafts.ask_owner(r.db, draft, now=r.now):
        return "asked"
    record(r, visiting, Action.CONNECTION_APPROVAL_ASKED, target=drafts.address_id(draft), kind=draft.kind)
    owners.tell_now(
        r,
        visiting.organization_id,
        template="broker/portal/mail/approval",
        provider=Kind(draft.kind).label,
        contacts=", ".join(visiting.contacts),
        link=f"{r.settings.base_url}/settings/security",
    )
    return "asked"


def _finish(r: Request, visiting: Visit, connection: Connection, *, changed: bool) -> None:
    """Close the link's task, remember whom to remind of expiries, and tell owners and IT contacts."""
    links.done(r.db, visiting.link_id, now=r.now)
    contacts = list(dict.fromkeys([*connection.contacts, *visiting.contacts]))
    connections.set_contacts(r.db, connection, contacts)
    verified = sorted(domains.verified(r.db, visiting.organization_id))
    for address in dict.fromkeys([*members.owner_addresses(r.db, visiting.organization_id), *contacts]):
        letters.send(
            r.db,
            r.sealer,
            r.settings,
            to=address,
            template="broker/portal/mail/active",
            now=r.now,
            organization_name=letters.harmless(visiting.organization_name),
            provider=Kind(connection.kind).label,
            changed=changed,
            domains=", ".join(verified),
            link=login_address(r, visiting),
        )


def login_address(r: Request, visiting: Visit) -> str:
    """Where the organization's people sign in with SSO; also the start address for tiles."""
    return f"{r.settings.base_url}/login/sso/{visiting.organization_slug}"
