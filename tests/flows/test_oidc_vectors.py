"""A hostile OpenID provider at the front door: each attack gets its code, and leaves nothing but the attempt.

Hostile tokens are in tests/oidc/vectors.py and are judged alone in tests/broker/oidc/test_id_token.py as well.
"""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
from oidc import provider as op
from oidc.attacks import ATTACKS, Attack
from oidc.evil import Provider, come_back, connected, departed, sign_in
from oidc.vectors import HOSTILE, TokenVector
from support.page import Page
from support.visitor import Visitor
from world import World, error_of

from llmops.accounts import sessions
from llmops.broker.connections import Connection

pytestmark = pytest.mark.one_database
ATTEMPT = {"logins", "rate_counters"}
"""Tables in which a refusal may leave a row: the attempt, and how often this address knocked."""
TOKENS = [vector for vector in HOSTILE if not vector.rules]


@pytest.fixture
def idp() -> Provider:
    return Provider()


@pytest.fixture
def connection(world: World, idp: Provider) -> Connection:
    return connected(world, idp)


def assert_only_the_attempt(world: World, visitor: Visitor, before: dict[str, int], stopped: Page, code: str) -> None:
    """The refusal says its code, stands on the attempt, and left nothing else."""
    assert error_of(stopped) == code
    after = world.counts()
    assert {name for name in after if after[name] != before[name]} <= ATTEMPT
    assert visitor.cookies.value(sessions.COOKIE, host="llm-ops.test") is None
    assert world.value("SELECT count(*) FROM logins WHERE code = :code", code=code) == 1


@pytest.mark.parametrize(
    "attack",
    [
        pytest.param(attack, id=attack.name, marks=pytest.mark.requirement("TST-01", *attack.proves))
        for attack in ATTACKS
    ],
)
def test_attack_says_its_code_and_leaves_only_the_attempt(
    world: World, connection: Connection, idp: Provider, attack: Attack
) -> None:
    idp.answers = dict(attack.answers)
    visitor, before = world.visitor(), world.counts()
    stopped = sign_in(world, visitor, connection, idp, **attack.parameters)
    assert_only_the_attempt(world, visitor, before, stopped, attack.code)
    assert ("/token" in idp.asked) is attack.asked


@pytest.mark.parametrize(
    "vector",
    [
        pytest.param(vector, id=vector.name, marks=pytest.mark.requirement("TST-01", *vector.proves))
        for vector in TOKENS
    ],
)
def test_hostile_token_says_its_code_and_leaves_only_the_attempt(
    world: World, connection: Connection, idp: Provider, vector: TokenVector
) -> None:
    idp.token = lambda usual: vector.make(**usual)
    idp.answers = {"/keys": op.Answer(body=vector.keys())}
    visitor, before = world.visitor(), world.counts()
    stopped = sign_in(world, visitor, connection, idp)
    assert_only_the_attempt(world, visitor, before, stopped, vector.code)


@pytest.mark.requirement("TST-06", "OIDC-02")
def test_state_of_another_browser_is_refused(world: World, connection: Connection, idp: Provider) -> None:
    foreign = departed(world, world.visitor(), idp)
    visitor, before = world.visitor(), world.counts()
    stopped = visitor.follow(
        visitor.get(f"/sso/oidc/{connection.id}/callback?code=c0de&state={foreign}&iss={op.ISSUER}")
    )
    assert_only_the_attempt(world, visitor, before, stopped, "login_other_browser")
    assert idp.asked == []


@pytest.mark.requirement("TST-06", "OIDC-02", "OIDC-05")
def test_state_of_another_connection_is_refused(world: World, connection: Connection, idp: Provider) -> None:
    """The mix-up in which one provider's answer is brought to another's address."""
    other = world.oidc(world.organization("Other", domain="other.test"), op.provider(), client_id="client-2")
    visitor = world.visitor()
    state = departed(world, visitor, idp)
    before = world.counts()
    stopped = visitor.follow(visitor.get(f"/sso/oidc/{other.id}/callback?code=c0de&state={state}&iss={op.ISSUER}"))
    assert_only_the_attempt(world, visitor, before, stopped, "login_unknown")
    assert idp.asked == []


@pytest.mark.requirement("TST-06", "OIDC-21")
@pytest.mark.parametrize("twice", ["code", "state", "iss", "error"])
def test_parameter_twice_is_refused(world: World, connection: Connection, idp: Provider, twice: str) -> None:
    visitor = world.visitor()
    state = departed(world, visitor, idp)
    stopped = visitor.get(
        f"/sso/oidc/{connection.id}/callback?code=c0de&state={state}&iss={op.ISSUER}&{twice}=a&{twice}=b"
    )
    assert error_of(stopped) == "oidc_malformed"
    assert idp.asked == []


@pytest.mark.requirement("TST-06", "OIDC-04")
@pytest.mark.parametrize("offered", [["plain"], [], op.ABSENT])
def test_pkce_is_not_talked_down(world: World, idp: Provider, offered: object) -> None:
    """A provider, or whoever writes its document, names only «plain» or nothing: the verifier stays behind S256."""
    world.answering(idp)
    provider = op.provider(code_challenge_methods_supported=offered)
    connection = world.oidc(world.organization(), provider, client_id=op.CLIENT_ID)
    visitor = world.visitor()
    sent = parse_qs(urlsplit(world.depart(visitor)).query)
    idp.nonce = sent["nonce"][0]
    answer = f"code=c0de&state={sent['state'][0]}&iss={op.ISSUER}"
    visitor.get(f"/sso/oidc/{connection.id}/callback?{answer}")
    assert sent["code_challenge_method"] == ["S256"]
    digest = hashlib.sha256(idp.forms[0]["code_verifier"].encode()).digest()
    assert base64.urlsafe_b64encode(digest).rstrip(b"=").decode() == sent["code_challenge"][0]


@pytest.mark.requirement("TST-06", "OIDC-04")
def test_each_attempt_has_its_own_verifier(world: World, connection: Connection, idp: Provider) -> None:
    """A stolen code brought to another attempt meets another verifier, so an honest provider refuses it."""
    for _ in range(2):
        idp.nonce = ""
        come_back(world, world.visitor(), connection, idp)
    assert idp.forms[0]["code_verifier"] != idp.forms[1]["code_verifier"]


def test_there_are_enough_and_no_name_stands_twice() -> None:
    names = [attack.name for attack in ATTACKS] + [vector.name for vector in HOSTILE]
    assert len(set(names)) == len(names) >= 180
    assert len(ATTACKS) + len(TOKENS) >= 60
