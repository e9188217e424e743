"""Every check on an ID token, each broken alone; and what a good token yields."""

import math
from contextlib import nullcontext
from datetime import timedelta

import pytest
from oidc.provider import (
    ACCESS_TOKEN,
    ISSUER,
    MOMENT,
    NOW,
    Token,
    b64,
    key_set,
    rsa_key,
    rules,
    sign,
)
from oidc.vectors import HARMLESS, HOSTILE, TokenVector

from llmops.broker.oidc import keys
from llmops.broker.oidc.id_token import Claims, check_id_token
from llmops.broker.oidc.keys import KeySet
from llmops.errors import (
    OidcExpired,
    OidcMalformed,
    OidcSignatureInvalid,
    SignInFailure,
)


def check(token: Token | str, *, keys: KeySet | None = None, **changes: object) -> Claims:
    text = token if isinstance(token, str) else token.make()
    return check_id_token(text, keys or key_set(), rules=rules(**changes), access_token=ACCESS_TOKEN, now=NOW)


@pytest.mark.parametrize(
    "vector",
    [pytest.param(vector, id=vector.name, marks=pytest.mark.requirement(*vector.proves)) for vector in HOSTILE],
)
def test_hostile_token_is_refused_for_its_own_reason(vector: TokenVector) -> None:
    with pytest.raises(SignInFailure) as caught:
        check(vector.make(), keys=keys.read(vector.keys()), **vector.rules)
    assert caught.value.code == vector.code


@pytest.mark.parametrize("vector", [pytest.param(vector, id=vector.name) for vector in HARMLESS])
def test_token_that_only_looks_odd_is_accepted(vector: TokenVector) -> None:
    assert check(vector.make(), keys=keys.read(vector.keys()), **vector.rules).issuer == ISSUER


def with_claims(**claims: object) -> Token:
    return Token(claims=claims)


ACCEPTED: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "a known second audience": (
        {"other_audiences": frozenset({"client-2"})},
        {"aud": ["client-1", "client-2"], "azp": "client-1"},
    ),
    "auth_time at the edge": ({"max_age_seconds": 60}, {"auth_time": MOMENT - 240}),
    "acr as asked": ({"acr_values": frozenset({"mfa"})}, {"acr": "mfa"}),
    "the tenant": (
        {"tenant_id": "6babcaad-604b-40ac-a9d7-9fd97c0b779f"},
        {"tid": "6babcaad-604b-40ac-a9d7-9fd97c0b779f"},
    ),
    "a hosted domain": (
        {"hosted_domains": frozenset({"example.test", "example.org"})},
        {"hd": "Example.ORG", "email_verified": True},
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_token_that_meets_the_demand_is_accepted(name: str) -> None:
    changes, claims = ACCEPTED[name]
    assert check(with_claims(**claims), **changes).issuer == ISSUER


def test_claims_tell_subject_time_and_values() -> None:
    claims = check(with_claims(auth_time=MOMENT - 1.5))
    assert (claims.subject, claims.auth_time) == ("ann", MOMENT - 1.5)
    assert claims.values["email"] == "ann@example.test"


@pytest.mark.requirement("OIDC-12")
@pytest.mark.parametrize(("later", "accepted"), [(479, True), (480, False), (481, False)])
def test_token_expires_at_exp_plus_the_allowance(later: int, accepted: bool) -> None:
    moment = NOW + timedelta(seconds=later)
    with nullcontext() if accepted else pytest.raises(OidcExpired):
        check_id_token(Token().make(), key_set(), rules=rules(), access_token=ACCESS_TOKEN, now=moment)


@pytest.mark.requirement("OIDC-13")
def test_size_is_judged_before_the_signature() -> None:
    with pytest.raises(OidcMalformed) as caught:
        check(Token(claims={"groups": ["x" * 100] * 200}, key=rsa_key("other")))
    assert caught.value.facts["problem"] == "token too large"


def test_token_of_the_largest_size_is_read() -> None:
    sizes = (Token(claims={"pad": "x" * n}).make() for n in range(11_300, 11_800))
    assert check(next(token for token in sizes if len(token) == 16 * 1024)).subject == "ann"


@pytest.mark.requirement("OIDC-13")
def test_signature_is_judged_before_any_claim() -> None:
    with pytest.raises(OidcSignatureInvalid):
        check(Token(claims={"iss": "https://evil.test", "exp": 0}, key=rsa_key("other")))


def test_builder_signs_what_it_says() -> None:
    header, payload, signature = Token().make().split(".")
    assert b64(sign("RS256", rsa_key(), f"{header}.{payload}".encode())) == signature
    assert math.isclose(NOW.timestamp(), MOMENT)
