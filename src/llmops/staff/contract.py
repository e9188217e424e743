"""What staff do about the contract and the domains of a customer: plan, notes, sales requests, claims."""

from starlette.responses import Response

from llmops.audit.actions import Action
from llmops.billing import sales, subscriptions
from llmops.errors import DomainInvalid, NotFound, NumberInvalid
from llmops.organizations import domains
from llmops.organizations.organization import Organization
from llmops.plans import plan_named
from llmops.staff import console, customer, notes
from llmops.staff.sessions import Colleague
from llmops.web.request import Request, see_other

MOST_SEATS = 1_000_000
_CUSTOMER = "/staff/organizations/{slug}"


def change_plan(r: Request, who: Colleague) -> Response:
    """POST …/plan: plan, seats, price and what else was agreed."""
    found, why = customer.wanted(r), console.reason(r)
    before = subscriptions.of(r.db, found.id)
    after = subscriptions.put_on(
        r.db,
        found,
        plan=plan_named(r.field("plan")),
        seats=_seats(r.field("seats")),
        price=" ".join(r.field("price").split())[:200],
        notes=r.field("notes").strip()[: notes.LONGEST],
        by=who.actor,
        reason=why,
        now=r.now,
    )
    if after.notes != (before.notes if before else ""):  # the customer does not see them, but that they changed
        console.record(r, who, Action.STAFF_NOTED, organization_id=found.id, reason=why)
    return back(found, "plan")


def write_note(r: Request, who: Colleague) -> Response:
    """POST …/note. The text is ours alone; that it was written, and about what, stands in the customer's log."""
    found, about = customer.wanted(r), console.reason(r)
    notes.write(r.db, found.id, staff_id=who.id, text=r.field("text"), now=r.now)
    console.record(r, who, Action.STAFF_NOTED, organization_id=found.id, reason=about)
    return back(found, "note")


def move_request(r: Request, who: Colleague) -> Response:
    """POST …/request: a sales request goes on to another state."""
    found, why = customer.wanted(r), console.reason(r)
    request = sales.get(r.db, r.field("request_id"))
    if request.organization_id != found.id:
        raise NotFound()
    try:
        state = sales.State(r.field("state"))
    except ValueError:
        raise NotFound() from None
    sales.move(r.db, request, state=state, by=who.actor, reason=why, now=r.now)
    return back(found, "request")


def claim_domain(r: Request, who: Colleague) -> Response:
    """POST …/claim: note that the domain is said to be the customer's."""
    found, why = customer.wanted(r), console.reason(r)
    claim(r, who, found, r.field("domain"), why)
    return back(found, "claim")


def claim(r: Request, who: Colleague, found: Organization, typed: str, why: str) -> None:
    """Claim a domain for a customer, if it is not claimed yet. Raises: DomainInvalid."""
    domain = domains.company_domain(typed, personal=r.settings.personal_domains)
    if domains.of(r.db, found.id, domain) is None:
        domains.claim(r.db, found.id, domain=domain, now=r.now)
        console.record(r, who, Action.DOMAIN_CLAIMED, organization_id=found.id, reason=why, target=domain)


def verify_domain(r: Request, who: Colleague) -> Response:
    """POST …/verify: by hand, for a customer that proves the domain in another way than DNS. The owners hear of it."""
    found, why = customer.wanted(r), console.reason(r)
    domain = r.field("domain")
    if domains.of(r.db, found.id, domain) is None:
        raise DomainInvalid(seen=domain, problem="not claimed")
    domains.verify(r.db, found.id, domain=domain, how="staff", now=r.now)
    console.record(r, who, Action.DOMAIN_VERIFIED, organization_id=found.id, reason=why, target=domain, how="staff")
    console.tell_owners(r, who, found.id, template="staff/mail/domain_verified", domain=domain)
    return back(found, "verify")


def back(found: Organization, done: str) -> Response:
    """To the customer's page, which says what is done."""
    return see_other(f"/staff/organizations/{found.slug}?done={done}")


def _seats(typed: str) -> int | None:
    """How many seats the contract says; nothing for what the plan has. Raises: NumberInvalid."""
    text = typed.strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 1 <= int(text) <= MOST_SEATS):
        raise NumberInvalid(seen=text)
    return int(text)


doors = [
    console.act(f"{_CUSTOMER}/plan", change_plan, edge=customer.again),
    console.act(f"{_CUSTOMER}/note", write_note, edge=customer.again),
    console.act(f"{_CUSTOMER}/request", move_request, edge=customer.again),
    console.act(f"{_CUSTOMER}/claim", claim_domain, edge=customer.again),
    console.act(f"{_CUSTOMER}/verify", verify_domain, edge=customer.again),
]
