"""Signature wrapping and its relatives: what is signed is kept somewhere, what is read is another (TST-02)."""

from saml import attacks
from saml.build import Change
from saml.vectors.vector import ASSERTION_SIGNED, PLAIN, RESPONSE_SIGNED, Vector

MOVED = ("TST-02", "SAML-05", "SAML-06", "SAML-07", "SAML-09")
UNCOVERED = ("TST-02", "SAML-09", "SAML-10", "SAML-16")

_ASSERTION_ATTACKS: dict[str, Change] = {
    "XSW3": attacks.xsw3,
    "XSW4": attacks.xsw4,
    "XSW5": attacks.xsw5,
    "XSW6": attacks.xsw6,
    "XSW7": attacks.xsw7,
    "XSW8": attacks.xsw8,
    "original in Advice": attacks.into_advice,
    "original in an attribute value": attacks.into_attribute_value,
    "original in StatusDetail": attacks.into_status_detail,
    "original in KeyInfo": attacks.into_key_info,
    "original in a foreign extension": attacks.into_foreign_extension,
    "original in a context declaration": attacks.into_context_declaration,
    "original in confirmation data": attacks.into_confirmation_data,
    "original in EncryptedAssertion": attacks.into_encrypted_assertion,
    "signature last": attacks.signature_last,
    "signature before Issuer": attacks.signature_before_issuer,
    "signature in Subject": attacks.signature_in_subject,
    "signature in Extensions": attacks.signature_in_extensions,
    "signature twice": attacks.signature_twice,
    "Assertion twice": attacks.assertion_twice,
    "forged Assertion after": attacks.second_assertion,
    "forged Assertions on both sides": attacks.forged_on_both_sides,
    "forged Assertion of the same ID before": attacks.same_id_before,
    "forged Assertion of the same ID after": attacks.same_id_after,
    "forged Assertion with ID and signature before": attacks.same_id_with_signature,
    "EncryptedAssertion beside": attacks.encrypted_beside,
    "Assertion alone": attacks.assertion_alone,
}
_RESPONSE_ATTACKS: dict[str, Change] = {
    "XSW1": attacks.xsw1,
    "XSW2": attacks.xsw2,
    "Response in an Object of its signature": attacks.response_into_object,
    "Response in Extensions": attacks.response_into_extensions,
    "Response in StatusDetail": attacks.response_into_status_detail,
}
# What leaves one Assertion in the Response can be hidden from the first look by encrypting it.
_ENCRYPTED_AFTERWARDS = (
    "XSW4",
    "XSW6",
    "XSW8",
    "original in Advice",
    "original in an attribute value",
    "original in KeyInfo",
    "original in a context declaration",
    "original in confirmation data",
    "signature last",
    "signature before Issuer",
    "signature in Subject",
    "signature twice",
)

WRAPPING = [
    *(
        Vector(name, "saml_malformed", MOVED, ASSERTION_SIGNED, after=[attack])
        for name, attack in _ASSERTION_ATTACKS.items()
    ),
    *(
        Vector(name, "saml_malformed", MOVED, RESPONSE_SIGNED, after=[attack])
        for name, attack in _RESPONSE_ATTACKS.items()
    ),
    *(
        Vector(
            f"{name}, then encrypted",
            "saml_malformed",
            (*MOVED, "SAML-31"),
            ("assertion", "unsolicited"),
            after=[_ASSERTION_ATTACKS[name]],
            then_encrypted=True,
        )
        for name in _ENCRYPTED_AFTERWARDS
    ),
    Vector(
        "original in KeyInfo of the Response", "saml_malformed", MOVED, ("both",),
        after=[attacks.into_key_info_of_response],
    ),
    Vector("Response in a Response", "saml_malformed", MOVED, PLAIN, after=[attacks.nested_response], reason="missing"),
    Vector("SOAP envelope", "saml_malformed", MOVED, PLAIN, after=[attacks.in_envelope], reason="root"),
]  # fmt: skip

SIGNATURES = [
    Vector(
        "victim in place of the subject", "saml_signature_invalid", UNCOVERED, PLAIN,
        after=[attacks.signed_in_place], reason="not_verified",
    ),
    Vector(
        "signature moved up to the Response", "saml_signature_invalid", UNCOVERED, ("assertion", "unsolicited"),
        after=[attacks.signature_moved_up], reason="reference",
    ),
    Vector(
        "signature moved down to the Assertion", "saml_signature_invalid", UNCOVERED, ("response",),
        after=[attacks.signature_moved_down], reason="reference",
    ),
    Vector(
        "signature of another message", "saml_signature_invalid", UNCOVERED, ("assertion", "unsolicited"),
        after=[attacks.signature_of_another_message], reason="reference",
    ),
    Vector(
        "signature of another message with the same ID", "saml_signature_invalid", UNCOVERED,
        ("assertion", "unsolicited"), after=[attacks.signature_of_the_same_id], reason="not_verified",
    ),
    Vector(
        "signature emptied", "saml_signature_invalid", UNCOVERED, ("assertion", "unsolicited"),
        after=[attacks.signature_emptied], reason="form",
    ),
    Vector(
        "signature without SignedInfo", "saml_signature_invalid", UNCOVERED, ("assertion", "unsolicited"),
        after=[attacks.signature_without_signed_info], reason="form",
    ),
    Vector("every signature removed", "saml_signature_missing", UNCOVERED, PLAIN, after=[attacks.unsigned]),
    Vector(
        "every signature removed, victim as subject", "saml_signature_missing", UNCOVERED, PLAIN,
        after=[attacks.unsigned_and_changed],
    ),
    Vector(
        "signature removed, then encrypted", "saml_signature_missing", (*UNCOVERED, "SAML-31"),
        ("assertion", "unsolicited"), after=[attacks.unsigned_and_changed], then_encrypted=True,
    ),
    Vector(
        "Assertion's signature removed below the Response's", "saml_signature_invalid", UNCOVERED, ("both",),
        after=[attacks.assertion_signature_removed], reason="not_verified",
    ),
    Vector(
        "Response's signature removed where both are demanded", "saml_signature_missing", UNCOVERED, ("both",),
        after=[attacks.response_signature_removed], want_signed="both",
    ),
    Vector(
        "Response's signature removed where it is demanded", "saml_signature_missing", UNCOVERED, ("both",),
        after=[attacks.response_signature_removed], want_signed="response",
    ),
    Vector(
        "only the Assertion signed where the Response must be", "saml_signature_missing", UNCOVERED,
        ("assertion", "encrypted"), want_signed="response",
    ),
    Vector(
        "only the Response signed where the Assertion must be", "saml_signature_missing", UNCOVERED,
        ("response", "encrypted-response"), want_signed="assertion",
    ),
]  # fmt: skip
