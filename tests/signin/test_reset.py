"""Forgotten passwords: the same answer to everybody, a link that works once, and nobody signed in by it."""

import re

import pytest
from support.page import Page
from support.visitor import Visitor
from world import PASSWORD, World

NEW = "four unrelated words here"


def ask(visitor: Visitor, address: str = "pat@acme.test") -> Page:
    return visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email=address)


def link_for(world: World, visitor: Visitor) -> str:
    ask(visitor)
    return world.link("pat@acme.test", "/login/reset")


@pytest.fixture
def visitor(world: World) -> Visitor:
    """A stranger's browser, in a world where Pat has an account."""
    world.person("pat@acme.test", world.organization("Acme Rockets"))
    return world.visitor()


@pytest.mark.requirement("PWD-05", "PWD-08", "TST-18")
def test_the_answer_does_not_tell_who_has_an_account(world: World, visitor: Visitor) -> None:
    acme = world.organization("Other", domain=None)
    world.person("sso@acme.test", acme, password=None)
    world.person("gone@acme.test", acme)
    world.sql("UPDATE users SET suspended_at = :now WHERE email = 'gone@acme.test'", now=world.clock.now)
    told = set()
    for address in ("pat@acme.test", "sso@acme.test", "gone@acme.test", "nobody@acme.test"):
        page = ask(world.visitor(), address)
        headers = sorted((name, value) for name, value in page.headers.items() if name != "x-request-id")
        told.add((page.status, re.sub(r'csrf_token" value="[^"]+', "", page.html).replace(address, "X"), str(headers)))
    assert len({(status, body) for status, body, _ in told}) == 1
    assert len({re.sub(r"'content-length', '\d+'", "", headers) for _, _, headers in told}) == 1
    assert sorted(letter["To"] for letter in world.letters()) == ["pat@acme.test", "sso@acme.test"]


@pytest.mark.parametrize("address", ["", "nonsense", "pat@acme", "pat@acme.test, eve@evil.test"])
def test_what_is_no_address_is_said(world: World, visitor: Visitor, address: str) -> None:
    assert ask(visitor, address).status == 422
    assert world.letters() == []


@pytest.mark.requirement("SES-14", "WEB-02")
def test_opening_the_link_spends_nothing(world: World, visitor: Visitor) -> None:
    link = link_for(world, visitor)
    before = world.counts()
    for _ in range(3):
        assert world.open(world.visitor(), link).status == 200  # mail scanners open it too
    assert world.counts() == before
    assert visitor.submit(world.open(visitor, link), "/login/reset", password=NEW).status == 200


@pytest.mark.requirement("PWD-08", "SES-13")
def test_only_the_newest_link_works(world: World, visitor: Visitor) -> None:
    old = link_for(world, visitor)
    new = link_for(world, visitor)
    assert old != new
    assert world.open(visitor, old).status == 410
    assert world.open(visitor, new).status == 200


@pytest.mark.requirement("PWD-08")
def test_the_form_of_an_old_link_changes_nothing(world: World, visitor: Visitor) -> None:
    page = world.open(visitor, link_for(world, visitor))
    visitor.submit(page, "/login/reset", password=NEW)
    again = visitor.submit(page, "/login/reset", password="another four unrelated words")
    assert again.status == 410
    assert "Pat Doe" in world.sign_in(world.visitor(), "pat@acme.test", NEW).text


@pytest.mark.requirement("PWD-08", "SES-04")
@pytest.mark.parametrize("token", ["", "x", "%00", "%FF", "A" * 3000])
def test_a_token_that_is_none_is_refused(visitor: Visitor, token: str) -> None:
    assert visitor.follow(visitor.get(f"/login/reset?token={token}")).status in (400, 410)


@pytest.mark.requirement("SES-04", "SES-13")
def test_a_sign_up_link_resets_no_password(world: World, visitor: Visitor) -> None:
    fields = {"first_name": "Olive", "last_name": "Oh", "organization_name": "New Co", "password": PASSWORD}
    visitor.submit(visitor.get("/signup"), "/signup", email="olive@newco.test", **fields)
    token = world.link("olive@newco.test", "/signup/verify").partition("token=")[2]
    assert world.open(visitor, f"/login/reset?token={token}").status == 410


@pytest.mark.requirement("PWD-01", "PWD-03")
@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaaaaaa", "pat doe acme rockets", "é" * 600, ""])
def test_a_weak_password_is_said_and_does_not_spend_the_link(world: World, visitor: Visitor, password: str) -> None:
    page = world.open(visitor, link_for(world, visitor))
    again = visitor.submit(page, "/login/reset", password=password)
    assert again.status == 422
    assert visitor.submit(again, "/login/reset", password=NEW).status == 200


@pytest.mark.requirement("PWD-08", "PWD-17", "PWD-16")
def test_the_person_is_told_in_our_own_words(world: World, visitor: Visitor) -> None:
    page = world.open(visitor, link_for(world, visitor))
    visitor.submit(page, "/login/reset", password=NEW)
    letter = world.letters("pat@acme.test")[-1]
    assert "password was changed" in letter["Subject"]
    body = letter.get_body(preferencelist=("plain",))
    assert body is not None
    assert "A program on an unknown device" in body.get_content()
    other = world.visitor(**{"User-Agent": "see https://evil.test now Firefox/1 Linux"})
    other.submit(world.open(other, link_for(world, other)), "/login/reset", password=NEW + " again")
    assert "evil.test" not in world.letters("pat@acme.test")[-1].as_string()


@pytest.mark.requirement("PWD-08")
def test_a_reset_ends_every_session_and_opens_none(world: World, visitor: Visitor) -> None:
    browsers = [world.visitor(), world.visitor()]
    for browser in browsers:
        world.sign_in(browser, "pat@acme.test")
    visitor.submit(world.open(visitor, link_for(world, visitor)), "/login/reset", password=NEW)
    assert [browser.get("/").status for browser in (*browsers, visitor)] == [303, 303, 303]
    assert world.value("SELECT count(*) FROM sessions WHERE ended_at IS NULL") == 0
    assert world.sign_in(world.visitor(), "pat@acme.test", PASSWORD).status == 401


@pytest.mark.requirement("PWD-06", "PWD-16")
def test_one_mailbox_gets_five_letters_an_hour(world: World, visitor: Visitor) -> None:
    for number in range(5):
        assert ask(world.visitor(peer=f"203.0.113.{number}")).status == 200
    stopped = ask(visitor)
    assert stopped.status == 429
    assert 0 < int(stopped.headers["retry-after"]) <= 3600
    assert len(world.letters("pat@acme.test")) == 5


@pytest.mark.requirement("PWD-05", "PWD-06")
def test_the_limit_does_not_tell_who_has_an_account(world: World, visitor: Visitor) -> None:
    for number in range(5):
        ask(world.visitor(peer=f"203.0.113.{number}"), "nobody@acme.test")
    assert ask(visitor, "nobody@acme.test").status == 429


@pytest.mark.requirement("PWD-06")
def test_one_network_asks_twenty_times_an_hour(world: World, visitor: Visitor) -> None:
    answers = [ask(visitor, f"person{number}@acme.test").status for number in range(21)]
    assert answers == [200] * 20 + [429]


def test_who_has_only_sso_may_choose_a_password(world: World) -> None:
    acme = world.organization()
    world.saml_sign_in(world.visitor(), world.saml(acme), "ann@acme.test")
    visitor = world.visitor()
    ask(visitor, "ann@acme.test")
    visitor.submit(world.open(visitor, world.link("ann@acme.test", "/login/reset")), "/login/reset", password=NEW)
    assert "Ann Lee" in world.sign_in(visitor, "ann@acme.test", NEW).text
