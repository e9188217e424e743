"""Ask UserInfo for what the ID token left out; it can add to what the ID token says and never change it."""

from collections.abc import Mapping
from datetime import datetime

from llmops.broker.oidc import id_token, jose
from llmops.broker.oidc.discovery import Provider
from llmops.broker.oidc.id_token import Claims
from llmops.broker.oidc.keys import KeySet
from llmops.broker.oidc.wire import Answer, BadJson, Fetch, call, is_json, json_object, media_type
from llmops.errors import IdpError, OidcMalformed, OidcWrongSubject

ID_TOKEN_ONLY = frozenset(
    "iss sub aud azp exp iat nbf nonce auth_time acr amr at_hash c_hash jti sid tid oid hd".split()
)
"""Claims that count only in the signed ID token, where they were checked."""


def userinfo(
    provider: Provider,
    access_token: str,
    *,
    claims: Claims,
    client_id: str,
    keys: KeySet,
    fetcher: Fetch,
    now: datetime,
) -> Mapping[str, object]:
    """Call UserInfo and return its claims; empty if the provider has none.

    Raises: IdpUnavailable, IdpError, OidcMalformed, OidcWrongSubject, and for signed answers what
    `id_token.check_id_token` raises for signature, issuer, audience and times.
    Source: OIDC Core §5.3.1–5.3.4; RFC 6750 §2.1; OIDC-15.
    """
    if provider.userinfo_endpoint is None:
        return {}
    headers = {"Authorization": f"Bearer {access_token}", "Accept": "application/json, application/jwt"}
    answer = call(fetcher, "GET", provider.userinfo_endpoint, headers=headers)
    if answer.status != 200:
        raise IdpError(problem="UserInfo refused the access token", status=answer.status)
    if media_type(answer) == "application/jwt":
        told = _signed(answer, provider=provider, client_id=client_id, keys=keys, now=now)
    else:
        told = _plain(answer)
    # Without this check an access token of somebody else would bring somebody else's e-mail address.
    if told.get("sub") != claims.subject:
        raise OidcWrongSubject(seen=told.get("sub"), expected=claims.subject)
    return told


def merge(claims: Claims, told: Mapping[str, object]) -> Mapping[str, object]:
    """The ID token's claims, and those of UserInfo that it does not have.

    `email_verified` counts only beside the address it was said about.
    """
    own = claims.values
    merged = {name: value for name, value in told.items() if name not in ID_TOKEN_ONLY} | dict(own)
    speakers = [said for said in (own, told) if said.get("email") == merged.get("email")]
    verified = [said["email_verified"] for said in speakers if "email_verified" in said]
    merged.pop("email_verified", None)
    return merged | ({"email_verified": verified[0]} if verified else {})


def _plain(answer: Answer) -> Mapping[str, object]:
    try:
        if not is_json(answer):
            raise BadJson("not JSON")
        return json_object(answer.body)
    except BadJson as error:
        raise OidcMalformed(problem=f"UserInfo: {error}", content_type=answer.content_type) from error


def _signed(answer: Answer, *, provider: Provider, client_id: str, keys: KeySet, now: datetime) -> Mapping[str, object]:
    """A signed answer names its issuer and audience; times are optional there. Source: OIDC Core §5.3.2."""
    try:
        token = answer.body.decode("ascii").strip()
    except UnicodeDecodeError as error:
        raise OidcMalformed(problem="UserInfo: not a token") from error
    told = jose.verify(token, keys, algorithms=provider.algorithms).claims
    id_token.check_issuer(told, issuer=provider.issuer)
    id_token.check_audience(told, client_id=client_id)
    if "exp" in told:
        id_token.check_times({"iat": now.timestamp(), **told}, moment=now.timestamp())
    return told
