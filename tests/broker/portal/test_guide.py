"""The guides: complete for every identity provider, read strictly, and about names that we understand."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest

from llmops.broker.connections import Kind, addresses
from llmops.broker.portal import guide
from llmops.broker.portal.guide import Guide, GuideInvalid
from llmops.broker.profiles import USUAL_NAMES

OURS = guide.values(
    addresses("https://llm-ops.test", "conn_1"), connection_id="conn_1", start_url="https://llm-ops.test/login/sso/acme"
)
ANYWHERE = ("email_missing", "first_name_missing", "last_name_missing", "email_outside_domains", "email_ambiguous",
            "user_not_assigned", "idp_denied", "idp_config", "idp_error", "idp_unavailable",
            "subject_shared")  # fmt: skip
SAML = ("saml_wrong_audience", "saml_wrong_recipient", "saml_wrong_destination", "saml_wrong_issuer",
        "saml_key_unknown", "saml_signature_missing", "saml_signature_invalid", "idp_certificate_expired",
        "saml_algorithm_refused", "saml_decryption_failed", "saml_subject_unusable", "saml_expired",
        "saml_not_yet_valid", "saml_unsolicited")  # fmt: skip
OIDC = ("oidc_client_secret", "oidc_wrong_issuer", "oidc_wrong_audience", "oidc_key_unknown",
        "oidc_signature_invalid", "oidc_algorithm_refused", "oidc_code_refused", "oidc_expired",
        "oidc_discovery_invalid", "email_not_verified")  # fmt: skip
ADFS_CLAIMS = {
    "E-Mail Address": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress",
    "Given Name": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
    "Surname": "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
    "Group": "http://schemas.xmlsoap.org/claims/Group",
}
"""What AD FS sends for the claim types that its console names."""

every_kind = pytest.mark.parametrize("kind", list(Kind), ids=str)


def raw(kind: Kind) -> dict[str, Any]:
    return guide.load(f"{kind.name.lower()}.toml")


def read(changed: dict[str, Any], kind: Kind = Kind.OKTA_SAML, **common: Any) -> Guide:
    return guide.read(kind, changed, {**guide.load("common.toml"), **common})


@every_kind
def test_every_kind_has_its_guide_in_the_package(kind: Kind) -> None:
    found = guide.of(kind)
    assert (found.kind, found.title) == (kind, kind.label)
    assert found.protocol == ("SAML 2.0" if kind.is_saml else "OpenID Connect")
    assert found in guide.everyone()


def test_guides_come_in_the_order_of_the_kinds() -> None:
    assert [found.kind for found in guide.everyone()] == list(Kind)


@every_kind
def test_every_failure_that_the_provider_can_cause_has_its_repair(kind: Kind) -> None:
    for code in ANYWHERE + (SAML if kind.is_saml else OIDC):
        assert 2 <= len(guide.of(kind).fixes.get(code, ())) <= 4, code


@every_kind
def test_no_repair_of_the_other_protocol(kind: Kind) -> None:
    assert not [code for code in guide.of(kind).fixes if code.startswith("oidc_" if kind.is_saml else "saml_")]


@pytest.mark.parametrize("kind", [Kind.ENTRA_OIDC, Kind.GOOGLE_OIDC], ids=str)
def test_another_tenant_is_explained_where_there_are_tenants(kind: Kind) -> None:
    assert guide.of(kind).fixes["oidc_wrong_tenant"]


def test_a_failure_without_a_cause_at_the_provider_has_no_repair_there() -> None:
    assert guide.of(Kind.OKTA_SAML).fixes.get("no_seats_left", ()) == ()


def test_a_guide_speaks_its_own_console_before_the_shared_words() -> None:
    okta, generic = (guide.of(kind).fixes["saml_wrong_audience"] for kind in (Kind.OKTA_SAML, Kind.GENERIC_SAML))
    assert "**Audience URI (SP Entity ID)**" in " ".join(okta)
    assert generic == guide.shared()["saml"].fixes["saml_wrong_audience"] != okta


@every_kind
def test_a_guide_has_the_steps_that_the_wizard_counts_on(kind: Kind) -> None:
    steps = guide.of(kind).steps
    assert "assign" in [step.slug for step in steps]
    wanted = {"entra"} if kind is Kind.ENTRA_OIDC else {"metadata"} if kind.is_saml else {"oidc"}
    assert {step.input for step in steps} - {""} == wanted


@every_kind
def test_our_values_stand_in_copy_boxes(kind: Kind) -> None:
    copied = {box.value for step in guide.of(kind).steps for box in step.copies}
    assert ({"{acs_url}", "{sp_entity_id}"} if kind.is_saml else {"{oidc_redirect_uri}"}) <= copied


@every_kind
def test_the_attributes_of_a_guide_are_read_as_what_it_says(kind: Kind) -> None:
    rows = [
        row
        for step in raw(kind)["steps"]
        for part in (step, *step.get("variants", ()))
        for row in part.get("attributes", ())
    ]
    for row in rows:
        name = ADFS_CLAIMS[row["name"]] if kind is Kind.ADFS_SAML else row["name"]
        assert name in USUAL_NAMES[row["field"]], row
    assert {"email", "first_name", "last_name"} <= {row["field"] for row in rows}


def test_what_sign_in_cannot_do_without_is_marked_as_required() -> None:
    variants = guide.of(Kind.OKTA_SAML).steps[2].variants
    assert [variant.label for variant in variants] == ["I see a Value list", "I see Add expression"]
    for variant in variants:
        assert [(row.name, row.required) for row in variant.attributes] == [
            ("email", True), ("firstName", True), ("lastName", True), ("groups", False),
        ]  # fmt: skip


@every_kind
def test_a_filled_guide_has_no_placeholder_left(kind: Kind) -> None:
    filled = guide.of(kind).filled(OURS)
    assert not [text for text in guide.texts(filled) if re.search(r"\{[a-z_]+\}", text)]
    assert filled.kind is kind
    assert "https://llm-ops.test/" in " ".join(text for steps in filled.fixes.values() for text in steps)


def test_braces_that_are_no_placeholder_stay() -> None:
    okta = guide.of(Kind.OKTA_SAML)
    expressions = {row.value for row in okta.filled(OURS).steps[2].variants[1].attributes}
    assert "user.getGroups({'group.profile.name': 'LLM', 'operator': 'STARTS_WITH'}).![name]" in expressions


def test_the_validator_for_onelogin_fits_the_acs_url_alone() -> None:
    boxes = {box.label: box.value for step in guide.of(Kind.ONELOGIN_SAML).filled(OURS).steps for box in step.copies}
    validator = boxes["ACS (Consumer) URL Validator"]
    assert validator.startswith("^https:\\/\\/")
    assert re.search(validator, OURS["acs_url"])
    for other in ("https://llm-opsxtest/sso/saml/conn_1/acs", OURS["acs_url"] + "x", "https://evil.test/" + validator):
        assert not re.search(validator, other)


Break = Callable[[dict[str, Any]], object]
BROKEN: dict[str, Break] = {
    "unknown key": lambda new: new.update(colour="blue"),
    "key missing": lambda new: new.pop("who"),
    "empty text": lambda new: new.update(where=""),
    "no steps": lambda new: new.update(steps=[]),
    "steps missing": lambda new: new.pop("steps"),
    "unknown key of a step": lambda new: new["steps"][0].update(tip="x"),
    "step without a paragraph": lambda new: new["steps"][0].update(paragraphs=[]),
    "slug of two words": lambda new: new["steps"][0].update(slug="the app"),
    "one slug twice": lambda new: new["steps"][0].update(slug="assign"),
    "unknown form": lambda new: new["steps"][0].update(input="upload"),
    "two forms": lambda new: new["steps"][0].update(input="oidc"),
    "no form": lambda new: new["steps"][-1].pop("input"),
    "unknown key of a copy": lambda new: new["steps"][0]["copies"][0].update(hint="x"),
    "unknown field": lambda new: new["steps"][2]["variants"][0]["attributes"][0].update(field="phone"),
    "unknown key of an attribute": lambda new: new["steps"][2]["variants"][0]["attributes"][0].update(type="x"),
    "mistake without a fix": lambda new: new["mistakes"][0].pop("fix"),
    "unknown error code": lambda new: new["fixes"][0].update(codes=["saml_wrong_colour"]),
    "error code twice": lambda new: new["fixes"].append(new["fixes"][0]),
    "fix of one step": lambda new: new["fixes"][0].update(steps=["x"]),
    "fix of five steps": lambda new: new["fixes"][0].update(steps=["x"] * 5),
    "unknown key of a fix": lambda new: new["fixes"][0].update(title="x"),
    "unknown placeholder": lambda new: new.update(who="{acs}"),
    "bold not closed": lambda new: new.update(who="**Admin"),
    "code not closed": lambda new: new.update(who="`Admin"),
    "unknown share": lambda new: new.update(shares=["ping"]),
    "neither verified nor why not": lambda new: new.update(verified="", unverified=""),
    "no month": lambda new: new.update(verified="2026-13"),
    "no minutes": lambda new: new.update(minutes=0),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_wrong_file_is_not_loaded(case: str) -> None:
    changed = copy.deepcopy(raw(Kind.OKTA_SAML))
    assert read(changed) == guide.of(Kind.OKTA_SAML)
    BROKEN[case](changed)
    with pytest.raises(GuideInvalid, match="OKTA_SAML"):
        read(changed)


@pytest.mark.parametrize("part", [{"fixes": [{"codes": ["nothing"], "steps": ["a", "b"]}]}, {"tips": []}])
def test_a_wrong_shared_part_is_not_loaded(part: dict[str, Any]) -> None:
    shared = guide.load("common.toml")["shared"]
    with pytest.raises(GuideInvalid):
        read(raw(Kind.OKTA_SAML), shared={**shared, "saml": part})


def test_a_guide_not_verified_says_why() -> None:
    assert read({**raw(Kind.OKTA_SAML), "verified": "", "unverified": "nobody looked"}).verified == ""
