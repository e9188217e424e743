"""Tries at passwords in all: a storm from everywhere leaves time to others, and known browsers go on (PWD-06)."""

import pytest
from support.enforced import second_factor
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


def test_a_whole_company_behind_one_address_gets_in(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "MOST_OF_ADDRESS", 2)
    acme = world.organization()
    for number in range(6):
        world.person(f"p{number}@acme.test", acme)
        assert attempt(world.visitor(), f"p{number}@acme.test", PASSWORD).status == 303


def test_guesses_across_accounts_have_an_end_though_one_gets_in_between(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "MOST_OF_ADDRESS", 3)
    world.person("mallory@acme.test", world.organization())
    seen = []
    for number in range(4):
        seen.append(attempt(world.visitor(), f"p{number}@acme.test").status)
        seen.append(attempt(world.visitor(), "mallory@acme.test", PASSWORD).status)
    assert seen == [401, 303, 401, 303, 401, 429, 429, 429]
    assert attempt(world.visitor(peer="203.0.113.9"), "mallory@acme.test", PASSWORD).status == 303


def test_a_right_password_gives_nothing_back_of_what_its_account_may_be_tried(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    answers = [attempt(world.visitor(), "pat@acme.test", PASSWORD).status for _ in range(11)]
    assert answers == [303] * 10 + [429]


def test_a_right_password_with_a_wrong_code_is_no_guess_at_passwords(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "MOST_OF_ADDRESS", 2)
    pat = world.person("pat@acme.test", world.organization())
    second_factor(world, pat)
    for _ in range(3):
        visitor = world.visitor()
        page = visitor.follow(attempt(visitor, pat.email, PASSWORD))
        assert visitor.submit(page, "/login/code", code="000000").status == 401
    assert attempt(world.visitor(), "other@acme.test").status == 401
