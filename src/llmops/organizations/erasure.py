"""Erase a person: what they are called and how they get in is gone; a hash stays that keeps them out (SEC-11, TEN-15).

The membership's row stays as `removed`, the audit log as it was recorded; docs/operations.md lists what else stays.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, select

from llmops.accounts import factors, identities, passwords, sessions, users, verification
from llmops.accounts.identities import Identity
from llmops.accounts.users import User
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.db.tables import Db, change, find, many
from llmops.errors import PersonUnknown, ReasonMissing
from llmops.organizations import membership, organization
from llmops.organizations.invitations import Invitation
from llmops.organizations.members import Member
from llmops.organizations.roles import Role


@dataclass(frozen=True)
class Erased:
    """Who was erased, and what was taken from them."""

    user_id: str
    memberships: int
    identities: int
    sessions: int


def erase(db: Db, email: str, *, by: str, reason: str, now: datetime) -> Erased:
    """Erase the person with this normalised address, everywhere.

    Raises: ReasonMissing, PersonUnknown, LastOwner and BreakGlassNeeded (an organization would be left without).
    """
    if not reason.strip():
        raise ReasonMissing()
    user = users.with_email(db, email)
    if user is None:
        raise PersonUnknown(seen=email)
    theirs = many(db, Member, Member.rows().where(Member.user_id == user.id).order_by(Member.organization_id))
    for member in theirs:
        organization.lock(db, member.organization_id)
        if member.status == "active":
            membership.require_replaceable(db, member)
        change(db, Member, {"id": member.id}, status="removed", role=Role.MEMBER, break_glass_at=None)
        _record(db, user, member.organization_id, by=by, reason=reason, now=now)
    passwords.remove(db, user.id)
    factors.remove(db, user.id)
    verification.void(db, user.id, now=now)
    db.execute(delete(Invitation).where(Invitation.email == user.email))
    ended = sessions.end_all(db, user.id, now=now)
    sessions.forget_places(db, user.id)
    links = identities.erase(db, user.id)
    users.erase(db, user)
    _record(db, user, None, by=by, reason=reason, now=now)
    return Erased(user.id, len(theirs), links, ended)


def is_erased(db: Db, organization_id: str, connection_id: str, *, subject: str, email: str) -> bool:
    """Whether the person behind this subject or address was in the organization until they were erased."""
    identity = find(db, Identity, connection_id=connection_id, subject=identities.erased(connection_id, subject))
    user = users.with_email(db, users.erased_address(email))
    known = [one for one in (identity.user_id if identity else None, user.id if user else None) if one]
    here = (Member.organization_id == organization_id) & Member.user_id.in_(known)
    return bool(known) and db.execute(select(Member.id).where(here)).first() is not None


def _record(db: Db, user: User, organization_id: str | None, *, by: str, reason: str, now: datetime) -> None:
    target = user.id
    log.record(
        db, Action.PERSON_ERASED, organization_id=organization_id, actor=by, now=now, target=target, reason=reason
    )
