"""Settings → Security: is single sign-on well, who gets in when it is not, and what waits for an owner."""

from collections.abc import Sequence
from datetime import datetime

from starlette.responses import Response

from llmops.base.sealing import Sealer
from llmops.broker import certificates, connections, drafts
from llmops.broker.connections import Connection, Kind
from llmops.broker.portal import activity, links
from llmops.broker.portal.links import Intent, PortalLink
from llmops.dashboard import figures
from llmops.db.tables import Db
from llmops.organizations import domains, emergency, organization, roster
from llmops.organizations.domains import Domain
from llmops.organizations.organization import Organization, allows_sso
from llmops.organizations.roles import Role
from llmops.organizations.roster import View
from llmops.signin import breakglass, enforcement
from llmops.web.doors import get
from llmops.web.render import render
from llmops.web.request import Request

PAGE = "/settings/security"
ATTENTION_DAYS = 30
_LINKS_SHOWN = 10
_FLASHES = {
    "link": "The Admin Portal link is on its way.",
    "revoked": "The Admin Portal link no longer works.",
    "approved": "The changed connection is live.",
    "rejected": "The change is thrown away. The live connection stays as it is.",
    "contacts": "The IT contacts are saved.",
    "off": "Single sign-on is switched off.",
    "domain": "The domain is added. Publish its TXT record, then check.",
    "verified": "The domain is verified.",
    "removed": "The domain is removed.",
    "named": "The owner can get in when single sign-on is broken.",
    "unnamed": "The owner signs in like everybody else from now on.",
}


def show(r: Request) -> Response:
    """GET /settings/security."""
    return security_page(r)


def security_page(
    r: Request,
    *,
    errors: dict[str, str] | None = None,
    failure: dict[str, str | None] | None = None,
    new_link: str = "",
    typed_contacts: str | None = None,
) -> Response:
    """The page, perhaps with what is wrong in one of its forms, or with a link that is shown this once."""
    found = organization.get(r.db, r.member.organization_id)
    held = connections.of_organization(r.db, found.id)
    shown = [_connection(r.db, connection, r.now) for connection in held if connection.draft_of is None]
    return render(
        r,
        "dashboard/security.html",
        status=422 if errors else 409 if failure else 200,
        errors=errors or {},
        alert=failure,
        new_link=new_link,
        typed_contacts=typed_contacts,
        organization=found,
        login_url=f"{r.settings.base_url}/login/sso/{found.slug}",
        state=_state(found, shown),
        plan_has_sso=allows_sso(found),
        connections=shown,
        waiting=[_waiting(r.db, r.sealer, draft) for draft in held if draft.approval_asked_at is not None],
        domains=[_domain(one) for one in domains.of_organization(r.db, found.id)],
        conditions=enforcement.conditions(r.db, found, now=r.now),
        effect=enforcement.effect(r.db, found),
        owners=_owners(r.db, found.id),
        links=[_link(link, r.now) for link in links.of_organization(r.db, found.id)[:_LINKS_SHOWN]],
        intents=[(intent.value, intent.label) for intent in Intent],
        flash=_FLASHES.get(r.query("done") or "") if r.method == "GET" else None,
    )


def show_activity(r: Request) -> Response:
    """GET /settings/security/activity: the last attempts to sign in through single sign-on."""
    attempts = activity.recent_with_outcome(r.db, r.member.organization_id, now=r.now)
    return render(r, "dashboard/activity.html", attempts=attempts, attempt=None)


def show_attempt(r: Request) -> Response:
    """GET /settings/security/activity/{login_id}: one attempt explained.

    That it was read stands in the audit log (SEC-05); a safe method may leave such a note (RFC 9110 §9.2.1).
    """
    actor = r.member
    start_url = f"{r.settings.base_url}/login/sso/{actor.organization_slug}"
    found = activity.read(r, actor.organization_id, r.path.split("/")[4], by=actor.user_id, start_url=start_url)
    return render(r, "dashboard/activity.html", attempts=[], attempt=found)


def _state(found: Organization, shown: Sequence[dict[str, object]]) -> tuple[str, str]:
    """One word for how single sign-on is, and the tone of its badge."""
    active = [connection for connection in shown if connection["state"] == "active"]
    if any(connection["needs_attention"] for connection in active):
        return "Needs attention", "warning"
    if active:
        return ("Required", "success") if found.sso_enforced_at else ("Active", "success")
    if not shown:
        return "Not set up", "neutral"
    tested = any(connection["tested_at"] for connection in shown)
    return ("Tested, not active yet" if tested else "In progress"), "accent"


def _connection(db: Db, connection: Connection, now: datetime) -> dict[str, object]:
    expiries = certificates.of(connection)
    failure = figures.last_failure(db, connection.organization_id, connection.id)
    success = figures.last_success(db, connection.organization_id, connection.id)
    # Of several certificates the last to expire counts: the others are replaced already.
    ends = {expiry.what: expiry.days_left(now) for expiry in expiries}
    failing = failure is not None and (success is None or failure.at > success)
    return {
        "id": connection.id,
        "name": connection.idp_entity_id or connection.issuer or "Not connected yet",
        "type_name": Kind(connection.kind).label,
        "state": connection.state,
        "tested_at": connection.tested_at,
        "expiries": [(expiry, expiry.days_left(now)) for expiry in expiries],
        "last_success_at": success,
        "last_failure": failure,
        "metadata_url": connection.metadata_url,
        "metadata_failing_since": connection.metadata_failing_since,
        "needs_attention": failing
        or min(ends.values(), default=ATTENTION_DAYS + 1) <= ATTENTION_DAYS
        or connection.metadata_failing_since is not None,
        "contacts": connection.contacts,
    }


def _waiting(db: Db, sealer: Sealer, draft: Connection) -> dict[str, object]:
    """A change that waits for an owner: what is live, and what would be. `seen` says which one they look at."""
    live = connections.get(db, drafts.address_id(draft))
    rows = (
        ("Identity provider", live.idp_entity_id or live.issuer, draft.idp_entity_id or draft.issuer),
        ("Type", Kind(live.kind).label, Kind(draft.kind).label),
        ("Sign-in address", live.idp_sso_url, draft.idp_sso_url),
        ("Client ID", live.client_id, draft.client_id),
        ("Certificates", _fingerprints(live), _fingerprints(draft)),
        ("Metadata address", live.metadata_url, draft.metadata_url),
        ("Attributes read", _mapping(live), _mapping(draft)),
        ("Must be signed", live.want_signed, draft.want_signed),
        ("Sign-ins that the provider begins", _taken(live), _taken(draft)),
    )
    changes = [(what, now or "–", then or "–") for what, now, then in rows if now != then]
    return {
        "id": draft.id,
        "seen": drafts.fingerprint(sealer, draft),
        "asked_at": draft.approval_asked_at,
        "tested_at": draft.tested_at,
        "changes": changes,
    }


def _fingerprints(connection: Connection) -> str:
    names = [expiry.name[:16] for expiry in certificates.of(connection) if expiry.what == "certificate"]
    return ", ".join(sorted(names))


def _mapping(connection: Connection) -> str:
    return ", ".join(f"{field}: {name}" for field, name in sorted(connection.attribute_map.items()))


def _taken(connection: Connection) -> str:
    return "taken" if connection.allow_unsolicited else "refused"


def _domain(domain: Domain) -> dict[str, object]:
    return {
        "domain": domain.domain,
        "verified_at": domain.verified_at,
        "missing_since": domain.missing_since,
        "txt_name": domains.txt_name(domain.domain),
        "txt_value": domains.txt_value(domain),
    }


def _owners(db: Db, organization_id: str) -> list[dict[str, object]]:
    """Every owner, and whether they are named for emergencies and have what it takes."""
    named = {owner.user_id: owner.ready for owner in emergency.named(db, organization_id)}
    rows, _ = roster.listed(db, organization_id, View(role=Role.OWNER, status="active"))
    return [
        {
            "user_id": row.user_id,
            "name": row.name or row.email,
            "email": row.email,
            "named": row.user_id in named,
            "ready": named.get(row.user_id, breakglass.is_ready(db, row.user_id)),
        }
        for row in rows
    ]


def _link(link: PortalLink, now: datetime) -> dict[str, object]:
    return {
        "id": link.id,
        "label": Intent(link.intent).label,
        "state": links.state_of(link, now=now),
        "made_at": link.made_at,
        "expires_at": link.expires_at,
        "contacts": link.contacts,
    }


doors = [
    get(PAGE, show, only="admin"),
    get(f"{PAGE}/activity", show_activity, only="admin"),
    get(f"{PAGE}/activity/{{login_id}}", show_attempt, only="admin"),
]
