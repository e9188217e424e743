"""The invited person's side: what the link shows, and the ways to become a member.

Opening the link spends nothing; the button does (SES-14). A member of this organization is always exactly the invited,
proven address (PWD-12). An account that exists accepts from inside its own session (TEN-09); only the letter's link
makes one, or brings back one that is in no organization, because it proves the mailbox as a reset does. Where single
sign-on is compulsory no password is made here (PWD-13).
"""

from enum import StrEnum

from starlette.responses import Response

from llmops.accounts import passwords, proof, sessions, users
from llmops.accounts.users import User
from llmops.db.tables import Db
from llmops.errors import (
    EmailInUse,
    InvitationForAnother,
    InvitationSpent,
    OrganizationSuspended,
    PasswordRefused,
)
from llmops.organizations import acceptance, invitations, members
from llmops.organizations.acceptance import Opened
from llmops.organizations.organization import Organization
from llmops.signin import enforcement
from llmops.signin.entry import enter
from llmops.web import limits, one_time
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request

_HOUR = 3600


class Way(StrEnum):
    """How this browser may go on."""

    ACCEPT = "accept"  # signed in with the invited address
    OTHER = "other"  # signed in as somebody else
    SIGN_IN = "sign_in"  # there is an account, which first signs in
    RETURN = "return"  # there is an account in no organization: it cannot sign in before it is in this one
    CREATE = "create"  # no account yet: names and a password
    SSO = "sso"  # no account yet, and single sign-on is compulsory: it makes one
    ASK = "ask"  # a copied link, nobody signed in: it proves nothing, so it tells nothing


def show(r: Request) -> Response:
    """GET /invitation: who invites, where and as what. Raises: InvitationSpent, OrganizationSuspended."""
    if (answer := one_time.arrived(r, "invitation")) is not None:
        return answer
    opened = _opened(r, r.db, one_time.token_of(r, "invitation"))
    return _page(r, opened, _way(r, r.db, opened))


def accept(r: Request) -> Response:
    """POST /invitation. Raises: InvitationSpent, InvitationForAnother, InvitationPointless, NoSeatsLeft."""
    limits.check(r, "invitation.accept", limits.address_block(r.ip), most=30, window_seconds=_HOUR)
    with r.looking() as db:
        opened = _opened(r, db, r.field("token"))
        way = _way(r, db, opened)
    if way is Way.CREATE:
        return _create(r, opened)
    if way in (Way.ACCEPT, Way.RETURN):
        email = opened.invitation.email
        user = users.get(r.db, r.member.user_id) if way is Way.ACCEPT else users.with_email(r.db, email)
        if user is None or user.suspended_at is not None:
            raise InvitationSpent(problem="no such account any more")
        return _join(r, opened, user, way)
    raise InvitationForAnother(way=way)


def mail_link(r: Request) -> Response:
    """POST /invitation/letter: a copied link becomes a letter, whose link proves the mailbox. The answer tells nothing.

    Raises: InvitationSpent, TooManyAttempts.
    """
    limits.check(r, "invitation.letter", limits.address_block(r.ip), most=10, window_seconds=_HOUR)
    token = r.field("token")
    with r.looking() as db:
        opened = _opened(r, db, token)
    invitations.throttle(r, opened.organization.id, [opened.invitation.email])
    invitations.write(
        r.db, r.sealer, r.settings, opened.invitation, token.partition(".")[0], inviter=opened.inviter, now=r.now
    )
    return render(r, "signin/invitation_mailed.html", email=opened.invitation.email)


def _join(r: Request, opened: Opened, user: User, way: Way) -> Response:
    """A member from now on. The session moves over if it is one that the organization takes, as old as it is."""
    acceptance.accept(r, opened, user)
    one_time.forget(r, "invitation")
    joined = opened.organization
    if way is Way.RETURN or r.member.method != "password" or joined.sso_enforced_at is not None:
        # What another organization's identity provider said counts there only (TEN-03).
        return render(r, "signin/invitation_accepted.html", opened=opened, slug=joined.slug, sso=_sso(r.db, opened))
    return enter(
        r,
        user_id=user.id,
        organization_id=joined.id,
        method="password",
        proven_at=r.member.authenticated_at,
        not_after=sessions.end_of(r.db, r.member.session_id),
        return_to="/",
        first_time=True,
    )


def _create(r: Request, opened: Opened) -> Response:
    """Account, password, membership and session at once: the letter's link has proven the address."""
    typed = {name: r.field(name) for name in ("first_name", "last_name")}
    errors = users.unfit_names(typed)
    password_hash = ""
    try:
        words = (opened.invitation.email, opened.organization.name, *typed.values())
        password_hash = passwords.hashed(r.field("password"), context=words)
    except PasswordRefused as failure:
        errors["password"] = failure.message
    if errors:
        return _page(r, opened, Way.CREATE, errors=errors, **typed)
    first, last = (users.given_name(value) for value in typed.values())
    user = _new_account(r, opened.invitation.email, first_name=first, last_name=last)
    passwords.store(r.db, user.id, password_hash=password_hash, now=r.now)
    acceptance.accept(r, opened, user)
    one_time.forget(r, "invitation")
    joined = opened.organization.id
    return enter(r, user_id=user.id, organization_id=joined, method="password", return_to="/", first_time=True)


def _new_account(r: Request, email: str, *, first_name: str, last_name: str) -> User:
    """The account, or one that was made with this address and never proven: that gets rid of its maker (TEN-08).

    Raises: InvitationSpent, when one came into being at this moment.
    """
    blocking = users.with_email(r.db, email)
    if blocking is None:
        try:
            return users.create(r.db, email, first_name=first_name, last_name=last_name, verified=True, now=r.now)
        except EmailInUse:
            raise InvitationSpent(problem="an account came into being meanwhile") from None
    if blocking.email_verified_at is not None or blocking.suspended_at is not None:
        raise InvitationSpent(problem="an account came into being meanwhile")
    proof.take_over(r.db, blocking, now=r.now)
    users.rename(r.db, blocking.id, first_name=first_name, last_name=last_name)
    proven = users.get(r.db, blocking.id)
    assert proven is not None, "it was read in this transaction"
    return proven


def _opened(r: Request, db: Db, token: str) -> Opened:
    """What the token is about. Raises: InvitationSpent, OrganizationSuspended."""
    opened = acceptance.look(db, r.sealer, token, now=r.now)
    if opened.organization.suspended_at is not None:
        raise OrganizationSuspended(organization=opened.organization.slug)
    return opened


def _way(r: Request, db: Db, opened: Opened) -> Way:
    """The one way that is open, in the order in which it is decided."""
    email = opened.invitation.email
    user = users.with_email(db, email)
    if r.actor is not None:
        is_theirs = user is not None and user.id == r.actor.user_id and user.email_verified_at is not None
        return Way.ACCEPT if is_theirs else Way.OTHER
    if not opened.proven:
        return Way.ASK
    if user is not None and user.email_verified_at is not None:
        return Way.SIGN_IN if members.home_of(db, user.id) is not None else Way.RETURN
    return Way.SSO if _sso(db, opened) is not None else Way.CREATE


def _sso(db: Db, opened: Opened) -> Organization | None:
    """The organization whose single sign-on this person has to use: the inviting one, or that of the address."""
    if opened.organization.sso_enforced_at is not None:
        return opened.organization
    return enforcement.for_address(db, opened.invitation.email)


def _page(r: Request, opened: Opened, way: Way, *, errors: dict[str, str] | None = None, **typed: str) -> Response:
    sso = _sso(r.db, opened) if way in (Way.SSO, Way.ASK) else None
    return render(
        r,
        "signin/invitation.html",
        opened=opened,
        way=way.value,
        token=r.field("token") if r.method == "POST" else one_time.token_of(r, "invitation"),
        sso_slug=sso.slug if sso else "",
        sso_next="/" if sso and sso.id == opened.organization.id else "/invitation",
        first_name=typed.get("first_name", "")[:254],
        last_name=typed.get("last_name", "")[:254],
        errors=errors or {},
        status=422 if errors else InvitationForAnother.status if way is Way.OTHER else 200,
    )


doors = [
    get("/invitation", show),
    post("/invitation", accept),
    post("/invitation/letter", mail_link),
]
