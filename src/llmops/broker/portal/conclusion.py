"""The last steps of the wizard: activate, and what to tell the team; or give the prepared change up."""

from starlette.responses import Response

from llmops.audit.actions import Action
from llmops.broker import certificates, connections, drafts
from llmops.broker.connections import Kind
from llmops.broker.portal import activation, guide, steps
from llmops.broker.portal.entrance import record
from llmops.broker.portal.frame import frame
from llmops.broker.portal.links import Right
from llmops.broker.portal.sessions import Visit, inside
from llmops.broker.portal.steps import ACTIVATE, FINISH
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, see_other


def show_activate(r: Request, visiting: Visit) -> Response:
    """GET /portal/activate."""
    return _activate_page(r, visiting)


def activate(r: Request, visiting: Visit) -> Response:
    """POST /portal/activate. What is missing is said on the page, not found out by trying."""
    found = steps.situation(r.db, visiting.organization_id)
    if steps.missing(found, now=r.now):
        return _activate_page(r, visiting, status=409)
    outcome = activation.activate(r, visiting)
    return see_other("/portal/activate?done=asked" if outcome == "asked" else f"/portal/finish?done={outcome}")


def discard(r: Request, visiting: Visit) -> Response:
    """POST /portal/discard: what was prepared beside the live connection is thrown away."""
    found = steps.situation(r.db, visiting.organization_id, lock=True)
    if found.live is not None and found.draft is not None:
        drafts.discard(r.db, found.draft)
        record(r, visiting, Action.CONNECTION_CHANGED, target=found.live.id, discarded="the prepared change")
    return see_other("/portal?done=discarded")


def show_finish(r: Request, visiting: Visit) -> Response:
    """GET /portal/finish: the address to share, a text for the team, what expires when."""
    found = steps.situation(r.db, visiting.organization_id)
    live = found.live
    return render(
        r,
        "broker/portal/finish.html",
        portal=frame(r, visiting, here=FINISH, found=found),
        is_live=live is not None,
        login_url=activation.login_address(r, visiting),
        domains=[domain.domain for domain in found.verified],
        provider=guide.of(Kind(live.kind)).vendor if live else "",
        expiries=[
            {"what": expiry.what, "at": expiry.at, "days_left": expiry.days_left(r.now)}
            for expiry in (certificates.of(live) if live else [])
        ],
        contacts=live.contacts if live else (),
        flash=flash(r),
    )


_FLASHES = {
    "active": "SSO is active.",
    "unchanged": "SSO is active already; nothing was waiting.",
    "asked": "The owners were asked by mail. Until one of them agrees, everything stays as it is.",
    "discarded": "The prepared change is gone. What is live stayed as it was.",
}


def flash(r: Request) -> str | None:
    """The sentence for `?done=` on the pages of the portal."""
    return _FLASHES.get(r.query("done") or "") if r.method == "GET" else None


def _activate_page(r: Request, visiting: Visit, *, status: int = 200) -> Response:
    found = steps.situation(r.db, visiting.organization_id)
    draft, live = found.draft, found.live
    complete = draft is not None and connections.is_complete(draft)
    return render(
        r,
        "broker/portal/activate.html",
        status=status,
        portal=frame(r, visiting, here=ACTIVATE, found=found),
        missing=steps.missing(found, now=r.now),
        is_live=live is not None,
        has_draft=draft is not None,
        needs_owner=live is not None and draft is not None and complete and drafts.needs_owner(live, draft),
        asked_at=draft.approval_asked_at if draft else None,
        tested_at=draft.tested_at if draft else None,
        domains=[domain.domain for domain in found.verified],
        provider=Kind(found.working.kind).label if found.working else "",
        may_activate=visiting.may(Right.ACTIVATE),
        flash=flash(r),
    )


doors = [
    get("/portal/activate", inside(show_activate)),
    post("/portal/activate", inside(activate, Right.ACTIVATE)),
    post("/portal/discard", inside(discard, Right.ACTIVATE)),
    get("/portal/finish", inside(show_finish)),
]
