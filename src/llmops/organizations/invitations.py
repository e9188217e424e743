"""Invitations: to one organization, one address, one role; seven days, once, revocable, hashed (PWD-12).

The letter's link holds the invitation's secret and a proof of it that only we can make. The link that an admin may
copy holds the secret alone: it lets the invited person in who is signed in, but it proves no mailbox, so nobody can
make an account for an address that is not theirs by inviting it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ForeignKey, Index, delete, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, mapped_column

from llmops.accounts import users
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base import ids
from llmops.base.clock import readable
from llmops.base.sealing import Sealer, token
from llmops.db.tables import Base, Db, add, change, find, many, one
from llmops.errors import InvitationPointless, NotAllowed, NotFound
from llmops.mail import letters
from llmops.organizations import members, organization
from llmops.organizations.roles import Role, may_invite
from llmops.settings import Settings
from llmops.web import limits
from llmops.web.request import Request

LIFE = timedelta(days=7)
REMIND_AFTER = timedelta(days=3)
MOST_A_DAY = 300
"""Letters that one organization's invitations may cause in a day."""
MOST_TO_ONE = 5
"""Letters that one address may get in a day, from all organizations together (PWD-16)."""
_DAY_SECONDS = 24 * 3600
_KEPT = timedelta(days=90)


class Invitation(Base):
    """One invitation. `token_hash` changes when it is sent again, so that only the newest link works."""

    __tablename__ = "invitations"
    __table_args__ = (
        # One open invitation for an address, also when two admins invite at the same moment.
        Index(
            "uq_invitations_open",
            "organization_id",
            "email",
            unique=True,
            sqlite_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
            postgresql_where=text("accepted_at IS NULL AND revoked_at IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"))
    email: Mapped[str]
    role: Mapped[str]
    token_hash: Mapped[str] = mapped_column(unique=True)
    invited_by: Mapped[str]
    invited_at: Mapped[datetime]
    sent_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    reminded_at: Mapped[datetime | None]
    accepted_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Sent:
    """An invitation that just went out. `link` may be copied; it is nowhere else and cannot be shown again."""

    email: str
    role: Role
    link: str


def throttle(r: Request, organization_id: str, emails: Sequence[str]) -> None:
    """Count letters before they are written, by organization and by recipient. Raises: TooManyAttempts."""
    for email in emails:
        limits.check(r, "invitation.sender", organization_id, most=MOST_A_DAY, window_seconds=_DAY_SECONDS)
        limits.check(r, "invitation.recipient", email, most=MOST_TO_ONE, window_seconds=_DAY_SECONDS)


def is_pointless(db: Db, organization_id: str, email: str, *, now: datetime) -> bool:
    """Whether the address is a member's already, or has an invitation that is still good."""
    user = users.with_email(db, email)
    member = members.of(db, organization_id, user.id) if user else None
    if member is not None and member.status != "removed":
        return True
    there = open_for(db, organization_id, email)
    return there is not None and there.expires_at > now


def invite(r: Request, email: str, *, role: Role) -> Sent:
    """Invite an address. Raises: NotAllowed, InvitationPointless."""
    actor = r.member
    _require_right(r, role)
    if is_pointless(r.db, actor.organization_id, email, now=r.now):
        raise InvitationPointless(seen=email)
    over = {"organization_id": actor.organization_id, "email": email, "accepted_at": None, "revoked_at": None}
    change(r.db, Invitation, over, revoked_at=r.now)  # one that was never answered and is too old
    secret = token()
    invitation_id = ids.new("inv")
    values = {
        "id": invitation_id,
        "organization_id": actor.organization_id,
        "email": email,
        "role": role,
        "token_hash": hashed(r.sealer, secret),
        "invited_by": actor.user_id,
        "invited_at": r.now,
        "sent_at": r.now,
        "expires_at": r.now + LIFE,
    }
    try:
        add(r.db, Invitation, **values)
    except IntegrityError:  # a colleague invited the same address at this moment
        raise InvitationPointless(seen=email) from None
    _record(r, Action.INVITED, email, role=role)
    return _send(r, invitation_id, secret)


def resend(r: Request, invitation_id: str) -> Sent:
    """Send it again, good for seven days from now; the link before is void, the sender answers for the role.

    Raises: NotFound, NotAllowed.
    """
    found = _mine(r, invitation_id)
    role = Role(found.role)
    _require_right(r, role)
    secret = token()
    values = {
        "token_hash": hashed(r.sealer, secret),
        "invited_by": r.member.user_id,
        "sent_at": r.now,
        "expires_at": r.now + LIFE,
        "reminded_at": None,
    }
    if change(r.db, Invitation, still_open(found), **values) != 1:
        raise NotFound()
    _record(r, Action.INVITATION_RESENT, found.email, role=role)
    return _send(r, found.id, secret)


def revoke(r: Request, invitation_id: str) -> str:
    """Its link is void from now on. Returns the address. Raises: NotFound, NotAllowed."""
    found = _mine(r, invitation_id)
    _require_right(r, Role(found.role))
    if change(r.db, Invitation, still_open(found), revoked_at=r.now) != 1:
        raise NotFound()
    _record(r, Action.INVITATION_REVOKED, found.email, role=found.role)
    return found.email


def pending(db: Db, organization_id: str) -> Sequence[Invitation]:
    """What was neither accepted nor revoked, expired ones too, the latest first."""
    open_ones = Invitation.accepted_at.is_(None) & Invitation.revoked_at.is_(None)
    mine = Invitation.rows().where(Invitation.organization_id == organization_id, open_ones)
    return many(db, Invitation, mine.order_by(Invitation.sent_at.desc(), Invitation.email))


def address_of(db: Db, organization_id: str, invitation_id: str) -> str | None:
    """To whom an open invitation of this organization went; None for any other id (TEN-20)."""
    found = find(db, Invitation, organization_id=organization_id, id=invitation_id)
    return found.email if found and not found.accepted_at and not found.revoked_at else None


def remind_due(db: Db, sealer: Sealer, settings: Settings, *, now: datetime) -> int:
    """Remind everybody once who has not answered for three days. Returns how many letters go out.

    Only a hash of the first link is kept, so the letter has a new one and the first is void.
    """
    due = (
        Invitation.accepted_at.is_(None)
        & Invitation.revoked_at.is_(None)
        & Invitation.reminded_at.is_(None)
        & (Invitation.sent_at <= now - REMIND_AFTER)
        & (Invitation.expires_at > now)
    )
    sent = 0
    for found in many(db, Invitation, Invitation.rows().where(due).order_by(Invitation.sent_at).limit(200)):
        inviter, secret = inviter_of(db, found), token()
        values = {"token_hash": hashed(sealer, secret)} if inviter else {}
        won = change(db, Invitation, still_open(found) | {"reminded_at": None}, reminded_at=now, **values) == 1
        if won and inviter:
            write(db, sealer, settings, found, secret, inviter=inviter, now=now, reminder=True)
            sent += 1
    return sent


def write(
    db: Db,
    sealer: Sealer,
    settings: Settings,
    about: Invitation,
    secret: str,
    *,
    inviter: str,
    now: datetime,
    reminder: bool = False,
) -> None:
    """The letter to the invited address. Its link proves the mailbox."""
    letters.send(
        db,
        sealer,
        settings,
        to=about.email,
        template="organizations/mail/invitation",
        now=now,
        link=_link(settings, f"{secret}.{proof(sealer, secret)}"),
        organization_name=letters.harmless(organization.get(db, about.organization_id).name),
        inviter=letters.harmless(inviter),
        role=about.role,
        until=readable(about.expires_at),
        reminder=reminder,
    )


def inviter_of(db: Db, found: Invitation) -> str | None:
    """The name of the person who sent it, if they are active and may give that role today; else it is void (PWD-12)."""
    member, user = members.of(db, found.organization_id, found.invited_by), users.get(db, found.invited_by)
    if member is None or user is None or member.status != "active" or user.suspended_at is not None:
        return None
    if not may_invite(Role(member.role), Role(found.role)):
        return None
    return users.full_name(user.first_name, user.last_name, user.email)


def void_all(db: Db, *, now: datetime) -> int:
    """No link that is out works any more; what is open shows as expired and can be sent again. Returns how many.

    One that was revoked or accepted since the backup would else be good once more (SEC-09).
    """
    table = Invitation.table()
    good = update(table).where(table.c.accepted_at.is_(None), table.c.revoked_at.is_(None), table.c.expires_at > now)
    return db.execute(good.values(expires_at=now)).rowcount


def forget_old(db: Db, *, now: datetime) -> None:
    """Delete invitations three months after they could last be accepted, whatever became of them; the log has them."""
    db.execute(delete(Invitation).where(Invitation.expires_at < now - _KEPT))


def open_for(db: Db, organization_id: str, email: str) -> Invitation | None:
    """The one invitation of an address that was neither answered nor revoked; perhaps too old."""
    open_ones = Invitation.accepted_at.is_(None) & Invitation.revoked_at.is_(None)
    mine = (Invitation.organization_id == organization_id) & (Invitation.email == email)
    return one(db, Invitation, Invitation.rows().where(mine & open_ones))


def still_open(found: Invitation) -> dict[str, object]:
    """The row, if it is still what was read: neither answered, revoked, nor sent again since."""
    return {"id": found.id, "token_hash": found.token_hash, "accepted_at": None, "revoked_at": None}


def hashed(sealer: Sealer, secret: str) -> str:
    """What is stored of a link."""
    return sealer.hashed("invitation", secret)


def proof(sealer: Sealer, secret: str) -> str:
    """What only the letter's link has beside the secret."""
    return sealer.hashed("invitation.mailbox", secret)


def _send(r: Request, invitation_id: str, secret: str) -> Sent:
    found = find(r.db, Invitation, organization_id=r.member.organization_id, id=invitation_id)
    assert found is not None, "it was written in this transaction"
    write(r.db, r.sealer, r.settings, found, secret, inviter=r.member.name, now=r.now)
    return Sent(found.email, Role(found.role), _link(r.settings, secret))


def _mine(r: Request, invitation_id: str) -> Invitation:
    """An open invitation of the acting person's organization. Raises: NotFound, also for others' (TEN-20)."""
    found = find(r.db, Invitation, organization_id=r.member.organization_id, id=invitation_id)
    if found is None or found.accepted_at or found.revoked_at:
        raise NotFound()
    return found


def _require_right(r: Request, role: Role) -> None:
    """The acting person may invite as this role, now. Raises: NotAllowed."""
    me = members.of(r.db, r.member.organization_id, r.member.user_id)
    if me is None or me.status != "active" or not may_invite(Role(me.role), role):
        raise NotAllowed(seen=me.role if me else "nobody", role=role)


def _record(r: Request, action: Action, email: str, *, role: str) -> None:
    actor = r.member
    log.record(
        r.db,
        action,
        organization_id=actor.organization_id,
        actor=actor.user_id,
        target=email,
        ip=r.ip,
        now=r.now,
        email=email,
        role=role,
    )


def _link(settings: Settings, opened: str) -> str:
    return f"{settings.base_url}/invitation?token={opened}"
