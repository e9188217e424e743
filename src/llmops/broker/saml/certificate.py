"""A signing certificate as a connection pins it: a key with a fingerprint and dates, not a chain of trust."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import SignatureAlgorithmOID

from llmops.errors import MetadataInvalid

RSA_MINIMUM_BITS = 2048
_SHA1_OIDS = (SignatureAlgorithmOID.RSA_WITH_SHA1, SignatureAlgorithmOID.ECDSA_WITH_SHA1)
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]{1,20000})-----END CERTIFICATE-----")


@dataclass(frozen=True)
class Certificate:
    """One X.509 certificate whose key is strong enough to verify with."""

    der: bytes
    fingerprint_sha256: str  # 64 lower-case hex digits
    not_before: datetime
    not_after: datetime
    key_kind: str  # "rsa" or "ec"
    key_bits: int
    parsed: x509.Certificate

    @property
    def public_key(self) -> rsa.RSAPublicKey | ec.EllipticCurvePublicKey:
        """The key to verify with."""
        key = self.parsed.public_key()
        assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
        return key

    @property
    def pem(self) -> str:
        """As the Admin Portal shows it and as people paste it."""
        return self.parsed.public_bytes(serialization.Encoding.PEM).decode("ascii")

    @property
    def encoded(self) -> str:
        """The content of a ds:X509Certificate."""
        return base64.b64encode(self.der).decode("ascii")

    @property
    def signed_with_sha1(self) -> bool:
        """Whether the certificate itself is signed with SHA-1: harmless when pinned, worth a warning."""
        return self.parsed.signature_algorithm_oid in _SHA1_OIDS

    def expired(self, now: datetime) -> bool:
        """Whether its own date has passed. A pinned certificate still verifies then; people are warned."""
        return now >= self.not_after


@lru_cache(maxsize=1024)
def from_der(der: bytes) -> Certificate:
    """The certificate in `der`; remembered, because a connection's are read at every login.

    Raises: MetadataInvalid(problem="not_a_certificate" | "weak_key"). Source: SAML-12 (RSA from 2048 bits,
    EC on P-256, P-384 or P-521).
    """
    try:
        loaded = x509.load_der_x509_certificate(der)
        key = loaded.public_key()
        not_before, not_after = loaded.not_valid_before_utc, loaded.not_valid_after_utc
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise MetadataInvalid(problem="not_a_certificate") from None
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= RSA_MINIMUM_BITS:
        kind = "rsa"
    elif isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        kind = "ec"
    else:
        seen = f"{type(key).__name__} {getattr(key, 'key_size', '')}".strip()
        raise MetadataInvalid(problem="weak_key", seen=seen, expected="RSA 2048, EC P-256 or better")
    return Certificate(
        der=der,
        fingerprint_sha256=loaded.fingerprint(hashes.SHA256()).hex(),
        not_before=not_before,
        not_after=not_after,
        key_kind=kind,
        key_bits=key.key_size,
        parsed=loaded,
    )


def from_base64(value: str) -> Certificate:
    """The certificate in a ds:X509Certificate: base64 with any ASCII white space.

    Raises: MetadataInvalid, as `from_der`.
    """
    try:
        return from_der(base64.b64decode("".join(value.split()).encode("ascii"), validate=True))
    except (UnicodeEncodeError, binascii.Error):
        raise MetadataInvalid(problem="not_a_certificate") from None


def from_pasted(pasted: bytes) -> tuple[Certificate, ...]:
    """The certificates that somebody pasted or uploaded: one or several in PEM, or one in bare base64 or DER.

    Raises: MetadataInvalid, as `from_der`, and problem="private_key" when a private key came instead.
    """
    if b"PRIVATE KEY-----" in pasted:
        raise MetadataInvalid(problem="private_key")
    if blocks := _PEM.findall(pasted):
        return tuple(dict.fromkeys(from_base64(block.decode("ascii")) for block in blocks))
    if pasted[:1] == b"\x30":
        return (from_der(pasted),)
    return (from_base64(pasted.decode("ascii", errors="replace")),)
