"""Any single change to a valid Response is refused, or the identity stays what it was (TST-07).

A few hundred examples in every run. `EXAMPLES=100000 .venv/bin/python -m pytest tests/broker/saml/test_mutations.py`
tries so many of each property, other ones each time; a find becomes a vector in tests/saml/vectors.
"""

import base64
import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from saml.build import NOW, STYLES, build, rules
from saml.keys import signer
from saml.sign import encrypt
from support.examples import examples

from llmops.broker.saml import response
from llmops.broker.saml.names import saml
from llmops.broker.saml.response import Assertion
from llmops.errors import Failure

styles = st.sampled_from([style for style in STYLES if style != "unsolicited"])
places = st.floats(0, 1, exclude_max=True)


@cache
def _message(style: str) -> bytes:
    return etree.tostring(build(style))


def _identity(message: bytes) -> tuple[object, ...] | None:
    try:
        received = response.parse(base64.b64encode(message).decode())
        found: Assertion = response.check(received, rules(), now=NOW)
    except Failure:
        return None
    return (found.id, found.issuer, found.subject, dict(found.attributes), found.authn_instant, found.in_response_to)


@cache
def _expected() -> tuple[object, ...]:
    identity = _identity(_message("both"))
    assert identity is not None
    return identity


def _unharmed(message: bytes) -> bool:
    return _identity(message) in (None, _expected())


@pytest.mark.parametrize("style", [style for style in STYLES if style != "unsolicited"])
def test_untouched_messages_have_the_same_identity(style: str) -> None:
    assert _identity(_message(style)) == _expected()


@pytest.mark.requirement("TST-07", "SAML-03", "SAML-14", "SAML-41")
@examples(200)
@given(style=styles, place=places, bit=st.integers(0, 7))
def test_flipped_bit(style: str, place: float, bit: int) -> None:
    message = bytearray(_message(style))
    message[int(place * len(message))] ^= 1 << bit
    assert _unharmed(bytes(message))


@pytest.mark.requirement("TST-07", "SAML-03", "SAML-14", "SAML-41")
@examples(200)
@given(style=styles, start=places, length=st.integers(1, 400))
def test_cut_or_doubled_octets(style: str, start: float, length: int) -> None:
    message = _message(style)
    begin = int(start * len(message))
    piece = message[begin : begin + length]
    assert _unharmed(message[:begin] + message[begin + length :])
    assert _unharmed(message[:begin] + piece + message[begin:])


@pytest.mark.requirement("TST-07", "SAML-03", "SAML-41")
@examples(50)
@given(style=styles, place=places)
def test_truncated_message(style: str, place: float) -> None:
    message = _message(style)
    assert _identity(message[: int(place * len(message))]) is None


@pytest.mark.requirement("TST-07", "SAML-03", "SAML-07", "SAML-14", "SAML-41")
@examples(300)
@given(style=styles, seed=st.integers(0, 2**32))
def test_changed_tree(style: str, seed: int) -> None:
    root = etree.fromstring(_message(style))
    _mutate(root, random.Random(seed))
    assert _unharmed(etree.tostring(root))


@pytest.mark.requirement("TST-07", "SAML-07", "SAML-14", "SAML-31", "SAML-41")
@examples(100)
@given(seed=st.integers(0, 2**32))
def test_changed_tree_encrypted_afterwards(seed: int) -> None:
    """Whoever has our public key can hide a change from every look before decryption."""
    root = etree.fromstring(_message("assertion"))
    assertion = root.find(saml("Assertion"))
    assert assertion is not None
    _mutate(assertion, random.Random(seed))
    encrypt(assertion, signer("sp").public)
    assert _unharmed(etree.tostring(root))


@pytest.mark.requirement("TST-07", "SAML-14", "SAML-32", "SAML-41")
@examples(100)
@given(place=places, bit=st.integers(0, 7), what=st.sampled_from(["EncryptedKey", "EncryptedData"]))
def test_flipped_bit_below_the_encryption(place: float, bit: int, what: str) -> None:
    """In the octets of the cipher text, not in the letters of its base64."""
    root = etree.fromstring(_message("encrypted"))
    value = root.find(f".//{{*}}{what}/{{*}}CipherData/{{*}}CipherValue")
    assert value is not None
    octets = bytearray(base64.b64decode(value.text or ""))
    octets[int(place * len(octets))] ^= 1 << bit
    value.text = base64.b64encode(bytes(octets)).decode()
    assert _identity(etree.tostring(root)) is None


def _mutate(root: etree._Element, choose: random.Random) -> None:
    """One change: an element moved, copied, removed, renamed, put into another namespace, or its text or attribute."""
    elements = list(root.iter())
    element, other = choose.choice(elements[1:]), choose.choice(elements)
    apart = element not in other.iterancestors() and element is not other
    act = choose.choice(["move", "copy", "remove", "rename", "namespace", "text", "append", "attribute", "unset"])
    if act == "move" and apart:
        other.insert(choose.randrange(len(other) + 1), element)
    elif act == "copy" and apart:
        other.insert(choose.randrange(len(other) + 1), etree.fromstring(etree.tostring(element, with_tail=False)))
    elif act == "remove":
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)
    elif act == "rename":
        element.tag = other.tag
    elif act == "namespace":
        element.tag = f"{{urn:x}}{etree.QName(element).localname}"
    elif act == "text":
        element.text = other.text if choose.random() < 0.5 else "x"
    elif act == "append":
        element.text = (element.text or "") + "x"
    elif act == "attribute" and element.keys():
        element.set(choose.choice(element.keys()), choose.choice(["x", "", *other.values()]))
    elif act == "unset" and element.keys():
        del element.attrib[choose.choice(element.keys())]
