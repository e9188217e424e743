"""Settings → Team: everyone in the organization, as a page and as a file, and leaving it."""

from collections.abc import Callable
from urllib.parse import urlencode

from starlette.responses import Response

from llmops.accounts import sessions
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.organizations import invitations, members, membership, roster
from llmops.organizations.roles import INVITES, Role
from llmops.organizations.roster import View
from llmops.web import csv
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, see_other

PAGE_SIZE = 50
JOINED = {
    "sign_up": "Signed up",
    "invitation": "Invited",
    "sso": "First SSO sign-in",
    "directory": "Directory",
    "operator": "Set up by LLM Ops",
}
_LEAVE = "/settings/team/leave"
FLASHES = {
    "revoked": "The invitation is revoked. Its link does not work any more.",
    "removed": "That person is removed and their sessions here have ended.",
}


def team(r: Request) -> Response:
    """GET /settings/team: filters, order and page are in the address, so that a view can be shared."""
    actor = r.member
    view, page = _view(r, r.query), _page_number(r)
    people, total = roster.listed(r.db, actor.organization_id, view, offset=(page - 1) * PAGE_SIZE, most=PAGE_SIZE)
    asked = {"q": view.text, "role": view.role, "status": view.status, "sort": view.sort}
    return render(
        r,
        "organizations/team.html",
        members=people,
        joined=JOINED,
        total=total,
        page=page,
        pages=max(1, -(-total // PAGE_SIZE)),
        view=view,
        is_filtered=bool(view.text or view.role or view.status),
        base="/settings/team?" + urlencode({name: value for name, value in asked.items() if value}) + "&",
        invitations=_pending(r) if actor.is_admin else [],
        flash=FLASHES.get(r.query("done") or ""),
    )


def export(r: Request) -> Response:
    """POST /settings/team/export: the list with its filters, for a spreadsheet."""
    actor = r.member
    people, total = roster.listed(r.db, actor.organization_id, _view(r, r.field))
    log.record(
        r.db,
        Action.MEMBERS_EXPORTED,
        organization_id=actor.organization_id,
        actor=actor.user_id,
        ip=r.ip,
        now=r.now,
        count=total,
    )
    head = ("name", "email", "role", "status", "signs_in_with", "joined_at", "joined_how", "last_seen_at")
    rows = [
        (
            person.name,
            person.email,
            person.role,
            person.status,
            " + ".join(person.ways),
            person.joined_at.isoformat(),
            person.joined_how,
            person.last_seen_at.isoformat() if person.last_seen_at else None,
        )
        for person in people
    ]
    return csv.download(f"{actor.organization_slug}-team-{r.now:%Y-%m-%d}.csv", head, rows)


def show_leave(r: Request) -> Response:
    """GET /settings/team/leave: what it means, and the button."""
    me = members.of(r.db, r.member.organization_id, r.member.user_id)
    stays = me is not None and me.role == Role.OWNER and membership.is_last_owner(r.db, me.organization_id, me.id)
    return render(r, "organizations/leave.html", is_last_owner=stays)


def leave(r: Request) -> Response:
    """POST /settings/team/leave. Raises: LastOwner, BreakGlassNeeded."""
    membership.leave(r)
    r.clear_cookie(sessions.COOKIE)
    return see_other(f"/logout?method={r.member.method}")


def _fresh_for_owners(r: Request) -> Response | None:
    """An owner who leaves unmakes an owner, so they have just proven who they are (SES-12)."""
    return None if not r.member.is_owner or r.member.is_fresh(r.now) else see_other(f"/confirm?next={_LEAVE}")


def _view(r: Request, read: Callable[[str], str | None]) -> View:
    """What was asked for, by `read` from the address or a form; anything unknown counts as nothing."""
    role, status, sort = read("role") or "", read("status") or "", read("sort") or ""
    statuses = roster.STATUSES if r.member.is_admin else roster.STATUSES[:2]
    return View(
        text=(read("q") or "")[:100].strip(),
        role=role if role in list(Role) else "",
        status=status if status in statuses else "",
        sort=sort if sort in roster.SORTS else "name",
    )


def _page_number(r: Request) -> int:
    number = r.query("page") or "1"
    return max(1, int(number)) if number.isascii() and number.isdigit() and len(number) < 7 else 1


def _pending(r: Request) -> list[dict[str, object]]:
    """Open invitations, each with whether it is too old and whether this person may touch it."""
    mine = INVITES[Role(r.member.role)]
    return [
        {
            "id": found.id,
            "email": found.email,
            "role": found.role,
            "inviter": members.name_of(r.db, found.organization_id, found.invited_by) or "Somebody who left",
            "sent_at": found.sent_at,
            "expires_at": found.expires_at,
            "is_expired": found.expires_at <= r.now,
            "may_change": found.role in mine,
        }
        for found in invitations.pending(r.db, r.member.organization_id)
    ]


doors = [
    get("/settings/team", team, signed_in=True),
    post("/settings/team/export", export, only="admin"),
    get(_LEAVE, show_leave, signed_in=True),
    post(_LEAVE, leave, signed_in=True, guard=_fresh_for_owners),
]
