"""Bodies under way have room together, and give it back."""

import pytest
from world import World

from llmops.errors import Overloaded
from llmops.web import intake
from llmops.web.intake import Intake

pytestmark = pytest.mark.requirement("WEB-13")


def test_what_is_over_the_room_of_all_is_refused_until_some_is_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_BYTES", 100)
    bodies = Intake()
    with bodies.room() as second:
        with bodies.room() as first:
            first(60)
            second(40)
            with pytest.raises(Overloaded):
                second(1)
        second(60)
        assert bodies.held_bytes == 100
    assert bodies.held_bytes == 0


def test_a_full_house_says_when_to_come_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_BYTES", 1_000)
    visitor = world.visitor()
    page = visitor.get("/login")
    for _ in range(2):
        refused = visitor.submit(page, "/login", email="a@b.test", password="x" * 2_000)
        assert (refused.status, refused.headers["retry-after"]) == (503, "10")
    assert visitor.submit(page, "/login", email="a@b.test", password="x").status == 401
