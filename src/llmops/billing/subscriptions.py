"""The plan an organization is on: since when, by whom, why, and what the contract says."""

from datetime import datetime
from functools import partial

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.db.tables import Base, Db, add, change, find
from llmops.errors import ReasonMissing, SsoStillRequired
from llmops.organizations import organization as organizations
from llmops.organizations.organization import Organization
from llmops.plans import ALLOWANCES, Plan


class Subscription(Base):
    """The contract behind a plan. Seats stand on the organization, where joining reads them.

    `since`: when the organization came to its present plan. `notes` are staff's own; customers never see them.
    """

    __tablename__ = "subscriptions"

    organization_id: Mapped[str] = mapped_column(ForeignKey("organizations.id"), primary_key=True)
    since: Mapped[datetime]
    set_by: Mapped[str]
    reason: Mapped[str]
    price: Mapped[str]  # as agreed, free text with the currency
    notes: Mapped[str]


def of(db: Db, organization_id: str) -> Subscription | None:
    """The contract of an organization; None as long as nobody has put it on a plan by hand."""
    return find(db, Subscription, organization_id=organization_id)


def put_on(
    db: Db,
    organization: Organization,
    *,
    plan: Plan,
    seats: int | None,
    price: str,
    notes: str,
    by: str,
    reason: str,
    now: datetime,
    ip: str = "",
) -> Subscription:
    """Put an organization on a plan and store the contract. It takes effect with the next request.

    `seats`: active members that the contract allows, None for the plan's own number. Members who are there stay, even
    if there are more. The reason stands in the customer's audit log, the notes do not.

    Raises: ReasonMissing; SsoStillRequired, for a plan without single sign-on where that is the only way in.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise ReasonMissing(organization=organization.slug)
    organizations.lock(db, organization.id)
    before, contract = organizations.get(db, organization.id), of(db, organization.id)
    if before.sso_enforced_at is not None and not ALLOWANCES[plan].sso:
        raise SsoStillRequired(organization=before.slug, seen=plan)
    organizations.change_plan(db, before.id, plan=plan, seats=seats)
    moved = before.plan != plan
    since = now if moved or contract is None else contract.since
    values = {"since": since, "set_by": by, "reason": reason, "price": price, "notes": notes}
    if not change(db, Subscription, {"organization_id": before.id}, **values):
        add(db, Subscription, organization_id=before.id, **values)
    record = partial(log.record, db, organization_id=before.id, actor=by, now=now, ip=ip, reason=reason)
    if moved:
        record(Action.PLAN_CHANGED, before=before.plan, after=str(plan))
    was = _terms(before.seats, contract.price if contract else "")
    if was != _terms(seats, price):
        record(Action.CONTRACT_CHANGED, before=was, after=_terms(seats, price))
    stored = of(db, before.id)
    assert stored is not None, "it was written above"
    return stored


def _terms(seats: int | None, price: str) -> str:
    """What the audit log says of a contract."""
    members = f"{seats} active members" if seats is not None else "members as the plan says"
    return f"{members}, {price}" if price else members
