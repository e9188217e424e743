"""Who waits for other people's servers takes turns, at one address and in all."""

import anyio
import pytest

from llmops.errors import IdpUnavailable
from llmops.web import turns as patience
from llmops.web.turns import MOST_WAITING, Turns

pytestmark = pytest.mark.requirement("TST-20", "NET-06")


async def _having(turns: Turns, paths: list[str], refused: list[str] | None = None) -> list[str]:
    """Who has a turn, once everybody has asked for one and nobody gives theirs back. `refused` gets who has not."""
    had: list[str] = []

    async def ask(path: str) -> None:
        try:
            async with turns.one(path):
                had.append(path)
                await anyio.sleep_forever()
        except IdpUnavailable as failure:
            if refused is None:
                raise
            refused.append(failure.facts["retry_after_seconds"])

    async with anyio.create_task_group() as group:
        for path in paths:
            group.start_soon(ask, path)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    return sorted(had)


def having(threads: int, paths: list[str]) -> list[str]:
    return anyio.run(_having, Turns(threads), paths)


def test_one_address_has_a_quarter_of_the_threads() -> None:
    assert having(16, ["/a"] * 9 + ["/b"] * 2) == ["/a"] * 4 + ["/b"] * 2


def test_all_together_have_half() -> None:
    assert len(having(16, ["/a"] * 4 + ["/b"] * 4 + ["/c"] * 4)) == 8


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_somebody_always_has_a_turn(threads: int) -> None:
    assert having(threads, ["/a", "/a"]) == ["/a"]


def test_turns_come_back_and_no_address_is_kept() -> None:
    turns = Turns(4)
    for _ in range(3):
        assert anyio.run(_having, turns, ["/a", "/b"]) == ["/a", "/b"]
    assert not turns._at
    assert not turns._users


def test_who_waits_too_long_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.05)
    turns = Turns(4)

    async def stay() -> None:
        async with turns.one("/a"):
            await anyio.sleep_forever()

    async def wait() -> float:
        async with anyio.create_task_group() as group:
            group.start_soon(stay)
            await anyio.wait_all_tasks_blocked()
            began = anyio.current_time()
            with pytest.raises(IdpUnavailable):
                async with turns.one("/a"):
                    pytest.fail("two had a turn")
            async with turns.one("/b"):
                took = anyio.current_time() - began
            group.cancel_scope.cancel()
        return took

    assert anyio.run(wait) < 1
    assert not turns._at


def test_a_crowd_that_waits_has_an_end() -> None:
    refused: list[str] = []
    anyio.run(_having, Turns(4), ["/a"] * (MOST_WAITING + 3), refused)
    assert refused == ["5"] * 3
