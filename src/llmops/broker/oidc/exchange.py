"""Exchange the authorization code for tokens, at the token endpoint that is stored for the connection."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from llmops.broker.oidc.discovery import Provider
from llmops.broker.oidc.wire import Answer, BadJson, Fetch, call, is_json, json_object
from llmops.errors import (
    IdpConfig,
    IdpDenied,
    IdpError,
    IdpUnavailable,
    OidcClientSecret,
    OidcCodeRefused,
    OidcMalformed,
    SignInFailure,
    UserNotAssigned,
)

_FAILURES: dict[str, type[SignInFailure]] = {
    "invalid_client": OidcClientSecret,
    "invalid_grant": OidcCodeRefused,
    "invalid_request": IdpConfig,
    "invalid_scope": IdpConfig,
    "unauthorized_client": IdpConfig,
    "unsupported_grant_type": IdpConfig,
    "access_denied": IdpDenied,
    "interaction_required": IdpDenied,  # Entra: another factor is missing
    "consent_required": IdpDenied,
    "login_required": IdpDenied,
    "server_error": IdpUnavailable,
    "temporarily_unavailable": IdpUnavailable,
}


@dataclass(frozen=True)
class Client:
    """Who we are at this identity provider."""

    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True)
class TokenAnswer:
    """Two tokens, to be used at once and dropped (OIDC-23). Nothing about them is checked yet."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)


def exchange(
    provider: Provider, client: Client, *, code: str, verifier: str, redirect_uri: str, fetcher: Fetch
) -> TokenAnswer:
    """Redeem the code, once; a code that may have arrived is not sent again.

    Raises: IdpUnavailable, OidcClientSecret, OidcCodeRefused, IdpConfig, IdpDenied, UserNotAssigned,
    IdpError, OidcMalformed.
    Source: OIDC Core §3.1.3.1–3.1.3.4; RFC 6749 §2.3.1, 4.1.3, 5.1, 5.2; RFC 7636 §4.5.
    """
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
    }
    headers = {"Accept": "application/json"}
    if provider.client_auth == "client_secret_basic":
        headers["Authorization"] = basic(client)
    else:
        form |= {"client_id": client.client_id, "client_secret": client.client_secret}
    answer = call(fetcher, "POST", provider.token_endpoint, form=form, headers=headers)
    members = _members(answer, endpoint=provider.token_endpoint)
    if answer.status != 200 or "error" in members:
        raise _refusal(answer.status, members)
    kind = members.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise OidcMalformed(problem="token answer: token_type", seen=kind, expected="Bearer")
    return TokenAnswer(id_token=_text(members, "id_token"), access_token=_text(members, "access_token"))


def basic(client: Client) -> str:
    """The Authorization header; both parts are form-encoded first. Source: RFC 6749 §2.3.1."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    return "Basic " + base64.b64encode(pair.encode("ascii")).decode("ascii")


def _members(answer: Answer, *, endpoint: str) -> Mapping[str, object]:
    """The answer's JSON; a refusal need not have any."""
    try:
        if not is_json(answer):
            raise BadJson("not JSON")
        return json_object(answer.body)
    except BadJson as error:
        if answer.status != 200:
            return {}
        raise OidcMalformed(
            problem=f"token answer: {error}", endpoint=endpoint, content_type=answer.content_type
        ) from error


def _refusal(status: int, members: Mapping[str, object]) -> SignInFailure:
    error, description = members.get("error"), members.get("error_description", "")
    # RFC 6749 §5.2: 401 is for a client that failed to authenticate.
    fallback = OidcClientSecret if status == 401 else IdpError
    kind = _FAILURES.get(error, fallback) if isinstance(error, str) else fallback
    if "aadsts50105" in str(description).casefold():
        kind = UserNotAssigned
    return kind(error=error, description=description, status=status)


def _text(members: Mapping[str, object], name: str) -> str:
    """A token: visible ASCII, so that it can stand in a header. Source: RFC 6749 appendix A.12."""
    value = members.get(name)
    if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
        raise OidcMalformed(problem=f"token answer: no {name}, or with characters that a token cannot have")
    return value
