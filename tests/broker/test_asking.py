"""While other people's servers are asked, no transaction is open: on SQLite nobody could write, elsewhere rows wait."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from lxml import etree
from oidc import provider as op
from oidc.evil import Provider, come_back
from saml import build
from saml.keys import signer
from support import portal
from world import World

from llmops.app import application
from llmops.base.fetch import Answer
from llmops.broker import refresh
from llmops.broker.connections import Connection, Kind
from llmops.organizations import domain_checks
from llmops.organizations.roles import Role

pytestmark = pytest.mark.requirement("NET-06")


class Watched:
    """Other people's servers and name servers, which look at our transactions whenever they are asked."""

    def __init__(self, world: World) -> None:
        self.world, self.idp = world, Provider()
        self.open: list[int] = []
        site = world.answering(self)
        world.site = replace(site, resolve_txt=self.txt)
        world.app = application(world.site)

    def look(self) -> None:
        self.open.append(self.world.database.engine.pool.checkedout())

    def __call__(self, method: str, url: str, **more: object) -> op.Answer:
        self.look()
        if url.endswith("openid-configuration"):
            return op.Answer(body=op.document(issuer=op.ISSUER))
        return self.idp(method, url, **more)

    def get(self, url: str, **_: object) -> Answer:
        self.look()
        return Answer(200, "application/samlmetadata+xml", etree.tostring(build.metadata(signers=[signer()])))

    def txt(self, name: str) -> Sequence[str]:
        self.look()
        return ()


@pytest.fixture
def watched(world: World) -> Watched:
    return Watched(world)


def live_oidc(world: World) -> Connection:
    return world.oidc(world.organization(), op.provider(), client_id=op.CLIENT_ID)


def sign_in(world: World, watched: Watched) -> None:
    """Token endpoint, keys, UserInfo."""
    come_back(world, world.visitor(), live_oidc(world), watched.idp)


def read_metadata(world: World, watched: Watched) -> None:
    visitor = portal.inside(world, world.organization())
    portal.choose(visitor)
    visitor.submit(visitor.get(portal.INPUT), portal.INPUT, how="url", url="https://idp.example.test/metadata")


def read_client(world: World, watched: Watched) -> None:
    visitor = portal.inside(world, world.organization())
    portal.choose(visitor, Kind.GENERIC_OIDC)
    path = "/portal/generic-oidc/credentials"
    visitor.submit(visitor.get(path), path, issuer=op.ISSUER, client_id="client-1", client_secret="s3cret-of-it")


def prove_in_the_portal(world: World, watched: Watched) -> None:
    visitor = portal.inside(world, world.organization(verified=False))
    portal.post(visitor, "/portal/domains/check", domain="acme.test")


def prove_in_settings(world: World, watched: Watched) -> None:
    world.person("olga@acme.test", world.organization(verified=False), role=Role.OWNER)
    visitor, page = world.visitor(), "/settings/security"
    world.sign_in(visitor, "olga@acme.test")
    token = str(visitor.get(page).forms[0].fields["csrf_token"])
    visitor.post(f"{page}/domains/check", {"csrf_token": token, "domain": "acme.test"})


def refresh_metadata(world: World, watched: Watched) -> None:
    refresh.run(world.site, live_oidc(world).id)


def look_at_a_domain(world: World, watched: Watched) -> None:
    world.organization()
    world.sql("UPDATE organization_domains SET verified_how = 'dns'")
    domain_checks.check(world.site, lambda *_: (), world.value("SELECT id FROM organization_domains"))


@pytest.mark.parametrize(
    ("act", "times"),
    [
        (sign_in, 3),
        (read_metadata, 1),
        (read_client, 2),
        (prove_in_the_portal, 1),
        (prove_in_settings, 1),
        (refresh_metadata, 1),
        (look_at_a_domain, 1),
    ],
)
def test_no_transaction_is_open_while_somebody_is_asked(
    world: World, watched: Watched, act: Callable[[World, Watched], None], times: int
) -> None:
    act(world, watched)
    assert watched.open == [0] * times
