"""`llmops user` and `llmops logins`: make, rescue and erase a person, see who tried to sign in."""

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from llmops.accounts import passwords, users
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.email import normalise
from llmops.broker import logins as attempts
from llmops.broker.logins import Login
from llmops.broker.traces import Trace
from llmops.cli.console import OPERATOR, AsJson, opened, show
from llmops.errors import EmailInUse, LoginUnknown
from llmops.organizations import erasure, lost_factor, members, organization
from llmops.organizations.roles import role_named

people = typer.Typer(help="People.", no_args_is_help=True)
logins = typer.Typer(help="Attempts to sign in through SSO.", no_args_is_help=True)


@people.command("create")
def create(
    email: str,
    org: Annotated[str, typer.Option(help="Slug of the organization.")],
    role: Annotated[str, typer.Option(help="owner, admin or member.")] = "member",
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read a password from stdin.")] = False,
    first_name: Annotated[str, typer.Option()] = "",
    last_name: Annotated[str, typer.Option()] = "",
    as_json: AsJson = False,
) -> None:
    """Make a person in an organization, or add one that exists. The address counts as proven: you vouch for it."""
    with opened() as site, site.database.writing() as db:
        now, address = site.clock(), normalise(email)
        found, wanted = organization.with_slug(db, org), role_named(role)
        user = users.with_email(db, address)
        if user is not None and members.of(db, found.id, user.id) is not None:
            raise EmailInUse(seen=address, organization=found.slug)
        if user is None:
            given = first_name or address.partition("@")[0]
            user = users.create(db, address, first_name=given, last_name=last_name, verified=True, now=now)
        members.join(db, found, user.id, role=wanted, how="operator", now=now)
        if password_stdin:
            typed = sys.stdin.readline().rstrip("\n")
            password_hash = passwords.hashed(typed, context=(address, found.name))
            passwords.store(db, user.id, password_hash=password_hash, now=now)
        log.record(
            db,
            Action.MEMBER_JOINED,
            organization_id=found.id,
            actor=OPERATOR,
            now=now,
            email=address,
            role=wanted,
            how=OPERATOR,
        )
        told = {"id": user.id, "email": address, "organization": found.slug, "role": str(wanted)}
        show(told | {"password": password_stdin}, as_json=as_json)


@people.command("erase")
def erase(
    email: str,
    reason: Annotated[str, typer.Option(help="Why; it stands in the audit log of each of their organizations.")],
    as_json: AsJson = False,
) -> None:
    """Erase a person for good: name, address, password, second factor, links to identity providers, sessions."""
    with opened() as site, site.database.writing() as db:
        told = erasure.erase(db, normalise(email), by=OPERATOR, reason=reason, now=site.clock())
        show(asdict(told), as_json=as_json)


@people.command("remove-factor")
def remove_factor(
    email: str,
    reason: Annotated[str, typer.Option(help="How you know who asks; it stands in each organization's audit log.")],
    as_json: AsJson = False,
) -> None:
    """Take away a second factor whose device and recovery codes are lost. Sessions end, and a letter says so."""
    with opened() as site, site.database.writing() as db:
        told = lost_factor.take(
            db, site.sealer, site.settings, normalise(email), by=OPERATOR, reason=reason, now=site.clock()
        )
        show(asdict(told), as_json=as_json)


@logins.command("list")
def list_logins(
    slug: str,
    most: Annotated[int, typer.Option("--limit", min=1, max=1000, help="How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """The last attempts, the latest first, with what became of them."""
    with opened() as site, site.database.reading() as db:
        found = organization.with_slug(db, slug)
        show([_told(login) for login in attempts.recent(db, found.id, most=most)], as_json=as_json)


@logins.command("show")
def show_login(ref: str, as_json: AsJson = False) -> None:
    """One failed attempt by the reference that the person copied: what was received and what was checked."""
    with opened() as site, site.database.reading() as db:
        login = attempts.with_ref(db, ref)
        if login is None:
            raise LoginUnknown(seen=ref)
        show(_told(login) | _trace(attempts.trace_of(login, site.sealer)), as_json=as_json)


def _told(login: Login) -> dict[str, object]:
    state = "signed_in" if login.redeemed_at and not login.code else "failed" if login.code else "open"
    return {
        "id": login.id,
        "started_at": login.started_at.isoformat(),
        "connection_id": login.connection_id,
        "state": state,
        "code": login.code,
        "ref": login.ref,
        "how": login.how,
    }


def _trace(trace: Trace) -> dict[str, object]:
    received = asdict(trace.received) if trace.received else None
    return {"checks": [vars(check) for check in trace.checks], "facts": trace.facts or {}, "received": received}
