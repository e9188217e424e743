"""The sign-in page: the password form, the Enterprise SSO form, what went wrong, and signing out."""

import re

import structlog
from starlette.responses import Response

from llmops.accounts import factors, passwords, users
from llmops.base import ids
from llmops.base.email import domain_of
from llmops.errors import (
    BodyUnreadable,
    Failure,
    FormExpired,
    NotFound,
    OrganizationUnknown,
    SessionOver,
    SignInFailure,
    SignInUnclear,
    SsoRequired,
    TooManyAttempts,
    Unexpected,
    WrongCredentials,
    by_code,
)
from llmops.organizations import members, organization
from llmops.organizations.organization import Organization
from llmops.signin import enforcement, second_step
from llmops.signin.credentials import count_try, was_right
from llmops.signin.entry import LAST_METHOD_COOKIE, enter, leave
from llmops.web.doors import get, post
from llmops.web.failures import as_page
from llmops.web.render import THEME_COOKIE, alert, render
from llmops.web.request import Request, local_path, see_other
from llmops.web.security import leading_to_identity_providers

log = structlog.stdlib.get_logger("llmops.signin")

TYPED_COOKIE = "__Host-llmops_typed"
_REFERENCE = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}|[0-9a-f]{16}")
_SHOWN_HERE = (SignInFailure, FormExpired, SessionOver, BodyUnreadable)
_LOGGED = frozenset({"check", "problem", "reason", "because", "host", "connection", "login", "user", "scope"})
"""Facts in our own words. What came from outside may repeat a code or a secret: it stands in the trace alone, with the
secrets of its attempt taken out (SEC-04)."""
_YEAR_SECONDS = 365 * 24 * 3600


def show(r: Request) -> Response:
    """GET /login, with what `?sso_error=` names, and deep links by ?email= or ?domain=."""
    if r.actor is not None and not r.query("sso_error"):
        return see_other(local_path(r.query("next")))
    return sign_in_page(r)


def show_for_organization(r: Request) -> Response:
    """GET /login/sso/{slug}: the address that an owner shares; only SSO is shown."""
    try:
        found = organization.with_slug(r.db, r.path.split("/")[3])
    except OrganizationUnknown:
        raise NotFound() from None
    return sign_in_page(r, found)


def sign_in_page(
    r: Request,
    only: Organization | None = None,
    *,
    failure: Failure | None = None,
    email: str = "",
    sso_email: str = "",
    next_path: str = "",
    notice: str | None = None,
) -> Response:
    """The page itself. Its sentences come from `errors.py` alone, never from the address."""
    shown = alert(failure) if failure else _alert_from_address(r)
    typed = r.cookies.get(TYPED_COOKIE, "")[:254]
    if typed:
        r.clear_cookie(TYPED_COOKIE)
    domain = r.query("domain") if r.method == "GET" else None
    asked = (r.query("email") or "") if r.method == "GET" else ""
    sso_email = sso_email or typed or asked or (f"@{domain}" if domain else "")
    last_method = r.cookies.get(LAST_METHOD_COOKIE)
    elsewhere = (WrongCredentials.code, SessionOver.code)  # not about single sign-on
    in_sso = bool(only or domain or (shown and shown["code"] not in elsewhere))
    return render(
        r,
        "signin/sign_in.html",
        failure=failure,
        policy=leading_to_identity_providers(development=r.settings.development),
        email=email,
        sso_email=sso_email[:254],
        next=local_path(next_path or (r.query("next") if r.method == "GET" else None)),
        alert=shown,
        notice=notice,
        errors={},
        organization=only,
        autofocus="sso_email" if in_sso else "password" if email else "email",
        last_method=last_method if last_method in ("sso", "password") else None,
    )


def sign_in(r: Request) -> Response:
    """POST /login: e-mail and password. Every refusal looks alike and takes as long (PWD-05).

    Where single sign-on is compulsory for the address's domain the password is not even looked at (TEN-18).
    """
    typed, next_path = r.field("email"), local_path(r.field("next"))
    try:
        return _sign_in(r, count_try(r, typed), r.field("password"), next_path)
    except SsoRequired as failure:
        r.site.metrics.login(method="password", reason=failure.code)
        return sign_in_page(r, failure=failure, sso_email=typed[:254], next_path=next_path)
    except (WrongCredentials, TooManyAttempts) as failure:
        r.site.metrics.login(method="password", reason=failure.code)
        return sign_in_page(r, failure=failure, email=typed[:254], next_path=next_path)


def _sign_in(r: Request, email: str, password: str, next_path: str) -> Response:
    with r.looking() as db:
        if enforcement.for_address(db, email) is not None:
            raise SsoRequired(domain=domain_of(email))
        user = users.with_email(db, email)
        stored = passwords.find(db, user.id if user else "nobody")
    good = passwords.matches(stored, password)  # outside any transaction: it takes a while
    if user is None or stored is None or not good or user.suspended_at or user.email_verified_at is None:
        raise WrongCredentials()
    if not passwords.still(r.db, user.id, password_hash=stored):
        raise WrongCredentials()
    home = members.home_of(r.db, user.id, by_password=True)
    if home is None:
        raise SsoRequired(user=user.id) if members.home_of(r.db, user.id) else WrongCredentials()
    was_right(r)
    passwords.rehash_if_old(r.db, user.id, password_hash=stored, password=password, now=r.now)
    if factors.enrolled(r.db, user.id):
        return second_step.ask(r, user, return_to=next_path)
    return enter(r, user_id=user.id, organization_id=home.organization_id, method="password", return_to=next_path)


def sign_out(r: Request) -> Response:
    """POST /logout."""
    return see_other(f"/logout?method={leave(r)}")


def signed_out(r: Request) -> Response:
    """GET /logout: says whether the identity provider's own session goes on (SES-10)."""
    return render(r, "signin/signed_out.html", method=r.query("method") or "password", idp_note=None)


def choose_theme(r: Request) -> Response:
    """POST /theme: light, dark, or what the system says."""
    theme = r.field("theme")
    r.set_cookie(THEME_COOKIE, theme if theme in ("light", "dark") else "", max_age_seconds=_YEAR_SECONDS)
    return see_other(local_path(r.field("next")))


def back_to_sign_in(r: Request, failure: Failure) -> Response:
    """The edge of every sign-in door: /login?sso_error=CODE&ref=REF, whatever went wrong."""
    if not isinstance(failure, _SHOWN_HERE):
        return as_page(r, failure)
    if isinstance(failure, Unexpected) and r.path == "/login":
        return as_page(r, failure)  # a sign-in page that cannot be shown must not send the browser to itself
    r.site.metrics.login(method="sso" if "/sso" in r.path else "password", reason=failure.code)
    ref = failure.ref or (r.id if isinstance(failure, Unexpected) else ids.reference())
    facts = {name: text for name, text in failure.facts.items() if name in _LOGGED}
    log.info("sign-in refused", code=failure.code, ref=ref, request_id=r.id, **facts)
    return see_other(f"/login?sso_error={failure.code}&ref={ref}")


def _alert_from_address(r: Request) -> dict[str, str | None] | None:
    code = r.query("sso_error") if r.method == "GET" else None
    if code is None:
        return None
    known = by_code(code)
    ref = r.query("ref") or ""
    shown = known if known is not None and issubclass(known, _SHOWN_HERE) else SignInUnclear
    return alert(shown, ref=ref if _REFERENCE.fullmatch(ref) else None)


doors = [
    get("/login", show),
    post("/login", sign_in),
    post("/logout", sign_out, signed_in=True),
    get("/logout", signed_out),
    post("/theme", choose_theme),
]
