"""Settings → Team → invite: a pasted list of addresses, and what to do with invitations that are still open."""

from collections.abc import Sequence

from starlette.responses import Response

from llmops.errors import Failure, NotFound, TooManyAttempts
from llmops.organizations import invitations, invitees
from llmops.organizations.invitations import Sent
from llmops.organizations.invitees import MOST_AT_ONCE, Invitee
from llmops.organizations.roles import INVITES, Role, role_named
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, see_other

_PAGE = "/settings/team/invite"
_OPEN = "/settings/team/invitations/{invitation_id}"


def show(r: Request) -> Response:
    """GET /settings/team/invite."""
    return _form(r)


def invite(r: Request) -> Response:
    """POST /settings/team/invite: all of a list, or the list again with what is wrong or odd about some.

    An odd address passes once its warning was seen: the form brings those back in `seen`.
    """
    role, pasted, seen = role_named(r.field("role")), r.field("emails"), r.field("seen").split()
    with r.looking() as db:
        personal = r.settings.personal_domains
        found = invitees.read(db, r.member.organization_id, pasted, personal=personal, now=r.now)
    if not found or len(found) > MOST_AT_ONCE:
        wrong = f"At most {MOST_AT_ONCE} at once" if found else "Enter at least one e-mail address"
        return _form(r, role=role, pasted=pasted, errors={"emails": wrong})
    if any(one.problem or (one.warning and one.email not in seen) for one in found):
        return _form(r, role=role, found=found)
    emails = [one.email for one in found]
    try:
        invitations.throttle(r, r.member.organization_id, emails)
    except TooManyAttempts as failure:
        return _form(r, role=role, pasted="\n".join(emails), failure=failure)
    return _sent(r, [invitations.invite(r, email, role=role) for email in emails])


def resend(r: Request) -> Response:
    """POST …/resend: a new letter with a new link; the one before is void. Raises: NotFound, TooManyAttempts."""
    with r.looking() as db:
        email = invitations.address_of(db, r.member.organization_id, _invitation_id(r))
    if email is None:
        raise NotFound()
    invitations.throttle(r, r.member.organization_id, [email])
    return _sent(r, [invitations.resend(r, _invitation_id(r))])


def revoke(r: Request) -> Response:
    """POST …/revoke: the link is void from now on."""
    invitations.revoke(r, _invitation_id(r))
    return see_other("/settings/team?done=revoked")


def _form(
    r: Request,
    *,
    role: Role = Role.MEMBER,
    pasted: str = "",
    found: Sequence[Invitee] = (),
    errors: dict[str, str] | None = None,
    failure: Failure | None = None,
) -> Response:
    """The form; after a try with the addresses that are good, and beside it what is said about the others."""
    good = [one for one in found if not one.problem]
    return render(
        r,
        "organizations/invite.html",
        roles=[
            (each.value, each.value.capitalize()) for each in reversed(Role) if each in INVITES[Role(r.member.role)]
        ],
        role=role.value,
        emails=pasted or "\n".join(one.email for one in good),
        good=len(good),
        problems=[one for one in found if one.problem],
        warnings=[one for one in good if one.warning],
        seen=" ".join(one.email for one in good if one.warning),
        errors=errors or {},
        failure=failure,
        status=422 if errors or found else 200,
    )


def _sent(r: Request, sent: Sequence[Sent]) -> Response:
    """Shown in answer to the form and not at an address of its own: the links are nowhere else."""
    return render(r, "organizations/invited.html", sent=sent, days=invitations.LIFE.days)


def _invitation_id(r: Request) -> str:
    return r.path.split("/")[4]


doors = [
    get(_PAGE, show, only="admin"),
    post(_PAGE, invite, only="admin", lasting=True),
    post(f"{_OPEN}/resend", resend, only="admin", lasting=True),
    post(f"{_OPEN}/revoke", revoke, only="admin"),
]
