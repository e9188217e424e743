"""Calls an ASGI application in this process, through the whole stack and without a port."""

from types import TracebackType

import anyio
import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from starlette.types import ASGIApp, Message, Scope


class Inside(httpx2.BaseTransport):
    """A transport for `Visitor`. One event loop lives as long as the transport, like a server's."""

    def __init__(self, app: ASGIApp, *, peer: str = "198.51.100.7") -> None:
        self.app, self.peer = app, peer
        self._portal_context = start_blocking_portal()
        self._portal: BlockingPortal = self._portal_context.__enter__()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request through the application."""
        status, headers, body = self._portal.call(self._call, request)
        return httpx2.Response(status, headers=headers, content=body, request=request)

    def close(self) -> None:
        """End the event loop."""
        self._portal_context.__exit__(None, None, None)

    def __exit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self.close()

    async def _call(self, request: httpx2.Request) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        body = request.read()
        url = request.url
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.partition(b"?")[0],
            "query_string": url.query,
            "root_path": "",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": (self.peer, 50000),
            "server": (url.host, url.port or 443),
        }
        answer: dict[str, object] = {"status": 500, "headers": []}
        chunks: list[bytes] = []
        sent = anyio.Event()

        async def receive() -> Message:
            if sent.is_set():
                return {"type": "http.disconnect"}
            sent.set()
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer.update(status=message["status"], headers=list(message["headers"]))
            else:
                chunks.append(message.get("body", b""))

        await self.app(scope, receive, send)
        return answer["status"], answer["headers"], b"".join(chunks)
