"""`llmops work`, real processes: each job once, none lost by a kill, and a clean end."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from support.installation import Installation
from support.mailbox import Mailbox, mailbox
from support.server import INHERITED

from llmops import settings as configuration
from llmops.base import clock
from llmops.db.engine import connect
from llmops.mail import letters
from llmops.settings import Settings

pytestmark = pytest.mark.database
WAIT_SECONDS = 20


def through(product: Installation, port: int) -> Installation:
    """The same, with a relay at this port."""
    smtp = {"HOST": "127.0.0.1", "PORT": str(port), "SECURITY": "none"}
    return replace(product, more={f"LLMOPS_SMTP__{name}": value for name, value in smtp.items()})


@contextmanager
def working(product: Installation) -> Iterator[subprocess.Popen[bytes]]:
    """`llmops work` for the length of the block."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    command = [sys.executable, "-m", "llmops", "work"]
    with (product.folder / "work.log").open("ab") as log:
        process = subprocess.Popen(command, env=inherited | product.environment, stdout=log, stderr=log)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def queue_a_letter(product: Installation) -> None:
    """A letter waits, as a request would leave it."""
    settings = Settings(base_url=product.url, data_dir=product.folder, database_url=product.database_url)
    database = connect(settings.database, pool_size=1)
    with database.writing() as db:
        letters.send(
            db, configuration.sealer(settings), settings, to="pat@acme.test",
            template="accounts/mail/already_registered", now=clock.system(), link=f"{product.url}/login",
        )  # fmt: skip
    database.close()


class Hanging:
    """A relay that takes connections and never says a word."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.connected = threading.Event()
        self._held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                self._held.append(self._listening.accept()[0])
            except OSError:
                return
            self.connected.set()

    def close(self) -> None:
        for one in (self._listening, *self._held):
            one.close()


@pytest.fixture
def relay() -> Iterator[Mailbox]:
    with mailbox() as kept:
        yield kept


def test_it_does_what_the_servers_leave_to_it_and_ends_well(product: Installation, relay: Mailbox) -> None:
    there = through(product, relay.port)
    queue_a_letter(there)
    with replace(there, more={**there.more, "LLMOPS_WORK": "false"}).serving():
        time.sleep(1.5)  # a worker would have looked by now
    assert there.value("SELECT count(*) FROM jobs WHERE attempts = 0") == 1
    with working(there) as process:
        relay.wait_for("pat@acme.test", timeout_seconds=WAIT_SECONDS)
        process.send_signal(signal.SIGTERM)
        assert process.wait(WAIT_SECONDS) == 0
    assert "work ends" in (there.folder / "work.log").read_text()
    assert there.value("SELECT count(*) FROM scheduled_tasks WHERE succeeded_at IS NOT NULL") > 3


def test_once_does_what_is_due_and_ends(product: Installation, relay: Mailbox) -> None:
    there = through(product, relay.port)
    queue_a_letter(there)
    there.llmops("work", "--once")
    assert len(relay.letters) == 1


def test_a_worker_that_is_killed_in_the_middle_of_a_job_loses_it_to_the_next(
    product: Installation, relay: Mailbox
) -> None:
    hanging = Hanging()
    queue_a_letter(through(product, hanging.port))
    with working(through(product, hanging.port)) as process:
        assert hanging.connected.wait(WAIT_SECONDS)
        process.send_signal(signal.SIGKILL)
        process.wait(WAIT_SECONDS)
    hanging.close()
    there = through(product, relay.port)
    there.llmops("work", "--once")
    assert relay.letters == []  # the lease of the dead one still runs
    # two minutes later
    product.sql("UPDATE jobs SET leased_until = '2026-01-01 00:00:00+00:00' WHERE leased_until IS NOT NULL")
    there.llmops("work", "--once")
    assert len(relay.letters) == 1
    assert product.value("SELECT attempts FROM jobs WHERE done_at IS NOT NULL") == 2


def test_told_to_end_it_finishes_the_job_at_hand(product: Installation) -> None:
    slow = Slow()
    queue_a_letter(through(product, slow.port))
    with working(through(product, slow.port)) as process:
        assert slow.connected.wait(WAIT_SECONDS)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert process.poll() is None  # it waits for the relay
        slow.go_on.set()
        assert process.wait(WAIT_SECONDS) == 0
    slow.close()
    assert slow.letters == 1
    assert product.value("SELECT count(*) FROM jobs WHERE done_at IS NOT NULL") == 1


class Slow:
    """A relay that greets only when it may, and then takes a letter."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self.connected, self.go_on = threading.Event(), threading.Event()
        self.letters = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        connection, _ = self._listening.accept()
        self.connected.set()
        self.go_on.wait(WAIT_SECONDS)
        with connection, connection.makefile("rb") as lines:
            connection.sendall(b"220 slow\r\n")
            for line in lines:
                word = line[:4].upper().strip()
                if word == b"DATA":
                    connection.sendall(b"354 go on\r\n")
                    while lines.readline() != b".\r\n":
                        pass
                    self.letters += 1
                connection.sendall(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
                if word == b"QUIT":
                    return

    def close(self) -> None:
        self._listening.close()
        self._thread.join(5)
