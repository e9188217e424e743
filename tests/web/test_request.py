"""One request: how its form and address are read, who sent it, and what of it stays when it fails."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, text
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send
from world import World

from llmops import app
from llmops.errors import BodyUnreadable, NotAllowed
from llmops.web import limits
from llmops.web.doors import get, post
from llmops.web.limits import Counter
from llmops.web.request import BROWSER_COOKIE, Request, local_path


def request(
    world: World, *, query: str = "", body: bytes = b"", peer: str = "198.51.100.7", writes: bool = False,
    kind: str = "application/x-www-form-urlencoded", headers: Mapping[str, str] | None = None, cookie: str = "",
) -> Request:  # fmt: skip
    return Request(
        site=world.site, method="POST", path="/", query_string=query, headers={"content-type": kind, **(headers or {})},
        cookies={BROWSER_COOKIE: cookie}, body=body, peer=peer, id="r1", writes=writes,
    )  # fmt: skip


def serve(world: World, monkeypatch: pytest.MonkeyPatch, handler: Callable[[Request], Response]) -> None:
    doors = [get("/try", handler, writes=True), post("/try", handler)]
    monkeypatch.setattr(app, "SITE", [*app.SITE, (app.as_page, doors)])
    world.app = app.application(world.site)


def keep(r: Request, key: str) -> None:
    r.db.execute(insert(Counter), {"key": key, "count": 1, "ends_at": r.now})


def keys(world: World) -> set[str]:
    with world.database.reading() as db:
        return set(db.execute(text("SELECT key FROM rate_counters WHERE length(key) < 20")).scalars())


# --- Forms and addresses -----------------------------------------------------------------------------------


def test_a_form_is_read_as_it_was_typed(world: World) -> None:
    r = request(world, body=b"name=Ann+Lee%2B%C3%A9&empty=&other=%26%3D")
    assert (r.field("name"), r.field("empty"), r.field("other"), r.field("absent")) == ("Ann Lee+é", "", "&=", "")


@pytest.mark.requirement("WEB-02", "WEB-13")
def test_broken_bytes_are_refused_in_forms_and_addresses(world: World) -> None:
    broken = (
        b"a=%", b"a=%2", b"a=%zz", b"a=%ff", b"a=%C3", b"a=%ED%A0%80", b"a=%00", b"%00=a", b"%",
        b"a=\xff", b"a=1\xc3\xa9",
    )  # fmt: skip
    for body in broken:
        with pytest.raises(BodyUnreadable):
            request(world, body=body).field("b")
        with pytest.raises(BodyUnreadable):
            request(world, query=body.decode("latin-1")).query("b")


@pytest.mark.requirement("WEB-13")
@pytest.mark.parametrize(("count", "good"), [(64, True), (65, False)])
def test_a_form_has_64_fields_at_most(world: World, count: int, good: bool) -> None:
    r = request(world, body="&".join(f"f{number}=1" for number in range(count)).encode())
    if good:
        assert r.field("f63") == "1"
    else:
        with pytest.raises(BodyUnreadable):
            r.field("f1")


@pytest.mark.requirement("WEB-02", "SAML-01")
def test_a_field_given_twice_is_refused_even_with_the_same_value(world: World) -> None:
    with pytest.raises(BodyUnreadable):
        request(world, body=b"a=1&a=1").field("a")
    with pytest.raises(BodyUnreadable):
        request(world, query="a=1&b=2&%61=1").query("a")
    assert request(world, body=b"a=1&a=2&b=3").field("b") == "3"


@pytest.mark.requirement("WEB-02")
def test_only_a_form_is_a_form(world: World) -> None:
    for kind in ("application/x-www-form-urlencoded; charset=utf-8", "Application/X-WWW-Form-URLEncoded"):
        assert request(world, body=b"a=1", kind=kind).field("a") == "1"
    others = (
        "",
        "text/plain",
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded-",
    )
    for kind in others:
        with pytest.raises(BodyUnreadable):
            request(world, body=b"a=1", kind=kind).field("a")


@given(body=st.binary(max_size=80))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # nothing is written: one world serves all
def test_any_bytes_are_read_or_refused(world: World, body: bytes) -> None:
    try:
        pairs = request(world, body=body).form_pairs
    except BodyUnreadable:
        return
    for part in [part for pair in pairs for part in pair]:
        assert "\0" not in part
        assert part.encode().decode() == part  # no lone surrogates


@pytest.mark.requirement("WEB-13")
@pytest.mark.parametrize("path", ["/login?next=%ff", "/login?email=%00", "/login?a=%", "/login?next=a&next=b"])
def test_an_unreadable_address_is_said_on_the_sign_in_page(world: World, path: str) -> None:
    visitor = world.visitor()
    page = visitor.follow(visitor.get(path))
    assert page.status == 200
    assert "That request could not be read" in page.text


@pytest.mark.requirement("WEB-13")
@pytest.mark.parametrize(
    "path", ["/login/sso/%00", "/login/sso/%00/start", "/sso/saml/%00/metadata", "/%00", "/login/sso/%FF"]
)
def test_no_path_is_a_fault(world: World, path: str) -> None:
    page = world.visitor().get(path)
    assert page.status in (303, 404)
    assert "server_error" not in (page.location or "")


@pytest.mark.requirement("WEB-13")
@pytest.mark.parametrize("query", [b"next=\xff", b"sso_error=\xc3\xa9", b"\x80"])
def test_raw_bytes_in_an_address_are_no_fault(world: World, query: bytes) -> None:
    """Some servers hand them on as they came; no HTTP client would send them."""
    served = world.app

    async def with_raw_query(scope: Scope, receive: Receive, send: Send) -> None:
        await served({**scope, "query_string": query}, receive, send)

    world.app = with_raw_query
    answer = world.visitor().get("/login")
    assert answer.status == 303
    assert "sso_error=body_unreadable" in (answer.location or "")


# --- Who sent it -------------------------------------------------------------------------------------------


@pytest.mark.requirement("PWD-07", "WEB-05")
def test_the_clients_address_comes_from_listed_proxies_only(world: World) -> None:
    table: list[tuple[str, tuple[str, ...], str, str]] = [
        ("198.51.100.7", (), "203.0.113.9", "198.51.100.7"),
        ("198.51.100.7", ("10.0.0.0/8",), "203.0.113.9", "198.51.100.7"),
        ("10.0.0.2", ("10.0.0.0/8",), "203.0.113.9", "203.0.113.9"),
        ("10.0.0.2", ("10.0.0.0/8",), "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.2", ("10.0.0.0/8",), "1.1.1.1, 203.0.113.9, 10.0.0.3", "203.0.113.9"),
        ("10.0.0.2", ("10.0.0.0/8",), "10.0.0.4, 10.0.0.3", "10.0.0.4"),
        ("10.0.0.2", ("10.0.0.0/8",), "", "10.0.0.2"),
        ("10.0.0.2", ("10.0.0.0/8",), " , ,", "10.0.0.2"),
        ("10.0.0.2", ("10.0.0.0/8",), "1.1.1.1, unknown", "unknown"),
        ("10.0.0.2", ("10.0.0.0/8",), "x" * 200, "x" * 45),
        ("::ffff:10.0.0.2", ("10.0.0.0/8",), "203.0.113.9", "203.0.113.9"),
        ("::ffff:198.51.100.7", (), "", "198.51.100.7"),
        ("10.0.0.2", ("10.0.0.2",), "::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:DB8::1", ("2001:db8::/32",), "2001:0DB9:0::1", "2001:db9::1"),
        ("", (), "203.0.113.9", ""),
    ]
    for peer, proxies, forwarded, expected in table:
        r = request(world, peer=peer, headers={"x-forwarded-for": forwarded})
        r.site = replace(world.site, settings=world.settings.model_copy(update={"trusted_proxies": proxies}))
        assert r.ip == expected, (peer, proxies, forwarded)


def test_a_browser_keeps_its_name_and_gets_one_when_it_has_none(world: World) -> None:
    known = "k" * 43
    assert request(world, cookie=known).browser == known
    for odd in ("", "short", "k" * 65):
        made = request(world, cookie=odd)
        assert made.browser not in ("", odd)
        assert made.browser == made.browser


# --- Transactions ------------------------------------------------------------------------------------------


def test_what_a_handler_wrote_stays_when_it_returns(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(r: Request) -> Response:
        keep(r, "written")
        return PlainTextResponse("ok")

    serve(world, monkeypatch, handler)
    world.visitor().get("/try")
    assert keys(world) == {"written"}


@pytest.mark.requirement("TST-01")
@pytest.mark.parametrize("failure", [NotAllowed, RuntimeError])
def test_what_a_handler_wrote_is_gone_when_it_raises(
    world: World, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    def handler(r: Request) -> Response:
        keep(r, "written")
        r.afterwards(lambda db: db.execute(insert(Counter), {"key": "after", "count": 1, "ends_at": r.now}))
        raise failure

    serve(world, monkeypatch, handler)
    assert world.visitor().get("/try").status in (403, 500)
    assert keys(world) == {"after"}


def test_a_counted_attempt_stays_when_the_request_fails(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(r: Request) -> Response:
        limits.check(r, "try", "somebody", most=5, window_seconds=60)
        raise NotAllowed

    serve(world, monkeypatch, handler)
    world.visitor().get("/try")
    assert world.value("SELECT count FROM rate_counters") == 1


def test_cookies_are_set_by_answers_that_refuse_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(r: Request) -> Response:
        r.set_cookie("__Host-llmops_try", "set")
        raise NotAllowed

    serve(world, monkeypatch, handler)
    visitor = world.visitor()
    answer = visitor.get("/try")
    assert visitor.cookies.value("__Host-llmops_try", host="llm-ops.test") == "set"
    names = [line.partition("=")[0] for line in answer.headers.get_list("set-cookie")]
    assert len(names) == len(set(names))


@pytest.mark.requirement("SES-07")
def test_every_cookie_that_we_set_is_bound_to_this_host(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    page = world.sign_in(visitor, "pat@acme.test")
    visitor.submit(page, "/theme", press="Dark theme")
    visitor.submit(visitor.get("/login?sso_error=idp_denied"), "/login/sso", email="pat@gmail.com")
    assert visitor.cookies.refused == []
    kept = list(visitor.cookies)
    assert len(kept) >= 3
    for cookie in kept:
        assert cookie.name.startswith("__Host-")
        assert (cookie.secure, cookie.http_only, cookie.same_site, cookie.path) == (True, True, "lax", "/")
        assert cookie.host_only


# --- Where one may be returned to --------------------------------------------------------------------------


@given(st.text(max_size=40))
@pytest.mark.requirement("WEB-07")
def test_no_text_leads_off_this_site(target: str) -> None:
    path = local_path(target)
    assert path.startswith("/")
    assert not path.startswith(("//", "/\\"))
    assert path.isascii()
    assert path.isprintable()


@pytest.mark.parametrize("path", ["/", "/settings/team?role=admin&page=2", "/a/b-c_d.e~f#g"])
def test_own_paths_are_kept(path: str) -> None:
    assert local_path(path) == path
