"""The portal's own pages: the overview, the choice of a provider, a page for each step of its guide."""

from collections.abc import Sequence
from typing import Any

from starlette.responses import Response

from llmops.audit.actions import Action
from llmops.broker import certificates, connections, drafts
from llmops.broker.connections import Connection, Kind
from llmops.broker.oidc.vendors import ENTRA_CLOUDS
from llmops.broker.portal import activation, facts, guide, inputs, steps
from llmops.broker.portal.conclusion import flash
from llmops.broker.portal.entrance import record
from llmops.broker.portal.frame import frame
from llmops.broker.portal.guide import Guide, Step
from llmops.broker.portal.links import Intent, Right
from llmops.broker.portal.mistakes import mistake_of
from llmops.broker.portal.sessions import Visit, inside, session_key
from llmops.broker.portal.steps import ASSIGN, PROVIDER, Situation
from llmops.errors import ConnectionIncomplete, Failure, NotFound, PortalNotCovered
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, see_other


def overview(r: Request, visiting: Visit) -> Response:
    """GET /portal: where things stand and where to go on; the choice of a provider while there is none."""
    found = steps.situation(r.db, visiting.organization_id)
    if found.working is None and visiting.may(Right.PROVIDER):
        return _picker(r, visiting, found)
    shown = frame(r, visiting, here="", found=found)
    return render(
        r,
        "broker/portal/overview.html",
        portal=shown,
        live=_told(r, found.live),
        draft=_told(r, found.draft),
        asked_at=found.draft.approval_asked_at if found.draft else None,
        domains=found.domains,
        next=steps.resume(shown.steps) if visiting.intent is not Intent.VIEW_ONLY else None,
        may_change=visiting.may(Right.PROVIDER),
        details=steps.input_address(guide.of(Kind(found.working.kind))) if found.working else "",
        may_discard=visiting.may(Right.ACTIVATE) and found.live is not None and found.draft is not None,
        flash=flash(r),
    )


def show_providers(r: Request, visiting: Visit) -> Response:
    """GET /portal/provider."""
    return _picker(r, visiting, steps.situation(r.db, visiting.organization_id))


def choose(r: Request, visiting: Visit) -> Response:
    """POST /portal/provider: begin with this identity provider; another draft is replaced, what is live stays."""
    kind = next((kind for kind in Kind if kind == r.field("kind")), None)
    if kind is None:
        raise NotFound(seen=r.field("kind")[:40])
    before = steps.situation(r.db, visiting.organization_id).working
    working = steps.choose(r.db, r.sealer, visiting, kind=kind, now=r.now)
    if before is None or before.id != working.id:
        record(r, visiting, Action.CONNECTION_CREATED, target=drafts.address_id(working), kind=kind, state="draft")
    return see_other(f"/portal/{steps.slug_of(kind)}/1")


def show_step(r: Request, visiting: Visit) -> Response:
    """GET /portal/{kind}/{step}: by number or slug. Another kind than the chosen one leads to the overview."""
    found = steps.situation(r.db, visiting.organization_id)
    chosen, step = _named(r.path)
    if found.working is None or found.working.kind != chosen.kind:
        return see_other("/portal")
    return _step_page(r, visiting, found, step)


def save(r: Request, visiting: Visit) -> Response:
    """POST /portal/{kind}/{step}: what the identity provider gave. It is read first, and shown before going on."""
    chosen, step = _named(r.path)
    if not step.input or not visiting.may(steps.right_for(step)):
        raise PortalNotCovered(seen=visiting.intent, expected=steps.right_for(step))
    with r.looking() as db:
        working = steps.situation(db, visiting.organization_id).working
    if working is None or working.kind != chosen.kind:
        raise ConnectionIncomplete(seen=working.kind if working else "none", expected=chosen.kind)
    try:
        given = inputs.read(r, visiting, step, working)
    except inputs.CORRECTABLE as failure:
        found = steps.situation(r.db, visiting.organization_id)
        return _step_page(r, visiting, found, step, failure=failure)
    changed = inputs.keep(r, visiting, given)
    record(r, visiting, Action.CONNECTION_CHANGED, target=drafts.address_id(changed), kind=changed.kind, state="draft")
    return see_other(f"{r.path}?done=read")


def go_on(r: Request, visiting: Visit) -> Response:
    """POST /portal/next: the step named in the form is done; the link remembers that."""
    found = steps.situation(r.db, visiting.organization_id)
    key = r.field("step")
    if found.working is not None and key == f"{steps.slug_of(Kind(found.working.kind))}/{ASSIGN}":
        _, step = _named(f"/portal/{key}")
        if not r.field("assigned"):
            errors = {"assigned": "Tick the box once you are assigned: the test needs it"}
            return _step_page(r, visiting, found, step, errors=errors)
    return see_other(steps.go_on(r.db, visiting, found, after=key, now=r.now))


def _named(path: str) -> tuple[Guide, Step]:
    """Guide and step that an address names. Raises: NotFound."""
    slug, wanted = path.split("/")[2:4]
    kind = steps.kind_of(slug)
    if kind is None:
        raise NotFound(seen=slug[:40])
    chosen = guide.of(kind)
    for number, step in enumerate(chosen.steps, start=1):
        if wanted in (str(number), step.slug):
            return chosen, step
    raise NotFound(seen=wanted[:40])


def _step_page(
    r: Request,
    visiting: Visit,
    found: Situation,
    step: Step,
    *,
    failure: Failure | None = None,
    errors: dict[str, str] | None = None,
) -> Response:
    """One step. Nothing that was pasted is shown again: it may have been a secret (ADM-05, WEB-10)."""
    working = found.working
    assert working is not None, "a step belongs to a chosen provider"
    key = steps.step_key(Kind(working.kind), step)
    shown = frame(r, visiting, here=key, found=found)
    if not shown.number:
        raise PortalNotCovered(seen=visiting.intent, expected=key)
    ours = connections.addresses(r.settings.base_url, drafts.address_id(working))
    values = guide.values(
        ours, connection_id=drafts.address_id(working), start_url=activation.login_address(r, visiting)
    )
    chosen = guide.of(Kind(working.kind)).filled(values)
    ready = bool(step.input) and connections.is_complete(working)
    return render(
        r,
        "broker/portal/step.html",
        status=failure.status if failure else 422 if errors else 200,
        portal=shown,
        guide=chosen,
        step=next(one for one in chosen.steps if one.slug == step.slug),
        key=key,
        action=f"/portal/{key}",
        mistake=mistake_of(failure) if failure else None,
        errors=errors or {},
        may_enter=bool(step.input) and visiting.may(steps.right_for(step)),
        only_secret=inputs.only_secret(visiting),
        asks_issuer=chosen.kind is not Kind.GOOGLE_OIDC,
        clouds=list(ENTRA_CLOUDS.items()),
        typed=inputs.typed(r, working),
        facts=facts.facts(working, now=r.now) if ready else (),
        warnings=facts.warnings(working, now=r.now) if ready else (),
        just_read=r.method == "GET" and r.query("done") == "read",
        is_assign=step.slug == ASSIGN,
        is_assigned=any(one.is_here and one.is_done for one in shown.steps),
        metadata_url=ours.sp_metadata_url if Kind(working.kind).is_saml else "",
    )


def _picker(r: Request, visiting: Visit, found: Situation) -> Response:
    vendors: dict[str, list[Guide]] = {}
    for one in guide.everyone():
        vendors.setdefault(one.vendor, []).append(one)
    working = found.working
    return render(
        r,
        "broker/portal/provider.html",
        portal=frame(r, visiting, here=PROVIDER, found=found),
        vendors=[(vendor, _best_first(guides)) for vendor, guides in vendors.items()],
        proposed=guide.of(visiting.kind) if visiting.kind and working is None else None,
        chosen=Kind(working.kind) if working else None,
        loses=found.draft is not None and connections.is_complete(found.draft),
        is_live=found.live is not None,
        may_choose=visiting.may(Right.PROVIDER),
    )


def _best_first(guides: Sequence[Guide]) -> list[Guide]:
    return sorted(guides, key=lambda one: not one.recommended)


def _told(r: Request, connection: Connection | None) -> dict[str, Any] | None:
    """A connection on the overview; nothing secret is in it."""
    if connection is None:
        return None
    return {
        "label": Kind(connection.kind).label,
        "facts": facts.facts(connection, now=r.now),
        "expiries": [
            {"what": expiry.what, "at": expiry.at, "days_left": expiry.days_left(r.now)}
            for expiry in certificates.of(connection)
        ],
        "tested_at": connection.tested_at,
        "activated_at": connection.activated_at,
    }


doors = [
    get("/portal", inside(overview)),
    get("/portal/provider", inside(show_providers)),
    post("/portal/provider", inside(choose, Right.PROVIDER)),
    post("/portal/next", inside(go_on)),
]
step_doors = [
    get("/portal/{kind}/{step}", inside(show_step)),
    post("/portal/{kind}/{step}", inside(save), uploads=True, asks=session_key),
]
"""Behind every other door of the portal: their pattern fits many paths."""
