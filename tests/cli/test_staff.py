"""`llmops staff`: the only way to an account of the staff console."""

from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from support.installation import Installation
from support.visitor import Visitor

pytestmark = pytest.mark.database
PASSWORD = "correct horse battery staple"
EMAIL = "sam@llm-ops.test"


def hired(product: Installation) -> dict[str, str]:
    told: dict[str, str] = product.told(
        "staff", "create", EMAIL, "--name", "Sam Staff", "--password-stdin", typed=PASSWORD + "\n"
    )
    return told


def sign_in(product: Installation, code: str) -> bool:
    """Whether one gets in with the password and this code, through the real server."""
    with Visitor(product.url) as visitor:
        visitor.submit(visitor.get("/staff/sign-in"), "/staff/sign-in", email=EMAIL, password=PASSWORD)
        page = visitor.follow(visitor.get("/staff/sign-in/code"))
        if page.url.endswith("/staff/sign-in/code"):
            visitor.submit(page, "/staff/sign-in/code", code=code)
        return visitor.get("/staff").status == 200


@pytest.mark.requirement("ADM-06", "PWD-14", "PWD-15")
def test_account_is_made_with_a_secret_that_is_told_once(product: Installation) -> None:
    told = hired(product)
    address = urlsplit(told["otpauth"])
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert parse_qs(address.query)["secret"] == [told["secret"]]
    assert told["sign_in"].endswith("/staff/sign-in")
    [listed] = product.told("staff", "list")
    assert listed["email"] == EMAIL
    assert listed["second_factor"] is False
    assert told["secret"] not in str(listed)
    assert PASSWORD not in str(told) + str(listed)


@pytest.mark.requirement("PWD-15")
def test_there_is_no_account_before_one_is_made(product: Installation) -> None:
    assert product.told("staff", "list") == []


@pytest.mark.parametrize(
    ("arguments", "typed", "code"),
    [
        (("staff", "create", EMAIL, "--name", "Sam", "--password-stdin"), PASSWORD, "email_in_use"),
        (("staff", "create", "nonsense", "--name", "Sam", "--password-stdin"), PASSWORD, "invalid_email"),
        (("staff", "create", "kim@llm-ops.test", "--name", "Kim", "--password-stdin"), "short", "password_too_short"),
        (("staff", "suspend", "nobody@llm-ops.test"), "", "staff_unknown"),
        (("staff", "reset-factor", "nobody@llm-ops.test"), "", "staff_unknown"),
        (("staff", "set-password", EMAIL, "--password-stdin"), "short", "password_too_short"),
    ],
)
def test_a_failure_is_json_on_stderr(product: Installation, arguments: tuple[str, ...], typed: str, code: str) -> None:
    hired(product)
    ran = product.llmops(*arguments, typed=typed + "\n", expected_status=1)
    assert ran.failure["code"] == code
    assert PASSWORD not in ran.err


@pytest.mark.requirement("PWD-14")
def test_reset_factor_voids_the_old_app(product: Installation) -> None:
    old = hired(product)
    new = product.told("staff", "reset-factor", EMAIL)
    assert new["secret"] != old["secret"]
    assert new["second_factor"] is False


@pytest.mark.requirement("ADM-06")
def test_account_opens_the_console_until_it_is_suspended(product: Installation) -> None:
    told = hired(product)
    with product.serving():
        assert sign_in(product, pyotp.TOTP(told["secret"]).now())
        assert product.told("staff", "suspend", EMAIL)["suspended"] is True
        assert not sign_in(product, pyotp.TOTP(told["secret"]).now())


def test_another_password_is_set(product: Installation) -> None:
    hired(product)
    told = product.told("staff", "set-password", EMAIL, "--password-stdin", typed="quite another long sentence\n")
    assert told["email"] == EMAIL
