"""The audit log's chain: whole while only `record` writes, broken by every other change (SEC-07)."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from world import World

from llmops.audit import log, reading
from llmops.audit.actions import Action
from llmops.audit.log import INSTALLATION, START, Entry, hash_of
from llmops.db.tables import many
from llmops.errors import AuditChainBroken

pytestmark = pytest.mark.requirement("SEC-07")
ORGANIZATION = "org_1"


def record(world: World, count: int = 1, organization_id: str | None = ORGANIZATION, **facts: object) -> None:
    for number in range(count):
        with world.database.writing() as db:
            world.clock.advance(seconds=1)
            log.record(
                db, Action.MEMBER_ROLE_CHANGED, organization_id=organization_id, actor="user_1", now=world.clock.now,
                target=f"user_{number}", ip="203.0.113.9", **(facts or {"before": "member", "after": "Ädmin"}),
            )  # fmt: skip


def verify(world: World, chain: str = ORGANIZATION, **options: Any) -> reading.Verified:
    with world.database.reading() as db:
        return reading.verify(db, chain, **options)


def broken(world: World, **options: Any) -> dict[str, str]:
    """The facts with which the chain is said to be broken."""
    with pytest.raises(AuditChainBroken) as caught:
        verify(world, **options)
    return caught.value.facts


def entries(world: World) -> list[Entry]:
    with world.database.reading() as db:
        return list(many(db, Entry, Entry.rows().where(Entry.chain == ORGANIZATION).order_by(Entry.number)))


def test_a_chain_that_nobody_touched_is_whole(world: World) -> None:
    record(world, 5)
    record(world, 2, "org_2")
    record(world, 1, None)
    verified = verify(world)
    assert (verified.entries, verified.last_hash, verified.unchained) == (5, entries(world)[-1].hash, 0)
    assert verify(world, "org_2").entries == 2
    assert verify(world, INSTALLATION).entries == 1


def test_a_chain_without_entries_is_whole(world: World) -> None:
    assert verify(world) == reading.Verified(ORGANIZATION, 0, START, 0)


def test_a_chain_longer_than_a_batch_is_whole(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_BATCH", 3)
    record(world, 7)
    assert verify(world).entries == 7
    world.sql("UPDATE audit_entries SET ip = '' WHERE number = 6")
    assert broken(world)["number"] == "6"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "audit_x"),
        ("at", "2026-11-24 11:00:00+00:00"),
        ("action", "member.left"),
        ("actor", "user_2"),
        ("target", "user_9"),
        ("ip", "203.0.113.8"),
        ("facts", '{"before": "member", "after": "owner"}'),
        ("hash", "0" * 64),
        ("organization_id", "org_2"),
    ],
)
def test_a_changed_entry_is_found(world: World, column: str, value: str) -> None:
    record(world, 5)
    if column == "at":  # each database writes times its own way
        with world.database.writing() as db:
            db.execute(Entry.table().update().where(Entry.number == 3).values(at=world.clock.now - timedelta(hours=1)))
    else:
        world.sql(f"UPDATE audit_entries SET {column} = :value WHERE number = 3", value=value)
    assert broken(world)["number"] == "3"


@pytest.mark.parametrize("number", [1, 3, 5])
def test_a_deleted_entry_is_found(world: World, number: int) -> None:
    record(world, 5)
    world.sql("DELETE FROM audit_entries WHERE number = :number", number=number)
    assert broken(world)["number"] == str(number)


def test_two_swapped_entries_are_found(world: World) -> None:
    record(world, 5)
    for before, after in ((2, 99), (3, 2), (99, 3)):
        world.sql("UPDATE audit_entries SET number = :after WHERE number = :before", before=before, after=after)
    assert broken(world)["number"] == "2"


def forged(world: World, **changes: object) -> dict[str, Any]:
    """An entry as somebody would write it who knows how the hash is made."""
    [*_, last] = entries(world)
    values = vars(last) | {"id": "audit_forged", "number": 6, "at": world.clock.now} | changes
    return values | {"hash": hash_of(values, before=str(last.hash))}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"number": 0},
        {"number": None},
        {"chain": "org_2", "number": 1},
        {"chain": None, "number": None, "late": True},
    ],
    ids=["behind the last", "before the first", "without a number", "in another's chain", "in no chain"],
)
def test_an_inserted_entry_is_found(world: World, changes: dict[str, object]) -> None:
    record(world, 5)
    if changes.pop("late", False):
        world.clock.advance(days=2)
    values = forged(world, **changes)
    with world.database.writing() as db:
        db.execute(Entry.table().insert(), values)
    broken(world)


def test_a_tail_that_was_cut_off_is_found(world: World) -> None:
    record(world, 5)
    world.sql("DELETE FROM audit_entries WHERE number > 3")
    assert broken(world)["number"] == "4"


def test_a_head_that_was_taken_away_is_found(world: World) -> None:
    record(world, 2)
    world.sql("DELETE FROM audit_heads")
    broken(world)


def test_a_chain_made_anew_does_not_fit_the_hash_that_was_noted(world: World) -> None:
    record(world, 5)
    noted = (3, str(entries(world)[2].hash))
    assert verify(world, noted=noted).entries == 5
    world.sql("DELETE FROM audit_entries")
    world.sql("DELETE FROM audit_heads")
    record(world, 2)
    assert verify(world).entries == 2
    assert broken(world, noted=noted)["problem"] == "the entry that was noted is missing"
    record(world, 2)
    assert broken(world, noted=noted) == {
        "number": "3", "chain": ORGANIZATION, "problem": "another hash than was noted"
    }  # fmt: skip


def test_entries_from_before_the_chain_are_counted(world: World) -> None:
    record(world, 2)
    values = forged(world, chain=None, number=None, at=world.clock.now - timedelta(days=30)) | {"hash": None}
    with world.database.writing() as db:
        db.execute(Entry.table().insert(), values)
    assert verify(world).unchained == 1


def test_writers_at_the_same_moment_make_one_chain(world: World) -> None:
    failures: list[Exception] = []

    def write() -> None:
        try:
            for _ in range(5):
                with world.database.writing() as db:
                    db.execute(text("SELECT 1"))
                    log.record(db, Action.SIGNED_IN, organization_id=ORGANIZATION, actor="user_1", now=world.clock.now)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert verify(world).entries <= 30  # whoever looks meanwhile takes no new entry for a forged one
    assert failures == []
    assert verify(world).entries == 30


def test_what_is_rolled_back_leaves_no_gap(world: World) -> None:
    def fail_after_recording() -> None:
        with world.database.writing() as db:
            log.record(db, Action.SIGNED_IN, organization_id=ORGANIZATION, actor="user_1", now=world.clock.now)
            raise RuntimeError

    record(world, 1)
    with pytest.raises(RuntimeError):
        fail_after_recording()
    record(world, 1)
    assert verify(world).entries == 2
