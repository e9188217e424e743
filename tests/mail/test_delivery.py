"""Letters: through a real mail server, later when it is down, never twice and never lost."""

import json
import threading

import pytest
from support.mailbox import mailbox
from support.ports import free_port
from world import World

from llmops.app import worker_of
from llmops.jobs import queue
from llmops.jobs.worker import Worker
from llmops.mail import letters
from llmops.settings import Smtp


def send(world: World, to: str = "ann@acme.test", name: str = "Acme") -> None:
    with world.database.writing() as db:
        letters.send(
            db, world.site.sealer, world.settings, to=to, template="provisioning/mail/linked", now=world.clock.now,
            organization_name=name, when="now",
        )  # fmt: skip


def test_a_letter_arrives_by_smtp(make_world) -> None:
    with mailbox() as box:
        world = make_world(smtp=Smtp(host="127.0.0.1", port=box.port, security="none"))
        send(world)
        assert worker_of(world.site).work_once() == 1
        letter = box.wait_for("ann@acme.test", "connected")
        assert {part.get_content_type() for part in letter.walk()} >= {"text/plain", "text/html"}
        assert letter["Auto-Submitted"] == "auto-generated"


def test_a_letter_waits_while_the_server_is_down(make_world) -> None:
    port = free_port()
    world = make_world(smtp=Smtp(host="127.0.0.1", port=port, security="none", timeout_seconds=2))
    send(world)
    worker = worker_of(world.site)
    worker.work_once()
    assert worker.work_once() == 0
    assert world.value("SELECT attempts FROM jobs") == 1
    for _ in range(queue.MOST_ATTEMPTS):
        world.clock.advance(hours=1, minutes=1)
        worker.work_once()
    assert world.value("SELECT count(*) FROM jobs WHERE dead_at IS NOT NULL") == 1


@pytest.mark.requirement("SEC-01")
def test_a_letter_in_the_queue_is_sealed(world: World) -> None:
    send(world, name="Very Secret Name")
    assert "Secret" not in world.value("SELECT payload FROM jobs")


def test_no_job_is_done_twice_by_two_workers(world: World) -> None:
    for number in range(20):
        send(world, to=f"p{number}@acme.test")
    done: list[str] = []

    def deliver(payload: str) -> None:
        done.append(json.loads(payload)["to"])

    workers = [Worker(world.database, world.site.sealer, world.clock, {letters.JOB: deliver}) for _ in range(3)]
    threads = [threading.Thread(target=worker.work_once) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == sorted(set(done))
    assert len(done) == 20


@pytest.mark.requirement("PWD-16")
def test_names_cannot_add_headers(world: World) -> None:
    send(world, name="Acme\r\nBcc: evil@evil.test")
    [letter] = world.letters("ann@acme.test")
    assert letter["Bcc"] is None
