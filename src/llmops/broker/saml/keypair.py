"""Our own key and self-signed certificate for one connection, to sign requests and to decrypt."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from llmops.broker.saml import certificate
from llmops.broker.saml.certificate import Certificate

YEARS = 10
COMMON_NAME_LIMIT = 64  # RFC 5280, ub-common-name


@dataclass(frozen=True)
class KeyPair:
    """A private key, which the caller seals before storing it, and the certificate to publish."""

    private_key_pem: bytes
    certificate: Certificate


def make(common_name: str, *, now: datetime, key_bits: int = 2048) -> KeyPair:
    """A new RSA key with a certificate for ten years. It gets pinned, so nobody has to sign it.

    Identity providers refuse keys below 2048 bits; 3072 costs three times the CPU for each signature.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=key_bits)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:COMMON_NAME_LIMIT])])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return KeyPair(
        private_key_pem=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        certificate=certificate.from_der(signed.public_bytes(serialization.Encoding.DER)),
    )


def private_key(pem: bytes) -> rsa.RSAPrivateKey:
    """The key in `private_key_pem`. Its arithmetic is not checked again, which would cost milliseconds.

    Raises: ValueError when it is not an RSA key.
    """
    key = serialization.load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return key
