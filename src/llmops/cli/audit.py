"""`llmops audit`: read the audit log, and see that nobody changed it."""

from typing import Annotated

import typer

from llmops.audit import reading
from llmops.audit.log import INSTALLATION, Entry
from llmops.audit.reading import Verified, Wanted
from llmops.cli.console import AsJson, opened, show
from llmops.dashboard import audit_entries
from llmops.dashboard.audit_entries import Line
from llmops.db.tables import Db
from llmops.organizations import organization

app = typer.Typer(help="The audit log.", no_args_is_help=True)


@app.command()
def verify(
    slug: Annotated[str | None, typer.Argument(help="An organization; without it every chain is verified.")] = None,
    noted: Annotated[
        str, typer.Option(metavar="NUMBER:HASH", help="An entry of SLUG as it was written down elsewhere.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """Walk the chain from its first entry to its last; exit status 1 names the first entry that does not fit.

    Write `number` and `last_hash` down somewhere else: with --noted they prove later that nothing before was changed.
    """
    entry = _noted(noted, slug)
    with opened() as site, site.database.reading() as db:
        if slug is not None:
            found = organization.with_slug(db, slug)
            show(_told(slug, reading.verify(db, found.id, noted=entry)), as_json=as_json)
        else:
            show([_told(name, reading.verify(db, chain)) for name, chain in _chains(db)], as_json=as_json)


@app.command("list")
def list_entries(
    slug: str,
    most: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many.")] = 50,
    as_json: AsJson = False,
) -> None:
    """What happened in an organization, the latest first, however old."""
    with opened() as site, site.database.reading() as db:
        found = organization.with_slug(db, slug)
        entries = reading.search(db, found.id, Wanted(), most=most)
        show([_line(line) for line in audit_entries.lines(db, found.id, entries)], as_json=as_json)


def _noted(text: str, slug: str | None) -> tuple[int, str] | None:
    """Number and hash. Raises: BadParameter."""
    if not text:
        return None
    number, parted, digest = text.partition(":")
    if slug is None or not (parted and number.isascii() and number.isdigit() and len(digest) == 64):
        raise typer.BadParameter("give NUMBER:HASH, and the organization", param_hint="--noted")
    return int(number), digest.lower()


def _chains(db: Db) -> list[tuple[str, str]]:
    return [(INSTALLATION, INSTALLATION), *((found.slug, found.id) for found in organization.everyone(db))]


def _told(name: str, verified: Verified) -> dict[str, object]:
    return {
        "chain": name,
        "number": verified.entries,
        "last_hash": verified.last_hash,
        "unchained": verified.unchained,
    }


def _line(line: Line) -> dict[str, object]:
    entry: Entry = line.entry
    return {
        "at": entry.at.isoformat(),
        "who": line.who.title,
        "did": line.what,
        "to": line.target.title if line.target else None,
        "actor": entry.actor,
        "action": entry.action,
        "target": entry.target or None,
        "facts": entry.facts,
        "ip": entry.ip or None,
        "number": entry.number,
        "hash": entry.hash,
    }
