"""What each plan includes. The one table that billing, seats, single sign-on and the audit log read."""

from collections.abc import Callable
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
    """What a plan includes.

    `seats`: active members, None for as many as the contract says. `sso`: single sign-on with all that belongs to it.
    `audit_days`: how far back the audit log is shown, in days. `support`: who helps, and how.
    """

    title: str
    seats: int | None
    sso: bool
    audit_days: int
    support: str


ALLOWANCES = {
    Plan.STARTER: Allowance("Starter", seats=5, sso=False, audit_days=30, support="By e-mail"),
    Plan.GROWTH: Allowance("Growth", seats=25, sso=False, audit_days=90, support="By e-mail"),
    Plan.SCALE: Allowance("Scale", seats=100, sso=False, audit_days=365, support="By e-mail"),
    Plan.ENTERPRISE: Allowance("Enterprise", seats=None, sso=True, audit_days=730, support="E-mail and guided set-up"),
}

COMPARISON: tuple[tuple[str, Callable[[Allowance], str | bool]], ...] = (
    ("Active members", lambda plan: str(plan.seats) if plan.seats is not None else "As your contract says"),
    ("Sign-in with e-mail and password", lambda plan: True),
    ("Roles and invitations", lambda plan: True),
    ("Audit log", lambda plan: f"{plan.audit_days} days"),
    ("Single sign-on with SAML 2.0 or OpenID Connect", lambda plan: plan.sso),
    ("Accounts made at the first SSO sign-in", lambda plan: plan.sso),
    ("Admin Portal for your IT administrator", lambda plan: plan.sso),
    ("Passwords switched off, on request", lambda plan: plan.sso),
    ("Support", lambda plan: plan.support),
)
"""The rows in which plans are compared: what is included, and how much of it, or whether."""


def plan_named(name: str) -> Plan:
    """The plan with this name, in any case. Raises: PlanUnknown."""
    try:
        return Plan(name.strip().lower())
    except ValueError:
        raise PlanUnknown(seen=name) from None
