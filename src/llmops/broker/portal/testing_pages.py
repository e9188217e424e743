"""The portal's step «Test the sign-in»: begin a test, wait for it, read its report, and the tests of before.

Who may only look sees how the tests ended, but no report: it holds what is said of the person who signed in (ADM-02).
"""

from datetime import datetime
from functools import partial

from starlette.responses import Response

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.broker.logins import Login
from llmops.broker.portal import activation, explained, steps, testing
from llmops.broker.portal.entrance import ACTOR
from llmops.broker.portal.frame import frame
from llmops.broker.portal.links import Right
from llmops.broker.portal.sessions import Visit, inside
from llmops.broker.portal.steps import TEST
from llmops.db.tables import Db
from llmops.errors import ConnectionIncomplete, NotFound
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, see_other
from llmops.web.security import leading_to_identity_providers

HERE = "/portal/test"


def show(r: Request, visiting: Visit) -> Response:
    """GET /portal/test: the button, and the last 50 tests by whom."""
    found = steps.situation(r.db, visiting.organization_id)
    past = testing.history(r.db, found.working) if found.working is not None else []
    return render(
        r,
        "broker/portal/test.html",
        policy=leading_to_identity_providers(development=r.settings.development),
        portal=frame(r, visiting, here=TEST, found=found),
        missing=[missing for missing in steps.missing(found, now=r.now) if missing.href != HERE],
        may_test=visiting.may(Right.TEST),
        is_tested=steps.is_tested(found.draft, now=r.now),
        is_change=found.live is not None and found.draft is not None,
        tests=[_row(login, visiting, now=r.now) for login in past],
        provider=testing.provider_of(found.working) if found.working else "",
    )


def start(r: Request, visiting: Visit) -> Response:
    """POST /portal/test/start: off to the identity provider, in a tab of its own."""
    with r.looking() as db:
        working = steps.situation(db, visiting.organization_id).working
    if working is None:
        raise ConnectionIncomplete(missing="an identity provider")
    return see_other(testing.start(r, working, by=visiting.session_id, reports_at=HERE))


def show_latest(r: Request, visiting: Visit) -> Response:
    """GET /portal/test/latest: the report of the test that began last, for the tab in which the button is."""
    found = steps.situation(r.db, visiting.organization_id)
    past = testing.history(r.db, found.working) if found.working is not None else []
    return see_other(f"{HERE}/{past[0].id}" if past else HERE)


def show_result(r: Request, visiting: Visit) -> Response:
    """GET /portal/test/{login_id}: the report; while it waits it looks again by itself.

    That somebody else's was read is recorded (SEC-05): it tells about the person who signed in for it.
    """
    start_url = activation.login_address(r, visiting)
    result = testing.result(r, visiting.organization_id, r.path.split("/")[3], start_url=start_url)
    page = render(
        r,
        "broker/portal/test_result.html",
        policy=leading_to_identity_providers(development=r.settings.development),
        portal=frame(r, visiting, here=TEST),
        result=result,
        may_test=visiting.may(Right.TEST),
        download=f"{HERE}/{result.login.id}/message",
    )
    if result.explanation is not None and result.login.started_by != visiting.session_id:
        r.afterwards(partial(_note_reading, r=r, visiting=visiting, login=result.login))
    if result.state == "waiting":
        page.headers["refresh"] = str(testing.AGAIN_SECONDS)
    return page


def download(r: Request, visiting: Visit) -> Response:
    """GET /portal/test/{login_id}/message: what arrived, as a file. That it was taken is recorded (SEC-05)."""
    result = testing.result(r, visiting.organization_id, r.path.split("/")[3])
    if result.explanation is None:
        raise NotFound()
    r.afterwards(partial(_note_reading, r=r, visiting=visiting, login=result.login))
    return explained.message_file(result.explanation)


def _note_reading(db: Db, r: Request, visiting: Visit, login: Login) -> None:
    log.record(
        db,
        Action.TRACE_READ,
        organization_id=visiting.organization_id,
        actor=ACTOR,
        now=r.now,
        target=login.ref or login.id,
        ip=r.ip,
        link=visiting.link_id,
    )


def _row(login: Login, visiting: Visit, *, now: datetime) -> dict[str, object]:
    mine = login.started_by == visiting.session_id
    by = "You" if mine else "Another visitor" if testing.in_portal(login) else "An administrator"
    state = testing.state_of(login, now=now)
    return {"id": login.id, "at": login.started_at, "by": by, "state": state, "code": login.code, "ref": login.ref}


doors = [
    get(HERE, inside(show)),
    post(f"{HERE}/start", inside(start, Right.TEST)),
    get(f"{HERE}/latest", inside(show_latest, Right.TEST)),
    get(f"{HERE}/{{login_id}}", inside(show_result, Right.TEST)),
    get(f"{HERE}/{{login_id}}/message", inside(download, Right.TEST)),
]
