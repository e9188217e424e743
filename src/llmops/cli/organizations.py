"""`llmops org`: customers, their domains, plan and first owner."""

from typing import Annotated

import typer

from llmops.accounts import users
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.email import normalise
from llmops.billing import subscriptions
from llmops.cli.console import OPERATOR, AsJson, opened, show
from llmops.db.tables import Db
from llmops.organizations import domains, members, organization
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.plans import plan_named
from llmops.web.request import Site

app = typer.Typer(help="Organizations.", no_args_is_help=True)


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Its name; the slug is made from it.")],
    domain: Annotated[list[str] | None, typer.Option(help="A company e-mail domain; may be given again.")] = None,
    plan: Annotated[str, typer.Option(help="starter, growth, scale or enterprise.")] = "starter",
    owner_email: Annotated[str | None, typer.Option(help="Address of the first owner.")] = None,
    verified: Annotated[bool, typer.Option("--verified", help="The domains are proven: you vouch for them.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an organization, with its domains and its first owner."""
    with opened() as site, site.database.writing() as db:
        now = site.clock()
        made = organization.create(db, name, plan=plan_named(plan), now=now)
        log.record(db, Action.SIGNED_UP, organization_id=made.id, actor=OPERATOR, now=now, name=made.name)
        for typed in domain or []:
            claimed = domains.company_domain(typed, personal=site.settings.personal_domains)
            domains.claim(db, made.id, domain=claimed, now=now)
            if verified:
                domains.verify(db, made.id, domain=claimed, how=OPERATOR, now=now)
                log.record(db, Action.DOMAIN_VERIFIED, organization_id=made.id, actor=OPERATOR, now=now, target=claimed)
        if owner_email:
            _make_owner(db, site, made, normalise(owner_email))
        show(_told(db, made), as_json=as_json)


@app.command()
def plan(
    slug: str,
    plan: str,
    reason: Annotated[str, typer.Option(help="Why; it stands in the customer's audit log.")],
    seats: Annotated[int | None, typer.Option(min=1, help="Active members that the contract allows.")] = None,
    price: Annotated[str | None, typer.Option(help="As agreed, with the currency.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put an organization on a plan, at once. What is not given stays, but seats go with the plan they were for."""
    with opened() as site, site.database.writing() as db:
        found, wanted = organization.with_slug(db, slug), plan_named(plan)
        contract = subscriptions.of(db, found.id)
        kept = (found.seats if found.plan == wanted else None, contract.price if contract else "")
        subscriptions.put_on(
            db,
            found,
            plan=wanted,
            seats=kept[0] if seats is None else seats,
            price=kept[1] if price is None else price,
            notes=contract.notes if contract else "",
            by=OPERATOR,
            reason=reason,
            now=site.clock(),
        )
        show(_told(db, organization.get(db, found.id)), as_json=as_json)


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Every organization."""
    with opened() as site, site.database.reading() as db:
        show([_told(db, found) for found in organization.everyone(db)], as_json=as_json)


def _make_owner(db: Db, site: Site, made: Organization, email: str) -> None:
    now = site.clock()
    user = users.with_email(db, email) or users.create(
        db, email, first_name=email.partition("@")[0], last_name="", verified=True, now=now
    )
    members.join(db, made, user.id, role=Role.OWNER, how="operator", now=now)


def _told(db: Db, found: Organization) -> dict[str, object]:
    return {
        "id": found.id,
        "slug": found.slug,
        "name": found.name,
        "plan": found.plan,
        "seats": organization.seats_of(found),
        "domains": [
            {"domain": held.domain, "verified": held.verified_at is not None}
            for held in domains.of_organization(db, found.id)
        ],
        "members": members.active_count(db, found.id),
        "created_at": found.created_at.isoformat(),
    }
