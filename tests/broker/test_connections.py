"""Connections: what must not outlive a change of the identity provider."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from lxml import etree
from oidc import provider as op
from saml import build
from world import World

from llmops.broker import connections
from llmops.broker.saml import metadata


def test_keys_of_the_issuer_before_do_not_count_any_more(world: World) -> None:
    connection = world.oidc(world.organization(), op.provider(), client_id=op.CLIENT_ID)
    with world.database.writing() as db:
        connections.keep_jwks(db, connection.id, jwks={"keys": [op.jwk(op.rsa_key())]}, now=world.clock.now)
        elsewhere = replace(op.provider(), issuer="https://other.example.test")
        connections.set_oidc(
            db, world.site.sealer, connection, elsewhere, client_id=op.CLIENT_ID, client_secret="another"
        )
        found = connections.get(db, connection.id)
    assert found.issuer == "https://other.example.test"
    assert (found.jwks, found.jwks_read_at) == ({}, None)
    assert connections.client_secret(found, world.site.sealer) == "another"


@pytest.mark.requirement("ADM-04")
@pytest.mark.parametrize("what", ["metadata", "option"])
def test_a_change_of_a_saml_connection_voids_test_and_question(world: World, what: str) -> None:
    connection = world.saml(world.organization())
    world.sql("UPDATE connections SET tested_at = :now, approval_asked_at = :now", now="2026-11-24 12:00:00+00:00")
    idp = metadata.read(etree.tostring(build.metadata()), now=world.clock.now)
    with world.database.writing() as db:
        if what == "metadata":
            connections.set_saml(db, connection, idp, metadata_url=None, sign_requests=False)
        else:
            connections.set_options(db, connection, attribute_map={"email": "mail"})
        found = connections.get(db, connection.id)
    assert (found.tested_at, found.approval_asked_at) == (None, None)


@pytest.mark.parametrize(
    ("secret", "client", "kept"),
    [("the secret", op.CLIENT_ID, True), ("new", op.CLIENT_ID, False), ("the secret", "another", False)],
)
def test_the_end_of_a_secret_is_known_until_there_is_another_one(
    world: World, secret: str, client: str, kept: bool
) -> None:
    connection, sealer = world.oidc(world.organization(), op.provider(), client_id=op.CLIENT_ID), world.site.sealer
    end = datetime(2027, 11, 24, tzinfo=UTC)
    with world.database.writing() as db:
        connections.set_oidc(
            db, sealer, connection, op.provider(), client_id=op.CLIENT_ID, client_secret="the secret",
            secret_expires_at=end,
        )  # fmt: skip
        connection = connections.get(db, connection.id)
        connections.set_oidc(db, sealer, connection, op.provider(), client_id=client, client_secret=secret)
        found = connections.get(db, connection.id)
    assert found.client_secret_expires_at == (end if kept else None)


@pytest.mark.requirement("ADM-04")
def test_a_new_client_voids_test_and_question(world: World) -> None:
    connection = world.oidc(world.organization(), op.provider(), client_id=op.CLIENT_ID)
    world.sql("UPDATE connections SET tested_at = :now, approval_asked_at = :now", now="2026-11-24 12:00:00+00:00")
    with world.database.writing() as db:
        connections.set_oidc(
            db, world.site.sealer, connection, op.provider(), client_id=op.CLIENT_ID, client_secret="new"
        )
        found = connections.get(db, connection.id)
    assert (found.tested_at, found.approval_asked_at) == (None, None)
