"""Forgotten password: a letter with a link that works once, for half an hour. It does not sign in (PWD-08)."""

import json
from datetime import datetime

from starlette.responses import Response

from llmops.accounts import devices, passwords, sessions, users, verification
from llmops.accounts.users import User
from llmops.accounts.verification import Purpose
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.clock import readable
from llmops.base.email import normalise
from llmops.db.tables import Db
from llmops.errors import InvalidEmail, LetterSpent, PasswordRefused, SsoRequired
from llmops.jobs import queue
from llmops.mail import letters
from llmops.organizations import members, organization
from llmops.organizations.organization import Organization
from llmops.signin import breakglass, enforcement, known_browsers
from llmops.signin.pages import sign_in_page
from llmops.web import limits, one_time
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, Site

JOB = "password.reset_asked"
_MINUTES = verification.minutes_valid(Purpose.RESET_PASSWORD)
_CHANGED = "Your password is changed. Sign in with the new one."


def show_forgot(r: Request) -> Response:
    """GET /login/forgot."""
    return _forgot_page(r, "", {})


def forgot(r: Request) -> Response:
    """POST /login/forgot: the same page whether or not there is such an account."""
    try:
        email = normalise(r.field("email"))
    except InvalidEmail as failure:
        return _forgot_page(r, r.field("email"), {"email": failure.message})
    limits.check(r, "reset.address", limits.address_block(r.ip), most=20, window_seconds=3600)
    limits.check(r, "reset.account", email, most=5, window_seconds=3600)
    asked = json.dumps({"email": email, "ip": r.ip})
    queue.put(r.db, r.sealer, kind=JOB, payload=asked, now=r.now)
    return render(r, "signin/letter_sent.html", email=email, minutes_valid=_MINUTES)


def write(site: Site, payload: str) -> None:
    """The job: look whether there is such an account, and write to it.

    A job, and one for every address: in the request the look-up and the letter took longer where there is an account,
    and whoever measured that knew (PWD-05).
    """
    asked = json.loads(payload)
    email, now = asked["email"], site.clock()
    with site.database.writing() as db:
        user = users.with_email(db, email)
        if user is None or user.suspended_at is not None:
            return
        if (held_by := _held_by(db, user)) is not None:
            enforcement.point_to_sso(db, site.sealer, site.settings, held_by, email=email, now=now)
        else:
            _send_link(db, site, user, ip=asked["ip"], now=now)


def _send_link(db: Db, site: Site, user: User, *, ip: str, now: datetime) -> None:
    secret = verification.issue(db, site.sealer, Purpose.RESET_PASSWORD, subject=user.id, payload={}, now=now)
    letters.send(
        db,
        site.sealer,
        site.settings,
        to=user.email,
        template="accounts/mail/reset",
        now=now,
        link=f"{site.settings.base_url}/login/reset?token={secret}",
        minutes_valid=_MINUTES,
    )
    home = members.home_of(db, user.id)
    organization_id = home.organization_id if home else None
    log.record(db, Action.PASSWORD_RESET_ASKED, organization_id=organization_id, actor=user.id, ip=ip, now=now)


def _held_by(db: Db, user: User) -> Organization | None:
    """The organization that takes no password of this person; emergency owners keep theirs (TEN-18, TEN-19)."""
    return None if breakglass.home_of(db, user.id) else enforcement.bound_by(db, user)


def _person(db: Db, user_id: str) -> User:
    """Whose password a link resets. Raises: LetterSpent; SsoRequired, for a link from before that was required."""
    user = users.get(db, user_id)
    if user is None:
        raise LetterSpent()
    if _held_by(db, user) is not None:
        raise SsoRequired(user=user.id)
    return user


def show_reset(r: Request) -> Response:
    """GET /login/reset: the form; opening it spends nothing."""
    if (answer := one_time.arrived(r, "reset")) is not None:
        return answer
    secret = one_time.token_of(r, "reset")
    link = verification.look(r.db, r.sealer, Purpose.RESET_PASSWORD, secret=secret, now=r.now)
    _person(r.db, link.subject)
    return _reset_page(r, secret, {})


def reset(r: Request) -> Response:
    """POST /login/reset: the new password holds, and every session of the person ends."""
    secret = r.field("token")
    with r.looking() as db:
        link = verification.look(db, r.sealer, Purpose.RESET_PASSWORD, secret=secret, now=r.now)
        user = _person(db, link.subject)
        home = members.home_of(db, link.subject)
        company = organization.get(db, home.organization_id).name if home else ""
    try:
        words = (user.email, user.first_name, user.last_name, company)
        password_hash = passwords.hashed(r.field("password"), context=words)
    except PasswordRefused as failure:
        return _reset_page(r, secret, {"password": failure.message})
    verification.spend(r.db, r.sealer, Purpose.RESET_PASSWORD, secret=secret, now=r.now)
    one_time.forget(r, "reset")
    passwords.store(r.db, user.id, password_hash=password_hash, now=r.now)
    sessions.end_all(r.db, user.id, now=r.now)
    known_browsers.remember(r, user.id)
    organization_id = home.organization_id if home else None
    log.record(r.db, Action.PASSWORD_CHANGED, organization_id=organization_id, actor=user.id, ip=r.ip, now=r.now)
    letters.send(
        r.db,
        r.sealer,
        r.settings,
        to=user.email,
        template="accounts/mail/password_changed",
        now=r.now,
        when=readable(r.now),
        device=devices.described(r.user_agent),
    )
    return sign_in_page(r, email=user.email, notice=_CHANGED)


def _forgot_page(r: Request, email: str, errors: dict[str, str]) -> Response:
    return render(r, "signin/forgot.html", email=email[:254], errors=errors, status=422 if errors else 200)


def _reset_page(r: Request, secret: str, errors: dict[str, str]) -> Response:
    return render(r, "signin/reset.html", token=secret, errors=errors, status=422 if errors else 200)


doors = [
    get("/login/forgot", show_forgot),
    post("/login/forgot", forgot),
    get("/login/reset", show_reset),
    post("/login/reset", reset),
]
