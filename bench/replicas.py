"""Two replicas on one database, and a small balancer that hands every connection to the next, as a proxy would."""

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from support.ports import free_port
from support.server import running
from support.visitor import Visitor
from world import Clock, World

from bench import idp
from bench.measure import process_ms
from llmops.broker import connections
from llmops.broker.connections import Addresses
from llmops.db.engine import connect
from llmops.migrations import history

REPLICAS = 2
_SECRET = "a secret of the benchmark that is long enough 0123456789"


@dataclass(frozen=True)
class Stage:
    """The address of the balancer, one SAML connection behind it, and the processes that answer.

    `stale` is a Response of its identity provider, signed as it should be, that answers nothing we asked.
    """

    base_url: str
    ours: Addresses
    pids: Sequence[int]
    stale: str = field(repr=False)

    def visitor(self, address: str) -> Visitor:
        """A new browser at this address, as the proxy passes it on."""
        return Visitor(self.base_url, headers={"X-Forwarded-For": address})

    def spent_ms(self) -> float:
        """Processor time of all replicas so far."""
        return sum(process_ms(pid) for pid in self.pids)


@contextmanager
def staged(folder: Path, database_url: str) -> Iterator[Stage]:
    """The replicas on this database, which is empty, and the balancer."""
    front, ports = free_port(), [free_port() for _ in range(REPLICAS)]
    base_url = f"http://127.0.0.1:{front}"
    database = connect(database_url)
    history.upgrade(database)
    changes = {"base_url": base_url, "secret_key": (SecretStr(_SECRET),)}
    world = World(database, folder / "load", clock=Clock(datetime.now(UTC)), changes=changes)
    ours = connections.addresses(base_url, world.saml(world.organization()).id)
    environment = {
        "LLMOPS_BASE_URL": base_url,
        "LLMOPS_DATABASE_URL": database_url,
        "LLMOPS_DATA_DIR": str(folder / "load"),
        "LLMOPS_SECRET_KEY": _SECRET,
        "LLMOPS_TRUSTED_PROXIES": "127.0.0.1",
    }
    with ExitStack() as stack:
        servers = [
            stack.enter_context(running(environment, log_file=folder / f"replica-{port}.log", port=port))
            for port in ports
        ]
        stack.enter_context(_balancing(front, ports))
        stale = idp.response(ours, "_nobody", person=1, now=datetime.now(UTC))
        yield Stage(base_url, ours, [server.process.pid for server in servers], stale)
    world.close()
    database.close()


@contextmanager
def _balancing(front: int, ports: Sequence[int]) -> Iterator[None]:
    """Hand every connection on this port to the next of these."""
    listener = socket.create_server(("127.0.0.1", front), backlog=128)

    def accept() -> None:
        turn = 0
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return  # the listener was closed
            server = socket.create_connection(("127.0.0.1", ports[turn % len(ports)]))
            turn += 1
            for source, target in ((client, server), (server, client)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or each form waits 40 ms for its body
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)  # wakes accept, which close alone does not
        listener.close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """One direction of one connection, until it ends; then the other one's end is told."""
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for end in (source, target):
            end.close()
