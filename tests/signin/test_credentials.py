"""Tries at passwords in all: a storm from everywhere leaves time to others, and known browsers go on (PWD-06)."""

import pytest
from support.page import Page
from support.visitor import Visitor
from world import PASSWORD, World

from llmops.signin import credentials

pytestmark = pytest.mark.requirement("PWD-06")


def attempt(visitor: Visitor, address: str, password: str = "not the password of anybody") -> Page:
    return visitor.submit(visitor.get("/login"), "/login", email=address, password=password)


def test_a_storm_on_many_accounts_from_many_addresses_has_an_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.person("pat@acme.test", world.organization())
    known = world.visitor()
    world.sign_in(known, "pat@acme.test")
    known.submit(known.get("/"), "/logout")
    monkeypatch.setattr(credentials, "MOST_PASSWORDS", 4)
    pages = [attempt(world.visitor(peer=f"198.18.0.{n}"), f"person{n}@acme.test") for n in range(5)]
    assert [page.status for page in pages] == [401, 401, 401, 429, 429]  # the one that got in is counted too
    assert 0 < int(pages[-1].headers["retry-after"]) <= 300
    assert attempt(known, "pat@acme.test", PASSWORD).status == 303
    world.clock.advance(seconds=int(pages[-1].headers["retry-after"]))
    assert attempt(world.visitor(), "pat@acme.test", PASSWORD).status == 303
