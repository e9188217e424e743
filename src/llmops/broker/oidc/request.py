"""Begin a sign-in: the values that tie the answer to this attempt, and the address to send the browser to."""

import base64
import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit, urlunsplit

from llmops.broker.oidc.discovery import Provider

DEFAULT_SCOPES = ("openid", "profile", "email")


@dataclass(frozen=True)
class Attempt:
    """Three random values of 256 bits, kept on the server. `verifier` is PKCE's code verifier."""

    state: str
    nonce: str
    verifier: str = field(repr=False)


def new_attempt() -> Attempt:
    """Fresh values for one attempt. Source: RFC 7636 §4.1; RFC 9700 §4.7; OIDC-02, OIDC-03, OIDC-04."""
    return Attempt(state=secrets.token_urlsafe(32), nonce=secrets.token_urlsafe(32), verifier=secrets.token_urlsafe(32))


def challenge(verifier: str) -> str:
    """PKCE's code challenge by S256, the only method we use. Source: RFC 7636 §4.2."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def authorization_url(
    provider: Provider,
    *,
    client_id: str,
    redirect_uri: str,
    state: str,
    nonce: str,
    verifier: str,
    scopes: Sequence[str] = DEFAULT_SCOPES,
    login_hint: str | None = None,
    max_age_seconds: int | None = None,
    prompt: str | None = None,
    hd: str | None = None,
    claims: Sequence[str] = (),
) -> str:
    """Where to send the browser. `hd` is Google's hint; what it answers is checked in the ID token.

    `prompt` "login" and `max_age_seconds` 0 ask that the person proves again who they are; `auth_time` tells (OIDC-20).

    `claims` are asked for by name at UserInfo, where the provider heeds that: some send no names for `profile` alone.

    No response_mode: for the code flow the default is the query, and naming a default is discouraged.
    Source: OIDC Core §3.1.2.1; OAuth 2.0 Multiple Response Types §2.1; RFC 6749 §3.1 (a query is kept).
    """
    parameters: dict[str, str] = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(dict.fromkeys(("openid", *scopes))),
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    optional = {
        "login_hint": login_hint,
        "max_age": None if max_age_seconds is None else str(max_age_seconds),
        "prompt": prompt,
        "hd": hd,
        "claims": _claims_parameter(claims) if claims and provider.takes_claims else None,
    }
    parameters |= {name: value for name, value in optional.items() if value is not None}
    parts = urlsplit(provider.authorization_endpoint)
    query = "&".join(part for part in (parts.query, urlencode(parameters)) if part)
    return urlunsplit((parts.scheme, parts.netloc, parts.path, query, ""))


def _claims_parameter(names: Sequence[str]) -> str:
    """Ask for each claim as a voluntary one: null means «if you have it». Source: OIDC Core §5.5.1."""
    return json.dumps({"userinfo": dict.fromkeys(names)}, separators=(",", ":"))
