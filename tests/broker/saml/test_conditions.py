"""What the fields of a Response mean together: confirmations, time limits, subject and authentication.

Each field against everything that can be wrong with it is in tests/saml/vectors/fields.py.
"""

from datetime import datetime, timedelta
from typing import Any

import pytest
from lxml import etree
from saml.build import ACS, IDP, NOW, REQUEST, SP, Change, adding, at, attribute, build, judge, moment, text, without
from saml.vectors.fields import DATA, NAME_ID, STATEMENT

from llmops.broker.saml import names
from llmops.broker.saml.conditions import NameId
from llmops.errors import (
    SamlExpired,
    SamlNotYetValid,
    SamlUnsolicited,
    SamlWrongAuthnContext,
    SamlWrongIssuer,
    SamlWrongRequest,
)

CONTEXT = f"{STATEMENT}/AuthnContext/AuthnContextClassRef"


@pytest.mark.requirement("SAML-17", "SAML-18")
def test_right_response_fields_do_not_mend_a_wrong_assertion() -> None:
    with pytest.raises(SamlWrongIssuer) as caught:
        judge(build("both", before=[text("Assertion/Issuer", "https://evil.test/")]))
    assert caught.value.facts["check"] == "assertion.issuer"


# Subject confirmation ------------------------------------------------------------------------------------------

OTHER = (
    '<saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:{method}"><saml:SubjectConfirmationData '
    'Recipient="{recipient}" InResponseTo="{request}" NotOnOrAfter="{end}"/></saml:SubjectConfirmation>'
)


def _confirmation(**changes: str) -> Change:
    known = {"method": "bearer", "recipient": ACS, "request": REQUEST, "end": moment(600)}
    return adding("Assertion/Subject", OTHER.format(**{**known, **changes}), index=1)


@pytest.mark.requirement("SAML-21")
@pytest.mark.parametrize(
    "other",
    [
        {"method": "holder-of-key"},
        {"recipient": "https://other.test"},
        {"request": "_other"},
        {"end": moment(-600)},
    ],
)
def test_one_whole_bearer_confirmation_is_enough(other: dict[str, str]) -> None:
    assertion = judge(build(before=[_confirmation(**other)]))
    assert assertion.expires_at == NOW + timedelta(seconds=300 + 180)


@pytest.mark.requirement("SAML-21")
def test_two_halves_do_not_make_a_confirmation() -> None:
    changes = [_confirmation(recipient="https://other.test"), lambda root: _late(root)]
    with pytest.raises(SamlExpired):
        judge(build(before=changes))


def _late(root: etree._Element) -> None:
    """The confirmation with the right recipient is over; the other, with another recipient, is not."""
    for confirmed in root.iter("{*}SubjectConfirmationData"):
        if confirmed.get("Recipient") == ACS:
            confirmed.set("NotOnOrAfter", moment(-600))


@pytest.mark.requirement("SAML-29")
def test_replay_is_remembered_until_the_last_moment_it_could_be_accepted() -> None:
    changes = [_confirmation(end=moment(900)), attribute("Assertion/Conditions", "NotOnOrAfter", moment(700))]
    assert judge(build(before=changes)).expires_at == NOW + timedelta(seconds=700 + 180)


# Time ----------------------------------------------------------------------------------------------------------

BEGINNINGS = [
    ("", "IssueInstant", "response.issue_instant"),
    ("Assertion", "IssueInstant", "assertion.issue_instant"),
    ("Assertion/Conditions", "NotBefore", "conditions.not_before"),
    (DATA, "NotBefore", "confirmation.not_before"),
    (STATEMENT, "AuthnInstant", "authn_instant"),
]
ENDS = [
    ("Assertion/Conditions", "NotOnOrAfter", "conditions.not_on_or_after"),
    (DATA, "NotOnOrAfter", "confirmation.not_on_or_after"),
    (STATEMENT, "SessionNotOnOrAfter", "session_not_on_or_after"),
]


@pytest.mark.requirement("SAML-23", "SAML-24", "SAML-25")
@pytest.mark.parametrize(("path", "name", "check"), BEGINNINGS)
def test_beginning_later_than_the_allowance_is_refused(path: str, name: str, check: str) -> None:
    assert judge(build(before=[attribute(path, name, moment(180))]))
    with pytest.raises(SamlNotYetValid) as caught:
        judge(build(before=[attribute(path, name, moment(181))]))
    assert caught.value.facts["check"] == check
    with pytest.raises(SamlNotYetValid):
        judge(build(before=[attribute(path, name, moment(1))]), clock_allowance_seconds=0)


@pytest.mark.requirement("SAML-21", "SAML-23", "SAML-24", "SAML-25")
@pytest.mark.parametrize(("path", "name", "check"), ENDS)
def test_end_is_exclusive_and_has_the_same_allowance(path: str, name: str, check: str) -> None:
    assert judge(build(before=[attribute(path, name, moment(-179))]))
    with pytest.raises(SamlExpired) as caught:
        judge(build(before=[attribute(path, name, moment(-180))]))
    assert caught.value.facts["check"] == check
    with pytest.raises(SamlExpired):
        judge(build(before=[attribute(path, name, moment(0))]), clock_allowance_seconds=0)


@pytest.mark.parametrize(("path", "name"), [(path, name) for path, name, _ in ENDS])
def test_the_end_of_time_is_a_time(path: str, name: str) -> None:
    assert judge(build(before=[attribute(path, name, "9999-12-31T23:59:59.9999999Z")]))


def test_never_ending_answer_is_remembered_for_ever() -> None:
    end = "9999-12-31T23:59:59.9999999Z"
    changes = [attribute("Assertion/Conditions", "NotOnOrAfter", end), attribute(DATA, "NotOnOrAfter", end)]
    assert judge(build(before=changes)).expires_at.year == 9999


def test_conditions_without_times_are_accepted() -> None:
    path = "Assertion/Conditions"
    changes = [attribute(path, "NotBefore", None), attribute(path, "NotOnOrAfter", None)]
    assert judge(build(before=changes)).expires_at == NOW + timedelta(seconds=480)


# Unsolicited ---------------------------------------------------------------------------------------------------


@pytest.mark.requirement("SAML-34")
def test_unsolicited_response_is_refused_by_default() -> None:
    with pytest.raises(SamlUnsolicited):
        judge(build("unsolicited"), request_id=None)


@pytest.mark.requirement("SAML-34")
def test_unsolicited_response_is_accepted_where_allowed() -> None:
    assert judge(build("unsolicited"), request_id=None, allow_unsolicited=True).in_response_to is None


@pytest.mark.requirement("SAML-27", "SAML-34")
@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(("path", "value"), [("", REQUEST), (DATA, REQUEST), ("", ""), (DATA, "")])
def test_answer_to_no_request_of_ours_is_refused(path: str, value: str, allowed: bool) -> None:
    changes = [attribute(path, "InResponseTo", value)]
    with pytest.raises(SamlWrongRequest if allowed or not path else SamlUnsolicited):
        judge(build("unsolicited", before=changes), request_id=None, allow_unsolicited=allowed)


@pytest.mark.requirement("SAML-34")
def test_unsolicited_response_does_not_answer_a_pending_request() -> None:
    with pytest.raises(SamlWrongRequest):
        judge(build("unsolicited"), allow_unsolicited=True)


@pytest.mark.requirement("SAML-25")
@pytest.mark.parametrize("path", ["", "Assertion"])
def test_old_unsolicited_response_is_refused(path: str) -> None:
    changes: dict[str, Any] = {"request_id": None, "allow_unsolicited": True}
    assert judge(build("unsolicited", before=[attribute(path, "IssueInstant", moment(-479))]), **changes)
    with pytest.raises(SamlExpired):
        judge(build("unsolicited", before=[attribute(path, "IssueInstant", moment(-480))]), **changes)


def test_old_answer_to_a_request_is_a_matter_of_its_own_limits() -> None:
    assert judge(build(before=[attribute("", "IssueInstant", moment(-3000))]))


# Subject -------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("SAML-36")
def test_subject_is_read_whole_with_format_and_qualifiers() -> None:
    changes = [
        text(NAME_ID, " Ann Lee "),
        attribute(NAME_ID, "Format", names.PERSISTENT),
        attribute(NAME_ID, "NameQualifier", IDP),
        attribute(NAME_ID, "SPNameQualifier", SP),
    ]
    assert judge(build(before=changes)).subject == NameId(" Ann Lee ", names.PERSISTENT, IDP, SP)


def test_subject_without_a_format_is_unspecified() -> None:
    assert judge(build(before=[attribute(NAME_ID, "Format", None)])).subject.format == names.UNSPECIFIED


# Authentication ------------------------------------------------------------------------------------------------


@pytest.mark.requirement("SAML-26")
def test_forced_authentication_must_be_fresh() -> None:
    asked = NOW - timedelta(seconds=60)
    change = attribute(STATEMENT, "AuthnInstant", moment(-60 - 180))
    assert judge(build(before=[change]), force_authn_at=asked)
    with pytest.raises(SamlWrongAuthnContext):
        judge(build(before=[attribute(STATEMENT, "AuthnInstant", moment(-60 - 181))]), force_authn_at=asked)


@pytest.mark.requirement("SAML-26")
@pytest.mark.parametrize("change", [text(CONTEXT, "urn:other"), text(CONTEXT, ""), without(CONTEXT)])
def test_demanded_authentication_class_must_be_met(change: Change) -> None:
    demanded = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    assert judge(build(), authn_context=demanded).authn_context == demanded
    with pytest.raises(SamlWrongAuthnContext):
        judge(build(before=[change]), authn_context=demanded)


def _second_statement(instant: str, context: str, end: str) -> Change:
    return adding(
        "Assertion",
        f'<saml:AuthnStatement AuthnInstant="{instant}" SessionNotOnOrAfter="{end}"><saml:AuthnContext>'
        f"<saml:AuthnContextClassRef>{context}</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement>",
    )


@pytest.mark.requirement("SAML-26")
def test_of_several_statements_the_weakest_counts() -> None:
    assertion = judge(build(before=[_second_statement(moment(-900), "urn:old", moment(60))]))
    assert assertion.authn_instant == NOW - timedelta(seconds=900)
    assert assertion.authn_context == "urn:old"
    assert assertion.session_not_on_or_after == NOW + timedelta(seconds=60)


@pytest.mark.requirement("SAML-26")
def test_every_statement_must_meet_the_demanded_class() -> None:
    demanded = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
    with pytest.raises(SamlWrongAuthnContext):
        judge(build(before=[_second_statement(moment(-1), "urn:weak", moment(60))]), authn_context=demanded)


def test_session_end_is_handed_on() -> None:
    end = NOW + timedelta(hours=8)
    change = attribute(STATEMENT, "SessionNotOnOrAfter", moment(8 * 3600))
    assert judge(build(before=[change])).session_not_on_or_after == end


def test_session_index_and_instant_are_handed_on() -> None:
    assertion = judge(build())
    assert assertion.session_index == "_s1"
    assert assertion.authn_instant == datetime.fromisoformat(moment(-1))
    assert at(STATEMENT, build()).get("SessionIndex") == "_s1"
