"""Sign and encrypt as identity providers do, with every part open to abuse.

Written on lxml and cryptography alone, so that what the product accepts was not made by the library it verifies
with, and so that broken and hostile signatures can be made too.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from lxml import etree
from saml.keys import Signer
from saml.keys import signer as signer_named

from llmops.broker.saml import names
from llmops.broker.saml.names import ds, saml, xenc

RSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
HMAC_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
INCLUSIVE_C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
TRIPLE_DES = names.XENC + "tripledes-cbc"
RSA_1_5 = names.XENC + "rsa-1_5"

_HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}
_DIGESTS = {names.SHA1: "sha1", names.SHA256: "sha256", names.SHA384: "sha384", names.SHA512: "sha512"}
_DS = {"ds": names.DSIG}


def sign(
    element: etree._Element,
    signer: Signer,
    *,
    method: str = names.RSA_SHA256,
    digest: str = names.SHA256,
    transforms: Sequence[str] = (names.ENVELOPED_SIGNATURE, names.EXC_C14N),
    canonicalization: str = names.EXC_C14N,
    prefix_list: str | None = None,
    canonical_prefix_list: str | None = None,
    uri: str | None = None,
    key_info: bool | str = True,
    before_signing: Callable[[etree._Element], None] | None = None,
) -> etree._Element:
    """Put an enveloped signature after `element`'s Issuer and return it.

    `prefix_list` counts for the transform, as Okta and Shibboleth write it, `canonical_prefix_list` for SignedInfo.
    `key_info` shows the signer's certificate, none, or that of the signer of this name. `before_signing` may change
    SignedInfo before its signature is computed: the signature then is right, over a SignedInfo that is wrong.
    """
    prefixes, canonical_prefixes = ((given or "").split() or None for given in (prefix_list, canonical_prefix_list))
    covered = etree.tostring(element, method="c14n", exclusive=True, inclusive_ns_prefixes=prefixes)
    signature = etree.Element(ds("Signature"), nsmap=_DS)
    signed_info = etree.SubElement(signature, ds("SignedInfo"))
    _inclusive(
        etree.SubElement(signed_info, ds("CanonicalizationMethod"), Algorithm=canonicalization), canonical_prefix_list
    )
    etree.SubElement(signed_info, ds("SignatureMethod"), Algorithm=method)
    reference = etree.SubElement(signed_info, ds("Reference"), URI=f"#{element.get('ID')}" if uri is None else uri)
    holder = etree.SubElement(reference, ds("Transforms"))
    for transform in transforms:
        added = etree.SubElement(holder, ds("Transform"), Algorithm=transform)
        if transform == names.EXC_C14N:
            _inclusive(added, prefix_list)
    etree.SubElement(reference, ds("DigestMethod"), Algorithm=digest)
    digested = hashlib.new(_DIGESTS[digest], covered).digest()
    etree.SubElement(reference, ds("DigestValue")).text = base64.b64encode(digested).decode()
    value = etree.SubElement(signature, ds("SignatureValue"))
    if key_info:
        shown = signer if key_info is True else signer_named(key_info)
        data = etree.SubElement(etree.SubElement(signature, ds("KeyInfo")), ds("X509Data"))
        etree.SubElement(data, ds("X509Certificate")).text = base64.b64encode(shown.der).decode()
    issuer = element.find(saml("Issuer"))
    element.insert(0 if issuer is None else element.index(issuer) + 1, signature)
    if before_signing is not None:
        before_signing(signed_info)
    octets = etree.tostring(signed_info, method="c14n", exclusive=True, inclusive_ns_prefixes=canonical_prefixes)
    value.text = base64.b64encode(_signature(signer, method, octets)).decode()
    return signature


def _inclusive(element: etree._Element, prefix_list: str | None) -> None:
    if prefix_list is not None:
        tag = f"{{{names.EXC_C14N}}}InclusiveNamespaces"
        etree.SubElement(element, tag, nsmap={"ec": names.EXC_C14N}, PrefixList=prefix_list)


def _signature(signer: Signer, method: str, octets: bytes) -> bytes:
    if method == HMAC_SHA256:
        return hmac.digest(signer.certificate.pem.encode(), octets, "sha256")
    algorithm = _HASHES.get(method.rpartition("-")[2], hashes.SHA256())
    if isinstance(signer.key, rsa.RSAPrivateKey):
        return signer.key.sign(octets, padding.PKCS1v15(), algorithm)
    r, s = utils.decode_dss_signature(signer.key.sign(octets, ec.ECDSA(algorithm)))
    size = (signer.key.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def encrypt(
    assertion: etree._Element,
    recipient: rsa.RSAPublicKey,
    *,
    method: str = names.AES256_GCM,
    transport: str = names.RSA_OAEP_MGF1P,
    digest: str | None = None,
    mask: str | None = None,
    place: str = "inside",
    plain: Callable[[bytes], bytes] = lambda octets: octets,
) -> etree._Element:
    """Put an EncryptedAssertion in the Assertion's place and return it.

    `place` is where the EncryptedKey stands: inside (the data's KeyInfo) or beside (the data). `plain` makes of the
    Assertion's octets those that are encrypted.
    """
    octets = plain(etree.tostring(assertion, with_tail=False))
    size = {"128": 16, "192": 24, "256": 32}.get("".join(c for c in method.rpartition("#")[2] if c.isdigit()), 24)
    content_key = os.urandom(size)
    encrypted = etree.Element(saml("EncryptedAssertion"), nsmap={"saml": names.ASSERTION})
    data = etree.SubElement(encrypted, xenc("EncryptedData"), nsmap={"xenc": names.XENC}, Id="_data")
    data.set("Type", names.XENC + "Element")
    etree.SubElement(data, xenc("EncryptionMethod"), Algorithm=method)
    key_info = etree.SubElement(data, ds("KeyInfo"), nsmap=_DS)
    if place == "beside":
        etree.SubElement(key_info, ds("RetrievalMethod"), URI="#_key")
    holder = key_info if place == "inside" else encrypted
    wrapped = etree.SubElement(holder, xenc("EncryptedKey"), nsmap={"xenc": names.XENC}, Id="_key")
    wrapping = etree.SubElement(wrapped, xenc("EncryptionMethod"), Algorithm=transport)
    if digest is not None:
        etree.SubElement(wrapping, ds("DigestMethod"), nsmap=_DS, Algorithm=digest)
    if mask is not None:
        etree.SubElement(wrapping, f"{{{names.XENC11}}}MGF", nsmap={"x11": names.XENC11}, Algorithm=mask)
    _cipher_value(wrapped, _wrap(content_key, recipient, transport, digest, mask))
    _cipher_value(data, _seal(content_key, octets, method))
    parent = assertion.getparent()
    assert parent is not None
    parent.replace(assertion, encrypted)
    return encrypted


def _cipher_value(element: etree._Element, octets: bytes) -> None:
    holder = etree.SubElement(element, xenc("CipherData"))
    etree.SubElement(holder, xenc("CipherValue")).text = base64.encodebytes(octets).decode()


def _wrap(
    content_key: bytes, recipient: rsa.RSAPublicKey, transport: str, digest: str | None, mask: str | None
) -> bytes:
    if transport == RSA_1_5:
        return recipient.encrypt(content_key, padding.PKCS1v15())
    algorithm = _HASHES[_DIGESTS.get(digest or names.SHA1, "sha1")]
    mgf = padding.MGF1(_HASHES[(mask or names.MGF1_SHA1).rpartition("mgf1")[2]])
    return recipient.encrypt(content_key, padding.OAEP(mgf=mgf, algorithm=algorithm, label=None))


def _seal(content_key: bytes, octets: bytes, method: str) -> bytes:
    if method.endswith("-gcm"):
        nonce = os.urandom(12)
        return nonce + AESGCM(content_key).encrypt(nonce, octets, None)
    missing = 16 - len(octets) % 16
    vector = os.urandom(16)
    encryptor = Cipher(algorithms.AES(content_key), modes.CBC(vector)).encryptor()
    padded = octets + os.urandom(missing - 1) + bytes([missing])
    return vector + encryptor.update(padded) + encryptor.finalize()
