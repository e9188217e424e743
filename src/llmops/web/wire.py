"""HTTP as uvicorn speaks it, with limits before there is a request: size, number and patience for its head.

uvicorn's own protocol takes headers of any length and waits for them for ever (WEB-13). What comes after the head, the
body, is bounded in `web/serving.py`; what comes between two requests by uvicorn's `timeout_keep_alive`.
"""

import asyncio
from functools import partial
from typing import Any

from starlette.responses import PlainTextResponse
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

URL_BYTES = 8 * 1024
HEAD_BYTES = 32 * 1024
"""Request line and headers. Browsers send 1 KiB; an identity provider's code and state may take a few more."""
MOST_HEADERS = 100
HEAD_SECONDS = 10.0
"""From a connection's first moment, or a further request's first byte, to the end of the head."""

_URL_TOO_LONG = (414, "The address is too long.")
_HEAD_TOO_LARGE = (431, "The headers are too large.")


class LimitedHttp(HttpToolsProtocol):
    """One connection of a client. Used by one event loop."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.url, self.headers = b"", []
        self._deadline: asyncio.TimerHandle | None = None
        self._unparsed = 0  # bytes since the head began, as long as it has no end

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        super().connection_made(transport)
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_ended()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_head()
        super().data_received(data)
        if self._deadline is not None and not self.transport.is_closing():
            self._unparsed += len(data)
            if self._unparsed > HEAD_BYTES:
                self._hang_up(*self._refusal() or _HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        self._head_ended()
        if refusal := self._refusal():
            status, sentence = refusal
            self.app = PlainTextResponse(sentence, status, {"connection": "close"})
        super().on_headers_complete()

    def _refusal(self) -> tuple[int, str] | None:
        if len(self.url) > URL_BYTES:
            return _URL_TOO_LONG
        size = sum(len(name) + len(value) for name, value in self.headers)
        return _HEAD_TOO_LARGE if len(self.headers) > MOST_HEADERS or size > HEAD_BYTES else None

    def _expect_head(self) -> None:
        self._unparsed = 0
        self._deadline = self.loop.call_later(HEAD_SECONDS, partial(self._hang_up, 408, "The request took too long."))

    def _head_ended(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _hang_up(self, status: int, sentence: str) -> None:
        """Answer without a request, if anything of one came, and close."""
        self._head_ended()
        if self.transport.is_closing():
            return
        if self._unparsed:
            head = f"HTTP/1.1 {status} \r\ncontent-type: text/plain\r\ncontent-length: {len(sentence)}\r\n"
            self.transport.write(f"{head}connection: close\r\n\r\n{sentence}".encode())
        self.transport.close()
