"""Settings → Subscription → Billing: the plan, what the others include, and the way to sales."""

from dataclasses import asdict

from starlette.responses import Response

from llmops.base.clock import readable
from llmops.billing import contact_form, sales, subscriptions
from llmops.billing.sales import SalesRequest, State
from llmops.mail import letters
from llmops.organizations import members, organization
from llmops.plans import ALLOWANCES, COMPARISON, Plan
from llmops.web import limits
from llmops.web.doors import get, post
from llmops.web.render import render
from llmops.web.request import Request, see_other

PAGE = "/settings/billing"
FORM = f"{PAGE}/contact-sales"
_HOUR = 3600
_PERSONAL = "This is a mail provider's domain. You can go on, but single sign-on will need a domain of your company."
_FLASHES = {
    "asked": "Your request is on its way to sales, and a copy to you.",
    "open": "Your organization's request is with sales already.",
    "enterprise": "Your organization is on the Enterprise plan already.",
}
_STATES = {
    State.NEW: ("With sales", "Our sales team will contact you."),
    State.IN_TALKS: ("In talks", "Our sales team is in touch with you."),
    State.WON: ("Agreed", "The request led to a contract."),
    State.DECLINED: ("Closed", "The request was closed without a contract. You can send another one."),
}


def billing(r: Request) -> Response:
    """GET /settings/billing."""
    found = organization.get(r.db, r.member.organization_id)
    plan, latest = Plan(found.plan), sales.latest_for(r.db, found.id)
    compared = sorted(ALLOWANCES, key=lambda each: each is not plan)  # theirs first: a phone shows one beside the rows
    return render(
        r,
        "billing/billing.html",
        plan=ALLOWANCES[plan],
        has_sso=ALLOWANCES[plan].sso,
        contract=subscriptions.of(r.db, found.id),
        seats=organization.seats_of(found),
        seats_taken=members.active_count(r.db, found.id),
        titles=[ALLOWANCES[each].title for each in compared],
        rows=[(row, [value(ALLOWANCES[each]) for each in compared]) for row, value in COMPARISON],
        request=_shown(r, latest) if latest is not None else None,
        sales_email=r.settings.sales_email,
        flash=_FLASHES.get(r.query("done") or ""),
    )


def contact(r: Request) -> Response:
    """GET /settings/billing/contact-sales: the form, filled in with what we know."""
    return _instead(r) or _form(r, contact_form.prefilled(r.db, r.member, r.settings))


def ask(r: Request) -> Response:
    """POST /settings/billing/contact-sales: store the request, write to sales, and send the person a copy.

    The copy goes to the address the person signs in with, whatever was typed: otherwise this form would send mail to
    strangers (PWD-16).
    """
    actor = r.member
    limits.check(r, "sales.ask", actor.organization_id, most=20, window_seconds=_HOUR)
    if (answer := _instead(r)) is not None:
        return answer
    typed = {name: r.field(name)[: contact_form.LONGEST_TEXT + 500] for name in contact_form.FIELDS}
    checked = contact_form.check(typed, r.settings)
    if checked.details is None:
        return _form(r, typed, errors=checked.errors)
    if checked.personal and not r.field("personal_ok"):
        return _form(r, typed, warning=_PERSONAL)
    request = sales.ask(r.db, actor.organization_id, checked.details, asked_by=actor.user_id, now=r.now, ip=r.ip)
    if request is None:  # sent twice at the same moment
        return see_other(f"{PAGE}?done=open")
    _write(r, request)
    return see_other(f"{PAGE}?done=asked")


def _instead(r: Request) -> Response | None:
    """Where to go when there is nothing to ask for: the page shows why."""
    if sales.open_for(r.db, r.member.organization_id) is not None:
        return see_other(f"{PAGE}?done=open")
    return see_other(f"{PAGE}?done=enterprise") if ALLOWANCES[Plan(r.member.plan)].sso else None


def _write(r: Request, request: SalesRequest) -> None:
    """Sales get the request and answer to the requester; the person gets a copy."""
    actor, told = r.member, asdict(_details(request))
    told |= {name: told[name].splitlines() for name in ("deployment", "message")}  # a letter's values have one line
    told |= {"requester_name": told.pop("name"), "requester_email": told.pop("email")}
    told |= {"slug": actor.organization_slug, "plan": ALLOWANCES[Plan(actor.plan)].title, "when": readable(r.now)}
    told |= {"signed_in_as": actor.email}
    letters.send(
        r.db, r.sealer, r.settings, to=r.settings.sales_email, template="billing/mail/sales_request", now=r.now,
        reply_to=request.email, **told,
    )  # fmt: skip
    letters.send(
        r.db, r.sealer, r.settings, to=actor.email, template="billing/mail/sales_copy", now=r.now,
        reply_to=r.settings.sales_email, sender=actor.user_id, name=actor.name, **told,
    )  # fmt: skip


def _details(request: SalesRequest) -> sales.Details:
    return sales.Details(**{name: getattr(request, name) for name in contact_form.FIELDS})


def _form(
    r: Request, typed: dict[str, str], *, errors: dict[str, str] | None = None, warning: str | None = None
) -> Response:
    return render(
        r,
        "billing/contact_sales.html",
        status=422 if errors else 200,
        typed=typed,
        errors=errors or {},
        personal_warning=warning,
        identity_providers=[("", "Choose one"), *((one, one) for one in contact_form.IDENTITY_PROVIDERS)],
    )


def _shown(r: Request, request: SalesRequest) -> dict[str, object]:
    state = State(request.state)
    title, text = _STATES[state]
    asked_by = members.name_of(r.db, request.organization_id, request.asked_by)
    return {
        "title": title,
        "text": text,
        "is_open": state.is_open,
        "asked_at": request.asked_at,
        "asked_by": asked_by or "Somebody who left",
        "moved_at": request.moved_at,
    }


doors = [
    get(PAGE, billing, only="admin"),
    get(FORM, contact, only="owner"),
    post(FORM, ask, only="owner"),
]
