"""Our own keys."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from saml.build import NOW
from saml.keys import signer

from llmops.broker.saml import keypair


def test_key_and_certificate_belong_together_for_ten_years() -> None:
    made = keypair.make("conn_1", now=NOW)
    key = keypair.private_key(made.private_key_pem)
    assert isinstance(key, RSAPrivateKey)
    assert key.public_key() == made.certificate.public_key
    assert made.certificate.key_bits == 2048
    assert made.certificate.not_before < NOW
    assert made.certificate.not_after == NOW + timedelta(days=3650)


def test_larger_key_and_long_name_are_possible() -> None:
    made = keypair.make("x" * 200, now=NOW, key_bits=3072)
    assert made.certificate.key_bits == 3072


def test_every_pair_is_new() -> None:
    assert keypair.make("a", now=NOW).certificate != keypair.make("a", now=NOW).certificate


def test_key_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="not an RSA key"):
        keypair.private_key(signer("curve", kind="p256").pem)
