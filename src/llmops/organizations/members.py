"""People in organizations: join, role, and the Actor behind a session."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from sqlalchemy import ForeignKey, Index, UniqueConstraint, bindparam, func, or_, select
from sqlalchemy.orm import Mapped, mapped_column

from llmops.accounts import sessions
from llmops.accounts.identities import Identity
from llmops.accounts.passwords import Password
from llmops.accounts.sessions import Session
from llmops.accounts.users import User
from llmops.base import ids
from llmops.db.tables import Base, Db, add, change, find, one
from llmops.errors import NoSeatsLeft
from llmops.organizations.organization import Organization, seats_of
from llmops.organizations.roles import Role
from llmops.web.actor import Actor
from llmops.web.request import Request

JoinedHow = Literal["sign_up", "invitation", "sso", "directory", "operator"]
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


@dataclass(frozen=True)
class Row:
    """A member as the team list shows them."""

    user_id: str
    name: str
    email: str
    role: str
    method: str
    status: str
    joined_at: datetime
    joined_how: str
    last_seen_at: datetime | None


def join(db: Db, organization: Organization, user_id: str, *, role: Role, how: JoinedHow, now: datetime) -> None:
    """Make the person an active member. Raises: NoSeatsLeft, counted under the organization's lock."""
    db.execute(select(Organization.id).where(Organization.id == organization.id).with_for_update())
    seats = seats_of(organization)
    if seats is not None and active_count(db, organization.id) >= seats:
        raise NoSeatsLeft(seen=seats)
    add(
        db,
        Member,
        id=ids.new("om"),
        organization_id=organization.id,
        user_id=user_id,
        role=role,
        status="active",
        joined_how=how,
        joined_at=now,
    )


def of(db: Db, organization_id: str, user_id: str) -> Member | None:
    """This person's membership in this organization, active or not."""
    return find(db, Member, organization_id=organization_id, user_id=user_id)


def home_of(db: Db, user_id: str) -> Member | None:
    """The organization that a person who signs in with a password acts in: the one used last, else joined first."""
    active = (Member.user_id == user_id) & (Member.status == "active") & Organization.suspended_at.is_(None)
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


def active_count(db: Db, organization_id: str) -> int:
    """How many seats are taken."""
    where = (Member.organization_id == organization_id) & (Member.status == "active")
    return db.execute(select(func.count()).select_from(Member).where(where)).scalar_one()


def seen(db: Db, organization_id: str, user_id: str, *, method: str, now: datetime) -> None:
    """Remember when and how the member was last here."""
    mine = {"organization_id": organization_id, "user_id": user_id}
    change(db, Member, mine, last_seen_at=now, last_method=method)


def listed(
    db: Db, organization_id: str, *, text: str = "", role: str = "", offset: int = 0, most: int = 50
) -> tuple[Sequence[Row], int]:
    """One page of members by name, and how many fit the search in all."""
    where = [Member.organization_id == organization_id, Member.status != "removed"]
    if text:
        name = User.first_name + " " + User.last_name
        where.append(or_(name.icontains(text, autoescape=True), User.email.icontains(text, autoescape=True)))
    if role:
        where.append(Member.role == role)
    joined = Member.table().join(User.table(), User.id == Member.user_id)
    total = db.execute(select(func.count()).select_from(joined).where(*where)).scalar_one()
    has_sso = select(Identity.id).where(Identity.user_id == User.id).exists()
    has_password = select(Password.user_id).where(Password.user_id == User.id).exists()
    rows = db.execute(
        select(
            Member.table(),
            User.first_name,
            User.last_name,
            User.email,
            has_sso.label("sso"),
            has_password.label("password"),
        )
        .select_from(joined)
        .where(*where)
        .order_by(func.lower(User.first_name), func.lower(User.last_name), User.email)
        .offset(offset)
        .limit(most)
    )
    return [
        Row(
            user_id=row.user_id,
            name=f"{row.first_name} {row.last_name}".strip(),
            email=row.email,
            role=row.role,
            method=" + ".join(way for way, has in (("SSO", row.sso), ("Password", row.password)) if has) or "None yet",
            status=row.status,
            joined_at=row.joined_at,
            joined_how=row.joined_how,
            last_seen_at=row.last_seen_at,
        )
        for row in rows
    ], total


_BEHIND_SESSION = (
    select(
        Session.last_seen_at, Session.authenticated_at, Session.connection_id, Session.method,
        User.email, User.first_name, User.last_name,
        Member.role, Organization.name, Organization.slug, Organization.plan,
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
    if (r.now - row.last_seen_at).total_seconds() > _TOUCH_SECONDS:
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
    )


def _touch(db: Db, claims: sessions.Claims, now: datetime) -> None:
    sessions.touch(db, claims.session_id, now=now)
    seen(db, claims.organization_id, claims.user_id, method=claims.method, now=now)
