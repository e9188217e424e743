"""GET /metrics for Prometheus: what this process counted, and what the database says of all of them.

Closed by default: without LLMOPS_METRICS_TOKEN there is nothing here (WEB-12).
"""

from collections.abc import Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Gauge, generate_latest
from starlette.responses import PlainTextResponse, Response

from llmops.accounts import sessions
from llmops.base.metrics import CONTENT_TYPE
from llmops.base.sealing import same
from llmops.broker import certificates, connections
from llmops.broker.certificates import Expiry
from llmops.db.tables import Db
from llmops.jobs import queue, schedule
from llmops.web.doors import get
from llmops.web.request import Request


def show(r: Request) -> Response:
    """The figures, for whoever brings the token."""
    wanted = r.settings.metrics_token.get_secret_value()
    scheme, _, given = r.headers.get("authorization", "").partition(" ")
    if not wanted or scheme.lower() != "bearer" or not same(given.strip(), wanted):
        return PlainTextResponse("Not found", status_code=404)
    shared = generate_latest(_shared(r))
    return Response(r.site.metrics.text() + shared, media_type=CONTENT_TYPE)


def _shared(r: Request) -> CollectorRegistry:
    """What every replica would answer alike, read now."""
    registry = CollectorRegistry()

    def gauge(name: str, meaning: str, *labels: str) -> Gauge:
        return Gauge(f"llmops_{name}", meaning, list(labels), registry=registry)

    depth = queue.depth(r.db)
    gauge("outbox_depth", "Jobs that wait").set(depth.waiting)
    gauge("outbox_dead", "Jobs given up").set(depth.dead)
    overdue = (r.now - depth.due_since).total_seconds() if depth.due_since else 0.0
    gauge("outbox_overdue_seconds", "How long the job that waits longest has been due").set(max(0.0, overdue))
    gauge("sessions_active", "Sessions that open doors").set(sessions.count_alive(r.db, settings=r.settings, now=r.now))
    succeeded = gauge("job_last_success_timestamp", "When a task by the clock last succeeded", "job")
    for task in schedule.listed(r.db):
        succeeded.labels(task.name).set(task.succeeded_at.timestamp() if task.succeeded_at else 0)
    certificate = gauge("certificate_expiry_seconds", "Time until the last certificate of a connection", "connection")
    secret = gauge("secret_expiry_seconds", "Time until a connection's client secret", "connection")
    for connection_id, expiry in _expiries(r.db):
        held = certificate if expiry.what == certificates.CERTIFICATE else secret
        held.labels(connection_id).set(_seconds(expiry.at, r.now))
    return registry


def _expiries(db: Db) -> Iterator[tuple[str, Expiry]]:
    """Of each active connection what would end sign-in: the certificate that lives longest, and the client secret."""
    for connection in connections.active(db):
        for expiry in certificates.of(connection):
            if expiry.last and expiry.what != certificates.OURS:
                yield connection.id, expiry


def _seconds(until: datetime, now: datetime) -> float:
    return (until - now).total_seconds()


doors = [get("/metrics", show)]
