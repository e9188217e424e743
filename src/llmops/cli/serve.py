"""`llmops serve`, `migrate`, `keys`: run the server and look after it."""

import os
import resource
import signal
import sys
from datetime import timedelta
from types import FrameType
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvicorn

from llmops import settings as configuration
from llmops.accounts import factors
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.broker import connections
from llmops.cli.console import OPERATOR, AsJson, opened, show
from llmops.db.engine import connect
from llmops.migrations import history
from llmops.settings import Settings
from llmops.web import keyring

MOST_CONNECTIONS = 2_000
SPARE_FILES = 200

keys = typer.Typer(help="The keys of this installation.", no_args_is_help=True)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    work: Annotated[bool, typer.Option(help="Do the jobs too; else leave them to `llmops work`.")] = True,
) -> None:
    """Run the server. By default it listens where LLMOPS_BASE_URL points, if that is this machine.

    SIGTERM and Ctrl-C finish the requests and the job at hand; the exit status is then 0.
    """
    if not work:
        os.environ["LLMOPS_WORK"] = "false"  # every process of the server reads its settings from there
    settings = configuration.load()
    database = connect(settings.database, pool_size=1)
    history.prepare(database)
    database.close()
    listen_host, listen_port = _listen(settings)
    signal.signal(signal.SIGTERM, _end_well)
    uvicorn.run(
        "llmops.app:create",
        factory=True,
        host=host or listen_host,
        port=port or listen_port,
        workers=workers,
        log_config=None,  # structlog writes the lines
        access_log=False,
        server_header=False,
        proxy_headers=False,  # web/request.py believes listed proxies only
        lifespan="on",
        http="llmops.web.wire:LimitedHttp",
        ws="none",
        limit_concurrency=_most_connections(),
        timeout_graceful_shutdown=20,
    )


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to the newest schema."""
    settings = configuration.load()
    database = connect(settings.database, pool_size=1)
    show({"revision": history.upgrade(database), "database": database.engine.dialect.name}, as_json=as_json)
    database.close()


@keys.command()
def rotate(
    emergency: Annotated[bool, typer.Option("--emergency", help="A key leaked: everybody is signed out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Encrypt sessions with a new key from now on, and seal every stored secret with the first LLMOPS_SECRET_KEY.

    Nobody is signed out, unless in an emergency: the old key reads until its sessions are over.
    """
    with opened() as site, site.database.writing() as db:
        now, overlap = site.clock(), timedelta(seconds=site.settings.session_absolute_seconds)
        if emergency:
            overlap = timedelta(0)
            keyring.withdraw(db, now=now)
        key_id = keyring.rotate(db, site.sealer, now=now, overlap=overlap)
        resealed = sum(noun.reseal(db, site.sealer) for noun in (keyring, connections, factors))
        log.record(db, Action.KEYS_ROTATED, organization_id=None, actor=OPERATOR, now=now, target=key_id)
        show({"key": key_id, "old_keys_read_until": (now + overlap).isoformat(), "resealed": resealed}, as_json=as_json)


def _end_well(signal_number: int, frame: FrameType | None) -> None:
    """The last word on SIGTERM: uvicorn stops in good order, then sends itself the signal that it had caught."""
    sys.exit(0)


def _most_connections() -> int:
    """How many clients one process has at once, once it may open as many files as the machine lets it.

    The next are answered with 503. Idle ones leave after seconds (WEB-13); the rest of the files is for the database,
    other people's servers and this program.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < MOST_CONNECTIONS + SPARE_FILES:
        wanted = MOST_CONNECTIONS + SPARE_FILES
        soft = wanted if hard == resource.RLIM_INFINITY else min(hard, wanted)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return max(1, soft - SPARE_FILES)
    return MOST_CONNECTIONS


def _listen(settings: Settings) -> tuple[str, int]:
    parts = urlsplit(settings.base_url)
    return ("127.0.0.1", parts.port or 8000) if parts.scheme == "http" else ("0.0.0.0", 8000)  # noqa: S104 (behind a TLS proxy)
