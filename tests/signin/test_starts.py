"""Starts of single sign-on: a whole company behind one address gets in, and nobody fills the store with attempts."""

from collections.abc import Callable

import pytest
from support.page import Page
from support.visitor import Visitor
from world import World, error_of

from llmops.broker import logins
from llmops.broker.connections import Connection
from llmops.organizations.organization import Organization
from llmops.signin import starts

pytestmark = pytest.mark.requirement("PWD-06")


@pytest.fixture
def acme(world: World) -> Organization:
    return world.organization()


@pytest.fixture
def connection(world: World, acme: Organization) -> Connection:
    return world.saml(acme)


def start(world: World, address: str = "ann@acme.test", *, visitor: Visitor | None = None, peer: str = "") -> Page:
    browser = visitor or world.visitor(peer=peer or "198.51.100.7")
    return browser.submit(browser.get("/login"), "/login/sso", email=address)


def tile(world: World, address: str = "", *, peer: str = "") -> Page:
    return world.visitor(peer=peer or "198.51.100.7").get("/login/sso/acme/start")


def leaves(page: Page) -> bool:
    return (page.location or "").startswith("https://idp.example.test/")


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def make(**most: int) -> None:
        for name, number in most.items():
            monkeypatch.setattr(starts, name, number)

    return make


def test_a_company_behind_one_address_gets_in(world: World, connection: Connection, few: Callable[..., None]) -> None:
    """Three times as many people as may be on their way at once, all in the same five minutes."""
    few(MOST_OF_PAIR=5, MOST_OF_ORGANIZATION=5, MOST_IN_ALL=5)
    for number in range(15):
        visitor = world.visitor()
        assert world.saml_sign_in(visitor, connection, f"person{number}@acme.test").status == 200


@pytest.mark.parametrize("way", [start, tile])
def test_who_never_ends_what_they_start_has_to_wait(
    world: World, connection: Connection, few: Callable[..., None], way: Callable[..., Page]
) -> None:
    few(MOST_OF_PAIR=3)
    assert [leaves(way(world)) for _ in range(3)] == [True] * 3
    stored = world.counts()["logins"]
    refused = way(world)
    assert error_of(refused) == "too_many_attempts"
    assert 0 < int(refused.headers["retry-after"]) <= starts.WINDOW_SECONDS
    assert world.counts()["logins"] == stored == 3
    world.clock.advance(seconds=int(refused.headers["retry-after"]))
    assert leaves(way(world))


@pytest.mark.usefixtures("connection")
def test_another_address_and_another_company_are_not_held_up(world: World, few: Callable[..., None]) -> None:
    world.saml(world.organization("Beta", domain="beta.test"))
    few(MOST_OF_PAIR=1)
    assert leaves(start(world))
    assert error_of(start(world)) == "too_many_attempts"
    assert leaves(start(world, peer="198.51.100.8"))
    assert leaves(start(world, "bob@beta.test"))


@pytest.mark.usefixtures("connection")
@pytest.mark.parametrize("limit", ["MOST_OF_ORGANIZATION", "MOST_IN_ALL"])
def test_a_storm_from_everywhere_is_stored_up_to_a_limit(world: World, few: Callable[..., None], limit: str) -> None:
    few(**{limit: 4})
    pages = [start(world, peer=f"198.51.100.{number}") for number in range(8)]
    assert [leaves(page) for page in pages] == [True] * 4 + [False] * 4
    assert world.counts()["logins"] == 4


@pytest.mark.parametrize("limit", ["MOST_OF_PAIR", "MOST_OF_ORGANIZATION", "MOST_IN_ALL"])
def test_nobody_can_use_up_the_starts_of_a_browser_that_was_here_before(
    world: World, connection: Connection, few: Callable[..., None], limit: str
) -> None:
    known = world.visitor()
    known.submit(world.saml_sign_in(known, connection), "/logout")
    few(**{limit: 1, "MOST_OF_KNOWN_BROWSER": 2})
    while leaves(start(world)):
        pass
    assert [leaves(start(world, visitor=known)) for _ in range(3)] == [True, True, False]
    assert error_of(start(world, "bob@acme.test", visitor=known)) == "too_many_attempts"


@pytest.mark.usefixtures("connection")
def test_mistakes_count_for_the_address_before_anything_is_looked_up(world: World, few: Callable[..., None]) -> None:
    few(MOST_OF_ADDRESS=2)
    assert [error_of(start(world, "ann@nowhere.test")) for _ in range(3)] == [
        "sso_not_configured",
        "sso_not_configured",
        "too_many_attempts",
    ]


@pytest.mark.parametrize(("seconds", "left"), [(0, 1), (1, 0)])
def test_an_attempt_that_nothing_came_of_is_kept_for_a_day(
    world: World, connection: Connection, seconds: int, left: int
) -> None:
    world.saml_sign_in(world.visitor(), connection)
    world.post_response(world.visitor(), connection, "eHg=")
    start(world)
    with world.database.writing() as db:
        world.clock.advance(days=1, seconds=seconds)
        logins.forget_old(db, now=world.clock.now)
    assert world.counts()["logins"] == 2 + left
