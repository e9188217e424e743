"""Hostile XML in an otherwise valid Response (TST-03)."""

import re
import zlib
from collections.abc import Callable

from saml.build import SUBJECT, Change, adding, attribute
from saml.vectors.vector import ALL, ENCRYPTED, PLAIN, Vector

_PROVES = ("TST-03", "SAML-02", "SAML-03", "SAML-04")
_IDS = ("TST-03", "SAML-08")

_NAME_ID = f"{SUBJECT}</saml:NameID>".encode()
_ISSUER = b"</saml:Issuer>"
_AUDIENCE = b"</saml:Audience>"
_DIGEST = b"</ds:DigestValue>"
_VALUE = b"</ds:SignatureValue>"
_CERTIFICATE = b"</ds:X509Certificate>"
_END = b"</samlp:Response>"
_BOMB = b'<!DOCTYPE r [<!ENTITY a0 "ha">%s]>' % b"".join(
    b'<!ENTITY a%d "%s">' % (number, b"&a%d;" % (number - 1) * 10) for number in range(1, 12)
)


def _replace(found: bytes, by: bytes) -> Callable[[bytes], bytes]:
    """Replace the first occurrence; one that is not there would be a vector that changes nothing."""

    def change(octets: bytes) -> bytes:
        assert found in octets, found
        return octets.replace(found, by, 1)

    return change


def _before(found: bytes, added: bytes) -> Callable[[bytes], bytes]:
    return _replace(found, added + found)


def _in_front(added: bytes) -> Callable[[bytes], bytes]:
    return lambda octets: added + octets


def _behind(added: bytes) -> Callable[[bytes], bytes]:
    return lambda octets: octets + added


def _document_type(declared: bytes, reference: bytes = b"") -> Callable[[bytes], bytes]:
    """A document type, and a reference to what it declares in place of the subject."""

    def change(octets: bytes) -> bytes:
        named = re.sub(rb"(<saml:NameID[^>]*>)[^<]*", rb"\1" + reference, octets) if reference else octets
        return declared + named

    return change


def _encoded(name: str) -> Callable[[bytes], bytes]:
    return lambda octets: octets.decode().encode(name)


def _deflated(octets: bytes) -> bytes:
    """As on the Redirect binding, which does not carry Responses."""
    return zlib.compress(octets)[2:-4]


def _attributes(count: int) -> bytes:
    return b" ".join(b'x%d=""' % number for number in range(count))


# Octets of the message: what the problem is called, and the change.
_ANYWHERE: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "document type": ("doctype", _in_front(b"<!DOCTYPE r>")),
    "document type elsewhere": ("doctype", _in_front(b'<!DOCTYPE r SYSTEM "https://evil.test/r.dtd">')),
    "document type in a file": ("doctype", _in_front(b'<!DOCTYPE r SYSTEM "file:///etc/passwd">')),
    "public document type": ("doctype", _in_front(b'<!DOCTYPE r PUBLIC "-//x//y" "https://evil.test/r.dtd">')),
    "entity": ("doctype", _in_front(b'<!DOCTYPE r [<!ENTITY e "owner@acme.test">]>')),
    "parameter entity": ("doctype", _in_front(b'<!DOCTYPE r [<!ENTITY % e SYSTEM "https://evil.test/e"> %e;]>')),
    "attribute declared to be an ID": (
        "doctype",
        _in_front(b"<!DOCTYPE r [<!ATTLIST samlp:Extensions trusted ID #IMPLIED>]>"),
    ),
    "default attribute": ("doctype", _in_front(b'<!DOCTYPE r [<!ATTLIST samlp:Response Consent CDATA "x">]>')),
    "comment before the root": ("comment", _in_front(b"<!-- x -->")),
    "comment after the root": ("comment", _behind(b"<!-- x -->")),
    "comment in the root": ("comment", _before(_END, b"<!-- x -->")),
    "comment in an issuer": ("comment", _before(_ISSUER, b"<!-- x -->")),
    "instruction before the root": ("comment", _in_front(b'<?xml-stylesheet href="https://evil.test/x.xsl"?>')),
    "instruction after the root": ("comment", _behind(b"<?x y?>")),
    "instruction in an issuer": ("comment", _before(_ISSUER, b"<?x y?>")),
    "two roots": ("not_xml", _behind(b"<samlp:Response/>")),
    "the whole message twice": ("not_xml", lambda octets: octets + octets),
    "text after the root": ("not_xml", _behind(b"owner")),
    "NUL after the root": ("not_xml", _behind(b"\0")),
    "text before the root": ("not_xml", _in_front(b"x")),
    "white space before the declaration": ("not_xml", _in_front(b'\n<?xml version="1.0"?>')),
    "truncated": ("not_xml", lambda octets: octets[:-20]),
    "undefined entity": ("not_xml", _before(_ISSUER, b"&owner;")),
    "reference to NUL": ("not_xml", _before(_ISSUER, b"&#0;")),
    "reference to a control character": ("not_xml", _before(_ISSUER, b"&#8;")),
    "undeclared prefix": ("not_xml", _before(_END, b"<evil:x/>")),
    "same attribute twice": ("not_xml", _replace(b'ID="_r1"', b'ID="_r1" ID="_r2"')),
    "UTF-7": ("", _in_front(b'<?xml version="1.0" encoding="UTF-7"?>')),
    "ISO-8859-1": ("encoding", _in_front(b'<?xml version="1.0" encoding="ISO-8859-1"?>')),
    "UTF-16": ("encoding", _encoded("utf-16")),
    "UTF-16 without its mark": ("not_xml", _encoded("utf-16-le")),
    "UTF-16 in name": ("not_xml", _in_front(b'<?xml version="1.0" encoding="UTF-16"?>')),
    "UTF-32": ("encoding", _encoded("utf-32")),
    "EBCDIC": ("", _encoded("cp037")),
    "octet that is not UTF-8": ("encoding", _before(_ISSUER, b"\xff")),
    "overlong UTF-8": ("encoding", _before(_ISSUER, b"\xc0\xaf")),
    "surrogates in UTF-8": ("encoding", _before(_ISSUER, b"\xed\xa0\xbd\xed\xb8\x80")),
    "deflated": ("encoding", _deflated),
    "empty": ("not_xml", lambda octets: b""),
    "declaration alone": ("not_xml", lambda octets: b'<?xml version="1.0"?>'),
    "65 attributes": ("too_wide", _replace(b"<samlp:Status>", b"<samlp:Status %s>" % _attributes(65))),
    "41 levels": ("too_deep", _before(_END, b"<x>" * 40 + b"</x>" * 40)),
    "10,000 elements": ("too_wide", _before(_END, b"<x/>" * 10_000)),
    "more than 256 KiB": ("too_large", _before(_END, b" " * 256 * 1024)),
}
# The same in what is seen only when the Assertion is in clear and signed.
_IN_CLEAR: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "entity as the subject": ("doctype", _document_type(b'<!DOCTYPE r [<!ENTITY e "owner@acme.test">]>', b"&e;")),
    "file as the subject": (
        "doctype",
        _document_type(b'<!DOCTYPE r [<!ENTITY e SYSTEM "file:///etc/passwd">]>', b"&e;"),
    ),
    "billion laughs as the subject": ("not_xml", _document_type(_BOMB, b"&a11;")),
    "comment in NameID": ("comment", _replace(_NAME_ID, _NAME_ID.replace(b"@acme", b"@acme.test<!-- -->.evil"))),
    "comment at the end of NameID": ("comment", _before(b"</saml:NameID>", b"<!---->.evil.test")),
    "instruction in NameID": ("comment", _before(b"</saml:NameID>", b"<?x y?>.evil.test")),
    "comment in Audience": ("comment", _before(_AUDIENCE, b"<!-- x -->")),
    "instruction in Audience": ("comment", _before(_AUDIENCE, b"<?x y?>")),
    "prefix of SAML bound to something else": (
        "missing",
        _replace(b"<saml:Subject>", b'<saml:Subject xmlns:saml="urn:evil">'),
    ),
    "prefix bound to the protocol": (
        "missing",
        _replace(b"<saml:Subject>", b'<saml:Subject xmlns:saml="urn:oasis:names:tc:SAML:2.0:protocol">'),
    ),
    "SAML 1.1 namespace": (
        "missing",
        _replace(b"<saml:Conditions", b'<saml:Conditions xmlns:saml="urn:oasis:names:tc:SAML:1.0:assertion"'),
    ),
    "unqualified element": ("missing", _before(b"<saml:Conditions", b"<Subject/>")),
}
_IN_SIGNATURE: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "comment in DigestValue": ("comment", _before(_DIGEST, b"<!-- x -->")),
    "instruction in DigestValue": ("comment", _before(_DIGEST, b"<?x y?>")),
    "comment at the start of DigestValue": ("comment", _replace(b"<ds:DigestValue>", b"<ds:DigestValue><!--AAAA-->")),
    "comment in SignatureValue": ("comment", _before(_VALUE, b"<!-- x -->")),
    "comment in SignedInfo": ("comment", _before(b"</ds:SignedInfo>", b"<!-- x -->")),
    "comment in the certificate": ("comment", _before(_CERTIFICATE, b"<!-- x -->")),
}
_DUPLICATE_IDS: dict[str, tuple[str, Change]] = {
    "ID of the Assertion on an extension": (
        "id",
        adding("", '<samlp:Extensions><x:y ID="_a1"/></samlp:Extensions>', index=1),
    ),
    "ID of the Assertion as Id": ("id", adding("", '<samlp:Extensions><x:y Id="_a1"/></samlp:Extensions>', index=1)),
    "ID of the Assertion as id": ("id", adding("", '<samlp:Extensions><x:y id="_a1"/></samlp:Extensions>', index=1)),
    "ID of the Assertion as iD": ("id", adding("", '<samlp:Extensions><x:y iD="_a1"/></samlp:Extensions>', index=1)),
    "ID of the Assertion as xml:id": (
        "id",
        adding("", '<samlp:Extensions><x:y xml:id="_a1"/></samlp:Extensions>', index=1),
    ),
    "ID of the Assertion in a namespace": (
        "id",
        adding("", '<samlp:Extensions><x:y x:ID="_a1"/></samlp:Extensions>', index=1),
    ),
    "ID of the Response on an extension": (
        "id",
        adding("", '<samlp:Extensions><x:y ID="_r1"/></samlp:Extensions>', index=1),
    ),
    "ID of the Response in StatusDetail": (
        "id",
        adding("Status", '<samlp:StatusDetail><x:y ID="_r1"/></samlp:StatusDetail>'),
    ),
    "ID of the Response in Advice": ("id", adding("Assertion", '<saml:Advice><x:y ID="_r1"/></saml:Advice>', index=3)),
    "ID of the Assertion in Advice": ("id", adding("Assertion", '<saml:Advice><x:y ID="_a1"/></saml:Advice>', index=3)),
    "empty ID on an extension": ("id", adding("", '<samlp:Extensions><x:y ID=""/></samlp:Extensions>', index=1)),
    "included file as the subject": (
        "value_with_elements",
        adding(
            "Assertion/Subject/NameID",
            '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file:///etc/passwd" parse="text"/>',
        ),
    ),
    "schema instance in the Response": (
        "attribute",
        attribute("", "{http://www.w3.org/2001/XMLSchema-instance}schemaLocation", "urn:x https://evil.test/x.xsd"),
    ),
}
# Below the encryption, where whoever has our public key can write what he likes.
_DECRYPTED: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda one: b"",
    "text": lambda one: b"ann@acme.test",
    "octets that are not UTF-8": lambda one: b"\xff\xfe<\0",
    "truncated Assertion": lambda one: one[:-10],
    "two Assertions": lambda one: one + one,
    "text after the Assertion": lambda one: one + b"x",
    "text before the Assertion": lambda one: b"x" + one,
    "comment before the Assertion": lambda one: b"<!-- x -->" + one,
    "comment in NameID": lambda one: one.replace(b"</saml:NameID>", b"<!-- x --></saml:NameID>"),
    "document type": lambda one: b"<!DOCTYPE a>" + one,
    "document type after a declaration": lambda one: b"<?xml version='1.0'?><!DOCTYPE a>" + one,
    "entity as the subject": lambda one: (
        b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>"
        + one.replace(SUBJECT.encode(), b"&e;", 1)
    ),
    "way out of EncryptedAssertion": lambda one: (
        b"</saml:EncryptedAssertion><a/><saml:EncryptedAssertion>"
    ),
}  # fmt: skip


def _octets(found: dict[str, tuple[str, Callable[[bytes], bytes]]], styles: tuple[str, ...]) -> list[Vector]:
    return [
        Vector(name, "saml_malformed", _PROVES, styles, octets=change, reason=problem)
        for name, (problem, change) in found.items()
    ]


PARSING = [
    *_octets(_ANYWHERE, ALL),
    *_octets(_IN_CLEAR, PLAIN),
    *_octets(_IN_SIGNATURE, ("assertion", "both", "response", "encrypted-both", "encrypted-response", "unsolicited")),
    *(
        Vector(name, "saml_malformed", _IDS, ALL, before=[change], reason=problem)
        for name, (problem, change) in _DUPLICATE_IDS.items()
    ),
    *(
        Vector(
            f"encrypted: {name}",
            "saml_decryption_failed",
            (*_PROVES, "SAML-31"),
            ENCRYPTED,
            encrypting={"plain": change},
        )
        for name, change in _DECRYPTED.items()
    ),
]
