"""What a connection may send before there is a request, and for how long it may take its time. Over real sockets."""

import asyncio
from collections.abc import Sequence

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from llmops.web import wire
from llmops.web.wire import HEAD_BYTES, MOST_HEADERS, URL_BYTES, LimitedHttp

pytestmark = pytest.mark.requirement("WEB-13")
GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
PATIENCE = 3.0


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    body = await Request(scope, receive).body()
    await PlainTextResponse(f"answered {len(body)}")(scope, receive, send)


async def _talk(pieces: Sequence[bytes | float]) -> bytes:
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, timeout_keep_alive=1)
    config.load()
    loop, state = asyncio.get_running_loop(), ServerState()
    server = await loop.create_server(lambda: LimitedHttp(config, state, {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    heard = b""
    try:
        for piece in pieces:
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            else:
                writer.write(piece)
        async with asyncio.timeout(PATIENCE):
            while came := await reader.read(65536):
                heard += came
    except TimeoutError:
        heard += b" and waits"
    except ConnectionError:
        pass  # it hung up before everything was sent
    finally:
        writer.close()
        server.close()
    return heard


def talk(*pieces: bytes | float) -> bytes:
    """Send these bytes, with pauses of so many seconds; returns all that came until the server hung up."""
    return asyncio.run(_talk(pieces))


def status(heard: bytes) -> int:
    return int(heard.split(b" ", 2)[1])


def close(*headers: bytes) -> bytes:
    return GET + b"".join(header + b"\r\n" for header in headers) + b"Connection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "code"),
    [
        (close(), 200),
        (close(b"A: " + b"x" * (HEAD_BYTES - 100)), 200),
        (close(b"A: " + b"x" * HEAD_BYTES), 431),
        (close(*[b"A%d: x" % n for n in range(MOST_HEADERS - 2)]), 200),
        (close(*[b"A%d: x" % n for n in range(MOST_HEADERS - 1)]), 431),
        (close().replace(b"GET /", b"GET /" + b"x" * (URL_BYTES - 1)), 200),
        (close().replace(b"GET /", b"GET /" + b"x" * URL_BYTES), 414),
    ],
)
def test_a_head_is_bounded_in_size_and_number(request_bytes: bytes, code: int) -> None:
    assert status(talk(request_bytes)) == code


@pytest.mark.parametrize(
    ("endless", "code"),
    [
        (GET + b"A: " + b"x" * HEAD_BYTES * 2, 431),
        (GET + b"A: x\r\n" * HEAD_BYTES, 431),
        (b"GET /" + b"x" * HEAD_BYTES * 2, 414),
        (b"\r\n" * HEAD_BYTES, 431),
    ],
)
def test_a_head_without_end_is_cut_off(endless: bytes, code: int) -> None:
    half = len(endless) // 2
    heard = talk(endless[:half], 0.05, endless[half:])
    assert not heard or status(heard) == code  # what was still on its way may undo the answer
    assert not heard.endswith(b"waits")


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"\r\n",),
        (GET,),
        (GET, 0.1, b"A: x\r\n", 0.1, b"B: x\r\n", 0.1, b"C: x\r\n", 0.1, b"D"),
        (GET + b"\r\n", 0.05, GET),
        (GET + b"\r\n" + GET,),
    ],
    ids=["silent", "an empty line", "half a head", "drop by drop", "a second head", "a second head at once"],
)
def test_a_head_that_does_not_end_is_not_waited_for(
    pieces: Sequence[bytes | float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.3)
    assert not talk(*pieces).endswith(b"waits")


def test_a_body_may_take_longer_than_a_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "HEAD_SECONDS", 0.1)
    head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
    assert talk(head, 0.3, b"a", 0.1, b"b").endswith(b"answered 2")


def test_a_connection_is_used_again() -> None:
    assert talk(GET + b"\r\n", 0.05, close()).count(b"answered 0") == 2


def test_an_upgrade_to_a_web_socket_is_an_ordinary_request() -> None:
    heard = talk(close(b"Upgrade: websocket", b"Sec-WebSocket-Key: x", b"Sec-WebSocket-Version: 13"))
    assert status(heard) == 200
