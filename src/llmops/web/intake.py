"""Memory for the bodies that one process receives and works on: each has a limit of its own, and all have one together.

Without it a thousand slow senders of the largest form would hold a gigabyte (WEB-13).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llmops.errors import Overloaded

MOST_BYTES = 64 * 1024 * 1024
RETRY_SECONDS = 10


class Intake:
    """Counts the bytes of all bodies under way. Used from one event loop only."""

    def __init__(self) -> None:
        self.held_bytes = 0

    @contextmanager
    def room(self) -> Iterator[Callable[[int], None]]:
        """Room for one body. Call the result with the size of each piece, which is held until the block ends.

        The result raises: Overloaded.
        """
        mine = 0

        def take(size: int) -> None:
            nonlocal mine
            if self.held_bytes + size > MOST_BYTES:
                raise Overloaded(seen=self.held_bytes, expected=MOST_BYTES, retry_after_seconds=RETRY_SECONDS)
            self.held_bytes += size
            mine += size

        try:
            yield take
        finally:
            self.held_bytes -= mine
