"""A customer's page at the staff console: everything that one needs with the customer on the telephone."""

from dataclasses import dataclass
from datetime import datetime

from starlette.responses import Response

from llmops.audit import reading
from llmops.audit.actions import Action
from llmops.audit.reading import Wanted
from llmops.billing import sales, subscriptions
from llmops.broker import certificates, connections, logins
from llmops.broker.certificates import Expiry
from llmops.broker.connections import Connection, Kind
from llmops.broker.logins import Login
from llmops.broker.portal import links
from llmops.broker.portal.links import Intent, PortalLink
from llmops.dashboard import audit_entries, figures
from llmops.dashboard.audit_entries import Line
from llmops.dashboard.figures import LastFailure
from llmops.errors import Failure, NotFound, OrganizationUnknown, Unexpected, by_code
from llmops.organizations import domains, members, organization, roster
from llmops.organizations.organization import Organization, seats_of
from llmops.organizations.roles import Role
from llmops.organizations.roster import View
from llmops.plans import ALLOWANCES, Plan
from llmops.signin import enforcement
from llmops.staff import confirmations, console, notes, people, sessions
from llmops.staff.sessions import Colleague
from llmops.web.request import Request

MOST_ENTRIES = 50
_SIGN_INS = (Action.SIGNED_IN, Action.SIGNED_OUT, Action.CONFIRMED)
"""What everybody does every day. Ways in for an emergency are none of these."""
LIVES_DAYS = (1, 3, 7, 14, 30)
_DONE = {
    "plan": "The contract is changed.",
    "note": "The note is kept.",
    "request": "The sales request has moved on.",
    "claim": "The domain is claimed.",
    "verify": "The domain counts as verified.",
    "resend": "A new link is on its way. The one before works no more.",
    "revoke": "The link works no more, and whoever was in is out.",
    "enforce": "Single sign-on is compulsory from now on.",
    "relax": "Asked. A colleague must confirm it within a day.",
    "confirm": "Passwords work beside single sign-on again.",
    "withdraw": "Withdrawn. Single sign-on stays compulsory.",
}


@dataclass(frozen=True)
class LinkRow:
    """A portal link as the table shows it."""

    link: PortalLink
    purpose: str
    kind: str
    state: str
    made_by: str

    @property
    def is_open(self) -> bool:
        """Whether there is anything to revoke."""
        return self.state in ("made", "sent", "opened", "done")


@dataclass(frozen=True)
class ConnectionRow:
    """A connection as the page shows it: no secret, only whether there is one (ADM-05)."""

    connection: Connection
    kind: str
    identity_provider: str
    expiries: list[tuple[Expiry, int]]
    last_success_at: datetime | None
    last_failure: LastFailure | None
    secret_set: bool


@dataclass(frozen=True)
class LoginRow:
    """An attempt as the list shows it."""

    at: datetime
    how: str
    outcome: str
    message: str
    code: str
    name: str


def wanted(r: Request) -> Organization:
    """The customer in the address. Raises: NotFound."""
    try:
        return organization.with_slug(r.db, r.path.split("/")[3])
    except OrganizationUnknown:
        raise NotFound() from None


def show(r: Request, who: Colleague) -> Response:
    """GET /staff/organizations/{slug}."""
    return page(r, who, wanted(r))


def again(r: Request, failure: Failure) -> Response:
    """The edge of every form on the page: the page once more, with what was typed and what is wrong with it."""
    who = sessions.colleague(r)
    if who is None or isinstance(failure, NotFound | Unexpected):
        return console.failed(r, failure)
    return page(r, who, wanted(r), failure=failure)


def page(r: Request, who: Colleague, customer: Organization, *, failure: Failure | None = None) -> Response:
    """The page itself."""
    form = r.path.rpartition("/")[2] if failure else ""
    readable = failure is not None and r.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
    return console.show(
        r,
        who,
        "staff/organization.html",
        status=failure.status if failure else 200,
        failure=failure,
        form=form,
        typed=dict(r.form_pairs) if readable else {},
        flash=_DONE.get(r.query("done") or "") if r.method == "GET" else None,
        now=r.now,
        customer=customer,
        **_contract(r, customer),
        **_people(r, customer),
        **_sign_in(r, who, customer),
        timeline=_timeline(r, customer),
        with_sign_ins=_with_sign_ins(r),
    )


def _contract(r: Request, customer: Organization) -> dict[str, object]:
    named = people.names(r.db)
    return {
        "plans": [(plan, ALLOWANCES[plan].title) for plan in Plan],
        "subscription": subscriptions.of(r.db, customer.id),
        "seats": seats_of(customer),
        "requests": sales.of_organization(r.db, customer.id),
        "states": [(state, state.replace("_", " ").capitalize()) for state in sales.State],
        "notes": [(note, named.get(note.staff_id, note.staff_id)) for note in notes.of_organization(r.db, customer.id)],
    }


def _people(r: Request, customer: Organization) -> dict[str, object]:
    owners, _ = roster.listed(r.db, customer.id, View(role=Role.OWNER))
    _, total = roster.listed(r.db, customer.id, View(), most=1)
    return {"owners": owners, "members_total": total, "members_active": members.active_count(r.db, customer.id)}


def _sign_in(r: Request, who: Colleague, customer: Organization) -> dict[str, object]:
    pending = confirmations.waiting(r.db, customer.id, now=r.now)
    named = people.names(r.db)
    return {
        "domains": domains.of_organization(r.db, customer.id),
        "connections": [_connection(r, one) for one in connections.of_organization(r.db, customer.id)],
        "links": [_link(r, one, named) for one in links.of_organization(r.db, customer.id)],
        "kinds": [(kind.value, kind.label) for kind in Kind],
        "intents": [(intent.value, intent.label) for intent in Intent if intent is not Intent.SETUP_SSO],
        "lives": [(str(days), f"{days} {'day' if days == 1 else 'days'}") for days in LIVES_DAYS],
        "conditions": enforcement.conditions(r.db, customer, now=r.now),
        "effect": enforcement.effect(r.db, customer),
        "pending": pending,
        "pending_by": named.get(pending.asked_by, pending.asked_by) if pending else "",
        "pending_is_mine": pending is not None and pending.asked_by == who.id,
        "logins": [_login(one) for one in logins.recent(r.db, customer.id, most=20)],
    }


def _timeline(r: Request, customer: Organization) -> list[Line]:
    """The last entries of the customer's audit log, as they read them; sign-ins only with `?sign_ins=1`."""
    wanted = Wanted(without=() if _with_sign_ins(r) else _SIGN_INS)
    return audit_entries.lines(r.db, customer.id, reading.search(r.db, customer.id, wanted, most=MOST_ENTRIES))


def _with_sign_ins(r: Request) -> bool:
    return r.method == "GET" and r.query("sign_ins") == "1"


def _connection(r: Request, connection: Connection) -> ConnectionRow:
    return ConnectionRow(
        connection=connection,
        kind=Kind(connection.kind).label,
        identity_provider=connection.idp_entity_id or connection.issuer or "",
        expiries=[(expiry, expiry.days_left(r.now)) for expiry in certificates.of(connection)],
        last_success_at=figures.last_success(r.db, connection.organization_id, connection.id),
        last_failure=figures.last_failure(r.db, connection.organization_id, connection.id),
        secret_set=connection.client_secret is not None,
    )


def _link(r: Request, link: PortalLink, named: dict[str, str]) -> LinkRow:
    return LinkRow(
        link=link,
        purpose=Intent(link.intent).label,
        kind=Kind(link.kind).label if link.kind else "Their choice",
        state=links.state_of(link, now=r.now),
        made_by=named.get(link.made_by) or members.name_of(r.db, link.organization_id, link.made_by) or link.made_by,
    )


def _login(login: Login) -> LoginRow:
    failure = by_code(login.code) or Unexpected if login.code else None
    outcome = "Failed" if failure else "Signed in" if login.redeemed_at else "Open"
    return LoginRow(
        at=login.started_at,
        how=login.how.replace("_", " "),
        outcome=outcome,
        message=failure.message if failure else "",
        code=login.code or "",
        name=login.ref or login.id,
    )


doors = [console.page("/staff/organizations/{slug}", show)]
