"""Letters that the clock writes, each once: something expires, a portal link runs out, a setup stands still."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.clock import readable
from llmops.broker import certificates, connections, contacts
from llmops.broker.certificates import Expiry
from llmops.broker.connections import Connection, Kind
from llmops.broker.portal import links
from llmops.broker.portal.links import Intent, PortalLink
from llmops.db.tables import Db, many
from llmops.mail import letters, reminders
from llmops.organizations import organization
from llmops.web.request import Site

ACTOR = "schedule"
INFORMED_DAYS = 14
"""What expires while something of its kind lives longer is told once, so many days before."""
ENDS_SOON = timedelta(hours=24)
STALLED = timedelta(days=3)
_LOOK_BACK = timedelta(days=30)
_INTENTS = {
    certificates.CERTIFICATE: (Intent.RENEW_CERTIFICATE, "Renew the certificate"),
    certificates.SECRET: (Intent.ROTATE_SECRET, "Enter the new secret"),
}


def of_expiries(site: Site, now: datetime) -> None:
    """Remind of everything that expires, in a transaction for each connection."""
    with site.database.reading() as db:
        active = connections.active(db)
    for connection in active:
        for expiry in certificates.of(connection):
            reached = expiry.reminder(now)
            if reached is None or (not expiry.last and reached > INFORMED_DAYS):
                continue
            step = str(reached) if expiry.last else "informed"
            with site.database.writing() as db:
                if reminders.first(db, f"{expiry.what}:{connection.id}:{expiry.name}:{step}", now=now):
                    _expiry_letter(db, site, connection, expiry, now=now)


def of_links(site: Site, now: datetime) -> None:
    """Tell IT contacts of links that end tomorrow unopened, and sales of setups that began or stand still."""
    with site.database.reading() as db:
        recent = PortalLink.rows().where(PortalLink.made_at > now - _LOOK_BACK, PortalLink.revoked_at.is_(None))
        open_links = many(db, PortalLink, recent.where(PortalLink.done_at.is_(None)).order_by(PortalLink.made_at))
    for link in open_links:
        with site.database.writing() as db:
            _link_letters(db, site, link, now=now)


def _expiry_letter(db: Db, site: Site, connection: Connection, expiry: Expiry, *, now: datetime) -> None:
    holder = organization.get(db, connection.organization_id)
    addresses = contacts.told(db, holder.id)
    address, label = "", ""
    if expiry.last and expiry.what in _INTENTS and addresses:
        intent, label = _INTENTS[expiry.what]
        address = _link(db, site, connection, intent, addresses, now=now)
    days = expiry.days_left(now)
    log.record(
        db, Action.CERTIFICATE_EXPIRING, organization_id=holder.id, actor=ACTOR, target=connection.id, now=now,
        what=expiry.what, name=expiry.name, expires=readable(expiry.at), days_left=days,
    )  # fmt: skip
    provider = Kind(connection.kind).label
    for to in addresses:
        letters.send(
            db,
            site.sealer,
            site.settings,
            to=to,
            template="broker/mail/expiry",
            now=now,
            organization_name=letters.harmless(holder.name),
            headline=_headline(expiry, now),
            sentence=_sentence(expiry),
            facts=[("Identity provider", provider), (_NAMES[expiry.what], expiry.name), ("End", readable(expiry.at))],
            link=address,
            label=label,
        )


def _link(
    db: Db, site: Site, connection: Connection, intent: Intent, addresses: Sequence[str], *, now: datetime
) -> str:
    """The address of a fresh link for the repair."""
    kind = Kind(connection.kind)
    link, secret = links.make(
        db, site.sealer, connection.organization_id, intent=intent, kind=kind, contacts=addresses, made_by=ACTOR,
        now=now,
    )  # fmt: skip
    log.record(
        db, Action.PORTAL_LINK_MADE, organization_id=connection.organization_id, actor=ACTOR, target=link.id, now=now,
        purpose=intent,
    )  # fmt: skip
    return links.address(site.settings, secret)


_NAMES = {
    certificates.CERTIFICATE: "Fingerprint (SHA-256)",
    certificates.SECRET: "Client ID",
    certificates.OURS: "Fingerprint (SHA-256)",
}
_THINGS = {
    certificates.CERTIFICATE: "the certificate of your identity provider",
    certificates.SECRET: "the client secret for SSO",
    certificates.OURS: "our own certificate for SSO",
}


def _headline(expiry: Expiry, now: datetime) -> str:
    days, thing = expiry.days_left(now), _THINGS[expiry.what]
    if expiry.at <= now:
        return f"{thing} has expired"
    if not expiry.last:
        thing = "a certificate of your identity provider"
    return (
        f"{thing} expires in {days} days" if days > 1 else f"{thing} expires within {'a day' if days < 1 else '2 days'}"
    )


def _sentence(expiry: Expiry) -> str:
    if not expiry.last:
        return (
            "It is one of several, and another one lives longer. If your identity provider signs with that one by"
            " then, nothing needs to be done."
        )
    if expiry.what == certificates.SECRET:
        return (
            "When it ends, nobody can sign in with SSO. Make a new secret at your identity provider, enter it in the"
            " Admin Portal, and only then delete the old one."
        )
    if expiry.what == certificates.OURS:
        return "Your identity provider may refuse our requests then. Answer this mail, and we renew it with you."
    return (
        "Many identity providers stop signing with a certificate that has ended, and sign-in stops with it. Renew it"
        " there, then give us the new metadata or certificate in the Admin Portal; both stay valid side by side."
    )


def _link_letters(db: Db, site: Site, link: PortalLink, *, now: datetime) -> None:
    holder = organization.get(db, link.organization_id)
    name, purpose = letters.harmless(holder.name), Intent(link.intent).label
    ends_soon = link.expires_at - ENDS_SOON <= now < link.expires_at
    if link.opened_at is None:
        if link.sent_at and ends_soon and reminders.first(db, f"portal-link-expiring:{link.id}", now=now):
            values = {"organization_name": name, "purpose": purpose, "expires": readable(link.expires_at)}
            for contact in link.contacts:
                letters.send(
                    db, site.sealer, site.settings, to=contact, template="broker/mail/link_expiring", now=now, **values
                )
        return
    if link.intent != Intent.SETUP_SSO:
        return
    moved = link.stepped_at or link.opened_at
    step = link.step or "the first page"
    if reminders.first(db, f"portal-link-opened:{link.id}", now=now):
        _to_sales(db, site, name, "the Admin Portal link was opened", [("Opened", readable(link.opened_at))], now=now)
    elif now - moved > STALLED and reminders.first(db, f"portal-stalled:{link.id}", now=now):
        facts = [("Last seen", readable(moved)), ("Step", step), ("Link ends", readable(link.expires_at))]
        _to_sales(db, site, name, "the SSO setup stands still", facts, now=now)


def _to_sales(
    db: Db, site: Site, organization_name: str, headline: str, facts: Sequence[tuple[str, str]], *, now: datetime
) -> None:
    letters.send(
        db, site.sealer, site.settings, to=site.settings.sales_email, template="broker/mail/link_progress", now=now,
        organization_name=organization_name, headline=headline, facts=facts,
    )  # fmt: skip
