"""A whole sign-in at identity providers that other people wrote, through the guarded client."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import pytest
from support.idps import Idp, log_in_oidc, nanoidp
from support.visitor import Visitor

from llmops.base.addresses import Policy
from llmops.base.fetch import Fetcher
from llmops.broker.oidc import discovery, keys
from llmops.broker.oidc.callback import read_callback, require_code
from llmops.broker.oidc.exchange import Client, exchange
from llmops.broker.oidc.id_token import Rules, check_id_token
from llmops.broker.oidc.request import authorization_url, new_attempt
from llmops.broker.oidc.userinfo import merge, userinfo
from llmops.errors import OidcClientSecret, OidcCodeRefused

pytestmark = pytest.mark.idps
BACK = "http://127.0.0.1:8000/oidc/callback"
CLIENT = Client(client_id="rp-test", client_secret="rp-test-secret")


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with Fetcher(Policy(allow_loopback=True)) as made:
        yield made


def sign_in(idp: Idp, fetcher: Fetcher) -> Mapping[str, object]:
    """Every step of a sign-in as the broker takes it, and what must not work a second time."""
    provider = discovery.fetch(idp.issuer, fetcher, allow_http=True)
    published = keys.fetch(provider.jwks_uri, fetcher)
    attempt = new_attempt()
    start = authorization_url(
        provider,
        client_id=CLIENT.client_id,
        redirect_uri=BACK,
        state=attempt.state,
        nonce=attempt.nonce,
        verifier=attempt.verifier,
    )
    with Visitor() as visitor:
        back = log_in_oidc(idp, visitor, visitor.get(start), redirect_uri=BACK)
    callback = read_callback(parse_qsl(urlsplit(back).query, keep_blank_values=True))
    assert callback.state == attempt.state
    once = {"code": require_code(callback, provider), "verifier": attempt.verifier, "redirect_uri": BACK}
    with pytest.raises(OidcClientSecret):
        exchange(provider, Client("rp-test", "wrong"), **once, fetcher=fetcher)
    tokens = exchange(provider, CLIENT, **once, fetcher=fetcher)
    now = datetime.now(UTC)
    rules = Rules(issuer=idp.issuer, client_id=CLIENT.client_id, nonce=attempt.nonce, algorithms=provider.algorithms)
    claims = check_id_token(tokens.id_token, published, rules=rules, access_token=tokens.access_token, now=now)
    told = userinfo(
        provider,
        tokens.access_token,
        claims=claims,
        client_id=CLIENT.client_id,
        keys=published,
        fetcher=fetcher,
        now=now,
    )
    with pytest.raises(OidcCodeRefused):
        exchange(provider, CLIENT, **once, fetcher=fetcher)
    return merge(claims, told)


@pytest.mark.requirement("TST-10")
def test_sign_in_at_nanoidp(fetcher: Fetcher) -> None:
    with nanoidp(redirect_uris=[BACK]) as idp:
        assert sign_in(idp, fetcher)["email"] == "ann@example.test"
