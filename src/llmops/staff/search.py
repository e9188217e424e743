"""Find a customer by name, slug, domain, or the address of somebody in it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, func, or_, select
from starlette.responses import Response

from llmops.accounts.users import User
from llmops.db.tables import Db
from llmops.organizations.domains import Domain
from llmops.organizations.members import Member
from llmops.organizations.organization import Organization
from llmops.staff import console
from llmops.staff.sessions import Colleague
from llmops.web.request import Request

PAGE_SIZE = 25


@dataclass(frozen=True)
class Found:
    """A customer as the list shows it."""

    organization: Organization
    domains: Sequence[str]
    members: int


def organizations(db: Db, text: str, *, offset: int = 0, most: int = PAGE_SIZE) -> tuple[Sequence[Found], int]:
    """One page of customers by name, and how many fit the text in all."""
    fitting = _fitting(text)
    total = db.execute(select(func.count()).select_from(fitting.subquery())).scalar_one()
    rows = db.execute(fitting.order_by(func.lower(Organization.name), Organization.slug).offset(offset).limit(most))
    found = [Organization.from_row(row) for row in rows]
    ids = [organization.id for organization in found]
    domains, members = _domains(db, ids), _members(db, ids)
    return [Found(one, domains.get(one.id, []), members.get(one.id, 0)) for one in found], total


def page(r: Request, who: Colleague) -> Response:
    """GET /staff/organizations: text and page are in the address."""
    text = (r.query("q") or "")[:100].strip()
    typed = r.query("page") or "1"
    number = max(1, int(typed)) if typed.isascii() and typed.isdigit() and len(typed) < 7 else 1
    found, total = organizations(r.db, text, offset=(number - 1) * PAGE_SIZE)
    return console.show(
        r,
        who,
        "staff/organizations.html",
        found=found,
        total=total,
        query=text,
        page=number,
        pages=max(1, -(-total // PAGE_SIZE)),
    )


def _fitting(text: str) -> Select[tuple[object, ...]]:
    if not text:
        return Organization.rows()
    holds = select(Domain.organization_id).where(Domain.domain.icontains(text, autoescape=True))
    has = (
        select(Member.organization_id)
        .join(User.table(), User.id == Member.user_id)
        .where(User.email.icontains(text, autoescape=True), Member.status != "removed")
    )
    return Organization.rows().where(
        or_(
            Organization.name.icontains(text, autoescape=True),
            Organization.slug.icontains(text, autoescape=True),
            Organization.id.in_(holds),
            Organization.id.in_(has),
        )
    )


def _domains(db: Db, organization_ids: Sequence[str]) -> dict[str, list[str]]:
    wanted = select(Domain.organization_id, Domain.domain).where(Domain.organization_id.in_(organization_ids))
    found: dict[str, list[str]] = {}
    for organization_id, domain in db.execute(wanted.order_by(Domain.domain)):
        found.setdefault(organization_id, []).append(domain)
    return found


def _members(db: Db, organization_ids: Sequence[str]) -> dict[str, int]:
    counted = (
        select(Member.organization_id, func.count())
        .where(Member.organization_id.in_(organization_ids), Member.status == "active")
        .group_by(Member.organization_id)
    )
    return {organization_id: count for organization_id, count in db.execute(counted)}


doors = [console.page("/staff/organizations", page)]
