"""Hostile signatures and hostile encryption (TST-04)."""

import base64
import copy
import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from lxml import etree
from saml.build import Change, adding, at, attribute, template
from saml.keys import Signer, signer
from saml.sign import HMAC_SHA256, INCLUSIVE_C14N, RSA_1_5, RSA_SHA1, TRIPLE_DES, encrypt, sign
from saml.vectors.vector import ALL, ENCRYPTED, RESPONSE_SIGNED, Vector

from llmops.broker.saml import names
from llmops.broker.saml.names import ds, saml, xenc

INVALID, REFUSED, MALFORMED = "saml_signature_invalid", "saml_algorithm_refused", "saml_malformed"
_NOT_OPENED = "saml_decryption_failed"
_SEEN = ("assertion", "both", "response", "encrypted-both", "encrypted-response", "unsolicited")
"""Styles in which a signature stands in clear."""

XPATH = "http://www.w3.org/TR/1999/REC-xpath-19991116"
XPATH2 = "http://www.w3.org/2002/06/xmldsig-filter2"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"
COMMENTS = names.EXC_C14N + "WithComments"
E, X = names.ENVELOPED_SIGNATURE, names.EXC_C14N

SignedInfo = Callable[[etree._Element], None]


# --- Changes to SignedInfo, over which the signature is right ----------------------------------------------------


def _set(path: str, name: str, value: str | None) -> SignedInfo:
    return lambda signed_info: attribute(path, name, value)(signed_info)


def _again(tag: str, path: str = "") -> SignedInfo:
    def change(signed_info: etree._Element) -> None:
        parent = at(path, signed_info)
        first = parent.find(ds(tag))
        assert first is not None
        parent.append(copy.deepcopy(first))

    return change


def _child(path: str, tag: str) -> SignedInfo:
    return lambda signed_info: at(path, signed_info).append(etree.Element(tag))


def _without(index: int, *more: int) -> SignedInfo:
    def change(signed_info: etree._Element) -> None:
        parent = signed_info
        for step in (index, *more)[:-1]:
            parent = parent[step]
        del parent[(index, *more)[-1]]

    return change


def _transforms(*algorithms: str) -> dict[str, Any]:
    return {"transforms": algorithms}


# --- Changes to the outermost signature that can be seen ---------------------------------------------------------


def _in_signature(path: str, change: Callable[[etree._Element], None]) -> Change:
    def changed(root: etree._Element) -> None:
        signature = root.find(ds("Signature"))
        signature = root.find(f"{saml('Assertion')}/{ds('Signature')}") if signature is None else signature
        assert signature is not None
        change(at(path, signature))

    return changed


def _text(value: str) -> Callable[[etree._Element], None]:
    return lambda element: setattr(element, "text", value)


def _octets(value: bytes) -> Callable[[etree._Element], None]:
    return _text(base64.b64encode(value).decode())


def _appended(tag: str) -> Callable[[etree._Element], None]:
    return lambda element: element.append(etree.Element(tag))


def _removed(element: etree._Element) -> None:
    parent = element.getparent()
    assert parent is not None
    parent.remove(element)


def _first_again(element: etree._Element) -> None:
    element.insert(0, copy.deepcopy(element[0]))


def _only_the_assertion(signed_info: etree._Element) -> None:
    """The digest of the Assertion alone, where the Response is referred to."""
    covered = etree.tostring(at("Assertion", template()), method="c14n", exclusive=True)
    at("Reference/DigestValue", signed_info).text = base64.b64encode(hashlib.sha256(covered).digest()).decode()


def _signing(name: str, code: str, reason: str, signing: Mapping[str, Any], *proves: str, **more: Any) -> Vector:
    known = {"styles": ALL, **more}
    return Vector(name, code, ("TST-04", *proves), signing=signing, reason=reason, **known)


METHODS = [
    _signing("RSA with SHA-1", REFUSED, "signature_method", {"method": RSA_SHA1}, "SAML-12"),
    _signing("HMAC keyed with the certificate", REFUSED, "signature_method", {"method": HMAC_SHA256}, "SAML-12"),
    _signing(
        "RSA with MD5", REFUSED, "signature_method",
        {"method": "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"}, "SAML-12",
    ),
    _signing(
        "DSA", REFUSED, "signature_method", {"method": "http://www.w3.org/2009/xmldsig11#dsa-sha256"}, "SAML-12"
    ),
    _signing(
        "RSA-PSS", REFUSED, "signature_method",
        {"method": "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"}, "SAML-12",
    ),
    _signing("no signature method", REFUSED, "signature_method", {"method": ""}, "SAML-12"),
    _signing("digest with SHA-1", REFUSED, "digest_method", {"digest": names.SHA1}, "SAML-12"),
    _signing(
        "elliptic method by an RSA key", INVALID, "not_verified", {"method": names.ECDSA_SHA256}, "SAML-12"
    ),
    _signing(
        "truncated HMAC", REFUSED, "signature_method",
        {"before_signing": _child("SignatureMethod", ds("HMACOutputLength"))}, "SAML-11",
    ),
]  # fmt: skip

_TRANSFORMS: dict[str, dict[str, Any]] = {
    "no transforms": _transforms(),
    "enveloped alone": _transforms(E),
    "canonicalization alone": _transforms(X),
    "transforms the other way round": _transforms(X, E),
    "enveloped twice": _transforms(E, E),
    "canonicalization twice": _transforms(E, X, X),
    "XPath": _transforms(E, XPATH),
    "XPath between": _transforms(E, XPATH, X),
    "XPath filter": _transforms(E, XPATH2, X),
    "XSLT": _transforms(E, XSLT),
    "base64 transform": _transforms(E, names.DSIG + "base64"),
    "inclusive canonicalization as transform": _transforms(E, INCLUSIVE_C14N),
    "canonicalization with comments as transform": _transforms(E, COMMENTS),
    "inclusive canonicalization": {"canonicalization": INCLUSIVE_C14N},
    "canonicalization with comments": {"canonicalization": COMMENTS},
    "canonicalization 1.1": {"canonicalization": "http://www.w3.org/2006/12/xml-c14n11"},
    "XSLT as canonicalization": {"canonicalization": XSLT},
    "empty PrefixList": {"prefix_list": ""},
    "PrefixList that is none": {"prefix_list": "xs|x"},
    "empty PrefixList of the canonicalization": {"canonical_prefix_list": ""},
    "PrefixList of the canonicalization that is none": {"canonical_prefix_list": "xs|x"},
    "parameter of the canonicalization": {"before_signing": _child("CanonicalizationMethod", "{urn:x}y")},
    "parameter of the digest": {"before_signing": _child("Reference/DigestMethod", "{urn:x}y")},
    "attribute of the canonicalization": {"before_signing": _set("CanonicalizationMethod", "Comments", "no")},
    "signature method without a name": {"before_signing": _set("SignatureMethod", "Algorithm", None)},
    "XPath inside the enveloped transform": {
        "before_signing": lambda signed_info: signed_info[2][0][0].append(etree.Element(ds("XPath")))
    },
    "foreign transform": {
        "before_signing": lambda signed_info: signed_info[2][0].append(etree.Element("{urn:x}y", Algorithm=X))
    },
}

_REFERENCES = {
    "empty": "",
    "to nothing": "#",
    "to another ID": "#_other",
    "without a hash": "_a1",
    "in other case": "#_A1",
    "with a space": "#_a1 ",
    "by xpointer": "#xpointer(id('_a1'))",
    "to the root by xpointer": "#xpointer(/)",
    "to another server": "https://evil.test/a#_a1",
    "to a file": "file:///etc/passwd",
}

_SIGNED_INFO: dict[str, SignedInfo] = {
    "two References": _again("Reference"),
    "two signature methods": _again("SignatureMethod"),
    "two canonicalization methods": _again("CanonicalizationMethod"),
    "two digests": _again("DigestValue", "Reference"),
    "two digest methods": _again("DigestMethod", "Reference"),
    "Transforms twice": _again("Transforms", "Reference"),
    "no Reference": _without(2),
    "no Transforms": _without(2, 0),
    "no digest": _without(2, 2),
    "Reference first": lambda signed_info: signed_info.insert(0, signed_info[2]),
}

COVERED = [
    *(_signing(name, REFUSED, "", signing, "SAML-11") for name, signing in _TRANSFORMS.items()),
    *(
        _signing(f"Reference {name}", INVALID, "reference", {"uri": uri}, "SAML-10")
        for name, uri in _REFERENCES.items()
    ),
    _signing(
        "Reference to the Response from the Assertion", INVALID, "reference", {"uri": "#_r1"}, "SAML-10",
        styles=("assertion", "encrypted", "unsolicited"),
    ),
    _signing(
        "Reference to the Assertion from the Response", INVALID, "reference", {"uri": "#_a1"}, "SAML-10",
        styles=RESPONSE_SIGNED,
    ),
    _signing(
        "Reference without URI", INVALID, "reference", {"before_signing": _set("Reference", "URI", None)}, "SAML-10"
    ),
    *(
        _signing(name, INVALID, "form", {"before_signing": change}, "SAML-10")
        for name, change in _SIGNED_INFO.items()
    ),
    _signing(
        "Response ID that reads like a reference to the Assertion", INVALID, "", 
        {"before_signing": _only_the_assertion}, "SAML-10", "SAML-17",
        styles=("response",), before=[attribute("", "ID", "#_a1")],
    ),
    _signing(
        "empty Response ID with a reference to the whole document", MALFORMED, "id", {"uri": ""}, "SAML-08", "SAML-10",
        styles=RESPONSE_SIGNED, before=[attribute("", "ID", "")],
    ),
]  # fmt: skip


def _sign_again(root: etree._Element) -> None:
    """The identity provider's own signature around what was spoilt."""
    _removed(at("Signature", root))
    sign(root, signer())


# The outermost signature, changed on the way.
_CHANGED: dict[str, tuple[str, str, Change]] = {
    "two SignedInfos": (INVALID, "form", _in_signature("", _first_again)),
    "two KeyInfos": (INVALID, "form", _in_signature("", _appended(ds("KeyInfo")))),
    "no SignatureValue": (INVALID, "form", _in_signature("SignatureValue", _removed)),
    "element in the digest": (
        INVALID,
        "base64",
        _in_signature("SignedInfo/Reference/DigestValue", _appended("{urn:x}y")),
    ),
    "element in the signature's value": (INVALID, "base64", _in_signature("SignatureValue", _appended("{urn:x}y"))),
    "empty digest": (INVALID, "base64", _in_signature("SignedInfo/Reference/DigestValue", _text(""))),
    "digest that is not base64": (INVALID, "base64", _in_signature("SignedInfo/Reference/DigestValue", _text("a*b="))),
    "digest without padding": (INVALID, "base64", _in_signature("SignedInfo/Reference/DigestValue", _text("abc"))),
    "short digest": (INVALID, "digest_length", _in_signature("SignedInfo/Reference/DigestValue", _octets(b"x" * 20))),
    "another digest": (INVALID, "not_verified", _in_signature("SignedInfo/Reference/DigestValue", _octets(b"x" * 32))),
    "empty signature value": (INVALID, "base64", _in_signature("SignatureValue", _text(""))),
    "short signature value": (INVALID, "not_verified", _in_signature("SignatureValue", _text("AAAA"))),
    "signature value of zeros": (INVALID, "not_verified", _in_signature("SignatureValue", _octets(bytes(256)))),
    "signature value of one": (INVALID, "not_verified", _in_signature("SignatureValue", _octets(bytes(255) + b"\1"))),
    "Object in the signature": (MALFORMED, "misplaced", _in_signature("", _appended(ds("Object")))),
    "Manifest in the signature": (MALFORMED, "misplaced", _in_signature("", _appended(ds("Manifest")))),
    "signature in the signature": (MALFORMED, "misplaced", _in_signature("", _appended(ds("Signature")))),
}

CHANGED = [
    *(
        Vector(name, code, ("TST-04", "SAML-09", "SAML-10", "SAML-15"), _SEEN, after=[change], reason=reason)
        for name, (code, reason, change) in _CHANGED.items()
    ),
    Vector(
        "bad signature of the Assertion below a good one", INVALID, ("TST-04", "SAML-16"), ("both",),
        after=[lambda root: _octets(bytes(256))(at("Assertion/Signature/SignatureValue", root)), _sign_again],
        reason="not_verified",
    ),
    Vector(
        "what cannot be canonicalized", INVALID, ("TST-04", "SAML-15"), ("response", "both"),
        after=[adding("", '<samlp:Extensions><y xmlns="relative"/></samlp:Extensions>', index=2)],
        reason="not_verified",
    ),
]  # fmt: skip


def _attacker() -> Signer:
    return signer("attacker")


def _elliptic() -> Signer:
    return signer("curve", kind="p256")


KEYS = [
    _signing("attacker's key in KeyInfo", "saml_key_unknown", "", {}, "SAML-13", "SAML-19", by=_attacker),
    _signing("attacker's key, our certificate in KeyInfo", INVALID, "not_verified", {"key_info": "idp"}, "SAML-13",
             by=_attacker),
    _signing("attacker's key, nothing in KeyInfo", INVALID, "not_verified", {"key_info": False}, "SAML-13",
             by=_attacker),
    _signing("key of another connection", "saml_key_unknown", "", {}, "SAML-19", by=lambda: signer("other connection")),
    _signing("RSA key of 1024 bits", "saml_key_unknown", "", {}, "SAML-12",
             by=lambda: signer("small", kind="rsa1024")),
    _signing("attacker's elliptic key", "saml_key_unknown", "", {"method": names.ECDSA_SHA256}, "SAML-13",
             by=_elliptic),
    _signing("RSA signature where an elliptic key is pinned", INVALID, "not_verified", {"key_info": False}, "SAML-12",
             pinned=_elliptic),
    _signing("roll-over that nobody told us of", "saml_key_unknown", "", {}, "SAML-37",
             by=lambda: signer("rolled over")),
]  # fmt: skip

# --- Encryption --------------------------------------------------------------------------------------------------

_DATA = "EncryptedAssertion/EncryptedData"
_KEY = f"{_DATA}/KeyInfo/EncryptedKey"


def _claimed(**encrypting: str) -> Change:
    """Encrypt as usual, then claim the method under test, which may be one that nothing here can do."""

    def change(root: etree._Element) -> None:
        encrypted = encrypt(at("Assertion", root), signer("sp").public)
        key = at("EncryptedData/KeyInfo/EncryptedKey/EncryptionMethod", encrypted)
        if "method" in encrypting:
            at("EncryptedData/EncryptionMethod", encrypted).set("Algorithm", encrypting["method"])
        if "transport" in encrypting:
            key.set("Algorithm", encrypting["transport"])
        if "digest" in encrypting:
            etree.SubElement(key, ds("DigestMethod"), Algorithm=encrypting["digest"])
        if "mask" in encrypting:
            etree.SubElement(key, f"{{{names.XENC11}}}MGF", Algorithm=encrypting["mask"])

    return change


def _flip(path: str) -> Change:
    def change(root: etree._Element) -> None:
        element = at(path, root)
        octets = bytearray(base64.b64decode(element.text or ""))
        octets[-1] ^= 1
        element.text = base64.b64encode(bytes(octets)).decode()

    return change


def key_again(count: int) -> Change:
    """So many more copies of the EncryptedKey, beside the data."""

    def change(root: etree._Element) -> None:
        key = at(_KEY, root)
        for number in range(count):
            copied = etree.fromstring(etree.tostring(key))
            copied.set("Id", f"_key{number}")
            at("EncryptedAssertion", root).append(copied)

    return change


def _value(path: str, value: str) -> Change:
    return lambda root: _text(value)(at(path, root))


_WEAK: dict[str, tuple[str, dict[str, str]]] = {
    "3DES": ("content_encryption", {"method": TRIPLE_DES}),
    "AES in counter mode": ("content_encryption", {"method": names.XENC + "aes256-ctr"}),
    "no content encryption": ("content_encryption", {"method": ""}),
    "RSA 1.5": ("key_transport", {"transport": RSA_1_5}),
    "key wrapped by AES": ("key_transport", {"transport": names.XENC + "kw-aes256"}),
    "OAEP with MD5": ("key_transport_parameter", {"digest": "http://www.w3.org/2001/04/xmldsig-more#md5"}),
    "OAEP with an unknown mask": (
        "key_transport_parameter",
        {"transport": names.RSA_OAEP, "mask": names.XENC11 + "mgf1sha1x"},
    ),
    "mask where none can be named": ("key_transport_parameter", {"mask": names.MGF1_SHA256}),
}
_UNOPENED: dict[str, Change] = {
    "flipped bit in the content": _flip(f"{_DATA}/CipherData/CipherValue"),
    "flipped bit in the key": _flip(f"{_KEY}/CipherData/CipherValue"),
    "short content": _value(f"{_DATA}/CipherData/CipherValue", base64.b64encode(bytes(27)).decode()),
    "content of three octets": _value(f"{_DATA}/CipherData/CipherValue", "AAAA"),
    "no content": _value(f"{_DATA}/CipherData/CipherValue", ""),
    "short key": _value(f"{_KEY}/CipherData/CipherValue", base64.b64encode(bytes(255)).decode()),
    "no key octets": _value(f"{_KEY}/CipherData/CipherValue", ""),
    "another AES than the key's": attribute(f"{_DATA}/EncryptionMethod", "Algorithm", names.AES128_GCM),
}
_MISSHAPEN: dict[str, Change] = {
    "five encrypted keys": key_again(4),
    "no encrypted key": lambda root: _removed(at(_KEY, root)),
    "no EncryptedData": lambda root: _removed(at(_DATA, root)),
    "two EncryptedData": lambda root: _appended(xenc("EncryptedData"))(at("EncryptedAssertion", root)),
    "no encryption method": lambda root: _removed(at(f"{_DATA}/EncryptionMethod", root)),
    "no CipherData": lambda root: _removed(at(f"{_DATA}/CipherData", root)),
    "two CipherValues": lambda root: _appended(xenc("CipherValue"))(at(f"{_DATA}/CipherData", root)),
    "reference to the cipher text": lambda root: at(f"{_DATA}/CipherData", root).replace(
        at(f"{_DATA}/CipherData/CipherValue", root),
        etree.Element(xenc("CipherReference"), URI="https://evil.test/cipher"),
    ),
    "Assertion in EncryptedData": lambda root: _appended(saml("Assertion"))(at(_DATA, root)),
    "signature in EncryptedData": lambda root: _appended(ds("Signature"))(at(_DATA, root)),
    "ID of the Response on EncryptedData": attribute(_DATA, "Id", "_r1"),
    "content that is not base64": _value(f"{_DATA}/CipherData/CipherValue", "*"),
}
_BELOW: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "Response below the encryption": (MALFORMED, lambda one: etree.tostring(template())),
    "foreign element below the encryption": (MALFORMED, lambda one: b'<a Version="2.0"/>'),
    "ID of the Response below the encryption": (MALFORMED, lambda one: one.replace(b'ID="_a1"', b'ID="_r1"')),
    "ID of the data below the encryption": (MALFORMED, lambda one: one.replace(b'ID="_a1"', b'ID="_data"')),
    "two Subjects below the encryption": (
        MALFORMED,
        lambda one: one.replace(b"<saml:Subject>", b"<saml:Subject/><saml:Subject>"),
    ),
}


def _unsigned(one: bytes) -> bytes:
    assertion = etree.fromstring(one)
    for signature in assertion.findall(ds("Signature")):
        assertion.remove(signature)
    return etree.tostring(assertion)


def _encrypted_anew(root: etree._Element, recipient: Signer) -> None:
    fresh = at("Assertion", template())
    at("EncryptedAssertion", root).getparent().replace(at("EncryptedAssertion", root), fresh)
    encrypt(fresh, recipient.public)


def _swap(root: etree._Element) -> None:
    """An Assertion of the attacker's, encrypted to us, in the place of the one that was signed over."""
    _encrypted_anew(root, signer("sp"))


def _to_another(root: etree._Element) -> None:
    _encrypted_anew(root, signer("another"))


_PLAIN_KINDS = ("assertion", "unsolicited")

ENCRYPTION = [
    *(
        Vector(
            f"CBC without a signature around it: {method.rpartition('#')[2]}", REFUSED,
            ("TST-04", "SAML-32"), ("encrypted",), encrypting={"method": method}, reason="cbc_without_signature",
        )
        for method in (names.AES128_CBC, names.AES192_CBC, names.AES256_CBC)
    ),
    *(
        Vector(
            name, REFUSED, ("TST-04", "SAML-32"), _PLAIN_KINDS, after=[_claimed(**encrypting)], reason=reason
        )
        for name, (reason, encrypting) in _WEAK.items()
    ),
    *(
        Vector(name, _NOT_OPENED, ("TST-04", "SAML-32"), ("encrypted",), after=[change])
        for name, change in _UNOPENED.items()
    ),
    *(
        Vector(name, MALFORMED, ("TST-04", "SAML-06", "SAML-32"), ("encrypted",), after=[change])
        for name, change in _MISSHAPEN.items()
    ),
    *(
        Vector(name, code, ("TST-04", "SAML-31"), ENCRYPTED, encrypting={"plain": change})
        for name, (code, change) in _BELOW.items()
    ),
    Vector(
        "encryption alone", "saml_signature_missing", ("TST-04", "SAML-31"), ("none",),
        then_encrypted=True,
    ),
    Vector(
        "unsigned Assertion below the encryption", "saml_signature_missing", ("TST-04", "SAML-31"), ("encrypted",),
        encrypting={"plain": _unsigned},
    ),
    Vector(
        "bad signature around CBC", INVALID, ("TST-04", "SAML-32"), ("encrypted-both", "encrypted-response"),
        encrypting={"method": names.AES256_CBC}, after=[_in_signature("SignatureValue", _octets(bytes(256)))],
        reason="not_verified",
    ),
    Vector(
        "other encrypted Assertion below a signed Response", INVALID, ("TST-04", "SAML-31"),
        ("encrypted-response", "encrypted-both"), after=[_swap], reason="not_verified",
    ),
    Vector(
        "encrypted to another's key", _NOT_OPENED, ("TST-04", "SAML-32"), ("encrypted",),
        after=[_to_another],
    ),
]  # fmt: skip

CRYPTO = [*METHODS, *COVERED, *CHANGED, *KEYS, *ENCRYPTION]
