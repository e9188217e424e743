"""Answers of real identity providers, judged at the moment at which they were recorded."""

import json
import tomllib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from oidc.provider import says

from llmops.broker.oidc import discovery, keys
from llmops.broker.oidc.id_token import Claims, Rules, check_id_token
from llmops.broker.oidc.userinfo import merge, userinfo
from llmops.errors import OidcExpired, OidcKeyUnknown, OidcWrongAudience, OidcWrongIssuer, OidcWrongNonce

IDPS = Path(__file__).parents[2] / "idps"


@dataclass(frozen=True)
class Sample:
    provider: discovery.Provider
    keys: keys.KeySet
    token: str
    rules: Rules
    now: datetime
    userinfo: dict[str, Any]
    expected: dict[str, Any]

    def check(self) -> Claims:
        return check_id_token(self.token, self.keys, rules=self.rules, access_token=None, now=self.now)


@pytest.fixture(params=["canaille", "nanoidp"])
def sample(request: pytest.FixtureRequest) -> Sample:
    folder = IDPS / request.param / "oidc"
    expected = tomllib.loads((folder / "expect.toml").read_text())
    recorded = json.loads((folder / "id_token.json").read_text())
    document = (folder / "discovery.json").read_bytes()
    provider = discovery.read(document, issuer=expected["issuer"], allow_http=True)
    return Sample(
        provider=provider,
        keys=keys.read((folder / "jwks.json").read_bytes()),
        token=recorded["id_token"],
        rules=Rules(
            issuer=expected["issuer"],
            client_id=expected["client_id"],
            nonce=recorded["nonce_sent"],
            algorithms=provider.algorithms,
        ),
        now=expected["moment"],
        userinfo=recorded["userinfo"],
        expected=expected,
    )


def test_discovery_is_read(sample: Sample) -> None:
    for name in ("issuer", "client_auth", "sends_iss"):
        assert getattr(sample.provider, name) == sample.expected[name]
    assert list(sample.provider.algorithms) == sample.expected["algorithms"]
    assert sample.provider.warnings == ()


@pytest.mark.requirement("TST-10")
def test_sign_in_is_accepted_with_its_claims(sample: Sample) -> None:
    claims = sample.check()
    told = userinfo(
        sample.provider,
        "unknown",
        claims=claims,
        client_id=sample.rules.client_id,
        keys=sample.keys,
        fetcher=says(sample.userinfo),
        now=sample.now,
    )
    assert (claims.subject, claims.auth_time) == (sample.expected["subject"], sample.expected["auth_time"])
    assert sample.expected["claims"].items() <= merge(claims, told).items()


def test_sign_in_with_max_age_is_accepted(sample: Sample) -> None:
    assert replace(sample, rules=replace(sample.rules, max_age_seconds=0)).check().subject == "ann"


@pytest.mark.parametrize("later", [timedelta(minutes=14), timedelta(hours=2), timedelta(minutes=-4)])
def test_sign_in_at_another_moment_is_refused(sample: Sample, later: timedelta) -> None:
    with pytest.raises(OidcExpired):
        replace(sample, now=sample.now + later).check()


def test_sign_in_for_another_attempt_client_or_issuer_is_refused(sample: Sample) -> None:
    for change, failure in (
        ({"nonce": "another"}, OidcWrongNonce),
        ({"client_id": "another"}, OidcWrongAudience),
        ({"issuer": "http://localhost:18083/"}, OidcWrongIssuer),
    ):
        with pytest.raises(failure):
            replace(sample, rules=replace(sample.rules, **change)).check()


def test_keys_of_the_other_provider_do_not_verify(sample: Sample) -> None:
    other = {"http://localhost:18083": "canaille", "http://localhost:18086": "nanoidp"}[sample.provider.issuer]
    with pytest.raises(OidcKeyUnknown):
        replace(sample, keys=keys.read((IDPS / other / "oidc" / "jwks.json").read_bytes())).check()
