"""Status codes: only Success goes on, everything else says whose repair it is."""

import pytest
from lxml import etree
from saml.build import Change, adding, attribute, build, judge, without

from llmops.broker.saml import names
from llmops.errors import Failure, IdpConfig, IdpDenied, IdpError, IdpUnavailable, UserNotAssigned

RESPONDER = names.STATUS + "Responder"
REQUESTER = names.STATUS + "Requester"


def _status(first: str, second: str = "", message: str = "") -> Change:
    def change(root: etree._Element) -> None:
        attribute("Status/StatusCode", "Value", first)(root)
        if second:
            adding("Status/StatusCode", f'<samlp:StatusCode Value="{names.STATUS}{second}"/>')(root)
        if message:
            adding("Status", f"<samlp:StatusMessage>{message}</samlp:StatusMessage>")(root)

    return change


@pytest.mark.requirement("SAML-30")
@pytest.mark.parametrize(
    ("first", "second", "failure"),
    [
        (RESPONDER, "AuthnFailed", IdpDenied),
        (RESPONDER, "NoPassive", IdpDenied),
        (RESPONDER, "RequestDenied", UserNotAssigned),
        (REQUESTER, "RequestDenied", UserNotAssigned),
        (RESPONDER, "UnknownPrincipal", UserNotAssigned),
        (REQUESTER, "InvalidNameIDPolicy", IdpConfig),
        (RESPONDER, "NoAuthnContext", IdpConfig),
        (REQUESTER, "RequestUnsupported", IdpConfig),
        (REQUESTER, "UnsupportedBinding", IdpConfig),
        (REQUESTER, "InvalidAttrNameOrValue", IdpConfig),
        (REQUESTER, "UnknownAttrProfile", IdpConfig),
        (REQUESTER, "ResourceNotRecognized", IdpConfig),
        (RESPONDER, "TooManyResponses", IdpConfig),
        (names.STATUS + "VersionMismatch", "RequestVersionTooHigh", IdpConfig),
        (names.STATUS + "VersionMismatch", "RequestVersionTooLow", IdpConfig),
        (names.STATUS + "VersionMismatch", "RequestVersionDeprecated", IdpConfig),
        (RESPONDER, "NoAvailableIDP", IdpUnavailable),
        (RESPONDER, "NoSupportedIDP", IdpUnavailable),
        (RESPONDER, "ProxyCountExceeded", IdpUnavailable),
        (RESPONDER, "", IdpError),
        (REQUESTER, "PartialLogout", IdpError),
        (names.STATUS + "VersionMismatch", "", IdpError),
        ("", "", IdpError),
        ("Success", "", IdpError),
        (names.SUCCESS + " ", "", IdpError),
        (names.SUCCESS.upper(), "", IdpError),
        (names.SUCCESS + "x", "", IdpError),
        (names.SUCCESS + names.SUCCESS, "", IdpError),
        ("urn:oasis:names:tc:SAML:1.0:status:Success", "", IdpError),
    ],
)
@pytest.mark.parametrize("style", ["response", "none"])
def test_status_tells_whose_repair_it_is(first: str, second: str, failure: type[Failure], style: str) -> None:
    with pytest.raises(failure) as caught:
        judge(build(style, before=[_status(first, second), without("Assertion")]))
    assert caught.value.facts["check"] == "status"
    assert first.strip() in caught.value.facts["seen"]


@pytest.mark.requirement("SAML-30")
@pytest.mark.parametrize("style", ["assertion", "response", "both"])
def test_assertion_below_another_status_is_not_read(style: str) -> None:
    with pytest.raises(IdpDenied):
        judge(build(style, before=[_status(RESPONDER, "AuthnFailed")]))


@pytest.mark.parametrize(
    ("message", "failure", "number"),
    [
        ("AADSTS50105: Your administrator has configured the application …", UserNotAssigned, "50105"),
        ("AADSTS75011: Authentication method by which the user …", IdpConfig, "75011"),
        ("AADSTS53003: Access has been blocked by Conditional Access policies.", IdpDenied, "53003"),
        ("AADSTS999999: not one that we know", IdpError, "999999"),
        ("Something else", IdpError, ""),
        ("x" * 400 + "AADSTS50105", IdpError, ""),
    ],
)
def test_entra_s_number_in_the_message_says_more(message: str, failure: type[Failure], number: str) -> None:
    with pytest.raises(failure) as caught:
        judge(build("none", before=[_status(RESPONDER, "", message), without("Assertion")]))
    assert caught.value.facts["aadsts"] == number
    assert caught.value.facts["status_message"] == message[:300]


def test_unknown_number_leaves_the_status_code_its_say() -> None:
    with pytest.raises(UserNotAssigned):
        judge(build("none", before=[_status(RESPONDER, "RequestDenied", "AADSTS999999"), without("Assertion")]))
