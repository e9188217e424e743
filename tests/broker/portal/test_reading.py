"""Reading what an administrator gives us: every mistake with a real example, and servers that mean no good."""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from lxml import etree
from oidc import provider as op
from outbound.servers import Resolver, Server, running
from saml import build
from saml.keys import signer
from world import START, World

from llmops.base.addresses import Policy
from llmops.base.fetch import Fetcher
from llmops.broker.connections import Kind
from llmops.broker.oidc.vendors import GOOGLE_ISSUER, entra_issuer
from llmops.broker.portal import reading
from llmops.broker.portal.mistakes import mistake_of
from llmops.broker.portal.reading import ReadClient, ReadMetadata
from llmops.broker.saml import metadata
from llmops.broker.saml.metadata import ServiceProvider
from llmops.broker.saml.names import HTTP_REDIRECT
from llmops.errors import (
    ClientInvalid,
    Failure,
    MetadataInvalid,
    OidcDiscoveryInvalid,
    OutboundFailure,
    OutboundRefused,
    OutboundUnreachable,
    OutboundUnusable,
    TooManyAttempts,
)
from llmops.web.request import Request

GOOD = etree.tostring(build.metadata())
TENANT = "6f2d1c3a-0000-4000-8000-00000000aaaa"
CLIENT = "1b2c3d4e-0000-4000-8000-00000000cccc"
GOOGLE_CLIENT = "42-abc.apps.googleusercontent.com"
SECRET = "s3cret-of~the.client"
PRIVATE_KEY = signer().pem.decode()


def asking(world: World) -> Request:
    """A posted form that reached its handler."""
    return Request(site=world.site, method="POST", path="/portal", query_string="", headers={}, cookies={}, body=b"",
                   peer="198.51.100.7", id="req_1", writes=True)  # fmt: skip


def read(world: World, **given: Any) -> ReadMetadata:
    form: dict[str, Any] = {"pasted": "", "uploaded": None, "url": "", "entity_id": None, "our_entity_id": build.SP}
    return reading.metadata_from(asking(world), **{"organization_id": "org_1", **form, **given})


@contextmanager
def refused(kind: type[Failure], problem: str) -> Iterator[None]:
    """The block fails in this way, and there are words for it."""
    with pytest.raises(kind) as caught:
        yield
    failure = caught.value
    assert failure.facts["reason" if isinstance(failure, OutboundFailure) else "problem"] == problem
    assert mistake_of(failure).seen


# --- Metadata that was pasted or uploaded -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given",
    [
        {"pasted": GOOD.decode()},
        {"pasted": f"\n  {GOOD.decode()}\n"},
        {"uploaded": GOOD},
        {"url": GOOD.decode()},
        {"uploaded": GOOD, "pasted": "left over from before"},
    ],
)
def test_metadata_is_read_wherever_it_was_put(world: World, given: dict[str, Any]) -> None:
    found = read(world, **given)
    assert (found.idp.entity_id, found.metadata_url) == (build.IDP, None)


def several() -> bytes:
    both = b"".join(etree.tostring(build.metadata(entity_id=name)) for name in ("https://a.test", "https://b.test"))
    return b'<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">' + both + b"</EntitiesDescriptor>"


PASTED: dict[str, tuple[str, Callable[[], bytes]]] = {
    "nothing": ("nothing", lambda: b"  "),
    "the page on which people sign in": ("html_page", lambda: b"<!DOCTYPE html><html><title>Sign in</title></html>"),
    "a certificate": ("certificate_only", lambda: signer().certificate.pem.encode()),
    "a private key": ("private_key", lambda: signer().pem),
    "half of the file": ("not_xml", lambda: GOOD[:-40]),
    "a sitemap": ("not_metadata", lambda: b"<urlset/>"),
    "a DTD": ("doctype", lambda: b'<!DOCTYPE x [<!ENTITY e "boo">]>' + GOOD),
    "our own": ("our_own", lambda: metadata.write(ServiceProvider(entity_id=build.SP, acs_url=build.ACS))),
    "another application's": ("sp_metadata", lambda: etree.tostring(build.metadata(role="SPSSODescriptor"))),
    "several providers": ("several_entities", several),
    "an old copy": ("expired", lambda: etree.tostring(build.metadata(more={"validUntil": build.moment(-1)}))),
    "no certificate": ("no_signing_certificate", lambda: etree.tostring(build.metadata(signers=()))),
    "a weak key": ("weak_key", lambda: etree.tostring(build.metadata(signers=[signer("weak", kind="rsa1024")]))),
    "an http address": (
        "sso_url_not_https",
        lambda: etree.tostring(build.metadata(sso=[(HTTP_REDIRECT, "http://idp.test/sso")])),
    ),
    "a UTF-16 file": ("encoding", lambda: GOOD.decode().encode("utf-16")),
}


@pytest.mark.requirement("SAML-38", "WEB-10")
@pytest.mark.parametrize("case", PASTED)
def test_what_is_no_metadata_is_told_by_name(world: World, case: str) -> None:
    problem, made = PASTED[case]
    with refused(MetadataInvalid, problem):
        read(world, uploaded=made() if case != "nothing" else None)


@pytest.mark.requirement("WEB-10")
def test_an_upload_over_one_mebibyte_is_refused_before_it_is_parsed(world: World) -> None:
    with refused(MetadataInvalid, "too_large"):
        read(world, uploaded=b"<a>" + b" " * reading.UPLOAD_LIMIT_BYTES + b"</a>")


@pytest.mark.requirement("WEB-10")
@pytest.mark.parametrize("where", ["pasted", "url"])
def test_a_pasted_private_key_is_in_no_failure(world: World, where: str) -> None:
    with pytest.raises(MetadataInvalid) as caught:
        read(world, **{where: PRIVATE_KEY})
    assert caught.value.facts == {"problem": "private_key"}
    assert PRIVATE_KEY[40:80] not in repr(mistake_of(caught.value))


@pytest.mark.requirement("SAML-38")
def test_one_of_several_is_chosen_by_its_entity_id(world: World) -> None:
    with pytest.raises(MetadataInvalid) as caught:
        read(world, uploaded=several())
    choice = mistake_of(caught.value).choices[1]
    assert read(world, uploaded=several(), entity_id=choice).idp.entity_id == "https://b.test"


# --- Metadata behind an address ---------------------------------------------------------------------------------------


@pytest.fixture
def server(world: World) -> Iterator[Server]:
    """Somebody's server on loopback, which this installation may call."""
    with running() as found, Fetcher(Policy(allow_loopback=True)) as fetcher:
        found.document = GOOD
        world.answering(fetcher)
        yield found


@pytest.mark.parametrize("kind", ["application/samlmetadata%2Bxml", "text/xml;charset=utf-8", "application/XML"])
def test_metadata_is_fetched_as_real_providers_serve_it(world: World, server: Server, kind: str) -> None:
    url = server.url(f"/document?is={kind}")
    found = read(world, url=f" {url}\n")
    assert (found.idp.entity_id, found.metadata_url) == (build.IDP, url)


def test_an_address_among_the_pasted_is_fetched(world: World, server: Server) -> None:
    assert read(world, pasted=server.url("/document")).metadata_url == server.url("/document")


@pytest.mark.requirement("NET-04", "NET-05", "NET-07")
@pytest.mark.parametrize(
    ("path", "kind", "reason"),
    [
        ("/type?is=text/html", OutboundUnusable, "content-type"),
        ("/type?is=application/octet-stream", OutboundUnusable, "content-type"),
        ("/size?bytes=10000000", OutboundUnusable, "too-large"),
        ("/bomb?bytes=10000000", OutboundUnusable, "too-large"),
        ("/status?is=404", OutboundUnusable, "status"),
        ("/status?is=500", OutboundUnusable, "status"),
        ("/redirect?to=https://10.1.2.3/metadata", OutboundRefused, "private-address"),
        ("/redirect?to=https://169.254.169.254/latest", OutboundRefused, "forbidden-address"),
        ("/redirect?to=file:///etc/passwd", OutboundRefused, "not-a-web-address"),
        ("/circle?left=4", OutboundRefused, "too-many-redirects"),
        ("/garbage", OutboundUnreachable, "broken-answer"),
    ],
)
def test_a_server_that_means_no_good_gets_nowhere(
    world: World, server: Server, path: str, kind: type[Failure], reason: str
) -> None:
    with refused(kind, reason):
        read(world, url=server.url(path))


@pytest.mark.requirement("NET-04")
def test_three_redirects_are_followed(world: World, server: Server) -> None:
    assert read(world, url=server.url("/redirect?to=" + server.url("/document"))).idp.entity_id == build.IDP
    with refused(OutboundUnusable, "content-type"):  # the circle ends at a document of another type
        read(world, url=server.url("/circle?left=3"))


@pytest.mark.requirement("NET-07")
def test_nothing_of_a_server_s_answer_is_shown(world: World, server: Server) -> None:
    server.document = b"<html>the intranet's secret</html>"
    for path in ("/document", "/status?is=403"):
        with pytest.raises(Failure) as caught:
            read(world, url=server.url(path))
        assert "secret" not in repr((caught.value.facts, mistake_of(caught.value)))


@pytest.mark.parametrize(
    ("url", "kind", "reason"),
    [
        ("idp.example.test/metadata", OutboundRefused, "not-a-web-address"),
        ("http://8.8.8.8/metadata", OutboundRefused, "not-https"),
        ("https://user:password@8.8.8.8/metadata", OutboundRefused, "user-in-url"),
        ("https://8.8.8.8:8443/metadata", OutboundRefused, "port"),
        ("https://192.168.1.20/FederationMetadata/2007-06/FederationMetadata.xml", OutboundRefused, "private-address"),
        ("https://[::1]/metadata", OutboundRefused, "loopback-address"),
        (
            "https://adfs.acme.test/FederationMetadata/2007-06/FederationMetadata.xml",
            OutboundRefused,
            "private-address",
        ),
    ],
)
@pytest.mark.requirement("NET-01", "NET-02")
def test_addresses_that_we_do_not_call(world: World, url: str, kind: type[Failure], reason: str) -> None:
    with Fetcher(Policy(), resolver=Resolver([["192.168.1.20"]])) as fetcher:
        world.answering(fetcher)
        with refused(kind, reason):
            read(world, url=url)


def test_an_internal_server_s_administrator_is_told_to_upload_the_file() -> None:
    for failure in (OutboundRefused(reason="private-address"), OutboundUnreachable(reason="no-such-name"),
                    OutboundUnreachable(reason="timeout")):  # fmt: skip
        assert "upload" in mistake_of(failure).fix


@pytest.mark.requirement("NET-06")
def test_fetches_are_limited_for_each_organization(world: World, server: Server) -> None:
    for _ in range(reading.MOST_FETCHES):
        read(world, url=server.url("/document"))
    asked = len(server.requests)
    with pytest.raises(TooManyAttempts):
        read(world, url=server.url("/document"))
    assert len(server.requests) == asked
    assert read(world, url=server.url("/document"), organization_id="org_2")
    assert read(world, pasted=GOOD.decode())
    world.clock.advance(seconds=reading.WINDOW_SECONDS)
    assert read(world, url=server.url("/document"))


# --- By hand ----------------------------------------------------------------------------------------------------------


def by_hand(**changes: Any) -> metadata.IdentityProvider:
    fields: dict[str, Any] = {
        "entity_id": build.IDP,
        "sso_url": "https://idp.example.test/sso",
        "certificate_text": signer().certificate.pem,
        "now": START,
        "allow_http": False,
        "our_entity_id": build.SP,
    }
    return reading.manual(**{**fields, **changes})


def test_three_fields_make_the_same_as_metadata() -> None:
    from_metadata = metadata.read(GOOD, now=START)
    assert by_hand() == from_metadata
    assert by_hand(entity_id=f" {build.IDP} ", sso_url="https://idp.example.test/sso\n") == from_metadata


def test_a_certificate_is_pasted_in_any_form_and_the_next_one_with_it() -> None:
    one, other = signer().certificate, signer("another").certificate
    assert by_hand(certificate_text=one.encoded).certificates == (one,)
    assert by_hand(certificate_text=one.pem + other.pem).certificates == (one, other)


BY_HAND: dict[str, tuple[str, dict[str, Any]]] = {
    "no entity ID": ("no_entity_id", {"entity_id": " "}),
    "entity ID with a space": ("entity_id_characters", {"entity_id": "https://idp.test/a b"}),
    "entity ID with an invisible letter": ("entity_id_characters", {"entity_id": "https://idp.test/\u202ea"}),
    "entity ID too long": ("entity_id_characters", {"entity_id": "https://idp.test/" + "a" * 1024}),
    "our entity ID": ("our_own", {"entity_id": build.SP}),
    "no URL": ("sso_url_not_https", {"sso_url": ""}),
    "http": ("sso_url_not_https", {"sso_url": "http://idp.test/sso"}),
    "script": ("sso_url_not_https", {"sso_url": "javascript:alert(1)"}),
    "no certificate": ("not_a_certificate", {"certificate_text": ""}),
    "not a certificate": ("not_a_certificate", {"certificate_text": "okta.cert"}),
    "private key": ("private_key", {"certificate_text": PRIVATE_KEY}),
    "half a certificate": ("not_a_certificate", {"certificate_text": "-----BEGIN CERTIFICATE-----"}),
}


@pytest.mark.requirement("SAML-38", "WEB-10")
@pytest.mark.parametrize("case", BY_HAND)
def test_what_cannot_be_right_by_hand_is_told_by_name(case: str) -> None:
    problem, changes = BY_HAND[case]
    with refused(MetadataInvalid, problem):
        by_hand(**changes)


@pytest.mark.requirement("SAML-12")
def test_a_weak_key_is_refused_by_hand_too() -> None:
    with refused(MetadataInvalid, "weak_key"):
        by_hand(certificate_text=base64.b64encode(signer("weak", kind="rsa1024").der).decode())


def test_more_certificates_than_a_provider_has_are_refused() -> None:
    several = [signer("s0", not_after=datetime(2040 + year, 1, 1, tzinfo=UTC)).certificate.pem for year in range(6)]
    assert len(by_hand(certificate_text="".join(several[:5])).certificates) == 5
    with refused(MetadataInvalid, "too_many_certificates"):
        by_hand(certificate_text="".join(several))


# --- A client ---------------------------------------------------------------------------------------------------------


@dataclass
class Issuers:
    """Other people's servers: what is published where; everything else is missing."""

    documents: Mapping[str, bytes]
    broken: str = ""
    asked: list[str] = field(default_factory=list)

    def __call__(self, method: str, url: str, **_: object) -> op.Answer:
        self.asked.append(url)
        if url == self.broken:
            raise OutboundUnreachable(host="idp.example.test", reason="timeout")
        body = self.documents.get(url)
        return op.Answer(status=400, body=b"{}") if body is None else op.Answer(body=body)


def published(issuer: str, **changes: object) -> dict[str, bytes]:
    """A discovery document and keys, under the addresses that belong to the issuer."""
    base = issuer.removesuffix("/")
    document = {**json.loads(op.document(**changes)), "issuer": issuer, "jwks_uri": f"{base}/keys"}
    return {f"{base}/.well-known/openid-configuration": json.dumps(document).encode(), f"{base}/keys": op.jwks()}


def client(world: World, kind: Kind = Kind.GENERIC_OIDC, **typed: Any) -> ReadClient:
    usual: dict[Kind, dict[str, Any]] = {
        Kind.ENTRA_OIDC: {"tenant_id": TENANT, "client_id": CLIENT},
        Kind.GOOGLE_OIDC: {"client_id": GOOGLE_CLIENT},
    }
    form = {"client_secret": SECRET, **usual.get(kind, {"issuer": op.ISSUER, "client_id": "client-1"}), **typed}
    return reading.client_from(asking(world), organization_id="org_1", kind=kind, **form)


@pytest.fixture
def issuers(world: World) -> Issuers:
    """Issuers of a generic provider, one with a slash at its end, Entra in two clouds, and Google."""
    names = (op.ISSUER, "https://slash.example.test/", entra_issuer(TENANT), entra_issuer(TENANT, cloud="us"))
    documents: dict[str, bytes] = {}
    for name in (*names, GOOGLE_ISSUER, "https://acme.okta.com"):
        documents |= published(name)
    found = Issuers(documents)
    world.answering(found)
    return found


def test_a_client_is_read_with_what_its_issuer_publishes(world: World, issuers: Issuers) -> None:
    found = client(world, client_id=" client-1 ", client_secret=f"{SECRET}\n", expires_on=date(2027, 11, 24))
    assert found.provider.issuer == op.ISSUER
    assert (found.client_id, found.client_secret) == ("client-1", SECRET)
    assert found.secret_expires_at == datetime(2027, 11, 24, tzinfo=UTC)
    assert issuers.asked == [f"{op.ISSUER}/.well-known/openid-configuration", f"{op.ISSUER}/keys"]
    assert SECRET not in repr(found)


@pytest.mark.parametrize(
    ("typed", "issuer"),
    [
        ("idp.example.test", op.ISSUER),
        (f" {op.ISSUER}/.well-known/openid-configuration ", op.ISSUER),
        ("https://slash.example.test/", "https://slash.example.test/"),
        ("https://slash.example.test/.well-known/openid-configuration", "https://slash.example.test/"),
    ],
)
def test_an_issuer_is_understood_as_people_type_it(world: World, issuers: Issuers, typed: str, issuer: str) -> None:
    assert client(world, issuer=typed).provider.issuer == issuer


@pytest.mark.requirement("OIDC-16")
@pytest.mark.parametrize("typed", [f"{op.ISSUER}/", "https://slash.example.test"])
def test_an_issuer_that_differs_by_a_slash_is_another_one(world: World, issuers: Issuers, typed: str) -> None:
    with refused(OidcDiscoveryInvalid, "another issuer"):
        client(world, issuer=typed)


@pytest.mark.requirement("OIDC-16")
def test_a_discovery_address_of_somebody_else_s_issuer_is_refused(world: World, issuers: Issuers) -> None:
    stolen = "https://evil.example.test"
    documents = {f"{stolen}/.well-known/openid-configuration": op.document()}
    world.answering(Issuers(documents))
    with refused(OidcDiscoveryInvalid, "another issuer"):
        client(world, issuer=f"{stolen}/.well-known/openid-configuration")


@pytest.mark.requirement("OIDC-18")
@pytest.mark.parametrize("cloud", ["global", "us"])
def test_the_issuer_of_entra_comes_from_the_tenant_id(world: World, issuers: Issuers, cloud: str) -> None:
    found = client(world, Kind.ENTRA_OIDC, tenant_id=TENANT.upper(), cloud=cloud, issuer="https://ignored.test")
    assert found.provider.issuer == entra_issuer(TENANT, cloud=cloud)


def test_google_needs_no_issuer(world: World, issuers: Issuers) -> None:
    assert client(world, Kind.GOOGLE_OIDC, issuer="https://evil.test").provider.issuer == GOOGLE_ISSUER


TYPED: dict[str, tuple[str, Kind, dict[str, Any]]] = {
    "no client ID": ("client_id_missing", Kind.GENERIC_OIDC, {"client_id": " "}),
    "client ID with a space": ("client_id_characters", Kind.GENERIC_OIDC, {"client_id": "my client"}),
    "endless client ID": ("client_id_characters", Kind.GENERIC_OIDC, {"client_id": "a" * 2001}),
    "no secret": ("secret_missing", Kind.GENERIC_OIDC, {"client_secret": ""}),
    "secret with a line break": ("secret_characters", Kind.GENERIC_OIDC, {"client_secret": "one\ntwo"}),
    "dots in place of the secret": ("secret_characters", Kind.OKTA_OIDC, {"client_secret": "••••••••"}),
    "a private key": ("private_key", Kind.GENERIC_OIDC, {"client_secret": PRIVATE_KEY}),
    "client ID twice": ("secret_is_client_id", Kind.GENERIC_OIDC, {"client_secret": "client-1"}),
    "Google's fields swapped": ("secret_is_client_id", Kind.GOOGLE_OIDC, {"client_secret": GOOGLE_CLIENT}),
    "no issuer": ("issuer_missing", Kind.GENERIC_OIDC, {"issuer": ""}),
    "Okta's console": ("okta_admin_address", Kind.OKTA_OIDC, {"issuer": "https://acme-admin.okta.com/admin/apps"}),
    "no tenant": ("tenant_id_missing", Kind.ENTRA_OIDC, {"tenant_id": ""}),
    "a domain as tenant": ("tenant_id_not_guid", Kind.ENTRA_OIDC, {"tenant_id": "acme.onmicrosoft.com"}),
    "common as tenant": ("tenant_id_not_guid", Kind.ENTRA_OIDC, {"tenant_id": "common"}),
    "a name as client": ("client_id_not_guid", Kind.ENTRA_OIDC, {"client_id": "LLM-Ops"}),
    "one ID twice": ("tenant_is_client", Kind.ENTRA_OIDC, {"client_id": TENANT.upper()}),
    "the Secret ID": ("secret_id", Kind.ENTRA_OIDC, {"client_secret": "0e5f3c1a-0000-4000-8000-00000000dddd"}),
    "an unknown tenant": ("tenant_unknown", Kind.ENTRA_OIDC, {"tenant_id": CLIENT[:-1] + "d"}),
    "another vendor's client": ("google_client_id", Kind.GOOGLE_OIDC, {"client_id": "client-1"}),
    "a secret of yesterday": ("secret_expired", Kind.GENERIC_OIDC, {"expires_on": START.date() - timedelta(days=1)}),
    "a secret of today": ("secret_expired", Kind.GENERIC_OIDC, {"expires_on": START.date()}),
}


@pytest.mark.requirement("OIDC-18")
@pytest.mark.parametrize("case", TYPED)
def test_what_cannot_be_a_client_is_told_by_name(world: World, issuers: Issuers, case: str) -> None:
    problem, kind, typed = TYPED[case]
    with refused(ClientInvalid, problem):
        client(world, kind, **typed)
    assert bool(issuers.asked) == (problem == "tenant_unknown")


@pytest.mark.requirement("WEB-10")
@pytest.mark.parametrize("case", ["the Secret ID", "secret with a line break", "a private key", "client ID twice"])
def test_a_secret_is_in_no_failure(world: World, issuers: Issuers, case: str) -> None:
    _, kind, typed = TYPED[case]
    with pytest.raises(ClientInvalid) as caught:
        client(world, kind, **typed)
    assert caught.value.facts.keys() == {"problem"}


@pytest.mark.requirement("OIDC-18")
@pytest.mark.parametrize("tenant", ["common", "organizations", "consumers", "9188040d-6c67-4b5b-b112-36a304b66dad"])
def test_an_issuer_for_every_company_is_refused(world: World, issuers: Issuers, tenant: str) -> None:
    with pytest.raises(OidcDiscoveryInvalid) as caught:
        client(world, issuer=f"https://login.microsoftonline.com/{tenant}/v2.0")
    assert "every company" in mistake_of(caught.value).title
    assert issuers.asked == []


@pytest.mark.requirement("OIDC-18")
def test_the_tenant_of_personal_accounts_is_refused(world: World, issuers: Issuers) -> None:
    with refused(OidcDiscoveryInvalid, "not the directory (tenant) ID of one company"):
        client(world, Kind.ENTRA_OIDC, tenant_id="9188040d-6c67-4b5b-b112-36a304b66dad")


DOCUMENTS: dict[str, tuple[str, dict[str, object]]] = {
    "no code flow": ("the authorization code flow is not offered", {"response_types_supported": ["id_token"]}),
    "only unsafe signatures": (
        "no ID token signature that is safe",
        {"id_token_signing_alg_values_supported": ["none", "HS256"]},
    ),
    "no client secret": (
        "the token endpoint takes no client secret",
        {"token_endpoint_auth_methods_supported": ["private_key_jwt"]},
    ),
    "http behind a proxy": ("token_endpoint: not https", {"token_endpoint": "http://idp.example.test/token"}),
    "no token endpoint": ("token_endpoint: missing", {"token_endpoint": None}),
}


@pytest.mark.requirement("OIDC-16")
@pytest.mark.parametrize("case", DOCUMENTS)
def test_a_discovery_document_that_is_of_no_use_is_told_by_name(world: World, case: str) -> None:
    problem, changes = DOCUMENTS[case]
    world.answering(Issuers(published(op.ISSUER, **changes)))
    with refused(OidcDiscoveryInvalid, problem):
        client(world)


def test_an_issuer_without_a_document_is_told(world: World, issuers: Issuers) -> None:
    with refused(OidcDiscoveryInvalid, "no discovery document at this address"):
        client(world, issuer=f"{op.ISSUER}/realms/none")


@pytest.mark.parametrize("issuer", ["http://idp.example.test", f"{op.ISSUER}?tenant=1", "https://", "https://a@b.test"])
def test_what_cannot_be_an_issuer_is_not_called(world: World, issuers: Issuers, issuer: str) -> None:
    with pytest.raises(OidcDiscoveryInvalid) as caught:
        client(world, issuer=issuer)
    assert mistake_of(caught.value).title == "That cannot be an issuer"
    assert issuers.asked == []


@pytest.mark.parametrize("keys", [b'{"keys": []}', b"not JSON", None])
def test_keys_that_cannot_be_read_are_told_before_anybody_signs_in(world: World, keys: bytes | None) -> None:
    documents = published(op.ISSUER) | ({f"{op.ISSUER}/keys": keys} if keys is not None else {})
    broken = f"{op.ISSUER}/keys" if keys is None else ""
    world.answering(Issuers(documents, broken=broken))
    with pytest.raises(OidcDiscoveryInvalid) as caught:
        client(world)
    assert "keys" in mistake_of(caught.value).title


@pytest.mark.requirement("NET-01", "NET-02")
def test_an_issuer_in_a_private_network_is_not_called(world: World) -> None:
    with Fetcher(Policy(), resolver=Resolver([["10.0.0.5"]])) as fetcher:
        world.answering(fetcher)
        with refused(OutboundRefused, "private-address"):
            client(world, issuer="https://keycloak.acme.test/realms/staff")


@pytest.mark.requirement("NET-06")
def test_discovery_and_metadata_share_one_limit(world: World, issuers: Issuers) -> None:
    for _ in range(reading.MOST_FETCHES):
        client(world)
    asked = len(issuers.asked)
    with pytest.raises(TooManyAttempts):
        client(world)
    assert len(issuers.asked) == asked


@pytest.mark.requirement("NET-01", "SAML-38")
def test_private_addresses_are_allowed_without_allowing_http(world: World) -> None:
    world.site = replace(world.site, settings=world.settings.model_copy(update={"outbound_allow_private": True}))
    document = etree.tostring(build.metadata(signers=[signer()], sso=[(HTTP_REDIRECT, "http://10.1.2.3/sso")]))
    with refused(MetadataInvalid, "sso_url_not_https"):
        read(world, uploaded=document)
    with pytest.raises(OidcDiscoveryInvalid):
        client(world, issuer="http://10.1.2.3")
