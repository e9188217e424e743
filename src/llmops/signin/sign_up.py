"""Sign-up: a person and a new organization. Nothing is stored as an account before the letter came back.

So nobody can sit on somebody else's address, and an unverified sign-up sees nothing of any organization (PWD-11).
"""

import json
from datetime import datetime

from starlette.responses import Response

from llmops.accounts import passwords, users, verification
from llmops.accounts.verification import OneTimeLink, Purpose
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.email import domain_of, normalise
from llmops.db.tables import Db
from llmops.errors import (
    EmailInUse,
    Failure,
    InvalidEmail,
    LetterSpent,
    PasswordRefused,
    SsoRequired,
    TooManyAttempts,
    WrongCredentials,
)
from llmops.jobs import queue
from llmops.mail import letters
from llmops.organizations import domains, members, organization
from llmops.organizations.roles import Role
from llmops.plans import Plan
from llmops.signin import enforcement
from llmops.signin.entry import enter
from llmops.web import limits, one_time
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, Site

JOB = "sign_up.asked"
FIELDS = ("first_name", "last_name", "email", "organization_name")
_PERSONAL = "This looks like a personal address. You can go on, but single sign-on will need a company address."
_HOUR = 3600


def show(r: Request) -> Response:
    """GET /signup."""
    return _form(r, {}, {})


def sign_up(r: Request) -> Response:
    """POST /signup: the answer is the same whether the address is new or not (PWD-05)."""
    typed = {name: r.field(name) for name in (*FIELDS, "personal_ok")}
    try:
        limits.check(r, "signup", limits.address_block(r.ip), most=20, window_seconds=_HOUR)
    except TooManyAttempts as failure:
        return _form(r, typed, {}, failure=failure)
    errors, email = _problems(typed)
    password_hash = ""
    try:
        words = tuple(typed[name] for name in FIELDS)
        password_hash = passwords.hashed(r.field("password"), context=words)
    except PasswordRefused as failure:
        errors["password"] = failure.message
    if errors:
        return _form(r, typed, errors, personal=_is_personal(r, email))
    if _is_personal(r, email) and not typed["personal_ok"]:
        return _form(r, typed, {}, personal=True)
    try:
        limits.check(r, "signup.account", email, most=5, window_seconds=_HOUR)
    except TooManyAttempts as failure:
        return _form(r, typed, {}, failure=failure)
    payload = {
        "first_name": users.given_name(typed["first_name"]),
        "last_name": users.given_name(typed["last_name"]),
        "organization_name": users.given_name(typed["organization_name"]),
        "password_hash": password_hash,
        "browser": r.sealer.hashed("signup.browser", r.browser),
    }
    _queue_letter(r, email, payload)
    return _check_mail(r, email)


def resend(r: Request) -> Response:
    """POST /signup/resend: the same letter again, with a new link; the old one is void."""
    email = normalise(r.field("email"))
    limits.check(r, "signup.resend", email, most=3, window_seconds=600)
    _queue_letter(r, email, None)
    return _check_mail(r, email)


def show_verify(r: Request) -> Response:
    """GET /signup/verify: the page with the button; opening it spends nothing."""
    if (answer := one_time.arrived(r, "verify")) is not None:
        return answer
    secret = one_time.token_of(r, "verify")
    link = verification.look(r.db, r.sealer, Purpose.VERIFY_EMAIL, secret=secret, now=r.now)
    return _verify_page(r, link, secret)


def verify(r: Request) -> Response:
    """POST /signup/verify: the address is proven; person, organization, domain and ownership come into being.

    In another browser than the one that signed up the password is asked for. Otherwise somebody could sign up with
    your address and their password, and you would make their account by pressing the button.
    """
    secret = r.field("token")
    with r.looking() as db:
        link = verification.look(db, r.sealer, Purpose.VERIFY_EMAIL, secret=secret, now=r.now)
    if not _same_browser(r, link):
        limits.check(r, "signup.verify", link.id, most=10, window_seconds=_HOUR)
        if not passwords.matches(link.payload["password_hash"], r.field("password")):
            return _verify_page(r, link, secret, failure=WrongCredentials())
    link = verification.spend(r.db, r.sealer, Purpose.VERIFY_EMAIL, secret=secret, now=r.now)
    one_time.forget(r, "verify")
    return _create(r, link)


def _create(r: Request, link: OneTimeLink) -> Response:
    email, payload = link.subject, link.payload
    if enforcement.for_address(r.db, email) is not None:  # required since the letter was written
        raise SsoRequired(domain=domain_of(email))
    try:
        user = users.create(
            r.db,
            email,
            first_name=payload["first_name"],
            last_name=payload["last_name"],
            verified=True,
            now=r.now,
        )
    except EmailInUse:  # they came in through SSO meanwhile
        raise LetterSpent() from None
    passwords.store(r.db, user.id, password_hash=payload["password_hash"], now=r.now)
    made = organization.create_with_free_slug(r.db, payload["organization_name"], plan=Plan.STARTER, now=r.now)
    members.join(r.db, made, user.id, role=Role.OWNER, how="sign_up", now=r.now)
    if not _is_personal(r, email):
        domains.claim(r.db, made.id, domain=domain_of(email), now=r.now)
    log.record(r.db, Action.SIGNED_UP, organization_id=made.id, actor=user.id, ip=r.ip, now=r.now, name=made.name)
    return enter(r, user_id=user.id, organization_id=made.id, method="password", return_to="/")


def _queue_letter(r: Request, email: str, payload: dict[str, str] | None) -> None:
    """Have the letter written in the worker: who has an account must not show in how long this takes (PWD-05)."""
    queue.put(r.db, r.sealer, kind=JOB, payload=json.dumps({"email": email, "payload": payload}), now=r.now)


def write(site: Site, asked: str) -> None:
    """The job: the letter, with the link for a new address, with a hint for one that has an account or SSO.

    Without a payload it is the letter of the sign-up that waits for this address, if there is one.
    """
    email, payload = (json.loads(asked)[name] for name in ("email", "payload"))
    now = site.clock()
    with site.database.writing() as db:
        waiting = verification.pending(db, Purpose.VERIFY_EMAIL, subject=email, now=now)
        if payload is None and waiting is None:
            return
        if (held_by := enforcement.for_address(db, email)) is not None:
            enforcement.point_to_sso(db, site.sealer, site.settings, held_by, email=email, now=now)
        elif users.with_email(db, email) is not None:
            _send(db, site, email, "accounts/mail/already_registered", link="/login", now=now)
        else:
            about = payload or (waiting.payload if waiting else {})
            secret = verification.issue(db, site.sealer, Purpose.VERIFY_EMAIL, subject=email, payload=about, now=now)
            _send(db, site, email, "accounts/mail/verify", link=f"/signup/verify?token={secret}", now=now)


def _send(db: Db, site: Site, email: str, template: str, *, link: str, now: datetime) -> None:
    url, minutes = f"{site.settings.base_url}{link}", verification.minutes_valid(Purpose.VERIFY_EMAIL)
    letters.send(db, site.sealer, site.settings, to=email, template=template, now=now, link=url, minutes_valid=minutes)


def _problems(typed: dict[str, str]) -> tuple[dict[str, str], str]:
    """What is wrong, by field, and the address in its stored form."""
    errors = users.unfit_names({name: typed[name] for name in ("first_name", "last_name", "organization_name")})
    try:
        return errors, normalise(typed["email"])
    except InvalidEmail as failure:
        return errors | {"email": failure.message}, ""


def _form(
    r: Request,
    typed: dict[str, str],
    errors: dict[str, str],
    *,
    personal: bool = False,
    failure: Failure | None = None,
) -> Response:
    return render(
        r,
        "signin/sign_up.html",
        **{name: typed.get(name, "")[:254] for name in FIELDS},
        errors=errors,
        personal_warning=_PERSONAL if personal else None,
        failure=failure,
        status=422 if errors else 200,
    )


def _check_mail(r: Request, email: str) -> Response:
    return render(r, "signin/check_mail.html", email=email)


def _verify_page(r: Request, link: OneTimeLink, secret: str, *, failure: Failure | None = None) -> Response:
    return render(
        r,
        "signin/verify.html",
        email=link.subject,
        token=secret,
        ask_password=not _same_browser(r, link),
        failure=failure,
    )


def _same_browser(r: Request, link: OneTimeLink) -> bool:
    return link.payload["browser"] == r.sealer.hashed("signup.browser", r.browser)


def _is_personal(r: Request, email: str) -> bool:
    return bool(email) and domains.is_personal(domain_of(email), r.settings.personal_domains)


doors = [
    get("/signup", show),
    post("/signup", sign_up),
    post("/signup/resend", resend),
    get("/signup/verify", show_verify),
    post("/signup/verify", verify),
]
