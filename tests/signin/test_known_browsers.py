"""Nobody can be locked out of their account for good: known browsers keep tries of their own, a letter makes one."""

import pytest
from support.enforced import break_glass, enforced
from support.page import Page
from support.visitor import Visitor
from world import BASE_URL, PASSWORD, World

from llmops.signin import known_browsers
from llmops.web import limits

pytestmark = pytest.mark.requirement("PWD-06")
PAT = "pat@home.test"
NEW = "four unrelated words here"


def attempt(visitor: Visitor, password: str = PASSWORD, address: str = PAT) -> Page:
    """Try to sign in; who got in signs out at once."""
    answer = visitor.submit(visitor.get("/login"), "/login", email=address, password=password)
    if answer.status == 303:
        visitor.submit(visitor.follow(answer), "/logout")
    return answer


def under_attack(world: World, address: str = PAT) -> None:
    """Strangers everywhere have used up what an account may be tried in all."""
    with world.database.writing() as db:
        for _ in range(100):
            limits.hit(db, world.site.sealer, "password.account", address, window_seconds=3600, now=world.clock.now)


def known(world: World, address: str = PAT) -> Visitor:
    """A browser in which somebody was signed in, and no longer is."""
    browser = world.visitor()
    assert attempt(browser, PASSWORD, address).status == 303
    return browser


def value(browser: Visitor) -> str:
    return browser.cookies.value(known_browsers.COOKIE, host="llm-ops.test") or ""


def plant(browser: Visitor, content: str) -> None:
    browser.cookies.store(BASE_URL, f"{known_browsers.COOKIE}={content}; Path=/; Secure; HttpOnly; SameSite=Lax")


@pytest.fixture(autouse=True)
def pat(world: World) -> None:
    world.person(PAT, world.organization("Home", domain=None))


def test_a_browser_that_was_here_before_gets_in_during_an_attack(world: World) -> None:
    browser = known(world)
    under_attack(world)
    assert attempt(world.visitor()).status == 429
    assert attempt(browser).status == 303


def test_the_attack_may_go_on_for_ever(world: World) -> None:
    browser = known(world)
    for _ in range(3):
        under_attack(world)
        assert attempt(browser).status == 303
        world.clock.advance(hours=1)


def test_at_a_new_browser_a_reset_letter_is_the_way_out(world: World) -> None:
    under_attack(world)
    browser = world.visitor()
    assert attempt(browser).status == 429
    browser.submit(browser.get("/login/forgot"), "/login/forgot", email=PAT)
    browser.submit(world.open(browser, world.link(PAT, "/login/reset")), "/login/reset", password=NEW)
    assert attempt(browser, NEW).status == 303


def test_letters_that_the_attacker_asked_for_serve_the_victim_too(world: World) -> None:
    under_attack(world)
    for number in range(6):
        attacker = world.visitor(peer=f"203.0.113.{number}")
        attacker.submit(attacker.get("/login/forgot"), "/login/forgot", email=PAT)
        world.clock.advance(seconds=1)  # the last letter is the one that counts
    victim = world.visitor()
    victim.submit(world.open(victim, world.link(PAT, "/login/reset")), "/login/reset", password=NEW)
    assert attempt(victim, NEW).status == 303


def test_an_emergency_owner_is_not_locked_out_either(world: World) -> None:
    made, browser = enforced(world), world.visitor()
    world.clock.advance(seconds=60)
    assert break_glass(world, browser, made).status == 303
    under_attack(world, made.owner.email)
    world.clock.advance(seconds=60)
    assert break_glass(world, world.visitor(), made).status == 429
    assert break_glass(world, browser, made).status == 303


def test_it_has_twenty_tries_an_hour_of_its_own(world: World) -> None:
    browser = known(world)
    for number in range(20):
        if number % 9 == 0:
            world.clock.advance(minutes=10)  # ten from one address in ten minutes
        assert attempt(browser, "wrong" * 4).status == 401
    world.clock.advance(minutes=10)
    assert attempt(browser, "wrong" * 4).status == 429


def test_one_address_is_stopped_after_ten_tries_all_the_same(world: World) -> None:
    browser = known(world)
    answers = [attempt(browser, "wrong" * 4).status for _ in range(10)]
    assert answers == [401] * 9 + [429]  # with the one that signed in


def test_it_is_known_to_that_account_only(world: World) -> None:
    world.person("bo@acme.test", world.organization("Other", domain=None))
    browser = known(world)
    under_attack(world, "bo@acme.test")
    assert attempt(browser, PASSWORD, "bo@acme.test").status == 429


def test_it_knows_the_last_four_accounts(world: World) -> None:
    other = world.organization("Other", domain=None)
    browser = known(world)
    for number in range(4):
        world.person(f"p{number}@acme.test", other)
        attempt(browser, PASSWORD, f"p{number}@acme.test")
        assert value(browser).count(".") == min(4, number + 2)
    for address in (PAT, "p0@acme.test"):
        under_attack(world, address)
    assert attempt(browser, PASSWORD, "p0@acme.test").status == 303
    assert attempt(browser, PASSWORD).status == 429


@pytest.mark.parametrize("change", ["", "x", "A" * 43, "A" * 43 + "." + "0" * 64, "SWAPPED", "LONG", "UPPER"])
def test_a_cookie_that_is_not_exactly_ours_helps_nothing(world: World, change: str) -> None:
    good = value(known(world))
    name, mark = good.split(".")
    content = {"SWAPPED": f"{'B' * 43}.{mark}", "LONG": f"{good}.{'0' * 64 * 5}", "UPPER": f"{name}.{mark.upper()}"}
    under_attack(world)
    browser = world.visitor()
    plant(browser, content.get(change, change))
    assert attempt(browser).status == 429


def test_it_opens_nothing_by_itself(world: World) -> None:
    browser = world.visitor()
    plant(browser, value(known(world)))
    assert browser.get("/").status == 303
    assert attempt(browser, "wrong" * 4).status == 401


@pytest.mark.requirement("SEC-02")
def test_no_address_is_in_it(world: World) -> None:
    assert "pat" not in value(known(world)).lower().partition(".")[2]
    assert len(value(known(world))) == 43 + 1 + 64


def test_a_reset_takes_the_tries_of_the_browsers_of_before(world: World) -> None:
    stolen, mine = known(world), world.visitor()
    mine.submit(mine.get("/login/forgot"), "/login/forgot", email=PAT)
    mine.submit(world.open(mine, world.link(PAT, "/login/reset")), "/login/reset", password=NEW)
    under_attack(world)
    assert attempt(stolen, NEW).status == 429
    assert attempt(mine, NEW).status == 303


def test_a_changed_password_leaves_known_the_browser_that_changed_it(world: World) -> None:
    stolen, mine = known(world), world.visitor()
    world.sign_in(mine, PAT)
    mine.submit(mine.get("/settings/profile"), "/settings/profile/password", present=PASSWORD, new=NEW)
    mine.submit(mine.get("/"), "/logout")
    under_attack(world)
    assert attempt(stolen, NEW).status == 429
    assert attempt(mine, NEW).status == 303
