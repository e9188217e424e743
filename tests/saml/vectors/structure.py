"""Elements and attributes where they may not stand, though the identity provider signed them so (TST-02)."""

from saml.build import Change, adding, attribute, text, without
from saml.vectors.vector import ALL, Vector

from llmops.broker.saml.names import saml

_PROVES = ("TST-02", "SAML-04", "SAML-05", "SAML-06", "SAML-07", "SAML-08", "SAML-23", "SAML-33")
_A = "Assertion"
_BROKEN: dict[str, tuple[str, Change]] = {
    "another root": ("root", lambda root: setattr(root, "tag", saml("Response"))),
    "logout response": ("root", lambda root: setattr(root, "tag", root.tag.replace("}Response", "}LogoutResponse"))),
    "version 1.1": ("version", attribute("", "Version", "1.1")),
    "no version": ("attribute_missing", attribute("", "Version", None)),
    "assertion version 1.1": ("version", attribute(_A, "Version", "1.1")),
    "no response ID": ("attribute_missing", attribute("", "ID", None)),
    "empty response ID": ("id", attribute("", "ID", "")),
    "no assertion ID": ("attribute_missing", attribute(_A, "ID", None)),
    "same ID twice": ("id", attribute(_A, "ID", "_r1")),
    "ID spelt Id": ("misplaced", adding("Assertion/Subject", '<x:y Id="_r1"/>')),
    "xml:id": ("attribute", attribute(_A, "{http://www.w3.org/XML/1998/namespace}id", "_x")),
    "namespaced ID": ("attribute", attribute(_A, "{urn:x}ID", "_x")),
    "namespaced ID on a value": ("attribute", attribute("Assertion/AttributeStatement", "{urn:x}Id", "_x")),
    "unknown attribute": ("attribute", attribute(_A, "Trust", "me")),
    "SAML attribute in an attribute": ("attribute", attribute("Assertion/Subject/NameID", saml("Format"), "x")),
    "no issue instant": ("attribute_missing", attribute("", "IssueInstant", None)),
    "no status": ("missing", without("Status")),
    "no status code": ("missing", without("Status/StatusCode")),
    "status code without value": ("attribute_missing", attribute("Status/StatusCode", "Value", None)),
    "two status codes": (
        "misplaced",
        adding("Status", '<samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/>'),
    ),
    "two statuses": ("misplaced", adding("", '<samlp:Status><samlp:StatusCode Value="x"/></samlp:Status>', index=1)),
    "two issuers": ("missing", adding("", "<saml:Issuer>https://idp.example.test/metadata</saml:Issuer>", index=0)),
    "issuer after status": ("misplaced", adding("", "<saml:Issuer>x</saml:Issuer>", index=2)),
    "no assertion issuer": ("missing", without("Assertion/Issuer")),
    "two assertion issuers": (
        "missing",
        adding(_A, "<saml:Issuer>https://idp.example.test/metadata</saml:Issuer>", index=0),
    ),
    "element in issuer": ("value_with_elements", adding("Assertion/Issuer", "<x:y/>")),
    "no subject": ("missing", without("Assertion/Subject")),
    "two subjects": ("missing", adding(_A, "<saml:Subject/>", index=2)),
    "two name ids": ("misplaced", adding("Assertion/Subject", "<saml:NameID>owner@acme.test</saml:NameID>", index=1)),
    "name id in confirmation": (
        "misplaced",
        adding("Assertion/Subject/SubjectConfirmation", "<saml:NameID>x</saml:NameID>", index=0),
    ),
    "name id after confirmation": ("misplaced", adding("Assertion/Subject", "<saml:NameID>x</saml:NameID>")),
    "element in name id": ("value_with_elements", adding("Assertion/Subject/NameID", "<x:y/>")),
    "name id in confirmation data": (
        "misplaced",
        adding("Assertion/Subject/SubjectConfirmation/SubjectConfirmationData", "<saml:NameID>x</saml:NameID>"),
    ),
    "text in subject": ("stray_text", text("Assertion/Subject", "ann")),
    "text between statements": (
        "stray_text",
        lambda root: setattr(root.find("{*}Assertion/{*}Conditions"), "tail", "x"),
    ),
    "unknown condition": ("misplaced", adding("Assertion/Conditions", "<saml:Condition/>")),
    "foreign condition": ("misplaced", adding("Assertion/Conditions", "<x:Condition/>")),
    "two conditions": ("missing", adding(_A, "<saml:Conditions/>", index=2)),
    "conditions after statement": ("misplaced", adding(_A, "<saml:Conditions/>")),
    "unknown statement": ("misplaced", adding(_A, "<saml:AuthzDecisionStatement/>")),
    "foreign statement": ("misplaced", adding(_A, "<x:Statement/>")),
    "no authn statement": ("missing", without("Assertion/AuthnStatement")),
    "statement without context": ("missing", without("Assertion/AuthnStatement/AuthnContext")),
    "no authn instant": ("attribute_missing", attribute("Assertion/AuthnStatement", "AuthnInstant", None)),
    "attribute without name": ("attribute_missing", adding("Assertion/AttributeStatement", "<saml:Attribute/>")),
    "element in a value": (
        "value_with_elements",
        adding(
            "Assertion/AttributeStatement",
            '<saml:Attribute Name="n"><saml:AttributeValue>a<x:y/>b</saml:AttributeValue></saml:Attribute>',
        ),
    ),
    "name id in a value": (
        "value_with_elements",
        adding(
            "Assertion/AttributeStatement",
            '<saml:Attribute Name="n"><saml:AttributeValue><saml:NameID>x</saml:NameID></saml:AttributeValue>'
            "</saml:Attribute>",
        ),
    ),
    "unqualified attribute on a value": (
        "attribute",
        adding(
            "Assertion/AttributeStatement",
            '<saml:Attribute Name="n"><saml:AttributeValue type="x">a</saml:AttributeValue></saml:Attribute>',
        ),
    ),
    "encrypted attribute": (
        "encrypted_attribute",
        adding("Assertion/AttributeStatement", "<saml:EncryptedAttribute/>"),
    ),
    "object in extensions": ("misplaced", adding("", "<samlp:Extensions><ds:Object/></samlp:Extensions>", index=1)),
    "signature in extensions": (
        "misplaced",
        adding("", "<samlp:Extensions><ds:Signature/></samlp:Extensions>", index=1),
    ),
    "subject in extensions": ("misplaced", adding("", "<samlp:Extensions><saml:Subject/></samlp:Extensions>", index=1)),
    "deep subject in extensions": (
        "misplaced",
        adding("", "<samlp:Extensions><x:a><x:b><saml:Subject/></x:b></x:a></samlp:Extensions>", index=1),
    ),
    "foreign ID in extensions": ("id", adding("", '<samlp:Extensions><x:a ID="_a1"/></samlp:Extensions>', index=1)),
    "extensions after status": ("misplaced", adding("", "<samlp:Extensions/>", index=2)),
    "foreign element in response": ("misplaced", adding("", "<x:y/>")),
    "artifact response": ("misplaced", adding("", "<samlp:Response/>")),
}

STRUCTURE = [
    *(
        Vector(name, "saml_malformed", _PROVES, ALL, before=[change], reason=problem)
        for name, (problem, change) in _BROKEN.items()
    ),
    Vector(
        "encrypted name id",
        "saml_subject_unusable",
        ("TST-05", "SAML-33"),
        ALL,
        before=[without("Assertion/Subject/NameID"), adding("Assertion/Subject", "<saml:EncryptedID/>", index=0)],
        reason="encrypted_id",
    ),
]
