"""What every command shares: the open database, and how answers are printed."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from llmops import settings as configuration
from llmops.app import site_of
from llmops.db.engine import connect
from llmops.migrations import history
from llmops.web.request import Site

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
OPERATOR = "operator"
"""Who the audit log says it was."""


@contextmanager
def opened() -> Iterator[Site]:
    """The installation that the environment describes, with its database ready."""
    settings = configuration.load()
    database = connect(settings.database, pool_size=2)
    try:
        history.prepare(database)
        yield site_of(settings, database)
    finally:
        database.close()


def show(answer: Mapping[str, object] | Sequence[Mapping[str, object]], *, as_json: bool) -> None:
    """Print one record or a list of them, as JSON or as lines to read."""
    if as_json:
        typer.echo(json.dumps(answer, indent=2, default=str))
    elif isinstance(answer, Mapping):
        width = max((len(name) for name in answer), default=0)
        for name, value in answer.items():
            typer.echo(f"{name:<{width}}  {_plain(value)}")
    else:
        for record in answer:
            typer.echo("  ".join(_plain(value) for value in record.values()))


def _plain(value: object) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value, default=str)
    return "–" if value is None else str(value)
