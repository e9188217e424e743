"""TXT records, from the machine's name servers or from those that the operator names.

The answer is somebody else's text: its records are counted, cut, and only ever compared.
"""

from collections.abc import Callable, Sequence
from ipaddress import ip_address

from dns import exception, resolver
from dns.nameserver import Do53Nameserver

from llmops.errors import OutboundUnreachable

Lookup = Callable[[str], Sequence[str]]
"""Gives the TXT records of a full name, empty when it has none. Raises: OutboundUnreachable."""

TRY_SECONDS = 3.0
TOTAL_SECONDS = 5.0
MOST_RECORDS = 50
MOST_CHARACTERS = 1000
_PORT = 53


def txt_lookup(servers: Sequence[str] = ()) -> Lookup:
    """A look-up that asks these servers (`address` or `address:port`); without any, the machine's own.

    Raises: ValueError, for what is not such an address.
    """
    asked = [server_of(server) for server in servers]

    def look_up(name: str) -> Sequence[str]:
        return _txt(name, asked)

    return look_up


def server_of(text: str) -> tuple[str, int]:
    """Address and port of a name server, as `192.0.2.1`, `192.0.2.1:5353`, `2001:db8::1` or `[2001:db8::1]:5353`.

    Raises: ValueError.
    """
    host, port = text, ""
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    return str(ip_address(host)), int(port) if port else _PORT


def _txt(name: str, servers: Sequence[tuple[str, int]]) -> Sequence[str]:
    """Ask afresh: no cache, no search list (another domain's answer must not count), a limit for the whole wait."""
    try:
        asking = resolver.Resolver(configure=not servers)
        if servers:
            asking.nameservers = [Do53Nameserver(host, port) for host, port in servers]
        asking.timeout, asking.lifetime = TRY_SECONDS, TOTAL_SECONDS
        answer = asking.resolve(f"{name.rstrip('.')}.", "TXT", search=False)
    except (resolver.NXDOMAIN, resolver.NoAnswer):
        return ()
    except (exception.DNSException, OSError) as error:
        raise OutboundUnreachable(host=name, reason=f"dns: {type(error).__name__}") from error
    records = [b"".join(record.strings) for record in answer][:MOST_RECORDS]
    return [record[:MOST_CHARACTERS].decode("ascii", "replace") for record in records]
