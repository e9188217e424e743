"""People in organizations: join, role, and the Actor behind a session."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ColumnElement, ForeignKey, Index, UniqueConstraint, bindparam, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from llmops.accounts import sessions
from llmops.accounts.sessions import Method, Session
from llmops.accounts.users import User, full_name
from llmops.base import ids
from llmops.db.tables import Base, Db, add, change, find, one
from llmops.errors import NoSeatsLeft, PasswordByLetter
from llmops.organizations.organization import Organization, lock, seats_of
from llmops.organizations.roles import Role
from llmops.web.actor import Actor
from llmops.web.request import Request

JoinedHow = Literal["sign_up", "invitation", "sso", "directory", "operator"]
PAST_ENFORCEMENT: tuple[Method, ...] = ("sso", "break_glass", "rescue")
"""The ways of signing in whose sessions count where single sign-on is compulsory (TEN-18)."""
_TOUCH_SECONDS = 60


class Member(Base):
    """A person in an organization. Who was removed keeps a row, so that the next assertion does not bring them back."""

    __tablename__ = "members"
    __table_args__ = (
        UniqueConstraint("organization_id", "user_id"),
        Index("ix_members_organization_joined", "organization_id", "joined_at"),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"))
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id"), index=True)
    role: Mapped[str]
    status: Mapped[str]
    joined_how: Mapped[str]
    joined_at: Mapped[datetime]
    last_seen_at: Mapped[datetime | None]
    last_method: Mapped[str | None]
    break_glass_at: Mapped[datetime | None]  # an owner named to get in with password and second factor if SSO is broken


WITH_USER = Member.table().join(User.table(), User.id == Member.user_id)
"""Memberships, each with its person."""
ACTS_AS_OWNER = (Member.role == Role.OWNER) & (Member.status == "active") & User.suspended_at.is_(None)
"""Of a membership and its person: an owner who gets in."""


def join(db: Db, organization: Organization, user_id: str, *, role: Role, how: JoinedHow, now: datetime) -> None:
    """Make the person an active member. Whoever was removed comes back: the caller has an administrator's word for it.

    Raises: NoSeatsLeft, counted under the organization's lock.
    """
    lock(db, organization.id)
    require_seat(db, organization)
    mine = {"organization_id": organization.id, "user_id": user_id}
    values = {"role": role, "status": "active", "joined_how": how, "joined_at": now}
    if change(db, Member, mine | {"status": "removed"}, **values) != 1:
        add(db, Member, id=ids.new("om"), **mine, **values)


def require_seat(db: Db, organization: Organization) -> None:
    """One more may be active. The caller holds the organization's lock. Raises: NoSeatsLeft."""
    seats = seats_of(organization)
    if seats is not None and active_count(db, organization.id) >= seats:
        raise NoSeatsLeft(seen=seats)


def of(db: Db, organization_id: str, user_id: str) -> Member | None:
    """This person's membership in this organization, active or not."""
    return find(db, Member, organization_id=organization_id, user_id=user_id)


def find_in(db: Db, organization_id: str, member_id: str) -> Member | None:
    """The membership with this id, if it is in this organization (TEN-20)."""
    return find(db, Member, organization_id=organization_id, id=member_id)


def owner_addresses(db: Db, organization_id: str) -> Sequence[str]:
    """Where the active owners of an organization read their mail."""
    return _addresses(db, organization_id, ACTS_AS_OWNER)


def addresses(db: Db, organization_id: str) -> Sequence[str]:
    """Where the active members of an organization read their mail."""
    return _addresses(db, organization_id, (Member.status == "active") & User.suspended_at.is_(None))


def _addresses(db: Db, organization_id: str, who: ColumnElement[bool]) -> Sequence[str]:
    theirs = select(User.email).select_from(WITH_USER).where(Member.organization_id == organization_id, who)
    return db.execute(theirs.order_by(User.email)).scalars().all()


def name_of(db: Db, organization_id: str, user_id: str) -> str | None:
    """What a member of an organization is called; None for who is none."""
    mine = (Member.organization_id == organization_id) & (Member.user_id == user_id)
    row = db.execute(select(User.first_name, User.last_name, User.email).select_from(WITH_USER).where(mine)).first()
    return full_name(row.first_name, row.last_name, row.email) if row else None


def home_of(db: Db, user_id: str, *, by_password: bool = False) -> Member | None:
    """The organization that a person who signs in acts in: the one used last, else joined first.

    `by_password`: only those that a password opens, which is none where single sign-on is compulsory (TEN-18).
    """
    active = (Member.user_id == user_id) & (Member.status == "active") & Organization.suspended_at.is_(None)
    if by_password:
        active &= Organization.sso_enforced_at.is_(None)
    statement = (
        Member.rows()
        .join(Organization.table(), Organization.id == Member.organization_id)
        .where(active)
        .order_by(Member.last_seen_at.desc().nulls_last(), Member.joined_at)
        .limit(1)
    )
    return one(db, Member, statement)


def count_of(db: Db, user_id: str) -> int:
    """In how many organizations this person is or was."""
    return db.execute(select(func.count()).select_from(Member).where(Member.user_id == user_id)).scalar_one()


def require_only_here(r: Request) -> None:
    """Whom a company's sign-in let in sets a first password only if it opens nothing of another organization (TEN-03).

    Raises: PasswordByLetter.
    """
    with r.looking() as db:
        elsewhere = count_of(db, r.member.user_id) > 1
    if elsewhere and r.member.method == "sso":
        raise PasswordByLetter(user=r.member.user_id)


def active_count(db: Db, organization_id: str) -> int:
    """How many seats are taken."""
    where = (Member.organization_id == organization_id) & (Member.status == "active")
    return db.execute(select(func.count()).select_from(Member).where(where)).scalar_one()


def set_break_glass(db: Db, organization_id: str, user_id: str, *, at: datetime | None) -> None:
    """Note since when a member is named for emergencies, or that they are no longer."""
    change(db, Member, {"organization_id": organization_id, "user_id": user_id}, break_glass_at=at)


def seen(db: Db, organization_id: str, user_id: str, *, method: str, now: datetime) -> None:
    """Remember when and how the member was last here."""
    mine = {"organization_id": organization_id, "user_id": user_id}
    change(db, Member, mine, last_seen_at=now, last_method=method)


_BEHIND_SESSION = (
    select(
        Session.last_seen_at, Session.ends_at, Session.authenticated_at, Session.connection_id, Session.method,
        User.email, User.first_name, User.last_name,
        Member.role, Organization.name, Organization.slug, Organization.plan, Organization.sso_enforced_at,
    )
    .join(User.table(), User.id == Session.user_id)
    .join(Member.table(), (Member.user_id == Session.user_id) & (Member.organization_id == Session.organization_id))
    .join(Organization.table(), Organization.id == Session.organization_id)
    .where(
        Session.id == bindparam("session_id"),
        Session.user_id == bindparam("user_id"),
        Session.organization_id == bindparam("organization_id"),
        Session.ended_at.is_(None),
        Session.ends_at > bindparam("now"),
        Session.last_seen_at > bindparam("idle_since"),
        User.suspended_at.is_(None),
        Member.status == "active",
        Organization.suspended_at.is_(None),
        or_(Organization.sso_enforced_at.is_(None), Session.method.in_(PAST_ENFORCEMENT)),
    )
)  # fmt: skip
"""Made once: this statement runs on every request."""


def actor(r: Request) -> Actor | None:
    """Who is asking, or None: the cookie is ours, the session lives, person, membership and organization are active.

    Nothing is cached, so whatever ends a session ends it with the next request on every replica (SES-05).
    """
    claims = sessions.read(r.site.keyring, r.settings, r.cookies.get(sessions.COOKIE, ""), now=r.now)
    if claims is None:
        return None
    with r.looking() as db:
        row = db.execute(
            _BEHIND_SESSION,
            {
                "session_id": claims.session_id,
                "user_id": claims.user_id,
                "organization_id": claims.organization_id,
                "now": r.now,
                "idle_since": r.now - timedelta(seconds=r.settings.session_idle_seconds),
            },
        ).first()
    if row is None:
        return None
    used_at = row.last_seen_at
    if (r.now - used_at).total_seconds() > _TOUCH_SECONDS:
        used_at = r.now
        r.afterwards(lambda db: _touch(db, claims, r.now))
    return Actor(
        session_id=claims.session_id,
        user_id=claims.user_id,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        organization_id=claims.organization_id,
        organization_name=row.name,
        organization_slug=row.slug,
        plan=row.plan,
        role=row.role,
        method=row.method,
        connection_id=row.connection_id,
        authenticated_at=row.authenticated_at,
        ends_at=row.ends_at,
        ends_unused_at=min(row.ends_at, used_at + timedelta(seconds=r.settings.session_idle_seconds)),
        sso_enforced=row.sso_enforced_at is not None,
    )


def _touch(db: Db, claims: sessions.Claims, now: datetime) -> None:
    sessions.touch(db, claims.session_id, now=now)
    seen(db, claims.organization_id, claims.user_id, method=claims.method, now=now)
