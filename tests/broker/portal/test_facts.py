"""«Here is what we read»: what an administrator compares, and what is said before it breaks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from oidc import provider as op
from saml import build
from saml.keys import NOT_AFTER, signer
from world import START, World

from llmops.broker import connections
from llmops.broker.connections import Connection, Kind
from llmops.broker.oidc import discovery
from llmops.broker.portal.facts import facts, fingerprint, warnings
from llmops.broker.saml import certificate, metadata
from llmops.broker.saml.metadata import IdentityProvider


def idp(**changes: Any) -> IdentityProvider:
    known = metadata.stated(
        entity_id=build.IDP, sso_url="https://idp.test/sso", certificates=(signer().certificate,), now=START
    )
    return replace(known, **changes)


def saml(
    world: World, found: IdentityProvider, *, kind: Kind = Kind.GENERIC_SAML, url: str | None = None
) -> Connection:
    acme = world.organization()
    with world.database.writing() as db:
        made = connections.create(db, world.site.sealer, acme.id, kind=kind, now=START)
        connections.set_saml(db, made, found, metadata_url=url, sign_requests=False)
        return connections.get(db, made.id)


def oidc(
    world: World, *, kind: Kind = Kind.GENERIC_OIDC, ends: datetime | None = None, **document: object
) -> Connection:
    acme = world.organization()
    provider = discovery.read(op.document(**document), issuer=op.ISSUER)
    with world.database.writing() as db:
        made = connections.create(db, world.site.sealer, acme.id, kind=kind, now=START)
        connections.set_oidc(
            db, world.site.sealer, made, provider, client_id="client-1", client_secret="s3cret", secret_expires_at=ends
        )
        return connections.get(db, made.id)


def test_a_saml_connection_shows_what_metadata_said(world: World) -> None:
    shown = dict(facts(saml(world, idp()), now=START))
    assert shown["Entity ID (issuer)"] == build.IDP
    assert shown["Sign-in URL"] == "https://idp.test/sso"
    assert shown["Certificate, SHA-256"].replace(" ", "").lower() == signer().certificate.fingerprint_sha256
    assert shown["Certificate, valid until"] == f"1 January 2031, in {(NOT_AFTER - START).days:,} days"
    assert shown["Our requests"] == "not signed"
    assert shown["Metadata address"].startswith("none")


def test_every_certificate_is_shown(world: World) -> None:
    both = (signer().certificate, signer("next").certificate)
    labels = [label for label, _ in facts(saml(world, idp(certificates=both)), now=START)]
    assert {"Certificate 1, SHA-256", "Certificate 2, valid until"} <= set(labels)


def test_a_fingerprint_is_in_groups_of_four() -> None:
    assert fingerprint("0a1b2c3d") == "0A1B 2C3D"


def test_an_openid_connection_shows_its_issuer_and_no_secret(world: World) -> None:
    shown = dict(facts(oidc(world, ends=START + timedelta(days=1)), now=START))
    assert shown["Issuer"] == op.ISSUER
    assert shown["Token endpoint"] == f"{op.ISSUER}/token"
    assert shown["Signature of the ID token"] == "RS256, ES256"
    assert shown["Client ID"] == "client-1"
    assert shown["Client secret, valid until"] == "25 November 2026, tomorrow"
    assert "s3cret" not in repr(shown)


@pytest.mark.parametrize("kind", [Kind.GENERIC_SAML, Kind.GENERIC_OIDC])
def test_nothing_is_shown_before_anything_was_read(world: World, kind: Kind) -> None:
    acme = world.organization()
    with world.database.writing() as db:
        made = connections.create(db, world.site.sealer, acme.id, kind=kind, now=START)
        assert facts(made, now=START) == []
        assert warnings(made, now=START) == []


@pytest.mark.requirement("WEB-06")
def test_values_of_others_are_capped_and_what_is_hidden_in_them_is_spelt_out(world: World) -> None:
    shown = dict(facts(saml(world, idp(entity_id="urn:\u202eevil" + "x" * 2000)), now=START))["Entity ID (issuer)"]
    assert shown.startswith("urn:⟨U+202E⟩evil")
    assert len(shown) == 1000


def test_a_sound_connection_has_no_warning(world: World) -> None:
    assert warnings(saml(world, idp()), now=START) == []


@pytest.mark.parametrize(
    ("before", "said"),
    [(timedelta(days=31), ""), (timedelta(days=30), "expires soon"), (timedelta(0), "has expired")],
)
def test_a_certificate_is_warned_about_in_time(world: World, before: timedelta, said: str) -> None:
    found = warnings(saml(world, idp()), now=NOT_AFTER - before)
    assert [said in sentence for sentence in found] == ([True] if said else [])


def test_a_certificate_signed_with_sha1_is_a_warning(world: World) -> None:
    rsa_sha256, rsa_sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    old = certificate.from_der(signer().der.replace(rsa_sha256, rsa_sha1))
    assert "SHA-1" in warnings(saml(world, idp(certificates=(old,))), now=START)[0]


def test_a_client_secret_is_warned_about_in_time(world: World) -> None:
    ends = datetime(2027, 1, 1, tzinfo=UTC)
    connection = oidc(world, ends=ends)
    assert warnings(connection, now=START) == []
    assert "client secret expires soon" in warnings(connection, now=ends - timedelta(days=3))[0]


def test_a_document_without_pkce_is_a_warning(world: World) -> None:
    assert "PKCE" in warnings(oidc(world, code_challenge_methods_supported=["plain"]), now=START)[0]


@pytest.mark.parametrize(("query", "warned"), [("", True), ("?appid=1b2c", False), ("?AppId=1b2c", False)])
def test_entra_s_metadata_without_the_app_is_a_warning(world: World, query: str, warned: bool) -> None:
    url = f"https://login.microsoftonline.com/t/federationmetadata/2007-06/federationmetadata.xml{query}"
    connection = saml(world, idp(), kind=Kind.AZURE_SAML, url=url)
    assert any("appid" in sentence for sentence in warnings(connection, now=START)) == warned


def test_entra_s_secret_without_a_date_is_a_warning(world: World) -> None:
    assert "Enter the date" in warnings(oidc(world, kind=Kind.ENTRA_OIDC), now=START)[0]
