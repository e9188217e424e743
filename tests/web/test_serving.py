"""From the network to a handler and back: methods, sizes, hosts, and what happens when something breaks."""

from collections.abc import Callable
from dataclasses import replace

import httpx2
import pytest
from starlette.responses import PlainTextResponse, Response
from support.inside import Inside
from support.ports import free_port
from world import BASE_URL, World

from llmops import app
from llmops.db.engine import connect
from llmops.errors import Failure, NotAllowed
from llmops.web.doors import FORM_BYTES, Door, get
from llmops.web.request import Request

DOORS: list[Door] = [door for _, doors in app.SITE for door in doors]
WRITING_GETS = sorted(door.path for door in DOORS if door.method == "GET" and door.writes)


def call(world: World, method: str, path: str, **more: object) -> httpx2.Response:
    with httpx2.Client(transport=Inside(world.app), trust_env=False) as client:
        return client.request(method, BASE_URL + path, **more)


def serve(
    world: World, monkeypatch: pytest.MonkeyPatch, handler: Callable[[Request], Response], edge: app.Edge = app.as_page
) -> None:
    monkeypatch.setattr(app, "SITE", [*app.SITE, (edge, [get("/try", handler)])])
    world.app = app.application(world.site)


# --- Methods -----------------------------------------------------------------------------------------------


@pytest.mark.requirement("WEB-02")
def test_unknown_methods_are_refused_everywhere(world: World) -> None:
    for path in sorted({door.path for door in DOORS}):
        for method in ("PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "X"):
            answer = call(world, method, path.replace("{slug}", "acme").replace("{connection_id}", "conn_x"))
            assert answer.status_code == 405, (method, path)
            assert set(answer.headers["allow"].split(", ")) == {door.method for door in DOORS if door.path == path}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", "/", "GET"), ("GET", "/signup/resend", "POST"), ("HEAD", "/signup/resend", "POST")],
)
def test_a_known_method_at_the_wrong_door_is_told_the_right_one(
    world: World, method: str, path: str, allowed: str
) -> None:
    answer = call(world, method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)


def test_head_answers_like_get(world: World) -> None:
    for path in ("/login", "/healthz", "/", "/nowhere", "/static/app.css"):
        head, page = call(world, "HEAD", path), call(world, "GET", path)
        assert head.status_code == page.status_code
        assert head.headers["content-type" if page.status_code != 303 else "location"]


@pytest.mark.requirement("WEB-02", "SES-14")
def test_a_look_ahead_by_head_spends_nothing(world: World) -> None:
    world.organization("Acme")
    before = world.counts()
    for path in WRITING_GETS:
        answer = call(world, "HEAD", path.replace("{slug}", "acme").replace("{connection_id}", "conn_x") + "?code=x")
        assert answer.status_code == 405
    assert world.counts() == before


@pytest.mark.requirement("WEB-02")
def test_only_the_starts_and_returns_of_single_sign_on_write_on_get() -> None:
    assert WRITING_GETS == [
        "/login/sso/callback",
        "/login/sso/{slug}/start",
        "/sso/oidc/{connection_id}/callback",
        "/sso/test/{login_id}",
    ]


# --- Sizes -------------------------------------------------------------------------------------------------


@pytest.mark.requirement("WEB-13")
@pytest.mark.parametrize(("size", "status"), [(FORM_BYTES, 403), (FORM_BYTES + 1, 413)])
def test_a_form_has_64_kibibytes_at_most(world: World, size: int, status: int) -> None:
    answer = call(
        world, "POST", "/signup", content=b"a=" + b"x" * (size - 2),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )  # fmt: skip
    assert answer.status_code == status


@pytest.mark.requirement("WEB-13")
def test_every_form_has_a_limit(world: World) -> None:
    before = world.counts()
    for door in [door for door in DOORS if door.method == "POST"]:
        answer = call(
            world, "POST", door.path.replace("{connection_id}", "conn_x"), content=b"x" * (door.limit_bytes + 1),
            headers={"content-type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        assert answer.status_code == 413, door.path
    assert world.counts() == before


def test_a_body_at_an_address_that_is_not_there_is_a_404(world: World) -> None:
    assert call(world, "POST", "/nowhere", data={"a": "b"}).status_code == 404
    assert call(world, "POST", "/nowhere", content=b"x" * 100_000).status_code == 404


def test_a_body_with_a_get_changes_nothing(world: World) -> None:
    assert call(world, "GET", "/login", content=b"a=b").status_code == 200


# --- Hosts -------------------------------------------------------------------------------------------------


@pytest.mark.requirement("WEB-05")
def test_one_host_is_answered(world: World) -> None:
    expected = {"llm-ops.test": 200, "LLM-OPS.TEST": 200} | dict.fromkeys(
        ["llm-ops.test.", "llm-ops.test:443", "llm-ops.test:80", "www.llm-ops.test", "evil.test",
         "llm-ops.test@evil.test", "llm-ops.test, evil.test", "127.0.0.1", "localhost", "[::1]"], 421,
    )  # fmt: skip
    answers = {host: call(world, "GET", "/login", headers={"host": host}) for host in expected}
    assert {host: answer.status_code for host, answer in answers.items()} == expected
    assert not [host for host, answer in answers.items() if "evil.test" in answer.text]


@pytest.mark.requirement("WEB-05")
def test_nothing_in_an_answer_is_made_from_the_host(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    headers = {"X_Forwarded_Host": "evil.test", "X_Forwarded_Proto": "http", "Forwarded": "host=evil.test"}
    page = visitor.get("/login/forgot", **headers)
    sent = visitor.post("/login/forgot", page.form("/login/forgot").filled(email="pat@acme.test"), **headers)
    assert "evil.test" not in sent.html
    assert world.link("pat@acme.test", "/login/reset").startswith("/login/reset?token=")


# --- When something breaks ---------------------------------------------------------------------------------


@pytest.mark.requirement("WEB-12")
def test_a_fault_on_the_sign_in_page_is_shown_there_and_not_sent_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(r: Request) -> None:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("llmops.web.request.Request.query", broken)
    answer = call(world, "GET", "/login")
    assert answer.status_code == 500
    assert answer.headers["x-request-id"] in answer.text
    assert "secret detail" not in answer.text
    assert "Traceback" not in answer.text


@pytest.mark.requirement("WEB-12", "SAML-41")
def test_if_even_the_error_page_breaks_it_is_still_a_refusal(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Response:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr("llmops.web.serving.as_page", broken)
    serve(world, monkeypatch, broken, edge=broken)
    answer = call(world, "GET", "/try")
    assert (answer.status_code, answer.text) == (500, "Something went wrong on our side")


@pytest.mark.requirement("WEB-12")
def test_work_for_afterwards_that_breaks_is_a_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(db: object) -> None:
        raise RuntimeError("a secret detail")

    def handler(r: Request) -> Response:
        r.afterwards(broken)
        return PlainTextResponse("done")

    serve(world, monkeypatch, handler)
    answer = call(world, "GET", "/try")
    assert answer.status_code == 500
    assert "done" not in answer.text
    assert "secret detail" not in answer.text


@pytest.mark.requirement("WEB-12")
def test_an_error_page_shows_our_sentence_and_none_of_the_facts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(r: Request) -> Response:
        raise NotAllowed(seen="a secret detail")

    serve(world, monkeypatch, handler)
    answer = call(world, "GET", "/try")
    assert answer.status_code == 403
    assert "Your role does not allow that" in answer.text
    assert "not_allowed" in answer.text
    assert "secret detail" not in answer.text


def test_a_list_of_doors_shows_its_failures_in_its_own_way(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def edge(r: Request, failure: Failure) -> Response:
        return PlainTextResponse(f"as text: {failure.code}", status_code=418)

    def handler(r: Request) -> Response:
        raise NotAllowed

    serve(world, monkeypatch, handler, edge=edge)
    answer = call(world, "GET", "/try")
    assert (answer.status_code, answer.text) == (418, "as text: not_allowed")


def test_each_answer_has_a_number_of_its_own(world: World) -> None:
    numbers = {
        call(world, "GET", path).headers["x-request-id"] for path in ("/login", "/login", "/nowhere", "/healthz")
    }
    assert len(numbers) == 4


def test_a_number_that_the_client_sends_is_not_taken(world: World) -> None:
    answer = call(world, "GET", "/login", headers={"X-Request-ID": "mine"})
    assert answer.headers["x-request-id"] != "mine"


# --- Health ------------------------------------------------------------------------------------------------


def test_health_tells_alive_ready_and_version(world: World) -> None:
    assert call(world, "GET", "/healthz").text == "ok"
    assert call(world, "GET", "/readyz").json() == {"ready": True}
    assert set(call(world, "GET", "/version").json()) == {"version"}


@pytest.mark.requirement("WEB-12")
def test_without_its_database_it_is_alive_and_not_ready(world: World) -> None:
    away = connect(f"postgresql+psycopg://somebody:secret@127.0.0.1:{free_port()}/nowhere")
    world.app = app.application(replace(world.site, database=away))
    assert call(world, "GET", "/healthz").status_code == 200
    answer = call(world, "GET", "/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)
    assert answer.json()["reasons"] == {"database": "OperationalError"}
    assert "secret" not in answer.text
    assert call(world, "GET", "/signup").status_code == 200
    away.close()


def test_with_an_older_schema_it_is_not_ready(world: World) -> None:
    world.sql("UPDATE alembic_version SET version_num = '0001'")
    answer = call(world, "GET", "/readyz")
    assert (answer.status_code, list(answer.json()["reasons"])) == (503, ["schema"])
    assert answer.json()["reasons"]["schema"].startswith("0001 in place of ")


def test_with_keys_that_its_secret_does_not_open_it_is_not_ready(world: World) -> None:
    assert call(world, "GET", "/readyz").status_code == 200
    world.sql("UPDATE cookie_keys SET sealed = 'nonsense'")
    world.site.keyring.forget()
    answer = call(world, "GET", "/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, {"keys": "SecretKeyMismatch"})


@pytest.mark.requirement("SEC-06")
def test_what_a_client_sends_cannot_add_a_line_to_the_log(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    call(world, "GET", "/no%0Awhere%1B%5B31m?token=canary", headers={"user-agent": "x"})
    lines = capsys.readouterr().out.strip().splitlines()
    assert all(line.startswith("{") and line.endswith("}") for line in lines)
    assert "\x1b" not in "".join(lines)
    assert "canary" not in "".join(lines)
