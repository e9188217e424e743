"""The portal's page about domains: which record to add, whether it was found; and one more domain to claim."""

from starlette.responses import Response

from llmops.broker.portal import links, steps
from llmops.broker.portal.entrance import ACTOR
from llmops.broker.portal.frame import frame
from llmops.broker.portal.links import Intent, Right
from llmops.broker.portal.sessions import Visit, inside, session_key
from llmops.broker.portal.steps import DOMAINS, Situation
from llmops.errors import DomainInvalid, DomainTaken, DomainUnproven, Failure, NotFound, OutboundUnreachable
from llmops.organizations import domains
from llmops.organizations.domains import Domain
from llmops.web.doors import get, post
from llmops.web.render import alert, render
from llmops.web.request import Request, see_other

_FLASHES = {"verified": "The domain is verified.", "added": "The domain is added. Now prove that it is yours."}


def show(r: Request, visiting: Visit) -> Response:
    """GET /portal/domains."""
    return _page(r, visiting, steps.situation(r.db, visiting.organization_id))


def check(r: Request, visiting: Visit) -> Response:
    """POST /portal/domains/check: look for the TXT record of one domain now."""
    with r.looking() as db:
        domain = domains.of(db, visiting.organization_id, r.field("domain"))
    if domain is None:
        raise NotFound(seen=r.field("domain")[:100])
    try:
        domains.prove(r, domain, actor=ACTOR)
    except (DomainUnproven, DomainTaken, OutboundUnreachable) as failure:
        found = steps.situation(r.db, visiting.organization_id)
        return _page(r, visiting, found, failure=failure, at=domain)
    if visiting.intent is Intent.VERIFY_DOMAIN:
        links.done(r.db, visiting.link_id, now=r.now)
    return see_other("/portal/domains?done=verified")


def add(r: Request, visiting: Visit) -> Response:
    """POST /portal/domains: one more domain, while nothing is live; afterwards that is for an owner (TEN-12)."""
    found = steps.situation(r.db, visiting.organization_id)
    if found.live is not None:
        return _page(r, visiting, found, status=409)
    try:
        name = domains.company_domain(r.field("domain"), personal=r.settings.personal_domains)
    except DomainInvalid as failure:
        return _page(r, visiting, found, errors={"domain": failure.message}, typed=r.field("domain")[:253], status=422)
    domains.announce(r.db, visiting.organization_id, domain=name, actor=ACTOR, ip=r.ip, now=r.now)
    return see_other("/portal/domains?done=added")


def _page(
    r: Request,
    visiting: Visit,
    found: Situation,
    *,
    failure: Failure | None = None,
    at: Domain | None = None,
    errors: dict[str, str] | None = None,
    typed: str = "",
    status: int = 200,
) -> Response:
    return render(
        r,
        "broker/portal/domains.html",
        status=failure.status if failure else status,
        portal=frame(r, visiting, here=DOMAINS, found=found),
        domains=[
            {
                "name": domain.domain,
                "txt_name": domains.txt_name(domain.domain),
                "txt_value": domains.txt_value(domain),
                "verified_at": domain.verified_at,
                "missing_since": domain.missing_since,
                "alert": alert(failure) if failure is not None and at is not None and at.id == domain.id else None,
            }
            for domain in found.domains
        ],
        may_prove=visiting.may(Right.DOMAINS),
        may_add=visiting.may(Right.DOMAINS) and found.live is None,
        is_live=found.live is not None,
        typed=typed,
        errors=errors or {},
        flash=_FLASHES.get(r.query("done") or "") if r.method == "GET" else None,
    )


doors = [
    get("/portal/domains", inside(show)),
    post("/portal/domains", inside(add, Right.DOMAINS)),
    post("/portal/domains/check", inside(check, Right.DOMAINS), asks=session_key),
]
