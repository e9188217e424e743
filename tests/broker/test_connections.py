"""Connections: what must not outlive a change of the identity provider."""

from dataclasses import replace

from oidc import provider as op
from world import World

from llmops.broker import connections


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
