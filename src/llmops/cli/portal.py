"""`llmops portal`: links that open the Admin Portal for a customer's IT administrator."""

from functools import partial
from typing import Annotated

import typer

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.broker.portal import links
from llmops.broker.portal.links import Intent
from llmops.cli.connections import Type
from llmops.cli.console import OPERATOR, AsJson, opened, show
from llmops.organizations import organization

app = typer.Typer(help="The Admin Portal.", no_args_is_help=True)

Purpose = Annotated[Intent, typer.Option(help="What the link is for.")]
Proposed = Annotated[Type | None, typer.Option("--type", help="Propose this identity provider.")]
Contacts = Annotated[
    list[str] | None, typer.Option("--contact", help="Address of an IT administrator; may be given again.")
]
Send = Annotated[bool, typer.Option("--send", help="Mail the link to the contacts.")]
Days = Annotated[int, typer.Option("--days", min=1, max=30, help="For how many days the link works.")]


@app.callback()
def portal() -> None:
    """The Admin Portal."""


@app.command()
def link(
    slug: str,
    purpose: Purpose = Intent.SETUP_SSO,
    type_: Proposed = None,
    contact: Contacts = None,
    send: Send = False,
    days: Days = 7,
    as_json: AsJson = False,
) -> None:
    """Make a link; an earlier one for the same purpose is revoked. Its address is shown here and never again."""
    if send and not contact:
        raise typer.BadParameter("--send needs somebody to send it to", param_hint="--contact")
    with opened() as site, site.database.writing() as db:
        now, found = site.clock(), organization.with_slug(db, slug)
        made, secret = links.make(
            db,
            site.sealer,
            found.id,
            intent=purpose,
            kind=type_.kind if type_ else None,
            contacts=contact or [],
            made_by=OPERATOR,
            now=now,
            lives_days=days,
        )
        record = partial(log.record, db, organization_id=found.id, actor=OPERATOR, now=now, target=made.id)
        record(Action.PORTAL_LINK_MADE, purpose=purpose)
        if send:
            links.send(db, site.sealer, site.settings, made, secret, organization_name=found.name, now=now)
            record(Action.PORTAL_LINK_SENT, contacts=", ".join(made.contacts))
        told = {
            "id": made.id,
            "url": links.address(site.settings, secret),
            "expires_at": made.expires_at.isoformat(),
            "purpose": purpose.value,
            "contacts": made.contacts,
        }
        show(told, as_json=as_json)
