"""`llmops staff`: the accounts of the staff console. There is no other way to make one (ADM-06)."""

import sys
from typing import Annotated

import typer

from llmops.accounts import factors
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.email import normalise
from llmops.cli.console import OPERATOR, AsJson, opened, show
from llmops.db.tables import Db
from llmops.staff import people, sessions
from llmops.staff.people import StaffMember
from llmops.web.request import Site

app = typer.Typer(help="People who work at the staff console.", no_args_is_help=True)

PasswordStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from stdin.")]


@app.command()
def create(
    email: str,
    name: Annotated[str, typer.Option(help="First and last name.")],
    password_stdin: PasswordStdin = False,
    as_json: AsJson = False,
) -> None:
    """Make an account. Prints the secret for an authenticator app: hand it to its owner, it is not shown again.

    The first sign-in asks for a code of that app and then shows the recovery codes.
    """
    password = _password(password_stdin)
    with opened() as site, site.database.writing() as db:
        address = normalise(email)
        member, secret = people.create(db, site.sealer, address, name=name, password=password, now=site.clock())
        _record(db, site, Action.STAFF_CREATED, member)
        show(_told(db, member) | _setup(site, member, secret), as_json=as_json)


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """Every account."""
    with opened() as site, site.database.reading() as db:
        show([_told(db, member) for member in people.everyone(db)], as_json=as_json)


@app.command()
def suspend(email: str, as_json: AsJson = False) -> None:
    """Let nobody in with this account any more; whoever is in is out with the next click."""
    with opened() as site, site.database.writing() as db:
        member = people.known(db, normalise(email))
        people.suspend(db, member, now=site.clock())
        sessions.end_all(db, member.id, now=site.clock())
        _record(db, site, Action.STAFF_SUSPENDED, member)
        show(_told(db, people.get(db, member.id)), as_json=as_json)


@app.command("reset-factor")
def reset_factor(email: str, as_json: AsJson = False) -> None:
    """Make a new secret in the place of a lost second factor; recovery codes and sessions end (PWD-14)."""
    with opened() as site, site.database.writing() as db:
        member = people.known(db, normalise(email))
        secret = people.reset_factor(db, site.sealer, member, now=site.clock())
        sessions.end_all(db, member.id, now=site.clock())
        _record(db, site, Action.STAFF_FACTOR_RESET, member)
        show(_told(db, member) | _setup(site, member, secret), as_json=as_json)


@app.command("set-password")
def set_password(email: str, password_stdin: PasswordStdin = False, as_json: AsJson = False) -> None:
    """Give an account another password; its sessions end."""
    password = _password(password_stdin)
    with opened() as site, site.database.writing() as db:
        member = people.known(db, normalise(email))
        people.set_password(db, member, password=password)
        sessions.end_all(db, member.id, now=site.clock())
        _record(db, site, Action.STAFF_PASSWORD_SET, member)
        show(_told(db, member), as_json=as_json)


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\n")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True))


def _record(db: Db, site: Site, action: Action, member: StaffMember) -> None:
    log.record(db, action, organization_id=None, actor=OPERATOR, now=site.clock(), target=member.email)


def _setup(site: Site, member: StaffMember, secret: str) -> dict[str, object]:
    """What the owner of the account needs, once."""
    return {
        "secret": secret,
        "otpauth": factors.address(secret, account=member.email, issuer=people.ISSUER),
        "sign_in": f"{site.settings.base_url}/staff/sign-in",
    }


def _told(db: Db, member: StaffMember) -> dict[str, object]:
    return {
        "id": member.id,
        "email": member.email,
        "name": member.name,
        "created_at": member.created_at.isoformat(),
        "suspended": member.suspended_at is not None,
        "second_factor": factors.enrolled(db, member.id),
    }
