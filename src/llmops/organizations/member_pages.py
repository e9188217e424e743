"""Settings → Team → one person: who they are, and what may be changed about them. Each change is a form of its own."""

from starlette.responses import Response

from llmops.organizations import members, membership, roster
from llmops.organizations.pages import JOINED
from llmops.organizations.roles import MANAGES, Role, may_manage, role_named
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, see_other

_PATH = "/settings/team/{member_id}"
_FLASHES = {
    "role": "The role is changed. They sign in again to go on.",
    "suspended": "That person is suspended and their sessions here have ended.",
    "resumed": "That person may sign in again.",
}


def show(r: Request) -> Response:
    """GET /settings/team/{member_id}. Raises: NotFound."""
    actor = r.member
    person = roster.person(r.db, actor.organization_id, _member_id(r))
    mine, is_you = Role(actor.role), person.user_id == actor.user_id
    manages = may_manage(mine, person.role) and person.status != "removed"
    return render(
        r,
        "organizations/member.html",
        person=person,
        joined=JOINED.get(person.joined_how, person.joined_how),
        is_you=is_you,
        roles=[(role.value, role.value.capitalize()) for role in Role if role in MANAGES[mine]] if manages else [],
        may_suspend=manages and not is_you and person.status == "active",
        may_resume=manages and not is_you and person.status == "suspended",
        may_remove=manages and not is_you,
        is_last_owner=person.role == Role.OWNER and membership.is_last_owner(r.db, actor.organization_id, person.id),
        flash=_FLASHES.get(r.query("done") or ""),
    )


def change_role(r: Request) -> Response:
    """POST …/role. Whoever lowers their own role is signed out: it is no longer theirs (SES-11)."""
    membership.change_role(r, _member_id(r), role=role_named(r.field("role")))
    return see_other(f"/settings/team/{_member_id(r)}?done=role")


def suspend(r: Request) -> Response:
    """POST …/suspend."""
    membership.suspend(r, _member_id(r))
    return see_other(f"/settings/team/{_member_id(r)}?done=suspended")


def resume(r: Request) -> Response:
    """POST …/resume."""
    membership.resume(r, _member_id(r))
    return see_other(f"/settings/team/{_member_id(r)}?done=resumed")


def remove(r: Request) -> Response:
    """POST …/remove."""
    membership.remove(r, _member_id(r))
    return see_other("/settings/team?done=removed")


def _fresh_for_owners(r: Request) -> Response | None:
    """Whoever makes, unmakes, suspends or removes an owner has just proven who they are (SES-12)."""
    member = members.find_in(r.db, r.member.organization_id, _member_id(r))
    about_owner = member is not None and Role.OWNER in (member.role, r.field("role"))
    if not about_owner or r.member.is_fresh(r.now):
        return None
    return see_other(f"/confirm?next=/settings/team/{_member_id(r)}")


def _member_id(r: Request) -> str:
    return r.path.split("/")[3]


doors = [
    get(_PATH, show, signed_in=True),
    post(f"{_PATH}/role", change_role, only="admin", lasting=True, guard=_fresh_for_owners),
    post(f"{_PATH}/suspend", suspend, only="admin", guard=_fresh_for_owners),
    post(f"{_PATH}/resume", resume, only="admin", lasting=True, guard=_fresh_for_owners),
    post(f"{_PATH}/remove", remove, only="admin", guard=_fresh_for_owners),
]
