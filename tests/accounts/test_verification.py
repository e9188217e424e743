"""One-time links: for one purpose, one subject and a while; two at the same moment never both win."""

import threading
from datetime import timedelta

import pytest
from world import World

from llmops.accounts import verification
from llmops.accounts.verification import LIFE, Purpose
from llmops.errors import LetterSpent


def issue(world: World, purpose: Purpose = Purpose.RESET_PASSWORD, subject: str = "user_1") -> str:
    with world.database.writing() as db:
        return verification.issue(db, world.site.sealer, purpose, subject=subject, payload={}, now=world.clock.now)


def spend(world: World, secret: str, purpose: Purpose = Purpose.RESET_PASSWORD) -> None:
    with world.database.writing() as db:
        verification.spend(db, world.site.sealer, purpose, secret=secret, now=world.clock.now)


@pytest.mark.requirement("SES-13")
def test_a_link_is_spent_once(world: World) -> None:
    secret = issue(world)
    spend(world, secret)
    with pytest.raises(LetterSpent):
        spend(world, secret)


@pytest.mark.requirement("SES-13")
def test_of_many_at_the_same_moment_one_wins(world: World) -> None:
    secret, start, won = issue(world), threading.Barrier(6), []

    def race() -> None:
        start.wait()
        try:
            spend(world, secret)
        except LetterSpent:
            return
        won.append(threading.get_ident())

    threads = [threading.Thread(target=race) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


@pytest.mark.requirement("SES-04", "SES-13")
@pytest.mark.parametrize("purpose", [purpose for purpose in Purpose if purpose is not Purpose.RESET_PASSWORD])
def test_a_link_for_one_purpose_serves_no_other(world: World, purpose: Purpose) -> None:
    secret = issue(world, purpose)
    with pytest.raises(LetterSpent):
        spend(world, secret)
    spend(world, secret, purpose)


@pytest.mark.requirement("SES-13", "TST-14")
@pytest.mark.parametrize("purpose", list(Purpose))
def test_each_purpose_has_its_time(world: World, purpose: Purpose) -> None:
    began = world.clock.now
    in_time, too_late = issue(world, purpose, "user_1"), issue(world, purpose, "user_2")
    world.clock.now = began + LIFE[purpose] - timedelta(seconds=1)
    spend(world, in_time, purpose)
    for seconds in (0, 1):
        world.clock.now = began + LIFE[purpose] + timedelta(seconds=seconds)
        with pytest.raises(LetterSpent):
            spend(world, too_late, purpose)


@pytest.mark.requirement("SES-13", "PWD-08")
def test_a_newer_link_replaces_the_older_of_the_same_subject_and_purpose_only(world: World) -> None:
    old = issue(world)
    others = {
        issue(world, subject="user_2"): Purpose.RESET_PASSWORD,
        issue(world, Purpose.VERIFY_EMAIL): Purpose.VERIFY_EMAIL,
    }
    issue(world)
    with pytest.raises(LetterSpent):
        spend(world, old)
    for secret, purpose in others.items():
        spend(world, secret, purpose)


@pytest.mark.requirement("SES-13", "SEC-02")
def test_only_a_keyed_hash_is_stored(world: World) -> None:
    secret = issue(world)
    stored = world.value("SELECT token_hash FROM one_time_links")
    assert secret not in stored
    with pytest.raises(LetterSpent):
        spend(world, stored)


@pytest.mark.requirement("SES-13")
def test_what_was_never_issued_is_spent(world: World) -> None:
    issue(world)
    for secret in ("", "x", "%", "\0", "A" * 5000):
        with pytest.raises(LetterSpent):
            spend(world, secret)
