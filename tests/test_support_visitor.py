"""The visitor keeps and sends cookies, and fills in forms, as a browser does."""

from collections.abc import Callable

import httpx2
import pytest
from support.visitor import Upload, Visitor

HOME = "http://127.0.0.1:8000"
Answer = Callable[[httpx2.Request], httpx2.Response]


class Site:
    """A server without a network: answers by path (else an empty page), remembers requests."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers
        self.requests: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.get(request.url.path.strip("/").replace("/", "_"))
        return answer(request) if answer else httpx2.Response(200, html="")

    def visitor(self, **options: float) -> Visitor:
        clock = options.get("now", 1000.0)
        return Visitor(HOME, transport=httpx2.MockTransport(self), clock=lambda: clock)

    @property
    def last(self) -> httpx2.Request:
        return self.requests[-1]


def sets(*cookies: str) -> Answer:
    return lambda _: httpx2.Response(200, headers=[("set-cookie", cookie) for cookie in cookies], html="")


def page(text: str, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx2.Response(200, headers=named, html=text)


def goes_to(address: str, status: int = 303) -> Answer:
    return lambda _: httpx2.Response(status, headers={"location": address})


def test_host_cookie_returns_over_loopback_http() -> None:
    site = Site(login=sets("__Host-session=abc; Secure; HttpOnly; SameSite=Lax; Path=/"))
    visitor = site.visitor()
    visitor.get("/login")
    visitor.get("/home")
    assert site.last.headers["cookie"] == "__Host-session=abc"
    assert visitor.cookies.value("__Host-session") == "abc"


@pytest.mark.parametrize(
    ("cookie", "reason"),
    [
        ("__Host-a=1; Path=/", "__Host- without Secure"),
        ("__Host-a=1; Secure", "__Host- without Path=/"),
        ("__Host-a=1; Secure; Path=/login", "__Host- without Path=/"),
        ("__Host-a=1; Secure; Path=/; Domain=127.0.0.1", "__Host- with Domain"),
        ("a=1; SameSite=None", "SameSite=None without Secure"),
        ("a=1; Domain=other.test", "127.0.0.1 may not set it for other.test"),
    ],
)
def test_cookie_that_a_browser_throws_away_is_not_kept(cookie: str, reason: str) -> None:
    site = Site(login=sets(cookie))
    visitor = site.visitor()
    visitor.get("/login")
    visitor.get("/home")
    assert "cookie" not in site.last.headers
    assert visitor.cookies.refused == [f"{cookie}: {reason}"]


def test_secure_cookie_over_plain_http_elsewhere_is_not_kept() -> None:
    site = Site(login=sets("a=1; Secure"))
    visitor = site.visitor()
    visitor.get("http://app.test/login")
    assert list(visitor.cookies) == []


def test_cookie_stays_with_its_host() -> None:
    site = Site(login=sets("a=1; Path=/"))
    visitor = site.visitor()
    visitor.get("/login")
    visitor.get("http://localhost:8000/")
    assert "cookie" not in site.last.headers


def test_cookie_stays_on_its_path() -> None:
    site = Site(sso_start=sets("a=1; Path=/sso"))
    visitor = site.visitor()
    visitor.get("/sso/start")
    visitor.get("/ssomething")
    assert "cookie" not in site.last.headers
    visitor.get("/sso/back")
    assert site.last.headers["cookie"] == "a=1"


def test_max_age_zero_deletes() -> None:
    site = Site(login=sets("a=1; Path=/"), logout=sets("a=; Path=/; Max-Age=0"))
    visitor = site.visitor()
    visitor.get("/login")
    visitor.get("/logout")
    assert list(visitor.cookies) == []


def test_max_age_zero_for_another_path_deletes_nothing() -> None:
    site = Site(login=sets("a=1; Path=/"), logout=sets("a=; Path=/logout; Max-Age=0"))
    visitor = site.visitor()
    visitor.get("/login")
    visitor.get("/logout")
    assert visitor.cookies.value("a") == "1"


def test_form_of_another_site_brings_only_cookies_without_same_site() -> None:
    cookies = sets("lax=1; Path=/; SameSite=Lax", "strict=1; Path=/; SameSite=Strict", "plain=1; Path=/")
    site = Site(login=cookies, back=sets("none=1; Path=/; Secure; SameSite=None"), idp=page("<p>there"))
    visitor = site.visitor()
    visitor.get("/login")
    visitor.get("/back")
    idp = visitor.get("http://localhost:9000/idp")
    visitor.post(f"{HOME}/acs", {"SAMLResponse": "x"}, start=idp)
    assert site.last.headers["cookie"] == "none=1"
    assert site.last.headers["origin"] == "http://localhost:9000"
    assert site.last.headers["sec-fetch-site"] == "cross-site"


def test_redirect_after_a_form_of_another_site_brings_lax_but_not_strict() -> None:
    site = Site(login=sets("lax=1; Path=/", "strict=1; Path=/; SameSite=Strict"), acs=goes_to("/home"), idp=page(""))
    visitor = site.visitor()
    visitor.get("/login")
    answer = visitor.post(f"{HOME}/acs", {}, start=visitor.get("http://localhost:9000/idp"))
    visitor.follow(answer)
    assert site.last.method == "GET"
    assert site.last.headers["cookie"] == "lax=1"
    assert [(hop.method, hop.status) for hop in visitor.hops[-2:]] == [("POST", 303), ("GET", 200)]


def test_form_sends_hidden_fields_typed_fields_and_origin() -> None:
    form = (
        "<form method=post action=/login><input type=hidden name=csrf_token value=t1><input name=email>"
        "<input type=checkbox name=stay value=yes><button name=way value=sso>Use SSO</button></form>"
    )
    site = Site(login=page(form))
    visitor = site.visitor()
    visitor.submit(visitor.get("/login"), "/login", press="Use SSO", email="ann@example.test")
    assert site.last.content == b"csrf_token=t1&email=ann%40example.test&way=sso"
    assert site.last.headers["origin"] == HOME
    assert site.last.headers["sec-fetch-site"] == "same-origin"


def test_field_that_the_form_lacks_is_an_error() -> None:
    visitor = Site(login=page("<form method=post action=/login><input name=email></form>")).visitor()
    shown = visitor.get("/login")
    with pytest.raises(AssertionError, match="no \\['mail'\\]"):
        visitor.submit(shown, "/login", mail="ann@example.test")


def test_page_without_referrer_sends_origin_null() -> None:
    site = Site(login=page("<form method=post></form>", Referrer_Policy="no-referrer"))
    visitor = site.visitor()
    visitor.submit(visitor.get("/login"))
    assert site.last.headers["origin"] == "null"


def test_upload_travels_as_multipart() -> None:
    fields = "<input name=t value=1><input type=file name=metadata>"
    form = f'<form method=post enctype="multipart/form-data">{fields}</form>'
    site = Site(setup=page(form))
    visitor = site.visitor()
    visitor.submit(visitor.get("/setup"), metadata=Upload("idp.xml", b"<xml/>", "text/xml"))
    assert site.last.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert b'filename="idp.xml"' in site.last.content
    assert b'name="t"' in site.last.content


def test_temporary_redirect_repeats_the_form() -> None:
    site = Site(old=goes_to("/new", 307))
    visitor = site.visitor()
    visitor.follow(visitor.post("/old", {"a": "1"}))
    assert (site.last.method, site.last.url.path, site.last.content) == ("POST", "/new", b"a=1")


def test_follow_stops_before_the_named_address() -> None:
    site = Site(start=goes_to("http://app.test/callback?code=1"))
    visitor = site.visitor()
    answer = visitor.follow(visitor.get("/start"), stop_before="http://app.test/callback")
    assert answer.location == "http://app.test/callback?code=1"
    assert len(site.requests) == 1


def test_redirects_in_a_circle_end() -> None:
    visitor = Site(a=goes_to("/a")).visitor()
    with pytest.raises(AssertionError, match="more than 12 redirects"):
        visitor.follow(visitor.get("/a"))


def test_link_is_found_by_text_and_by_path() -> None:
    visitor = Site(home=page('<p>Hello <a href="/team?x=1">Your team</a>')).visitor()
    shown = visitor.get("/home")
    assert shown.link("Your team") == shown.link("/team") == f"{HOME}/team?x=1"
    assert shown.text == "Hello Your team"
