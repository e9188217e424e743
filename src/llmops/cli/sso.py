"""`llmops sso`: make single sign-on compulsory or not, and let an owner in when it is broken."""

from typing import Annotated

import typer

from llmops.base.email import normalise
from llmops.cli.console import OPERATOR, AsJson, opened, show
from llmops.db.tables import Db
from llmops.organizations import organization
from llmops.signin import enforcement, rescue
from llmops.web.request import Site

app = typer.Typer(help="Compulsory single sign-on, and the ways past it.", no_args_is_help=True)


@app.command("show")
def show_state(slug: str, as_json: AsJson = False) -> None:
    """Whether single sign-on is compulsory, what is missing before it can be, and whom it concerns."""
    with opened() as site, site.database.reading() as db:
        show(_told(db, site, slug), as_json=as_json)


@app.command()
def enforce(
    slug: str,
    on: Annotated[bool, typer.Option("--on/--off", help="Make it compulsory, or allow passwords again.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the customer's audit log.")],
    as_json: AsJson = False,
) -> None:
    """Make single sign-on compulsory, if its conditions are met; off works always."""
    with opened() as site, site.database.writing() as db:
        found = organization.with_slug(db, slug)
        change = enforcement.enforce if on else enforcement.relax
        change(db, site.sealer, site.settings, found, by=OPERATOR, reason=reason, now=site.clock())
        show(_told(db, site, slug), as_json=as_json)


@app.command("rescue")
def let_in(
    slug: str,
    email: Annotated[str, typer.Option(help="Address of an active owner.")],
    as_json: AsJson = False,
) -> None:
    """Print an address that lets an owner in once, within half an hour, to repair single sign-on.

    All owners are told now, and once more when it is used.
    """
    with opened() as site, site.database.writing() as db:
        found, now = organization.with_slug(db, slug), site.clock()
        address = normalise(email)
        url = rescue.issue(db, site.sealer, site.settings, found, email=address, by=OPERATOR, now=now)
        told = {"url": url, "email": address, "organization": found.slug}
        show(told | {"expires_at": (now + rescue.LIFE).isoformat()}, as_json=as_json)


def _told(db: Db, site: Site, slug: str) -> dict[str, object]:
    found = organization.with_slug(db, slug)
    concerned = enforcement.effect(db, found)
    return {
        "organization": found.slug,
        "enforced": found.sso_enforced_at is not None,
        "enforced_at": found.sso_enforced_at.isoformat() if found.sso_enforced_at else None,
        "sign_in_url": enforcement.sign_in_address(site.settings, found),
        "conditions": [vars(condition) for condition in enforcement.conditions(db, found, now=site.clock())],
        "effect": vars(concerned),
    }
