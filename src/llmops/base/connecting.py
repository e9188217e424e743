"""Open a connection to exactly the address that was checked, and give up at a fixed moment.

Between a check and a connect that resolves again, an attacker's name server can change its answer (DNS
rebinding). Here one resolution serves both, and every new connection makes its own.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from ssl import SSLCertVerificationError, SSLContext
from typing import Any

import httpcore2

from llmops.base.addresses import Address, Policy, host_of, kind_of
from llmops.errors import OutboundRefused, OutboundUnreachable

Resolver = Callable[[str, int], Sequence[str]]
"""Gives the IP addresses of a host name, for a port. Raises: OSError."""

SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
RESOLVER_THREADS = 8


def system_resolver(host: str, port: int) -> Sequence[str]:
    """What the machine's own resolver says, hosts file and search list included."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Backend(httpcore2.NetworkBackend):
    """Connects for one scheme. Every `timeout` that httpcore2 passes on is a moment of `time.monotonic()`.

    httpcore2 would give each read its own few seconds, so a server that sends a byte now and then could hold
    us for ever; with a moment instead of a duration the whole call ends in time.
    """

    def __init__(self, scheme: str, *, policy: Policy, resolver: Resolver) -> None:
        self._scheme = scheme
        self._policy = policy
        self._resolver = resolver
        # getaddrinfo knows no time limit, so it is waited for from outside.
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="resolve")
        self._plain = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore2.NetworkStream:
        """Resolve, check every address, connect to the first that answers.

        Raises: OutboundRefused, OutboundUnreachable, httpcore2.ConnectError, httpcore2.ConnectTimeout.
        """
        assert timeout is not None
        addresses = self._checked(host, port, until=timeout)
        for place, address in enumerate(addresses):
            seconds = _left(timeout, httpcore2.ConnectTimeout) / (len(addresses) - place)
            try:
                return Stream(self._plain.connect_tcp(str(address), port, seconds, None, socket_options))
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if address is addresses[-1]:
                    raise
        raise OutboundUnreachable(host=host, reason="no-address")

    def _checked(self, host: str, port: int, *, until: float) -> Sequence[Address]:
        """The addresses of a host; one that is not allowed refuses them all.

        Raises: OutboundRefused, OutboundUnreachable. Source: NET-02, NET-03.
        """
        addresses = self._resolved(host, port, until=until)
        for address in addresses:
            refusal = self._policy.refusal(self._scheme, port, kind_of(address))
            if refusal is not None:
                raise OutboundRefused(host=host, reason=refusal)
        return addresses

    def close(self) -> None:
        """Let the resolver's threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _resolved(self, host: str, port: int, *, until: float) -> Sequence[Address]:
        literal = host_of(host)
        if not isinstance(literal, str):
            return [literal]
        answer: Future[Sequence[str]] = self._threads.submit(self._resolver, literal, port)
        try:
            found = answer.result(_left(until, httpcore2.ConnectTimeout))
            return [ipaddress.ip_address(address) for address in found]
        except TimeoutError:
            answer.cancel()
            raise httpcore2.ConnectTimeout("resolver") from None
        except (OSError, ValueError) as error:
            raise OutboundUnreachable(host=host, reason="no-such-name") from error


class Stream(httpcore2.NetworkStream):
    """A connection whose timeouts are moments, as in Backend."""

    def __init__(self, plain: httpcore2.NetworkStream) -> None:
        self._plain = plain

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._plain.read(max_bytes, _left(timeout, httpcore2.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._plain.write(buffer, _left(timeout, httpcore2.WriteTimeout))

    def close(self) -> None:
        self._plain.close()

    def start_tls(
        self, ssl_context: SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        seconds = _left(timeout, httpcore2.ConnectTimeout)
        try:
            return Stream(self._plain.start_tls(ssl_context, server_hostname, seconds))
        except httpcore2.ConnectError as error:
            reason = "certificate" if isinstance(error.__cause__, SSLCertVerificationError) else "tls"
            raise OutboundUnreachable(host=server_hostname, reason=reason) from error

    def get_extra_info(self, info: str) -> Any:  # httpcore2's own signature
        return self._plain.get_extra_info(info)


def _left(until: float | None, failure: type[Exception]) -> float:
    assert until is not None
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise failure("out of time")
    return seconds
