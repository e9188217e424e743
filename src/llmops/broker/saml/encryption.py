"""EncryptedAssertion, opened with one of the connection's keys. It proves nothing about who wrote it.

Allowed are RSA-OAEP for the key and AES-GCM for the content; AES-CBC only below a Response signature that has
verified, because without one its padding is an oracle. RSA 1.5 and 3DES are refused by name.
Source: XML Encryption 1.1 §5; Core 2.0 §2.3.4, §6; SAML-31, SAML-32; "How to Break XML Encryption" (2011).
"""

import base64
import binascii
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree

from llmops.broker.saml import names, xml
from llmops.broker.saml.names import ds, xenc
from llmops.errors import SamlAlgorithmRefused, SamlDecryptionFailed, SamlMalformed

_GCM = {names.AES128_GCM: 16, names.AES192_GCM: 24, names.AES256_GCM: 32}
_CBC = {names.AES128_CBC: 16, names.AES192_CBC: 24, names.AES256_CBC: 32}
_GCM_NONCE_BYTES = 12
_GCM_TAG_BYTES = 16
_BLOCK_BYTES = 16
_ENCRYPTED_KEY_LIMIT = 4  # one each for a few recipients; every one costs an RSA operation per key of ours

# SHA-1 is safe inside OAEP, where collisions do not matter, and is what most identity providers send.
_HASHES: dict[str, hashes.HashAlgorithm] = {
    names.SHA1: hashes.SHA1(),  # noqa: S303 (see above)
    names.SHA256: hashes.SHA256(),
    names.SHA384: hashes.SHA384(),
    names.SHA512: hashes.SHA512(),
}
_MASKS: dict[str, hashes.HashAlgorithm] = {
    names.MGF1_SHA1: hashes.SHA1(),  # noqa: S303 (see above)
    names.MGF1_SHA256: hashes.SHA256(),
    names.MGF1_SHA384: hashes.SHA384(),
    names.MGF1_SHA512: hashes.SHA512(),
}


@dataclass(frozen=True)
class _WrappedKey:
    octets: bytes
    oaep: padding.OAEP


def decrypt(encrypted: etree._Element, keys: Sequence[RSAPrivateKey], *, response_verified: bool) -> etree._Element:
    """The Assertion inside a saml:EncryptedAssertion, parsed, in the namespaces of the place where it stood.

    Methods are judged before any key is used. After that every failure is the same one, and a content key
    that did not open is replaced by a random one, so that neither text nor time tells which step failed.
    Raises: SamlAlgorithmRefused, SamlMalformed, SamlDecryptionFailed.
    """
    data = encrypted.find(xenc("EncryptedData"))
    if data is None or len(encrypted.findall(xenc("EncryptedData"))) != 1:
        raise SamlMalformed(problem="encrypted_data")
    method = _method(data)
    if method in _CBC and not response_verified:
        raise SamlAlgorithmRefused(problem="cbc_without_signature", seen=method, expected="AES-GCM")
    if method not in _GCM and method not in _CBC:
        raise SamlAlgorithmRefused(problem="content_encryption", seen=method, expected="AES-GCM")
    size = _GCM.get(method) or _CBC[method]
    wrapped = [_wrapped_key(element) for element in _encrypted_keys(encrypted, data)]
    content = _cipher_value(data)
    content_key = _unwrap(wrapped, keys, size) or os.urandom(size)
    plain = (_open_gcm if method in _GCM else _open_cbc)(content_key, content)
    return _assertion(plain, encrypted)


def _encrypted_keys(encrypted: etree._Element, data: etree._Element) -> list[etree._Element]:
    """EncryptedKeys inside the data's KeyInfo or beside the data. A RetrievalMethod is never followed."""
    found = data.findall(f"{ds('KeyInfo')}/{xenc('EncryptedKey')}") + encrypted.findall(xenc("EncryptedKey"))
    if not 1 <= len(found) <= _ENCRYPTED_KEY_LIMIT:
        raise SamlMalformed(problem="encrypted_key", seen=len(found), expected=f"1 to {_ENCRYPTED_KEY_LIMIT}")
    return found


def _method(element: etree._Element) -> str:
    methods = element.findall(xenc("EncryptionMethod"))
    if len(methods) != 1:
        raise SamlMalformed(problem="encryption_method", seen=len(methods), expected=1)
    return methods[0].get("Algorithm", "")


def _wrapped_key(element: etree._Element) -> _WrappedKey:
    """An EncryptedKey and the OAEP that opens it. Source: XML Encryption 1.1 §5.5.2."""
    algorithm = _method(element)
    if algorithm not in (names.RSA_OAEP_MGF1P, names.RSA_OAEP):
        raise SamlAlgorithmRefused(problem="key_transport", seen=algorithm, expected="RSA-OAEP")
    digest, mask = names.SHA1, names.MGF1_SHA1
    for parameter in element.iterfind(f"{xenc('EncryptionMethod')}/*"):
        if parameter.tag == ds("DigestMethod"):
            digest = parameter.get("Algorithm", "")
        elif parameter.tag == f"{{{names.XENC11}}}MGF" and algorithm == names.RSA_OAEP:
            mask = parameter.get("Algorithm", "")
        else:
            raise SamlAlgorithmRefused(problem="key_transport_parameter", seen=parameter.tag)
    if digest not in _HASHES or mask not in _MASKS:
        raise SamlAlgorithmRefused(problem="key_transport_parameter", seen=f"{digest} {mask}")
    oaep = padding.OAEP(mgf=padding.MGF1(_MASKS[mask]), algorithm=_HASHES[digest], label=None)
    return _WrappedKey(_cipher_value(element), oaep)


def _cipher_value(element: etree._Element) -> bytes:
    """The octets of xenc:CipherData/xenc:CipherValue; a CipherReference is never fetched."""
    values = element.findall(f"{xenc('CipherData')}/{xenc('CipherValue')}")
    if len(values) != 1:
        raise SamlMalformed(problem="cipher_value", seen=len(values), expected=1)
    try:
        return base64.b64decode("".join(xml.text(values[0]).split()), validate=True)
    except (ValueError, binascii.Error):
        raise SamlMalformed(problem="cipher_value") from None


def _unwrap(wrapped: Sequence[_WrappedKey], keys: Sequence[RSAPrivateKey], size: int) -> bytes | None:
    """The first content key of the right size that one of our keys opens, or None."""
    return next((opened for opened in _opened(wrapped, keys) if len(opened) == size), None)


def _opened(wrapped: Sequence[_WrappedKey], keys: Sequence[RSAPrivateKey]) -> Iterator[bytes]:
    for candidate in wrapped:
        for key in keys:
            try:
                yield key.decrypt(candidate.octets, candidate.oaep)
            except ValueError:
                continue


def _open_gcm(key: bytes, content: bytes) -> bytes:
    """Source: XML Encryption 1.1 §5.2.4: 96-bit nonce, ciphertext, 128-bit tag."""
    if len(content) < _GCM_NONCE_BYTES + _GCM_TAG_BYTES:
        raise SamlDecryptionFailed
    try:
        return AESGCM(key).decrypt(content[:_GCM_NONCE_BYTES], content[_GCM_NONCE_BYTES:], None)
    except InvalidTag:
        raise SamlDecryptionFailed from None


def _open_cbc(key: bytes, content: bytes) -> bytes:
    """Source: XML Encryption 1.1 §5.2.2: IV, then blocks whose last octet counts the padding."""
    if len(content) < 2 * _BLOCK_BYTES or len(content) % _BLOCK_BYTES:
        raise SamlDecryptionFailed
    decryptor = Cipher(algorithms.AES(key), modes.CBC(content[:_BLOCK_BYTES])).decryptor()
    padded = decryptor.update(content[_BLOCK_BYTES:]) + decryptor.finalize()
    if not 1 <= padded[-1] <= _BLOCK_BYTES:
        raise SamlDecryptionFailed
    return padded[: -padded[-1]]


def _assertion(plain: bytes, encrypted: etree._Element) -> etree._Element:
    """Parse the content where it stood: encryptors that cut it out of its document leave namespaces behind.

    Source: XML Encryption 1.1 §4.4 (the content replaces EncryptedData, in that context).
    """
    try:
        if plain.startswith(b"<?xml"):
            return xml.parse(plain)
        place = xml.parse(_in_place(plain, encrypted))
    except SamlMalformed:
        raise SamlDecryptionFailed from None
    if len(place) != 1 or place.tag != encrypted.tag or (place.text or "").strip() or (place[0].tail or "").strip():
        raise SamlDecryptionFailed
    return place[0]


def _in_place(plain: bytes, encrypted: etree._Element) -> bytes:
    """An empty copy of `encrypted` with its namespaces, and the content inside."""
    empty = etree.Element(encrypted.tag, nsmap=encrypted.nsmap)
    empty.text = ""
    start, end = etree.tostring(empty).split(b"></")
    return start + b">" + plain + b"</" + end
