"""Every field of a signed Response against everything that can be wrong with it (TST-05)."""

from collections.abc import Callable

from saml.build import (
    REQUEST,
    Change,
    adding,
    altered,
    attribute,
    moment,
    text,
    without,
)
from saml.vectors.vector import ALL, ASKED, PLAIN, RESPONSE_SIGNED, Vector

from llmops.broker.saml import names

CONFIRMATION = "Assertion/Subject/SubjectConfirmation"
DATA = f"{CONFIRMATION}/SubjectConfirmationData"
AUDIENCE = "Assertion/Conditions/AudienceRestriction/Audience"
STATEMENT = "Assertion/AuthnStatement"
NAME_ID = "Assertion/Subject/NameID"
_CODE = "Status/StatusCode"

Alter = Callable[[str], str]

# What an element or attribute can hold instead of its right value.
_WRONG: dict[str, Alter] = {
    "empty": lambda right: "",
    "wrong": lambda right: "https://evil.test/",
    "prefix": lambda right: right[:-1],
    "suffix": lambda right: right + "x",
    "slash": lambda right: right + "/",
    "other case": lambda right: right.upper(),
    "space inside": lambda right: right[:9] + " " + right[9:],
    "doubled": lambda right: right + right,
    "two in one": lambda right: right + " " + right,
}
_SPACED: dict[str, Alter] = {
    "space before": lambda right: " " + right,
    "space after": lambda right: right + " ",
}
_NO_TIME: dict[str, Alter] = {
    "empty": lambda right: "",
    "wrong": lambda right: "now",
    "prefix": lambda right: right[:-1],
    "suffix": lambda right: right + "x",
    "other case": lambda right: right.lower(),
    "space before": lambda right: " " + right,
    "space after": lambda right: right + "\n",
    "doubled": lambda right: right + right,
    "date alone": lambda right: right[:10],
    "offset": lambda right: right[:-1] + "+00:00",
}


def _field(
    name: str,
    path: str,
    attribute_name: str | None,
    expected: tuple[str, str],
    proves: str,
    anothers: str,
    *,
    styles: tuple[str, ...] = ALL,
    spaced: bool = True,
) -> list[Vector]:
    """A field with one right value: `expected` is the code and the check, `anothers` another tenant's right value."""
    code, check = expected
    variations = {**_WRONG, **(_SPACED if spaced else {}), "another tenant's": lambda right: anothers}

    def door(variation: str) -> str:
        """A Response that names another request, or none, is matched to no attempt before its fields are judged."""
        if check != "response.in_response_to":
            return ""
        return "saml_unsolicited" if variation == "empty" else "login_unknown"

    return [
        Vector(
            f"{name}: {variation}", code, ("TST-05", proves), styles,
            before=[altered(path, attribute_name, alter)], reason=check, door=door(variation),
        )
        for variation, alter in variations.items()
    ]  # fmt: skip


def _missing(
    name: str, change: Change, expected: tuple[str, str], proves: str, styles: tuple[str, ...] = ALL, door: str = ""
) -> Vector:
    code, reason = expected
    return Vector(f"{name}: missing", code, ("TST-05", proves), styles, before=[change], reason=reason, door=door)


_ISSUER = "saml_wrong_issuer"
_REQUEST_ = "saml_wrong_request"
_RECIPIENT = "saml_wrong_recipient"
_OTHER_TENANT = "https://llmops.example.test/saml/conn_2"

ADDRESSED = [
    *_field(
        "Response Issuer", "Issuer", None, (_ISSUER, "response.issuer"), "SAML-18",
        "https://idp.other.test/metadata", spaced=False,
    ),
    *_field(
        "Assertion Issuer", "Assertion/Issuer", None, (_ISSUER, "assertion.issuer"), "SAML-18",
        "https://idp.other.test/metadata", spaced=False,
    ),
    *_field("Audience", AUDIENCE, None, ("saml_wrong_audience", "audience"), "SAML-22", f"{_OTHER_TENANT}/metadata"),
    *_field("Recipient", DATA, "Recipient", (_RECIPIENT, "confirmation.recipient"), "SAML-21", f"{_OTHER_TENANT}/acs"),
    *_field(
        "Destination", "", "Destination", ("saml_wrong_destination", "response.destination"), "SAML-20",
        f"{_OTHER_TENANT}/acs",
    ),
    *_field(
        "InResponseTo", "", "InResponseTo", (_REQUEST_, "response.in_response_to"), "SAML-27",
        "_0123456789abcdef0123456789abcdef01234567", styles=ASKED,
    ),
    *_field(
        "confirmed InResponseTo", DATA, "InResponseTo", (_REQUEST_, "confirmation.in_response_to"), "SAML-27",
        "_0123456789abcdef0123456789abcdef01234567", styles=ASKED,
    ),
    _missing("Assertion Issuer", without("Assertion/Issuer"), ("saml_malformed", "missing"), "SAML-18"),
    _missing("Audience", without(AUDIENCE), ("saml_wrong_audience", "audience"), "SAML-22"),
    _missing(
        "AudienceRestriction", without("Assertion/Conditions/AudienceRestriction"),
        ("saml_wrong_audience", "audience"), "SAML-22",
    ),
    _missing("Conditions", without("Assertion/Conditions"), ("saml_wrong_audience", "no_conditions"), "SAML-23"),
    _missing("Recipient", attribute(DATA, "Recipient", None), (_RECIPIENT, "confirmation.recipient"), "SAML-21"),
    _missing("SubjectConfirmationData", without(DATA), (_RECIPIENT, "confirmation.recipient"), "SAML-21"),
    _missing("SubjectConfirmation", without(CONFIRMATION), (_RECIPIENT, "no_bearer"), "SAML-21"),
    _missing(
        "Destination", attribute("", "Destination", None), ("saml_wrong_destination", "response.destination"),
        "SAML-20", RESPONSE_SIGNED,
    ),
    _missing(
        "InResponseTo", attribute("", "InResponseTo", None), (_REQUEST_, "response.in_response_to"), "SAML-27",
        ASKED, door="saml_unsolicited",
    ),
    _missing(
        "confirmed InResponseTo", attribute(DATA, "InResponseTo", None),
        (_REQUEST_, "confirmation.in_response_to"), "SAML-27", ASKED,
    ),
    Vector(
        "InResponseTo of a request nobody made", _REQUEST_, ("TST-05", "SAML-27", "SAML-34"), ("unsolicited",),
        before=[attribute("", "InResponseTo", REQUEST)], reason="response.in_response_to", door="login_unknown",
    ),
    Vector(
        "confirmed InResponseTo of a request nobody made", _REQUEST_, ("TST-05", "SAML-27", "SAML-34"),
        ("unsolicited",), before=[attribute(DATA, "InResponseTo", REQUEST)], reason="confirmation.in_response_to",
    ),
    *(
        Vector(
            f"{path} of another format", _ISSUER, ("TST-05", "SAML-18"), ALL,
            before=[attribute(path, "Format", names.PERSISTENT)],
        )
        for path in ("Issuer", "Assertion/Issuer")
    ),
    *(
        Vector(
            f"confirmation by {method}", _RECIPIENT, ("TST-05", "SAML-21"), ALL,
            before=[attribute(CONFIRMATION, "Method", f"urn:oasis:names:tc:SAML:2.0:cm:{method}")], reason="no_bearer",
        )
        for method in ("holder-of-key", "sender-vouches", "Bearer", "")
    ),
    *(
        Vector(
            f"second AudienceRestriction {named}", "saml_wrong_audience", ("TST-05", "SAML-22"), ALL,
            before=[adding("Assertion/Conditions", f"<saml:AudienceRestriction>{other}</saml:AudienceRestriction>")],
            reason="audience",
        )
        for named, other in (("of others", "<saml:Audience>https://other.test</saml:Audience>"), ("of nobody", ""))
    ),
    *(
        Vector(
            f"Destination of the unsigned Response: {variation}", "saml_wrong_destination", ("TST-05", "SAML-20"),
            ("assertion", "encrypted", "unsolicited"), after=[altered("", "Destination", alter)],
            reason="response.destination",
        )
        for variation, alter in {"empty": _WRONG["empty"], "wrong": _WRONG["wrong"]}.items()
    ),
]  # fmt: skip

# A beginning may be 180 seconds ahead of us and an end as far behind; NOW is when every Response is judged.
_BEGINNINGS = {
    "Response IssueInstant": ("", "IssueInstant", "response.issue_instant"),
    "Assertion IssueInstant": ("Assertion", "IssueInstant", "assertion.issue_instant"),
    "Conditions NotBefore": ("Assertion/Conditions", "NotBefore", "conditions.not_before"),
    "confirmation NotBefore": (DATA, "NotBefore", "confirmation.not_before"),
    "AuthnInstant": (STATEMENT, "AuthnInstant", "authn_instant"),
}
_ENDS = {
    "Conditions NotOnOrAfter": ("Assertion/Conditions", "NotOnOrAfter", "conditions.not_on_or_after"),
    "confirmation NotOnOrAfter": (DATA, "NotOnOrAfter", "confirmation.not_on_or_after"),
    "SessionNotOnOrAfter": (STATEMENT, "SessionNotOnOrAfter", "session_not_on_or_after"),
}


def _time(path: str, name: str, alter: Alter) -> Change:
    """Another value for a time, which the usual template may not even have."""

    def change(root: object) -> None:
        attribute(path, name, alter(moment(60)))(root)

    return change


TIMES = [
    *(
        Vector(
            f"{name}: {variation}", "saml_malformed", ("TST-05", "SAML-24"), ALL,
            before=[_time(path, attribute_name, alter)], reason="time",
        )
        for name, (path, attribute_name, _) in {**_BEGINNINGS, **_ENDS}.items()
        for variation, alter in _NO_TIME.items()
    ),
    *(
        Vector(
            f"{name}: {variation}", "saml_not_yet_valid", ("TST-05", "SAML-24", "SAML-25"), ALL,
            before=[attribute(path, attribute_name, moment(seconds))], reason=check,
        )
        for name, (path, attribute_name, check) in _BEGINNINGS.items()
        for variation, seconds in {"a second too early": 181, "tomorrow": 86_400}.items()
    ),
    *(
        Vector(
            f"{name}: {variation}", "saml_expired", ("TST-05", "SAML-24", "SAML-25"), ALL,
            before=[attribute(path, attribute_name, moment(seconds))], reason=check,
        )
        for name, (path, attribute_name, check) in _ENDS.items()
        for variation, seconds in {"just over": -180, "yesterday": -86_400}.items()
    ),
    _missing("Response IssueInstant", attribute("", "IssueInstant", None), ("saml_malformed", "attribute_missing"),
             "SAML-25"),
    _missing("Assertion IssueInstant", attribute("Assertion", "IssueInstant", None),
             ("saml_malformed", "attribute_missing"), "SAML-25"),
    _missing("AuthnInstant", attribute(STATEMENT, "AuthnInstant", None), ("saml_malformed", "attribute_missing"),
             "SAML-26"),
    _missing("confirmation NotOnOrAfter", attribute(DATA, "NotOnOrAfter", None),
             ("saml_expired", "confirmation.not_on_or_after"), "SAML-21"),
    *(
        Vector(
            f"{where} that {how}", "saml_malformed", ("TST-05", "SAML-23", "SAML-24"), ALL,
            before=[attribute(path, "NotBefore", moment(begin)), attribute(path, "NotOnOrAfter", moment(end))],
            reason="ends_before_it_begins",
        )
        for where, path in {"Conditions": "Assertion/Conditions", "confirmation": DATA}.items()
        for how, begin, end in (("ends before it begins", 60, 30), ("begins and ends at once", 60, 60))
    ),
    *(
        Vector(
            f"{name}: five minutes old, and nobody asked", "saml_expired", ("TST-05", "SAML-25", "SAML-34"),
            ("unsolicited",), before=[attribute(path, "IssueInstant", moment(-480))], reason=f"{check}.age",
        )
        for name, (path, _, check) in list(_BEGINNINGS.items())[:2]
    ),
]  # fmt: skip

STATUS = [
    *(
        Vector(
            f"StatusCode: {variation}", "idp_error", ("TST-05", "SAML-30"), ALL,
            before=[altered(_CODE, "Value", alter)], reason="status",
        )
        for variation, alter in {
            **_WRONG,
            **_SPACED,
            "Responder": lambda right: names.STATUS + "Responder",
            "SAML 1.1": lambda right: "samlp:Success",
            "only the word": lambda right: "Success",
        }.items()
    ),
    _missing("StatusCode", without(_CODE), ("saml_malformed", "missing"), "SAML-30"),
    _missing("StatusCode Value", attribute(_CODE, "Value", None), ("saml_malformed", "attribute_missing"), "SAML-30"),
    _missing("Status", without("Status"), ("saml_malformed", "missing"), "SAML-30"),
    *(
        Vector(
            f"StatusCode: {second} below Responder", code, ("TST-05", "SAML-30"), ALL,
            before=[
                attribute(_CODE, "Value", names.STATUS + "Responder"),
                adding(_CODE, f'<samlp:StatusCode Value="{names.STATUS}{second}"/>'),
            ],
            reason="status",
        )
        for second, code in {
            "AuthnFailed": "idp_denied", "RequestDenied": "user_not_assigned", "NoAuthnContext": "idp_config",
            "NoAvailableIDP": "idp_unavailable", "Success": "idp_error",
        }.items()
    ),
]  # fmt: skip

_ON_THE_WAY: dict[str, Alter] = {
    "wrong": lambda right: "owner@acme.test",
    "empty": lambda right: "",
    "prefix": lambda right: right[:-1],
    "suffix": lambda right: right + "x",
    "other case": lambda right: right.upper(),
    "space before": lambda right: " " + right,
    "space after": lambda right: right + " ",
    "line break after": lambda right: right + "\n",
    "doubled": lambda right: right + right,
    "another tenant's": lambda right: "ann@other.test",
    "letter that looks the same": lambda right: right.replace("a", "а"),
}

SUBJECTS = [
    Vector("NameID: missing", "saml_subject_unusable", ("TST-05", "SAML-36"), ALL, before=[without(NAME_ID)]),
    *(
        Vector(
            f"NameID: {variation}", "saml_subject_unusable", ("TST-05", "SAML-36"), ALL,
            before=[text(NAME_ID, value)], reason="subject",
        )
        for variation, value in {"empty": "", "space alone": " \n", "no-break space alone": "\u00a0"}.items()
    ),
    Vector(
        "NameID: transient", "saml_subject_unusable", ("TST-05", "SAML-36"), ALL,
        before=[attribute(NAME_ID, "Format", names.TRANSIENT)], reason="subject.format",
    ),
    *(
        Vector(
            f"NameID on the way: {variation}", "saml_signature_invalid", ("TST-05", "SAML-10", "SAML-36"), PLAIN,
            after=[altered(NAME_ID, None, alter)], reason="not_verified",
        )
        for variation, alter in _ON_THE_WAY.items()
    ),
    *(
        Vector(
            f"{name} on the way", "saml_signature_invalid", ("TST-05", "SAML-10", "SAML-14"), PLAIN,
            after=[change], reason="not_verified",
        )
        for name, change in {
            "NameID Format": attribute(NAME_ID, "Format", names.PERSISTENT),
            "NameQualifier": attribute(NAME_ID, "NameQualifier", "https://other.test"),
            "Audience": text(AUDIENCE, f"{_OTHER_TENANT}/metadata"),
            "Recipient": attribute(DATA, "Recipient", f"{_OTHER_TENANT}/acs"),
            "NotOnOrAfter": attribute("Assertion/Conditions", "NotOnOrAfter", moment(86_400)),
            "AuthnInstant": attribute(STATEMENT, "AuthnInstant", moment(0)),
            "SessionIndex": attribute(STATEMENT, "SessionIndex", "_another"),
            "Assertion IssueInstant": attribute("Assertion", "IssueInstant", moment(0)),
            "attribute added": adding(
                "Assertion/AttributeStatement",
                '<saml:Attribute Name="groups"><saml:AttributeValue>owners</saml:AttributeValue></saml:Attribute>',
            ),
            "attributes removed": without("Assertion/AttributeStatement"),
            "Conditions removed": without("Assertion/Conditions"),
        }.items()
    ),
]  # fmt: skip

FIELDS = [*ADDRESSED, *TIMES, *STATUS, *SUBJECTS]
