"""What both ways back share: an accepted answer goes on to the application, a refused one is recorded.

The answer to a test goes to its report instead, by way of a page that ties it to the browser which started the test.
"""

from functools import partial

from starlette.responses import Response

from llmops.base import ids
from llmops.broker import logins, refresh, traces
from llmops.broker.connections import Connection, Kind
from llmops.broker.idp import evidence as evidences
from llmops.broker.idp.evidence import Evidence
from llmops.broker.logins import Login
from llmops.broker.portal import testing
from llmops.broker.profiles import Profile
from llmops.db.tables import Db
from llmops.errors import CodeAlreadyUsed, Failure, IdpCertificateExpired, NotFound, SamlKeyUnknown
from llmops.web import limits
from llmops.web.doors import Edge, get
from llmops.web.request import Request, see_other

APPLICATION_CALLBACK = "/login/sso/callback"
_MAYBE_ROLLED_OVER = (SamlKeyUnknown, IdpCertificateExpired)
"""Refusals after which it is worth to look for new keys in the identity provider's metadata."""


def accept(r: Request, login: Login, profile: Profile, evidence: Evidence) -> Response:
    """Answer the attempt and send the browser to the application with the code; a test gets none.

    Both are GETs of our own site, to which browsers send SameSite=Lax cookies even after another site's POST: there
    the attempt is tied to the browser that started it (SAML-28).
    """
    _count(r, evidence.connection)
    trace, hidden, seconds = evidences.trace(evidence, {}), evidence.secrets, r.settings.code_ttl_seconds
    if login.how == "test":
        logins.hold(r.db, r.sealer, login, trace=trace, hidden=hidden, ttl_seconds=seconds, now=r.now)
        return see_other(f"/sso/test/{login.id}")
    code = logins.answer(
        r.db, r.sealer, login, profile, trace=trace, hidden=hidden, code_ttl_seconds=seconds, now=r.now
    )
    return see_other(f"{APPLICATION_CALLBACK}?code={code}")


def refuse(r: Request, connection: Connection, login: Login | None, failure: Failure, evidence: Evidence) -> None:
    """Record the refusal once this request's own transaction is rolled back, and give the failure its reference.

    Anybody can send what matches no attempt; of one address so many are kept that it cannot fill the disk.
    """
    ref = failure.ref = ids.reference()
    if login is not None and login.how == "test":
        failure.report = testing.report_path(login)
    evidences.refused(evidence, failure)
    _count(r, evidence.connection, failure.code)
    if isinstance(failure, _MAYBE_ROLLED_OVER):
        r.afterwards(lambda db: refresh.ask(db, r.sealer, connection, now=r.now))
    login_id = login.id if login else None

    def record(db: Db) -> None:
        block = limits.address_block(r.ip)
        if login_id is None and limits.hit(db, r.sealer, "sso.unmatched", block, window_seconds=3600, now=r.now) > 100:
            return
        longest = traces.LONGEST_MESSAGE if login_id else traces.LONGEST_UNMATCHED
        trace = evidences.trace(evidence, failure.facts, longest=longest)
        logins.refuse(
            db,
            r.sealer,
            connection,
            failure,
            login_id=login_id,
            ref=ref,
            trace=trace,
            hidden=evidence.secrets,
            now=r.now,
        )

    r.afterwards(record)


def _count(r: Request, connection: Connection, code: str = "") -> None:
    r.site.metrics.sso(kind=connection.kind, is_saml=Kind(connection.kind).is_saml, code=code)


def bind_test(r: Request) -> Response:
    """GET /sso/test/{login_id}: a good answer to a test counts once the browser that started it is back (SAML-28)."""
    login = testing.with_id(r.db, r.path.split("/")[3])
    if login is None:
        raise NotFound()
    if login.answered_at is not None and login.redeemed_at is None:
        try:
            testing.conclude(r.db, r.sealer, login, browser=r.browser, ip=r.ip, now=r.now)
        except Failure as failure:
            failure.report = testing.report_path(login)
            if not isinstance(failure, CodeAlreadyUsed):  # the same page opened twice at once: the other one counted it
                ref = failure.ref = ids.reference()
                r.afterwards(partial(logins.fail, login_id=login.id, failure=failure, ref=ref, now=r.now))
            raise
    return see_other(testing.report_path(login))


def reporting(edge: Edge) -> Edge:
    """An edge that shows the failure of a test in its report, and every other one as `edge` does."""

    def shown(r: Request, failure: Failure) -> Response:
        return see_other(failure.report) if failure.report else edge(r, failure)

    return shown


doors = [get("/sso/test/{login_id}", bind_test, writes=True)]
