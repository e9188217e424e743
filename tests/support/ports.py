"""A port of this machine that nobody uses."""

import socket


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago; another program may still be faster."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
