"""Changes that mean nothing: what identity providers do differently from each other, and must be accepted."""

from collections.abc import Callable

from lxml import etree
from saml import attacks
from saml.build import Change, adding, altered, at, attribute, moment, without
from saml.keys import Signer, signer
from saml.vectors.crypto import key_again
from saml.vectors.fields import DATA, STATEMENT
from saml.vectors.vector import ALL, ENCRYPTED, Vector

from llmops.broker.saml import names
from llmops.broker.saml.names import saml

_A = "Assertion"
_ALLOWED: dict[str, Change] = {
    "foreign extension": adding("", "<samlp:Extensions><x:y>z</x:y></samlp:Extensions>", index=1),
    "foreign advice": adding(_A, "<saml:Advice><x:y/></saml:Advice>", index=3),
    "advice with an identifier": adding(_A, '<saml:Advice><x:y ID="_other"/></saml:Advice>', index=3),
    "one time use": adding("Assertion/Conditions", "<saml:OneTimeUse/>"),
    "proxy restriction": adding("Assertion/Conditions", '<saml:ProxyRestriction Count="0"/>', index=0),
    "subject locality": adding("Assertion/AuthnStatement", '<saml:SubjectLocality Address="10.0.0.1"/>', index=0),
    "authenticating authority": adding(
        "Assertion/AuthnStatement/AuthnContext", "<saml:AuthenticatingAuthority>x</saml:AuthenticatingAuthority>"
    ),
    "second attribute statement": adding(
        _A, '<saml:AttributeStatement><saml:Attribute Name="n"/></saml:AttributeStatement>'
    ),
    "statements in another order": lambda root: root[-1].append(root[-1].find(saml("AuthnStatement"))),
    "consent": attribute("", "Consent", "urn:oasis:names:tc:SAML:2.0:consent:unspecified"),
    "white space": lambda root: etree.indent(root),
    "status message": adding("Status", "<samlp:StatusMessage>ok</samlp:StatusMessage>"),
    "entity format": attribute("Assertion/Issuer", "Format", "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"),
    "nil value": adding(
        "Assertion/AttributeStatement",
        '<saml:Attribute Name="n"><saml:AttributeValue xsi:nil="true"/></saml:Attribute>',
    ),
}
_SPELT: dict[str, Change] = {
    "no Response Issuer": without("Issuer"),
    "space around the Response Issuer": altered("Issuer", None, lambda right: f" {right}\n"),
    "space around the Assertion Issuer": altered("Assertion/Issuer", None, lambda right: f"\t{right} "),
    "one of several audiences": adding(
        "Assertion/Conditions/AudienceRestriction", "<saml:Audience>https://other.test</saml:Audience>"
    ),
    "no Format of the NameID": attribute("Assertion/Subject/NameID", "Format", None),
    "end of time": attribute("Assertion/Conditions", "NotOnOrAfter", "9999-12-31T23:59:59.9999999Z"),
    "fraction of a second": attribute("", "IssueInstant", moment(-1).replace("Z", ".1234567Z")),
    "second confirmation, by a key": adding(
        "Assertion/Subject",
        '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:holder-of-key">'
        "<saml:SubjectConfirmationData/></saml:SubjectConfirmation>",
    ),
    "second confirmation, for another": adding(
        "Assertion/Subject",
        f'<saml:SubjectConfirmation Method="{names.BEARER}"><saml:SubjectConfirmationData Recipient="https://other.test"'
        f' NotOnOrAfter="{moment(600)}"/></saml:SubjectConfirmation>',
    ),
    "no AuthnContextClassRef": without(f"{STATEMENT}/AuthnContext/AuthnContextClassRef"),
    "no SessionIndex": attribute(STATEMENT, "SessionIndex", None),
    "no attributes": without("Assertion/AttributeStatement"),
    "address of the person": attribute(DATA, "Address", "198.51.100.7"),
    "prefixes declared again": attacks.default_namespace,
}
_ON_TIME = {
    "Response IssueInstant three minutes ahead": ("", "IssueInstant", 180),
    "Assertion IssueInstant three minutes ahead": ("Assertion", "IssueInstant", 180),
    "NotBefore three minutes ahead": ("Assertion/Conditions", "NotBefore", 180),
    "AuthnInstant three minutes ahead": (STATEMENT, "AuthnInstant", 180),
    "Conditions over for not quite three minutes": ("Assertion/Conditions", "NotOnOrAfter", -179),
    "confirmation over for not quite three minutes": (DATA, "NotOnOrAfter", -179),
    "session over for not quite three minutes": (STATEMENT, "SessionNotOnOrAfter", -179),
    "AuthnInstant of last week": (STATEMENT, "AuthnInstant", -7 * 86_400),
}
_METHODS = {
    "RSA with SHA-384": ("rsa2048", names.RSA_SHA384, names.SHA384),
    "RSA with SHA-512": ("rsa2048", names.RSA_SHA512, names.SHA512),
    "P-256": ("p256", names.ECDSA_SHA256, names.SHA256),
    "P-384": ("p384", names.ECDSA_SHA384, names.SHA384),
    "P-521": ("p521", names.ECDSA_SHA512, names.SHA512),
}
_KEY_INFOS = {
    "bare key": (
        "<ds:KeyValue><ds:RSAKeyValue><ds:Modulus>AQAB</ds:Modulus><ds:Exponent>AQAB</ds:Exponent></ds:RSAKeyValue>"
        "</ds:KeyValue>"
    ),
    "key to be fetched": '<ds:RetrievalMethod URI="https://evil.test/key"/>',
    "name of a key": "<ds:KeyName>evil</ds:KeyName>",
    "certificate that is none": "<ds:X509Data><ds:X509Certificate>not base64</ds:X509Certificate></ds:X509Data>",
}
_ENCRYPTIONS: dict[str, dict[str, str]] = {
    "AES-128-GCM": {"method": names.AES128_GCM},
    "AES-192-GCM": {"method": names.AES192_GCM},
    "key beside the data": {"place": "beside"},
    "OAEP that names SHA-1": {"digest": names.SHA1},
    "OAEP with SHA-256": {"digest": names.SHA256},
    "OAEP of 1.1": {"transport": names.RSA_OAEP},
    "OAEP and mask with SHA-256": {"transport": names.RSA_OAEP, "digest": names.SHA256, "mask": names.MGF1_SHA256},
    "OAEP with SHA-512, mask with SHA-1": {
        "transport": names.RSA_OAEP,
        "digest": names.SHA512,
        "mask": names.MGF1_SHA1,
    },
    "OAEP and mask with SHA-384": {"transport": names.RSA_OAEP, "digest": names.SHA384, "mask": names.MGF1_SHA384},
}


def _signer_of(kind: str) -> Callable[[], Signer]:
    return lambda: signer("methods", kind=kind)


def _key_info(xml: str) -> Change:
    """What stands in the signature's KeyInfo decides nothing."""

    def change(root: etree._Element) -> None:
        at("Assertion/Signature", root).append(
            etree.fromstring(f'<ds:KeyInfo xmlns:ds="{names.DSIG}">{xml}</ds:KeyInfo>')
        )

    return change


def _garbled_first_key(root: etree._Element) -> None:
    value = at("EncryptedAssertion/EncryptedData/KeyInfo/EncryptedKey/CipherData/CipherValue", root)
    value.text = "AAAA"


def _cut_out(one: bytes) -> bytes:
    """The Assertion without the declarations that its Response made, as some encryptors cut it out."""
    cut = one.replace(f' xmlns:saml="{names.ASSERTION}"'.encode(), b"", 1)
    return cut.replace(f' xmlns:samlp="{names.PROTOCOL}"'.encode(), b"", 1)


HARMLESS = [
    Vector("as it is", "", (), ALL),
    *(Vector(name, "", (), ALL, before=[change]) for name, change in {**_ALLOWED, **_SPELT}.items()),
    Vector("no times in Conditions", "", (), ALL, before=[
        attribute("Assertion/Conditions", "NotBefore", None), attribute("Assertion/Conditions", "NotOnOrAfter", None),
    ]),
    Vector("no Destination", "", (), ("assertion", "encrypted", "unsolicited"),
           before=[attribute("", "Destination", None)]),
    *(
        Vector(name, "", (), ALL, before=[attribute(path, attribute_name, moment(seconds))])
        for name, (path, attribute_name, seconds) in _ON_TIME.items()
    ),
    *(
        Vector(
            name, "", ("SAML-12",), ALL, signing={"method": method, "digest": digest},
            by=_signer_of(kind), pinned=_signer_of(kind),
        )
        for name, (kind, method, digest) in _METHODS.items()
    ),
    *(
        Vector(f"PrefixList {prefix_list}", "", (), ALL, signing={"prefix_list": prefix_list})
        for prefix_list in ("xs", "xs xsi saml", "#default samlp")
    ),
    Vector("PrefixList of the canonicalization", "", (), ALL, signing={"canonical_prefix_list": "xs"}),
    *(
        Vector(f"{name} in KeyInfo", "", ("SAML-13",), ("assertion", "unsolicited"),
               signing={"key_info": False}, after=[_key_info(xml)])
        for name, xml in _KEY_INFOS.items()
    ),
    Vector("no KeyInfo", "", ("SAML-13",), ALL, signing={"key_info": False}),
    Vector("foreign certificate in KeyInfo", "", ("SAML-13",), ALL, signing={"key_info": "attacker"}),
    Vector("unsigned additions to the Response", "", ("SAML-17",), ("assertion", "encrypted"),
           after=[adding("Status", "<samlp:StatusMessage>owner@acme.test</samlp:StatusMessage>"),
                  attribute("", "ID", "_changed")]),
    *(
        Vector(name, "", ("SAML-32",), ENCRYPTED, encrypting=encrypting)
        for name, encrypting in _ENCRYPTIONS.items()
    ),
    *(
        Vector(f"{method.rpartition('#')[2]} below a signed Response", "", ("SAML-32",),
               ("encrypted-both", "encrypted-response"), encrypting={"method": method})
        for method in (names.AES128_CBC, names.AES192_CBC, names.AES256_CBC)
    ),
    Vector("one of two encrypted keys is ours", "", ("SAML-32",), ("encrypted",),
           after=[key_again(1), _garbled_first_key]),
    Vector("namespaces of the place where it stood", "", (), ("encrypted-response",),
           encrypting={"plain": _cut_out}),
    Vector("declaration", "", (), ALL, octets=lambda octets: b'<?xml version="1.0" encoding="utf-8"?>\n' + octets),
    Vector("byte order mark", "", (), ALL, octets=lambda octets: b"\xef\xbb\xbf" + octets),
    Vector("white space around", "", (), ALL, octets=lambda octets: b"\n" + octets + b"\n\n"),
]  # fmt: skip
