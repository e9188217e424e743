"""Enterprise SSO: off to the identity provider, and the way back from the broker with a code."""

from datetime import datetime
from functools import partial

from starlette.responses import Response

from llmops.accounts import verification
from llmops.accounts.users import get as user_with_id
from llmops.accounts.verification import Purpose
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base import ids
from llmops.base.clock import readable
from llmops.broker import connections, logins
from llmops.broker.connections import Kind
from llmops.broker.logins import Redeemed
from llmops.errors import (
    CodeAlreadyUsed,
    ConnectionInactive,
    EmailOutsideDomains,
    Failure,
    LinkProofNeeded,
    NotFound,
    OrganizationUnknown,
)
from llmops.mail import letters
from llmops.organizations import organization
from llmops.organizations.organization import Organization
from llmops.provisioning import jit
from llmops.provisioning.jit import Welcome
from llmops.signin import embedded, policy, starts
from llmops.signin.entry import enter
from llmops.signin.pages import TYPED_COOKIE, back_to_sign_in, show_for_organization
from llmops.web import one_time
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, local_path, see_other

_TYPED_SECONDS = 120


def begin(r: Request) -> Response:
    """POST /login/sso: from a work address to its company's identity provider."""
    typed = r.field("email")
    try:
        found, email = _asked_for(r, typed)
        starts.count(r, found.id, email=email)
        url = embedded.authorization_url(r, found, return_to=local_path(r.field("next")), login_hint=email)
    except Failure:
        if typed.isascii():  # a cookie holds nothing else
            r.set_cookie(TYPED_COOKIE, "".join(typed[:254].split()), max_age_seconds=_TYPED_SECONDS)
        raise
    return see_other(url)


def _asked_for(r: Request, typed: str) -> tuple[Organization, str]:
    """The organization of an address, which on one's own page must be that one, and the address in its stored form."""
    slug = r.field("organization")
    try:
        with r.looking() as db:
            found, email = policy.organization_for(db, typed, personal=r.settings.personal_domains)
        if slug and slug != found.slug:
            # The page of one organization never leads to another one's identity provider by surprise.
            raise EmailOutsideDomains(seen=email, expected=slug)
    except Failure:
        starts.count_mistake(r)
        raise
    return found, email


def begin_by_itself(r: Request) -> Response:
    """GET /login/sso/{slug}/start: for a tile in the identity provider's portal; at most three in two minutes."""
    try:
        with r.looking() as db:
            found = organization.with_slug(db, r.path.split("/")[3])
    except OrganizationUnknown:
        starts.count_mistake(r)
        raise NotFound() from None
    policy.require_sso(found)
    starts.count(r, found.id)
    policy.require_no_loop(r)
    return see_other(embedded.authorization_url(r, found, return_to="/", login_hint=None))


def callback(r: Request) -> Response:
    """GET /login/sso/callback: the code becomes a profile, the profile an account, the account a session."""
    redeemed = embedded.profile_for(r, r.query("code") or "")
    try:
        found = organization.get(r.db, redeemed.organization_id)
        _require_open(r, found, redeemed.connection_id)
        welcome = jit.welcome(
            r.db,
            found,
            redeemed.connection_id,
            redeemed.profile,
            now=r.now,
            ip=r.ip,
            signed_in_as=_proven(r, redeemed),
        )
    except LinkProofNeeded as failure:
        return _ask_for_proof(r, redeemed, found, failure)
    except Failure as failure:
        failure.ref = ids.reference()
        r.afterwards(partial(logins.fail, login_id=redeemed.login_id, failure=failure, ref=failure.ref, now=r.now))
        raise
    if redeemed.asked_for:
        r.afterwards(partial(starts.take_back, sealer=r.sealer, ip=r.ip, organization_id=found.id, now=r.now))
    if welcome.linked:
        _tell_linked(r, welcome.user.email, found)
    if welcome.email_before:
        _tell_renamed(r, welcome, found)
    if r.actor is not None and r.actor.user_id != welcome.user.id:
        return _ask_to_replace(r, redeemed, welcome.user.id, welcome.user.email)
    return enter(
        r,
        user_id=welcome.user.id,
        organization_id=found.id,
        method="sso",
        connection_id=redeemed.connection_id,
        not_after=redeemed.profile.session_ends_at,
        proven_at=redeemed.forced_at,
        return_to=redeemed.return_to,
        first_time=welcome.created,
        login_id=redeemed.login_id,
    )


def _proven(r: Request, redeemed: Redeemed) -> str | None:
    """The user id that this browser's session proves for linking (TEN-10), if any.

    A session that another organization's identity provider opened proves nothing here (TEN-03), nor does one of a
    rescue link, which may repair single sign-on and plant no way in (TEN-19). Nor does any for an
    answer that nobody asked for: anybody can make a browser bring it. Nor does an old one: the link is a credential,
    and a stolen cookie must not become one that stays (SES-12).
    """
    actor = r.actor
    if actor is None or actor.organization_id != redeemed.organization_id or not redeemed.asked_for:
        return None
    return actor.user_id if actor.is_fresh(r.now) and not actor.is_rescued else None


def _tell_linked(r: Request, email: str, found: Organization) -> None:
    values = {"organization_name": found.name, "when": readable(r.now)}
    letters.send(r.db, r.sealer, r.settings, to=email, template="provisioning/mail/linked", now=r.now, **values)


def _tell_renamed(r: Request, welcome: Welcome, found: Organization) -> None:
    """Write to the address of before: its reader is the one who would notice a rename that nobody wanted (PWD-17)."""
    letters.send(
        r.db,
        r.sealer,
        r.settings,
        to=welcome.email_before,
        template="accounts/mail/email_changed",
        now=r.now,
        before=welcome.email_before,
        after=welcome.user.email,
        organization_name=letters.harmless(found.name),
        when=readable(r.now),
    )


def _ask_for_proof(r: Request, redeemed: Redeemed, found: Organization, failure: LinkProofNeeded) -> Response:
    """Send a letter to the address that was proven before; its link connects this subject, in this browser only."""
    email, user_id = failure.facts["email"], failure.facts["user"]
    payload = _payload(r, redeemed, user_id)
    secret = verification.issue(r.db, r.sealer, Purpose.CONFIRM_LINK, subject=user_id, payload=payload, now=r.now)
    letters.send(
        r.db,
        r.sealer,
        r.settings,
        to=email,
        template="provisioning/mail/confirm_link",
        now=r.now,
        link=f"{r.settings.base_url}/login/link?token={secret}",
        minutes_valid=verification.minutes_valid(Purpose.CONFIRM_LINK),
        organization_name=found.name,
        when=readable(r.now),
    )
    log.record(r.db, Action.LINK_REQUESTED, organization_id=found.id, actor=user_id, ip=r.ip, now=r.now)
    failure.ref = ids.reference()
    logins.fail(r.db, redeemed.login_id, failure, ref=failure.ref, now=r.now)
    return back_to_sign_in(r, failure)


def show_link(r: Request) -> Response:
    """GET /login/link: what will be connected with what. Opening it spends nothing."""
    if (answer := one_time.arrived(r, "link")) is not None:
        return answer
    secret = one_time.token_of(r, "link")
    link = verification.look(r.db, r.sealer, Purpose.CONFIRM_LINK, secret=secret, now=r.now)
    connection = connections.get(r.db, link.payload["connection"])
    user = user_with_id(r.db, link.payload["user"])
    return render(
        r,
        "signin/confirm_link.html",
        token=secret,
        email=user.email if user else "",
        organization_name=organization.get(r.db, link.payload["organization"]).name,
        connection_name=Kind(connection.kind).label,
    )


def connect_link(r: Request) -> Response:
    """POST /login/link: the owner of the mailbox connects the company sign-in, in the browser that began (TEN-11)."""
    link = verification.spend(r.db, r.sealer, Purpose.CONFIRM_LINK, secret=r.field("token"), now=r.now)
    _require_same_browser(r, link.payload)
    one_time.forget(r, "link")
    found = organization.get(r.db, link.payload["organization"])
    user = jit.require_welcome(r.db, found, link.payload["user"])
    jit.connect(r.db, found, link.payload["connection"], link.payload["subject"], user, now=r.now, ip=r.ip)
    _tell_linked(r, user.email, found)
    return _enter_from(r, link.payload)


def _ask_to_replace(r: Request, redeemed: Redeemed, user_id: str, email: str) -> Response:
    """Somebody else is signed in here: never swap accounts without asking (SES-08)."""
    payload = _payload(r, redeemed, user_id)
    secret = verification.issue(r.db, r.sealer, Purpose.REPLACE_SESSION, subject=user_id, payload=payload, now=r.now)
    return render(r, "signin/confirm_replace.html", token=secret, current_email=r.member.email, new_email=email)


def replace(r: Request) -> Response:
    """POST /login/replace: yes, continue as the other account."""
    link = verification.spend(r.db, r.sealer, Purpose.REPLACE_SESSION, secret=r.field("token"), now=r.now)
    _require_same_browser(r, link.payload)
    jit.require_welcome(r.db, organization.get(r.db, link.payload["organization"]), link.payload["user"])
    return _enter_from(r, link.payload)


def _payload(r: Request, redeemed: Redeemed, user_id: str) -> dict[str, str]:
    ends_at = redeemed.profile.session_ends_at
    return {
        "user": user_id,
        "organization": redeemed.organization_id,
        "connection": redeemed.connection_id,
        "login": redeemed.login_id,
        "subject": redeemed.profile.subject,
        "return_to": redeemed.return_to,
        "browser": r.sealer.hashed("link.browser", r.browser),
        "session_ends_at": ends_at.isoformat() if ends_at else "",
    }


def _require_same_browser(r: Request, payload: dict[str, str]) -> None:
    if payload["browser"] != r.sealer.hashed("link.browser", r.browser):
        raise CodeAlreadyUsed(problem="another browser")


def _enter_from(r: Request, payload: dict[str, str]) -> Response:
    """Get in after a confirmation, if plan and connection still allow what they did when it was asked for."""
    _require_open(r, organization.get(r.db, payload["organization"]), payload["connection"])
    ends_at = payload["session_ends_at"]
    return enter(
        r,
        user_id=payload["user"],
        organization_id=payload["organization"],
        method="sso",
        connection_id=payload["connection"],
        not_after=datetime.fromisoformat(ends_at) if ends_at else None,
        return_to=payload["return_to"],
        login_id=payload.get("login"),  # a link from before an upgrade names none
    )


def _require_open(r: Request, found: Organization, connection_id: str) -> None:
    """Plan and connection are still what they were when the identity provider answered.

    Raises: PlanNotEnterprise, OrganizationSuspended, ConnectionInactive.
    """
    policy.require_sso(found)
    if connections.get(r.db, connection_id).state != "active":
        raise ConnectionInactive(connection=connection_id)


doors = [
    post("/login/sso", begin),
    get("/login/sso/callback", callback, writes=True),
    get("/login/sso/{slug}", show_for_organization),
    get("/login/sso/{slug}/start", begin_by_itself, writes=True),
    get("/login/link", show_link),
    post("/login/link", connect_link),
    post("/login/replace", replace),
]
