"""What holds at every door: tokens, hosts, headers, methods, bodies. Made from the site's own list of doors."""

import pytest
from starlette.responses import Response
from world import World

from llmops import app
from llmops.web.doors import Door, get
from llmops.web.request import Request, local_path

DOORS: list[Door] = [door for _, doors in app.SITE for door in doors]
POSTS = [door.path for door in DOORS if door.method == "POST" and door.csrf]
STARTS = {"/login/sso/{slug}/start", "/login/sso/callback", "/sso/oidc/{connection_id}/callback"}
HEADERS = ("content-security-policy", "strict-transport-security", "x-content-type-options", "referrer-policy")


def filled(path: str) -> str:
    return path.replace("{slug}", "acme").replace("{connection_id}", "conn_x")


@pytest.mark.requirement("WEB-01")
def test_only_the_acs_and_reports_take_posts_without_a_token() -> None:
    exempt = [door.path for door in DOORS if door.method == "POST" and not door.csrf]
    assert exempt == ["/csp-reports", "/sso/saml/{connection_id}/acs"]


@pytest.mark.requirement("WEB-01")
@pytest.mark.parametrize("path", POSTS)
def test_every_form_wants_this_browsers_token(world: World, path: str) -> None:
    mine, other = world.visitor(), world.visitor()
    token = other.get("/login").form("/login").fields["csrf_token"]
    mine.get("/login")
    before = world.counts()
    for fields in ({"email": "a@b.test"}, {"csrf_token": "x"}, {"csrf_token": token}):
        answer = mine.post(filled(path), fields)
        refused = answer.status == 403 or "sso_error=form_expired" in (answer.location or "")
        assert refused or (answer.location or "").endswith(
            ("/login", "/staff/sign-in")
        )  # who is not signed in gets no further
    assert world.counts() == before


@pytest.mark.requirement("WEB-01")
@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.test"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
)
def test_a_good_token_from_another_site_is_refused(world: World, headers: dict[str, str]) -> None:
    visitor = world.visitor()
    token = visitor.get("/login").form("/login").fields["csrf_token"]
    answer = visitor.post("/login/sso", {"email": "a@b.test", "csrf_token": token}, **headers)
    assert "sso_error=form_expired" in (answer.location or "")


@pytest.mark.requirement("WEB-02")
@pytest.mark.parametrize("path", [door.path for door in DOORS if door.method == "GET" and door.path not in STARTS])
def test_opening_a_page_changes_nothing(world: World, path: str) -> None:
    world.person("pat@acme.test", world.organization("Acme"))
    visitor = world.visitor()
    world.sign_in(visitor, "pat@acme.test")
    before = world.counts()
    assert visitor.get(filled(path)).status < 500
    assert world.counts() == before


@pytest.mark.requirement("WEB-04")
@pytest.mark.parametrize(
    "path",
    ["/login", "/nowhere", "/healthz", "/static/app.css", "/static/none.css", "/settings/team", "/signup/resend"],
)
def test_every_answer_carries_the_security_headers(world: World, path: str) -> None:
    answer = world.visitor().get(path)
    assert all(name in answer.headers for name in HEADERS)
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.requirement("WEB-03")
def test_only_the_sign_in_page_lets_forms_lead_elsewhere(world: World) -> None:
    visitor = world.visitor()
    assert visitor.get("/login").headers["content-security-policy"].endswith("form-action 'self' https:")
    assert visitor.get("/signup").headers["content-security-policy"].endswith("form-action 'self'")


@pytest.mark.requirement("WEB-05")
@pytest.mark.parametrize("host", ["evil.test", "llm-ops.test.evil.test", "llm-ops.test:8443", ""])
def test_another_host_is_not_answered(world: World, host: str) -> None:
    visitor = world.visitor()
    answer = visitor.get("/login", Host=host, X_Forwarded_Host="llm-ops.test")
    assert answer.status == 421
    assert visitor.get("/healthz", Host=host).status == 200


@pytest.mark.requirement("WEB-12")
def test_what_nobody_expected_is_a_500_with_a_reference(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(r: Request) -> Response:
        raise RuntimeError("a secret detail")

    monkeypatch.setattr(app, "SITE", [*app.SITE, (app.as_page, [get("/broken", broken)])])
    world.app = app.application(world.site)
    answer = world.visitor().get("/broken")
    assert answer.status == 500
    assert "Something went wrong on our side" in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert "secret detail" not in answer.html


@pytest.mark.requirement("WEB-13")
@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b"email=%ff", "application/x-www-form-urlencoded", "body_unreadable"),
        (b"csrf_token=a&csrf_token=b", "application/x-www-form-urlencoded", "body_unreadable"),
        (b"&".join(b"f%d=1" % number for number in range(80)), "application/x-www-form-urlencoded", "body_unreadable"),
        ("email=ä".encode(), "application/x-www-form-urlencoded", "body_unreadable"),
        (b"{}", "application/json", "body_unreadable"),
        (b"a" * 70_000, "application/x-www-form-urlencoded", "body_too_large"),
    ],
)
def test_unreadable_bodies_are_refused(world: World, body: bytes, kind: str, code: str) -> None:
    visitor = world.visitor()
    visitor.get("/login")
    answer = visitor._client.post("https://llm-ops.test/login/sso", content=body, headers={"content-type": kind})
    assert code in answer.text or code in answer.headers.get("location", "")
    assert answer.status_code in (303, 413)


@pytest.mark.requirement("PWD-07")
@pytest.mark.parametrize(
    ("proxies", "forwarded", "expected"),
    [
        ((), "203.0.113.9", "198.51.100.7"),
        (("198.51.100.0/24",), "203.0.113.9", "203.0.113.9"),
        (("198.51.100.0/24",), "1.1.1.1, 203.0.113.9", "203.0.113.9"),
        (("198.51.100.0/24", "203.0.113.9"), "1.1.1.1, 203.0.113.9", "1.1.1.1"),
    ],
)
def test_forwarded_addresses_count_only_behind_listed_proxies(
    make_world, proxies: tuple[str, ...], forwarded: str, expected: str
) -> None:
    world = make_world(trusted_proxies=proxies)
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor(X_Forwarded_For=forwarded)
    visitor._headers["X-Forwarded-For"] = forwarded
    world.sign_in(visitor, "pat@acme.test")
    assert world.value("SELECT ip FROM sessions") == expected


def test_local_paths_stay_local() -> None:
    assert local_path("/settings/team?role=admin") == "/settings/team?role=admin"
    assert local_path(None) == local_path("") == local_path("x") == "/"


def test_limits_are_shared_by_replicas(make_world) -> None:
    one, two = make_world(), make_world()
    for world in (one, two) * 2:
        visitor = world.visitor()
        visitor.submit(visitor.get("/login"), "/login", email="pat@acme.test", password="wrong" * 4)
    assert one.value("SELECT max(count) FROM rate_counters") == 4
