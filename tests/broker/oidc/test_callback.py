"""What may come back to our redirect URI, and what each error there means."""

import pytest
from oidc.provider import ISSUER, provider

from llmops.broker.oidc.callback import Callback, read_callback, require_code
from llmops.errors import (
    Failure,
    IdpConfig,
    IdpDenied,
    IdpError,
    IdpUnavailable,
    LoginUnknown,
    OidcMalformed,
    OidcWrongIssuer,
    UserNotAssigned,
)

SILENT = provider(authorization_response_iss_parameter_supported=False)


def answered(**values: str) -> Callback:
    return read_callback([("state", "s"), *values.items()])


def test_code_comes_back() -> None:
    callback = answered(code="c", iss=ISSUER, session_state="x")
    assert callback.state == "s"
    assert require_code(callback, provider()) == "c"


def test_callback_does_not_print_its_code() -> None:
    assert "c0de" not in repr(answered(code="c0de"))


@pytest.mark.requirement("OIDC-02", "OIDC-21", "TST-06")
@pytest.mark.parametrize(
    ("pairs", "failure"),
    [
        ([], LoginUnknown),
        ([("code", "c")], LoginUnknown),
        ([("state", ""), ("code", "c")], LoginUnknown),
        ([("error", "access_denied")], LoginUnknown),
        ([("state", "s"), ("code", "c"), ("code", "d")], OidcMalformed),
        ([("state", "s"), ("state", "s"), ("code", "c")], OidcMalformed),
        ([("state", "s"), ("code", "c"), ("iss", ""), ("iss", ISSUER)], OidcMalformed),
        ([("state", "s"), ("code", "c"), ("error", "access_denied")], OidcMalformed),
        ([("state", "s"), ("code", "c" * 8193)], OidcMalformed),
        ([("state", "s"), *((f"x{n}", "") for n in range(32))], OidcMalformed),
    ],
)
def test_query_is_refused(pairs: list[tuple[str, str]], failure: type[Failure]) -> None:
    with pytest.raises(failure):
        read_callback(pairs)


def test_long_codes_and_many_parameters_are_read() -> None:
    callback = read_callback([("state", "s"), ("code", "c" * 8192), *((f"x{n}", "") for n in range(30))])
    assert require_code(callback, SILENT) == "c" * 8192


@pytest.mark.parametrize("values", [{}, {"code": ""}, {"code": "", "error": ""}])
def test_neither_code_nor_error_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(OidcMalformed):
        require_code(answered(**values), SILENT)


@pytest.mark.requirement("OIDC-05", "TST-06")
@pytest.mark.parametrize("iss", ["https://evil.test", ISSUER + "/", ISSUER.upper()])
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("answer", [{"code": "c"}, {"error": "access_denied"}])
def test_answer_of_another_issuer_is_refused(iss: str, announced: bool, answer: dict[str, str]) -> None:
    known = provider(authorization_response_iss_parameter_supported=announced)
    with pytest.raises(OidcWrongIssuer):
        require_code(answered(iss=iss, **answer), known)


@pytest.mark.requirement("OIDC-05")
@pytest.mark.parametrize("answer", [{"code": "c"}, {"error": "access_denied"}, {"code": "c", "iss": ""}])
def test_announced_iss_that_is_missing_is_refused(answer: dict[str, str]) -> None:
    with pytest.raises(OidcWrongIssuer):
        require_code(answered(**answer), provider())


@pytest.mark.requirement("OIDC-05")
def test_iss_that_was_not_announced_may_be_missing() -> None:
    assert require_code(answered(code="c"), SILENT) == "c"


MEANINGS = [
    ("access_denied", "", IdpDenied),
    ("access_denied", "The resource owner denied the request.", IdpDenied),
    ("access_denied", "Policy evaluation failed for this request, please check the policy.", IdpDenied),
    ("access_denied", "User is not assigned to the client application.", UserNotAssigned),
    ("access_denied", "AADSTS50105: The signed in user is not assigned to a role.", UserNotAssigned),
    ("interaction_required", "AADSTS50105: Your administrator has configured the application.", UserNotAssigned),
    ("server_error", "The server is not assigned a role.", IdpUnavailable),
    ("user_canceled_request", "", IdpDenied),
    ("login_required", "", IdpDenied),
    ("interaction_required", "", IdpDenied),
    ("consent_required", "", IdpDenied),
    ("account_selection_required", "", IdpDenied),
    ("invalid_request", "", IdpConfig),
    ("invalid_scope", "", IdpConfig),
    ("unauthorized_client", "", IdpConfig),
    ("unsupported_response_type", "", IdpConfig),
    ("request_not_supported", "", IdpConfig),
    ("server_error", "", IdpUnavailable),
    ("temporarily_unavailable", "", IdpUnavailable),
    ("something_new", "", IdpError),
    ("ACCESS_DENIED", "", IdpError),
]


@pytest.mark.requirement("OIDC-21")
@pytest.mark.parametrize(("error", "description", "failure"), MEANINGS)
def test_error_means(error: str, description: str, failure: type[Failure]) -> None:
    with pytest.raises(failure) as caught:
        require_code(answered(error=error, error_description=description), SILENT)
    assert type(caught.value) is failure


@pytest.mark.requirement("OIDC-21")
def test_description_is_a_fact_and_never_our_sentence() -> None:
    with pytest.raises(IdpDenied) as caught:
        require_code(answered(error="access_denied", error_description="<b>Call 0900</b>"), SILENT)
    assert caught.value.facts == {"error": "access_denied", "description": "<b>Call 0900</b>"}
    assert "0900" not in caught.value.message
