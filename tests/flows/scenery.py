"""A company in full view: every page of the site has something to show, and a browser for everybody who looks at it.

What people and identity providers say is given by a `Said`, so that the same pages can be shown plain or hostile.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.message import EmailMessage
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import uvicorn
from lxml import etree
from oidc import evil
from oidc import provider as op
from saml import build
from saml.keys import signer
from staff.desk import act, desk, give_password
from support import enforced, portal
from support.visitor import Visitor
from world import PASSWORD, World, request_id_of

from llmops.accounts.users import User
from llmops.broker import connections, drafts
from llmops.broker.connections import Connection, Kind
from llmops.broker.portal.links import Intent
from llmops.broker.saml import metadata
from llmops.broker.saml.names import samlp
from llmops.db.tables import change
from llmops.organizations import domains, organization
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.plans import Plan
from llmops.signin import breakglass, rescue


@dataclass(frozen=True)
class Said:
    """What others fill in: an identity provider about a person and itself, people in text fields."""

    first_name: str = "Ann"
    last_name: str = "Lee"
    local_part: str = "ann"
    subject: str = "00u1a2b3c4"
    group: str = "Engineering"
    attribute: str = "department"
    message: str = "The user is not assigned to this application"
    entity_id: str = "http://www.okta.com/exk1a2b3c4d5e6f7g8h9"
    text: str = "We would like to start in December."
    name: str = "Acme"


@dataclass(frozen=True)
class Scene:
    """Browsers by who sits at them, what stands in the addresses of doors, and every letter's HTML."""

    visitors: dict[str, Visitor]
    paths: dict[str, str]
    letters: list[str]

    def cookies(self, who: str) -> list[Any]:
        """The cookies of a browser, for a real one. «nobody» has none."""
        visitor = self.visitors.get(who)
        return [
            {
                "name": one.name,
                "value": one.value,
                "domain": one.host,
                "path": one.path,
                "httpOnly": one.http_only,
                "secure": one.secure,
                "sameSite": one.same_site.capitalize(),
            }
            for one in (visitor.cookies if visitor else ())
        ]


@contextmanager
def served(world: World, *, port: int = 0, **tls: Path) -> Iterator[None]:
    """The world's application behind a port, usually that of its base URL, in this process. `tls`: as uvicorn's."""
    port = port or urlsplit(world.settings.base_url).port or 0
    config = uvicorn.Config(world.app, port=port, log_config=None, lifespan="off", ws="none", **tls)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="site", daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)


def build_scene(world: World, said: Said) -> Scene:
    """Make it all, in the order in which it would come about."""
    acme = world.organization(said.name)
    people = {name: world.person(f"{name}@acme.test", acme, role=role) for name, role in _ROLES.items()}
    live = connected(world, acme, said)
    visitors, paths = people_of(world, acme, people["olga"]), {"{slug}": acme.slug}
    paths["{member_id}"] = world.value(
        "SELECT members.id FROM members JOIN users ON users.id = user_id WHERE email = 'mia@acme.test'"
    )
    paths["{refused}"] = come_and_be_refused(world, live, said)
    visitors |= at_the_portal(world, acme, live, said, paths)
    visitors |= at_the_console(world, acme, said)
    visitors |= without_sso(world, said)
    visitors |= by_openid_connect(world, said, paths)
    paths |= letters(world, live, visitors["olga"], said)
    return Scene(visitors, paths, [html_of(letter) for letter in world.letters()])


_ROLES = {"olga": Role.OWNER, "adam": Role.ADMIN, "mia": Role.MEMBER}


def people_of(world: World, acme: Organization, owner: User) -> dict[str, Visitor]:
    """Everybody signed in with a password, the owner with a code too; and a browser that has yet to give the code."""
    secret = enforced.second_factor(world, owner)
    visitors = {name: world.visitor() for name in (*_ROLES, "halfway")}
    for name in _ROLES:
        world.sign_in(visitors[name], f"{name}@acme.test")
    olga, adam = visitors["olga"], visitors["adam"]
    olga.submit(olga.get("/login/code"), "/login/code", code=enforced.code(world, secret))
    world.sign_in(visitors["halfway"], "olga@acme.test")
    adam.submit(adam.get("/settings/profile/two-step"), "/settings/profile/two-step/begin")
    with world.database.writing() as db:
        breakglass.name(db, acme.id, owner.id, by=owner.id, now=world.clock.now)
        domains.claim(db, acme.id, domain="acme.example", now=world.clock.now)
    return visitors


def html_of(letter: EmailMessage) -> str:
    """The HTML part of a letter."""
    body = letter.get_body(("html",))
    assert body is not None
    return str(body.get_content())


def connected(world: World, company: Organization, said: Said) -> Connection:
    """A live connection to an identity provider with the name that it gave itself."""
    idp = metadata.read(portal.document(entity_id=said.entity_id), now=world.clock.now)
    with world.database.writing() as db:
        made = connections.create(db, world.site.sealer, company.id, kind=Kind.OKTA_SAML, now=world.clock.now)
        connections.set_saml(db, made, idp, metadata_url="https://idp.example.test/metadata.xml", sign_requests=False)
        connections.set_contacts(db, made, ["it@acme.test"])
        connections.activate(db, connections.get(db, made.id), now=world.clock.now)
        return connections.get(db, made.id)


def answer(
    world: World, connection: Connection, request_id: str, said: Said, *, domain: str = "acme.test", **changes: Any
) -> str:
    """What the identity provider says about Ann; `changes` as of `World.response`."""
    attributes = {
        "email": [f"{said.local_part}@{domain}"],
        "firstName": [said.first_name],
        "lastName": [said.last_name],
        "groups": [said.group, "Everyone"],
        said.attribute: [said.text],
    }
    written = [(escape(name), [escape(value) for value in values]) for name, values in attributes.items()]
    issuers = [build.text("Issuer", said.entity_id), build.text("Assertion/Issuer", said.entity_id)]
    before = [*issuers, *changes.pop("before", ())]
    usual = {"attributes": written, "subject": escape(said.subject), "assertion_id": f"_{request_id}"}
    return world.response(connection, request_id, **{**usual, "before": before, **changes})


def refused(said: Said) -> dict[str, Any]:
    """The identity provider says no, in its own words."""

    def changed(root: etree._Element) -> None:
        build.at("Status/StatusCode", root).set("Value", "urn:oasis:names:tc:SAML:2.0:status:Responder")
        etree.SubElement(build.at("Status", root), samlp("StatusMessage")).text = said.message
        root.remove(build.at("Assertion", root))

    return {"before": [changed], "style": "response"}


def come_and_be_refused(world: World, live: Connection, said: Said) -> str:
    """Ann signs in for the first time; then she is refused in three ways. Returns the id of the last attempt."""
    ways: list[dict[str, Any]] = [{}, {"domain": "elsewhere.test"}, {"by": signer("other")}, refused(said)]
    for way in ways:
        visitor = world.visitor()
        request_id = request_id_of(world.depart(visitor, "ann@acme.test"))
        encoded = answer(world, live, request_id, said, **way)
        visitor.follow(world.post_response(visitor, live, encoded))
    return str(world.value("SELECT id FROM logins WHERE code = 'idp_error'"))


def at_the_portal(
    world: World, acme: Organization, live: Connection, said: Said, paths: dict[str, str]
) -> dict[str, Visitor]:
    """An administrator with a change beside the live connection, and one who has just begun elsewhere."""
    guest, beginner = portal.inside(world, acme), world.visitor()
    with world.database.writing() as db:
        draft = drafts.begin(db, world.site.sealer, live, now=world.clock.now)
        change(db, Connection, {"id": draft.id}, idp_sso_url="https://idp.example.test/new", tested_at=world.clock.now)
        change(db, Connection, {"id": draft.id}, approval_asked_at=world.clock.now)
    for name, way in (("{passed}", {}), ("{failed}", refused(said))):
        started = guest.submit(guest.get("/portal/test"), "/portal/test/start")
        encoded = answer(world, live, request_id_of(started.location or ""), said, **way)
        report = guest.follow(world.post_response(guest, live, encoded))
        paths[name] = report.url.rpartition("/")[2]
    new = world.organization("Cedar", domain="cedar.test", verified=False)
    portal.enter(world, portal.link(world, new)[1], beginner)
    portal.choose(beginner)
    viewer = portal.inside(world, acme, intent=Intent.VIEW_ONLY)
    return {"guest": guest, "beginner": beginner, "viewer": viewer}


def at_the_console(world: World, acme: Organization, said: Said) -> dict[str, Visitor]:
    """A colleague who has done a little of everything, and one between the two pages of signing in."""
    sam, halfway = desk(world), world.visitor()
    give_password(halfway, "sam@llm-ops.test")
    act(sam, acme, "plan", plan="enterprise", seats="150", price="EUR 18,000 a year", notes=said.text, reason=said.text)
    act(sam, acme, "note", text=said.text, reason=said.text)
    act(sam, acme, "claim", domain="acme-labs.test", reason=said.text)
    act(sam, acme, "link", intent="renew_certificate", contacts="it@acme.test", reason=said.text, press="Make and send")
    return {"sam": sam, "halfway staff": halfway}


def without_sso(world: World, said: Said) -> dict[str, Visitor]:
    """Owners of companies on the first plan: Fay has asked sales, Gus has not."""
    owners = {}
    for name, company in (("fay", "Finch"), ("gus", "Grove")):
        domain = f"{company.lower()}.test"
        made = world.organization(company, plan=Plan.STARTER, domain=domain, verified=False)
        world.person(f"{name}@{domain}", made, role=Role.OWNER)
        owners[name] = world.visitor()
        world.sign_in(owners[name], f"{name}@{domain}")
    asked = "/settings/billing/contact-sales"
    typed = {"phone": "+1 415 555 0100", "users": "120", "message": said.text, "deployment": said.text}
    owners["fay"].submit(owners["fay"].get(asked), asked, identity_provider="Okta", **typed)
    return owners


def by_openid_connect(world: World, said: Said, paths: dict[str, str]) -> dict[str, Visitor]:
    """A company with OpenID Connect: Bea owns it, Ben came in by it and asks for a letter, a stranger was denied."""
    claims = {"sub": "ben", "email": "ben@birch.test", "given_name": said.first_name}
    provider = evil.Provider(claims=dict(claims), told={"sub": "ben"})
    world.answering(provider)
    birch = world.organization("Birch", domain="birch.test")
    connection = world.oidc(birch, op.provider(), client_id=op.CLIENT_ID)
    world.person("bea@birch.test", birch, role=Role.OWNER)
    bea, ben, stranger = world.visitor(), world.visitor(), world.visitor()
    world.sign_in(bea, "bea@birch.test")
    answers = (
        (stranger, {"error": "access_denied", "error_description": said.message}),
        (ben, {"code": "c0de"}),
    )
    for visitor, answered in answers:
        sent = parse_qs(urlsplit(world.depart(visitor, "ben@birch.test")).query)
        provider.nonce = sent["nonce"][0]
        query = urlencode({**answered, "state": sent["state"][0], "iss": op.ISSUER})
        visitor.follow(visitor.get(f"/sso/oidc/{connection.id}/callback?{query}"))
    paths["{denied}"] = str(world.value("SELECT id FROM logins WHERE code IN ('idp_denied', 'user_not_assigned')"))
    ben.submit(ben.get("/confirm"), "/confirm/letter")
    paths["/confirm/link"] = world.link("ben@birch.test", "/confirm/link")
    return {"bea": bea, "ben": ben}


def letters(world: World, live: Connection, olga: Visitor, said: Said) -> dict[str, str]:
    """The links of letters that nobody has followed yet, by the path that they lead to."""
    invite = "/settings/team/invite"
    olga.submit(olga.get(invite), invite, emails="new@acme.test, kim@acme.test", role="admin")
    nobody = world.visitor()
    nobody.submit(nobody.get("/login/forgot"), "/login/forgot", email="mia@acme.test")
    nora = {"first_name": "Nora", "last_name": "Quick", "email": "nora@newco.test", "organization_name": said.name}
    nobody.submit(nobody.get("/signup"), "/signup", password=PASSWORD, **nora)
    request_id = request_id_of(world.depart(nobody, "adam@acme.test"))
    encoded = answer(world, live, request_id, replace(said, local_part="adam", subject="adam"))
    nobody.follow(world.post_response(nobody, live, encoded))
    with world.database.writing() as db:
        acme, now = organization.get(db, live.organization_id), world.clock.now
        sealer, settings = world.site.sealer, world.settings
        url = rescue.issue(db, sealer, settings, acme, email="olga@acme.test", by="operator", now=now)
    return {
        "/invitation": world.link("new@acme.test", "/invitation"),
        "/login/reset": world.link("mia@acme.test", "/login/reset"),
        "/signup/verify": world.link("nora@newco.test", "/signup/verify"),
        "/login/link": world.link("adam@acme.test", "/login/link"),
        "/login/rescue": url.removeprefix(settings.base_url),
        "/portal/start": portal.link(world, world.organization(said.name + " 2", domain="doe.test"))[1],
    }
