"""Does a sign-in cost more in a large installation? 100,000 connections and 1,000,000 people against 100 and 1,000.

Both databases of a kind are asked in turns, in this process, so that the ratio holds on any machine.
`python -m bench scale`.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import SecretStr
from sqlalchemy import insert, text
from support.postgres import postgres
from world import START, Clock, World, request_id_of

from llmops.accounts.identities import Identity
from llmops.accounts.users import User
from llmops.broker.connections import Connection
from llmops.db.engine import Database, connect
from llmops.db.tables import Base
from llmops.migrations import history
from llmops.organizations.domains import Domain
from llmops.organizations.members import Member
from llmops.organizations.organization import Organization

SMALL, LARGE = 100, 100_000
PEOPLE_EACH = 10
ROUNDS, SIGN_INS = 15, 10
MOST_RATIO = 1.2
_BATCH = 5_000


def report(folder: Path, *, small: int = SMALL, large: int = LARGE) -> Iterator[str]:
    """The lines of the page."""
    yield (
        f"Milliseconds on the wall for one later sign-in with all its requests, the identity provider's signing"
        f" included, in this process: the median of {ROUNDS} rounds of {SIGN_INS}, in turns. Each connection has an"
        f" organization with a verified domain and {PEOPLE_EACH} people.\n"
    )
    yield f"| database | {small:,} connections | {large:,} connections | ratio (at most {MOST_RATIO:g}) | verdict |"
    yield "| --- | --- | --- | --- | --- |"
    names = {small: "small", large: "large"}
    yield _line("SQLite", {size: connect(f"sqlite:///{folder}/{name}.sqlite3") for size, name in names.items()}, folder)
    with postgres() as server:
        yield _line("PostgreSQL", {size: connect(server.fresh()) for size in names}, folder)


def _line(name: str, databases: Mapping[int, Database], folder: Path) -> str:
    took: dict[int, list[float]] = {size: [] for size in databases}
    with ExitStack() as stack:
        sign_ins = {}
        for size, database in databases.items():
            stack.callback(database.close)
            world = _world(database, folder / name / str(size), size)
            stack.callback(world.close)
            sign_ins[size] = _signing_in(world)
        for _ in range(ROUNDS):
            for size, sign_in in sign_ins.items():
                took[size].append(_milliseconds(sign_in))
    few, many = (median(times) for times in took.values())
    verdict = "met" if many / few <= MOST_RATIO else "missed"
    return f"| {name} | {few:.2f} ms | {many:.2f} ms | {many / few:.2f} | {verdict} |"


def _world(database: Database, folder: Path, customers: int) -> World:
    """An installation with so many customers, and one more, who signs in."""
    history.upgrade(database)
    fill(database, customers)
    folder.mkdir(parents=True)
    secret = (SecretStr("a secret of the benchmark that is long enough 0123456789"),)
    return World(database, folder, clock=Clock(START), changes={"secret_key": secret})


def fill(database: Database, customers: int) -> None:
    """Customers with a verified domain, an active connection and ten people each, straight into the tables."""
    for first in range(0, customers, _BATCH):
        numbers = range(first, min(first + _BATCH, customers))
        with database.writing() as db:
            for entity, row in _ROWS.items():
                db.execute(insert(entity.table()), [row(number) for number in numbers])
            people = [(number, person) for number in numbers for person in range(PEOPLE_EACH)]
            for entity, row_of_person in _ROWS_OF_PEOPLE.items():
                db.execute(insert(entity.table()), [row_of_person(*pair) for pair in people])
    with database.writing() as db:
        db.execute(text("ANALYZE"))  # PostgreSQL does it by itself, but perhaps only after the measurement


def _signing_in(world: World) -> Callable[[], None]:
    """One whole sign-in of somebody who was here before, each time in a new browser."""
    connection, numbers = world.saml(world.organization()), count()

    def sign_in() -> None:
        number = next(numbers)
        visitor = world.visitor(peer=f"198.18.{number // 250}.{number % 250}")
        request_id = request_id_of(world.depart(visitor))
        answer = world.response(connection, request_id, assertion_id=f"_{request_id}")
        landed = visitor.follow(world.post_response(visitor, connection, answer))
        assert landed.status == 200, f"{landed.status} at {landed.url}"
        assert "sso_error" not in landed.url, landed.url

    sign_in()
    return sign_in


def _milliseconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    for _ in range(SIGN_INS):
        work()
    return 1000 * (time.perf_counter() - began) / SIGN_INS


_NOW = datetime(2026, 1, 1, tzinfo=UTC)
_ROWS: Mapping[type[Base], Callable[[int], dict[str, Any]]] = {
    Organization: lambda n: {
        "id": f"org-{n}", "slug": f"customer-{n}", "name": f"Customer {n}", "plan": "enterprise", "created_at": _NOW,
    },
    Domain: lambda n: {
        "id": f"dom-{n}", "organization_id": f"org-{n}", "domain": f"customer{n}.test", "dns_token": "x",
        "created_at": _NOW, "verified_at": _NOW, "verified_how": "operator",
    },
    Connection: lambda n: {
        "id": f"conn-{n}", "organization_id": f"org-{n}", "kind": "GenericSAML", "state": "active", "created_at": _NOW,
        "contacts": [], "attribute_map": {}, "idp_entity_id": f"https://idp{n}.test", "idp_certificates": [],
        "sign_requests": False, "publish_encryption": False, "allow_unsolicited": False, "want_signed": "any",
        "provider": {}, "jwks": {},
    },
}  # fmt: skip
_ROWS_OF_PEOPLE: Mapping[type[Base], Callable[[int, int], dict[str, Any]]] = {
    User: lambda n, p: {
        "id": f"user-{n}-{p}", "email": f"person{p}@customer{n}.test", "first_name": "Ann", "last_name": f"Lee {p}",
        "email_verified_at": _NOW, "created_at": _NOW,
    },
    Member: lambda n, p: {
        "id": f"om-{n}-{p}", "organization_id": f"org-{n}", "user_id": f"user-{n}-{p}", "role": "member",
        "status": "active", "joined_how": "sso", "joined_at": _NOW,
    },
    Identity: lambda n, p: {
        "id": f"ident-{n}-{p}", "connection_id": f"conn-{n}", "subject": f"person{p}", "user_id": f"user-{n}-{p}",
        "linked_at": _NOW, "last_used_at": _NOW,
    },
}  # fmt: skip
