"""Which way in: where an address leads, and how often a browser may be sent there by itself."""

from llmops.base.email import domain_of, normalise
from llmops.db.tables import Db
from llmops.errors import LoginLoop, OrganizationSuspended, PersonalEmail, PlanNotEnterprise, SsoNotConfigured
from llmops.organizations import domains
from llmops.organizations.organization import Organization, allows_sso
from llmops.web import limits
from llmops.web.request import Request

MOST_AUTOMATIC_STARTS = 3
LOOP_SECONDS = 120


def organization_for(db: Db, typed: str, *, personal: tuple[str, ...]) -> tuple[Organization, str]:
    """The organization whose identity provider answers for an address, and the address in its stored form.

    The first that matches wins. It depends on the domain only, never on the person (TEN-22).
    Raises: InvalidEmail, PersonalEmail, SsoNotConfigured, PlanNotEnterprise, OrganizationSuspended.
    """
    email = normalise(typed)
    domain = domain_of(email)
    if domains.is_personal(domain, personal):
        raise PersonalEmail(seen=domain)
    holder = domains.holder_of(db, domain)
    if holder is None:
        raise SsoNotConfigured(domain=domain)
    require_sso(holder.organization)
    if not holder.verified:
        raise SsoNotConfigured(domain=domain, problem="claimed but not verified")
    return holder.organization, email


def require_sso(organization: Organization) -> None:
    """Single sign-on is part of the plan and the organization is active.

    Raises: PlanNotEnterprise, OrganizationSuspended.
    """
    if not allows_sso(organization):
        raise PlanNotEnterprise(organization=organization.slug, plan=organization.plan)
    if organization.suspended_at is not None:
        raise OrganizationSuspended(organization=organization.slug)


def require_no_loop(r: Request) -> None:
    """Count a start that nobody pressed a button for. Raises: LoginLoop, from the fourth in two minutes."""
    with r.aside() as db:
        starts = limits.hit(db, r.sealer, "sso.automatic", r.browser, window_seconds=LOOP_SECONDS, now=r.now)
    if starts > MOST_AUTOMATIC_STARTS:
        raise LoginLoop(seen=starts, expected=MOST_AUTOMATIC_STARTS)
