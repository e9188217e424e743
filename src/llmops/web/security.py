"""Anti-forgery tokens, and the headers that every answer carries."""

import base64
import hashlib
import hmac

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from llmops.errors import FormExpired
from llmops.settings import Settings
from llmops.web.request import Request

PORTAL_COOKIE = "__Host-llmops_portal"
STAFF_COOKIE = "__Host-llmops_staff"
"""Sessions that are not people's with an account: the Admin Portal's and the staff console's."""

_FETCH_SITES = ("same-origin", "none", "")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; {reports}; form-action {targets}"
)
REPORTS_PATH = "/csp-reports"
"""Where browsers send what broke the policy; see `web/reports.py`."""

_HEADERS = {
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with no-referrer browsers send "Origin: null" with our own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


def content_security_policy(*, development: bool) -> str:
    """The policy of every page (WEB-03)."""
    return _policy("'self'", development=development)


def leading_to_identity_providers(*, development: bool) -> str:
    """The policy of a page whose form ends at an identity provider.

    Chromium holds `form-action` against every redirect that follows a form, and the identity provider is not known
    when the page is made. See docs/decisions/0004.
    """
    return _policy("'self' https:" + (" http:" if development else ""), development=development)


def _policy(targets: str, *, development: bool) -> str:
    """With both ways to report where the site has https: see docs/decisions/0010."""
    reports = f"report-uri {REPORTS_PATH}" + ("" if development else "; report-to csp")
    return _POLICY.format(reports=reports, targets=targets)


def csrf_token(r: Request) -> str:
    """The token for this browser's forms: tied to its sessions, and to the browser's cookie where nobody signed in.

    The portal's and the staff console's are among them: a form of one customer's portal would else change another's,
    once somebody who looks after both has opened the other link in the same browser.
    """
    held = [r.actor.session_id if r.actor is not None else r.browser]
    held += [cookie for name in (PORTAL_COOKIE, STAFF_COOKIE) if (cookie := r.cookie_then(name))]
    holder = "\0".join(held)
    digest = hmac.new(r.sealer.hashed("csrf", holder).encode(), b"form", hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def check_csrf(r: Request) -> None:
    """Refuse a post that did not come from a form of ours in this browser (WEB-01). Raises: FormExpired."""
    origin = r.headers.get("origin", "")
    if origin not in ("", r.settings.base_url):  # nor "null", which sandboxed frames and foreign redirects send
        raise FormExpired(seen=origin, expected=r.settings.base_url)
    site = r.headers.get("sec-fetch-site", "")
    if site not in _FETCH_SITES:
        raise FormExpired(seen=site, expected="same-origin")
    if not hmac.compare_digest(r.field("csrf_token").encode(), csrf_token(r).encode()):
        raise FormExpired(seen="another token")


class SecurityHeaders:
    """ASGI middleware: every answer has the security headers, errors and static files too (WEB-04)."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.headers = _HEADERS | {"content-security-policy": content_security_policy(development=settings.development)}
        if not settings.development:
            self.headers["reporting-endpoints"] = f'csp="{settings.base_url}{REPORTS_PATH}"'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, then add what it did not set itself."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers)
