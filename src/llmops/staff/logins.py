"""Find one attempt to sign in by the reference that the person copied, and read its trace.

Reading is an act: it needs a reason and stands in the customer's audit log, so it is a form that is sent, never an
address that is opened (SEC-05).
"""

from starlette.responses import Response

from llmops.audit.actions import Action
from llmops.broker import connections, logins
from llmops.broker.connections import Kind
from llmops.broker.logins import Login
from llmops.broker.portal import explained, testing
from llmops.db.tables import Db, find
from llmops.errors import BodyUnreadable, Failure, SignInUnknown, Unexpected
from llmops.organizations import organization
from llmops.staff import console, sessions
from llmops.staff.sessions import Colleague
from llmops.web.request import Request


def ask(r: Request, who: Colleague) -> Response:
    """GET /staff/logins: the form; `?ref=` fills it in and reads nothing."""
    return _form(r, who, ref=(r.query("ref") or "")[:60])


def read(r: Request, who: Colleague) -> Response:
    """POST /staff/logins: the attempt and its trace."""
    why = console.reason(r)
    login = _wanted(r.db, r.field("ref")[:60])
    customer = organization.get(r.db, login.organization_id)
    connection = testing.judged(r.db, r.sealer, login, connections.get(r.db, login.connection_id))
    console.record(r, who, Action.TRACE_READ, organization_id=customer.id, reason=why, target=login.ref or login.id)
    trace = logins.trace_of(login, r.sealer)
    return console.show(
        r,
        who,
        "staff/trace.html",
        customer=customer,
        login=login,
        kind=Kind(connection.kind).label,
        explanation=explained.explain(login, trace, connection, base_url=r.settings.base_url),
    )


def again(r: Request, failure: Failure) -> Response:
    """The edge of the form: what was typed stays in it."""
    who = sessions.colleague(r)
    if who is None or isinstance(failure, Unexpected | BodyUnreadable):
        return console.failed(r, failure)
    return _form(r, who, ref=r.field("ref")[:60], reason=r.field("reason")[:300], failure=failure)


def _form(r: Request, who: Colleague, *, ref: str, reason: str = "", failure: Failure | None = None) -> Response:
    code = failure.code if failure else ""
    return console.show(r, who, "staff/logins.html", failure=failure, failed=code, ref=ref, reason=reason)


def _wanted(db: Db, typed: str) -> Login:
    """The attempt with this reference or id. Raises: SignInUnknown."""
    found = logins.with_ref(db, typed) or find(db, Login, id=typed.strip())
    if found is None:
        raise SignInUnknown(seen=typed)
    return found


doors = [console.page("/staff/logins", ask), console.act("/staff/logins", read, edge=again)]
