"""Whose key verifies, what verification returns, and how a failure is explained.

Methods, references and forms are in tests/saml/vectors/crypto.py.
"""

import base64
import copy
from datetime import UTC, datetime

import pytest
from lxml import etree
from saml.build import NOW, build, judge, okta, text
from saml.keys import signer
from saml.sign import sign

from llmops.broker.saml import signature
from llmops.broker.saml.names import saml
from llmops.errors import (
    Failure,
    IdpCertificateExpired,
    MetadataInvalid,
    SamlKeyUnknown,
    SamlSignatureInvalid,
)


@pytest.mark.requirement("SAML-12")
def test_small_rsa_key_cannot_be_pinned() -> None:
    with pytest.raises(MetadataInvalid) as caught:
        _ = signer("small", kind="rsa1024").certificate
    assert caught.value.facts["problem"] == "weak_key"


@pytest.mark.requirement("SAML-16")
@pytest.mark.parametrize("path", ["Signature/SignatureValue", "Assertion/Signature/SignatureValue"])
def test_good_signature_does_not_excuse_a_bad_one(path: str) -> None:
    with pytest.raises(SamlSignatureInvalid):
        judge(build("both", after=[text(path, base64.b64encode(bytes(256)).decode())]))


@pytest.mark.requirement("SAML-13", "SAML-19")
def test_key_in_the_message_does_not_verify_it() -> None:
    attacker = signer("attacker")
    with pytest.raises(SamlKeyUnknown) as caught:
        judge(build(by=attacker))
    assert caught.value.facts["seen"] == attacker.certificate.fingerprint_sha256
    assert caught.value.facts["expected"] == signer().certificate.fingerprint_sha256


def test_no_certificates_verify_nothing() -> None:
    with pytest.raises(Failure):
        judge(build(), certificates=())


@pytest.mark.requirement("SAML-37")
def test_one_of_several_pinned_keys_verifies() -> None:
    certificates = (signer("old").certificate, signer("curve", kind="p256").certificate, signer().certificate)
    assert judge(build("both"), certificates=certificates).key_fingerprint == certificates[2].fingerprint_sha256


EXPIRED = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.requirement("SAML-37")
@pytest.mark.parametrize("not_after", [EXPIRED, datetime(2024, 5, 1, tzinfo=UTC)])
def test_pinned_certificate_past_its_date_still_verifies(not_after: datetime) -> None:
    by = signer("expired", not_after=not_after)
    assert judge(build(by=by), certificates=(by.certificate,)).signed == "assertion"


@pytest.mark.requirement("SAML-37")
def test_failure_with_only_expired_certificates_names_the_date() -> None:
    stored = signer("expired", not_after=EXPIRED).certificate
    with pytest.raises(IdpCertificateExpired) as caught:
        judge(build(by=signer("rolled over")), certificates=(stored,))
    assert caught.value.facts["not_after"] == EXPIRED.isoformat()


@pytest.mark.requirement("SAML-37")
def test_failure_with_one_valid_certificate_is_a_roll_over() -> None:
    stored = (signer("expired", not_after=EXPIRED).certificate, signer().certificate)
    with pytest.raises(SamlKeyUnknown):
        judge(build(by=signer("rolled over")), certificates=stored)


@pytest.mark.parametrize("prefix_list", ["xs", "xs xsi saml", "#default samlp"])
def test_prefix_list_as_okta_and_shibboleth_send_it_verifies(prefix_list: str) -> None:
    root = build("both", base=okta(), signing={"prefix_list": prefix_list})
    assert judge(root, idp_entity_id=root.findtext(saml("Issuer"))).signed == "both"


def test_prefix_list_that_counts_a_namespace_of_the_response_alone_verifies() -> None:
    root = okta()
    assertion = root.find(saml("Assertion"))
    assert assertion is not None
    sign(assertion, signer(), prefix_list="xs")
    sign(root, signer())
    assert judge(root, idp_entity_id=root.findtext(saml("Issuer"))).signed == "both"


@pytest.mark.requirement("SAML-14")
def test_verify_returns_the_covered_bytes_without_the_signature() -> None:
    root = build("both")
    verified = signature.verify(root, (signer().certificate,), now=NOW)
    assert verified.canonical.startswith(b"<samlp:Response")
    assert b"_r1" in verified.canonical
    assert verified.canonical.count(b"<ds:Signature ") == 1  # the Assertion's own stays, the Response's is gone
    assert etree.tostring(verified.element, method="c14n", exclusive=True) == verified.canonical


def test_verifying_an_unsigned_element_is_refused() -> None:
    root = build("assertion")
    with pytest.raises(SamlSignatureInvalid):
        signature.verify(root, (signer().certificate,), now=NOW)


def test_two_signatures_are_refused_whoever_asks() -> None:
    root = build("response")
    root.insert(1, copy.deepcopy(root[1]))
    with pytest.raises(SamlSignatureInvalid) as caught:
        signature.verify(root, (signer().certificate,), now=NOW)
    assert caught.value.facts["problem"] == "several_signatures"
