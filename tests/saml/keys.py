"""Throw-away keys for SAML tests, each made once per test run and only when something asks for it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from llmops.broker.saml import certificate
from llmops.broker.saml.certificate import Certificate

NOT_BEFORE = datetime(2026, 1, 1, tzinfo=UTC)
NOT_AFTER = datetime(2031, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Signer:
    """A private key and the self-signed certificate that an identity provider would publish."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    der: bytes

    @property
    def certificate(self) -> Certificate:
        return certificate.from_der(self.der)

    @property
    def public(self) -> rsa.RSAPublicKey:
        """The key for whoever encrypts to this signer."""
        public = self.key.public_key()
        assert isinstance(public, rsa.RSAPublicKey)
        return public

    @property
    def pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def signer(name: str = "idp", *, kind: str = "rsa2048", not_after: datetime = NOT_AFTER) -> Signer:
    """The signer of this name; `kind` is rsa and its bits, or a curve."""
    return _signer(name, kind, not_after)


@cache
def _signer(name: str, kind: str, not_after: datetime) -> Signer:
    key = _key(name, kind)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"throw-away {name}")])
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(NOT_BEFORE, not_after - timedelta(days=365)))
        .not_valid_after(not_after)
        .sign(key, hashes.SHA256())
    )
    return Signer(key, built.public_bytes(serialization.Encoding.DER))


@cache
def _key(name: str, kind: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    curves: dict[str, ec.EllipticCurve] = {
        "p256": ec.SECP256R1(),
        "p384": ec.SECP384R1(),
        "p521": ec.SECP521R1(),
        "k256": ec.SECP256K1(),
    }
    if kind in curves:
        return ec.generate_private_key(curves[kind])
    return rsa.generate_private_key(public_exponent=65537, key_size=int(kind.removeprefix("rsa")))
