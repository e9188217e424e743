"""`/staff`: what waits for somebody. Sales requests by state, second signatures, and what needs attention."""

from starlette.responses import Response

from llmops.billing import sales
from llmops.organizations import organization
from llmops.staff import attention, confirmations, console, people
from llmops.staff.sessions import Colleague
from llmops.web.request import Request


def page(r: Request, who: Colleague) -> Response:
    """GET /staff: the state is in the address."""
    chosen = r.query("state") or ""
    state = chosen if chosen in [*sales.State, "all"] else str(sales.State.NEW)
    return console.show(
        r,
        who,
        "staff/queue.html",
        requests=[
            (one, organization.get(r.db, one.organization_id))
            for one in sales.queue(r.db, state="" if state == "all" else state)
        ],
        state=state,
        states=[(one, one.replace("_", " ").capitalize()) for one in sales.State] + [("all", "All")],
        waiting=_waiting(r, who),
        concerns=attention.concerns(r.db, now=r.now),
    )


def _waiting(r: Request, who: Colleague) -> list[dict[str, object]]:
    """Wishes that take a second person, and whether the person looking can be that."""
    named = people.names(r.db)
    return [
        {
            "customer": organization.get(r.db, one.organization_id),
            "asked_by": named.get(one.asked_by, one.asked_by),
            "asked_at": one.asked_at,
            "reason": one.reason,
            "is_mine": one.asked_by == who.id,
        }
        for one in confirmations.all_waiting(r.db, now=r.now)
    ]


doors = [console.page("/staff", page)]
