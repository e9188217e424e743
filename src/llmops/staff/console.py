"""What every page of the staff console shares: who may enter, the frame, the reason, and what a failure looks like."""

from collections.abc import Callable
from functools import wraps

from starlette.responses import Response

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.dashboard.security import PAGE as CUSTOMERS_PAGE
from llmops.errors import Failure, NotFound, ReasonMissing
from llmops.mail import letters
from llmops.organizations import owners
from llmops.staff import sessions
from llmops.staff.sessions import Colleague
from llmops.web.doors import Door, Edge, get, post
from llmops.web.render import alert, render
from llmops.web.request import Request, see_other

Page = Callable[[Request, Colleague], Response]
SIGN_IN = "/staff/sign-in"
LONGEST_REASON = 300


def page(path: str, show: Page) -> Door:
    """A page for colleagues."""
    return get(path, _for_colleagues(show), guard=require_colleague)


def act(path: str, do: Page, *, edge: Edge | None = None) -> Door:
    """A form for colleagues; `edge` shows what fails behind it."""
    return post(path, _for_colleagues(do), guard=require_colleague, edge=edge)


def require_colleague(r: Request) -> Response | None:
    """Send whoever is not signed in at the staff console to its own sign-in page. A customer's session is nothing here.

    Source: ADM-06.
    """
    who = sessions.colleague(r)
    if who is None:
        return see_other(f"{SIGN_IN}?next={r.path}" if r.method == "GET" and r.path != "/staff" else SIGN_IN)
    sessions.touch(r, who)
    return None


def show(
    r: Request, who: Colleague, template: str, *, status: int = 200, failure: Failure | None = None, **values: object
) -> Response:
    """A page in the console's frame. Its templates also get `staff`, and `return_to` for the switch of the theme."""
    return_to = r.path if r.method == "GET" else "/staff"
    return render(r, template, status=status, policy=None, failure=failure, staff=who, return_to=return_to, **values)


def reason(r: Request) -> str:
    """Why, as typed, in one line. Raises: ReasonMissing (ADM-07)."""
    said = " ".join(r.field("reason").split())[:LONGEST_REASON]
    if not said:
        raise ReasonMissing()
    return said


def record(
    r: Request, who: Colleague, action: Action, *, organization_id: str, reason: str, target: str = "", **facts: object
) -> None:
    """Write an act into the customer's audit log, with the reason (ADM-07).

    Without the address that the colleague's browser has: the customer reads the log, and it is not theirs to know.
    """
    log.record(
        r.db,
        action,
        organization_id=organization_id,
        actor=who.actor,
        now=r.now,
        target=target,
        ip="",
        reason=reason,
        **facts,
    )


def tell_owners(r: Request, who: Colleague, organization_id: str, *, template: str, **values: str) -> None:
    """Write to every owner of a customer what a colleague did; the letter also gets `who`, `when` and `page_link`."""
    values |= {"who": f"{letters.harmless(who.name)}, LLM Ops staff"}
    page_link = f"{r.settings.base_url}{CUSTOMERS_PAGE}"
    owners.tell_now(r, organization_id, template=template, page_link=page_link, **values)


def failed(r: Request, failure: Failure) -> Response:
    """The edge of the console: what went wrong, in its own frame."""
    who = sessions.colleague(r)
    return render(r, "staff/error.html", status=failure.status, staff=who, alert=alert(failure, ref=r.id))


def _for_colleagues(handle: Page) -> Callable[[Request], Response]:
    @wraps(handle)
    def handler(r: Request) -> Response:
        who = sessions.colleague(r)
        if who is None:  # the session ended after the guard had looked
            raise NotFound()
        return handle(r, who)

    return handler
