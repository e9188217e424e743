"""`llmops audit`, and what `llmops org plan` leaves in the log."""

from typing import Any

import pytest
from support.installation import Installation

pytestmark = pytest.mark.database


@pytest.fixture
def product(product: Installation) -> Installation:
    product.told("org", "create", "Acme", "--domain", "acme.test", "--plan", "enterprise", "--verified")
    return product


def listed(product: Installation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = product.told("audit", "list", "acme")
    return found


def test_entries_are_listed_the_latest_first(product: Installation) -> None:
    product.told("org", "plan", "acme", "scale", "--reason", "contract ended")
    entry, *_, first = listed(product)
    assert (first["number"], first["did"]) == (1, "Created the organization")
    assert (entry["who"], entry["did"], entry["actor"]) == ("Operator of this server", "Changed the plan", "operator")
    assert entry["facts"] == {"reason": "contract ended", "before": "enterprise", "after": "scale"}
    assert product.told("audit", "list", "acme", "--limit", "1") == [entry]


@pytest.mark.requirement("SEC-07")
def test_a_chain_is_verified_and_a_change_is_named(product: Installation) -> None:
    product.told("keys", "rotate")
    [last, *_] = listed(product)
    whole = product.told("audit", "verify", "acme")
    assert whole == {"chain": "acme", "number": 2, "last_hash": last["hash"], "unchained": 0}
    assert [told["chain"] for told in product.told("audit", "verify")] == ["installation", "acme"]
    noted = f"2:{last['hash']}"
    assert product.told("audit", "verify", "acme", "--noted", noted) == whole
    ran = product.llmops("audit", "verify", "acme", "--noted", f"1:{last['hash']}", expected_status=1)
    assert ran.failure["facts"]["problem"] == "another hash than was noted"
    product.sql("UPDATE audit_entries SET target = 'evil.test' WHERE action = 'domain.verified'")
    for arguments in (("acme",), ()):
        ran = product.llmops("audit", "verify", *arguments, "--json", expected_status=1)
        assert (ran.failure["code"], ran.failure["facts"]["number"]) == ("audit_chain_broken", "2")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("verify", "nobody"), 1),
        (("list", "nobody"), 1),
        (("list",), 2),
        (("list", "acme", "--limit", "0"), 2),
        (("verify", "acme", "--noted", "3"), 2),
        (("verify", "acme", "--noted", "x:" + "0" * 64), 2),
        (("verify", "--noted", "1:" + "0" * 64), 2),
    ],
)
def test_wrong_usage_and_unknown_customers_are_told_apart(
    product: Installation, arguments: tuple[str, ...], status: int
) -> None:
    product.llmops("audit", *arguments, expected_status=status)


def test_a_plan_keeps_what_is_not_given_and_seats_go_with_their_plan(product: Installation) -> None:
    plan = ("org", "plan", "acme")
    contract = ("--seats", "40", "--price", "EUR 9,000")
    assert product.told(*plan, "enterprise", "--reason", "signed", *contract)["seats"] == 40
    assert product.told(*plan, "enterprise", "--reason", "same again")["seats"] == 40
    assert [entry["action"] for entry in listed(product)].count("plan.contract_changed") == 1
    assert product.told(*plan, "scale", "--reason", "ended")["seats"] == 100
    assert product.llmops(*plan, "scale", "--reason", " ", expected_status=1).failure["code"] == "reason_missing"
    product.llmops(*plan, "scale", "--reason", "x", "--seats", "0", expected_status=2)
