"""The one guarded HTTP client: every call on behalf of an organization goes through a Fetcher.

It keeps no cookies, reads no environment, follows no redirect unless told to, and never shows what a server
answered in a failure.
"""

import ssl
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

import httpcore2
import httpx2

from llmops.base import targets
from llmops.base.addresses import Policy
from llmops.base.connecting import Backend, Resolver, system_resolver
from llmops.base.targets import Target
from llmops.errors import OutboundRefused, OutboundUnreachable, OutboundUnusable

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
LIMIT_BYTES = 1024 * 1024
METADATA_LIMIT_BYTES = 5 * 1024 * 1024
CONNECTIONS = 64
# Shorter than the 5 s after which common servers hang up, so that we seldom write into a closing connection.
KEEPALIVE_SECONDS = 4.0
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True)
class Answer:
    """What a server answered; `body` is decompressed. `content_type` is the header as it came, or empty."""

    status: int
    content_type: str
    body: bytes = field(repr=False)


class Fetcher:
    """Calls servers within a Policy; safe to use from several threads; keeps connections for a few seconds.

    `ca_file` names certificate authorities beside the system's own, by the operator (NET-08). `resolver` is
    for tests. The time limits are in seconds.
    """

    def __init__(
        self,
        policy: Policy,
        *,
        resolver: Resolver = system_resolver,
        ca_file: str | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._policy = policy
        self._connect_seconds = connect_seconds
        self._total_seconds = total_seconds
        self._backends = {scheme: Backend(scheme, policy=policy, resolver=resolver) for scheme in ("https", "http")}
        tls = _tls(ca_file)
        self._pools = {
            scheme: httpcore2.ConnectionPool(
                ssl_context=tls,
                max_connections=CONNECTIONS,
                keepalive_expiry=KEEPALIVE_SECONDS,
                network_backend=backend,
            )
            for scheme, backend in self._backends.items()
        }

    def __call__(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        redirects: int = 0,
        limit_bytes: int = LIMIT_BYTES,
    ) -> Answer:
        """Call `url` and return what it answers, whatever its status; only a plain GET may be redirected.

        Raises: OutboundRefused, OutboundUnreachable, OutboundUnusable (too large, broken encoding).
        Source: NET-01 to NET-05, NET-08.
        """
        assert redirects == 0 or (method == "GET" and form is None)
        ends = time.monotonic() + self._total_seconds
        target = targets.read(url, policy=self._policy)
        for _ in range(redirects + 1):
            answer, location = self._once(method, target, form=form, headers=headers, ends=ends, limit=limit_bytes)
            if redirects == 0 or location is None:
                return answer
            target = targets.follow(target, location, policy=self._policy)
            # Whatever was meant for the first server stays there, above all credentials.
            headers = {name: value for name, value in (headers or {}).items() if name.lower() == "accept"}
        raise OutboundRefused(host=target.host, reason="too-many-redirects")

    def get(
        self,
        url: str,
        *,
        content_types: Collection[str],
        limit_bytes: int = LIMIT_BYTES,
        redirects: int = 0,
    ) -> Answer:
        """Get a document: status 200 and one of the media types `content_types` (lower case), or a failure.

        Raises: OutboundRefused, OutboundUnreachable, OutboundUnusable.
        """
        headers = {"Accept": ", ".join(content_types)}
        answer = self("GET", url, headers=headers, redirects=redirects, limit_bytes=limit_bytes)
        host = targets.read(url, policy=self._policy).host
        if answer.status != 200:
            raise OutboundUnusable(host=host, reason="status", status=answer.status)
        if answer.content_type.partition(";")[0].strip().lower() not in content_types:
            raise OutboundUnusable(host=host, reason="content-type", seen=answer.content_type)
        return answer

    def close(self) -> None:
        """Close every connection."""
        for pool in self._pools.values():
            pool.close()
        for backend in self._backends.values():
            backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _once(
        self,
        method: str,
        target: Target,
        *,
        form: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        ends: float,
        limit: int,
    ) -> tuple[Answer, str | None]:
        """One request without redirects, and the address that it redirects to, if any."""
        connects = min(time.monotonic() + self._connect_seconds, ends)
        # Moments, not durations: see connecting.Backend. Only «pool» is a duration.
        times = {"connect": connects, "read": ends, "write": ends, "pool": self._connect_seconds}
        request = httpx2.Request(
            method,
            target.url(),
            data=dict(form) if form is not None else None,
            headers={"Accept-Encoding": "gzip", "User-Agent": "llmops", **(headers or {})},
            extensions={"timeout": times},
        )
        try:
            response = self._sent(request)
            try:
                location = response.headers.get("location") if response.status_code in _REDIRECTS else None
                body = _body(response, limit=limit, host=target.host)
            finally:
                response.close()
        except (httpcore2.TimeoutException, httpcore2.NetworkError, httpcore2.ProtocolError) as error:
            raise OutboundUnreachable(host=target.host, reason=_reason(error)) from error
        content_type = response.headers.get("content-type", "")
        return Answer(status=response.status_code, content_type=content_type, body=body), location

    def _sent(self, request: httpx2.Request) -> httpx2.Response:
        pool = self._pools[request.url.scheme]
        answer = pool.handle_request(
            httpcore2.Request(
                method=request.method,
                url=str(request.url),
                headers=request.headers.raw,
                content=cast(Iterable[bytes], request.stream),
                extensions=request.extensions,
            )
        )
        return httpx2.Response(answer.status, headers=answer.headers, stream=_Body(answer), request=request)


class _Body(httpx2.SyncByteStream):
    """The bytes of an answer as they arrive."""

    def __init__(self, answer: httpcore2.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        yield from cast(Iterable[bytes], self._answer.stream)

    def close(self) -> None:
        self._answer.close()


def _body(response: httpx2.Response, *, limit: int, host: str) -> bytes:
    """Read and decompress piece by piece, and stop at the limit: a small answer can unpack to a huge one."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    # Also refuses a chain («gzip, gzip, …»), which multiplies the work.
    if encoding not in ("identity", "gzip"):
        raise OutboundUnusable(host=host, reason="encoding")
    body = bytearray()
    try:
        for piece in response.iter_bytes():
            body += piece
            if len(body) > limit:
                raise OutboundUnusable(host=host, reason="too-large", limit=limit)
    except httpx2.DecodingError as error:
        raise OutboundUnusable(host=host, reason="encoding") from error
    return bytes(body)


def _reason(error: Exception) -> str:
    """One word for what went wrong, for the facts of a failure."""
    if isinstance(error, httpcore2.TimeoutException):
        return "timeout"
    return "no-connection" if isinstance(error, httpcore2.ConnectError) else "broken-answer"


def _tls(ca_file: str | None) -> ssl.SSLContext:
    """TLS 1.2 or newer, names checked. `create_default_context` would log keys where SSLKEYLOGFILE says.

    Source: NET-08.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_default_certs()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context
