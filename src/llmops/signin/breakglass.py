"""Break-glass: named owners get in with password and second factor when single sign-on is broken (TEN-19).

It needs nothing of the identity provider, lasts an hour, and is told to every owner at once.
"""

from datetime import datetime, timedelta

from sqlalchemy import select
from starlette.responses import Response

from llmops.accounts import devices, factors, passwords, sessions, users
from llmops.accounts.users import User
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.db.tables import Db
from llmops.errors import (
    BreakGlassNeeded,
    BreakGlassNotReady,
    BreakGlassRefused,
    NotFound,
    SecondFactorWrong,
    TooManyAttempts,
)
from llmops.mail import letters
from llmops.organizations import emergency, members, organization, owners
from llmops.organizations.members import Member
from llmops.organizations.organization import Organization
from llmops.signin.credentials import count_try, may_try_code, was_right
from llmops.signin.entry import enter
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request

SESSION_LASTS = timedelta(hours=1)
"""Enough to repair a connection or to have passwords allowed again, too little to work past single sign-on."""


def is_ready(db: Db, user_id: str) -> bool:
    """Whether a person has what an emergency owner needs: a password and a confirmed second factor."""
    return passwords.find(db, user_id) is not None and factors.enrolled(db, user_id)


def name(db: Db, organization_id: str, user_id: str, *, by: str, now: datetime, ip: str = "") -> None:
    """Make an owner an emergency owner. Raises: NotFound, also for people of others (TEN-20); BreakGlassNotReady."""
    organization.lock(db, organization_id)
    member = _member(db, organization_id, user_id)
    has = {
        "active owner": member.role == "owner" and member.status == "active",
        "password": passwords.find(db, user_id) is not None,
        "second factor": factors.enrolled(db, user_id),
    }
    if missing := [what for what, there in has.items() if not there]:
        raise BreakGlassNotReady(user=user_id, missing=", ".join(missing))
    members.set_break_glass(db, organization_id, user_id, at=now)
    log.record(db, Action.BREAK_GLASS_NAMED, organization_id=organization_id, actor=by, target=user_id, ip=ip, now=now)


def unname(db: Db, organization_id: str, user_id: str, *, by: str, now: datetime, ip: str = "") -> None:
    """Take it from an owner again; what they opened with it ends.

    Raises: NotFound, also for people of others (TEN-20); BreakGlassNeeded, for the last one.
    """
    organization.lock(db, organization_id)
    _member(db, organization_id, user_id)
    emergency.require_another(db, organization_id, without=user_id)
    members.set_break_glass(db, organization_id, user_id, at=None)
    sessions.end_of_member(db, organization_id, user_id, method="break_glass", now=now)
    log.record(
        db, Action.BREAK_GLASS_UNNAMED, organization_id=organization_id, actor=by, target=user_id, ip=ip, now=now
    )


def _member(db: Db, organization_id: str, user_id: str) -> Member:
    member = members.of(db, organization_id, user_id)
    if member is None:
        raise NotFound()
    return member


def home_of(db: Db, user_id: str) -> Organization | None:
    """The organization in which this person is an emergency owner; of several the one named in last."""
    mine = (Member.user_id == user_id) & emergency.COUNTS & Organization.suspended_at.is_(None)
    row = db.execute(
        select(Organization.table())
        .join(Member.table(), Member.organization_id == Organization.id)
        .join(User.table(), User.id == Member.user_id)
        .where(mine)
        .order_by(Member.break_glass_at.desc())
        .limit(1)
    ).first()
    return Organization.from_row(row) if row is not None else None


def require_unnamed(r: Request) -> None:
    """Who takes the second factor away must not be an emergency owner any more (PWD-14). Raises: BreakGlassNeeded."""
    if home_of(r.db, r.member.user_id) is not None:
        raise BreakGlassNeeded(user=r.member.user_id)


def show(r: Request) -> Response:
    """GET /login/break-glass."""
    return _page(r)


def sign_in(r: Request) -> Response:
    """POST /login/break-glass: every refusal looks alike and takes as long (PWD-05)."""
    typed = r.field("email")
    try:
        user, found = _checked(r, count_try(r, typed))
    except (BreakGlassRefused, TooManyAttempts) as failure:
        return _page(r, email=typed[:254], failure=failure)
    tell_owners(r, found, user, template="signin/mail/break_glass_used")
    return enter(
        r,
        user_id=user.id,
        organization_id=found.id,
        method="break_glass",
        not_after=r.now + SESSION_LASTS,
        return_to="/",
        action=Action.BREAK_GLASS_USED,
    )


def _checked(r: Request, email: str) -> tuple[User, Organization]:
    """The emergency owner whose address, password and code these are. Raises: BreakGlassRefused.

    All is looked at before anything is refused; the code is spent only when the rest is right.
    """
    code = r.field("code")
    with r.looking() as db:
        user = users.with_email(db, email)
        holder = user.id if user else "nobody"
        stored, found = passwords.find(db, holder), home_of(db, holder)
        fits = factors.fits(db, r.sealer, holder, code=code, now=r.now)
    good = passwords.matches(stored, r.field("password"))  # outside any transaction: it takes a while
    counts = may_try_code(r, holder if good else None)
    if user is None or stored is None or found is None or not good or not counts or not fits:
        raise BreakGlassRefused()
    if not passwords.still(r.db, user.id, password_hash=stored):
        raise BreakGlassRefused(problem="the password was changed meanwhile")
    try:
        factors.check(r.db, r.sealer, user.id, code=code, now=r.now)
    except SecondFactorWrong:  # the same code was faster elsewhere
        raise BreakGlassRefused(problem="the code was used meanwhile") from None
    was_right(r)
    return user, found


def tell_owners(r: Request, found: Organization, user: User, *, template: str) -> None:
    """Write to every owner that somebody got in past single sign-on."""
    owners.tell_now(
        r,
        found.id,
        template=template,
        who=in_letters(user),
        device=devices.described(r.user_agent),
        ip=r.ip,
    )


def in_letters(user: User) -> str:
    """Name and address of a person, as a letter to somebody else says them."""
    return f"{letters.harmless(f'{user.first_name} {user.last_name}')} ({user.email})"


def _page(r: Request, *, email: str = "", failure: BreakGlassRefused | TooManyAttempts | None = None) -> Response:
    return render(r, "signin/break_glass.html", email=email, failure=failure)


doors = [
    get("/login/break-glass", show),
    post("/login/break-glass", sign_in),
]
