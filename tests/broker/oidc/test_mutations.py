"""Any single change to a valid ID token is refused (TST-07).

A few hundred examples in every run. `EXAMPLES=100000 .venv/bin/python -m pytest tests/broker/oidc/test_mutations.py`
tries so many of each property, other ones each time; a find becomes a vector in tests/oidc/vectors.py.
"""

import json
import random
import string
from functools import cache

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from oidc.provider import ACCESS_TOKEN, NOW, Token, b64, ec_key, ed_key, good_claims, jwk, key_set, rsa_key, rules
from support.examples import examples

from llmops.broker.oidc.id_token import check_id_token
from llmops.broker.oidc.wire import base64url
from llmops.errors import SignInFailure

LETTERS = string.ascii_letters + string.digits + "-_.=+/ \n\0é"
HEADERS = ["alg", "kid", "typ", "jwk", "jku", "x5u", "x5c", "crit", "b64", "enc", "zip", "cty"]
KEYS = {"RS256": rsa_key, "PS256": rsa_key, "ES256": ec_key, "EdDSA": ed_key}

algorithms = st.sampled_from(sorted(KEYS))
places = st.floats(0, 1, exclude_max=True)


@cache
def _token(algorithm: str) -> str:
    claims = {name: value for name, value in good_claims().items() if name != "at_hash"}
    return Token(algorithm=algorithm, key=KEYS[algorithm](), raw_claims=json.dumps(claims).encode()).make()


def _subject(token: str, algorithm: str) -> str | None:
    keys = key_set(jwk(KEYS[algorithm](), kid="current"))
    try:
        return check_id_token(token, keys, rules=rules(), access_token=ACCESS_TOKEN, now=NOW).subject
    except SignInFailure:
        return None


@pytest.mark.parametrize("algorithm", sorted(KEYS))
def test_untouched_token_is_accepted(algorithm: str) -> None:
    assert _subject(_token(algorithm), algorithm) == "ann"


@pytest.mark.requirement("TST-07", "OIDC-07", "OIDC-13")
@examples(300)
@given(algorithm=algorithms, place=places, letter=st.sampled_from(LETTERS) | st.just(""), taken=st.integers(0, 1))
def test_changed_letter(algorithm: str, place: float, letter: str, taken: int) -> None:
    token = _token(algorithm)
    start = int(place * len(token))
    changed = token[:start] + letter + token[start + taken :]
    assume(changed != token)
    assert _subject(changed, algorithm) is None


@pytest.mark.requirement("TST-07", "OIDC-07", "OIDC-13")
@examples(200)
@given(algorithm=algorithms, part=st.integers(0, 2), place=places, bit=st.integers(0, 7))
def test_flipped_bit(algorithm: str, part: int, place: float, bit: int) -> None:
    parts = [bytearray(base64url(text)) for text in _token(algorithm).split(".")]
    parts[part][int(place * len(parts[part]))] ^= 1 << bit
    assert _subject(".".join(b64(bytes(octets)) for octets in parts), algorithm) is None


@pytest.mark.requirement("TST-07", "OIDC-13")
@examples(100)
@given(algorithm=algorithms, start=places, length=st.integers(1, 200))
def test_cut_or_doubled_letters(algorithm: str, start: float, length: int) -> None:
    token = _token(algorithm)
    begin = int(start * len(token))
    assert _subject(token[:begin], algorithm) is None
    assert _subject(token[:begin] + token[begin + length :], algorithm) is None
    assert _subject(token[: begin + length] + token[begin:], algorithm) is None


@pytest.mark.requirement("TST-07", "OIDC-07", "OIDC-08", "OIDC-13")
@examples(300)
@given(algorithm=algorithms, part=st.integers(0, 1), seed=st.integers(0, 2**32))
def test_moved_renamed_doubled_or_changed_member(algorithm: str, part: int, seed: int) -> None:
    """Members of the header and the payload; also the order counts, for it is text that was signed."""
    parts = _token(algorithm).split(".")
    good = list(json.loads(base64url(parts[part])).items())
    changed = _mutated(good, random.Random(seed))
    assume(changed != good)
    text = ", ".join(f"{json.dumps(name)}: {json.dumps(value)}" for name, value in changed)
    parts[part] = b64(f"{{{text}}}".encode())
    assert _subject(".".join(parts), algorithm) is None


@pytest.mark.requirement("TST-07", "OIDC-13")
@examples(100)
@given(algorithm=algorithms, order=st.permutations([0, 1, 2]), other=st.sampled_from(sorted(KEYS)))
def test_parts_in_another_order_or_of_another_token(algorithm: str, order: list[int], other: str) -> None:
    parts, others = _token(algorithm).split("."), _token(other).split(".")
    if order != [0, 1, 2]:
        assert _subject(".".join(parts[index] for index in order), algorithm) is None
    if other != algorithm:
        assert _subject(".".join([parts[0], parts[1], others[2]]), algorithm) is None
        assert _subject(".".join([others[0], parts[1], parts[2]]), algorithm) is None


def _mutated(members: list[tuple[str, object]], choose: random.Random) -> list[tuple[str, object]]:
    """One change to a JSON object, given as its members in order."""
    index, other = choose.randrange(len(members)), choose.randrange(len(members))
    (name, value), rest = members[index], members[:index] + members[index + 1 :]
    act = choose.choice(["move", "remove", "rename", "double", "value", "type", "add"])
    if act == "move":
        return [*rest[:other], (name, value), *rest[other:]]
    if act == "remove":
        return rest
    if act == "add":
        return [*members, (choose.choice(HEADERS), choose.choice(["x", None, {}, ["exp"]]))]
    changed = {
        "rename": (members[other][0] if other != index else name.upper(), value),
        "double": (name, choose.choice(["owner", value])),
        "value": (name, members[other][1] if other != index else "owner"),
        "type": (name, choose.choice([[value], None, True, str(value) + " ", 0])),
    }[act]
    return [*members, changed] if act == "double" else [*members[:index], changed, *members[index + 1 :]]
