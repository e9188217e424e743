"""A door is one way into the site: method, path, handler, and what must hold before the handler runs.

Each capability ends its `pages.py` with a list of doors; `app.py` joins the lists and says how a failure looks there.
"""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from llmops.errors import Failure
from llmops.web.request import Request

Handler = Callable[[Request], Response]
Edge = Callable[[Request, Failure], Response]
"""Turns a failure into an answer; runs in a writing transaction of its own, after the roll-back."""

FORM_BYTES = 64 * 1024


@dataclass(frozen=True)
class Door:
    """One method of one path. `csrf` asks for the anti-forgery token; `limit_bytes` bounds the body.

    `asks`: waits for somebody else's server, so that only some of the threads may be in it at once.
    """

    method: str
    path: str
    handler: Handler
    writes: bool = False
    signed_in: bool = False
    csrf: bool = False
    asks: bool = False
    limit_bytes: int = FORM_BYTES
    edge: Edge | None = None


def get(
    path: str,
    handler: Handler,
    *,
    signed_in: bool = False,
    writes: bool = False,
    asks: bool = False,
    edge: Edge | None = None,
) -> Door:
    """A page. `writes` only for the two ways back from an identity provider, which a random state protects."""
    return Door("GET", path, handler, writes=writes, signed_in=signed_in, asks=asks, edge=edge)


def post(
    path: str,
    handler: Handler,
    *,
    signed_in: bool = False,
    csrf: bool = True,
    limit_bytes: int = FORM_BYTES,
    edge: Edge | None = None,
) -> Door:
    """A form. `csrf=False` only for what an identity provider posts here (WEB-01)."""
    return Door("POST", path, handler, True, signed_in, csrf, limit_bytes=limit_bytes, edge=edge)
