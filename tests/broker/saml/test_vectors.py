"""Every vector of tests/saml/vectors in every style it fits: refused for its own reason, or accepted as it was."""

from collections import Counter

import pytest
from _pytest.mark import ParameterSet
from saml.attacks import VICTIM
from saml.build import SHAPES, STYLES, SUBJECT, judge
from saml.vectors.table import HARMLESS, HOSTILE, VECTORS, representatives
from saml.vectors.vector import Vector
from saml.vectors.wrapping import SIGNATURES, WRAPPING

from llmops.broker.saml.names import saml
from llmops.errors import Failure


def cases(vectors: list[Vector]) -> list[ParameterSet]:
    """Each vector in each of its styles, marked with what it proves."""
    return [
        pytest.param(vector, style, id=f"{vector.name}-{style}", marks=pytest.mark.requirement(*vector.proves))
        for vector in vectors
        for style in vector.styles
    ]


@pytest.mark.parametrize(("vector", "style"), cases(HOSTILE))
def test_hostile_response_is_refused_for_its_own_reason(vector: Vector, style: str) -> None:
    with pytest.raises(Failure) as caught:
        judge(vector.make(style), **vector.rules(style))
    facts = caught.value.facts
    assert caught.value.code == vector.code
    assert vector.reason in ("", facts.get("problem"), facts.get("check"))
    if vector.code == "saml_decryption_failed":
        assert facts == {}, "what failed in decrypting would be an oracle"


@pytest.mark.parametrize(("vector", "style"), cases(HARMLESS))
def test_change_that_means_nothing_is_accepted(vector: Vector, style: str) -> None:
    assertion = judge(vector.make(style), **vector.rules(style))
    assert (assertion.subject.value, assertion.encrypted) == (SUBJECT, style.startswith("encrypted"))


SHAPED = [(shape, style) for shape, known in SHAPES.items() for style in known.styles]


@pytest.mark.requirement("TST-02")
@pytest.mark.parametrize(("shape", "style"), SHAPED)
def test_each_vendors_shape_is_accepted(shape: str, style: str) -> None:
    vector, known = HARMLESS[0], SHAPES[shape]
    base = known.base()
    issuer, subject = base.findtext(saml("Issuer")), base.findtext(f".//{saml('NameID')}")
    message = vector.make(style, base=base, signing=known.signing)
    assert judge(message, **vector.rules(style), idp_entity_id=issuer).subject.value == subject


@pytest.mark.requirement("TST-02", "SAML-05", "SAML-06", "SAML-07", "SAML-09", "SAML-16")
@pytest.mark.parametrize(("shape", "style"), SHAPED)
def test_each_vendors_shape_is_refused_when_wrapped(shape: str, style: str) -> None:
    """Every wrapping that fits: what a vendor adds must not open a place to hide in."""
    known = SHAPES[shape]
    fitting = [vector for vector in (*WRAPPING, *SIGNATURES) if style in vector.styles]
    codes = {}
    for vector in fitting:
        base = known.base()
        issuer = base.findtext(saml("Issuer"))
        with pytest.raises(Failure) as caught:
            judge(vector.make(style, base=base, signing=known.signing), **vector.rules(style), idp_entity_id=issuer)
        codes[vector.name] = caught.value.code
    assert codes == {vector.name: vector.code for vector in fitting}


def test_names_are_unique_and_styles_are_known() -> None:
    assert [name for name, count in Counter(vector.name for vector in VECTORS).items() if count > 1] == []
    assert {style for vector in VECTORS for style in vector.styles} == {*STYLES, "none"}


@pytest.mark.requirement("TST-02", "TST-03", "TST-04", "TST-05")
def test_the_table_is_as_large_as_it_says() -> None:
    """The figures of docs/security/other-libraries.md are compared with the table in tests/judges/test_page.py."""
    proven = Counter(name for vector in HOSTILE for name in vector.proves if name.startswith("TST"))
    assert len(HOSTILE) >= 400
    assert {name for name, count in proven.items() if count >= 50} == {"TST-02", "TST-03", "TST-04", "TST-05"}
    assert len(representatives()) >= 40


def test_a_wrapping_speaks_of_the_victim() -> None:
    """A vector that forges nothing would be refused for nothing."""
    forging = [vector for vector in WRAPPING if vector.name.startswith(("XSW", "original", "forged"))]
    silent = [v.name for v in forging if VICTIM.encode() not in v.make(v.styles[0]) and "then encrypted" not in v.name]
    assert silent == []
