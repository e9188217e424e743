"""How a failure looks: as a page. The sign-in page has an edge of its own, in `signin/pages.py`."""

from starlette.responses import Response

from llmops.errors import Failure
from llmops.web.render import alert, render
from llmops.web.request import Request


def as_page(r: Request, failure: Failure) -> Response:
    """A page of its own with the sentence, what to do, who can repair it, the code and the request's id."""
    return render(
        r, "web/error.html", status=failure.status, alert=alert(failure, ref=r.id), status_code=failure.status
    )
