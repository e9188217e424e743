"""Settings → Profile: who you are, how you sign in, where you are signed in."""

from collections.abc import Callable

from starlette.responses import Response

from llmops.accounts import devices, factors, identities, passwords, sessions
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.clock import readable
from llmops.errors import Failure, FormExpired, PasswordRefused, WrongCredentials
from llmops.mail import letters
from llmops.web.doors import Door, get, post
from llmops.web.render import render
from llmops.web.request import Request, see_other

ConnectionLabel = Callable[[Request, str], str]
"""Names a connection for people. Connections live above accounts, so `app.py` passes it in."""

CountTry = Callable[[Request, str], object]
"""Counts one try at the password of an address, together with all other forms. It too lies above accounts."""

Remember = Callable[[Request, str], None]
"""Lets this browser count as known to the person, who has just set a password in it (PWD-06). So does this."""

RequireOnlyHere = Callable[[Request], None]
"""Raises when a first password would open more than the session that sets it. And this."""

_METHODS = {"sso": "SSO", "password": "Password", "break_glass": "Emergency sign-in", "rescue": "Rescue link"}


def doors(
    label: ConnectionLabel, count_try: CountTry, remember: Remember, require_only_here: RequireOnlyHere
) -> list[Door]:
    """The profile page and its forms."""

    def show(r: Request) -> Response:
        """GET /settings/profile."""
        return profile_page(r, label)

    def change(r: Request) -> Response:
        """POST /settings/profile/password: wants the present one; all other sessions end (PWD-09, SES-11).

        Raises: TooManyAttempts.
        """
        count_try(r, r.member.email)
        return change_password(r, label, remember)

    def set_first(r: Request) -> Response:
        """POST /settings/profile/password/first: for who has come through SSO only. Raises: PasswordByLetter."""
        require_only_here(r)
        return set_first_password(r, label, remember)

    return [
        get("/settings/profile", show, signed_in=True),
        post("/settings/profile/password", change, signed_in=True, lasting=True),
        post("/settings/profile/password/first", set_first, signed_in=True, recent="/settings/profile", lasting=True),
        post("/settings/profile/sessions/end", end_session, signed_in=True),
        post("/settings/profile/sessions/end-others", end_others, signed_in=True),
    ]


def profile_page(
    r: Request, label: ConnectionLabel, errors: dict[str, str] | None = None, status: int = 200
) -> Response:
    """The page, perhaps with what is wrong in the password form."""
    actor = r.member
    return render(
        r,
        "accounts/profile.html",
        status=status,
        user={"name": actor.name, "email": actor.email},
        password_set=passwords.find(r.db, actor.user_id) is not None,
        two_step=factors.enrolled(r.db, actor.user_id),
        connections=[
            {"name": "Company sign-in", "type_name": label(r, link.connection_id), "linked_at": link.linked_at}
            for link in identities.of_user(r.db, actor.user_id)
        ],
        sessions=[
            {
                "id": session.id,
                "device": devices.device(session.user_agent),
                "browser": devices.browser(session.user_agent),
                "ip": session.ip,
                "method": _METHODS.get(session.method, session.method),
                "last_seen_at": session.last_seen_at,
                "created_at": session.created_at,
                "is_current": session.id == actor.session_id,
            }
            for session in sessions.alive(r.db, actor.user_id, settings=r.settings, now=r.now)
        ],
        errors=errors or {},
        flash=_FLASHES.get(r.query("done") or "") if r.method == "GET" else None,
    )


_FLASHES = {
    "password": "Your password is changed. All other sessions have ended.",
    "session": "The session has ended.",
    "others": "You are signed out everywhere else.",
}


def change_password(r: Request, label: ConnectionLabel, remember: Remember) -> Response:
    """Check the present password, store the new one, end the other sessions, tell the person."""
    actor = r.member
    with r.looking() as db:
        stored = passwords.find(db, actor.user_id)
    if not passwords.matches(stored, r.field("present")):
        return profile_page(r, label, {"present": "That is not your present password"}, WrongCredentials.status)
    try:
        password_hash = _hashed(r)
    except PasswordRefused as failure:
        return profile_page(r, label, {"new": failure.message}, Failure.status)
    if stored is None or not passwords.still(r.db, actor.user_id, password_hash=stored):
        raise FormExpired(problem="the password was changed meanwhile")
    return _store(r, password_hash, remember)


def set_first_password(r: Request, label: ConnectionLabel, remember: Remember) -> Response:
    """A password for a person who has none. There is no present one to ask for, so the door wants a fresh proof."""
    try:
        password_hash = _hashed(r)
    except PasswordRefused as failure:
        return profile_page(r, label, {"new": failure.message}, Failure.status)
    if passwords.find(r.db, r.member.user_id) is not None:
        raise FormExpired(problem="there is a password meanwhile")
    return _store(r, password_hash, remember)


def _hashed(r: Request) -> str:
    actor = r.member
    return passwords.hashed(r.field("new"), context=(actor.email, actor.name, actor.organization_name))


def _store(r: Request, password_hash: str, remember: Remember) -> Response:
    """The new password holds: the other sessions end, and the person is told."""
    actor = r.member
    passwords.store(r.db, actor.user_id, password_hash=password_hash, now=r.now)
    sessions.end_all(r.db, actor.user_id, now=r.now, except_for=actor.session_id)
    remember(r, actor.user_id)
    _record(r, Action.PASSWORD_CHANGED)
    letters.send(
        r.db,
        r.sealer,
        r.settings,
        to=actor.email,
        template="accounts/mail/password_changed",
        now=r.now,
        when=readable(r.now),
        device=devices.described(r.user_agent),
    )
    return see_other("/settings/profile?done=password")


def end_session(r: Request) -> Response:
    """POST /settings/profile/sessions/end: one of your own sessions; another's id changes nothing."""
    if sessions.end(r.db, r.field("session_id"), user_id=r.member.user_id, now=r.now):
        _record(r, Action.SESSIONS_ENDED)
    return see_other("/settings/profile?done=session")


def end_others(r: Request) -> Response:
    """POST /settings/profile/sessions/end-others."""
    if sessions.end_all(r.db, r.member.user_id, now=r.now, except_for=r.member.session_id):
        _record(r, Action.SESSIONS_ENDED)
    return see_other("/settings/profile?done=others")


def _record(r: Request, action: Action) -> None:
    actor = r.member
    log.record(r.db, action, organization_id=actor.organization_id, actor=actor.user_id, ip=r.ip, now=r.now)
