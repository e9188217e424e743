"""What surrounds every page of the portal: the organization, the steps, the time left; and how failures look there."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from llmops.broker.portal import steps
from llmops.broker.portal.sessions import Visit, visit
from llmops.broker.portal.steps import RailStep, Situation
from llmops.errors import Failure, PortalClosed
from llmops.web.render import alert, render
from llmops.web.request import Request


@dataclass(frozen=True)
class Frame:
    """The values of base_portal.html."""

    organization_name: str
    title: str
    steps: tuple[RailStep, ...]
    here: str
    expires_at: datetime
    time_left: str

    @property
    def number(self) -> int:
        """Which step is open, counted from 1; 0 for none of them."""
        return next((number for number, step in enumerate(self.steps, start=1) if step.is_here), 0)

    @property
    def before(self) -> RailStep | None:
        """The step before the one that is open."""
        return self.steps[self.number - 2] if self.number > 1 else None

    @property
    def after(self) -> RailStep | None:
        """The step after the one that is open."""
        return steps.following(self.steps, self.here)


def frame(r: Request, visiting: Visit, *, here: str, found: Situation | None = None) -> Frame:
    """The frame of a page; `here` is the key of its step. `found` saves a query where the page has it already."""
    standing = found or steps.situation(r.db, visiting.organization_id)
    return Frame(
        organization_name=visiting.organization_name,
        title=visiting.intent.label,
        steps=steps.rail(visiting, standing, here=here, now=r.now),
        here=here,
        expires_at=visiting.link_expires_at,
        time_left=_time_left(visiting.link_expires_at - r.now),
    )


def in_portal(r: Request, failure: Failure) -> Response:
    """The edge of the portal's doors: in its frame for whoever is inside, else on a page of its own.

    That one leads to no sign-in page: who comes with a link has no account.
    """
    try:
        visiting = visit(r)
    except PortalClosed:
        return render(r, "broker/portal/closed.html", status=failure.status, alert=alert(failure, ref=r.id))
    return render(
        r,
        "broker/portal/failure.html",
        status=failure.status,
        alert=alert(failure, ref=r.id),
        portal=frame(r, visiting, here=""),
    )


def _time_left(left: timedelta) -> str:
    days, hours = left.days, left.seconds // 3600
    if days:
        return f"{days} day{'s' if days > 1 else ''}"
    return f"{hours} hour{'s' if hours > 1 else ''}" if hours else f"{left.seconds // 60} minutes"
