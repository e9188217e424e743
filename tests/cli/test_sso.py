"""`llmops sso`: refused until its conditions are met, always to be taken back, and a rescue link that works."""

import pytest
from support.installation import Installation
from support.visitor import Visitor

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def product(installation: Installation) -> Installation:
    options = ("--domain", "acme.test", "--plan", "enterprise", "--owner-email", "o@acme.test", "--verified")
    installation.told("org", "create", "Acme", *options)
    return installation


@pytest.mark.requirement("TEN-17")
def test_it_is_not_made_compulsory_before_its_conditions_are_met(product: Installation) -> None:
    refused = product.llmops("sso", "enforce", "acme", "--on", "--reason", "contract", "--json", expected_status=1)
    assert refused.failure["code"] == "enforcement_not_ready"
    assert refused.failure["facts"]["missing"] == "connection, sign_in, break_glass"
    assert product.told("sso", "show", "acme")["enforced"] is False


def test_what_is_missing_and_whom_it_concerns_is_told(product: Installation) -> None:
    told = product.told("sso", "show", "acme")
    assert {found["name"]: found["met"] for found in told["conditions"]} == {
        "plan": True, "domain": True, "connection": False, "sign_in": False, "break_glass": False,
    }  # fmt: skip
    assert told["effect"] == {"inside": 1, "outside": 0, "without_link": 1}
    assert told["sign_in_url"] == f"{product.url}/login/sso/acme"


def test_passwords_can_always_be_allowed_again(product: Installation) -> None:
    assert product.told("sso", "enforce", "acme", "--off", "--reason", "idp moves")["enforced"] is False


def test_both_ways_want_to_be_said_and_a_reason(product: Installation) -> None:
    assert product.llmops("sso", "enforce", "acme", "--reason", "x", expected_status=2)
    refused = product.llmops("sso", "enforce", "acme", "--off", "--reason", " ", expected_status=1)
    assert refused.failure["code"] == "reason_missing"


@pytest.mark.requirement("TEN-19", "SES-14")
def test_a_rescue_link_lets_the_owner_in_once(product: Installation) -> None:
    told = product.told("sso", "rescue", "acme", "--email", "O@acme.test")
    assert told["email"] == "o@acme.test"
    with product.serving(), Visitor(product.url) as visitor:
        page = visitor.follow(visitor.get(told["url"]))
        landed = visitor.follow(visitor.submit(page, "/login/rescue"))
        assert "your role: Owner" in landed.text
        assert visitor.submit(page, "/login/rescue").status in (403, 410)


@pytest.mark.requirement("TEN-19")
def test_nobody_but_an_owner_is_rescued(product: Installation) -> None:
    refused = product.llmops("sso", "rescue", "acme", "--email", "x@acme.test", expected_status=1)
    assert refused.failure["code"] == "rescue_needs_owner"
