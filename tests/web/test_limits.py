"""Rate limits: counted by the clock, in the database that all replicas share, without keeping addresses."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from world import World

from llmops.web import limits

MakeWorld = Callable[..., World]


def hit(world: World, subject: str = "ann@acme.test", *, scope: str = "test", seconds: int = 300) -> int:
    with world.database.writing() as db:
        return limits.hit(db, world.site.sealer, scope, subject, window_seconds=seconds, now=world.clock.now)


@pytest.mark.requirement("PWD-06")
def test_each_scope_and_subject_counts_for_itself(world: World) -> None:
    assert [hit(world), hit(world), hit(world)] == [1, 2, 3]
    assert hit(world, "bob@acme.test") == 1
    assert hit(world, scope="other") == 1


@pytest.mark.requirement("PWD-06", "TST-14")
@pytest.mark.parametrize(("seconds", "count"), [(-1, 2), (0, 1), (1, 1)])
def test_a_window_ends_to_the_second(world: World, seconds: int, count: int) -> None:
    world.clock.now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    hit(world)
    world.clock.now += timedelta(seconds=300 + seconds)
    assert hit(world) == count


@pytest.mark.requirement("PWD-06")
def test_two_replicas_count_together(make_world: MakeWorld) -> None:
    one, two = make_world(), make_world()
    assert [hit(one), hit(two), hit(one), hit(two)] == [1, 2, 3, 4]


@pytest.mark.requirement("PWD-06")
def test_none_of_many_at_the_same_moment_is_lost(world: World) -> None:
    start, counted = threading.Barrier(6), []

    def race() -> None:
        start.wait()
        counted.extend(hit(world) for _ in range(5))

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counted) == list(range(1, 31))


@pytest.mark.requirement("SEC-02")
def test_no_address_is_kept_in_clear(world: World) -> None:
    hit(world)
    assert "ann" not in world.value("SELECT key FROM rate_counters")
    assert len(world.value("SELECT key FROM rate_counters")) == 64


@pytest.mark.parametrize(("seconds", "left"), [(300, 1), (301, 0)])
def test_counters_that_are_over_are_deleted(world: World, seconds: int, left: int) -> None:
    hit(world)
    with world.database.writing() as db:
        limits.forget_old(db, now=world.clock.now + timedelta(seconds=seconds))
    assert world.counts()["rate_counters"] == left


@pytest.mark.requirement("PWD-06")
@pytest.mark.parametrize(
    ("address", "block"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("", "unknown"),
        ("unix:", "unknown"),
        ("198.51.100.7:1234", "unknown"),
    ],
)
def test_a_block_is_what_one_attacker_holds(address: str, block: str) -> None:
    assert limits.address_block(address) == block
