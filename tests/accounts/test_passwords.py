"""What is kept ready for checking passwords, and how many are checked at once."""

import threading
from collections.abc import Callable
from contextlib import ExitStack

import pytest
from argon2 import PasswordHasher
from world import PASSWORD, World

from llmops.accounts import passwords


def test_hash_for_nobody_costs_as_much_as_any_other() -> None:
    assert passwords._HASHER.check_needs_rehash(passwords._DUMMY) is False
    assert passwords.matches(None, "") is False


def test_list_of_common_passwords_is_whole() -> None:
    common = passwords._common()
    assert len(common) == 30_000
    assert {"123456", "qwertyuiop"} <= common


def rehash(world: World) -> None:
    weak = PasswordHasher(memory_cost=8, time_cost=1, parallelism=1).hash(PASSWORD)
    with world.database.writing() as db:
        passwords.rehash_if_old(db, "user_x", password_hash=weak, password=PASSWORD, now=world.clock.now)


@pytest.mark.requirement("PWD-04")
@pytest.mark.parametrize(
    "work",
    [lambda _: passwords.matches(None, PASSWORD), lambda _: passwords.hashed(PASSWORD, context=()), rehash],
    ids=["check", "set", "re-hash"],
)
def test_at_most_eight_are_hashed_at_once(world: World, work: Callable[[World], object]) -> None:
    thread = threading.Thread(target=work, args=(world,))
    with ExitStack() as others:
        for _ in range(8):
            assert passwords._AT_ONCE.acquire(blocking=False)
            others.callback(passwords._AT_ONCE.release)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
    thread.join(10)
    assert not thread.is_alive()
