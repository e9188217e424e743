"""What arrives at the door: headers and cookies that proxies and other sites put there, slow bodies, slow servers."""

import threading
import time
from collections.abc import Mapping

import anyio
import httpx2
import pytest
from oidc import provider as op
from starlette.requests import Request as HttpRequest
from starlette.types import Message
from support.inside import Inside
from world import BASE_URL, World

from llmops.web import serving, turns

HOST = ("host", "llm-ops.test")


@pytest.mark.requirement("PWD-07")
def test_a_proxy_that_adds_its_own_line_is_believed_before_the_clients(make_world) -> None:
    world = make_world(trusted_proxies=("10.0.0.1",))
    transport = Inside(world.app, peer="10.0.0.1")
    lines = [HOST, ("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "198.51.100.9")]
    visitor = world.visitor()
    page = visitor.get("/login")
    world.person("ann@acme.test", world.organization())
    fields = {**page.form("/login").filled(email="ann@acme.test", password="correct horse battery staple")}
    cookies = visitor.cookies.for_request(BASE_URL + "/login", method="POST", cross_site=False)
    lines.append(("cookie", "; ".join(f"{name}={value}" for name, value in cookies.items())))
    answer = transport.handle_request(httpx2.Request("POST", BASE_URL + "/login", headers=lines, data=fields))
    transport.close()
    assert answer.status_code == 303
    assert world.value("SELECT ip FROM sessions") == "198.51.100.9"


@pytest.mark.requirement("SES-07")
@pytest.mark.parametrize("before", [b"\xa0", b"\x85"])
def test_a_sibling_domain_cannot_set_our_cookies(before: bytes) -> None:
    sent = before + b"__Host-llmops_session=theirs; __Host-llmops_browser=ours"
    http = HttpRequest({"type": "http", "headers": [(b"cookie", sent)]})
    assert serving._cookies(http) == {"__Host-llmops_browser": "ours"}


@pytest.mark.requirement("WEB-13")
def test_a_body_that_never_comes_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "BODY_SECONDS", 0.05)
    sent: list[Message] = []

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    async def post() -> None:
        with anyio.fail_after(5):
            await world.app(
                {"type": "http", "method": "POST", "path": "/login", "query_string": b"", "headers": []}, receive, send
            )

    anyio.run(post)
    assert sent == []


@pytest.mark.requirement("NET-06")
def test_identity_providers_that_do_not_answer_leave_threads_to_others(
    make_world, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, free = make_world(threads=2), threading.Event()

    def fetch(*_: object, form: Mapping[str, str] | None = None, **__: object) -> op.Answer:
        free.wait(20)
        return op.Answer(status=503, body=b"")

    world.answering(fetch)
    connection = world.oidc(world.organization(), op.provider(), client_id=op.CLIENT_ID)
    transport, answers = Inside(world.app), []
    monkeypatch.setattr(turns, "PATIENCE_SECONDS", 1.0)

    def come_back(visitor, state: str) -> None:
        url = f"{BASE_URL}/sso/oidc/{connection.id}/callback?code=c&state={state}&iss={op.ISSUER}"
        cookies = visitor.cookies.for_request(url, method="GET", cross_site=False)
        cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
        answers.append(transport.handle_request(httpx2.Request("GET", url, headers=[HOST, ("cookie", cookie)])))

    begun = [(visitor, world.depart(visitor)) for visitor in (world.visitor(), world.visitor())]
    waiting = [
        threading.Thread(target=come_back, args=(visitor, httpx2.URL(url).params["state"])) for visitor, url in begun
    ]
    for thread in waiting:
        thread.start()
    time.sleep(0.2)
    began = time.monotonic()
    answer = transport.handle_request(httpx2.Request("GET", BASE_URL + "/healthz", headers=[HOST]))
    took = time.monotonic() - began
    while not answers and time.monotonic() - began < 10:  # of two that came back one has the turn, the other none
        time.sleep(0.05)
    free.set()
    for thread in waiting:
        thread.join()
    transport.close()
    assert answer.status_code == 200
    assert took < 1
    assert ["sso_error=idp_unavailable" in each.headers["location"] for each in answers] == [True, True]
    assert [each.headers.get("retry-after") for each in answers] == ["1", None]
