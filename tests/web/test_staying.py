"""The end of a session: pages say how long there is, a script may ask for more, and a form that is late is told so."""

from urllib.parse import parse_qs, urlsplit

import pytest
from support.page import Page
from support.visitor import Visitor
from world import BASE_URL, World

from llmops.organizations.roles import Role

HOUR = 3600


@pytest.fixture
def owner(world: World) -> Visitor:
    world.person("pat@acme.test", world.organization("Acme"), role=Role.OWNER)
    visitor = world.visitor()
    world.sign_in(visitor, "pat@acme.test")
    return visitor


def left(page: Page) -> tuple[int, bool]:
    """What a page tells its script: seconds, and whether there can be more."""
    (note,) = page.document.xpath("//section[@data-session]")
    assert note.get("hidden") is not None
    return int(note.get("data-session")), note.get("data-session-more") is not None


def asked(visitor: Visitor) -> dict[str, object]:
    answer = visitor.get("/session")
    assert answer.status == 200
    return dict(answer.response.json())


def test_a_page_says_how_long_the_session_lasts_unused(world: World, owner: Visitor) -> None:
    assert left(owner.get("/settings/team")) == (8 * HOUR, True)
    world.clock.advance(seconds=50)  # uses within a minute are not written down one by one
    assert left(owner.get("/settings/team")) == (8 * HOUR - 50, True)
    world.clock.advance(seconds=50)
    assert left(owner.get("/settings/team")) == (8 * HOUR, True)


def test_to_ask_for_more_is_use(world: World, owner: Visitor) -> None:
    world.clock.advance(hours=7, minutes=59)
    assert asked(owner) == {"seconds": 8 * HOUR, "more": True}
    world.clock.advance(hours=7, minutes=59)
    assert owner.get("/settings/team").status == 200


def test_nobody_stays_longer_than_a_day(world: World, owner: Visitor) -> None:
    for _ in range(3):
        world.clock.advance(hours=7)
        assert owner.get("/").status == 200
    assert asked(owner) == {"seconds": 3 * HOUR, "more": False}
    assert left(owner.get("/")) == (3 * HOUR, False)
    world.clock.advance(hours=3)
    assert owner.get("/session").status == 303


def test_a_session_that_is_over_gets_no_more(world: World, owner: Visitor) -> None:
    world.clock.advance(hours=8, seconds=1)
    assert owner.get("/session").location == f"{BASE_URL}/login?next=/session"
    assert owner.get("/").status == 303


def test_a_form_that_comes_too_late_leads_back_to_its_page(world: World, owner: Visitor) -> None:
    invite = "/settings/team/invite"
    form = owner.get(invite)
    world.clock.advance(hours=9)
    late = owner.follow(owner.submit(form, invite, emails="new@acme.test", role="member"))
    assert parse_qs(urlsplit(late.url).query) == {"sso_error": ["session_over"], "next": [invite]}
    assert "Your session had ended" in late.text
    assert "What you had typed there was not saved" in late.text
    assert late.document.xpath("//*[@autofocus]/@id") == ["email"]
    back = owner.follow(owner.submit(late, "/login", email="pat@acme.test", password="correct horse battery staple"))
    assert back.url == f"{BASE_URL}{invite}"


def test_a_sensitive_form_that_comes_too_late_leads_to_the_page_that_it_names(world: World, owner: Visitor) -> None:
    form = owner.get("/settings/security")
    world.clock.advance(hours=9)
    late = owner.submit(form, "/settings/security/domains/claim", domain="acme.example")
    assert (late.location or "").endswith("next=%2Fsettings%2Fsecurity")


@pytest.mark.requirement("WEB-07")
@pytest.mark.parametrize(
    ("referer", "path"),
    [
        (f"{BASE_URL}/settings/team?role=admin#x", "/settings/team"),
        (f"{BASE_URL}//evil.test/", "/"),
        (f"{BASE_URL}/\\evil.test", "/"),
        (f"{BASE_URL}/%2e%2e/", "/"),
        (f"{BASE_URL}.evil.test/page", None),
        (f"{BASE_URL}@evil.test/page", None),
        ("https://evil.test/page", None),
        ("", None),
    ],
)
def test_a_late_form_leads_to_no_other_site(world: World, referer: str, path: str | None) -> None:
    fields = {"csrf_token": "x", "emails": "new@acme.test"}
    sent = world.visitor().post("/settings/team/invite", fields, Referer=referer).location or ""
    expected = {"sso_error": ["session_over"], "next": [path]} if path else {}
    assert sent.startswith(f"{BASE_URL}/login")
    assert parse_qs(urlsplit(sent).query) == expected


def test_a_button_that_comes_too_late_lost_nothing(world: World, owner: Visitor) -> None:
    form = owner.get("/settings/profile")
    world.clock.advance(hours=9)
    assert owner.submit(form, "/logout").location == f"{BASE_URL}/login"
