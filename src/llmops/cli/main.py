"""The command line. Exit status: 0 done, 1 a failure (its sentence is on stderr), 2 wrong usage."""

import json
import sys

import typer

from llmops import __version__
from llmops.cli import (
    audit,
    connections,
    docs,
    doctor,
    organizations,
    people,
    portal,
    restored,
    serve,
    sso,
    staff,
    work,
)
from llmops.cli.demo.command import demo
from llmops.errors import Failure

app = typer.Typer(
    name="llmops",
    help="LLM Ops: Enterprise Single Sign-On, self-hosted.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=True,
)
app.add_typer(organizations.app, name="org")
app.add_typer(connections.app, name="connection")
app.add_typer(people.people, name="user")
app.add_typer(people.logins, name="logins")
app.add_typer(sso.app, name="sso")
app.add_typer(portal.app, name="portal")
app.add_typer(staff.app, name="staff")
app.add_typer(serve.keys, name="keys")
app.add_typer(audit.app, name="audit")
app.command()(serve.serve)
app.command()(serve.migrate)
app.command()(work.work)
app.command()(restored.restored)
app.command()(doctor.doctor)
app.command()(demo)
app.command(hidden=True)(docs.docs)


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """Run one command; an expected failure is printed as one JSON object and ends with status 1."""
    try:
        app()
    except Failure as failure:
        told = {"code": failure.code, "message": failure.message, "advice": failure.advice, "facts": failure.facts}
        typer.echo(json.dumps(told, indent=2), err=True)
        sys.exit(1)
