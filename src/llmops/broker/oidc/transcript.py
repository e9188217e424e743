"""What an ID token and UserInfo say, for people who look for a mistake: never the token itself, nor what proves it.

Nothing here is verified, and nothing here decides.
"""

import json
import re
from collections.abc import Callable, Mapping

from llmops.broker.oidc import jose
from llmops.errors import OidcMalformed

REMOVED = "[removed]"
_HEADER = ("alg", "kid", "typ", "cty", "enc")
_PROOFS = frozenset("nonce at_hash c_hash s_hash jti sid".split())
_TOKEN_LIKE = re.compile(r"eyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){2,4}")

Hides = Callable[[str], bool]
"""Whether a member of this name holds a secret."""


def heard(token: str) -> tuple[Mapping[str, object], Mapping[str, object]] | None:
    """Header and claims of an ID token, whether or not its signature is good; None for what is not one."""
    try:
        return jose.look(token)
    except OidcMalformed:
        return None


def written(
    header: Mapping[str, object], claims: Mapping[str, object], userinfo: Mapping[str, object] | None, *, hides: Hides
) -> str:
    """The ID token's header and claims and UserInfo's answer as indented JSON, without what is secret in them."""
    shown: dict[str, object] = {
        "id_token_header": {name: _harmless(header[name], hides) for name in _HEADER if name in header},
        "id_token_claims": harmless(claims, hides=hides),
    }
    if userinfo is not None:
        shown["userinfo"] = harmless(userinfo, hides=hides)
    return json.dumps(shown, indent=2, ensure_ascii=False)


def harmless(members: Mapping[str, object], *, hides: Hides) -> dict[str, object]:
    """The members, with the values of those taken out that prove something or are called a secret."""
    return {
        name: REMOVED if name in _PROOFS or hides(name) else _harmless(value, hides) for name, value in members.items()
    }


def _harmless(value: object, hides: Hides) -> object:
    if isinstance(value, dict):
        return harmless(value, hides=hides)
    if isinstance(value, list):
        return [_harmless(item, hides) for item in value]
    return REMOVED if isinstance(value, str) and _TOKEN_LIKE.fullmatch(value) else value
