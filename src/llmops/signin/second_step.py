"""The second page of a password sign-in, for people with two-step sign-in: a code of their app, or a recovery code.

The password was right when it begins; until the code is right too there is no session. What has been shown so far is
remembered for five minutes and for this browser only.
"""

from starlette.responses import Response

from llmops.accounts import factor_pages, factors, passwords, users, verification
from llmops.accounts.users import User
from llmops.accounts.verification import OneTimeLink, Purpose
from llmops.db.tables import Db
from llmops.errors import Failure, LetterSpent, LoginExpired, SecondFactorWrong, SsoRequired, TooManyAttempts
from llmops.organizations import members
from llmops.signin import enforcement
from llmops.signin.credentials import count_code
from llmops.signin.entry import enter
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, see_other

COOKIE = "__Host-llmops_second_step"
_SECONDS = int(verification.LIFE[Purpose.SECOND_STEP].total_seconds())


def ask(r: Request, user: User, *, return_to: str) -> Response:
    """The password is right: remember that for this browser, and ask for the code."""
    payload = {"browser": _browser(r), "password": _password(r, r.db, user.id), "return_to": return_to}
    state = verification.issue(r.db, r.sealer, Purpose.SECOND_STEP, subject=user.id, payload=payload, now=r.now)
    r.set_cookie(COOKIE, state, max_age_seconds=_SECONDS)
    return see_other("/login/code")


def show(r: Request) -> Response:
    """GET /login/code. Raises: LoginExpired."""
    _begun(r, r.db)
    return _page(r)


def check(r: Request) -> Response:
    """POST /login/code: the right code opens the session. Raises: LoginExpired, SsoRequired."""
    with r.looking() as db:
        link = _begun(r, db)
    try:
        count_code(r, link.subject)
        recovery = factors.check(r.db, r.sealer, link.subject, code=r.field("code"), now=r.now)
    except SecondFactorWrong as failure:
        return _page(r, errors={"code": failure.message})
    except TooManyAttempts as failure:
        return _page(r, failure=failure)
    return _enter(r, link, recovery=recovery)


def _enter(r: Request, link: OneTimeLink, *, recovery: bool) -> Response:
    """Once more all that the password page asked: minutes have passed."""
    try:
        verification.spend(r.db, r.sealer, Purpose.SECOND_STEP, secret=r.cookies.get(COOKIE, ""), now=r.now)
    except LetterSpent:  # the same page was sent twice
        raise LoginExpired(problem="spent") from None
    user = users.get(r.db, link.subject)
    if user is None or user.suspended_at is not None or link.payload["password"] != _password(r, r.db, user.id):
        raise LoginExpired(problem="the account was changed meanwhile")
    home = members.home_of(r.db, user.id, by_password=True)
    if home is None or enforcement.for_address(r.db, user.email) is not None:
        raise SsoRequired(user=user.id)
    if recovery:
        factor_pages.tell(r, user.email, "A recovery code was used to sign in.")
    r.clear_cookie(COOKIE)
    return enter(
        r,
        user_id=user.id,
        organization_id=home.organization_id,
        method="password",
        return_to=link.payload["return_to"],
    )


def _begun(r: Request, db: Db) -> OneTimeLink:
    """What this browser has shown so far. Raises: LoginExpired."""
    secret = r.cookies.get(COOKIE, "")
    try:
        link = verification.look(db, r.sealer, Purpose.SECOND_STEP, secret=secret, now=r.now)
    except LetterSpent:
        raise LoginExpired(problem="no password before the code") from None
    if link.payload["browser"] != _browser(r):
        raise LoginExpired(problem="another browser")
    return link


def _browser(r: Request) -> str:
    return r.sealer.hashed("second_step.browser", r.browser)


def _password(r: Request, db: Db, user_id: str) -> str:
    """Tells the password that was right from one that is set meanwhile (SES-11)."""
    return r.sealer.hashed("second_step.password", passwords.find(db, user_id) or "")


def _page(r: Request, *, errors: dict[str, str] | None = None, failure: Failure | None = None) -> Response:
    status = SecondFactorWrong.status if errors else 200
    return render(r, "signin/second_step.html", errors=errors or {}, failure=failure, status=status)


doors = [
    get("/login/code", show),
    post("/login/code", check),
]
