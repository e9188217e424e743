"""Changes to who is in an organization and as what: role, suspend, resume, remove, leave.

Every verb first takes the organization's lock, then asks what the acting person may do now. So of two owners who
demote each other at one moment the second finds that they are none any more, and the last one stays (TEN-16).
Whatever is taken from a person ends their sessions here in the same transaction (SES-11); so does a stronger role,
because rights never rise inside a session (SES-06).
"""

from sqlalchemy import select

from llmops.accounts import sessions, users
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.db.tables import Db, change
from llmops.errors import LastOwner, NotAllowed, NotFound
from llmops.mail import letters
from llmops.organizations import emergency, members, organization
from llmops.organizations.members import ACTS_AS_OWNER, WITH_USER, Member
from llmops.organizations.roles import Role, may_change, may_manage
from llmops.web.request import Request


def change_role(r: Request, member_id: str, *, role: Role) -> None:
    """Give a person another role. Raises: NotFound, NotAllowed, LastOwner, BreakGlassNeeded."""
    me, other = _both(r, member_id)
    before = Role(other.role)
    if not may_change(Role(me.role), before=before, after=role):
        raise NotAllowed(seen=me.role, before=before, after=role)
    if role == before:
        return
    if before is Role.OWNER:
        require_replaceable(r.db, other)
    change(r.db, Member, _row(other), role=role, break_glass_at=None)
    _end_sessions(r, other)
    _record(r, Action.MEMBER_ROLE_CHANGED, other, before=before, after=role)
    _tell(r, other, "organizations/mail/role_changed", role=role.value)


def suspend(r: Request, member_id: str) -> None:
    """Keep a person out until they are let in again. Raises: NotFound, NotAllowed, LastOwner, BreakGlassNeeded."""
    other = _other(r, member_id)
    if other.status == "suspended":
        return
    require_replaceable(r.db, other)
    change(r.db, Member, _row(other), status="suspended", break_glass_at=None)
    _end_sessions(r, other)
    _record(r, Action.MEMBER_SUSPENDED, other, before=other.status, after="suspended")
    _tell(r, other, "organizations/mail/suspended")


def resume(r: Request, member_id: str) -> None:
    """Let a suspended person in again. Raises: NotFound, NotAllowed, NoSeatsLeft."""
    other = _other(r, member_id)
    if other.status == "active":
        return
    members.require_seat(r.db, organization.get(r.db, other.organization_id))
    change(r.db, Member, _row(other), status="active")
    _record(r, Action.MEMBER_RESUMED, other, before=other.status, after="active")
    _tell(r, other, "organizations/mail/resumed")


def remove(r: Request, member_id: str) -> None:
    """Take a person out for good. Their row stays, so that the next sign-in through SSO does not bring them back
    (TEN-15); a new invitation does.

    Raises: NotFound, NotAllowed, LastOwner, BreakGlassNeeded.
    """
    other = _other(r, member_id)
    require_replaceable(r.db, other)
    change(r.db, Member, _row(other), status="removed", break_glass_at=None)
    _end_sessions(r, other)
    _record(r, Action.MEMBER_REMOVED, other, before=other.status, after="removed")
    _tell(r, other, "organizations/mail/removed")


def leave(r: Request) -> None:
    """The acting person leaves the organization; a new invitation brings them back.

    Raises: NotAllowed, LastOwner, BreakGlassNeeded.
    """
    me = _me(r)
    require_replaceable(r.db, me)
    change(r.db, Member, _row(me), status="removed", break_glass_at=None)
    _end_sessions(r, me)
    _record(r, Action.MEMBER_LEFT, me, before=me.role)


def is_last_owner(db: Db, organization_id: str, member_id: str) -> bool:
    """Whether nobody else is an owner who can act. Certain only under the organization's lock."""
    others = (Member.organization_id == organization_id) & (Member.id != member_id) & ACTS_AS_OWNER
    return db.execute(select(Member.id).select_from(WITH_USER).where(others).limit(1)).first() is None


def _me(r: Request) -> Member:
    """The acting person's membership as it is now, under the lock. Raises: NotAllowed."""
    organization.lock(r.db, r.member.organization_id)
    me = members.of(r.db, r.member.organization_id, r.member.user_id)
    if me is None or me.status != "active":
        raise NotAllowed(seen=me.status if me else "nobody")
    return me


def _both(r: Request, member_id: str) -> tuple[Member, Member]:
    """The acting person and the one it is about. Raises: NotAllowed; NotFound, also for people of others (TEN-20)."""
    me = _me(r)
    other = members.find_in(r.db, me.organization_id, member_id)
    if other is None or other.status == "removed":
        raise NotFound()
    return me, other


def _other(r: Request, member_id: str) -> Member:
    """A person whom the acting one may suspend and remove; nobody does that to themselves.

    Raises: NotFound, NotAllowed.
    """
    me, other = _both(r, member_id)
    if me.id == other.id or not may_manage(Role(me.role), Role(other.role)):
        raise NotAllowed(seen=me.role, target=other.role)
    return other


def require_replaceable(db: Db, member: Member) -> None:
    """Without this person there is still an owner, and somebody for when single sign-on is broken.

    Raises: LastOwner, BreakGlassNeeded.
    """
    if member.role == Role.OWNER and is_last_owner(db, member.organization_id, member.id):
        raise LastOwner()
    if member.break_glass_at is not None:
        emergency.require_another(db, member.organization_id, without=member.user_id)


def _row(member: Member) -> dict[str, object]:
    return {"id": member.id, "organization_id": member.organization_id}


def _end_sessions(r: Request, member: Member) -> None:
    sessions.end_of_person(r.db, member.organization_id, member.user_id, now=r.now)


def _record(r: Request, action: Action, member: Member, **facts: object) -> None:
    user = users.get(r.db, member.user_id)
    log.record(
        r.db,
        action,
        organization_id=member.organization_id,
        actor=r.member.user_id,
        target=member.user_id,
        ip=r.ip,
        now=r.now,
        email=user.email if user else None,
        break_glass="lost" if member.break_glass_at else None,
        **facts,
    )


def _tell(r: Request, member: Member, template: str, *, role: str = "") -> None:
    """A letter to the person; nobody is told what they did to themselves."""
    user = users.get(r.db, member.user_id)
    if user is None or user.id == r.member.user_id:
        return
    letters.send(
        r.db,
        r.sealer,
        r.settings,
        to=user.email,
        template=template,
        now=r.now,
        organization_name=letters.harmless(r.member.organization_name),
        by=letters.harmless(r.member.name),
        role=role,
    )
