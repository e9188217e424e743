"""Which addresses may be called from here: what an IP address is, and what the operator allows.

A customer types where our server shall connect to; without these rules that is a way into the operator's
network (server-side request forgery).
"""

import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Kind(StrEnum):
    """What an address is to us. FORBIDDEN is never called, whatever the operator allows."""

    GLOBAL = "global"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    FORBIDDEN = "forbidden"


@dataclass(frozen=True)
class Policy:
    """What the operator allows beyond https to global addresses on port 443.

    `allow_private`: private ranges. `allow_loopback`: loopback, there also http and every port. `allow_http`
    (development): http in private ranges too; keys and client secrets travel on these calls. `ports` are allowed
    beside 443.
    """

    allow_private: bool = False
    allow_loopback: bool = False
    allow_http: bool = False
    ports: frozenset[int] = frozenset()

    def refusal(self, scheme: str, port: int, kind: Kind) -> str | None:
        """Why a call may not be made, as one word for the facts of a failure; None if it may.

        Source: NET-01, NET-02.
        """
        if kind is Kind.LOOPBACK and self.allow_loopback:
            return None
        if kind is Kind.FORBIDDEN or kind is Kind.LOOPBACK or (kind is Kind.PRIVATE and not self.allow_private):
            return f"{kind}-address"
        if scheme != "https" and not (kind is Kind.PRIVATE and self.allow_http):
            return "not-https"
        if port in self.ports or port == 443 or (scheme == "http" and port == 80):
            return None
        return "port"


_LOOPBACK = ("127.0.0.0/8", "::1/128")
_PRIVATE = ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
_FORBIDDEN = (
    "0.0.0.0/8",  # «this host»: Linux connects it to loopback
    "169.254.0.0/16",  # link-local, most clouds' metadata
    "192.0.0.0/24",  # protocol assignments; Oracle Cloud's old metadata address
    "192.0.2.0/24",
    "192.88.99.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "100.100.100.200/32",  # Alibaba Cloud's metadata, inside the shared range
    "168.63.129.16/32",  # Azure's host agent, in a global range
    "fd00:ec2::/32",  # Amazon's metadata, inside the private range
    "fd20:ce::254/128",  # Google Cloud's metadata, inside the private range
    "::/96",  # unspecified and IPv4-compatible
    "::ffff:0:0/96",  # IPv4-mapped
    "::ffff:0:0:0/96",  # IPv4-translated
    "64:ff9b::/96",  # NAT64
    "64:ff9b:1::/48",  # NAT64 for local use
    "100::/64",
    "2001::/23",  # protocol assignments, with Teredo
    "2001:db8::/32",
    "2002::/16",  # 6to4
    "3fff::/20",
    "5f00::/16",
    "fe80::/10",
    "fec0::/10",  # site-local
    "ff00::/8",
)
"""Source: IANA IPv4 and IPv6 Special-Purpose Address Registries; the clouds' documentation of their metadata.

Embedded IPv4 addresses are refused as a whole, not unwrapped: no identity provider needs them.
"""

_NETWORKS = [
    (kind, ipaddress.ip_network(network))
    # The exceptions inside a wider range come first.
    for kind, networks in ((Kind.LOOPBACK, _LOOPBACK), (Kind.FORBIDDEN, _FORBIDDEN), (Kind.PRIVATE, _PRIVATE))
    for network in networks
]


def kind_of(address: Address) -> Kind:
    """What an address is; what no list knows and Python does not call global is forbidden."""
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return Kind.FORBIDDEN
    for kind, network in _NETWORKS:
        if address.version == network.version and address in network:
            return kind
    return Kind.GLOBAL if address.is_global else Kind.FORBIDDEN


_NAME = re.compile(r"(?=.{1,253}\Z)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*\Z")


class BadHost(ValueError):
    """Text that is neither a host name nor an address."""


def host_of(text: str) -> str | Address:
    """Read a host, IPv6 without brackets: a lower-case name for the resolver, or the address that it spells.

    Numeric spellings (0x7f.1, 2130706433, 0177.0.0.1) become the address that a system's resolver would make
    of them. Raises: BadHost, for anything else, names in other scripts too (write them as xn--…).
    Source: WHATWG URL §3.5 (a host whose last label is a number is an IPv4 address or nothing).
    """
    if ":" in text:
        return _ipv6(text)
    name = text.lower().removesuffix(".")
    last = name.rpartition(".")[2]
    if last.isdecimal() or re.match(r"0x[0-9a-f]*\Z", last):
        return _numeric(name)
    if not _NAME.match(name):
        raise BadHost("not a host name")
    return name


def _numeric(name: str) -> ipaddress.IPv4Address:
    """One to four numbers, decimal, octal or hexadecimal; the last fills what is left of the 32 bits."""
    *heads, last = [_number(part) for part in name.split(".")]
    if len(heads) > 3 or any(head > 255 for head in heads) or last >= 256 ** (4 - len(heads)):
        raise BadHost("not an IPv4 address")
    value = last
    for place, head in enumerate(heads):
        value += head << 8 * (3 - place)
    return ipaddress.IPv4Address(value)


def _ipv6(text: str) -> ipaddress.IPv6Address:
    try:
        return ipaddress.IPv6Address(text)
    except ValueError as error:
        raise BadHost("not an IPv6 address") from error


def _number(part: str) -> int:
    match = re.match(r"(?:0x(?P<hex>[0-9a-f]*)|(?P<octal>0[0-7]*)|(?P<decimal>[1-9][0-9]*))\Z", part)
    if match is None or len(part) > 20:
        raise BadHost("not a number")
    if match["hex"] is not None:
        return int(match["hex"] or "0", 16)
    return int(match["octal"], 8) if match["octal"] else int(match["decimal"])
