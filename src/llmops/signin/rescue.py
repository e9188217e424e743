"""Rescue: a one-time way in for an owner when single sign-on is broken, issued by the operator and told to all owners.

The last resort, when no emergency owner can get in either (TEN-19). They are told when it is issued and when it is
used. Its session is there to repair single sign-on: doors that give somebody a lasting way in stay shut to it.
"""

from datetime import datetime, timedelta

from starlette.responses import Response

from llmops.accounts import users, verification
from llmops.accounts.users import User
from llmops.accounts.verification import OneTimeLink, Purpose
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.base.clock import readable
from llmops.base.sealing import Sealer
from llmops.db.tables import Db
from llmops.errors import LetterSpent, RescueNeedsOwner
from llmops.organizations import members, organization, owners
from llmops.organizations.organization import Organization
from llmops.settings import Settings
from llmops.signin.breakglass import in_letters, tell_owners
from llmops.signin.entry import enter
from llmops.web import one_time
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request

LIFE = verification.LIFE[Purpose.RESCUE]
SESSION_LASTS = timedelta(hours=1)


def issue(
    db: Db, sealer: Sealer, settings: Settings, found: Organization, *, email: str, by: str, now: datetime
) -> str:
    """The address that lets an owner in, once, within half an hour. Every owner is told. Raises: RescueNeedsOwner."""
    user = users.with_email(db, email)
    if user is None or not _is_owner(db, found, user):
        raise RescueNeedsOwner(seen=email, organization=found.slug)
    payload = {"organization": found.id}
    secret = verification.issue(db, sealer, Purpose.RESCUE, subject=user.id, payload=payload, now=now)
    log.record(db, Action.RESCUE_ISSUED, organization_id=found.id, actor=by, target=user.id, now=now, email=email)
    who, until = in_letters(user), readable(now + LIFE)
    owners.tell(db, sealer, settings, found.id, template="signin/mail/rescue_issued", now=now, who=who, until=until)
    return f"{settings.base_url}/login/rescue?token={secret}"


def show(r: Request) -> Response:
    """GET /login/rescue: a button. Opening the address spends nothing, and the token leaves it (SES-14)."""
    if (answer := one_time.arrived(r, "rescue")) is not None:
        return answer
    secret = one_time.token_of(r, "rescue")
    link = verification.look(r.db, r.sealer, Purpose.RESCUE, secret=secret, now=r.now)
    found, user = _rescued(r, link)
    return render(r, "signin/rescue.html", token=secret, email=user.email, organization_name=found.name)


def sign_in(r: Request) -> Response:
    """POST /login/rescue: spent now. Raises: LetterSpent, also for somebody who is no owner any more."""
    link = verification.spend(r.db, r.sealer, Purpose.RESCUE, secret=r.field("token"), now=r.now)
    found, user = _rescued(r, link)
    one_time.forget(r, "rescue")
    tell_owners(r, found, user, template="signin/mail/rescue_used")
    return enter(
        r,
        user_id=user.id,
        organization_id=found.id,
        method="rescue",
        not_after=r.now + SESSION_LASTS,
        return_to="/",
        action=Action.RESCUE_USED,
    )


def _rescued(r: Request, link: OneTimeLink) -> tuple[Organization, User]:
    found, user = organization.get(r.db, link.payload["organization"]), users.get(r.db, link.subject)
    if user is None or not _is_owner(r.db, found, user):
        raise LetterSpent()
    return found, user


def _is_owner(db: Db, found: Organization, user: User) -> bool:
    member = members.of(db, found.id, user.id)
    active = member is not None and member.status == "active" and user.suspended_at is None
    return active and member is not None and member.role == "owner" and found.suspended_at is None


doors = [
    get("/login/rescue", show),
    post("/login/rescue", sign_in),
]
