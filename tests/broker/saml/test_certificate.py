"""Certificates as people paste them and as metadata carries them."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from saml.keys import NOT_AFTER, NOT_BEFORE, signer

from llmops.broker.saml import certificate
from llmops.errors import MetadataInvalid


def test_der_pem_and_base64_are_the_same_certificate() -> None:
    known = signer()
    pem = known.certificate.pem
    bare = "".join(pem.splitlines()[1:-1])
    readings = [
        certificate.from_der(known.der),
        certificate.from_base64(base64.encodebytes(known.der).decode()),
        *certificate.from_pasted(known.der),
        *certificate.from_pasted(pem.encode()),
        *certificate.from_pasted(b"subject=/CN=idp\r\n" + pem.replace("\n", "\r\n").encode() + b"\r\n"),
        *certificate.from_pasted(bare.encode()),
    ]
    assert len(set(readings)) == 1
    assert readings[0].encoded == base64.b64encode(known.der).decode()


def test_several_pasted_certificates_are_all_taken_once() -> None:
    one, other = signer().certificate, signer("another").certificate
    assert certificate.from_pasted((one.pem + other.pem + one.pem).encode()) == (one, other)


def test_certificate_tells_fingerprint_dates_and_key() -> None:
    known = signer()
    assert known.certificate.fingerprint_sha256 == hashlib.sha256(known.der).hexdigest()
    assert known.certificate.not_before == NOT_BEFORE
    assert known.certificate.not_after == NOT_AFTER
    assert (known.certificate.key_kind, known.certificate.key_bits) == ("rsa", 2048)
    assert known.certificate.public_key == known.key.public_key()


def test_certificate_expires_at_its_date() -> None:
    known = signer().certificate
    assert not known.expired(NOT_AFTER - timedelta(seconds=1))
    assert known.expired(NOT_AFTER)


@pytest.mark.parametrize(("kind", "bits"), [("p256", 256), ("p384", 384), ("p521", 521)])
def test_elliptic_curves_of_the_list_are_accepted(kind: str, bits: int) -> None:
    read = signer("curves", kind=kind).certificate
    assert (read.key_kind, read.key_bits) == ("ec", bits)


@pytest.mark.requirement("SAML-12")
@pytest.mark.parametrize("kind", ["rsa1024", "rsa2047", "k256"])
def test_weak_key_is_refused(kind: str) -> None:
    with pytest.raises(MetadataInvalid) as caught:
        certificate.from_der(signer("weak", kind=kind).der)
    assert caught.value.facts["problem"] == "weak_key"


@pytest.mark.parametrize(
    "pasted", [b"", b"hello", b"\x30\x82\x00", "MII…".encode(), b"-----BEGIN CERTIFICATE-----", b"AAAA"]
)
def test_what_is_no_certificate_is_refused(pasted: bytes) -> None:
    with pytest.raises(MetadataInvalid) as caught:
        certificate.from_pasted(pasted)
    assert caught.value.facts["problem"] == "not_a_certificate"


def test_pasted_private_key_is_refused_as_such() -> None:
    with pytest.raises(MetadataInvalid) as caught:
        certificate.from_pasted(signer().pem)
    assert caught.value.facts["problem"] == "private_key"


def test_certificate_with_an_unknown_signature_is_still_a_key() -> None:
    """A pinned certificate's own signature is never checked, so its method need not be known."""
    oid, unknown = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a8648ced70d01010b")
    read = certificate.from_der(signer().der.replace(oid, unknown))
    assert not read.signed_with_sha1
    assert read.public_key == signer().key.public_key()


def test_certificate_far_in_the_past_is_readable() -> None:
    assert signer("past", not_after=datetime(2020, 1, 1, tzinfo=UTC)).certificate.not_after.year == 2020
