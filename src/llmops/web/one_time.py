"""The token of a one-time link leaves the address at once: into a cookie, and on to the same page without it (SES-14).

So it is in no history entry, no referrer and nobody's screenshot. The page puts it into its form; the button spends
it. The cookie is for that first step, for a reload, and for coming back after signing in.
"""

import re
from typing import Literal

from starlette.responses import Response

from llmops.web.request import Request, see_other

Purpose = Literal["reset", "verify", "link", "invitation", "rescue", "portal", "confirm"]

LIFE_SECONDS = 3600
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,200}")


def arrived(r: Request, purpose: Purpose) -> Response | None:
    """For a GET whose address holds `token`: the answer that takes it out. None when the address is clean."""
    token = r.query("token")
    if token is None:
        return None
    if _TOKEN.fullmatch(token):
        r.set_cookie(cookie(purpose), token, max_age_seconds=LIFE_SECONDS)
    else:
        forget(r, purpose)  # not one of ours: the page must not show an earlier link in its place
    return see_other(r.path)


def token_of(r: Request, purpose: Purpose) -> str:
    """The token that this browser arrived with; empty when there is none."""
    return r.cookies.get(cookie(purpose), "")


def forget(r: Request, purpose: Purpose) -> None:
    """The link is spent: take its cookie away."""
    r.clear_cookie(cookie(purpose))


def cookie(purpose: Purpose) -> str:
    """The name of the cookie. One for each purpose, so that no page takes a link of another."""
    return f"__Host-llmops_{purpose}_link"
