"""Nobody learns from an answer, nor from the time it takes, who has an account here (TST-18).

What is compared is everything a stranger gets: status, headers, body, the statements that the database is given, and
the processor time of interleaved tries.
"""

import re
import statistics
import time
from collections.abc import Callable

import pytest
from sqlalchemy import event
from support.page import Page
from support.visitor import Visitor
from world import PASSWORD, World

pytestmark = pytest.mark.requirement("TST-18", "PWD-05")
PEOPLE = ("known", "nobody", "gone", "sso", "new", "removed")
"""By name: has an account, has none, is suspended, has no password, is not verified, was removed."""
VARYING = {"x-request-id", "content-length", "set-cookie"}
ROUNDS = 12
FIELDS = {"first_name": "Pat", "last_name": "Doe", "organization_name": "New Company", "password": PASSWORD}

Ask = Callable[[Visitor, str], Page]


def sign_in(visitor: Visitor, address: str) -> Page:
    page = visitor.get("/login")
    return visitor.submit(page, "/login", email=address, password="wrong and long enough")


def forgot(visitor: Visitor, address: str) -> Page:
    return visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email=address)


def sign_up(visitor: Visitor, address: str) -> Page:
    return visitor.submit(visitor.get("/signup"), "/signup", email=address, **FIELDS)


def resend(visitor: Visitor, address: str) -> Page:
    """The form of the page that sign-up ends on, with another address in it."""
    page = sign_up(visitor, f"first-{address}")
    return visitor.submit(page, "/signup/resend", email=address)


def emergency(visitor: Visitor, address: str) -> Page:
    page = visitor.get("/login/break-glass")
    return visitor.submit(page, "/login/break-glass", email=address, password=PASSWORD, code="123456")


DOORS = (sign_in, forgot, sign_up, resend, emergency)


def address_of(name: str) -> str:
    """All of one length."""
    return f"{name:x<8}@acme.test"


@pytest.fixture
def people(world: World) -> World:
    """One account of each kind."""
    acme = world.organization(domain=None)
    for name in PEOPLE:
        if name != "nobody":
            password = None if name == "sso" else "another quite long password"
            world.person(address_of(name), acme, password=password, verified=name != "new")
    world.sql("UPDATE users SET suspended_at = :now WHERE email = :who", now=world.clock.now, who=address_of("gone"))
    user_id = world.value("SELECT id FROM users WHERE email = :who", who=address_of("removed"))
    world.sql("UPDATE members SET status = 'removed' WHERE user_id = :id", id=user_id)
    return world


def told(page: Page, address: str) -> tuple[object, ...]:
    """All that a stranger can compare, without what is random in every answer."""
    body = re.sub(r'(csrf_token" value=")[^"]+', r"\1", page.html).replace(address, "ADDRESS")
    headers = sorted((name, value) for name, value in page.headers.items() if name not in VARYING)
    cookies = sorted(value.partition("=")[0] for value in page.headers.get_list("set-cookie"))
    return page.status, body, len(page.html), headers, sorted(page.headers), cookies


@pytest.mark.parametrize("ask", DOORS, ids=lambda ask: ask.__name__)
def test_every_answer_is_the_same_byte_for_byte(people: World, ask: Ask) -> None:
    answers = {name: told(ask(people.visitor(), address_of(name)), address_of(name)) for name in PEOPLE}
    assert {name for name, answer in answers.items() if answer != answers["nobody"]} == set()


@pytest.mark.parametrize("ask", DOORS, ids=lambda ask: ask.__name__)
def test_the_database_is_asked_the_same(people: World, ask: Ask) -> None:
    """Whatever the machine does at this moment: what is the same work takes the same time."""
    asked: dict[str, list[str]] = {}
    for name in PEOPLE:
        visitor, statements = people.visitor(), asked.setdefault(name, [])

        def note(*arguments: object, into: list[str] = statements) -> None:
            into.append(str(arguments[2]))

        event.listen(people.database.engine, "before_cursor_execute", note)
        ask(visitor, address_of(name))
        event.remove(people.database.engine, "before_cursor_execute", note)
    assert {name for name in PEOPLE if asked[name] != asked["nobody"]} == set()


@pytest.mark.parametrize("ask", [sign_in, forgot, sign_up], ids=lambda ask: ask.__name__)
def test_the_time_does_not_tell(people: World, ask: Ask) -> None:
    """Medians of processor time, known and unknown in turn; the bound is wide, for machines that do other things."""
    visitor = people.visitor()
    spent: dict[str, list[float]] = {"known": [], "nobody": []}
    for number in range(ROUNDS):
        people.clock.advance(hours=1)  # as many tries as one likes
        for name in sorted(spent, reverse=bool(number % 2)):
            began = time.process_time()
            ask(visitor, address_of(name))
            spent[name].append(time.process_time() - began)
    known, nobody = (statistics.median(spent[name]) for name in ("known", "nobody"))
    assert 0.67 < known / nobody < 1.5, f"{known * 1000:.2f} ms and {nobody * 1000:.2f} ms"


def test_only_who_has_an_account_gets_the_letter(people: World) -> None:
    for name in PEOPLE:
        forgot(people.visitor(), address_of(name))
    written = {letter["To"].partition("@")[0].strip("x") for letter in people.letters()}
    assert written == {"known", "sso", "new", "removed"}
