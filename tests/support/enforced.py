"""A company whose people must use single sign-on, made as people make it; second factors and their codes."""

from dataclasses import dataclass

import pyotp
from world import PASSWORD, World

from llmops.accounts import factors
from llmops.accounts.users import User
from llmops.broker.connections import Connection
from llmops.organizations import organization
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.signin import breakglass, enforcement
from support.page import Page
from support.visitor import Visitor


@dataclass(frozen=True)
class Company:
    """Acme, its connection, and olga@acme.test, who owns it and is named for emergencies."""

    organization: Organization
    connection: Connection
    owner: User
    secret: str


def second_factor(world: World, user: User) -> str:
    """Enrol somebody as their app does; returns the secret. The app's present code is still unused."""
    with world.database.writing() as db:
        secret = factors.begin(db, world.site.sealer, user.id, now=world.clock.now)
        factors.confirm(db, world.site.sealer, user.id, code=code(world, secret, ahead=-1), now=world.clock.now)
    return secret


def code(world: World, secret: str, *, ahead: int = 0) -> str:
    """What the app shows now, or some steps of 30 seconds ahead."""
    return str(pyotp.TOTP(secret).at(int(world.clock.now.timestamp()) + 30 * ahead))


def company(world: World, *, named: bool = True) -> Company:
    """Acme with everything that compulsory single sign-on needs, but not yet compulsory."""
    acme = world.organization()
    connection = world.saml(acme)
    owner = world.person("olga@acme.test", acme)
    world.saml_sign_in(world.visitor(), connection, owner.email)  # connects her: a member needs no letter for it
    world.sql("UPDATE members SET role = :role", role=Role.OWNER)
    secret = second_factor(world, owner)
    if named:
        with world.database.writing() as db:
            breakglass.name(db, acme.id, owner.id, by=owner.id, now=world.clock.now)
    return Company(acme, connection, owner, secret)


def enforce(world: World, found: Organization) -> None:
    """Make single sign-on compulsory, as the operator does."""
    with world.database.writing() as db:
        enforcement.enforce(
            db, world.site.sealer, world.settings, found, by="operator", reason="contract", now=world.clock.now
        )


def relax(world: World, found: Organization) -> None:
    """Allow passwords again."""
    with world.database.writing() as db:
        enforcement.relax(
            db, world.site.sealer, world.settings, found, by="operator", reason="idp moves", now=world.clock.now
        )


def enforced(world: World) -> Company:
    """Acme, with single sign-on compulsory."""
    made = company(world)
    enforce(world, made.organization)
    with world.database.reading() as db:
        return Company(organization.get(db, made.organization.id), made.connection, made.owner, made.secret)


def break_glass(world: World, visitor: Visitor, made: Company, **typed: str) -> Page:
    """The emergency sign-in of Acme's owner, perhaps with something else typed; returns the answer."""
    page = visitor.get("/login/break-glass")
    right = {"email": made.owner.email, "password": PASSWORD, "code": code(world, made.secret)}
    return visitor.submit(page, "/login/break-glass", **{**right, **typed})
