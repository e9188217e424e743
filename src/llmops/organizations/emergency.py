"""Who can get in past single sign-on: owners named for emergencies, and that one stays while it is compulsory (TEN-19).

The door they use lies above, in `signin/breakglass.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select

from llmops.accounts.factors import Factor
from llmops.accounts.passwords import Password
from llmops.accounts.users import User, full_name
from llmops.db.tables import Db
from llmops.errors import BreakGlassNeeded
from llmops.organizations import organization
from llmops.organizations.members import ACTS_AS_OWNER, WITH_USER, Member

COUNTS = Member.break_glass_at.is_not(None) & ACTS_AS_OWNER & User.email_verified_at.is_not(None)
"""Of a membership and its person: the naming stands."""


@dataclass(frozen=True)
class Named:
    """An emergency owner. `ready`: has what it takes to get in, a password and a confirmed second factor."""

    user_id: str
    name: str
    email: str
    named_at: datetime
    ready: bool


def named(db: Db, organization_id: str) -> Sequence[Named]:
    """The emergency owners of an organization, the first named first."""
    has_password = select(Password.user_id).where(Password.user_id == User.id).exists()
    confirmed = (Factor.holder_id == User.id) & Factor.confirmed_at.is_not(None)
    has_factor = select(Factor.holder_id).where(confirmed).exists()
    rows = db.execute(
        select(User.table(), Member.break_glass_at, (has_password & has_factor).label("ready"))
        .select_from(WITH_USER)
        .where(Member.organization_id == organization_id, COUNTS)
        .order_by(Member.break_glass_at, User.email)
    )
    return [
        Named(
            row.id,
            full_name(row.first_name, row.last_name, row.email),
            row.email,
            row.break_glass_at,
            bool(row.ready),
        )
        for row in rows
    ]


def require_another(db: Db, organization_id: str, *, without: str) -> None:
    """Somebody else can get in past single sign-on, if it is compulsory. The caller holds the organization's lock.

    Raises: BreakGlassNeeded.
    """
    enforcing = organization.get(db, organization_id).sso_enforced_at is not None
    if enforcing and not any(owner.ready and owner.user_id != without for owner in named(db, organization_id)):
        raise BreakGlassNeeded(organization=organization_id, user=without)
