"""Customers: create, find, change the plan."""

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from llmops.base import ids
from llmops.db.tables import Base, Db, add, change, find, many
from llmops.errors import OrganizationNameTaken, OrganizationUnknown
from llmops.plans import ALLOWANCES, Plan


class Organization(Base):
    """One customer. `seats` is what the contract says, None for the plan's own number.

    `sso_enforced_at`: since when passwords open no door of this organization, but for break-glass owners.
    """

    __tablename__ = "organizations"

    id: Mapped[str] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    plan: Mapped[str]
    seats: Mapped[int | None]
    suspended_at: Mapped[datetime | None]
    sso_enforced_at: Mapped[datetime | None]
    created_at: Mapped[datetime]


def create(db: Db, name: str, *, plan: Plan, now: datetime) -> Organization:
    """A new customer; its slug is made from the name. Raises: OrganizationNameTaken."""
    slug = slug_of(name)
    values = {
        "id": ids.new("org"),
        "slug": slug,
        "name": " ".join(name.split()),
        "plan": plan,
        "created_at": now,
    }
    try:
        add(db, Organization, **values)
    except IntegrityError:
        raise OrganizationNameTaken(seen=slug) from None
    return with_slug(db, slug)


def create_with_free_slug(db: Db, name: str, *, plan: Plan, now: datetime) -> Organization:
    """A new customer, with a number behind its slug when the name is taken: names need not be unique."""
    taken = set(db.execute(select(Organization.slug).where(Organization.slug.startswith(slug_of(name)))).scalars())
    slug, number = slug_of(name), 2
    while slug in taken:
        slug, number = f"{slug_of(name)}-{number}", number + 1
    organization = create(db, slug, plan=plan, now=now)
    change(db, Organization, {"id": organization.id}, name=" ".join(name.split()))
    return get(db, organization.id)


def get(db: Db, organization_id: str) -> Organization:
    """The customer with this id. Raises: OrganizationUnknown."""
    found = find(db, Organization, id=organization_id)
    if found is None:
        raise OrganizationUnknown(seen=organization_id)
    return found


def with_slug(db: Db, slug: str) -> Organization:
    """The customer with this slug. Raises: OrganizationUnknown."""
    found = find(db, Organization, slug=slug)
    if found is None:
        raise OrganizationUnknown(seen=slug)
    return found


def everyone(db: Db) -> Sequence[Organization]:
    """All customers by slug."""
    return many(db, Organization, Organization.rows().order_by(Organization.slug))


def lock(db: Db, organization_id: str) -> None:
    """Until this transaction ends nobody else decides anything that counts this organization's people."""
    db.execute(select(Organization.id).where(Organization.id == organization_id).with_for_update())


def enforce_sso(db: Db, organization_id: str, *, now: datetime) -> bool:
    """Passwords open no door of this organization from now on. False when they did not before either."""
    return change(db, Organization, {"id": organization_id, "sso_enforced_at": None}, sso_enforced_at=now) == 1


def relax_sso(db: Db, organization_id: str) -> bool:
    """Passwords open doors again. False when they did before too."""
    table = Organization.table()
    enforcing = (table.c.id == organization_id) & table.c.sso_enforced_at.is_not(None)
    return db.execute(update(table).where(enforcing).values(sso_enforced_at=None)).rowcount == 1


def change_plan(db: Db, organization_id: str, *, plan: Plan, seats: int | None) -> None:
    """Put the customer on a plan, with as many seats as the contract says (None: the plan's own number)."""
    change(db, Organization, {"id": organization_id}, plan=plan, seats=seats)


def allows_sso(organization: Organization) -> bool:
    """Whether the plan includes single sign-on."""
    return ALLOWANCES[Plan(organization.plan)].sso


def seats_of(organization: Organization) -> int | None:
    """How many active members there may be, None for any number."""
    return organization.seats if organization.seats is not None else ALLOWANCES[Plan(organization.plan)].seats


def slug_of(name: str) -> str:
    """The name in a web address: lower-case letters, digits and hyphens, at most 60."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "organization"
