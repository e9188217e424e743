"""Who may wait for other people's servers at once, so that servers which do not answer hold up nobody else.

Kept in the memory of one process, whose threads it protects; each replica does the same for its own.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from anyio import CapacityLimiter, fail_after

from llmops.errors import IdpUnavailable

PATIENCE_SECONDS = 5.0
"""How long a request waits for its turn; a crowd at an identity provider that answers gets through in that time."""
MOST_WAITING = 100
"""Requests with one key, inside or waiting. The next one is refused at once."""


class Turns:
    """Half of a process's threads may wait for others in all, half of those with one key (one connection's servers).

    So one silent identity provider leaves turns to those of other customers, and all of them together leave threads
    to everything that asks nobody. Who waits for a turn holds no thread. Used from one event loop only.
    """

    def __init__(self, threads: int) -> None:
        in_all = max(1, threads // 2)
        self._of_one = max(1, in_all // 2)
        self._all = CapacityLimiter(in_all)
        self._at: dict[str, CapacityLimiter] = {}
        self._users: Counter[str] = Counter()

    @asynccontextmanager
    async def one(self, key: str) -> AsyncIterator[None]:
        """Wait for a turn with this key, and have it for the length of the block.

        Raises: IdpUnavailable, when it does not come in time.
        """
        if self._users[key] >= MOST_WAITING:
            raise _busy()
        mine = self._at.setdefault(key, CapacityLimiter(self._of_one))
        self._users[key] += 1
        try:
            async with AsyncExitStack() as held:
                try:
                    with fail_after(PATIENCE_SECONDS):
                        await held.enter_async_context(mine)  # first: who waits for its own takes no common turn
                        await held.enter_async_context(self._all)
                except TimeoutError:
                    raise _busy() from None
                yield
        finally:
            self._users[key] -= 1
            if not self._users[key]:  # anybody can make up keys
                del self._users[key], self._at[key]


def _busy() -> IdpUnavailable:
    return IdpUnavailable(problem="busy", retry_after_seconds=round(PATIENCE_SECONDS))
