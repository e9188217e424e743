"""`llmops serve`, `migrate`, `doctor`, `keys`: run the server and look after it."""

import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Annotated
from urllib.parse import urlsplit

import typer
import uvicorn
from sqlalchemy import text

from llmops import settings as configuration
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base import clock
from llmops.broker import connections
from llmops.cli.console import OPERATOR, AsJson, opened, show
from llmops.db.engine import connect
from llmops.errors import Failure
from llmops.migrations import history
from llmops.settings import Settings
from llmops.web import keyring

keys = typer.Typer(help="The keys of this installation.", no_args_is_help=True)

LEAST_FREE_BYTES = 200 * 1024 * 1024


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
) -> None:
    """Run the server. By default it listens where LLMOPS_BASE_URL points, if that is this machine."""
    settings = configuration.load()
    database = connect(settings.database, pool_size=1)
    history.prepare(database)
    database.close()
    listen_host, listen_port = _listen(settings)
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
        timeout_graceful_shutdown=20,
    )


def migrate(as_json: AsJson = False) -> None:
    """Bring the database to the newest schema."""
    settings = configuration.load()
    database = connect(settings.database, pool_size=1)
    show({"revision": history.upgrade(database), "database": database.engine.dialect.name}, as_json=as_json)
    database.close()


def doctor(as_json: AsJson = False) -> None:
    """Check settings, database, keys, mail and disk; exit status 1 when something is wrong."""
    checks = list(_checks())
    show([{"check": name, "ok": problem is None, "problem": problem} for name, problem in checks], as_json=as_json)
    if any(problem for _, problem in checks):
        sys.exit(1)


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
        resealed = keyring.reseal(db, site.sealer) + connections.reseal(db, site.sealer)
        log.record(db, Action.KEYS_ROTATED, organization_id=None, actor=OPERATOR, now=now, target=key_id)
        show({"key": key_id, "old_keys_read_until": (now + overlap).isoformat(), "resealed": resealed}, as_json=as_json)


def _listen(settings: Settings) -> tuple[str, int]:
    parts = urlsplit(settings.base_url)
    return ("127.0.0.1", parts.port or 8000) if parts.scheme == "http" else ("0.0.0.0", 8000)  # noqa: S104 (behind a TLS proxy)


def _checks() -> Iterator[tuple[str, str | None]]:
    """Each check with what is wrong, or None."""
    try:
        settings = configuration.load()
    except Failure as failure:
        yield "settings", str(failure)
        return
    yield "settings", None
    yield "database", _problem(lambda: _check_database(settings))
    yield "schema and keys", _problem(lambda: _check_keys(settings))
    yield "mail", _problem(lambda: _check_mail(settings))
    free = shutil.disk_usage(settings.data_dir if settings.data_dir.exists() else ".").free
    yield "disk", None if free > LEAST_FREE_BYTES else f"only {free // 1024 // 1024} MiB are free"


def _problem(check: Callable[[], None]) -> str | None:
    try:
        check()
    except Exception as error:  # whatever is wrong is what the doctor is asked for
        return f"{type(error).__name__}: {error}"
    return None


def _check_database(settings: Settings) -> None:
    database = connect(settings.database, pool_size=1)
    with database.reading() as db:
        db.execute(text("SELECT 1"))
    database.close()


def _check_keys(settings: Settings) -> None:
    database = connect(settings.database, pool_size=1)
    history.check(database)
    keyring.Keyring(database, configuration.sealer(settings)).current(clock.system())
    database.close()


def _check_mail(settings: Settings) -> None:
    if settings.smtp.host:
        socket.create_connection((settings.smtp.host, settings.smtp.port), timeout=5).close()
