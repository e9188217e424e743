"""The queue: written with the change that wants the work, given to one at a time, never lost."""

from datetime import timedelta

import pytest
from world import World

from llmops.jobs import queue


def put(world: World, payload: str = "work") -> str:
    with world.database.writing() as db:
        return queue.put(db, world.site.sealer, kind="test", payload=payload, now=world.clock.now)


def lease(world: World) -> queue.Job | None:
    with world.database.writing() as db:
        return queue.lease(db, now=world.clock.now)


def fail(world: World, job: queue.Job, error: str = "down") -> None:
    with world.database.writing() as db:
        queue.failed(db, job, error=error, now=world.clock.now)


def test_a_job_and_its_reason_happen_together_or_not_at_all(world: World) -> None:
    def put_and_fail() -> None:
        with world.database.writing() as db:
            queue.put(db, world.site.sealer, kind="test", payload="work", now=world.clock.now)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        put_and_fail()
    assert lease(world) is None


def test_the_oldest_comes_first(world: World) -> None:
    first = put(world)
    world.clock.advance(seconds=1)
    second = put(world)
    jobs = [lease(world), lease(world), lease(world)]
    assert [job.id if job else None for job in jobs] == [first, second, None]


@pytest.mark.parametrize(("seconds", "free"), [(-1, False), (0, False), (1, True)])
def test_a_lease_keeps_others_away_until_it_ends(world: World, seconds: int, free: bool) -> None:
    put(world)
    assert lease(world)
    world.clock.advance(seconds=queue.LEASE_SECONDS + seconds)
    again = lease(world)
    assert (again is not None) == free
    assert again is None or again.attempts == 2


def test_a_finished_job_never_comes_back_and_its_payload_is_gone(world: World) -> None:
    put(world)
    job = lease(world)
    assert job
    with world.database.writing() as db:
        queue.done(db, job.id, now=world.clock.now)
    world.clock.advance(days=1)
    assert lease(world) is None
    assert world.value("SELECT payload FROM jobs") == ""


def test_each_failure_waits_longer_up_to_an_hour(world: World) -> None:
    put(world)
    pauses = []
    for _ in range(queue.MOST_ATTEMPTS - 1):
        job = lease(world)
        assert job
        fail(world, job)
        pause = 0
        while lease(world) is None:
            pause += 15
            world.clock.advance(seconds=15)
        pauses.append(pause)
        world.sql("UPDATE jobs SET attempts = attempts - 1, leased_until = NULL")  # the look above counted as one
    assert pauses == [15, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]


def test_the_twelfth_failure_makes_a_dead_letter_that_is_kept(world: World) -> None:
    put(world)
    for _ in range(queue.MOST_ATTEMPTS):
        job = lease(world)
        assert job
        assert job.dead_at is None
        fail(world, job, error="no relay " + "x" * 600)
        world.clock.advance(hours=1)
    assert lease(world) is None
    world.clock.advance(days=365)
    with world.database.writing() as db:
        queue.forget_old(db, now=world.clock.now)
    assert world.value("SELECT length(last_error) FROM jobs WHERE dead_at IS NOT NULL") == 500
    assert world.value("SELECT payload FROM jobs") != ""


@pytest.mark.parametrize(("days", "left"), [(14, 1), (14.1, 0)])
def test_what_is_done_is_forgotten_after_two_weeks(world: World, days: float, left: int) -> None:
    put(world)
    job = lease(world)
    assert job
    with world.database.writing() as db:
        queue.done(db, job.id, now=world.clock.now)
        queue.forget_old(db, now=world.clock.now + timedelta(days=days))
    assert world.counts()["jobs"] == left


def test_a_job_may_wait_before_it_is_due(world: World) -> None:
    with world.database.writing() as db:
        wait = timedelta(minutes=5)
        queue.put(db, world.site.sealer, kind="test", payload="work", now=world.clock.now, wait=wait)
    assert lease(world) is None
    world.clock.advance(minutes=5)
    assert lease(world)


def test_the_depth_tells_what_waits_since_when_and_what_was_given_up(world: World) -> None:
    began = world.clock.now
    put(world)
    world.clock.advance(seconds=1)
    for column in ("", "dead_at", "done_at"):
        job_id = put(world)
        if column:
            world.sql(f"UPDATE jobs SET {column} = created_at WHERE id = :id", id=job_id)
    with world.database.reading() as db:
        assert queue.depth(db) == queue.Depth(waiting=2, dead=1, due_since=began)


@pytest.mark.requirement("SEC-01", "SEC-04")
def test_what_a_job_is_about_is_sealed_for_that_job(world: World) -> None:
    put(world, "a link with a token")
    other = put(world, "another")
    job = lease(world)
    assert job
    assert "link" not in job.payload
    sealer = world.site.sealer
    assert sealer.unseal(job.payload, place=queue.place(job.id)) == "a link with a token"
    with pytest.raises(Exception, match="secret_key_mismatch"):
        sealer.unseal(job.payload, place=queue.place(other))
