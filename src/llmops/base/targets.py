"""Where a call goes: a URL read strictly, refused at once if no address could make it right."""

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from llmops.base.addresses import Kind, Policy, host_of
from llmops.errors import OutboundRefused

_DEFAULT_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True)
class Target:
    """A URL that passed `read`; `host` is a lower-case name, or an address in its usual spelling."""

    scheme: str
    host: str
    port: int
    path: str

    def url(self) -> str:
        """The URL, rewritten from what was understood of it, so that nobody understands it otherwise."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}{self.path}"


def read(url: str, *, policy: Policy) -> Target:
    """Take a URL apart. What its host resolves to is checked later, when the connection is made.

    Raises: OutboundRefused. Source: NET-01.
    """
    try:
        if not url.isascii() or any(character <= " " or character in "\\\x7f" for character in url):
            raise ValueError("characters")
        parts = urlsplit(url)
        host = host_of(parts.hostname or "")
        port = parts.port if parts.port is not None else _DEFAULT_PORTS[parts.scheme]
    except (ValueError, KeyError) as error:
        raise OutboundRefused(reason="not-a-web-address") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise OutboundRefused(host=host, reason="not-https")
    if "@" in parts.netloc:
        raise OutboundRefused(host=host, reason="user-in-url")
    refusals = [policy.refusal(parts.scheme, port, kind) for kind in Kind]
    if None not in refusals:
        raise OutboundRefused(host=host, reason=refusals[0])
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme=parts.scheme, host=str(host), port=port, path=path)


def origin(url: str | None) -> tuple[str, str] | None:
    """Scheme and host with port of an address, to see whether it leads to somebody else."""
    if url is None:
        return None
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()


def follow(target: Target, location: str, *, policy: Policy) -> Target:
    """Where a redirect leads; it is read like any URL, and never goes from https to http.

    Raises: OutboundRefused. Source: NET-04.
    """
    found = read(urljoin(target.url(), location), policy=policy)
    if target.scheme == "https" and found.scheme != "https":
        raise OutboundRefused(host=found.host, reason="redirect-to-http")
    return found
