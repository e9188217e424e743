"""A thousand connections that say nothing, some that send their headers drop by drop, and slow bodies beside them."""

import resource
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.product import Product, acme, is_in
from support.postgres import Postgres
from support.visitor import Visitor

pytestmark = [pytest.mark.database, pytest.mark.requirement("WEB-13")]
IDLE, DRIPPING, SLOW_BODIES = 1_000, 50, 20
PROMPT_SECONDS = 3.0
"""What a sign-in may take on a busy machine; alone it takes a tenth of a second."""


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process opens the thousand connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 3 * IDLE)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def product(
    postgresql: Postgres | None, template: str | Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    with acme(tmp_path_factory.mktemp("slow"), postgresql, template) as made, made.installation.serving():
        yield made


def opened(product: Product, how_many: int, sent: bytes = b"") -> list[socket.socket]:
    """Connections of clients that send no more than this."""
    made = []
    for _ in range(how_many):
        connection = socket.create_connection(("127.0.0.1", product.installation.port), timeout=5)
        connection.sendall(sent)
        made.append(connection)
    return made


def signed_in(product: Product, how: str) -> float:
    """Seconds that a whole sign-in takes, with a new connection."""
    began = time.monotonic()
    with Visitor(product.url) as visitor:
        if how == "password":
            assert product.sign_in(visitor).status == 303
        else:
            product.saml_sign_in(visitor)
        assert is_in(visitor)
    return time.monotonic() - began


@pytest.mark.usefixtures("many_files")
def test_a_thousand_slow_clients_hold_up_nobody_and_are_sent_away(product: Product) -> None:
    head = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    body = head + b"Content-Length: 1000\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\nemail="
    slow = opened(product, IDLE) + opened(product, DRIPPING, head + b"A: ")
    bodies = opened(product, SLOW_BODIES, body)
    took = {}
    for way in ("password", "saml"):
        for dripping in slow[IDLE:] + bodies:
            dripping.sendall(b"x")
        took[way] = signed_in(product, way)
    assert max(took.values()) < PROMPT_SECONDS, took
    ends = time.monotonic() + 20
    for connection in slow:
        connection.settimeout(max(0.1, ends - time.monotonic()))
        while connection.recv(4096):
            pass  # 408 where something of a request had come
    assert time.monotonic() < ends
    for connection in slow + bodies:
        connection.close()
    assert signed_in(product, "password") < PROMPT_SECONDS
