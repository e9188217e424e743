"""The whole site: every list of doors, how a failure behind it looks, the middleware, what runs by the clock."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from llmops import settings as configuration
from llmops.accounts import factor_pages, sessions, verification
from llmops.accounts import pages as account_pages
from llmops.base import clock as clocks
from llmops.base import logs
from llmops.base.addresses import Policy
from llmops.base.breaker import Breaker
from llmops.base.clock import Clock
from llmops.base.dns import txt_lookup
from llmops.base.fetch import Fetcher
from llmops.base.metrics import Metrics
from llmops.billing import pages as billing_pages
from llmops.broker import assertions, connections, contacts, logins, refresh
from llmops.broker.connections import Kind
from llmops.broker.idp import arrival, oidc, saml
from llmops.broker.portal import conclusion, entrance, proofs, reminders, testing_pages
from llmops.broker.portal import links as portal_links
from llmops.broker.portal import pages as portal_pages
from llmops.broker.portal import sessions as portal_sessions
from llmops.broker.portal.frame import in_portal
from llmops.dashboard import audit, home, metrics, security, security_acts
from llmops.db.engine import Database, connect
from llmops.errors import ConnectionUnknown
from llmops.jobs import queue
from llmops.jobs.schedule import Routine
from llmops.jobs.worker import Handler, Worker
from llmops.mail import letters
from llmops.mail.smtp import Postman
from llmops.migrations import history
from llmops.organizations import domain_checks, invitation_pages, invitations, member_pages, members
from llmops.organizations import pages as organization_pages
from llmops.settings import Settings
from llmops.signin import (
    breakglass,
    confirm,
    confirm_letter,
    invitation,
    known_browsers,
    rescue,
    reset,
    second_step,
    sign_up,
    sso,
)
from llmops.signin import pages as sign_in_pages
from llmops.signin.credentials import count_try
from llmops.staff import console
from llmops.staff import pages as staff_pages
from llmops.staff import sessions as staff_sessions
from llmops.web import health, limits, reports, staying
from llmops.web.doors import Door, Edge
from llmops.web.failures import as_page
from llmops.web.keyring import Keyring
from llmops.web.render import STATIC
from llmops.web.request import Request, Site
from llmops.web.security import SecurityHeaders
from llmops.web.serving import Capacity, Entrance


def connection_label(r: Request, connection_id: str) -> str:
    """What a connection is called on a person's own pages."""
    try:
        return Kind(connections.get(r.db, connection_id).kind).label
    except ConnectionUnknown:
        return "A connection that is gone"


SITE: Sequence[tuple[Edge, Sequence[Door]]] = (
    (as_page, health.doors(history.missing)),
    (as_page, metrics.doors),
    (reports.refused, reports.doors),
    (as_page, staying.doors),
    (sign_in_pages.back_to_sign_in, sign_in_pages.doors),
    (sign_in_pages.back_to_sign_in, second_step.doors),
    (as_page, breakglass.doors),
    (as_page, rescue.doors),
    (as_page, confirm.doors),
    (as_page, confirm_letter.doors),
    (as_page, reset.doors),
    (as_page, sign_up.doors),
    (as_page, invitation.doors),
    (sign_in_pages.back_to_sign_in, sso.doors),
    (arrival.reporting(sign_in_pages.back_to_sign_in), saml.doors),
    (arrival.reporting(sign_in_pages.back_to_sign_in), oidc.doors),
    (arrival.reporting(as_page), arrival.doors),
    (as_page, home.doors),
    (as_page, organization_pages.doors),
    (as_page, invitation_pages.doors),
    (as_page, member_pages.doors),
    (as_page, billing_pages.doors),
    (as_page, audit.doors),
    (as_page, security.doors),
    (as_page, security_acts.doors),
    (as_page, account_pages.doors(connection_label, count_try, known_browsers.remember, members.require_only_here)),
    (as_page, factor_pages.doors(breakglass.require_unnamed)),
    (console.failed, staff_pages.doors),
    (in_portal, entrance.doors),
    (in_portal, portal_pages.doors),
    (in_portal, proofs.doors),
    (in_portal, testing_pages.doors),
    (in_portal, conclusion.doors),
    (in_portal, portal_pages.step_doors),
)
"""Every door, with the edge that shows what fails behind it. More particular paths come first."""


def site_of(settings: Settings, database: Database, *, clock: Clock = clocks.system) -> Site:
    """What all requests of one process share."""
    sealer = configuration.sealer(settings)
    policy = Policy(
        allow_private=settings.outbound_allow_private,
        allow_loopback=settings.development or settings.outbound_allow_private,
        allow_http=settings.development,
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
        resolve_txt=txt_lookup(settings.dns_servers),
        metrics=Metrics(),
        breaker=Breaker(clock),
    )


def worker_of(site: Site) -> Worker:
    """The worker that delivers letters, looks at other servers, and does what runs by the clock."""
    handlers: Mapping[str, Handler] = {
        letters.JOB: Postman(site.settings, site.metrics).deliver,
        reset.JOB: partial(reset.write, site),
        sign_up.JOB: partial(sign_up.write, site),
        refresh.JOB: partial(refresh.run, site),
        domain_checks.JOB: partial(domain_checks.check, site, contacts.told),
    }
    return Worker(site.database, site.sealer, site.clock, handlers, routines(site))


def routines(site: Site) -> Sequence[Routine]:
    """Everything that runs by the clock, under the names that metrics and the doctor show."""

    def sweep(now: datetime) -> None:
        customers = (limits, verification, sessions, invitations, logins, assertions, queue)
        for noun in (*customers, staff_sessions, portal_sessions, portal_links):
            with site.database.writing() as db:
                noun.forget_old(db, now=now)

    def metadata(now: datetime) -> None:
        with site.database.writing() as db:
            refresh.queue_due(db, site.sealer, now=now, spread=timedelta(minutes=30))

    def domain_proofs(now: datetime) -> None:
        with site.database.writing() as db:
            domain_checks.queue_due(db, site.sealer, now=now)

    def invited(now: datetime) -> None:
        with site.database.writing() as db:
            invitations.remind_due(db, site.sealer, site.settings, now=now)

    hour, jitter = timedelta(hours=1), timedelta(minutes=5)
    return (
        Routine("sweep", timedelta(minutes=10), sweep),
        Routine("metadata", hour, metadata, jitter),
        Routine("domains", hour, domain_proofs, jitter),
        Routine("expiries", hour, partial(reminders.of_expiries, site), jitter),
        Routine("invitations", hour, invited, jitter),
        Routine("portal links", hour, partial(reminders.of_links, site), jitter),
    )


def application(site: Site, *, worker: Worker | None = None) -> Starlette:
    """The ASGI application. With `worker` it also does the jobs in the queue, in a thread of its own."""
    site.keyring.current(site.clock())  # makes the first key now: inside a request it would wait for that request
    capacity = Capacity.of(site.settings.threads)
    doors: dict[str, tuple[Edge, list[Door]]] = {}
    for edge, list_of_doors in SITE:
        for door in list_of_doors:
            doors.setdefault(door.path, (edge, []))[1].append(door)
    routes = [Route(path, Entrance(site, found, edge, capacity)) for path, (edge, found) in doors.items()]

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
        middleware=[Middleware(SecurityHeaders, site.settings)],
        lifespan=lifespan,
    )
    starlette.router.redirect_slashes = False
    starlette.router.default = Entrance(site, [], as_page, capacity)
    return starlette


def create() -> Starlette:
    """The application as the environment configures it, for `uvicorn --factory`. Raises: SettingInvalid."""
    settings = configuration.load()
    logs.configure(level=settings.log_level, form=settings.log_format)
    site = site_of(settings, connect(settings.database, pool_size=settings.threads))
    return application(site, worker=worker_of(site) if settings.work else None)


class _Static(StaticFiles):
    """Static files. Their addresses change with their content, so browsers may keep them for a year."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """The file, to be kept."""
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response
