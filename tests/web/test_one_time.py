"""One-time links: the token leaves the address at once, waits in a cookie for its page, and goes when it is spent."""

import pytest
from support.visitor import Visitor
from world import PASSWORD, World

from llmops.web import one_time
from llmops.web.one_time import Purpose

NEW = "four unrelated words here"


@pytest.fixture
def visitor(world: World) -> Visitor:
    """A browser, in a world where Pat asked for a new password."""
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email="pat@acme.test")
    return visitor


def kept(visitor: Visitor, purpose: Purpose) -> str | None:
    cookies = visitor.cookies.for_request("https://llm-ops.test/", method="GET", cross_site=False)
    return cookies.get(one_time.cookie(purpose))


@pytest.mark.requirement("SES-14", "SES-18")
def test_the_token_leaves_the_address_at_once(world: World, visitor: Visitor) -> None:
    link = world.link("pat@acme.test", "/login/reset")
    before = world.counts()
    answer = visitor.get(link)
    assert (answer.status, answer.location) == (303, "https://llm-ops.test/login/reset")
    assert answer.html == ""
    assert world.counts() == before
    assert kept(visitor, "reset") == link.partition("token=")[2]
    assert visitor.get("/login/reset").status == 200
    assert visitor.get("/login/reset").status == 200  # a reload


@pytest.mark.requirement("SES-07", "SES-14")
def test_the_cookie_is_for_this_host_no_script_and_an_hour(world: World, visitor: Visitor) -> None:
    answer = visitor.get(world.link("pat@acme.test", "/login/reset"))
    cookie = answer.headers["set-cookie"].lower()
    assert cookie.startswith("__host-llmops_reset_link=")
    assert {"httponly", "secure", "path=/", "samesite=lax", "max-age=3600"} <= set(cookie.split("; "))
    world.clock.advance(hours=1, seconds=1)
    assert kept(visitor, "reset") is None


@pytest.mark.requirement("SES-14")
def test_a_spent_link_leaves_no_cookie(world: World, visitor: Visitor) -> None:
    page = world.open(visitor, world.link("pat@acme.test", "/login/reset"))
    assert visitor.submit(page, "/login/reset", password=NEW).status == 200
    assert kept(visitor, "reset") is None
    assert visitor.get("/login/reset").status == 410


@pytest.mark.requirement("SES-04", "SES-14")
def test_a_page_takes_no_link_of_another(world: World, visitor: Visitor) -> None:
    visitor.get(world.link("pat@acme.test", "/login/reset"))
    for path in ("/signup/verify", "/login/link", "/invitation"):
        assert visitor.get(path).status == 410


@pytest.mark.requirement("SES-14")
@pytest.mark.parametrize("token", ["", "a%20b", "a;b", "%C3%A9", "A" * 201, "%22x%22"])
def test_what_is_no_token_is_not_kept_and_hides_an_earlier_one(world: World, visitor: Visitor, token: str) -> None:
    visitor.get(world.link("pat@acme.test", "/login/reset"))
    answer = visitor.get(f"/login/reset?token={token}")
    assert answer.location == "https://llm-ops.test/login/reset"
    assert kept(visitor, "reset") is None
    assert visitor.follow(answer).status == 410


@pytest.mark.requirement("SES-14")
def test_a_sign_up_is_confirmed_at_the_clean_address(world: World) -> None:
    visitor = world.visitor()
    fields = {"first_name": "Olive", "last_name": "Oh", "organization_name": "New Co", "password": PASSWORD}
    visitor.submit(visitor.get("/signup"), "/signup", email="olive@newco.test", **fields)
    page = world.open(visitor, world.link("olive@newco.test", "/signup/verify"))
    assert page.url == "https://llm-ops.test/signup/verify"
    assert visitor.submit(page, "/signup/verify").status == 303
    assert kept(visitor, "verify") is None
