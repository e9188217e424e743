"""From ASGI to a handler and back: read the body, run the handler in a thread, turn what it raises into an answer."""

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

import structlog
from anyio import CapacityLimiter, fail_after, to_thread
from starlette.requests import ClientDisconnect, cookie_parser
from starlette.requests import Request as HttpRequest
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from llmops.errors import (
    BodyTooLarge,
    Failure,
    HostUnknown,
    IdpUnavailable,
    MethodNotAllowed,
    NotAllowed,
    NotFound,
    Overloaded,
    RescueOnlyRepairs,
    SessionOver,
    Unexpected,
)
from llmops.web.doors import FORM_BYTES, Door, Edge
from llmops.web.failures import as_page
from llmops.web.health import PATHS as HEALTH_PATHS
from llmops.web.intake import Intake
from llmops.web.request import Request, Site, local_path, see_other
from llmops.web.security import check_csrf
from llmops.web.turns import Turns

log = structlog.stdlib.get_logger("llmops.web")

BODY_SECONDS = 30.0


@dataclass(frozen=True)
class Capacity:
    """What all requests of one process share: threads, turns at other people's servers, memory for bodies."""

    threads: CapacityLimiter
    turns: Turns
    intake: Intake

    @classmethod
    def of(cls, threads: int) -> "Capacity":
        """The capacity of a process with so many threads."""
        return cls(CapacityLimiter(threads), Turns(threads), Intake())


class Entrance:
    """The doors of one path, as an ASGI application."""

    def __init__(self, site: Site, doors: Sequence[Door], edge: Edge, capacity: Capacity) -> None:
        self.site, self.edge, self.capacity = site, edge, capacity
        self.route = doors[0].path if doors else "unmatched"  # never what somebody typed: it would be a label each
        self.by_method = {door.method: door for door in doors}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        http = HttpRequest(scope, receive)
        door = self.by_method.get("GET" if http.method == "HEAD" else http.method)
        if door is not None and door.writes and http.method == "HEAD":
            door = None  # a look ahead spends nothing (WEB-02)
        began = time.perf_counter()
        with self.capacity.intake.room() as take:
            refused: Failure | None = None
            try:
                body = await _body(http, door.limit_bytes if door else FORM_BYTES, take)
            except (BodyTooLarge, Overloaded) as failure:
                body, refused = b"", failure
            except (ClientDisconnect, TimeoutError):  # without an answer the server hangs up
                return
            r = self._request(http, door, body)
            response = await self._answered(r, door, refused)
        response.headers["x-request-id"] = r.id
        if r.path not in HEALTH_PATHS:
            seconds = round(time.perf_counter() - began, 4)
            log.info(
                "request",
                method=r.method,
                route=scope["path"],
                status=response.status_code,
                seconds=seconds,
                request_id=r.id,
            )
            self.site.metrics.request(route=self.route, method=r.method, status=response.status_code, seconds=seconds)
        await response(scope, receive, send)

    def _request(self, http: HttpRequest, door: Door | None, body: bytes) -> Request:
        return Request(
            site=self.site,
            method=http.method,
            path=http.scope["path"],
            query_string=http.scope["query_string"].decode("latin-1"),
            headers=_headers(http),
            cookies=_cookies(http),
            body=body,
            peer=http.client.host if http.client else "",
            id=secrets.token_hex(8),
            writes=bool(door and door.writes),
            uploads=bool(door and door.uploads),
        )

    async def _answered(self, r: Request, door: Door | None, refused: Failure | None) -> Response:
        """The answer, made in a thread; one that will wait for other people's servers waits for its turn first."""
        if door is not None and door.asks is not None and refused is None:
            try:
                async with self.capacity.turns.one(door.asks(r)):
                    return await self._in_a_thread(r, door, None)
            except IdpUnavailable as failure:  # its turn did not come in time
                self.site.metrics.limited("turns")
                refused = failure
        return await self._in_a_thread(r, door, refused)

    async def _in_a_thread(self, r: Request, door: Door | None, refused: Failure | None) -> Response:
        return await to_thread.run_sync(self.answer, r, door, refused, limiter=self.capacity.threads)

    def answer(self, r: Request, door: Door | None, refused: Failure | None) -> Response:
        """Everything that is not waiting for the network. Never raises."""
        edge = (door.edge if door else None) or self.edge
        try:
            _check_host(r)
            if not self.by_method or "\0" in r.path:
                raise NotFound()
            if door is None:
                raise MethodNotAllowed(seen=r.method, expected=", ".join(sorted(self.by_method)))
            if refused is not None:
                raise refused
            response = r.run(partial(_through, door))
        except Failure as failure:
            response = _refusal(r, failure, edge)
        except Exception:  # the edge of the program: whatever nobody expected becomes a 500 with a reference
            log.exception("unexpected", request_id=r.id, path=r.path)
            response = _refusal(r, Unexpected(), edge)
        try:
            return r.finish(response)
        except Exception:
            log.exception("unexpected", request_id=r.id, path=r.path)
            return Response(Unexpected.message, status_code=Unexpected.status)


def _through(door: Door, r: Request) -> Response:
    if door.signed_in and r.actor is None:  # first: a form of a session that is over leads to the sign-in page
        return see_other(_sign_in(r, door))
    if door.guard is not None and (answer := door.guard(r)) is not None:
        return answer
    if door.csrf:
        check_csrf(r)
    if door.only and not (r.member.is_owner if door.only == "owner" else r.member.is_admin):
        raise NotAllowed(seen=r.member.role, expected=door.only)
    if door.lasting and r.member.is_rescued:
        raise RescueOnlyRepairs(user=r.member.user_id)
    if door.recent and not r.member.is_fresh(r.now):
        return see_other(f"/confirm?next={door.recent}")
    return door.handler(r)


def _sign_in(r: Request, door: Door) -> str:
    """Where to sign in, and from there back to the page; who loses what they typed is told so."""
    if r.method == "GET":
        return "/login" if r.path == "/" else f"/login?next={r.path}"
    page = door.recent or _page_before(r)
    if not page or len(r.form_pairs) < 2:  # a button alone, such as «Sign out»: nothing was typed
        return "/login"
    return f"/login?{urlencode({'sso_error': SessionOver.code, 'next': page})}"


def _page_before(r: Request) -> str:
    """The path of the page of ours where the form stood; empty when the browser does not say, or it was elsewhere."""
    page = r.headers.get("referer", "")
    if not page.startswith(f"{r.settings.base_url}/"):
        return ""
    return local_path(page.removeprefix(r.settings.base_url).partition("#")[0].partition("?")[0])


def _refusal(r: Request, failure: Failure, edge: Edge) -> Response:
    """The failure as the edge shows it; if even that fails, as plain text. Both count as refusals."""
    log.log(logging.INFO, "refused", code=failure.code, request_id=r.id, path=r.path)
    if isinstance(failure, HostUnknown):  # no page of ours for another site's name
        return Response(f"{failure.message}. {failure.advice}", status_code=failure.status, media_type="text/plain")
    for attempt in (edge, as_page):
        again = r.again(writes=True)
        try:
            response = again.run(partial(_show, attempt, failure))
            if retry := failure.facts.get("retry_after_seconds"):
                response.headers["retry-after"] = retry
            if isinstance(failure, MethodNotAllowed):
                response.headers["allow"] = failure.facts["expected"]  # RFC 9110 §15.5.6
            return again.finish(response) if again._afterwards else response
        except Exception:
            log.exception("edge", request_id=r.id, path=r.path)
    return Response(failure.message, status_code=failure.status, media_type="text/plain")


def _show(edge: Edge, failure: Failure, r: Request) -> Response:
    return edge(r, failure)


def _check_host(r: Request) -> None:
    """Only the configured name is answered (WEB-05). Raises: HostUnknown."""
    seen = r.headers.get("host", "")
    if r.path not in HEALTH_PATHS and seen.lower() != r.settings.host.lower():
        raise HostUnknown(seen=seen, expected=r.settings.host)


def _headers(http: HttpRequest) -> dict[str, str]:
    """The first of each name; all of X-Forwarded-For, because proxies such as HAProxy add a line of their own."""
    hops = http.headers.getlist("x-forwarded-for")
    return dict(http.headers) | ({"x-forwarded-for": ", ".join(hops)} if hops else {})


def _cookies(http: HttpRequest) -> dict[str, str]:
    """The cookies, but for those whose name is not ASCII.

    The parser takes U+0085 and U+00A0 for space, and browsers do not hold `__Host-` against a name that begins with
    one: a sibling domain could set our cookies so (SES-07).
    """
    parts = ";".join(http.headers.getlist("cookie")).split(";")
    return cookie_parser(";".join(part for part in parts if part.partition("=")[0].isascii()))


async def _body(http: HttpRequest, limit_bytes: int, take: Callable[[int], None]) -> bytes:
    """The body, counted while it arrives, for BODY_SECONDS at most. Raises: BodyTooLarge, Overloaded, TimeoutError."""
    chunks, size = [], 0
    with fail_after(BODY_SECONDS):
        async for chunk in http.stream():
            size += len(chunk)
            if size > limit_bytes:
                raise BodyTooLarge(seen=f"over {limit_bytes} bytes")
            take(len(chunk))
            chunks.append(chunk)
    return b"".join(chunks)
