"""Encrypted assertions: methods, key places, and failures that look alike."""

import base64
from typing import Any

import pytest
from lxml import etree
from saml.attacks import VICTIM
from saml.build import Change, at, build, judge, template, text
from saml.keys import signer
from saml.sign import RSA_1_5, TRIPLE_DES, encrypt, sign

from llmops.broker.saml import names
from llmops.broker.saml.names import ds, saml, samlp, xenc
from llmops.errors import (
    Failure,
    SamlAlgorithmRefused,
    SamlDecryptionFailed,
    SamlMalformed,
    SamlSignatureInvalid,
    SamlSignatureMissing,
    SamlWrongAudience,
)

DATA = "EncryptedAssertion/EncryptedData"
KEY = f"{DATA}/KeyInfo/EncryptedKey"


@pytest.mark.requirement("SAML-32")
@pytest.mark.parametrize(
    "encrypting",
    [
        {"method": names.AES128_GCM},
        {"method": names.AES192_GCM},
        {"method": names.AES256_GCM},
        {"place": "beside"},
        {"digest": names.SHA1},
        {"digest": names.SHA256},
        {"transport": names.RSA_OAEP},
        {"transport": names.RSA_OAEP, "digest": names.SHA256, "mask": names.MGF1_SHA256},
        {"transport": names.RSA_OAEP, "digest": names.SHA512, "mask": names.MGF1_SHA1},
        {"transport": names.RSA_OAEP, "digest": names.SHA384, "mask": names.MGF1_SHA384},
    ],
)
def test_allowed_methods_open(encrypting: dict[str, Any]) -> None:
    assert judge(build("encrypted", encrypting=encrypting)).encrypted


@pytest.mark.requirement("SAML-32")
@pytest.mark.parametrize("method", [names.AES128_CBC, names.AES192_CBC, names.AES256_CBC])
def test_cbc_needs_a_signed_response(method: str) -> None:
    assert judge(build("encrypted-both", encrypting={"method": method})).encrypted
    assert judge(build("encrypted-response", encrypting={"method": method})).encrypted
    with pytest.raises(SamlAlgorithmRefused) as caught:
        judge(build("encrypted", encrypting={"method": method}))
    assert caught.value.facts["problem"] == "cbc_without_signature"


@pytest.mark.requirement("SAML-32")
def test_response_signature_is_verified_before_anything_is_decrypted() -> None:
    change: Change = text("Signature/SignatureValue", base64.b64encode(bytes(256)).decode())
    with pytest.raises(SamlSignatureInvalid):
        judge(build("encrypted-both", encrypting={"method": names.AES256_CBC}, after=[change]), decryption_keys=())


@pytest.mark.requirement("SAML-32")
@pytest.mark.parametrize("style", ["encrypted", "encrypted-both"])
@pytest.mark.parametrize(
    ("encrypting", "problem"),
    [
        ({"method": TRIPLE_DES}, "content_encryption"),
        ({"method": names.XENC + "aes256-ctr"}, "content_encryption"),
        ({"transport": RSA_1_5}, "key_transport"),
        ({"transport": names.XENC + "kw-aes256"}, "key_transport"),
        ({"digest": "http://www.w3.org/2001/04/xmldsig-more#md5"}, "key_transport_parameter"),
        ({"transport": names.RSA_OAEP, "mask": names.XENC11 + "mgf1sha1x"}, "key_transport_parameter"),
        ({"mask": names.MGF1_SHA256}, "key_transport_parameter"),
    ],
)
def test_weak_or_unknown_method_is_refused(style: str, encrypting: dict[str, Any], problem: str) -> None:
    root = build("none")
    assertion = root.find(saml("Assertion"))
    assert assertion is not None
    sign(assertion, signer())
    _encrypt_under_another_name(assertion, encrypting)
    if style == "encrypted-both":
        sign(root, signer())
    with pytest.raises(SamlAlgorithmRefused) as caught:
        judge(root)
    assert caught.value.facts["problem"] == problem


def _encrypt_under_another_name(assertion: etree._Element, encrypting: dict[str, Any]) -> None:
    """Encrypt as usual, then claim the method under test, which may be one that nothing here can do."""
    encrypted = encrypt(assertion, signer("sp"))
    key = at("EncryptedData/KeyInfo/EncryptedKey/EncryptionMethod", encrypted)
    if "method" in encrypting:
        at("EncryptedData/EncryptionMethod", encrypted).set("Algorithm", encrypting["method"])
    if "transport" in encrypting:
        key.set("Algorithm", encrypting["transport"])
    if "digest" in encrypting:
        etree.SubElement(key, ds("DigestMethod"), Algorithm=encrypting["digest"])
    if "mask" in encrypting:
        etree.SubElement(key, f"{{{names.XENC11}}}MGF", Algorithm=encrypting["mask"])


def _flip(path: str) -> Change:
    def change(root: etree._Element) -> None:
        element = at(path, root)
        octets = bytearray(base64.b64decode(element.text or ""))
        octets[-1] ^= 1
        element.text = base64.b64encode(bytes(octets)).decode()

    return change


@pytest.mark.requirement("SAML-32")
@pytest.mark.parametrize(
    "change",
    [
        _flip(f"{DATA}/CipherData/CipherValue"),
        _flip(f"{KEY}/CipherData/CipherValue"),
        text(f"{DATA}/CipherData/CipherValue", base64.b64encode(bytes(27)).decode()),
        text(f"{DATA}/CipherData/CipherValue", "AAAA"),
        text(f"{DATA}/CipherData/CipherValue", ""),
        text(f"{KEY}/CipherData/CipherValue", base64.b64encode(bytes(255)).decode()),
        text(f"{KEY}/CipherData/CipherValue", ""),
        lambda root: at(f"{DATA}/EncryptionMethod", root).set("Algorithm", names.AES128_GCM),
    ],
)
def test_all_failures_to_decrypt_look_alike(change: Change) -> None:
    with pytest.raises(SamlDecryptionFailed) as caught:
        judge(build("encrypted", after=[change]))
    assert caught.value.facts == {}


@pytest.mark.requirement("SAML-32")
@pytest.mark.parametrize("keys", [(), ("another",)])
def test_key_that_is_not_this_connection_s_opens_nothing(keys: tuple[str, ...]) -> None:
    with pytest.raises(SamlDecryptionFailed) as caught:
        judge(build("encrypted"), decryption_keys=[signer(name).key for name in keys])
    assert caught.value.facts == {}


@pytest.mark.requirement("SAML-32")
def test_two_keys_may_overlap() -> None:
    assert judge(build("encrypted"), decryption_keys=[signer("another").key, signer("sp").key]).encrypted


@pytest.mark.requirement("SAML-32")
@pytest.mark.parametrize(
    "octets",
    [b"", b"x" * 15, b"x" * 16, b"x" * 33, bytes(48)],
)
def test_broken_cbc_content_fails_like_everything_else(octets: bytes) -> None:
    root = build("encrypted", encrypting={"method": names.AES256_CBC})
    at(f"{DATA}/CipherData/CipherValue", root).text = base64.b64encode(octets).decode()
    sign(root, signer())
    with pytest.raises(SamlDecryptionFailed) as caught:
        judge(root)
    assert caught.value.facts == {}


@pytest.mark.requirement("SAML-32")
@pytest.mark.parametrize("count", [17, 32])
def test_cbc_padding_counts_one_block_at_most(count: int) -> None:
    """The last block, with the encryptor's own padding, is cut off, so that ours is read instead."""
    filler = 16 * ((len(ONE) + count + 15) // 16) - len(ONE)
    plain = ONE.replace(b"<saml:Issuer>", b" " * (filler - count) + b"<saml:Issuer>") + bytes([count]) * count
    assert len(plain) % 16 == 0
    root = build("encrypted", encrypting={"method": names.AES256_CBC, "plain": plain})
    value = at(f"{DATA}/CipherData/CipherValue", root)
    value.text = base64.b64encode(base64.b64decode(value.text or "")[:-16]).decode()
    sign(root, signer())
    with pytest.raises(SamlDecryptionFailed):
        judge(root)


def _key_again(count: int) -> Change:
    def change(root: etree._Element) -> None:
        key = at(KEY, root)
        for number in range(count):
            copied = etree.fromstring(etree.tostring(key))
            copied.set("Id", f"_key{number}")
            at("EncryptedAssertion", root).append(copied)

    return change


@pytest.mark.requirement("SAML-32")
def test_one_of_a_few_encrypted_keys_may_be_ours() -> None:
    def garble(root: etree._Element) -> None:
        at(f"{KEY}/CipherData/CipherValue", root).text = base64.b64encode(bytes(256)).decode()

    assert judge(build("encrypted", after=[_key_again(1), garble])).encrypted


@pytest.mark.requirement("SAML-06", "SAML-32")
@pytest.mark.parametrize(
    "change",
    [
        _key_again(4),
        lambda root: at(f"{DATA}/KeyInfo", root).remove(at(KEY, root)),
        lambda root: at("EncryptedAssertion", root).remove(at(DATA, root)),
        lambda root: etree.SubElement(at("EncryptedAssertion", root), xenc("EncryptedData")),
        lambda root: at(DATA, root).remove(at(f"{DATA}/EncryptionMethod", root)),
        lambda root: at(DATA, root).remove(at(f"{DATA}/CipherData", root)),
        lambda root: etree.SubElement(at(f"{DATA}/CipherData", root), xenc("CipherValue")),
        lambda root: etree.SubElement(at(DATA, root), saml("Assertion")),
        lambda root: etree.SubElement(at(DATA, root), ds("Signature")),
        lambda root: at(DATA, root).set("Id", "_r1"),
        text(f"{DATA}/CipherData/CipherValue", "*"),
    ],
)
def test_broken_form_is_refused_before_any_key_is_used(change: Change) -> None:
    with pytest.raises(SamlMalformed):
        judge(build("encrypted", after=[change]))


@pytest.mark.requirement("SAML-31")
def test_encryption_proves_nothing_about_the_sender() -> None:
    with pytest.raises(SamlSignatureMissing):
        judge(build("none", after=[lambda root: encrypt(at("Assertion", root), signer("sp"))]))


@pytest.mark.requirement("SAML-31")
def test_assertion_swapped_below_a_signed_response_is_refused() -> None:
    root = build("encrypted-response")
    other = build("encrypted", before=[text("Assertion/Subject/NameID", VICTIM)])
    root.replace(at("EncryptedAssertion", root), at("EncryptedAssertion", other))
    with pytest.raises(SamlSignatureInvalid):
        judge(root)


def _plain(octets: bytes) -> etree._Element:
    return build("encrypted", encrypting={"plain": octets})


def _assertion(**changes: Any) -> bytes:
    assertion = template(**changes).find(saml("Assertion"))
    return etree.tostring(assertion, with_tail=False)


ONE = _assertion()


@pytest.mark.requirement("SAML-02", "SAML-04", "SAML-31")
@pytest.mark.parametrize(
    ("octets", "failure"),
    [
        (b"", SamlDecryptionFailed),
        (b"ann@acme.test", SamlDecryptionFailed),
        (b"\xff\xfe<\x00", SamlDecryptionFailed),
        (b"<a", SamlDecryptionFailed),
        (ONE + ONE, SamlDecryptionFailed),
        (ONE + b"x", SamlDecryptionFailed),
        (b"x" + ONE, SamlDecryptionFailed),
        (b"<!-- x -->" + ONE, SamlDecryptionFailed),
        (b"<!DOCTYPE a>" + ONE, SamlDecryptionFailed),
        (b"<?xml version='1.0'?><!DOCTYPE a>" + ONE, SamlDecryptionFailed),
        (b"</saml:EncryptedAssertion><a/><saml:EncryptedAssertion>", SamlDecryptionFailed),
        (etree.tostring(template()), SamlMalformed),
        (b'<a Version="2.0"/>', SamlMalformed),
        (ONE.replace(b'ID="_a1"', b'ID="_r1"'), SamlMalformed),
        (ONE.replace(b'ID="_a1"', b'ID="_data"'), SamlMalformed),
        (ONE.replace(b"<saml:Subject>", b"<saml:Subject/><saml:Subject>"), SamlMalformed),
        (ONE, SamlSignatureMissing),
        (b"<?xml version='1.0'?>" + ONE, SamlSignatureMissing),
    ],
)
def test_decrypted_content_goes_through_everything_again(octets: bytes, failure: type[Failure]) -> None:
    with pytest.raises(failure):
        judge(_plain(octets))


@pytest.mark.requirement("SAML-31")
def test_decrypted_assertion_is_judged_like_a_plain_one() -> None:
    with pytest.raises(SamlWrongAudience):
        judge(build("encrypted", before=[text("Assertion/Conditions/AudienceRestriction/Audience", "x")]))


def test_content_cut_out_of_its_document_keeps_the_namespaces_of_its_place() -> None:
    """Some encryptors write the Assertion without the declarations that its Response made."""
    octets = ONE.replace(f' xmlns:saml="{names.ASSERTION}"'.encode(), b"").replace(
        f' xmlns:samlp="{names.PROTOCOL}"'.encode(), b""
    )
    assert b"xmlns:saml=" not in octets
    root = build("encrypted-response", encrypting={"plain": octets})
    assert root.tag == samlp("Response")
    assert judge(root).encrypted
