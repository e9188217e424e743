"""Compulsory single sign-on: when an organization may have it, what it changes, and whom it binds (TEN-17, TEN-18)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select

from llmops.accounts import sessions
from llmops.accounts.identities import Identity
from llmops.accounts.sessions import Session
from llmops.accounts.users import User
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.clock import readable
from llmops.base.email import domain_of
from llmops.base.sealing import Sealer
from llmops.broker import connections
from llmops.broker.connections import Connection
from llmops.db.tables import Db
from llmops.errors import EnforcementNotReady, ReasonMissing, SsoNotConfigured
from llmops.mail import letters
from llmops.organizations import domains, emergency, members, organization, owners
from llmops.organizations.members import Member
from llmops.organizations.organization import Organization, allows_sso
from llmops.organizations.roles import NEEDS_PROOF
from llmops.settings import Settings

SIGN_IN_COUNTS = timedelta(hours=24)


@dataclass(frozen=True)
class Condition:
    """What must hold before single sign-on is made compulsory, as a statement, and whether it does."""

    name: str
    met: bool
    text: str


@dataclass(frozen=True)
class Effect:
    """Whom it concerns: active members with an address in the verified domains, and outside of them.

    `without_link`: of those inside, who has not come through the connection yet; their first sign-in connects them.
    """

    inside: int
    outside: int
    without_link: int


def conditions(db: Db, found: Organization, *, now: datetime) -> Sequence[Condition]:
    """All conditions, in the order in which one meets them."""
    connection = _active(db, found.id)
    ready = any(owner.ready for owner in emergency.named(db, found.id))
    return [
        Condition("plan", allows_sso(found), "The plan includes single sign-on"),
        Condition("domain", bool(domains.verified(db, found.id)), "A domain is verified"),
        Condition("connection", connection is not None, "A connection is active"),
        Condition(
            "sign_in",
            connection is not None and _admin_came_through(db, connection, now=now),
            "An owner or admin signed in through it in the last 24 hours; a test does not count",
        ),
        Condition("break_glass", ready, "An owner with a password and two-step sign-in is named for emergencies"),
    ]


def effect(db: Db, found: Organization) -> Effect:
    """How many people sign in differently from then on."""
    connection = _active(db, found.id)
    through = Identity.connection_id == (connection.id if connection else None)
    linked = select(Identity.id).where(Identity.user_id == User.id, through).exists()
    rows = db.execute(
        select(User.email, linked.label("linked"))
        .select_from(members.WITH_USER)
        .where(Member.organization_id == found.id, Member.status == "active")
    ).all()
    verified = domains.verified(db, found.id)
    inside = [row for row in rows if domain_of(row.email) in verified]
    return Effect(len(inside), len(rows) - len(inside), sum(not row.linked for row in inside))


def enforce(
    db: Db, sealer: Sealer, settings: Settings, found: Organization, *, by: str, reason: str, now: datetime
) -> None:
    """Passwords open no door of this organization from now on; sessions that one opened end. Everybody is told.

    Raises: ReasonMissing; EnforcementNotReady, naming what is `missing`: else the organization locks itself out.
    """
    _require_reason(reason)
    organization.lock(db, found.id)
    found = organization.get(db, found.id)
    if missing := [condition.name for condition in conditions(db, found, now=now) if not condition.met]:
        raise EnforcementNotReady(organization=found.slug, missing=", ".join(missing))
    if not organization.enforce_sso(db, found.id, now=now):
        return
    ended = sessions.end_in_organization(db, found.id, methods=("password", "break_glass"), now=now)
    log.record(
        db,
        Action.SSO_ENFORCED,
        organization_id=found.id,
        actor=by,
        now=now,
        reason=reason,
        sessions_ended=ended,
    )
    name, link, when = letters.harmless(found.name), sign_in_address(settings, found), readable(now)
    about = {"organization_name": name, "link": link, "when": when}
    for address in members.addresses(db, found.id):
        letters.send(db, sealer, settings, to=address, template="signin/mail/sso_now_required", now=now, **about)


def relax(
    db: Db, sealer: Sealer, settings: Settings, found: Organization, *, by: str, reason: str, now: datetime
) -> None:
    """Passwords work beside single sign-on again. Every owner is told. Raises: ReasonMissing."""
    _require_reason(reason)
    if not organization.relax_sso(db, found.id):
        return
    log.record(db, Action.SSO_RELAXED, organization_id=found.id, actor=by, now=now, reason=reason)
    about = {"link": sign_in_address(settings, found), "when": readable(now)}
    owners.tell(db, sealer, settings, found.id, template="signin/mail/sso_relaxed", now=now, **about)


def for_address(db: Db, email: str) -> Organization | None:
    """The organization that wants everybody with such an address to use single sign-on.

    It depends on the domain only: the same for people that we know, do not know, or locked out (TEN-22).
    """
    holder = domains.holder_of(db, domain_of(email)) if email else None
    if holder is None or not holder.verified or holder.organization.sso_enforced_at is None:
        return None
    return holder.organization


def bound_by(db: Db, user: User) -> Organization | None:
    """The organization because of which a password opens nothing for this person, None when one does.

    It is that of the address; for somebody with an address from elsewhere the one they are in, unless they are in
    another that takes passwords. Emergency owners are the exception, at a door of their own: they are bound too.
    """
    by_address = for_address(db, user.email)
    if by_address is not None:
        return by_address
    home = members.home_of(db, user.id)
    if home is None or members.home_of(db, user.id, by_password=True) is not None:
        return None
    return organization.get(db, home.organization_id)


def point_to_sso(db: Db, sealer: Sealer, settings: Settings, found: Organization, *, email: str, now: datetime) -> None:
    """Write to somebody who asked for a password or an account that their company wants no password here (PWD-08)."""
    link = sign_in_address(settings, found)
    letters.send(db, sealer, settings, to=email, template="signin/mail/company_sign_in", now=now, link=link)


def sign_in_address(settings: Settings, found: Organization) -> str:
    """Where this organization's people sign in."""
    return f"{settings.base_url}/login/sso/{found.slug}"


def _active(db: Db, organization_id: str) -> Connection | None:
    try:
        return connections.active_for(db, organization_id)
    except SsoNotConfigured:
        return None


def _admin_came_through(db: Db, connection: Connection, *, now: datetime) -> bool:
    """A session that the connection opened for an owner or admin, as it was last activated."""
    since = max(now - SIGN_IN_COUNTS, connection.activated_at or connection.created_at)
    here = (Member.user_id == Session.user_id) & (Member.organization_id == Session.organization_id)
    came = (Session.connection_id == connection.id) & (Session.method == "sso") & (Session.created_at >= since)
    admin = Member.role.in_(NEEDS_PROOF) & (Member.status == "active")
    statement = (
        select(Session.id)
        .join(Member.table(), here)
        .where(Session.organization_id == connection.organization_id, came, admin)
    )
    return db.execute(statement.limit(1)).first() is not None


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise ReasonMissing()
