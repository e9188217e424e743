"""Signing in at the staff console: address and password, then a code of the second factor. Never one without the other.

Between the two pages the browser carries a sealed note that the password was right. It lives five minutes, in this
browser only, and opens nothing but the second page (PWD-14).
"""

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from llmops.accounts import factors, passwords
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.email import normalise
from llmops.errors import Failure, InvalidEmail, SecondFactorWrong, SecretKeyMismatch, TooManyAttempts, WrongCredentials
from llmops.staff import known_browsers, people, sessions
from llmops.staff.console import SIGN_IN
from llmops.staff.people import StaffMember
from llmops.web import limits
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, local_path, see_other

STEP_COOKIE = "__Host-llmops_staff_step"
STEP = timedelta(minutes=5)
_CODE = f"{SIGN_IN}/code"


@dataclass(frozen=True)
class Step:
    """What is remembered from the first page to the second. `password` is a keyed hash of the stored hash."""

    staff_id: str
    password: str
    at: str
    next: str


def ask_password(r: Request) -> Response:
    """GET /staff/sign-in."""
    next_path = _staff_path(r.query("next"))
    return see_other(next_path) if sessions.colleague(r) else _password_page(r, next_path=next_path)


def check_password(r: Request) -> Response:
    """POST /staff/sign-in. Every refusal looks alike and takes as long (PWD-05)."""
    typed, next_path = r.field("email"), _staff_path(r.field("next"))
    try:
        block = limits.address_block(r.ip)
        limits.check(r, "staff.address", block, most=60, window_seconds=300)
        email = _normalised(typed)
        limits.check(r, "staff.pair", f"{email} {block}", most=10, window_seconds=600)
        if (browser := known_browsers.name_of(r, email)) is not None:
            limits.check(r, "staff.browser", f"{email} {browser}", most=20, window_seconds=3600)
        else:
            limits.check(r, "staff.account", email, most=100, window_seconds=3600)
        member = _member(r, email, r.field("password"))
    except (WrongCredentials, TooManyAttempts) as failure:
        return _password_page(r, next_path=next_path, email=typed[:254], failure=failure)
    step = Step(member.id, _fingerprint(r, member), r.now.isoformat(), next_path)
    r.set_cookie(STEP_COOKIE, r.sealer.seal(json.dumps(asdict(step)), place=_place(r)))
    return see_other(_CODE)


def ask_code(r: Request) -> Response:
    """GET /staff/sign-in/code."""
    step = _step(r)
    return _code_page(r, step) if step else see_other(SIGN_IN)


def check_code(r: Request) -> Response:
    """POST /staff/sign-in/code: a code of the app or a recovery code; at first, the one that confirms the app."""
    step = _step(r)
    if step is None:
        return see_other(SIGN_IN)
    try:
        limits.check(r, "staff.code", step.staff_id, most=10, window_seconds=600)
        # Only who knows the password comes here, so nobody else can use up a colleague's tries of a day.
        limits.check(r, "staff.code.day", step.staff_id, most=50, window_seconds=24 * 3600)
    except TooManyAttempts as failure:
        return _code_page(r, step, failure=failure)
    member = people.get(r.db, step.staff_id)
    try:
        fresh_codes = _prove(r, member)
    except SecondFactorWrong as failure:
        _record(r, Action.STAFF_SIGN_IN_FAILED, member, code=failure.code)
        return _code_page(r, step, failure=failure)
    sessions.open_session(r, member.id)
    known_browsers.remember(r, member)
    r.clear_cookie(STEP_COOKIE)
    _record(r, Action.STAFF_SIGNED_IN, member)
    if fresh_codes:
        return render(r, "staff/recovery_codes.html", codes=fresh_codes, next=step.next)
    return see_other(step.next)


def sign_out(r: Request) -> Response:
    """POST /staff/sign-out. The session ends here and in the database."""
    sessions.end(r)
    return see_other(SIGN_IN)


def _prove(r: Request, member: StaffMember) -> list[str]:
    """Spend the code. Returns the recovery codes when it was the first of a new app. Raises: SecondFactorWrong."""
    code = r.field("code")[:100]
    if not factors.enrolled(r.db, member.id):
        return list(factors.confirm(r.db, r.sealer, member.id, code=code, now=r.now))
    factors.check(r.db, r.sealer, member.id, code=code, now=r.now)
    return []


def _member(r: Request, email: str, password: str) -> StaffMember:
    """Who has this address and password. Raises: WrongCredentials, whatever was wrong."""
    with r.looking() as db:
        member = people.with_email(db, email)
    good = passwords.matches(member.password_hash if member else None, password)
    if member is None or not good or member.suspended_at is not None:
        raise WrongCredentials()
    return member


def _step(r: Request) -> Step | None:
    """What the first page left in this browser, unless it is too old or the account has changed since."""
    try:
        step = Step(**json.loads(r.sealer.unseal(r.cookies.get(STEP_COOKIE, ""), place=_place(r))))
    except SecretKeyMismatch:
        return None
    if r.now - datetime.fromisoformat(step.at) > STEP:
        return None
    with r.looking() as db:
        member = people.get(db, step.staff_id)
    still_good = member.suspended_at is None and step.password == _fingerprint(r, member)
    return step if still_good else None


def _fingerprint(r: Request, member: StaffMember) -> str:
    return r.sealer.hashed("staff.step", member.password_hash)


def _place(r: Request) -> str:
    return f"staff.step:{r.browser}"


def _staff_path(target: str | None) -> str:
    path = local_path(target)
    return path if path.startswith("/staff/") and not path.startswith("/staff/sign-") else "/staff"


def _normalised(typed: str) -> str:
    try:
        return normalise(typed)
    except InvalidEmail:
        return ""


def _password_page(r: Request, *, next_path: str, email: str = "", failure: Failure | None = None) -> Response:
    return render(r, "staff/sign_in.html", failure=failure, email=email, next=next_path)


def _code_page(r: Request, step: Step, *, failure: Failure | None = None) -> Response:
    with r.looking() as db:
        first_time = not factors.enrolled(db, step.staff_id)
    return render(r, "staff/code.html", failure=failure, first_time=first_time)


def _record(r: Request, action: Action, member: StaffMember, **facts: object) -> None:
    actor = f"staff:{member.email}"
    log.record(r.db, action, organization_id=None, actor=actor, now=r.now, target="", ip=r.ip, **facts)


doors = [
    get(SIGN_IN, ask_password),
    post(SIGN_IN, check_password),
    get(_CODE, ask_code),
    post(_CODE, check_code),
    post("/staff/sign-out", sign_out),
]
