"""Signatures: methods, form, references, keys."""

import base64
import copy
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from lxml import etree
from saml.build import NOW, Change, adding, at, attribute, build, judge, okta, template, text
from saml.keys import signer
from saml.sign import HMAC_SHA256, INCLUSIVE_C14N, RSA_SHA1, sign

from llmops.broker.saml import names, signature
from llmops.broker.saml.names import ds, saml
from llmops.errors import (
    Failure,
    IdpCertificateExpired,
    MetadataInvalid,
    SamlAlgorithmRefused,
    SamlKeyUnknown,
    SamlMalformed,
    SamlSignatureInvalid,
)

SIGNED_INFO = "Assertion/Signature/SignedInfo"


@pytest.mark.parametrize(
    ("kind", "method", "digest"),
    [
        ("rsa2048", names.RSA_SHA256, names.SHA256),
        ("rsa2048", names.RSA_SHA384, names.SHA384),
        ("rsa2048", names.RSA_SHA512, names.SHA512),
        ("p256", names.ECDSA_SHA256, names.SHA256),
        ("p384", names.ECDSA_SHA384, names.SHA384),
        ("p521", names.ECDSA_SHA512, names.SHA512),
    ],
)
def test_every_allowed_method_verifies(kind: str, method: str, digest: str) -> None:
    by = signer("methods", kind=kind)
    root = build("both", by=by, signing={"method": method, "digest": digest})
    assert judge(root, certificates=(by.certificate,)).key_fingerprint == by.certificate.fingerprint_sha256


@pytest.mark.requirement("SAML-12")
@pytest.mark.parametrize(
    ("signing", "problem"),
    [
        ({"method": RSA_SHA1}, "signature_method"),
        ({"method": HMAC_SHA256}, "signature_method"),
        ({"method": "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"}, "signature_method"),
        ({"method": "http://www.w3.org/2009/xmldsig11#dsa-sha256"}, "signature_method"),
        ({"method": "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"}, "signature_method"),
        ({"method": ""}, "signature_method"),
        ({"digest": names.SHA1}, "digest_method"),
    ],
)
def test_weak_or_unknown_method_is_refused_by_name(signing: dict[str, Any], problem: str) -> None:
    with pytest.raises(SamlAlgorithmRefused) as caught:
        judge(build(signing=signing))
    assert caught.value.facts["problem"] == problem


@pytest.mark.requirement("SAML-12")
def test_small_rsa_key_cannot_be_pinned() -> None:
    with pytest.raises(MetadataInvalid) as caught:
        _ = signer("small", kind="rsa1024").certificate
    assert caught.value.facts["problem"] == "weak_key"


def _set(path: str, name: str, value: str | None) -> Callable[[etree._Element], None]:
    def change(signed_info: etree._Element) -> None:
        element = at(path, signed_info)
        if value is None:
            del element.attrib[name]
        else:
            element.set(name, value)

    return change


def _again(tag: str, path: str = "") -> Callable[[etree._Element], None]:
    def change(signed_info: etree._Element) -> None:
        parent = at(path, signed_info)
        first = parent.find(ds(tag))
        assert first is not None
        parent.append(copy.deepcopy(first))

    return change


def _transforms(*algorithms: str) -> dict[str, Any]:
    return {"transforms": algorithms}


def _child(path: str, tag: str) -> Callable[[etree._Element], None]:
    return lambda signed_info: at(path, signed_info).append(etree.Element(tag))


XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
XPATH2 = "http://www.w3.org/2002/06/xmldsig-filter2"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"
BASE64 = names.DSIG + "base64"
COMMENTS = names.EXC_C14N + "WithComments"
E, X = names.ENVELOPED_SIGNATURE, names.EXC_C14N


@pytest.mark.requirement("SAML-11")
@pytest.mark.parametrize(
    "signing",
    [
        _transforms(),
        _transforms(E),
        _transforms(X),
        _transforms(X, E),
        _transforms(E, E),
        _transforms(E, X, X),
        _transforms(E, XPATH),
        _transforms(E, XPATH, X),
        _transforms(E, XPATH2, X),
        _transforms(E, XSLT),
        _transforms(E, BASE64),
        _transforms(E, INCLUSIVE_C14N),
        _transforms(E, COMMENTS),
        {"canonicalization": INCLUSIVE_C14N},
        {"canonicalization": COMMENTS},
        {"canonicalization": "http://www.w3.org/2006/12/xml-c14n11"},
        {"canonicalization": XSLT},
        {"prefix_list": ""},
        {"prefix_list": "xs|x"},
        {"before_signing": _child("CanonicalizationMethod", "{urn:x}y")},
        {"before_signing": _child("SignatureMethod", ds("HMACOutputLength"))},
        {"before_signing": _child("Reference/DigestMethod", "{urn:x}y")},
        {"before_signing": _set("CanonicalizationMethod", "Id", "_c")},
        {"before_signing": _set("SignatureMethod", "Algorithm", None)},
        {"before_signing": lambda signed_info: signed_info[2][0][0].append(etree.Element(ds("XPath")))},
        {"before_signing": lambda signed_info: signed_info[2][0].append(etree.Element("{urn:x}y", Algorithm=X))},
    ],
)
def test_other_transforms_and_parameters_are_refused(signing: dict[str, Any]) -> None:
    with pytest.raises(SamlAlgorithmRefused):
        judge(build(signing=signing))


@pytest.mark.requirement("SAML-10")
@pytest.mark.parametrize(
    "uri",
    [
        "",
        "#",
        "#_r1",
        "#_other",
        "_a1",
        "#_A1",
        "#_a1 ",
        "#xpointer(id('_a1'))",
        "#xpointer(/)",
        "https://x.test/a#_a1",
    ],
)
def test_reference_to_anything_but_its_parent_is_refused(uri: str) -> None:
    with pytest.raises(SamlSignatureInvalid) as caught:
        judge(build(signing={"uri": uri}))
    assert caught.value.facts["problem"] == "reference"


@pytest.mark.requirement("SAML-10")
@pytest.mark.parametrize(
    "change",
    [
        _again("Reference"),
        _again("SignatureMethod"),
        _again("CanonicalizationMethod"),
        _again("DigestValue", "Reference"),
        _again("DigestMethod", "Reference"),
        _again("Transforms", "Reference"),
        lambda signed_info: signed_info.remove(signed_info[2]),
        lambda signed_info: signed_info[2].remove(signed_info[2][0]),
        lambda signed_info: signed_info.insert(0, signed_info[2]),
    ],
)
def test_second_or_missing_part_of_signed_info_is_refused(change: Callable[[etree._Element], None]) -> None:
    with pytest.raises(SamlSignatureInvalid):
        judge(build(signing={"before_signing": change}))


@pytest.mark.requirement("SAML-10")
def test_reference_without_uri_is_refused() -> None:
    with pytest.raises(SamlSignatureInvalid):
        judge(build(signing={"before_signing": _set("Reference", "URI", None)}))


def _second_signed_info(root: etree._Element) -> None:
    part = at("Assertion/Signature", root)
    part.insert(0, copy.deepcopy(part[0]))


def _value_with_element(path: str) -> Change:
    return lambda root: at(path, root).append(etree.Element("{urn:x}y"))


DIGEST = f"{SIGNED_INFO}/Reference/DigestValue"
VALUE = "Assertion/Signature/SignatureValue"


@pytest.mark.requirement("SAML-10", "SAML-15")
@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_second_signed_info, "form"),
        (lambda root: at("Assertion/Signature", root).append(etree.Element(ds("KeyInfo"))), "form"),
        (lambda root: at("Assertion/Signature", root).remove(at(VALUE, root)), "form"),
        (_value_with_element(DIGEST), "base64"),
        (_value_with_element(VALUE), "base64"),
        (text(DIGEST, ""), "base64"),
        (text(DIGEST, "a*b="), "base64"),
        (text(DIGEST, "abc"), "base64"),
        (text(DIGEST, base64.b64encode(b"x" * 20).decode()), "digest_length"),
        (text(DIGEST, base64.b64encode(b"x" * 32).decode()), "not_verified"),
        (text(VALUE, ""), "base64"),
        (text(VALUE, "AAAA"), "not_verified"),
        (text(VALUE, base64.b64encode(bytes(256)).decode()), "not_verified"),
        (text("Assertion/Subject/NameID", "owner@acme.test"), "not_verified"),
    ],
)
def test_signature_changed_on_the_way_is_refused(change: Change, problem: str) -> None:
    with pytest.raises(SamlSignatureInvalid) as caught:
        judge(build(after=[change]))
    assert caught.value.facts["problem"] == problem


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


@pytest.mark.requirement("SAML-13")
def test_our_certificate_in_the_message_does_not_excuse_another_key() -> None:
    with pytest.raises(SamlSignatureInvalid):
        judge(build(by=signer("attacker"), signing={"key_info": signer()}))


@pytest.mark.requirement("SAML-13")
def test_foreign_certificate_in_the_message_does_not_disturb_our_key() -> None:
    assert judge(build(signing={"key_info": signer("attacker")})).subject.value == "ann@acme.test"


@pytest.mark.requirement("SAML-13")
@pytest.mark.parametrize(
    "key_info",
    [
        "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue></ds:KeyValue>",
        '<ds:RetrievalMethod URI="https://evil.test/key"/>',
        "<ds:KeyName>evil</ds:KeyName>",
        "<ds:X509Data><ds:X509Certificate>not base64</ds:X509Certificate></ds:X509Data>",
    ],
)
def test_other_key_hints_are_ignored(key_info: str) -> None:
    root = build(signing={"key_info": False})
    added = etree.fromstring(f'<ds:KeyInfo xmlns:ds="{names.DSIG}">{key_info}</ds:KeyInfo>')
    at("Assertion/Signature", root).append(added)
    assert judge(root).subject.value == "ann@acme.test"


@pytest.mark.requirement("SAML-19")
def test_key_of_another_connection_is_refused_without_key_info() -> None:
    with pytest.raises(SamlSignatureInvalid):
        judge(build(by=signer("other connection"), signing={"key_info": False}))


def test_no_certificates_verify_nothing() -> None:
    with pytest.raises(Failure):
        judge(build(), certificates=())


@pytest.mark.requirement("SAML-12")
def test_method_of_another_kind_than_the_pinned_key_is_refused() -> None:
    with pytest.raises(SamlSignatureInvalid):
        judge(build(signing={"key_info": False}), certificates=(signer("curve", kind="p256").certificate,))


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


@pytest.mark.requirement("SAML-15")
def test_message_that_cannot_be_canonicalized_is_refused() -> None:
    """Exclusive canonicalization fails on a relative namespace; a failure is not an empty success."""
    extensions = '<samlp:Extensions><y xmlns="relative"/></samlp:Extensions>'
    with pytest.raises(SamlSignatureInvalid):
        judge(build("response", after=[adding("", extensions, index=2)]))


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


@pytest.mark.requirement("SAML-10", "SAML-17")
def test_signature_of_a_response_over_its_assertion_alone_covers_nothing() -> None:
    """A reference may read like the parent's ID and resolve inside it: `##_a1` is `#_a1` to a lenient reader."""
    covered = etree.tostring(at("Assertion", template()), method="c14n", exclusive=True)

    def only_the_assertion(signed_info: etree._Element) -> None:
        at("Reference/DigestValue", signed_info).text = base64.b64encode(hashlib.sha256(covered).digest()).decode()

    change = attribute("", "ID", "#_a1")
    with pytest.raises(SamlSignatureInvalid):
        judge(build("response", before=[change], signing={"before_signing": only_the_assertion}))


@pytest.mark.requirement("SAML-09")
@pytest.mark.parametrize("tag", ["Object", "Manifest", "Signature"])
def test_anything_more_in_a_signature_is_refused(tag: str) -> None:
    with pytest.raises(SamlMalformed):
        judge(build(after=[lambda root: at("Assertion/Signature", root).append(etree.Element(ds(tag)))]))
