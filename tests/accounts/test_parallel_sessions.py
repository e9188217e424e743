"""How many sessions a person may have at once: as many as they like, each listed, each ended by itself (SES-19)."""

import pytest
from support.visitor import Visitor
from world import World

pytestmark = pytest.mark.requirement("SES-19")
MANY = 12
PAT = "pat@acme.test"


def signed_in(world: World, number: int) -> Visitor:
    visitor = world.visitor(peer=f"203.0.113.{number}")
    world.sign_in(visitor, PAT)
    return visitor


@pytest.fixture
def browsers(world: World) -> list[Visitor]:
    world.person(PAT, world.organization())
    return [signed_in(world, number) for number in range(MANY)]


def alive(browsers: list[Visitor]) -> list[bool]:
    return [browser.get("/").status == 200 for browser in browsers]


def test_a_new_session_ends_none_of_the_others(world: World, browsers: list[Visitor]) -> None:
    assert all(alive(browsers))
    assert world.counts()["sessions"] == MANY


def test_every_one_is_listed_with_its_address(browsers: list[Visitor]) -> None:
    page = browsers[0].get("/settings/profile")
    assert all(f"203.0.113.{number}" in page.text for number in range(MANY))


def test_one_is_ended_by_itself(browsers: list[Visitor]) -> None:
    page = browsers[0].get("/settings/profile")
    ends = [form for form in page.forms if form.action.endswith("/settings/profile/sessions/end")]
    assert len(ends) == MANY - 1  # this browser has «Sign out»
    browsers[0].post("/settings/profile/sessions/end", ends[0].fields, start=page)
    assert alive(browsers).count(False) == 1
    assert browsers[0].get("/").status == 200


def test_all_others_are_ended_at_once(browsers: list[Visitor]) -> None:
    page = browsers[3].get("/settings/profile")
    browsers[3].submit(page, "/settings/profile/sessions/end-others")
    assert alive(browsers) == [number == 3 for number in range(MANY)]
