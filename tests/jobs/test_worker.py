"""Workers: each job once, whatever goes wrong in one does not stop the next, and they end when told."""

import threading
from datetime import datetime, timedelta

import pytest
from world import World

from llmops.jobs import queue
from llmops.jobs.schedule import Routine
from llmops.jobs.worker import Handler, Worker

WAIT_SECONDS = 10


def put(world: World, *payloads: str, kind: str = "test") -> None:
    with world.database.writing() as db:
        for payload in payloads:
            queue.put(db, world.site.sealer, kind=kind, payload=payload, now=world.clock.now)


def worker(world: World, handler: Handler, **more: object) -> Worker:
    return Worker(world.database, world.site.sealer, world.clock, {"test": handler}, **more)


def test_everything_due_is_done_once(world: World) -> None:
    put(world, "a", "b", "c")
    done: list[str] = []
    one = worker(world, done.append)
    assert one.work_once() == 3
    assert one.work_once() == 0
    assert sorted(done) == ["a", "b", "c"]


def test_a_slow_relay_does_not_make_another_worker_repeat_the_rest(world: World) -> None:
    """Ten letters of 20 seconds each take longer than a lease; nobody may hold them all for that long."""
    put(world, *"abcdefghij")
    done: list[str] = []
    other = worker(world, done.append)

    def slow(payload: str) -> None:
        world.clock.advance(seconds=20)
        done.append(payload)
        if len(done) == 7:
            other.work_once()

    worker(world, slow).work_once()
    assert sorted(done) == list("abcdefghij")


def test_one_that_fails_is_tried_later_and_the_others_go_on(world: World) -> None:
    put(world, "good", "bad", "good too")
    done: list[str] = []

    def picky(payload: str) -> None:
        if payload == "bad" and world.value("SELECT max(attempts) FROM jobs") < 2:
            raise OSError("no relay")
        done.append(payload)

    one = worker(world, picky)
    assert one.work_once() == 3
    assert sorted(done) == ["good", "good too"]
    assert world.value("SELECT last_error FROM jobs WHERE done_at IS NULL") == "OSError: no relay"
    world.clock.advance(seconds=15)
    one.work_once()
    assert sorted(done) == ["bad", "good", "good too"]


def test_a_worker_that_dies_loses_the_job_to_another(world: World) -> None:
    put(world, "work")
    done: list[str] = []

    def dies(payload: str) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        worker(world, dies).work_once()
    assert worker(world, done.append).work_once() == 0
    world.clock.advance(seconds=queue.LEASE_SECONDS + 1)
    worker(world, done.append).work_once()
    assert done == ["work"]


def test_a_kind_that_nobody_knows_is_kept(world: World) -> None:
    put(world, "work", kind="later.version")
    worker(world, print).work_once()
    assert world.value("SELECT last_error FROM jobs").startswith("KeyError")
    assert world.value("SELECT payload FROM jobs") != ""


def test_a_job_sealed_with_a_lost_key_is_kept(world: World) -> None:
    put(world, "work")
    world.sql("UPDATE jobs SET payload = 'nonsense'")
    done: list[str] = []
    worker(world, done.append).work_once()
    assert done == []
    assert "secret_key_mismatch" in world.value("SELECT last_error FROM jobs")


def test_it_runs_in_its_thread_keeps_to_the_clock_and_stops(world: World) -> None:
    did, ran = threading.Event(), threading.Event()
    put(world, "work")
    routine = Routine("test", timedelta(hours=1), lambda now: ran.set())
    one = worker(world, lambda payload: did.set(), routines=[routine])
    one.start()
    try:
        assert did.wait(WAIT_SECONDS)
        assert ran.wait(WAIT_SECONDS)
    finally:
        one.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "llmops-worker"]


def test_a_worker_that_is_told_to_stop_finishes_one_job_and_leaves_the_rest(world: World) -> None:
    put(world, "a", "b", "c")
    begun, go_on, done = threading.Event(), threading.Event(), []

    def slow(payload: str) -> None:
        begun.set()
        assert go_on.wait(WAIT_SECONDS)
        done.append(payload)

    one = worker(world, slow)
    one.start()
    assert begun.wait(WAIT_SECONDS)
    stopping = threading.Thread(target=one.stop)
    stopping.start()
    go_on.set()
    stopping.join(WAIT_SECONDS)
    assert not stopping.is_alive()
    assert len(done) == 1
    assert world.value("SELECT count(*) FROM jobs WHERE done_at IS NULL AND leased_until IS NULL") == 2


def test_a_database_that_is_away_for_a_while_does_not_end_it(world: World) -> None:
    asked, answered = threading.Event(), threading.Event()
    began = world.clock.now

    def clock() -> datetime:
        if not asked.is_set():
            asked.set()
            raise OSError("the database is away")  # the first thing that the worker's round needs
        return began + timedelta(seconds=1)

    put(world, "work")
    one = Worker(world.database, world.site.sealer, clock, {"test": lambda payload: answered.set()})
    one.start()
    try:
        assert answered.wait(WAIT_SECONDS)
    finally:
        one.stop()
