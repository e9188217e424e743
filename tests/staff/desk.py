"""A colleague at the staff console: hired by the command line's verb, signed in through the front door."""

from dataclasses import dataclass
from urllib.parse import urlsplit

import pyotp
from support.page import Page
from support.visitor import Visitor
from world import BASE_URL, PASSWORD, World

from llmops.audit import log
from llmops.organizations.organization import Organization
from llmops.staff import people


@dataclass(frozen=True)
class Hired:
    """An account, and what its owner's app was given."""

    id: str
    email: str
    secret: str

    def code(self, world: World) -> str:
        """What the app shows now."""
        return pyotp.TOTP(self.secret).at(world.clock.now)


def hire(world: World, email: str = "sam@llm-ops.test", *, name: str = "Sam Staff") -> Hired:
    """As `llmops staff create` does."""
    with world.database.writing() as db:
        member, secret = people.create(db, world.site.sealer, email, name=name, password=PASSWORD, now=world.clock.now)
    return Hired(member.id, email, secret)


def give_password(visitor: Visitor, email: str, password: str = PASSWORD) -> Page:
    """The first page; returns its answer."""
    return visitor.submit(visitor.get("/staff/sign-in"), "/staff/sign-in", email=email, password=password)


def give_code(visitor: Visitor, code: str) -> Page:
    """The second page; returns its answer."""
    return visitor.submit(visitor.get("/staff/sign-in/code"), "/staff/sign-in/code", code=code)


def enter(world: World, hired: Hired, visitor: Visitor | None = None) -> Visitor:
    """Sign in; at the first time that confirms the app. A code counts once, so the clock moves on to the next."""
    browser = visitor or world.visitor()
    world.clock.advance(seconds=31)
    give_password(browser, hired.email)
    answer = give_code(browser, hired.code(world))
    assert answer.status in (200, 303), answer.text
    return browser


def desk(world: World, email: str = "sam@llm-ops.test", *, name: str = "Sam Staff") -> Visitor:
    """The browser of a new colleague who is signed in."""
    return enter(world, hire(world, email, name=name))


def page_of(customer: Organization) -> str:
    """The address of a customer's page."""
    return f"/staff/organizations/{customer.slug}"


def act(visitor: Visitor, customer: Organization, form: str, *, press: str = "", **fields: str) -> Page:
    """Send one of the forms on a customer's page; returns the answer."""
    return visitor.submit(visitor.get(page_of(customer)), f"{page_of(customer)}/{form}", press=press, **fields)


def entries(world: World, action: str) -> list[tuple[str, str, dict[str, str]]]:
    """Actor, organization's id and facts of each audit entry of this action, the oldest first."""
    with world.database.reading() as db:
        found = db.execute(log.Entry.rows().where(log.Entry.action == action).order_by(log.Entry.number))
        return [(row.actor, row.organization_id or "", row.facts) for row in found]


def cookie(visitor: Visitor, name: str) -> str:
    """The value of a cookie that the browser holds; empty when it has none."""
    return visitor.cookies.value(name, host=urlsplit(BASE_URL).hostname or "") or ""


def plant(visitor: Visitor, name: str, value: str) -> None:
    """Give a browser a cookie, as a thief would."""
    visitor.cookies.store(BASE_URL, f"{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax")
