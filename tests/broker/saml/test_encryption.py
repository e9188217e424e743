"""Encrypted assertions: what the keys open, in which order things happen, and that failures look alike.

Methods, forms and contents are in tests/saml/vectors/crypto.py and parsing.py.
"""

import base64

import pytest
from lxml import etree
from saml.build import Change, at, build, judge, template, text
from saml.keys import signer
from saml.sign import sign

from llmops.broker.saml import names
from llmops.errors import (
    SamlDecryptionFailed,
    SamlSignatureInvalid,
    SamlWrongAudience,
)

DATA = "EncryptedAssertion/EncryptedData"
ONE = etree.tostring(at("Assertion", template()), with_tail=False)


@pytest.mark.requirement("SAML-32")
def test_response_signature_is_verified_before_anything_is_decrypted() -> None:
    change: Change = text("Signature/SignatureValue", base64.b64encode(bytes(256)).decode())
    with pytest.raises(SamlSignatureInvalid):
        judge(build("encrypted-both", encrypting={"method": names.AES256_CBC}, after=[change]), decryption_keys=())


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
    root = build("encrypted", encrypting={"method": names.AES256_CBC, "plain": lambda _: plain})
    value = at(f"{DATA}/CipherData/CipherValue", root)
    value.text = base64.b64encode(base64.b64decode(value.text or "")[:-16]).decode()
    sign(root, signer())
    with pytest.raises(SamlDecryptionFailed):
        judge(root)


@pytest.mark.requirement("SAML-31")
def test_decrypted_assertion_is_judged_like_a_plain_one() -> None:
    with pytest.raises(SamlWrongAudience):
        judge(build("encrypted", before=[text("Assertion/Conditions/AudienceRestriction/Audience", "x")]))
