"""Tasks by the clock: when they are due, by one worker at a time, again after a failure, and seen when they stop."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from world import World

from llmops.db.engine import connect
from llmops.jobs import schedule
from llmops.jobs.schedule import Routine, Task
from llmops.jobs.worker import Worker

HOUR = timedelta(hours=1)


class Counted:
    """A routine's work that counts, and fails when told."""

    def __init__(self) -> None:
        self.ran: list[datetime] = []
        self.error: Exception | None = None

    def __call__(self, now: datetime) -> None:
        self.ran.append(now)
        if self.error:
            raise self.error


def worker(world: World, *routines: Routine) -> Worker:
    return Worker(world.database, world.site.sealer, world.clock, {}, routines)


def task(world: World) -> Task:
    with world.database.reading() as db:
        (only,) = schedule.listed(db)
        return only


def test_a_new_task_runs_at_once_and_then_once_in_each_period(world: World) -> None:
    work = Counted()
    one = worker(world, Routine("test", HOUR, work))
    assert one.run_due() == ["test"]
    assert one.run_due() == []
    world.clock.advance(minutes=59)
    assert one.run_due() == []
    world.clock.advance(minutes=1)
    assert one.run_due() == ["test"]
    assert len(work.ran) == 2


def test_jitter_puts_the_next_time_off_but_never_forward(world: World) -> None:
    one = worker(world, Routine("test", HOUR, Counted(), jitter=timedelta(minutes=10)))
    began = world.clock.now
    one.run_due()
    assert began + HOUR <= task(world).due_at <= began + HOUR + timedelta(minutes=10)


def test_of_two_replicas_one_runs_it(world: World, database_url: str) -> None:
    work, began = Counted(), threading.Barrier(2)
    other_database = connect(database_url)
    ran: list[str] = []

    def race(one: Worker) -> None:
        began.wait(10)
        ran.extend(one.run_due())

    workers = [
        Worker(database, world.site.sealer, world.clock, {}, [Routine("test", HOUR, work)])
        for database in (world.database, other_database)
    ]
    threads = [threading.Thread(target=race, args=(one,)) for one in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    other_database.close()
    assert ran == ["test"]
    assert len(work.ran) == 1


def test_while_one_is_at_it_no_other_begins(world: World) -> None:
    other = worker(world, Routine("test", HOUR, Counted()))
    seen: list[Any] = []
    worker(world, Routine("test", HOUR, lambda now: seen.append(other.run_due()))).run_due()
    assert seen == [[]]


def test_a_worker_that_dies_loses_the_task_to_another(world: World) -> None:
    def dies(now: datetime) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        worker(world, Routine("test", HOUR, dies)).run_due()
    work = Counted()
    other = worker(world, Routine("test", HOUR, work))
    assert other.run_due() == []
    world.clock.advance(seconds=schedule.LEASE.total_seconds() + 1)
    assert other.run_due() == ["test"]
    assert len(work.ran) == 1


def test_a_failure_is_tried_again_ever_more_slowly_and_never_later_than_its_period(world: World) -> None:
    work = Counted()
    work.error = OSError("away")
    one = worker(world, Routine("test", HOUR, work))
    pauses = []
    for _ in range(8):
        one.run_due()
        pauses.append((task(world).due_at - world.clock.now) // timedelta(minutes=1))
        world.clock.now = task(world).due_at
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    assert task(world).last_error == "OSError: away"
    assert task(world).failures == 8


def test_a_success_ends_the_row_of_failures(world: World) -> None:
    work = Counted()
    work.error = OSError("away")
    one = worker(world, Routine("test", HOUR, work))
    one.run_due()
    work.error = None
    world.clock.advance(minutes=1)
    one.run_due()
    assert (task(world).failures, task(world).succeeded_at) == (0, world.clock.now)


def test_one_that_fails_does_not_keep_the_next_from_its_turn(world: World) -> None:
    bad, good = Counted(), Counted()
    bad.error = RuntimeError("broken")
    worker(world, Routine("bad", HOUR, bad), Routine("good", HOUR, good)).run_due()
    assert len(good.ran) == 1


@pytest.mark.parametrize(("hours", "stale"), [(0, False), (3, False), (3.1, True)])
def test_a_task_is_stale_after_two_periods_and_an_hour(world: World, hours: float, stale: bool) -> None:
    worker(world, Routine("test", HOUR, Counted())).run_due()
    world.clock.advance(hours=hours)
    assert schedule.is_stale(task(world), HOUR, now=world.clock.now) is stale


def test_a_task_that_never_succeeds_is_stale_after_three_tries(world: World) -> None:
    work = Counted()
    work.error = OSError("away")
    one = worker(world, Routine("test", HOUR, work))
    states = []
    for _ in range(3):
        one.run_due()
        states.append(schedule.is_stale(task(world), HOUR, now=world.clock.now))
        world.clock.now = task(world).due_at
    assert states == [False, False, True]
