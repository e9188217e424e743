"""What browsers report about our pages: that something on one broke the content security policy (WEB-03).

Anybody can send a report and say anything in it, so it is counted under a known name and told in one line of the log,
and no more: not stored, not shown, not believed. Browsers send reports by themselves, without a session or a token.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import structlog
from starlette.responses import PlainTextResponse, Response

from llmops.errors import BodyUnreadable, Failure
from llmops.web import limits
from llmops.web.doors import post
from llmops.web.request import Request
from llmops.web.security import REPORTS_PATH

log = structlog.stdlib.get_logger("llmops.web")

MOST_BYTES = 8 * 1024
MOST_REPORTS = 20
"""In one request; the Reporting API sends what gathered within a minute at once."""

_OLD, _NEW = "application/csp-report", "application/reports+json"
_DIRECTIVES = frozenset(
    f"{name}-src{part}"
    for name in ("default", "script", "style", "img", "font", "connect", "object", "media", "frame", "child", "worker")
    for part in (("", "-elem", "-attr") if name in ("script", "style") else ("",))
) | {"manifest-src", "base-uri", "form-action", "frame-ancestors"}
_WORDS = frozenset(
    {"inline", "eval", "wasm-eval", "self", "about", "data", "blob", "filesystem"}
    | {"chrome-extension", "moz-extension", "safari-extension", "safari-web-extension"}
)
"""What browsers say was blocked where that has no host: how it was given, or its scheme."""
_PATH = re.compile(r"/[A-Za-z0-9/._~-]{0,199}")
_HOST = re.compile(r"[a-z0-9.:_-]{1,253}")
OTHER = "other"


@dataclass(frozen=True)
class Breach:
    """One report, with nothing left in it that somebody else could choose freely but a path and a host."""

    directive: str
    path: str
    blocked: str


def take(r: Request) -> Response:
    """POST /csp-reports: count what broke the policy on pages of ours, and say so in the log."""
    limits.check(r, "csp.reports", limits.address_block(r.ip), most=60, window_seconds=300)
    for breach in read(r.headers.get("content-type", ""), r.body, base_url=r.settings.base_url):
        r.site.metrics.csp_reported(breach.directive)
        log.warning("csp_breach", directive=breach.directive, path=breach.path, blocked=breach.blocked)
    return Response(status_code=204)


def refused(r: Request, failure: Failure) -> Response:
    """The edge of this door: no page, because nobody looks at it."""
    return PlainTextResponse(failure.message, status_code=failure.status)


def read(content_type: str, body: bytes, *, base_url: str) -> list[Breach]:
    """The first MOST_REPORTS reports about pages of ours. Raises: BodyUnreadable.

    Other kinds of reports are left out, and those about other sites' pages: any site may name us in its policy.

    Source: CSP Level 3 §5.3 (application/csp-report), §5 and Reporting API §3.4 (application/reports+json).
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (_OLD, _NEW):
        raise BodyUnreadable(seen=kind[:100], expected=f"{_OLD} or {_NEW}")
    try:
        sent = json.loads(body)
    except (ValueError, RecursionError):  # also what is no UTF-8, numbers of any length, and brackets without end
        raise BodyUnreadable(seen="no JSON") from None
    if kind == _OLD:
        names, told = ("document-uri", "effective-directive", "violated-directive", "blocked-uri"), _old(sent)
    else:
        names, told = ("documentURL", "effectiveDirective", "violatedDirective", "blockedURL"), _new(sent)
    found = (_breach([_text(one.get(name)) for name in names], base_url) for one in told)
    return [breach for breach in found if breach is not None]


def _old(sent: object) -> Iterator[dict[object, object]]:
    report = sent.get("csp-report") if isinstance(sent, dict) else None
    if not isinstance(report, dict):
        raise BodyUnreadable(seen="no csp-report in it")
    yield report


def _new(sent: object) -> Iterator[dict[object, object]]:
    if not isinstance(sent, list):
        raise BodyUnreadable(seen="no list")
    for report in sent[:MOST_REPORTS]:
        if isinstance(report, dict) and report.get("type") == "csp-violation":
            if isinstance(body := report.get("body"), dict):
                yield body


def _breach(said: list[str], base_url: str) -> Breach | None:
    """None when the page is not ours."""
    document, effective, violated, blocked = said
    try:
        page = urlsplit(document)
    except ValueError:
        return None
    if f"{page.scheme}://{page.netloc}" != base_url:
        return None
    directive = (effective or violated).partition(" ")[0]  # old browsers put the directive's sources behind its name
    return Breach(
        directive=directive if directive in _DIRECTIVES else OTHER,
        path=page.path if _PATH.fullmatch(page.path or "/") else OTHER,
        blocked=_origin(blocked),
    )


def _origin(blocked: str) -> str:
    """Scheme and host of an address, never its path or query, which may hold what another site keeps secret."""
    if (word := blocked.partition(":")[0]) in _WORDS:
        return word
    try:
        address = urlsplit(blocked)
        host = address.hostname or ""
    except ValueError:
        return OTHER
    known = address.scheme in ("http", "https", "ws", "wss") and _HOST.fullmatch(host)
    return f"{address.scheme}://{host}" if known else OTHER


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


doors = [post(REPORTS_PATH, take, csrf=False, limit_bytes=MOST_BYTES)]
