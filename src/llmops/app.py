"""The whole site: every list of doors, how a failure behind it looks, the middleware, what runs by the clock."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from anyio import CapacityLimiter
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from llmops import settings as configuration
from llmops.accounts import pages as account_pages
from llmops.accounts import sessions, verification
from llmops.base import clock as clocks
from llmops.base import logs
from llmops.base.addresses import Policy
from llmops.base.clock import Clock
from llmops.base.fetch import Fetcher
from llmops.broker import connections, logins
from llmops.broker.connections import Kind
from llmops.broker.idp import oidc, saml
from llmops.dashboard import home
from llmops.db.engine import Database, connect
from llmops.db.tables import Db
from llmops.errors import ConnectionUnknown
from llmops.jobs import queue
from llmops.jobs.worker import Worker
from llmops.mail import letters
from llmops.mail.smtp import Postman
from llmops.organizations import members
from llmops.organizations import pages as organization_pages
from llmops.settings import Settings
from llmops.signin import pages as sign_in_pages
from llmops.signin import reset, sign_up, sso
from llmops.web import health, limits
from llmops.web.doors import Door, Edge
from llmops.web.failures import as_page
from llmops.web.keyring import Keyring
from llmops.web.render import STATIC
from llmops.web.request import Request, Site
from llmops.web.security import SecurityHeaders
from llmops.web.serving import Entrance


def connection_label(r: Request, connection_id: str) -> str:
    """What a connection is called on a person's own pages."""
    try:
        return Kind(connections.get(r.db, connection_id).kind).label
    except ConnectionUnknown:
        return "A connection that is gone"


SITE: Sequence[tuple[Edge, Sequence[Door]]] = (
    (as_page, health.doors),
    (sign_in_pages.back_to_sign_in, sign_in_pages.doors),
    (as_page, reset.doors),
    (as_page, sign_up.doors),
    (sign_in_pages.back_to_sign_in, sso.doors),
    (sign_in_pages.back_to_sign_in, saml.doors),
    (sign_in_pages.back_to_sign_in, oidc.doors),
    (as_page, home.doors),
    (as_page, organization_pages.doors),
    (as_page, account_pages.doors(connection_label)),
)
"""Every door, with the edge that shows what fails behind it. More particular paths come first."""


def site_of(settings: Settings, database: Database, *, clock: Clock = clocks.system) -> Site:
    """What all requests of one process share."""
    sealer = configuration.sealer(settings)
    policy = Policy(
        allow_private=settings.outbound_allow_private,
        allow_loopback=settings.development or settings.outbound_allow_private,
        ports=frozenset(settings.outbound_ports),
    )
    return Site(
        settings=settings,
        sealer=sealer,
        database=database,
        keyring=Keyring(database, sealer),
        fetch=Fetcher(policy),
        clock=clock,
        identify=members.actor,
    )


def worker_of(site: Site) -> Worker:
    """The worker that delivers letters and deletes what is over."""

    def sweep(db: Db, now: datetime) -> None:
        for noun in (limits, verification, sessions, logins, queue):
            noun.forget_old(db, now=now)

    handlers = {letters.JOB: Postman(site.settings).deliver}
    return Worker(site.database, site.sealer, site.clock, handlers, sweeps=[sweep])


def application(site: Site, *, worker: Worker | None = None) -> Starlette:
    """The ASGI application. With `worker` it also does the jobs in the queue, in a thread of its own."""
    site.keyring.current(site.clock())  # makes the first key now: inside a request it would wait for that request
    threads = CapacityLimiter(site.settings.threads)
    doors: dict[str, tuple[Edge, list[Door]]] = {}
    for edge, list_of_doors in SITE:
        for door in list_of_doors:
            doors.setdefault(door.path, (edge, []))[1].append(door)
    routes = [Route(path, Entrance(site, found, edge, threads)) for path, (edge, found) in doors.items()]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        if worker is not None:
            worker.start()
        yield
        if worker is not None:
            worker.stop()
        site.fetch.close()
        site.database.close()

    starlette = Starlette(
        routes=[*routes, Mount("/static", _Static(directory=STATIC))],
        middleware=[Middleware(SecurityHeaders)],
        lifespan=lifespan,
    )
    starlette.router.redirect_slashes = False
    starlette.router.default = Entrance(site, [], as_page, threads)
    return starlette


def create() -> Starlette:
    """The application as the environment configures it, for `uvicorn --factory`. Raises: SettingInvalid."""
    settings = configuration.load()
    logs.configure(level=settings.log_level, form=settings.log_format)
    site = site_of(settings, connect(settings.database, pool_size=settings.threads))
    return application(site, worker=worker_of(site))


class _Static(StaticFiles):
    """Static files. Their addresses change with their content, so browsers may keep them for a year."""

    def file_response(self, *args: object, **kwargs: object) -> Response:
        """The file, to be kept."""
        response = super().file_response(*args, **kwargs)  # type: ignore[arg-type]  # handed on as they are
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response
