"""The letter about a browser that has not signed in to the account before."""

import pytest
from support.mailbox import text_of
from world import PASSWORD, World

FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
NEWER_FIREFOX = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"}
SAFARI = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0) Version/19.0 Safari/605.1"}


def sign_in(world: World, headers: dict[str, str], password: str = PASSWORD) -> None:
    world.sign_in(world.visitor(**headers), "pat@acme.test", password)


@pytest.fixture(autouse=True)
def pat(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    sign_in(world, FIREFOX)


def test_the_first_sign_in_of_all_is_no_news(world: World) -> None:
    assert world.letters() == []


@pytest.mark.requirement("PWD-17")
def test_a_browser_of_another_kind_is_told(world: World) -> None:
    sign_in(world, SAFARI)
    [letter] = world.letters("pat@acme.test")
    assert "New sign-in" in letter["Subject"]
    assert "Safari on iPhone" in text_of(letter)
    assert "198.51.100.7" in text_of(letter)


@pytest.mark.requirement("PWD-17")
def test_it_is_told_once(world: World) -> None:
    for _ in range(2):
        sign_in(world, SAFARI)
    assert len(world.letters()) == 1


def test_an_update_of_the_browser_is_no_news(world: World) -> None:
    sign_in(world, NEWER_FIREFOX)
    assert world.letters() == []


def test_a_wrong_password_tells_nobody(world: World) -> None:
    sign_in(world, SAFARI, "wrong" * 4)
    assert world.letters() == []


@pytest.mark.requirement("PWD-17", "TST-14")
@pytest.mark.parametrize(("days", "told"), [(90, 0), (91, 1)])
def test_a_browser_is_remembered_for_ninety_days(world: World, days: int, told: int) -> None:
    world.clock.advance(days=days - 1)
    sign_in(world, SAFARI)
    before = len(world.letters())
    world.clock.advance(days=1)
    sign_in(world, FIREFOX)
    assert len(world.letters()) == before + told
