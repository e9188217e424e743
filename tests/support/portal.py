"""The Admin Portal from the outside: a link as staff would send it, a browser that opened it, a set-up connection."""

from collections.abc import Sequence
from datetime import timedelta

from lxml import etree
from saml import build
from saml.keys import Signer, signer
from world import World

from llmops.broker import connections, drafts
from llmops.broker.connections import Connection, Kind
from llmops.broker.portal import links
from llmops.broker.portal.links import Intent, PortalLink
from llmops.broker.saml import metadata
from llmops.organizations.organization import Organization
from support.page import Page, Upload
from support.visitor import Visitor

CONTACT = "it@acme.test"
INPUT = "/portal/okta-saml/metadata"


def link(
    world: World,
    organization: Organization,
    *,
    intent: Intent = Intent.SETUP_SSO,
    kind: Kind | None = None,
    contacts: Sequence[str] = (CONTACT,),
    lives_days: int = 7,
) -> tuple[PortalLink, str]:
    """A new link and its path."""
    with world.database.writing() as db:
        made, secret = links.make(
            db, world.site.sealer, organization.id, intent=intent, kind=kind, contacts=list(contacts),
            made_by="operator", now=world.clock.now, lives_days=lives_days,
        )  # fmt: skip
    return made, links.address(world.settings, secret).removeprefix(world.settings.base_url)


def enter(world: World, path: str, visitor: Visitor | None = None) -> Visitor:
    """A browser in which somebody opened the link and pressed the button."""
    browser = visitor or world.visitor()
    opened = browser.submit(browser.follow(browser.get(path)), "/portal/start")
    assert opened.location == f"{world.settings.base_url}/portal", opened.text
    return browser


def inside(world: World, organization: Organization, *, intent: Intent = Intent.SETUP_SSO) -> Visitor:
    """A browser in the portal of an organization, with a new link."""
    return enter(world, link(world, organization, intent=intent)[1])


def token_of(visitor: Visitor) -> str:
    """The anti-forgery token of the browser's forms in the portal."""
    return str(visitor.get("/portal").forms[0].fields["csrf_token"])


def post(visitor: Visitor, path: str, **fields: str) -> Page:
    """Send a form that the page may not even show."""
    return visitor.post(path, {"csrf_token": token_of(visitor), **fields})


def choose(visitor: Visitor, kind: Kind = Kind.OKTA_SAML) -> Page:
    """Choose an identity provider; returns the first step's page."""
    return visitor.follow(post(visitor, "/portal/provider", kind=kind.value))


def document(*, entity_id: str = build.IDP, by: Sequence[Signer] = ()) -> bytes:
    """An identity provider's metadata."""
    return etree.tostring(build.metadata(entity_id=entity_id, signers=list(by) or [signer()]))


def give_metadata(visitor: Visitor, content: bytes, path: str = INPUT) -> Page:
    """Upload metadata; returns what the browser gets for it."""
    page = visitor.get(path)
    return visitor.submit(page, path, file=Upload("metadata.xml", content, "application/xml"))


def working(world: World, organization: Organization) -> Connection:
    """What the portal works on: the draft, else the live connection."""
    with world.database.reading() as db:
        found = connections.of_organization(db, organization.id)
    return next((one for one in reversed(found) if one.state == "draft"), found[-1])


def pass_test(world: World, connection: Connection, *, hours_ago: float = 0) -> None:
    """As a test sign-in leaves it that passed with the present configuration."""
    with world.database.writing() as db:
        fingerprint = drafts.fingerprint(world.site.sealer, connection)
        now = world.clock.now - timedelta(hours=hours_ago)
        assert drafts.note_tested(db, world.site.sealer, connection.id, configuration=fingerprint, now=now)


def live(
    world: World, organization: Organization, *, kind: Kind = Kind.OKTA_SAML, by: Sequence[Signer] = ()
) -> Connection:
    """An active SAML connection of a kind."""
    idp = metadata.read(document(by=by), now=world.clock.now)
    with world.database.writing() as db:
        made = connections.create(db, world.site.sealer, organization.id, kind=kind, now=world.clock.now)
        connections.set_saml(db, made, idp, metadata_url=None, sign_requests=False)
        connections.activate(db, connections.get(db, made.id), now=world.clock.now)
        return connections.get(db, made.id)


def verified_none(world: World, organization: Organization) -> None:
    """No domain of the organization is proven any more."""
    world.sql("UPDATE organization_domains SET verified_at = NULL WHERE organization_id = :id", id=organization.id)
