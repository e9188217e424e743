"""`/`: where everyone lands. Real figures only; for owners also what is next on the way to SSO."""

from starlette.responses import Response

from llmops.broker import connections
from llmops.broker.connections import Connection, Kind
from llmops.broker.saml import certificate
from llmops.dashboard import figures
from llmops.organizations import domains
from llmops.plans import ALLOWANCES, Plan
from llmops.web.doors import get
from llmops.web.render import render
from llmops.web.request import Request


def home(r: Request) -> Response:
    """GET /."""
    actor = r.member
    organization_id = actor.organization_id
    days = figures.sign_ins_by_day(r.db, organization_id, now=r.now)
    sso = sum(day.sso for day in days)
    total = sso + sum(day.password for day in days)
    seen, members = figures.people(r.db, organization_id, now=r.now)
    links = [_shown(r, link) for link in connections.of_organization(r.db, organization_id)] if actor.is_admin else []
    return render(
        r,
        "dashboard/home.html",
        organization={
            "name": actor.organization_name,
            "slug": actor.organization_slug,
            "plan_name": ALLOWANCES[Plan(actor.plan)].title,
        },
        checklist=_checklist(r) if actor.role == "owner" else None,
        days=days,
        failures=figures.failures(r.db, organization_id, now=r.now) if actor.is_admin else [],
        active_members=seen,
        members_total=members,
        sign_ins_total=total,
        sso_share=round(100 * sso / total) if total else None,
        connections=links,
        first_sign_in=r.query("welcome") == "1" and actor.method == "sso",
    )


def _shown(r: Request, connection: Connection) -> dict[str, object]:
    expires = [certificate.from_base64(encoded).not_after for encoded in connection.idp_certificates]
    expires_at = max(expires, default=None)
    return {
        "name": connection.idp_entity_id or connection.issuer or "Not connected yet",
        "type_name": Kind(connection.kind).label,
        "state": connection.state,
        "certificate_expires_at": expires_at,
        "days_left": (expires_at - r.now).days if expires_at else None,
        "last_success_at": figures.last_success(r.db, connection.organization_id, connection.id),
        "last_failure": figures.last_failure(r.db, connection.organization_id, connection.id),
    }


def _checklist(r: Request) -> list[dict[str, object]]:
    """The owner's way to SSO; what is done is seen in the data, not ticked off."""
    actor = r.member
    links = connections.of_organization(r.db, actor.organization_id)
    steps = [
        ("Upgrade to Enterprise", "SSO is part of the Enterprise plan. Ask sales for it under Settings, Billing.",
         ALLOWANCES[Plan(actor.plan)].sso, "/settings/billing"),
        ("Verify your domain", "Prove that your company's e-mail domain is yours.",
         bool(domains.verified(r.db, actor.organization_id)), None),
        ("Connect your identity provider", "Okta, Microsoft Entra ID, Google Workspace, or any SAML or OIDC one.",
         any(link.state == "active" for link in links), None),
        ("Test with one user", "Sign in once with your work e-mail under Enterprise SSO.",
         any(figures.last_success(r.db, actor.organization_id, link.id) for link in links), None),
    ]  # fmt: skip
    return [{"title": title, "text": text, "done": done, "href": href} for title, text, done, href in steps]


doors = [get("/", home, signed_in=True)]
