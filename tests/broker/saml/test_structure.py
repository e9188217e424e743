"""Wrapping attacks, and every line of the closed table of elements."""

import pytest
from lxml import etree
from saml import attacks
from saml.build import Change, adding, attribute, build, judge, text, without

from llmops.broker.saml.names import saml
from llmops.errors import (
    Failure,
    SamlMalformed,
    SamlSignatureInvalid,
    SamlSignatureMissing,
    SamlSubjectUnusable,
)

ASSERTION_ATTACKS = [
    attacks.xsw3,
    attacks.xsw4,
    attacks.xsw5,
    attacks.xsw6,
    attacks.xsw7,
    attacks.xsw8,
    attacks.into_advice,
    attacks.into_attribute_value,
    attacks.into_status_detail,
    attacks.into_key_info,
    attacks.signature_last,
    attacks.signature_before_issuer,
    attacks.signature_in_subject,
    attacks.signature_twice,
    attacks.assertion_twice,
    attacks.second_assertion,
    attacks.encrypted_beside,
    attacks.nested_response,
]


@pytest.mark.requirement("SAML-05", "SAML-06", "SAML-07", "SAML-09")
@pytest.mark.parametrize("style", ["assertion", "both"])
@pytest.mark.parametrize("attack", ASSERTION_ATTACKS)
def test_wrapped_assertion_is_refused(attack: Change, style: str) -> None:
    with pytest.raises(SamlMalformed):
        judge(build(style, after=[attack]))


@pytest.mark.requirement("SAML-05", "SAML-06", "SAML-07", "SAML-09")
@pytest.mark.parametrize("style", ["response", "both"])
@pytest.mark.parametrize("attack", [attacks.xsw1, attacks.xsw2])
def test_wrapped_response_is_refused(attack: Change, style: str) -> None:
    with pytest.raises(SamlMalformed):
        judge(build(style, after=[attack]))


@pytest.mark.requirement("SAML-09", "SAML-10", "SAML-16")
@pytest.mark.parametrize(
    ("style", "attack", "failure"),
    [
        ("assertion", attacks.signed_in_place, SamlSignatureInvalid),
        ("response", attacks.signed_in_place, SamlSignatureInvalid),
        ("both", attacks.signed_in_place, SamlSignatureInvalid),
        ("assertion", attacks.signature_moved_up, SamlSignatureInvalid),
        ("response", attacks.signature_moved_down, SamlSignatureInvalid),
        ("assertion", attacks.unsigned, SamlSignatureMissing),
        ("response", attacks.unsigned, SamlSignatureMissing),
        ("both", attacks.unsigned_and_changed, SamlSignatureMissing),
    ],
)
def test_signature_that_does_not_cover_what_is_read_is_refused(
    style: str, attack: Change, failure: type[Failure]
) -> None:
    with pytest.raises(failure):
        judge(build(style, after=[attack]))


@pytest.mark.requirement("SAML-03")
@pytest.mark.parametrize("style", ["assertion", "response", "both"])
def test_redeclared_prefixes_change_nothing(style: str) -> None:
    assert judge(build(style, after=[attacks.default_namespace])).subject.value == "ann@acme.test"


A = "Assertion"
BROKEN: dict[str, tuple[str, Change]] = {
    "another root": ("root", lambda root: setattr(root, "tag", saml("Response"))),
    "logout response": ("root", lambda root: setattr(root, "tag", root.tag.replace("}Response", "}LogoutResponse"))),
    "version 1.1": ("version", attribute("", "Version", "1.1")),
    "no version": ("attribute_missing", attribute("", "Version", None)),
    "assertion version 1.1": ("version", attribute(A, "Version", "1.1")),
    "no response ID": ("attribute_missing", attribute("", "ID", None)),
    "empty response ID": ("id", attribute("", "ID", "")),
    "no assertion ID": ("attribute_missing", attribute(A, "ID", None)),
    "same ID twice": ("id", attribute(A, "ID", "_r1")),
    "ID spelt Id": ("misplaced", adding("Assertion/Subject", '<x:y Id="_r1"/>')),
    "xml:id": ("attribute", attribute(A, "{http://www.w3.org/XML/1998/namespace}id", "_x")),
    "namespaced ID": ("attribute", attribute(A, "{urn:x}ID", "_x")),
    "namespaced ID on a value": ("attribute", attribute("Assertion/AttributeStatement", "{urn:x}Id", "_x")),
    "unknown attribute": ("attribute", attribute(A, "Trust", "me")),
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
        adding(A, "<saml:Issuer>https://idp.example.test/metadata</saml:Issuer>", index=0),
    ),
    "element in issuer": ("value_with_elements", adding("Assertion/Issuer", "<x:y/>")),
    "no subject": ("missing", without("Assertion/Subject")),
    "two subjects": ("missing", adding(A, "<saml:Subject/>", index=2)),
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
    "two conditions": ("missing", adding(A, "<saml:Conditions/>", index=2)),
    "conditions after statement": ("misplaced", adding(A, "<saml:Conditions/>")),
    "unknown statement": ("misplaced", adding(A, "<saml:AuthzDecisionStatement/>")),
    "foreign statement": ("misplaced", adding(A, "<x:Statement/>")),
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


@pytest.mark.requirement("SAML-04", "SAML-05", "SAML-06", "SAML-07", "SAML-08", "SAML-23", "SAML-33")
@pytest.mark.parametrize("case", sorted(BROKEN))
def test_structure_outside_the_table_is_refused_though_signed(case: str) -> None:
    problem, change = BROKEN[case]
    with pytest.raises(SamlMalformed) as caught:
        judge(build("assertion", before=[change]))
    assert caught.value.facts["problem"] == problem


@pytest.mark.requirement("SAML-33")
def test_encrypted_id_is_refused_with_its_own_reason() -> None:
    changes = [without("Assertion/Subject/NameID"), adding("Assertion/Subject", "<saml:EncryptedID/>", index=0)]
    with pytest.raises(SamlSubjectUnusable) as caught:
        judge(build(before=changes))
    assert caught.value.facts["problem"] == "encrypted_id"


ALLOWED = {
    "foreign extension": adding("", "<samlp:Extensions><x:y>z</x:y></samlp:Extensions>", index=1),
    "foreign advice": adding(A, "<saml:Advice><x:y/></saml:Advice>", index=3),
    "advice with an identifier": adding(A, '<saml:Advice><x:y ID="_other"/></saml:Advice>', index=3),
    "one time use": adding("Assertion/Conditions", "<saml:OneTimeUse/>"),
    "proxy restriction": adding("Assertion/Conditions", '<saml:ProxyRestriction Count="0"/>', index=0),
    "subject locality": adding("Assertion/AuthnStatement", '<saml:SubjectLocality Address="10.0.0.1"/>', index=0),
    "authenticating authority": adding(
        "Assertion/AuthnStatement/AuthnContext", "<saml:AuthenticatingAuthority>x</saml:AuthenticatingAuthority>"
    ),
    "second attribute statement": adding(
        A, '<saml:AttributeStatement><saml:Attribute Name="n"/></saml:AttributeStatement>'
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


@pytest.mark.parametrize("case", sorted(ALLOWED))
def test_structure_that_identity_providers_send_is_accepted(case: str) -> None:
    assert judge(build("both", before=[ALLOWED[case]])).subject.value == "ann@acme.test"


@pytest.mark.requirement("SAML-04")
@pytest.mark.parametrize(
    ("found", "replaced"),
    [
        (b"ann@acme.test</saml:NameID>", b"ann@acme.test<!---->.evil.test</saml:NameID>"),
        (b"metadata</saml:Issuer>", b"metadata<!-- x --></saml:Issuer>"),
        (b"</ds:DigestValue>", b"<!-- x --></ds:DigestValue>"),
        (b"ann@acme.test</saml:NameID>", b"ann@acme.test<?x y?></saml:NameID>"),
        (b"</samlp:Response>", b"</samlp:Response><!-- after -->"),
        (b"<samlp:Response", b"<!-- before --><samlp:Response"),
        (b"</samlp:Response>", b"</samlp:Response><?after?>"),
    ],
)
def test_comment_or_instruction_anywhere_is_refused(found: bytes, replaced: bytes) -> None:
    message = etree.tostring(build())
    assert found in message
    with pytest.raises(SamlMalformed) as caught:
        judge(message.replace(found, replaced))
    assert caught.value.facts["problem"] == "comment"
