"""An identity provider's metadata, every way in which it can be useless, and our own."""

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree
from saml.build import ACS, IDP, NOW, SP, metadata, moment
from saml.keys import Signer, signer

from llmops.broker.saml import metadata as reader
from llmops.broker.saml import names
from llmops.broker.saml.metadata import IdentityProvider, ServiceProvider
from llmops.broker.saml.names import ds, md
from llmops.errors import MetadataInvalid

REDIRECT, POST = names.HTTP_REDIRECT, names.HTTP_POST


def _read(root: etree._Element | bytes, **changes: Any) -> IdentityProvider:
    document = root if isinstance(root, bytes) else etree.tostring(root)
    return reader.read(document, **{"now": NOW, **changes})


def _problem(root: etree._Element | bytes, **changes: Any) -> str:
    with pytest.raises(MetadataInvalid) as caught:
        _read(root, **changes)
    return caught.value.facts["problem"]


def _several(*entities: etree._Element) -> etree._Element:
    root = etree.Element(md("EntitiesDescriptor"), nsmap={"md": names.METADATA})
    root.extend(copy.deepcopy(entity) for entity in entities)
    return root


def _sp_entity() -> etree._Element:
    return metadata(entity_id="https://sp.test", role="SPSSODescriptor")


def _bytes(root: etree._Element) -> bytes:
    return etree.tostring(root)


def test_ordinary_metadata_is_read() -> None:
    read = _read(metadata())
    assert read.entity_id == IDP
    assert (read.sso_url, read.sso_binding) == ("https://idp.example.test/sso", REDIRECT)
    assert read.certificates == (signer().certificate,)
    assert not read.wants_signed_requests
    assert read.valid_until is None
    assert read.warnings == ()


WRAPPED: dict[str, Callable[[bytes], bytes]] = {
    "byte order mark": lambda document: b"\xef\xbb\xbf" + document,
    "white space before": lambda document: b"\r\n  " + document,
    "comment": lambda document: b'<?xml version="1.0" encoding="utf-8"?><!-- made by x -->' + document,
    "processing instruction": lambda document: b"<?xml-stylesheet href='x'?>" + document,
    "with a service provider": lambda document: _bytes(_several(etree.fromstring(document), _sp_entity())),
    "nested": lambda document: _bytes(_several(_several(etree.fromstring(document)))),
}


@pytest.mark.parametrize("case", sorted(WRAPPED))
def test_metadata_as_real_files_wrap_it_is_read(case: str) -> None:
    assert _read(WRAPPED[case](_bytes(metadata()))).entity_id == IDP


SOAP = "urn:oasis:names:tc:SAML:2.0:bindings:SOAP"
USELESS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty": ("not_xml", lambda: b""),
    "text": ("not_xml", lambda: b"hello"),
    "cut off": ("not_xml", lambda: _bytes(metadata())[:-10]),
    "web page": ("html_page", lambda: b"<!DOCTYPE html><html></html>"),
    "web page without doctype": ("html_page", lambda: b"<html><body>Sign in</body></html>"),
    "xhtml page": ("html_page", lambda: b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>'),
    "doctype": ("doctype", lambda: b"<!DOCTYPE md SYSTEM 'x'>" + _bytes(metadata())),
    "latin-1": ("encoding", lambda: b"<?xml version='1.0' encoding='ISO-8859-1'?>" + _bytes(metadata())),
    "too large": ("too_large", lambda: b"<a>" + b"x" * (5 * 1024 * 1024) + b"</a>"),
    "too deep": ("too_deep", lambda: b"<a>" * 50 + b"</a>" * 50),
    "too wide": ("too_wide", lambda: b"<a>" + b"<b/>" * 20_000 + b"</a>"),
    "certificate": ("certificate_only", lambda: signer().certificate.pem.encode()),
    "bare certificate": ("certificate_only", lambda: signer().certificate.encoded.encode()),
    "binary certificate": ("certificate_only", lambda: signer().der),
    "private key": ("private_key", lambda: signer().pem),
    "other XML": ("not_metadata", lambda: b"<a/>"),
    "service provider": ("sp_metadata", lambda: _bytes(_sp_entity())),
    "several service providers": ("sp_metadata", lambda: _bytes(_several(_sp_entity(), _sp_entity()))),
    "attribute authority": ("no_idp", lambda: _bytes(metadata(role="AttributeAuthorityDescriptor"))),
    "no entities": ("no_idp", lambda: _bytes(_several())),
    "no entity ID": ("no_entity_id", lambda: _bytes(metadata(entity_id=""))),
    "a long entity ID": ("entity_id_characters", lambda: _bytes(metadata(entity_id="https://" + "i" * 1020))),
    "no endpoint": ("no_sso_endpoint", lambda: _bytes(metadata(sso=()))),
    "other binding": ("no_sso_endpoint", lambda: _bytes(metadata(sso=[(SOAP, "https://a.test")]))),
    "no certificate": ("no_signing_certificate", lambda: _bytes(metadata(signers=()))),
    "only for encryption": ("no_signing_certificate", lambda: _bytes(metadata(use="encryption"))),
    "weak key": ("weak_key", lambda: _bytes(metadata(signers=[signer("weak", kind="rsa1024")]))),
    "ends now": ("expired", lambda: _bytes(metadata(more={"validUntil": moment(0)}))),
    "ended": ("expired", lambda: _bytes(metadata(more={"validUntil": moment(-1)}))),
    "validity unreadable": ("valid_until", lambda: _bytes(metadata(more={"validUntil": "soon"}))),
}


@pytest.mark.requirement("SAML-38")
@pytest.mark.parametrize("case", sorted(USELESS))
def test_useless_file_is_refused_with_its_own_reason(case: str) -> None:
    problem, make = USELESS[case]
    assert _problem(make()) == problem


@pytest.mark.requirement("SAML-38")
@pytest.mark.parametrize(
    "location",
    [
        "http://idp.example.test/sso",
        "",
        "javascript:alert(1)",
        "ftp://idp.example.test/",
        "//idp.example.test/sso",
        "https://",
        "https:///sso",
        "https://idp.example.test:99999/",
        "https://idp.example.test/a b",
        "https://[::1",
    ],
)
def test_sign_in_address_must_be_https(location: str) -> None:
    assert _problem(metadata(sso=[(REDIRECT, location)])) == "sso_url_not_https"


@pytest.mark.requirement("SAML-38")
def test_sign_in_address_leaves_room_for_our_request() -> None:
    longest = "https://idp.example.test/".ljust(reader.LOCATION_LIMIT, "a")
    assert _read(metadata(sso=[(REDIRECT, longest)])).sso_url == longest
    assert _problem(metadata(sso=[(REDIRECT, longest + "a")])) == "sso_url_too_long"


def test_http_is_for_development() -> None:
    root = metadata(sso=[(REDIRECT, "http://localhost:18083/sso")])
    assert _read(root, allow_http=True).sso_url == "http://localhost:18083/sso"
    assert _problem(metadata(sso=[(REDIRECT, "javascript:x")]), allow_http=True) == "sso_url_not_https"


@pytest.mark.requirement("SAML-38")
def test_our_own_metadata_is_recognised() -> None:
    own = reader.write(ServiceProvider(entity_id=SP, acs_url=ACS))
    assert _problem(own, our_entity_id=SP) == "our_own"
    assert _problem(metadata(entity_id=SP), our_entity_id=SP) == "our_own"
    assert _problem(own) == "sp_metadata"


@pytest.mark.requirement("SAML-38")
def test_several_identity_providers_need_a_choice() -> None:
    root = _several(metadata(), metadata(entity_id="https://other.test"), _sp_entity())
    with pytest.raises(MetadataInvalid) as caught:
        _read(root)
    assert caught.value.facts["problem"] == "several_entities"
    assert caught.value.facts["entity_ids"].split() == [IDP, "https://other.test"]
    assert _read(root, entity_id="https://other.test").entity_id == "https://other.test"
    assert _problem(root, entity_id="https://sp.test") == "entity_not_found"


def test_post_is_used_where_redirect_is_not_offered() -> None:
    read = _read(metadata(sso=[(POST, "https://a.test/post"), (POST, "https://a.test/second")]))
    assert (read.sso_url, read.sso_binding) == ("https://a.test/post", POST)


def test_certificates_of_every_use_but_encryption_are_taken_once_and_at_most_five() -> None:
    root = metadata(signers=[signer(f"s{n}") for n in range(3)] + [signer("s0")], use=None)
    assert len(_read(root).certificates) == 3
    root = metadata(signers=[signer(f"s{n % 3}", not_after=datetime(2040 + n, 1, 1, tzinfo=UTC)) for n in range(7)])
    assert len(_read(root).certificates) == 5


def test_encryption_certificate_is_not_for_signatures() -> None:
    root = metadata(signers=[signer(), signer("another")])
    root[0][0].set("use", "encryption")
    assert _read(root).certificates == (signer("another").certificate,)


def test_unusable_certificate_beside_a_good_one_is_a_warning() -> None:
    root = metadata(signers=[signer("weak", kind="rsa1024"), signer()])
    read = _read(root)
    assert read.certificates == (signer().certificate,)
    assert read.warnings == ("certificate_unusable",)


@pytest.mark.parametrize("value", ["", "AAAA", "not base64"])
def test_broken_certificate_is_named(value: str) -> None:
    root = metadata()
    next(root.iter(ds("X509Certificate"))).text = value
    assert _problem(root) == "not_a_certificate"


@pytest.mark.requirement("SAML-37", "SAML-38")
@pytest.mark.parametrize(
    ("not_after", "warnings"),
    [
        (datetime(2026, 11, 24, 12, tzinfo=UTC), ("certificate_expired",)),
        (datetime(2026, 12, 24, 12, tzinfo=UTC), ("certificate_expires_soon",)),
        (datetime(2026, 12, 24, 13, tzinfo=UTC), ()),
    ],
)
def test_dates_of_certificates_are_warnings(not_after: datetime, warnings: tuple[str, ...]) -> None:
    assert _read(metadata(signers=[signer("dated", not_after=not_after)])).warnings == warnings


def test_certificate_signed_with_sha1_is_a_warning() -> None:
    rsa_sha256, rsa_sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")
    old = Signer(signer().key, signer().der.replace(rsa_sha256, rsa_sha1))
    assert _read(metadata(signers=[old])).warnings == ("certificate_sha1",)


def test_wish_for_signed_requests_and_validity_are_read() -> None:
    root = metadata(more={"validUntil": moment(3600)})
    root[0].set("WantAuthnRequestsSigned", "true")
    root[0].set("validUntil", moment(60))
    read = _read(root)
    assert read.wants_signed_requests
    assert read.valid_until == datetime.fromisoformat(moment(60))


@pytest.mark.requirement("SAML-38")
def test_validity_of_the_whole_file_counts() -> None:
    root = _several(metadata())
    root.set("validUntil", moment(-1))
    assert _problem(root) == "expired"


def test_role_for_older_protocols_is_not_saml_2() -> None:
    root = metadata()
    older = copy.deepcopy(root[0])
    older.set("protocolSupportEnumeration", "urn:oasis:names:tc:SAML:1.1:protocol")
    root.insert(0, older)
    assert _read(root).entity_id == IDP
    root.remove(root[1])
    assert _problem(root) == "no_idp"


# Ours ----------------------------------------------------------------------------------------------------------


def test_our_metadata_says_where_and_with_which_keys() -> None:
    sp = ServiceProvider(
        entity_id=SP,
        acs_url=ACS,
        signing_certificate=signer("sp").certificate,
        encryption_certificate=signer("sp2").certificate,
        requests_signed=True,
    )
    root = etree.fromstring(reader.write(sp))
    [role] = root
    assert root.get("entityID") == SP
    assert role.tag == md("SPSSODescriptor")
    assert role.get("AuthnRequestsSigned") == "true"
    assert role.get("protocolSupportEnumeration") == names.PROTOCOL
    assert [key.get("use") for key in role.findall(md("KeyDescriptor"))] == ["signing", "encryption"]
    assert [one.text for one in role.iter(ds("X509Certificate"))] == [
        signer("sp").certificate.encoded,
        signer("sp2").certificate.encoded,
    ]
    [acs] = role.findall(md("AssertionConsumerService"))
    assert (acs.get("Location"), acs.get("Binding"), acs.get("index")) == (ACS, POST, "0")


def test_our_metadata_without_keys_has_none() -> None:
    root = etree.fromstring(reader.write(ServiceProvider(entity_id=SP, acs_url=ACS)))
    assert root.find(f".//{md('KeyDescriptor')}") is None
    assert root[0].get("AuthnRequestsSigned") == "false"


def test_our_metadata_keeps_the_order_of_the_schema() -> None:
    sp = ServiceProvider(entity_id=SP, acs_url=ACS, encryption_certificate=signer("sp").certificate)
    [role] = etree.fromstring(reader.write(sp))
    assert list(dict.fromkeys(child.tag for child in role)) == [
        md("KeyDescriptor"),
        md("NameIDFormat"),
        md("AssertionConsumerService"),
    ]
