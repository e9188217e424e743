"""The list of an organization's people: searched, filtered, sorted, in pages. It only reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, case, func, or_, select

from llmops.accounts.identities import Identity
from llmops.accounts.passwords import Password
from llmops.accounts.users import User, full_name
from llmops.db.tables import Db
from llmops.errors import NotFound
from llmops.organizations.members import WITH_USER, Member
from llmops.organizations.roles import Role

STATUSES = ("active", "suspended", "removed")


@dataclass(frozen=True)
class View:
    """Which people and in what order. An empty filter lets all pass, but those who were removed are asked for."""

    text: str = ""
    role: str = ""
    status: str = ""
    sort: str = "name"


@dataclass(frozen=True)
class Person:
    """A member as the team pages show them. `ways`: how they can sign in."""

    id: str
    user_id: str
    name: str
    email: str
    role: Role
    status: str
    ways: tuple[str, ...]
    joined_at: datetime
    joined_how: str
    last_seen_at: datetime | None
    is_break_glass: bool


_NAME = (func.lower(User.first_name), func.lower(User.last_name), User.email)
_STRENGTH = case((Member.role == Role.OWNER, 0), (Member.role == Role.ADMIN, 1), else_=2)
SORTS: dict[str, tuple[Any, ...]] = {
    "name": _NAME,
    "role": (_STRENGTH, *_NAME),
    "joined": (Member.joined_at.desc(),),
    "seen": (Member.last_seen_at.desc().nulls_last(),),
}
"""By the word in the address. The latest come first in the last two."""


def listed(
    db: Db, organization_id: str, view: View, *, offset: int = 0, most: int | None = None
) -> tuple[Sequence[Person], int]:
    """One page of people (all, without `most`), and how many there are in all."""
    where = _conditions(organization_id, view)
    total = db.execute(select(func.count()).select_from(WITH_USER).where(*where)).scalar_one()
    order = SORTS.get(view.sort, SORTS["name"])
    rows = db.execute(_people().where(*where).order_by(*order, Member.id).offset(offset).limit(most))
    return [_person(row) for row in rows], total


def person(db: Db, organization_id: str, member_id: str) -> Person:
    """One of the organization's people. Raises: NotFound, also for those of another organization (TEN-20)."""
    mine = (Member.organization_id == organization_id) & (Member.id == member_id)
    row = db.execute(_people().where(mine)).first()
    if row is None:
        raise NotFound()
    return _person(row)


def _conditions(organization_id: str, view: View) -> list[ColumnElement[bool]]:
    where = [Member.organization_id == organization_id]
    where.append(Member.status == view.status if view.status else Member.status != "removed")
    if view.text:
        name = User.first_name + " " + User.last_name
        where.append(or_(name.icontains(view.text, autoescape=True), User.email.icontains(view.text, autoescape=True)))
    if view.role:
        where.append(Member.role == view.role)
    return where


def _people() -> Select[Any]:
    has_sso = select(Identity.id).where(Identity.user_id == User.id).exists()
    has_password = select(Password.user_id).where(Password.user_id == User.id).exists()
    names = (User.first_name, User.last_name, User.email)
    ways = (has_sso.label("sso"), has_password.label("password"))
    return select(Member.table(), *names, *ways).select_from(WITH_USER)


def _person(row: Row[Any]) -> Person:
    return Person(
        id=row.id,
        user_id=row.user_id,
        name=full_name(row.first_name, row.last_name, row.email),
        email=row.email,
        role=Role(row.role),
        status=row.status,
        ways=tuple(way for way, has in (("SSO", row.sso), ("Password", row.password)) if has),
        joined_at=row.joined_at,
        joined_how=row.joined_how,
        last_seen_at=row.last_seen_at,
        is_break_glass=row.break_glass_at is not None,
    )
