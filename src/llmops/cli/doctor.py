"""`llmops doctor`: is everything there and well? Each check that fails says what is wrong and what to do."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from sqlalchemy import DateTime, cast, func, select

from llmops import settings as configuration
from llmops.app import routines, site_of
from llmops.base import clock
from llmops.base.dns import txt_lookup
from llmops.broker import certificates, connections
from llmops.cli.console import AsJson, show
from llmops.db.engine import Database, connect
from llmops.errors import Failure, OutboundUnreachable
from llmops.jobs import queue, schedule
from llmops.mail import smtp
from llmops.migrations import history
from llmops.settings import Settings
from llmops.web import keyring
from llmops.web.request import Site

LEAST_FREE_BYTES = 200 * 1024 * 1024
MOST_DRIFT = timedelta(seconds=60)
OLDEST_KEY = timedelta(days=365)
LONGEST_WAIT = timedelta(minutes=15)
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Finding:
    """What is wrong, and what to do about it."""

    problem: str
    advice: str


@dataclass(frozen=True)
class Check:
    """One line of the doctor's report; `detail` is worth knowing when all is well."""

    check: str
    ok: bool
    problem: str | None = None
    advice: str | None = None
    detail: str | None = None


def doctor(as_json: AsJson = False) -> None:
    """Check settings, database, keys, clock, tasks, jobs, mail, DNS, disk; exit status 1 when something is wrong."""
    checks = list(_checks())
    show([asdict(check) for check in checks], as_json=as_json)
    if not all(check.ok for check in checks):
        sys.exit(1)


def _checks() -> Iterator[Check]:
    try:
        settings = configuration.load()
    except Failure as failure:
        yield Check("settings", False, str(failure), failure.advice)
        return
    yield Check("settings", True)
    yield from _of_place(settings)
    try:
        database = connect(settings.database, pool_size=2)
    except Failure as failure:
        yield Check("database", False, str(failure), failure.advice)
        return
    try:
        yield from _of_database(settings, database)
    finally:
        database.close()


def _of_place(settings: Settings) -> Iterator[Check]:
    """What needs no database."""
    yield _judged("address", _address(settings))
    yield _tried("mail", lambda: _mail(settings), "Check LLMOPS_SMTP__HOST, its port, security, account and password.")
    yield _judged("name servers", _name_servers(settings))
    free = shutil.disk_usage(settings.data_dir if settings.data_dir.exists() else ".").free
    full = Finding(f"only {free // _MIB} MiB are free", "Make room where the data folder is.")
    yield _judged("disk", full if free < LEAST_FREE_BYTES else None, detail=f"{free // _MIB} MiB free")


def _address(settings: Settings) -> Finding | None:
    """Whether the base URL and what stands before the server fit together."""
    parts = urlsplit(settings.base_url)
    if parts.scheme == "https" and not settings.trusted_proxies:
        return Finding(
            "behind a TLS proxy all visitors have the proxy's address, so that limits meet everybody at once",
            "Name the proxy in LLMOPS_TRUSTED_PROXIES, and let it set X-Forwarded-For.",
        )
    if settings.database_url.startswith("postgres") and not settings.secret_key and not settings.development:
        return Finding(
            "the secret key is a file of this machine, which other replicas do not have",
            "Set LLMOPS_SECRET_KEY to the content of secret.key in the data folder, on every replica.",
        )
    return None


def _mail(settings: Settings) -> None:
    if settings.smtp.host:
        smtp.check(settings.smtp)


def _name_servers(settings: Settings) -> Finding | None:
    """Whether names can be looked up, which domain proofs need. A development server may do without."""
    if settings.development and not settings.dns_servers:
        return None
    try:
        txt_lookup(settings.dns_servers)(urlsplit(settings.base_url).hostname or "localhost")
    except OutboundUnreachable as failure:
        return Finding(
            f"no answer ({failure.facts['reason']}): no domain can be verified",
            "Check the machine's name servers, or name others in LLMOPS_DNS_SERVERS.",
        )
    return None


def _of_database(settings: Settings, database: Database) -> Iterator[Check]:
    """The database, then what stands in it; where a step fails the next ones have nothing to look at."""
    steps: tuple[tuple[str, Callable[[], None], str], ...] = (
        ("database", lambda: _reach(database), "Check LLMOPS_DATABASE_URL and whether the server runs."),
        ("schema and keys", lambda: _keys(settings, database), "Run `llmops migrate`, with the right secret key."),
    )
    for step in steps:
        check = _tried(*step)
        yield check
        if not check.ok:
            return
    site = site_of(settings, database)
    yield _judged("clock", _clock(site))
    yield _judged("key age", _key_age(site))
    yield _judged("jobs", _jobs(site))
    yield from _tasks(site)
    site.fetch.close()


def _reach(database: Database) -> None:
    with database.reading() as db:
        db.execute(select(1))


def _keys(settings: Settings, database: Database) -> None:
    history.check(database)
    keyring.Keyring(database, configuration.sealer(settings)).current(clock.system())


def _clock(site: Site) -> Finding | None:
    """Whether this machine and the database agree about the time, which other replicas then do too (SEC-08)."""
    if site.database.engine.dialect.name != "postgresql":
        return None
    with site.database.reading() as db:
        theirs: datetime = db.execute(select(cast(func.clock_timestamp(), DateTime(timezone=True)))).scalar_one()
    drift = abs(site.clock() - theirs)
    if drift <= MOST_DRIFT:
        return None
    seconds = round(drift.total_seconds())
    return Finding(f"{seconds} s apart from the database's clock", "Let NTP set the clocks of both machines.")


def _key_age(site: Site) -> Finding | None:
    with site.database.reading() as db:
        made_at = keyring.made_at(db)
        own = [one for connection in connections.active(db) for one in certificates.of(connection)]
    now = site.clock()
    if made_at is not None and now - made_at > OLDEST_KEY:
        return Finding(
            f"the session key is {(now - made_at).days} days old", "Run `llmops keys rotate`: nobody notices."
        )
    ending = [one for one in own if one.what == certificates.OURS and one.reminder(now) is not None]
    if ending:
        return Finding(
            f"{len(ending)} of our own certificates end within 60 days",
            "Make a new connection for each, and give its certificate to the identity provider.",
        )
    return None


def _jobs(site: Site) -> Finding | None:
    with site.database.reading() as db:
        depth = queue.depth(db)
    now = site.clock()
    if depth.due_since is not None and now - depth.due_since > LONGEST_WAIT:
        minutes = (now - depth.due_since) // timedelta(minutes=1)
        return Finding(
            f"{depth.waiting} jobs wait, one of them for {minutes} minutes",
            "See that `llmops serve` or `llmops work` runs, and what its log says of «job failed».",
        )
    if depth.dead:
        return Finding(
            f"{depth.dead} jobs were given up after {queue.MOST_ATTEMPTS} attempts",
            "Repair what last_error in the table jobs names; then set dead_at to NULL and attempts to 0 there.",
        )
    return None


def _tasks(site: Site) -> Iterator[Check]:
    """Each task by the clock with its last success. Where no worker ever ran there is nothing to say yet."""
    with site.database.reading() as db:
        known = {task.name: task for task in schedule.listed(db)}
    for routine in routines(site):
        task = known.get(routine.name)
        if task is None:
            yield Check(f"task {routine.name}", True, detail="not run yet")
            continue
        last = clock.readable(task.succeeded_at) if task.succeeded_at else "never"
        stale = schedule.is_stale(task, routine.every, now=site.clock())
        why = f"last success: {last}" + (f"; {task.last_error}" if task.failures else "")
        advice = "See that `llmops serve` or `llmops work` runs, and what its log says of «task failed»."
        yield _judged(f"task {routine.name}", Finding(why, advice) if stale else None, detail=f"last success: {last}")


def _judged(name: str, finding: Finding | None, *, detail: str | None = None) -> Check:
    if finding is None:
        return Check(name, True, detail=detail)
    return Check(name, False, finding.problem, finding.advice)


def _tried(name: str, check: Callable[[], None], advice: str) -> Check:
    try:
        check()
    except Failure as failure:
        return Check(name, False, str(failure), failure.advice or advice)
    except Exception as error:  # whatever is wrong is what the doctor is asked for
        return Check(name, False, f"{type(error).__name__}: {error}", advice)
    return Check(name, True)
