"""An invitation from the other side: what its link shows, and how the invited person becomes a member."""

from dataclasses import dataclass
from datetime import datetime

from llmops.accounts import users
from llmops.accounts.users import User
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.sealing import Sealer, same
from llmops.db.tables import Db, change, find
from llmops.errors import InvitationForAnother, InvitationPointless, InvitationSpent
from llmops.mail import letters
from llmops.organizations import invitations, members, organization
from llmops.organizations.invitations import Invitation, inviter_of, open_for, still_open
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.web.request import Request


@dataclass(frozen=True)
class Opened:
    """An invitation as its link shows it. `proven`: the link came out of the mailbox, not from a colleague."""

    invitation: Invitation
    organization: Organization
    inviter: str
    proven: bool


def look(db: Db, sealer: Sealer, opened: str, *, now: datetime) -> Opened:
    """What the link with this token is about; nothing is spent. Raises: InvitationSpent."""
    secret, _, proof = opened.partition(".")
    found = find(db, Invitation, token_hash=invitations.hashed(sealer, secret))
    if found is None or found.accepted_at or found.revoked_at or found.expires_at <= now:
        raise InvitationSpent()
    if proof and not same(proof, invitations.proof(sealer, secret)):
        raise InvitationSpent(problem="the proof of another link")
    inviter = inviter_of(db, found)
    if inviter is None:
        raise InvitationSpent(problem="the inviter may not give that role now", inviter=found.invited_by)
    return Opened(found, organization.get(db, found.organization_id), inviter, proven=bool(proof))


def accept(r: Request, opened: Opened, user: User) -> None:
    """The person with exactly the invited, proven address becomes a member. Of two at one moment one wins.

    Raises: InvitationForAnother, InvitationSpent, InvitationPointless, NoSeatsLeft.
    """
    invitation, joined = opened.invitation, opened.organization
    if user.email != invitation.email or user.email_verified_at is None:
        raise InvitationForAnother()
    organization.lock(r.db, joined.id)
    if inviter_of(r.db, invitation) is None:
        raise InvitationSpent(problem="the inviter may not give that role now")
    if change(r.db, Invitation, still_open(invitation), accepted_at=r.now) != 1:
        raise InvitationSpent()
    member = members.of(r.db, joined.id, user.id)
    if member is not None and member.status != "removed":
        raise InvitationPointless(seen=member.status)
    members.join(r.db, joined, user.id, role=Role(invitation.role), how="invitation", now=r.now)
    log.record(
        r.db,
        Action.MEMBER_JOINED,
        organization_id=joined.id,
        actor=user.id,
        ip=r.ip,
        now=r.now,
        email=user.email,
        role=invitation.role,
        how="invitation",
        invitation=invitation.id,
    )
    _tell_inviter(r, opened)


def role_by_invitation(db: Db, organization_id: str, email: str, *, proven: bool, now: datetime) -> Role | None:
    """Spend the open invitation to exactly this address for somebody who comes in through SSO. None without one.

    `proven`: the identity provider vouches for the address. Without that it gives no more than Member, because in
    some directories people can write any address into their own profile.
    """
    organization.lock(db, organization_id)
    found = open_for(db, organization_id, email)
    if found is None or found.expires_at <= now or inviter_of(db, found) is None:
        return None
    if not proven and found.role != Role.MEMBER:
        return None
    return Role(found.role) if change(db, Invitation, still_open(found), accepted_at=now) == 1 else None


def _tell_inviter(r: Request, opened: Opened) -> None:
    inviter = users.get(r.db, opened.invitation.invited_by)
    if inviter is None:
        return
    letters.send(
        r.db,
        r.sealer,
        r.settings,
        to=inviter.email,
        template="organizations/mail/invitation_accepted",
        now=r.now,
        email=opened.invitation.email,
        organization_name=letters.harmless(opened.organization.name),
        role=opened.invitation.role,
    )
