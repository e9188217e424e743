"""`llmops user`: take a lost second factor away, erase a person; why stands in the audit log."""

from datetime import UTC, datetime

import pyotp
import pytest
from support.installation import Installation

from llmops.accounts import factors
from llmops.base.sealing import Sealer

pytestmark = pytest.mark.database
KEY = "a-secret-of-an-installation-4711-4712"


@pytest.fixture(scope="module")
def product(installation: Installation) -> Installation:
    installation.more["LLMOPS_SECRET_KEY"] = KEY
    installation.told("org", "create", "Acme", "--plan", "enterprise")
    installation.told("user", "create", "olga@acme.test", "--org", "acme", "--role", "owner")
    return installation


def person(product: Installation, address: str) -> str:
    return str(product.told("user", "create", address, "--org", "acme")["id"])


def test_a_lost_second_factor_is_taken_away(product: Installation) -> None:
    user_id = person(product, "pat@acme.test")
    now, sealer = datetime.now(UTC), Sealer((KEY,))
    with product.database() as database, database.writing() as db:
        secret = factors.begin(db, sealer, user_id, now=now)
        factors.confirm(db, sealer, user_id, code=pyotp.TOTP(secret).at(now), now=now)
    told = product.told("user", "remove-factor", "Pat@acme.test", "--reason", "known by voice")
    assert told == {"user_id": user_id, "sessions": 0, "is_break_glass": False}
    assert product.recorded(user_id) == ["second_factor.removed"]
    again = product.llmops("user", "remove-factor", "pat@acme.test", "--reason", "again", "--json", expected_status=1)
    assert again.failure["code"] == "second_factor_missing"


def test_a_person_is_erased(product: Installation) -> None:
    user_id = person(product, "ann@acme.test")
    assert product.told("user", "erase", "ann@acme.test", "--reason", "asked for it")["user_id"] == user_id
    assert product.recorded(user_id) == ["person.erased", "person.erased"]
    again = product.llmops("user", "erase", "ann@acme.test", "--reason", "again", "--json", expected_status=1)
    assert again.failure["code"] == "person_unknown"
