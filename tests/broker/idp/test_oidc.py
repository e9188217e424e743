"""An identity provider that lets us wait is cut off for a while, and nobody else is."""

from datetime import timedelta

import pytest
from oidc import provider as op
from oidc.evil import Provider, come_back, connected, sign_in
from world import World, error_of

from llmops.base.breaker import CUT_OFF, MOST_TIMEOUTS
from llmops.broker.connections import Connection
from llmops.errors import OutboundUnreachable

pytestmark = pytest.mark.requirement("NET-06")
SILENT = OutboundUnreachable(host="idp.example.test", reason="timeout")


@pytest.fixture
def idp() -> Provider:
    return Provider()


@pytest.fixture
def connection(world: World, idp: Provider) -> Connection:
    return connected(world, idp)


def cut_off(world: World, connection: Connection, idp: Provider) -> None:
    idp.answers["/token"] = SILENT
    for _ in range(MOST_TIMEOUTS):
        assert error_of(come_back(world, world.visitor(), connection, idp)) == "idp_unavailable"


def test_after_five_time_outs_a_sign_in_is_refused_without_asking(
    world: World, connection: Connection, idp: Provider
) -> None:
    cut_off(world, connection, idp)
    asked = list(idp.asked)
    page = come_back(world, world.visitor(), connection, idp)
    assert (error_of(page), page.headers["retry-after"]) == ("idp_unavailable", "30")
    assert idp.asked == asked


def test_the_first_that_gets_through_again_opens_it_for_all(
    world: World, connection: Connection, idp: Provider
) -> None:
    cut_off(world, connection, idp)
    del idp.answers["/token"]
    world.clock.now += CUT_OFF
    for _ in range(2):
        assert "Ann Lee" in sign_in(world, world.visitor(), connection, idp).text


def test_another_customers_provider_is_asked_meanwhile(world: World, connection: Connection, idp: Provider) -> None:
    cut_off(world, connection, idp)
    del idp.answers["/token"]
    other = world.oidc(world.organization("Beta", domain="beta.test"), op.provider(), client_id=op.CLIENT_ID)
    world.sql("UPDATE organization_domains SET domain = 'old.test' WHERE domain = 'acme.test'")
    world.sql("UPDATE organization_domains SET domain = 'acme.test' WHERE domain = 'beta.test'")
    assert "Ann Lee" in sign_in(world, world.visitor(), other, idp).text


def test_keys_that_are_known_serve_while_their_address_is_cut_off(
    world: World, connection: Connection, idp: Provider
) -> None:
    sign_in(world, world.visitor(), connection, idp)
    idp.answers["/keys"] = SILENT
    world.sql("UPDATE connections SET jwks_read_at = :then", then=world.clock.now - timedelta(hours=2))
    for _ in range(MOST_TIMEOUTS + 1):
        assert "Ann Lee" in sign_in(world, world.visitor(), connection, idp).text
    assert idp.asked.count("/keys") == 1 + MOST_TIMEOUTS
