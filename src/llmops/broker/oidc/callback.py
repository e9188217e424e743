"""The browser's way back: one code or one error, from the identity provider that was asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from llmops.broker.oidc.discovery import Provider
from llmops.errors import (
    IdpConfig,
    IdpDenied,
    IdpError,
    IdpUnavailable,
    LoginUnknown,
    OidcMalformed,
    OidcWrongIssuer,
    SignInFailure,
    UserNotAssigned,
)

PARAMETER_LIMIT = 32
VALUE_LIMIT = 8192

_FAILURES: dict[str, type[SignInFailure]] = {
    "access_denied": IdpDenied,
    "user_canceled_request": IdpDenied,  # Okta
    # We never ask for a silent sign-in, so these mean that the person has to do something there first.
    "login_required": IdpDenied,
    "interaction_required": IdpDenied,
    "consent_required": IdpDenied,
    "account_selection_required": IdpDenied,
    "invalid_request": IdpConfig,
    "invalid_request_uri": IdpConfig,
    "invalid_request_object": IdpConfig,
    "invalid_scope": IdpConfig,
    "unauthorized_client": IdpConfig,
    "unsupported_response_type": IdpConfig,
    "request_not_supported": IdpConfig,
    "request_uri_not_supported": IdpConfig,
    "registration_not_supported": IdpConfig,
    "server_error": IdpUnavailable,
    "temporarily_unavailable": IdpUnavailable,
}


@dataclass(frozen=True)
class Callback:
    """What came back. Only `state` may be used before the attempt was found; nothing is to be trusted."""

    state: str
    code: str | None = field(repr=False)
    error: str | None
    error_description: str | None
    iss: str | None


def read_callback(pairs: Sequence[tuple[str, str]]) -> Callback:
    """Read the query of the redirect URI, decoded, in the order in which it came.

    Raises: OidcMalformed (a parameter twice, code and error together, too much), LoginUnknown (no state).
    Source: RFC 6749 §3.1, 4.1.2, 4.1.2.1 (an empty value counts as none); OIDC-02, OIDC-21.
    """
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise OidcMalformed(problem="a parameter appears twice", seen=" ".join(names))
    if len(pairs) > PARAMETER_LIMIT or any(len(value) > VALUE_LIMIT for _, value in pairs):
        raise OidcMalformed(problem="too many or too long parameters", count=len(pairs))
    values = {name: value for name, value in pairs if value}
    if "state" not in values:
        raise LoginUnknown(problem="no state")
    if "code" in values and "error" in values:
        raise OidcMalformed(problem="code and error together", error=values["error"])
    return Callback(
        state=values["state"],
        code=values.get("code"),
        error=values.get("error"),
        error_description=values.get("error_description"),
        iss=values.get("iss"),
    )


def require_code(callback: Callback, provider: Provider) -> str:
    """The authorization code, once the caller has found the attempt that `state` names.

    Raises: OidcWrongIssuer, OidcMalformed, or what the identity provider's error means (`failure_for`).
    Source: RFC 9207 §2.4 (also for errors); RFC 6749 §4.1.2; OIDC-05.
    """
    if callback.iss is not None and callback.iss != provider.issuer:
        raise OidcWrongIssuer(seen=callback.iss, expected=provider.issuer, where="callback")
    if callback.iss is None and provider.sends_iss:
        raise OidcWrongIssuer(seen=None, expected=provider.issuer, where="callback")
    if callback.error is not None:
        raise failure_for(callback.error, callback.error_description)
    if callback.code is None:
        raise OidcMalformed(problem="neither code nor error")
    return callback.code


def failure_for(error: str, description: str | None) -> SignInFailure:
    """What an error at the redirect URI means to us. The description is a fact, never a sentence of ours.

    Source: RFC 6749 §4.1.2.1; OIDC Core §3.1.2.6. «Not assigned» is Okta's wording, AADSTS50105 Entra's code.
    """
    text = (description or "").casefold()
    kind = _FAILURES.get(error, IdpError)
    if "aadsts50105" in text or (error == "access_denied" and "not assigned" in text):
        kind = UserNotAssigned
    return kind(error=error, description=description or "")
