"""Builds Responses: a valid one in each style and in each vendor's shape, and from it a wrong one by named changes.

A change given as `before` is made before the identity provider signs: it shows one check of ours, with everything
else in order. A change given as `after` is what an attacker does to a message that was signed.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from lxml import etree
from saml.keys import Signer, signer
from saml.sign import encrypt, sign

from llmops.broker.saml import names, response
from llmops.broker.saml.names import ds, md, saml
from llmops.broker.saml.response import Assertion
from llmops.broker.saml.rules import Rules

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
IDP = "https://idp.example.test/metadata"
SP = "https://llmops.example.test/saml/conn_1/metadata"
ACS = "https://llmops.example.test/saml/conn_1/acs"
REQUEST = "_5f0c7a1e9b3d4c6f8a2b1d0e7c9f3a5b6d8e4f10"
SUBJECT = "ann@acme.test"

Change = Callable[[etree._Element], None]
STYLES = ("assertion", "response", "both", "encrypted", "encrypted-both", "encrypted-response", "unsolicited")

_NS = 'xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion"'
_XS = 'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
_CLAIMS = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_MICROSOFT = "http://schemas.microsoft.com/identity/claims/"
_PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"


def moment(seconds: float = 0) -> str:
    """An xs:dateTime so many seconds after NOW."""
    return (NOW + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def rules(**changes: Any) -> Rules:
    """The connection that the valid Responses are for."""
    known: dict[str, Any] = {
        "idp_entity_id": IDP,
        "sp_entity_id": SP,
        "acs_url": ACS,
        "certificates": (signer().certificate,),
        "request_id": REQUEST,
        "decryption_keys": (signer("sp").key,),
    }
    return Rules(**{**known, **changes})


def template(
    *,
    idp: str = IDP,
    attributes: Sequence[tuple[str, Sequence[str]]] = (
        ("email", [SUBJECT]),
        ("firstName", ["Ann"]),
        ("lastName", ["Lee"]),
    ),
    name_id_format: str = names.EMAIL_ADDRESS,
    subject: str = SUBJECT,
    value: str = "",
    root: str = _NS,
    sp: str = SP,
    acs: str = ACS,
    request_id: str = REQUEST,
    assertion_id: str = "_a1",
    seconds: float = 0,
) -> etree._Element:
    """An unsigned Response, issued a second before NOW plus `seconds`, valid for five minutes before and after."""
    begin, at, end = moment(seconds - 300), moment(seconds - 1), moment(seconds + 300)
    stated = "".join(
        f'<saml:Attribute Name="{name}">'
        + "".join(f"<saml:AttributeValue{value}>{one}</saml:AttributeValue>" for one in values)
        + "</saml:Attribute>"
        for name, values in attributes
    )
    statement = f"<saml:AttributeStatement>{stated}</saml:AttributeStatement>" if attributes else ""
    return etree.fromstring(
        f'<samlp:Response {root} ID="_r1" Version="2.0" IssueInstant="{at}" Destination="{acs}" '
        f'InResponseTo="{request_id}">'
        f"<saml:Issuer>{idp}</saml:Issuer>"
        '<samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>'
        f'<saml:Assertion ID="{assertion_id}" Version="2.0" IssueInstant="{at}">'
        f"<saml:Issuer>{idp}</saml:Issuer>"
        f'<saml:Subject><saml:NameID Format="{name_id_format}">{subject}</saml:NameID>'
        '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer">'
        f'<saml:SubjectConfirmationData InResponseTo="{request_id}" NotOnOrAfter="{end}" Recipient="{acs}"/>'
        "</saml:SubjectConfirmation></saml:Subject>"
        f'<saml:Conditions NotBefore="{begin}" NotOnOrAfter="{end}">'
        f"<saml:AudienceRestriction><saml:Audience>{sp}</saml:Audience></saml:AudienceRestriction></saml:Conditions>"
        f'<saml:AuthnStatement AuthnInstant="{at}" SessionIndex="_s1"><saml:AuthnContext>'
        f"<saml:AuthnContextClassRef>{_PASSWORD}</saml:AuthnContextClassRef>"
        f"</saml:AuthnContext></saml:AuthnStatement>{statement}</saml:Assertion></samlp:Response>"
    )


def okta(**changes: Any) -> etree._Element:
    """Okta: xs:string values, both signed with a PrefixList, user name as unspecified NameID."""
    value = f' {_XS} xsi:type="xs:string"'
    return template(
        **{
            "idp": "http://www.okta.com/exk1a2b3c4d5e6f7g8h9",
            "name_id_format": names.UNSPECIFIED,
            "value": value,
            "root": f"{_NS} {_XS}",
            **changes,
        }
    )


def entra(**changes: Any) -> etree._Element:
    """Microsoft Entra ID: issuer of sts.windows.net, claims as URIs, only the Assertion is signed."""
    attributes = [
        (_MICROSOFT + "tenantid", ["6f2d1c3a-0000-4000-8000-00000000aaaa"]),
        (_MICROSOFT + "objectidentifier", ["b1946ac9-0000-4000-8000-00000000bbbb"]),
        (_MICROSOFT + "displayname", ["Ann Lee"]),
        (
            "http://schemas.microsoft.com/claims/authnmethodsreferences",
            ["urn:oasis:names:tc:SAML:2.0:ac:classes:Password"],
        ),
        (_CLAIMS + "givenname", ["Ann"]),
        (_CLAIMS + "surname", ["Lee"]),
        (_CLAIMS + "emailaddress", [SUBJECT]),
        (_CLAIMS + "name", [SUBJECT]),
    ]
    return template(
        **{"idp": "https://sts.windows.net/6f2d1c3a-0000-4000-8000-00000000aaaa/", "attributes": attributes, **changes}
    )


def google(**changes: Any) -> etree._Element:
    """Google Workspace: no attributes unless mapped, xs:anyType values."""
    value = f' {_XS} xsi:type="xs:anyType"'
    return template(**{"idp": "https://accounts.google.com/o/saml2?idpid=C01abcdef", "value": value, **changes})


def adfs(**changes: Any) -> etree._Element:
    """AD FS: http entity ID, claims as URIs, groups, ProxyRestriction-free conditions, foreign OriginalIssuer."""
    attributes = [
        (_CLAIMS + "emailaddress", [SUBJECT]),
        (_CLAIMS + "givenname", ["Ann"]),
        (_CLAIMS + "surname", ["Lee"]),
        ("http://schemas.xmlsoap.org/claims/Group", ["Engineering", "Domain Users"]),
    ]
    root = template(**{"idp": "http://adfs.acme.test/adfs/services/trust", "attributes": attributes, **changes})
    first = root.find(f".//{saml('Attribute')}")
    assert first is not None
    first.set("{http://schemas.xmlsoap.org/ws/2009/09/identity/claims}OriginalIssuer", "AD AUTHORITY")
    return root


def keycloak(**changes: Any) -> etree._Element:
    """Keycloak: the Response is signed, `Role` has several values, FriendlyName is set."""
    attributes = [("urn:oid:1.2.840.113549.1.9.1", [SUBJECT]), ("Role", ["manage-account", "view-profile"])]
    root = template(**{"idp": "https://kc.acme.test/realms/acme", "attributes": attributes, **changes})
    for attribute in root.iter(saml("Attribute")):
        attribute.set("FriendlyName", "email")
        attribute.set("NameFormat", "urn:oasis:names:tc:SAML:2.0:attrname-format:basic")
    return root


def shibboleth(**changes: Any) -> etree._Element:
    """Shibboleth: attributes named by OID, a pairwise NameID with qualifiers, the person's address."""
    attributes = [
        ("urn:oid:0.9.2342.19200300.100.1.3", [SUBJECT]),
        ("urn:oid:2.5.4.42", ["Ann"]),
        ("urn:oid:2.5.4.4", ["Lee"]),
        ("urn:oid:1.3.6.1.4.1.5923.1.1.1.9", ["member@acme.test", "staff@acme.test"]),
    ]
    usual = {
        "idp": "https://idp.acme.test/idp/shibboleth",
        "attributes": attributes,
        "name_id_format": names.PERSISTENT,
        "value": f' {_XS} xsi:type="xs:string"',
        "subject": "YTM5NmE2ZDUxNzM0NGFmZTg4",
    }
    root = template(**{**usual, **changes})
    attribute("Assertion/Subject/NameID", "NameQualifier", usual["idp"])(root)
    attribute("Assertion/Subject/NameID", "SPNameQualifier", changes.get("sp", SP))(root)
    attribute("Assertion/Subject/SubjectConfirmation/SubjectConfirmationData", "Address", "198.51.100.7")(root)
    adding("Assertion/AuthnStatement", '<saml:SubjectLocality Address="198.51.100.7"/>', index=0)(root)
    for one in root.iter(saml("Attribute")):
        one.set("NameFormat", "urn:oasis:names:tc:SAML:2.0:attrname-format:uri")
    return root


@dataclass(frozen=True)
class Shape:
    """How a vendor writes: its unsigned Response, the styles in which it signs and encrypts, and with what methods."""

    base: Callable[..., etree._Element]
    styles: Sequence[str]
    signing: dict[str, Any] = field(default_factory=dict)
    encrypting: dict[str, Any] = field(default_factory=dict)


SHAPES = {
    "okta": Shape(okta, ("both", "encrypted-both"), {"prefix_list": "xs"}),
    "entra": Shape(entra, ("assertion", "both", "response", "encrypted")),
    "google": Shape(google, ("assertion", "response")),
    "adfs": Shape(adfs, ("assertion", "both", "encrypted"), {}, {"method": names.AES256_GCM}),
    "keycloak": Shape(keycloak, ("response", "both", "encrypted-response")),
    "shibboleth": Shape(
        shibboleth, ("response", "encrypted-response"), {"prefix_list": "xs"}, {"method": names.AES128_GCM}
    ),
}


def unsolicited(root: etree._Element) -> None:
    """What the identity provider sends when it starts: no InResponseTo anywhere."""
    for element in root.iter():
        element.attrib.pop("InResponseTo", None)


def build(
    style: str = "assertion",
    *,
    base: etree._Element | None = None,
    before: Sequence[Change] = (),
    after: Sequence[Change] = (),
    by: Signer | None = None,
    to: RSAPublicKey | None = None,
    signing: dict[str, Any] | None = None,
    encrypting: dict[str, Any] | None = None,
) -> etree._Element:
    """A Response in one of STYLES, encrypted for the holder of the key `to`, which usually is ours.

    `signing` and `encrypting` are arguments for `sign` and `encrypt`.
    """
    root = template() if base is None else base
    by = by or signer()
    if style == "unsolicited":
        unsolicited(root)
    for change in before:
        change(root)
    assertion = root.find(saml("Assertion"))
    if style in ("assertion", "both", "encrypted", "encrypted-both", "unsolicited") and assertion is not None:
        sign(assertion, by, **(signing or {}))
    if style.startswith("encrypted") and assertion is not None:
        encrypt(assertion, to or signer("sp").public, **(encrypting or {}))
    if style in ("response", "both", "encrypted-both", "encrypted-response"):
        sign(root, by, **(signing or {}))
    for change in after:
        change(root)
    return root


def encode(root: etree._Element | bytes) -> str:
    """As the browser posts it."""
    return base64.b64encode(root if isinstance(root, bytes) else etree.tostring(root)).decode()


def judge(root: etree._Element | bytes, now: datetime = NOW, **changes: Any) -> Assertion:
    """Parse and check, by the rules of the connection with `changes`."""
    return response.check(response.parse(encode(root)), rules(**changes), now=now)


def at(path: str, root: etree._Element) -> etree._Element:
    """The one element at a path like `Assertion/Subject/NameID`, of whatever namespace."""
    found = root.findall("/".join(f"{{*}}{step}" for step in path.split("/"))) if path else [root]
    assert len(found) == 1, f"{path}: {len(found)}"
    return found[0]


def attribute(path: str, name: str, value: str | None) -> Change:
    """Set an attribute, or take it away."""

    def change(root: etree._Element) -> None:
        if value is None:
            del at(path, root).attrib[name]
        else:
            at(path, root).set(name, value)

    return change


def text(path: str, value: str) -> Change:
    """Replace an element's text."""

    def change(root: etree._Element) -> None:
        at(path, root).text = value

    return change


def altered(path: str, name: str | None, alter: Callable[[str], str]) -> Change:
    """Make another value of what an attribute holds, or of an element's text where `name` is None."""

    def change(root: etree._Element) -> None:
        element = at(path, root)
        if name is None:
            element.text = alter(element.text or "")
        else:
            element.set(name, alter(element.get(name, "")))

    return change


def without(path: str) -> Change:
    """Take an element away."""

    def change(root: etree._Element) -> None:
        element = at(path, root)
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)

    return change


def adding(path: str, xml: str, *, index: int | None = None) -> Change:
    """Put an element, written with the prefixes samlp, saml, ds, xenc and x, into the one at `path`."""

    def change(root: etree._Element) -> None:
        declared = f'<w {_NS} xmlns:ds="{names.DSIG}" xmlns:xenc="{names.XENC}" xmlns:x="urn:x" {_XS}>{xml}</w>'
        parent = at(path, root)
        for offset, added in enumerate(etree.fromstring(declared)):
            parent.insert(len(parent) if index is None else index + offset, added)

    return change


def metadata(
    *,
    entity_id: str = IDP,
    signers: Sequence[Signer] | None = None,
    sso: Sequence[tuple[str, str]] = (
        (names.HTTP_POST, "https://idp.example.test/post"),
        (names.HTTP_REDIRECT, "https://idp.example.test/sso"),
    ),
    use: str | None = "signing",
    role: str = "IDPSSODescriptor",
    more: dict[str, str] | None = None,
) -> etree._Element:
    """An identity provider's EntityDescriptor."""
    root = etree.Element(md("EntityDescriptor"), nsmap={"md": names.METADATA, "ds": names.DSIG})
    root.set("entityID", entity_id)
    for name, value in (more or {}).items():
        root.set(name, value)
    descriptor = etree.SubElement(root, md(role), protocolSupportEnumeration=names.PROTOCOL)
    for one in [signer()] if signers is None else signers:
        key = etree.SubElement(descriptor, md("KeyDescriptor"))
        if use is not None:
            key.set("use", use)
        data = etree.SubElement(etree.SubElement(key, ds("KeyInfo")), ds("X509Data"))
        etree.SubElement(data, ds("X509Certificate")).text = base64.encodebytes(one.der).decode()
    for binding, location in sso:
        etree.SubElement(descriptor, md("SingleSignOnService"), Binding=binding, Location=location)
    return root
