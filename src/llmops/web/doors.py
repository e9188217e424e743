"""A door is one way into the site: method, path, handler, and what must hold before the handler runs.

Each capability ends its `pages.py` with a list of doors; `app.py` joins the lists and says how a failure looks there.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from starlette.responses import Response

from llmops.errors import Failure
from llmops.web.request import Request

Handler = Callable[[Request], Response]
Edge = Callable[[Request, Failure], Response]
"""Turns a failure into an answer; runs in a writing transaction of its own, after the roll-back."""
Guard = Callable[[Request], Response | None]
"""Runs before the handler and the anti-forgery check: an answer in the handler's place, or None. May raise."""
Asks = Callable[[Request], str]
"""Whose servers a request will wait for, as a key of any kind; found without the database."""
Only = Literal["", "admin", "owner"]

FORM_BYTES = 64 * 1024
UPLOAD_BYTES = 1024 * 1024 + FORM_BYTES


@dataclass(frozen=True)
class Door:
    """One method of one path. `csrf` asks for the anti-forgery token; `limit_bytes` bounds the body.

    `only`: the least role that may enter. `recent`: the person must have proven who they are in the last ten minutes
    (SES-12); the page where the form stands, to come back to. `lasting`: it gives somebody a way in that stays, which a
    rescue session does not (TEN-19). `asks`: the handler waits for somebody else's servers, so that only some requests
    may be in it at once (NET-06). `uploads`: the form may carry files.
    """

    method: str
    path: str
    handler: Handler
    writes: bool = False
    signed_in: bool = False
    only: Only = ""
    recent: str = ""
    lasting: bool = False
    csrf: bool = False
    asks: Asks | None = None
    uploads: bool = False
    limit_bytes: int = FORM_BYTES
    guard: Guard | None = None
    edge: Edge | None = None


def get(
    path: str,
    handler: Handler,
    *,
    signed_in: bool = False,
    only: Only = "",
    recent: str = "",
    lasting: bool = False,
    writes: bool = False,
    asks: Asks | None = None,
    guard: Guard | None = None,
    edge: Edge | None = None,
) -> Door:
    """A page. `writes` only for the ways back from an identity provider, which a random state protects."""
    signed_in = signed_in or bool(only)
    return Door(
        "GET", path, handler, writes=writes, signed_in=signed_in, only=only, recent=recent, lasting=lasting,
        asks=asks, guard=guard, edge=edge,
    )  # fmt: skip


def post(
    path: str,
    handler: Handler,
    *,
    signed_in: bool = False,
    only: Only = "",
    recent: str = "",
    lasting: bool = False,
    csrf: bool = True,
    asks: Asks | None = None,
    uploads: bool = False,
    limit_bytes: int = FORM_BYTES,
    guard: Guard | None = None,
    edge: Edge | None = None,
) -> Door:
    """A form. `csrf=False` only for what an identity provider posts here (WEB-01)."""
    return Door(
        "POST", path, handler, writes=True, signed_in=signed_in or bool(only), only=only, recent=recent,
        lasting=lasting, csrf=csrf, asks=asks, uploads=uploads,
        limit_bytes=UPLOAD_BYTES if uploads else limit_bytes, guard=guard, edge=edge,
    )  # fmt: skip
