"""Any single change to a valid Response is refused, or the identity stays what it was."""

import base64
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from saml.build import NOW, build, rules

from llmops.broker.saml import response
from llmops.broker.saml.response import Assertion
from llmops.errors import Failure

MESSAGES = {style: etree.tostring(build(style)) for style in ("assertion", "response", "both")}


def _identity(message: bytes) -> tuple[object, ...] | None:
    try:
        received = response.parse(base64.b64encode(message).decode())
        found: Assertion = response.check(received, rules(), now=NOW)
    except Failure:
        return None
    return (found.id, found.issuer, found.subject, dict(found.attributes), found.authn_instant, found.in_response_to)


EXPECTED = _identity(MESSAGES["both"])
few = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def test_untouched_messages_have_the_same_identity() -> None:
    assert EXPECTED is not None
    assert {str(_identity(message)) for message in MESSAGES.values()} == {str(EXPECTED)}


@pytest.mark.requirement("SAML-03", "SAML-14", "SAML-41")
@few
@given(style=st.sampled_from(sorted(MESSAGES)), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_flipped_bit(style: str, place: float, bit: int) -> None:
    message = bytearray(MESSAGES[style])
    message[int(place * len(message))] ^= 1 << bit
    assert _identity(bytes(message)) in (None, EXPECTED)


@pytest.mark.requirement("SAML-03", "SAML-14", "SAML-41")
@few
@given(style=st.sampled_from(sorted(MESSAGES)), start=st.floats(0, 1, exclude_max=True), length=st.integers(1, 400))
def test_cut_or_doubled_octets(style: str, start: float, length: int) -> None:
    message = MESSAGES[style]
    begin = int(start * len(message))
    piece = message[begin : begin + length]
    assert _identity(message[:begin] + message[begin + length :]) in (None, EXPECTED)
    assert _identity(message[:begin] + piece + message[begin:]) in (None, EXPECTED)


@pytest.mark.requirement("SAML-03", "SAML-07", "SAML-14", "SAML-41")
@few
@given(style=st.sampled_from(sorted(MESSAGES)), seed=st.integers(0, 2**32))
def test_moved_copied_renamed_or_emptied_element(style: str, seed: int) -> None:
    choose = random.Random(seed)
    root = etree.fromstring(MESSAGES[style])
    elements = list(root.iter())
    element, other = choose.choice(elements[1:]), choose.choice(elements)
    act = choose.randrange(5)
    if act == 0 and element not in other.iterancestors() and element is not other:
        other.insert(choose.randrange(len(other) + 1), element)
    elif act == 1 and element not in other.iterancestors() and element is not other:
        other.insert(choose.randrange(len(other) + 1), etree.fromstring(etree.tostring(element, with_tail=False)))
    elif act == 2:
        element.tag = other.tag
    elif act == 3:
        element.text = "x"
    else:
        for name in element.keys()[:1]:
            element.set(name, "x")
    assert _identity(etree.tostring(root)) in (None, EXPECTED)
