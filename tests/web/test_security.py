"""Anti-forgery tokens, and the headers on every kind of answer."""

from collections.abc import Callable

import pytest
from starlette.responses import Response
from support.inside import Inside
from support.visitor import Visitor
from world import BASE_URL, PASSWORD, World

from llmops import app
from llmops.web.doors import get
from llmops.web.request import Request
from llmops.web.security import SecurityHeaders, content_security_policy

POLICY = content_security_policy(development=False)
EXPECTED = {
    "content-security-policy": POLICY,
    "reporting-endpoints": f'csp="{BASE_URL}/csp-reports"',
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cache-control": "no-store",
}


def token(visitor: Visitor, path: str = "/login", action: str = "/login") -> str:
    return str(visitor.get(path).form(action).fields["csrf_token"])


def signed_in(world: World, address: str = "pat@acme.test") -> Visitor:
    visitor = world.visitor()
    world.sign_in(visitor, address)
    return visitor


def end_others(visitor: Visitor, csrf: str, **headers: str) -> int:
    return visitor.post("/settings/profile/sessions/end-others", {"csrf_token": csrf}, **headers).status


@pytest.mark.requirement("WEB-01")
def test_each_session_has_a_token_of_its_own(world: World) -> None:
    acme = world.organization()
    for address in ("pat@acme.test", "bob@acme.test"):
        world.person(address, acme)
    pat, same_person, bob = signed_in(world), signed_in(world), signed_in(world, "bob@acme.test")
    tokens = [token(visitor, "/settings/profile", "/logout") for visitor in (pat, same_person, bob)]
    assert len(set(tokens)) == 3
    assert [end_others(pat, one) for one in tokens[1:]] == [403, 403]
    assert same_person.get("/").status == 200
    assert end_others(pat, tokens[0]) == 303


@pytest.mark.requirement("WEB-01", "SES-06")
def test_a_token_from_before_sign_in_is_worth_nothing_after(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    before = token(visitor)
    world.sign_in(visitor, "pat@acme.test")
    assert end_others(visitor, before) == 403


@pytest.mark.requirement("WEB-01")
def test_a_token_counts_as_a_whole(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = signed_in(world)
    good = token(visitor, "/settings/profile", "/logout")
    for changed in ("", good[:-1], good + "A", good.swapcase(), good[::-1]):
        assert end_others(visitor, changed) == 403, changed
    assert end_others(visitor, good) == 303


@pytest.mark.requirement("WEB-01")
def test_signing_in_wants_a_token_too(world: World) -> None:
    """Otherwise another site could sign its visitors in to an account of its own."""
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    visitor.get("/login")
    visitor.post("/login", {"email": "pat@acme.test", "password": PASSWORD})
    assert world.counts()["sessions"] == 0


@pytest.mark.requirement("WEB-01")
def test_only_our_own_origin_may_post(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = signed_in(world)
    csrf = token(visitor, "/settings/profile", "/logout")
    foreign = (
        "null", "https://evil.test", "http://llm-ops.test", "https://llm-ops.test:8443", "https://llm-ops.test.evil.test",
        "https://sub.llm-ops.test", BASE_URL + "/", BASE_URL.upper(),
    )  # fmt: skip
    for origin in foreign:
        assert end_others(visitor, csrf, Origin=origin) == 403, origin
    assert end_others(visitor, csrf, Origin=BASE_URL) == 303


@pytest.mark.requirement("WEB-01")
def test_the_browsers_word_on_where_it_came_from_counts(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = signed_in(world)
    csrf = token(visitor, "/settings/profile", "/logout")
    expected = {"same-origin": 303, "none": 303, "": 303, "same-site": 403, "cross-site": 403, "anything": 403}
    assert {site: end_others(visitor, csrf, Sec_Fetch_Site=site) for site in expected} == expected


@pytest.mark.requirement("WEB-04", "WEB-03")
def test_every_kind_of_answer_carries_every_header(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(r: Request) -> Response:
        raise RuntimeError

    monkeypatch.setattr(app, "SITE", [*app.SITE, (app.as_page, [get("/broken", broken)])])
    world.app = app.application(world.site)
    visitor = world.visitor()
    kinds = {
        200: visitor.get("/signup"),
        303: visitor.get("/settings/profile"),
        403: visitor.post("/signup", {"email": "ann@acme.test"}),
        404: visitor.get("/nowhere"),
        405: visitor.post("/healthz", {}),
        410: visitor.get("/signup/verify"),
        413: visitor.post("/signup", {"x": "a" * 70_000}),
        421: visitor.get("/signup", Host="evil.test"),
        500: visitor.get("/broken"),
    }
    for status, page in kinds.items():
        assert page.status == status
        assert {name: page.headers[name] for name in EXPECTED} == EXPECTED


@pytest.mark.requirement("WEB-04")
@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/version", "/static/none.css", "/static/", "/static/../app.py"]
)
def test_answers_without_a_page_carry_them_too(world: World, path: str) -> None:
    page = world.visitor().get(path)
    assert {name: page.headers[name] for name in EXPECTED} == EXPECTED


@pytest.mark.requirement("WEB-04")
def test_static_files_are_kept_a_year_also_when_unchanged(world: World) -> None:
    visitor = world.visitor()
    first = visitor.get("/static/app.css")
    again = visitor.get("/static/app.css", If_None_Match=first.headers["etag"])
    assert (first.status, again.status) == (200, 304)
    for page in (first, again):
        assert page.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert page.headers["content-security-policy"] == POLICY
        assert page.headers["strict-transport-security"] == EXPECTED["strict-transport-security"]


@pytest.mark.requirement("WEB-04")
def test_no_other_site_is_let_in(world: World) -> None:
    visitor = world.visitor()
    headers = {"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}
    answer = visitor._client.request("OPTIONS", f"{BASE_URL}/login", headers=headers)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.requirement("WEB-03")
def test_the_policy_allows_no_inline_code() -> None:
    directives = dict(part.strip().split(" ", 1) for part in POLICY.split(";"))
    assert directives["default-src"] == "'none'"
    assert [directives[name] for name in ("object-src", "base-uri", "frame-ancestors")] == ["'none'"] * 3
    assert directives["script-src"] == directives["style-src"] == directives["form-action"] == "'self'"
    assert "unsafe" not in POLICY


@pytest.mark.requirement("WEB-03")
def test_browsers_are_told_where_to_report(make_world: Callable[..., World]) -> None:
    """Chromium takes the header's endpoint from https pages only, and no report at all where `report-to` has none."""
    secure = make_world().visitor().get("/login").headers
    assert "; report-uri /csp-reports; report-to csp; " in secure["content-security-policy"]
    plain = make_world(base_url="http://127.0.0.1:8000").visitor().get("/login").headers
    assert "; report-uri /csp-reports; form-action " in plain["content-security-policy"]
    assert "reporting-endpoints" not in plain


def test_what_is_not_http_passes_untouched(world: World) -> None:
    seen: list[str] = []

    async def inner(scope, receive, send) -> None:
        seen.append(scope["type"])

    wrapped = SecurityHeaders(inner, world.settings)
    transport = Inside(wrapped)
    transport._portal.call(wrapped, {"type": "lifespan"}, None, None)
    transport.close()
    assert seen == ["lifespan"]
