"""«Confirm it is you»: a fresh proof before something sensitive, in the way the session was opened (SES-12)."""

from starlette.responses import Response

from llmops.accounts import factors, passwords, sessions
from llmops.accounts.sessions import Method
from llmops.audit.actions import Action
from llmops.errors import Failure, NotConfirmed, SecondFactorWrong, TooManyAttempts
from llmops.organizations import organization
from llmops.signin import confirm_letter, embedded
from llmops.signin.credentials import count_try, may_try_code, was_right
from llmops.signin.entry import enter
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, local_path, see_other
from llmops.web.security import leading_to_identity_providers

_BY_PASSWORD: dict[str, Method] = {"password": "password", "break_glass": "break_glass", "rescue": "rescue"}
"""Whose sessions a password confirms. Never those of SSO: there a password may be worth nothing."""


def show(r: Request) -> Response:
    """GET /confirm?next=: what to show depends on how the session was opened."""
    return _page(r, local_path(r.query("next")))


def with_password(r: Request) -> Response:
    """POST /confirm: the password, and the code of who has two-step sign-in. A new session takes the old one's place.

    A session that ends after an hour is not prolonged by it.
    """
    actor, next_path = r.member, local_path(r.field("next"))
    method = _BY_PASSWORD.get(actor.method)
    if method is None:
        return see_other(f"/confirm?next={next_path}")
    try:
        _require_proof(r)
    except (NotConfirmed, TooManyAttempts) as failure:
        return _page(r, next_path, failure=failure)
    return enter(
        r,
        user_id=actor.user_id,
        organization_id=actor.organization_id,
        method=method,
        connection_id=actor.connection_id,
        not_after=None if method == "password" else sessions.end_of(r.db, actor.session_id),
        return_to=next_path,
        action=Action.CONFIRMED,
    )


def with_sso(r: Request) -> Response:
    """POST /confirm/sso: off to the identity provider, which is told to ask the person again.

    The answer must say that it did. Another person's answer asks first before it takes this session's place (SES-08).
    """
    actor = r.member
    found = organization.get(r.db, actor.organization_id)
    return_to = local_path(r.field("next"))
    return see_other(embedded.authorization_url(r, found, return_to=return_to, login_hint=actor.email, force=True))


def _require_proof(r: Request) -> None:
    """Password and code are right; which one is not is not told. Raises: NotConfirmed, TooManyAttempts."""
    user_id, code = r.member.user_id, r.field("code")
    count_try(r, r.member.email)
    with r.looking() as db:
        stored = passwords.find(db, user_id)
        enrolled = factors.enrolled(db, user_id)
        fits = not enrolled or factors.fits(db, r.sealer, user_id, code=code, now=r.now)
    good = passwords.matches(stored, r.field("password"))  # outside any transaction: it takes a while
    counts = not enrolled or may_try_code(r, user_id if good else None)
    if stored is None or not good or not counts or not fits or not passwords.still(r.db, user_id, password_hash=stored):
        raise NotConfirmed()
    if enrolled:
        try:
            factors.check(r.db, r.sealer, user_id, code=code, now=r.now)
        except SecondFactorWrong:  # the same code was faster elsewhere
            raise NotConfirmed(problem="the code was used meanwhile") from None
    was_right(r)


def _page(r: Request, next_path: str, *, failure: Failure | None = None) -> Response:
    actor = r.member
    with_password = passwords.find(r.db, actor.user_id) is not None
    return render(
        r,
        "signin/confirm.html",
        policy=leading_to_identity_providers(development=r.settings.development),
        way="sso" if actor.method not in _BY_PASSWORD else "password" if with_password else "none",
        by_letter=confirm_letter.offered(r),
        ask_code=factors.enrolled(r.db, actor.user_id),
        next=next_path,
        failure=failure,
    )


doors = [
    get("/confirm", show, signed_in=True),
    post("/confirm", with_password, signed_in=True),
    post("/confirm/sso", with_sso, signed_in=True),
]
