"""What each plan allows. The one table that billing, seats and single sign-on read."""

from dataclasses import dataclass
from enum import StrEnum

from llmops.errors import PlanUnknown


class Plan(StrEnum):
    """A customer's plan, from the smallest to the largest."""

    STARTER = "starter"
    GROWTH = "growth"
    SCALE = "scale"
    ENTERPRISE = "enterprise"


@dataclass(frozen=True)
class Allowance:
    """What a plan includes. `seats` is the number of active members, None for as many as the contract says."""

    title: str
    seats: int | None
    sso: bool
    audit_days: int


ALLOWANCES = {
    Plan.STARTER: Allowance("Starter", seats=5, sso=False, audit_days=30),
    Plan.GROWTH: Allowance("Growth", seats=25, sso=False, audit_days=90),
    Plan.SCALE: Allowance("Scale", seats=100, sso=False, audit_days=365),
    Plan.ENTERPRISE: Allowance("Enterprise", seats=None, sso=True, audit_days=730),
}


def plan_named(name: str) -> Plan:
    """The plan with this name, in any case. Raises: PlanUnknown."""
    try:
        return Plan(name.strip().lower())
    except ValueError:
        raise PlanUnknown(seen=name) from None
