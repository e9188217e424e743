"""The door: what arrives, each style and vendor, what is demanded, what is handed on."""

import base64
from typing import Any

import pytest
from saml import build as samples
from saml.attacks import VICTIM
from saml.build import (
    NOW,
    REQUEST,
    STYLES,
    SUBJECT,
    Change,
    adding,
    attribute,
    build,
    encode,
    judge,
    rules,
    text,
    without,
)

from llmops.broker.saml import names, response
from llmops.broker.saml.names import ds, saml, samlp
from llmops.broker.saml.rules import Check
from llmops.errors import SamlExpired, SamlMalformed, SamlSignatureMissing, SamlWrongAudience

UNSOLICITED: dict[str, Any] = {"request_id": None, "allow_unsolicited": True}


@pytest.mark.parametrize("style", STYLES)
def test_each_style_is_accepted(style: str) -> None:
    assertion = judge(build(style), **(UNSOLICITED if style == "unsolicited" else {}))
    assert assertion.subject.value == SUBJECT
    assert assertion.id == "_a1"
    assert assertion.encrypted is style.startswith("encrypted")


@pytest.mark.parametrize(
    ("vendor", "style", "signing", "attribute_name"),
    [
        ("okta", "both", {"prefix_list": "xs"}, "email"),
        ("entra", "assertion", {}, "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"),
        ("google", "assertion", {}, "email"),
        ("google", "response", {}, "email"),
        ("adfs", "assertion", {}, "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"),
        ("adfs", "encrypted", {}, "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress"),
        ("keycloak", "response", {}, "urn:oid:1.2.840.113549.1.9.1"),
    ],
)
def test_each_vendor_s_shape_is_accepted(vendor: str, style: str, signing: dict[str, Any], attribute_name: str) -> None:
    root = build(style, base=getattr(samples, vendor)(), signing=signing)
    assertion = judge(root, idp_entity_id=root.findtext(saml("Issuer")))
    assert assertion.attributes[attribute_name] == (SUBJECT,)


@pytest.mark.requirement("SAML-16")
@pytest.mark.parametrize(
    ("style", "accepted"),
    [
        ("assertion", {"any", "assertion"}),
        ("response", {"any", "response"}),
        ("both", {"any", "assertion", "response", "both"}),
        ("encrypted", {"any", "assertion"}),
        ("encrypted-response", {"any", "response"}),
        ("encrypted-both", {"any", "assertion", "response", "both"}),
        ("none", set()),
    ],
)
@pytest.mark.parametrize("want", ["any", "assertion", "response", "both"])
def test_what_must_be_signed_is_signed(style: str, accepted: set[str], want: str) -> None:
    root = build(style)
    if want in accepted:
        assert judge(root, want_signed=want).subject.value == SUBJECT
    else:
        with pytest.raises(SamlSignatureMissing):
            judge(root, want_signed=want)


@pytest.mark.requirement("SAML-01")
@pytest.mark.parametrize(
    ("encoded", "problem"),
    [
        ("", "not_xml"),
        ("====", "base64"),
        ("PGEvPg", "base64"),
        ("PGEv*Pg==", "base64"),
        ("PGEvPg==PGEvPg==", "base64"),
        ("PGEvPg%3D%3D", "base64"),
        ("PGEvPg==\x00", "base64"),
        ("PGEvPg==\u00a0", "base64"),
        ("-_-_", "base64"),
        ("A" * (response.ENCODED_LIMIT + 1), "too_large"),
        (base64.b64encode(b"<a>" + b"x" * (256 * 1024) + b"</a>").decode(), "too_large"),
        (base64.b64encode(b"<a/>").decode(), "root"),
        (base64.b64encode(b"x\x9c\xb3I\xb4\x03\x00").decode(), "encoding"),
    ],
)
def test_what_is_not_base64_of_a_response_is_refused(encoded: str, problem: str) -> None:
    with pytest.raises(SamlMalformed) as caught:
        response.parse(encoded)
    assert caught.value.facts["problem"] == problem


@pytest.mark.parametrize("separator", ["\r\n", "\n", " ", "\t"])
def test_wrapped_base64_is_read(separator: str) -> None:
    encoded = encode(build())
    wrapped = separator.join(encoded[start : start + 76] for start in range(0, len(encoded), 76))
    assert response.parse(wrapped + separator).in_response_to == REQUEST


def test_received_names_what_the_caller_needs_to_find_the_login() -> None:
    received = response.parse(encode(build()))
    assert received.in_response_to == REQUEST
    assert received.issuer == samples.IDP
    assert received.destination == samples.ACS
    assert received.status.success
    assert not received.encrypted


def test_received_without_optional_fields_is_empty_there() -> None:
    changes = [attribute("", "InResponseTo", None), attribute("", "Destination", None), without("Issuer")]
    received = response.parse(encode(build(before=changes)))
    assert (received.in_response_to, received.destination, received.issuer) == ("", "", "")


def test_judging_leaves_what_was_received_as_it_was() -> None:
    received = response.parse(encode(build("both")))
    first = response.check(received, rules(), now=NOW)
    assert response.check(received, rules(), now=NOW) == first


def test_success_without_an_assertion_is_refused() -> None:
    with pytest.raises(SamlMalformed) as caught:
        judge(build("response", before=[without("Assertion")]))
    assert caught.value.facts["check"] == "assertion"


@pytest.mark.requirement("SAML-14", "SAML-17")
def test_unsigned_part_of_the_response_never_reaches_the_identity() -> None:
    """With only the Assertion signed an attacker may add to the Response; nothing of it may be handed on."""
    plain = judge(build("assertion"))
    extended = judge(
        build(
            "assertion",
            after=[
                adding("", f"<samlp:Extensions><x:y>{VICTIM}</x:y></samlp:Extensions>", index=1),
                attribute("", "ID", "_changed"),
                adding("Status", f"<samlp:StatusMessage>{VICTIM}</samlp:StatusMessage>"),
            ],
        )
    )
    assert extended == plain


@pytest.mark.requirement("SAML-36")
def test_attributes_are_keyed_by_name_with_all_values_in_order() -> None:
    more = adding(
        "Assertion/AttributeStatement",
        '<saml:Attribute Name="groups" FriendlyName="email"><saml:AttributeValue>b</saml:AttributeValue>'
        '<saml:AttributeValue>a</saml:AttributeValue><saml:AttributeValue xsi:nil="1"/></saml:Attribute>'
        '<saml:Attribute Name="groups"><saml:AttributeValue> c </saml:AttributeValue></saml:Attribute>'
        '<saml:Attribute Name="empty"/>',
    )
    attributes = judge(build(before=[more])).attributes
    assert attributes["groups"] == ("b", "a", " c ")
    assert attributes["empty"] == ()
    assert attributes["email"] == (SUBJECT,)
    with pytest.raises(TypeError):
        attributes["email"] = (VICTIM,)


def test_cdata_and_character_references_are_read_whole() -> None:
    changes: list[Change] = [text("Assertion/Subject/NameID", "a&b<c>")]
    assert judge(build(before=changes)).subject.value == "a&b<c>"


def test_steps_are_traced_up_to_the_refusal() -> None:
    trace: list[Check] = []
    received = response.parse(encode(build(before=[text("Assertion/Conditions/AudienceRestriction/Audience", "x")])))
    with pytest.raises(SamlWrongAudience):
        response.check(received, rules(), now=NOW, trace=trace)
    assert [step.name for step in trace][:3] == ["status", "response.issuer", "response.destination"]
    assert trace[-1] == Check("audience", "refused", "x", samples.SP)
    assert all(step.outcome == "passed" for step in trace[:-1])


def test_refusal_without_a_named_step_is_traced_by_its_code() -> None:
    trace: list[Check] = []
    received = response.parse(encode(build(signing={"uri": "#_other"})))
    with pytest.raises(Exception, match="saml_signature_invalid"):
        response.check(received, rules(), now=NOW, trace=trace)
    assert trace[-1].name == "saml_signature_invalid"
    assert trace[-1].outcome == "refused"


def test_accepted_response_carries_every_step() -> None:
    assertion = judge(build("both"))
    assert [step.name for step in assertion.checks] == [
        "status",
        "response.issuer",
        "response.signature",
        "response.algorithm",
        "response.destination",
        "response.in_response_to",
        "response.issue_instant",
        "assertion.signature",
        "assertion.algorithm",
        "signature",
        "encryption",
        "assertion.issuer",
        "assertion.issue_instant",
        "subject.format",
        "subject",
        "confirmation.recipient",
        "confirmation.in_response_to",
        "confirmation.not_on_or_after",
        "conditions.not_before",
        "conditions.not_on_or_after",
        "audience",
        "authn_instant",
    ]


@pytest.mark.requirement("SAML-24")
def test_the_moment_is_the_caller_s() -> None:
    root = build()
    assert judge(root, now=NOW)
    with pytest.raises(SamlExpired):
        judge(root, now=NOW.replace(year=2038))


@pytest.mark.requirement("SAML-41")
def test_empty_rules_accept_nothing() -> None:
    """Fail closed: a connection that lost its values must not accept a message with the same emptiness."""
    changes = [
        text("Issuer", ""),
        text("Assertion/Issuer", ""),
        text("Assertion/Conditions/AudienceRestriction/Audience", ""),
    ]
    for change in changes:
        with pytest.raises(Exception, match="saml_wrong"):
            judge(build(before=[change]), idp_entity_id="", sp_entity_id="")


def test_signed_response_with_unsigned_assertion_is_read_from_the_signed_bytes() -> None:
    root = build("response")
    assert root.tag == samlp("Response")
    assertion = judge(root)
    assert assertion.signed == "response"
    assert assertion.subject.format == names.EMAIL_ADDRESS
    assert root.find(f"{saml('Assertion')}/{ds('Signature')}") is None
