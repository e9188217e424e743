"""Metadata is looked at again: every day and on an unknown key, within limits, with a human where hosts change."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest
from lxml import etree
from oidc import provider as op
from saml import build
from saml.keys import Signer, signer
from support.mailbox import text_of
from world import World, error_of, request_id_of

from llmops.app import worker_of
from llmops.base.fetch import Answer
from llmops.broker import connections, drafts
from llmops.broker.connections import Connection
from llmops.broker.saml import names
from llmops.errors import OutboundUnreachable
from llmops.organizations.roles import Role

URL = "https://idp.example.test/metadata"
SSO = "https://idp.example.test/sso"


@dataclass
class Published:
    """Other people's servers: what each address answers now, and who asked. An address without answer is away."""

    at: dict[str, bytes] = field(default_factory=dict)
    kind: str = "application/xml"
    asked: list[str] = field(default_factory=list)

    def __call__(self, method: str, url: str, **_: object) -> Answer:
        self.asked.append(url)
        if url not in self.at:
            raise OutboundUnreachable(host="idp.example.test", reason="timeout")
        return Answer(200, self.kind, self.at[url])

    def get(self, url: str, **_: object) -> Answer:
        return self("GET", url)


@pytest.fixture
def published(world: World) -> Published:
    servers = Published()
    world.answering(servers)
    return servers


@pytest.fixture
def connection(world: World, published: Published) -> Connection:
    """An active SAML connection that came from a metadata address, of an organization with an owner and a contact."""
    holder = world.organization("Acme")
    world.person("owner@acme.test", holder, role=Role.OWNER)
    made = world.saml(holder)
    values = {"url": URL, "contacts": json.dumps(["it@acme.test"]), "id": made.id}
    world.sql("UPDATE connections SET metadata_url = :url, contacts = :contacts WHERE id = :id", **values)
    published.at[URL] = metadata()
    return again(world, made)


def metadata(
    *keys: str,
    sso: str = SSO,
    binding: str = names.HTTP_REDIRECT,
    entity_id: str = build.IDP,
    more: Mapping[str, str] | None = None,
) -> bytes:
    """What the identity provider publishes, with the certificates of these names."""
    signers = [known(name) for name in keys or ("idp",)]
    return etree.tostring(
        build.metadata(entity_id=entity_id, signers=signers, sso=[(binding, sso)], more=dict(more or {}))
    )


def known(name: str) -> Signer:
    """One of the identity provider's keys; `idp` is the one that it has from the beginning."""
    return signer() if name == "idp" else signer(name)


def again(world: World, connection: Connection) -> Connection:
    with world.database.reading() as db:
        return connections.get(db, connection.id)


def look(world: World, *, hours: float = 25) -> None:
    """So much later the worker does what is due by the clock, and half an hour later the jobs that it spread so."""
    world.clock.advance(hours=hours)
    worker = worker_of(world.site)
    worker.run_due()
    world.clock.advance(minutes=31)
    worker.work_once()


def letters(world: World, containing: str, to: str = "it@acme.test") -> list[EmailMessage]:
    return [letter for letter in world.letters(to) if containing in str(letter["Subject"])]


def held(connection: Connection) -> list[str]:
    return sorted(connection.idp_certificates)


def encoded(*keys: str) -> list[str]:
    return sorted(known(name).certificate.encoded for name in keys)


# --- What is taken over ------------------------------------------------------------------------------------------


def test_the_same_metadata_changes_nothing_and_tells_nobody(
    world: World, connection: Connection, published: Published
) -> None:
    look(world)
    after = again(world, connection)
    assert held(after) == held(connection)
    assert after.metadata_read_at == world.clock.now
    assert published.asked == [URL]
    assert world.letters() == []


@pytest.mark.requirement("SAML-37", "SAML-38")
def test_a_new_certificate_is_added_beside_the_old_one_recorded_and_told(
    world: World, connection: Connection, published: Published
) -> None:
    published.at[URL] = metadata("idp", "next")
    look(world)
    assert held(again(world, connection)) == encoded("idp", "next")
    (letter,) = letters(world, "we followed")
    assert signer("next").certificate.fingerprint_sha256 in text_of(letter)
    assert letters(world, "we followed", to="owner@acme.test")
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'connection.refreshed'") == 1


@pytest.mark.requirement("SAML-37")
def test_a_certificate_that_vanishes_is_believed_no_longer(
    world: World, connection: Connection, published: Published
) -> None:
    published.at[URL] = metadata("next")
    look(world)
    assert held(again(world, connection)) == encoded("next")
    visitor = world.visitor()
    assert error_of(world.saml_sign_in(visitor, connection)) == "saml_key_unknown"


@pytest.mark.requirement("SAML-37", "TEN-12")
def test_a_prepared_change_does_not_bring_back_a_certificate_that_vanished(
    world: World, connection: Connection, published: Published
) -> None:
    with world.database.writing() as db:
        draft = drafts.begin(db, world.site.sealer, connection, now=world.clock.now)
    published.at[URL] = metadata("next")
    look(world)
    assert held(again(world, draft)) == encoded("next")


@pytest.mark.requirement("SAML-38")
def test_a_change_to_another_address_or_provider_is_not_overwritten_by_a_look(
    world: World, connection: Connection, published: Published
) -> None:
    with world.database.writing() as db:
        draft = drafts.begin(db, world.site.sealer, connection, now=world.clock.now)
    world.sql("UPDATE connections SET idp_entity_id = 'https://new.example.test' WHERE id = :id", id=draft.id)
    published.at[URL] = metadata("next")
    look(world)
    assert held(again(world, draft)) == held(connection)


@pytest.mark.requirement("SAML-38")
def test_at_most_five_certificates_are_kept(world: World, connection: Connection, published: Published) -> None:
    published.at[URL] = metadata("idp", "b", "c", "d", "e", "f")
    look(world)
    assert len(again(world, connection).idp_certificates) == 5


def test_another_path_at_the_same_host_is_taken_over(
    world: World, connection: Connection, published: Published
) -> None:
    published.at[URL] = metadata(sso=SSO + "/v2")
    look(world)
    assert again(world, connection).idp_sso_url == SSO + "/v2"


# --- What is not -------------------------------------------------------------------------------------------------


@pytest.mark.requirement("SAML-38")
@pytest.mark.parametrize(
    "document",
    [
        metadata("next", entity_id="https://other.example.test/entity"),
        metadata("next", sso="http://idp.example.test/sso"),
        metadata("next", sso="javascript:alert(1)"),
        metadata("next", binding=names.HTTP_POST),
        metadata("next", more={"validUntil": "2026-11-24T11:00:00Z"}),
        etree.tostring(build.metadata(signers=[], sso=[(names.HTTP_REDIRECT, SSO)])),
        etree.tostring(build.metadata(role="SPSSODescriptor")),
        b"<html>Sign in</html>",
        b"",
    ],
    ids=["other entity", "http", "no web address", "post only", "expired", "no key", "no IdP", "a page", "nothing"],
)
def test_a_document_that_is_not_this_identity_providers_changes_nothing(
    world: World, connection: Connection, published: Published, document: bytes
) -> None:
    published.at[URL] = document
    look(world)
    after = again(world, connection)
    assert (held(after), after.idp_sso_url, after.idp_entity_id) == (
        held(connection),
        connection.idp_sso_url,
        connection.idp_entity_id,
    )
    assert after.metadata_failing_since == world.clock.now


@pytest.mark.requirement("SAML-38")
def test_another_host_waits_for_a_person_and_brings_no_key_with_it(
    world: World, connection: Connection, published: Published
) -> None:
    published.at[URL] = metadata("next", sso="https://evil.example.test/sso")
    for _ in range(3):
        look(world)
    after = again(world, connection)
    assert (held(after), after.idp_sso_url) == (held(connection), connection.idp_sso_url)
    assert "https://evil.example.test/sso" in (after.metadata_notice or "")
    assert len(letters(world, "waits for you")) == 1


def test_a_notice_goes_when_the_host_is_the_old_one_again(
    world: World, connection: Connection, published: Published
) -> None:
    published.at[URL] = metadata(sso="https://elsewhere.example.test/sso")
    look(world)
    published.at[URL] = metadata()
    look(world)
    assert again(world, connection).metadata_notice is None


def test_a_change_that_somebody_made_meanwhile_is_not_overwritten(
    world: World, connection: Connection, published: Published
) -> None:
    published.at[URL] = metadata("next")

    class Meanwhile(Published):
        def __call__(self, method: str, url: str, **_: object) -> Answer:
            world.sql("UPDATE connections SET idp_entity_id = 'https://new.example.test'")
            return super().__call__(method, url)

    world.answering(Meanwhile(published.at))
    look(world)
    assert held(again(world, connection)) == held(connection)


@pytest.mark.parametrize("state", ["off", "draft"])
def test_only_active_connections_are_looked_at(
    world: World, connection: Connection, published: Published, state: str
) -> None:
    world.sql("UPDATE connections SET state = :state", state=state)
    look(world)
    assert published.asked == []


# --- When --------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("NET-06")
def test_each_connection_is_looked_at_once_a_day_whoever_works(
    world: World, connection: Connection, published: Published
) -> None:
    for _ in range(49):
        look(world, hours=0.5)
    assert 2 <= len(published.asked) <= 3


@pytest.mark.requirement("NET-06")
def test_an_address_that_fails_is_left_alone_for_six_hours_and_told_once_after_three_days(
    world: World, connection: Connection, published: Published
) -> None:
    published.at.clear()
    for _ in range(40):
        look(world, hours=1)
    assert len(published.asked) <= 11
    assert letters(world, "cannot read") == []
    sign_in_still_works(world, connection)
    for _ in range(40):
        look(world, hours=1)
    (letter,) = letters(world, "cannot read")
    assert "That server did not answer" in text_of(letter)
    published.at[URL] = metadata()
    look(world)
    assert again(world, connection).metadata_failing_since is None


def sign_in_still_works(world: World, connection: Connection) -> None:
    assert world.saml_sign_in(world.visitor(), connection).status == 200


@pytest.mark.requirement("SAML-37", "NET-06")
def test_an_unknown_key_asks_for_the_new_one_off_the_sign_in_path(
    world: World, connection: Connection, published: Published
) -> None:
    published.at[URL] = metadata("next")
    visitor = world.visitor()
    assert error_of(world.saml_sign_in(visitor, connection, by=signer("next"))) == "saml_key_unknown"
    assert published.asked == []
    worker_of(world.site).work_once()
    assert published.asked == [URL]
    landed = world.saml_sign_in(world.visitor(), connection, by=signer("next"))
    assert error_of(landed) == ""
    assert landed.status == 200


@pytest.mark.requirement("NET-06")
def test_a_storm_of_unknown_keys_asks_once_in_ten_minutes(
    world: World, connection: Connection, published: Published
) -> None:
    def storm() -> None:
        for number in range(5):
            visitor = world.visitor()
            request_id = request_id_of(world.depart(visitor))
            answer = world.response(connection, request_id, by=signer("other"), assertion_id=f"_a{number}")
            world.post_response(visitor, connection, answer)
            worker_of(world.site).work_once()

    storm()
    assert published.asked == [URL]
    world.clock.advance(minutes=9)
    storm()
    assert published.asked == [URL]
    world.clock.advance(minutes=2)
    storm()
    assert published.asked == [URL, URL]


def test_without_a_metadata_address_nobody_is_asked(world: World, published: Published) -> None:
    made = world.saml(world.organization())
    world.saml_sign_in(world.visitor(), made, by=signer("other"))
    look(world)
    assert published.asked == []


def test_a_connection_that_is_gone_ends_the_job(world: World, connection: Connection, published: Published) -> None:
    world.clock.advance(hours=25)
    worker = worker_of(world.site)
    worker.run_due()
    world.sql("DELETE FROM connections")
    world.clock.advance(minutes=31)
    worker.work_once()
    assert world.value("SELECT count(*) FROM jobs WHERE done_at IS NULL") == 0


# --- OpenID Connect ----------------------------------------------------------------------------------------------


@pytest.fixture
def oidc(world: World, published: Published) -> Connection:
    holder = world.organization("Acme")
    world.person("it@acme.test", holder, role=Role.OWNER)
    published.kind = "application/json"
    return world.oidc(holder, op.provider(), client_id=op.CLIENT_ID)


DISCOVERY = op.ISSUER + "/.well-known/openid-configuration"


def test_another_path_of_an_openid_endpoint_is_taken_over(world: World, oidc: Connection, published: Published) -> None:
    published.at[DISCOVERY] = op.document(jwks_uri=f"{op.ISSUER}/keys/v2")
    world.sql("UPDATE connections SET jwks = '{\"keys\": []}'")
    look(world)
    after = again(world, oidc)
    assert (after.provider["jwks_uri"], after.jwks) == (f"{op.ISSUER}/keys/v2", {})
    assert letters(world, "we followed")


@pytest.mark.requirement("OIDC-16")
@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"])
def test_an_endpoint_at_another_host_waits_for_an_administrator(
    world: World, oidc: Connection, published: Published, name: str
) -> None:
    published.at[DISCOVERY] = op.document(**{name: "https://evil.example.test/x"})
    look(world)
    after = again(world, oidc)
    assert after.provider == oidc.provider
    assert name in (after.metadata_notice or "")
    assert len(letters(world, "waits for you")) == 1


@pytest.mark.requirement("OIDC-16")
@pytest.mark.parametrize(
    "changes", [{"issuer": "https://other.example.test"}, {"jwks_uri": "http://idp.example.test/keys"}]
)
def test_another_issuer_or_http_is_refused(
    world: World, oidc: Connection, published: Published, changes: Mapping[str, str]
) -> None:
    published.at[DISCOVERY] = op.document(**changes)
    look(world)
    assert again(world, oidc).provider == oidc.provider
    assert again(world, oidc).metadata_failing_since is not None


def test_every_look_is_counted_by_its_result(world: World, connection: Connection, published: Published) -> None:
    documents: Sequence[bytes] = (
        metadata(),
        metadata("idp", "next"),
        metadata(sso="https://elsewhere.example.test/sso"),
        b"",
    )
    for document in documents:
        published.at[URL] = document
        look(world)
    text = world.site.metrics.text().decode()
    for result in ("unchanged", "changed", "waits", "failed"):
        assert f'llmops_metadata_refresh_total{{result="{result}"}} 1.0' in text
