"""Take away a second factor whose device and recovery codes are both lost; the person signs in and sets up another.

Who asks for it has to be known by other means than an e-mail: with the factor gone a mailbox alone opens the account.
"""

from dataclasses import dataclass
from datetime import datetime

from llmops.accounts import factors, sessions, users
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.clock import readable
from llmops.base.sealing import Sealer
from llmops.db.tables import Db, many
from llmops.errors import PersonUnknown, ReasonMissing, SecondFactorMissing
from llmops.mail import letters
from llmops.organizations.members import Member
from llmops.settings import Settings


@dataclass(frozen=True)
class Taken:
    """Whose factor it was, how many sessions ended, and whether they are named for emergencies, where it is needed."""

    user_id: str
    sessions: int
    is_break_glass: bool


def take(db: Db, sealer: Sealer, settings: Settings, email: str, *, by: str, reason: str, now: datetime) -> Taken:
    """Remove the factor and the recovery codes of the person with this normalised address, and write to them.

    The audit log of each of their organizations has the reason. An emergency owner without a factor does not count as
    one until there is another. Raises: ReasonMissing, PersonUnknown, SecondFactorMissing.

    Source: NIST SP 800-63B 4.2 (account recovery: out of band, with notice).
    """
    if not reason.strip():
        raise ReasonMissing()
    user = users.with_email(db, email)
    if user is None:
        raise PersonUnknown(seen=email)
    if not factors.enrolled(db, user.id):
        raise SecondFactorMissing(seen=email)
    factors.remove(db, user.id)
    ended = sessions.end_all(db, user.id, now=now)
    theirs = many(db, Member, Member.rows().where(Member.user_id == user.id).order_by(Member.organization_id))
    for member in theirs:
        log.record(
            db,
            Action.SECOND_FACTOR_REMOVED,
            organization_id=member.organization_id,
            actor=by,
            now=now,
            target=user.id,
            reason=reason,
        )
    what, device = "Two-step sign-in was switched off on request, because device and codes were lost.", "Our operator"
    about = {"what": what, "when": readable(now), "device": device}
    letters.send(db, sealer, settings, to=user.email, template="accounts/mail/second_factor", now=now, **about)
    return Taken(user.id, ended, any(member.break_glass_at for member in theirs))
