"""A link that opens the Admin Portal: one organization, one purpose, short-lived.

Only a keyed hash of the token is stored. Opening shows a button; pressing it exchanges the token for a cookie
(`sessions.py`; SES-13, SES-14). The link can be opened again until it runs out, so that the administrator can go on
at another device; whoever revokes it ends the sessions too (ADM-01, ADM-02). Whoever makes, sends or revokes a link
records that, with the reason and the address that only the caller knows.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from sqlalchemy import ColumnElement, ForeignKey, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.base.clock import readable
from llmops.base.email import normalise
from llmops.base.sealing import Sealer, token
from llmops.broker.connections import Kind
from llmops.db.tables import Base, Db, add, change, find, many, one
from llmops.errors import PortalLinkSpent
from llmops.mail import letters
from llmops.organizations import members
from llmops.organizations.members import Member
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.settings import Settings

_PURPOSE = "portal.link"
_KEPT = timedelta(days=90)
State = Literal["revoked", "done", "expired", "opened", "sent", "made"]


class Intent(StrEnum):
    """What a link is for; its value is the `--purpose` of the command line."""

    SETUP_SSO = "setup_sso"
    RENEW_CERTIFICATE = "renew_certificate"
    ROTATE_SECRET = "rotate_secret"  # noqa: S105 (a purpose's name)
    VERIFY_DOMAIN = "verify_domain"
    VIEW_ONLY = "view_only"

    @property
    def label(self) -> str:
        """What the visitor came to do, on pages and in letters."""
        return _TITLES[self]


_TITLES = {
    Intent.SETUP_SSO: "Set up SSO",
    Intent.RENEW_CERTIFICATE: "Renew the certificate",
    Intent.ROTATE_SECRET: "Replace the client secret",
    Intent.VERIFY_DOMAIN: "Verify your domain",
    Intent.VIEW_ONLY: "Look at the SSO setup",
}


class Right(StrEnum):
    """One thing that a visitor of the portal may do. Reading is for all of them."""

    READ = "read"
    PROVIDER = "provider"
    METADATA = "metadata"
    SECRET = "secret"  # noqa: S105 (a right's name)
    DOMAINS = "domains"
    TEST = "test"
    ACTIVATE = "activate"


RIGHTS = {
    Intent.SETUP_SSO: frozenset(Right),
    Intent.RENEW_CERTIFICATE: frozenset({Right.READ, Right.METADATA, Right.TEST, Right.ACTIVATE}),
    Intent.ROTATE_SECRET: frozenset({Right.READ, Right.SECRET, Right.TEST, Right.ACTIVATE}),
    Intent.VERIFY_DOMAIN: frozenset({Right.READ, Right.DOMAINS}),
    Intent.VIEW_ONLY: frozenset({Right.READ}),
}
"""What each purpose covers (ADM-02). Members, data and enforcement are in none of them."""


class PortalLink(Base):
    """One link. `kind`: the identity provider that was chosen beforehand. `step`: how far the visitor came."""

    __tablename__ = "portal_links"

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), index=True)
    intent: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str | None]
    contacts: Mapped[list[str]]
    made_by: Mapped[str]
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]
    opened_at: Mapped[datetime | None]
    step: Mapped[str | None]
    stepped_at: Mapped[datetime | None]
    done_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


def make(
    db: Db,
    sealer: Sealer,
    organization_id: str,
    *,
    intent: Intent,
    kind: Kind | None,
    contacts: Sequence[str],
    made_by: str,
    now: datetime,
    lives_days: int = 7,
) -> tuple[PortalLink, str]:
    """A new link and its token, which is told here and never again. An earlier one for the same purpose is revoked.

    `made_by` is a user's or staff member's id, or a word such as `operator`. Raises: InvalidEmail, for a contact.
    """
    addresses = list(dict.fromkeys(normalise(contact) for contact in contacts))
    # Two made at the same moment take turns, so that only one of them stays.
    db.execute(select(Organization.id).where(Organization.id == organization_id).with_for_update())
    mine: dict[str, object] = {"organization_id": organization_id, "intent": intent}
    change(db, PortalLink, {**mine, "revoked_at": None}, revoked_at=now)
    link_id, secret = ids.new("plink"), token()
    add(
        db,
        PortalLink,
        id=link_id,
        **mine,
        token_hash=sealer.hashed(_PURPOSE, secret),
        kind=kind,
        contacts=addresses,
        made_by=made_by,
        made_at=now,
        expires_at=now + timedelta(days=lives_days),
    )
    return get(db, organization_id, link_id), secret


def address(settings: Settings, secret: str) -> str:
    """Where a link leads."""
    return f"{settings.base_url}/portal/start?token={secret}"


def send(
    db: Db, sealer: Sealer, settings: Settings, link: PortalLink, secret: str, *, organization_name: str, now: datetime
) -> None:
    """Queue the letter with the link to each of its contacts, and note when."""
    maker = members.name_of(db, link.organization_id, link.made_by)
    for contact in link.contacts:
        letters.send(
            db,
            sealer,
            settings,
            to=contact,
            template="broker/portal/mail/link",
            now=now,
            sender=link.made_by,
            link=address(settings, secret),
            purpose=Intent(link.intent).label,
            intent=link.intent,
            organization_name=letters.harmless(organization_name),
            sent_by=letters.harmless(f"{maker}, {organization_name}" if maker else "LLM Ops"),
            expires=readable(link.expires_at),
        )
    change(db, PortalLink, {"id": link.id, "organization_id": link.organization_id}, sent_at=now)


def revoke(db: Db, organization_id: str, link_id: str, *, now: datetime) -> bool:
    """End a link and with it its sessions, at their next request. False when it was over before."""
    standing = {"id": link_id, "organization_id": organization_id, "revoked_at": None}
    return change(db, PortalLink, standing, revoked_at=now) == 1


def revoke_all(db: Db, organization_id: str, *, now: datetime) -> int:
    """End every link of an organization and its sessions. Returns how many links."""
    return change(db, PortalLink, {"organization_id": organization_id, "revoked_at": None}, revoked_at=now)


def void_all(db: Db, *, now: datetime) -> int:
    """Revoke every link and with it its sessions. Returns how many (SEC-09)."""
    return change(db, PortalLink, {"revoked_at": None}, revoked_at=now)


def get(db: Db, organization_id: str, link_id: str) -> PortalLink:
    """One link of an organization. Raises: PortalLinkSpent, also for another organization's."""
    found = find(db, PortalLink, id=link_id, organization_id=organization_id)
    if found is None:
        raise PortalLinkSpent(link=link_id)
    return found


def of_organization(db: Db, organization_id: str) -> Sequence[PortalLink]:
    """Every link of an organization, the newest first."""
    mine = PortalLink.rows().where(PortalLink.organization_id == organization_id)
    return many(db, PortalLink, mine.order_by(PortalLink.made_at.desc(), PortalLink.id))


def state_of(link: PortalLink, *, now: datetime) -> State:
    """What became of a link, in a word."""
    if link.revoked_at is not None:
        return "revoked"
    if link.done_at is not None:
        return "done"
    if link.expires_at <= now:
        return "expired"
    return "opened" if link.opened_at else "sent" if link.sent_at else "made"


def maker_stands() -> ColumnElement[bool]:
    """What a member made counts for as long as they are an owner of the organization (ADM-03, SES-11).

    They may have kept the address of a link: without this, who was put out could still change how all others sign in.
    """
    made_it = (Member.user_id == PortalLink.made_by) & (Member.organization_id == PortalLink.organization_id)
    owner = select(Member.id).where(made_it, Member.role == Role.OWNER, Member.status == "active").exists()
    return ~PortalLink.made_by.startswith("user_", autoescape=True) | owner


def look(db: Db, sealer: Sealer, secret: str, *, now: datetime) -> PortalLink:
    """The link behind a token, which this does not spend. Raises: PortalLinkSpent."""
    hashed = sealer.hashed(_PURPOSE, secret)
    link = one(db, PortalLink, PortalLink.rows().where(PortalLink.token_hash == hashed, maker_stands()))
    if link is None or link.revoked_at is not None or link.expires_at <= now:
        raise PortalLinkSpent(link=link.id if link else "unknown")
    return link


def opened(db: Db, link: PortalLink, *, now: datetime) -> bool:
    """Note the first opening. False when it was not the first: of two at the same moment one is."""
    return change(db, PortalLink, {"id": link.id, "opened_at": None}, opened_at=now) == 1


def reached(db: Db, link_id: str, *, step: str, now: datetime) -> None:
    """Note how far the visitor came."""
    change(db, PortalLink, {"id": link_id}, step=step, stepped_at=now)


def forget_old(db: Db, *, now: datetime) -> None:
    """Delete links three months after they ran out; the log has them. Their sessions are gone by then."""
    db.execute(delete(PortalLink).where(PortalLink.expires_at < now - _KEPT))


def approved(db: Db, organization_id: str, *, step: str, now: datetime) -> None:
    """An owner agreed to the change that waited: done is what the links are for whose visitors came to `step`."""
    waiting = {"organization_id": organization_id, "step": step, "revoked_at": None, "done_at": None}
    change(db, PortalLink, waiting, done_at=now)


def done(db: Db, link_id: str, *, now: datetime) -> None:
    """What the link is for is done. It stays good for looking until it runs out."""
    change(db, PortalLink, {"id": link_id, "done_at": None}, done_at=now)
