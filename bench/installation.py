"""The product's own server in a process of its own, with one customer in its database, and the bare one beside it."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import SecretStr
from support.ports import free_port
from support.server import Server, running
from world import Clock, World

from llmops.broker import connections
from llmops.broker.connections import Addresses
from llmops.db.engine import connect
from llmops.migrations import history
from llmops.organizations.roles import Role

OWNER = "owner@acme.test"
_SECRET = "a secret of the benchmark that is long enough 0123456789"
_BARE = (
    sys.executable,
    "-m",
    "uvicorn",
    "bench.bare:app",
    "--port",
    "{port}",
    "--no-access-log",
    "--log-level",
    "error",
)


@dataclass(frozen=True)
class Installation:
    """A running server, its world seen from inside, and the addresses of its one SAML connection."""

    server: Server
    world: World
    ours: Addresses

    @property
    def pid(self) -> int:
        """The process that answers."""
        return self.server.process.pid


@contextmanager
def installed(database_url: str, folder: Path) -> Iterator[Installation]:
    """A server on a fresh database at this address."""
    folder.mkdir()
    port = free_port()
    base_url = f"http://127.0.0.1:{port}"
    database = connect(database_url)
    history.upgrade(database)
    changes = {"base_url": base_url, "secret_key": (SecretStr(_SECRET),)}
    world = World(database, folder / "data", clock=Clock(datetime.now(UTC)), changes=changes)
    customer = world.organization()
    world.person(OWNER, customer, role=Role.OWNER)
    connection = world.saml(customer)
    environment = {
        "LLMOPS_BASE_URL": base_url,
        "LLMOPS_DATABASE_URL": database_url,
        "LLMOPS_DATA_DIR": str(folder / "data"),
        "LLMOPS_SECRET_KEY": _SECRET,
        "LLMOPS_TRUSTED_PROXIES": "127.0.0.1",  # so that every visitor can have an address of its own
    }
    with running(environment, log_file=folder / "server.log", port=port) as server:
        yield Installation(server, world, connections.addresses(base_url, connection.id))
    world.close()
    database.close()


@contextmanager
def bare(folder: Path) -> Iterator[Server]:
    """The floor of every answer: the same uvicorn, Starlette, and nothing else."""
    with running({}, log_file=folder / "bare.log", command=_BARE) as server:
        yield server
