"""Stay signed in: what a page's script asks when a session is about to end and somebody is still there.

Source: WCAG 2.2, success criterion 2.2.1.
"""

from starlette.responses import JSONResponse, Response

from llmops.web.doors import get
from llmops.web.request import Request


def stay(r: Request) -> Response:
    """GET /session: how long the session lasts, in seconds. To ask counts as use, as with every page."""
    return JSONResponse({"seconds": seconds_left(r), "more": r.member.ends_unused_at < r.member.ends_at})


def seconds_left(r: Request) -> int:
    """Until the session ends if nothing more comes; zero where nobody is signed in."""
    return int((r.actor.ends_unused_at - r.now).total_seconds()) if r.actor is not None else 0


doors = [get("/session", stay, signed_in=True)]
