"""Addresses: read strictly, compared in one form."""

import contextlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmops.base.email import domain_of, normalise
from llmops.errors import InvalidEmail


@pytest.mark.requirement("TEN-06")
@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("ann@acme.test", "ann@acme.test"),
        ("  Ann@ACME.Test\t\r\n", "ann@acme.test"),
        ("ann+invoices@acme.test", "ann+invoices@acme.test"),
        ("a.n.n@mail.acme.co.uk", "a.n.n@mail.acme.co.uk"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ann@ａｃｍｅ.test", "ann@acme.test"),
        ("ann@acme。test", "ann@acme.test"),
        ("o'hara@acme.test", "o'hara@acme.test"),
    ],
)
def test_one_address_has_one_form(typed: str, stored: str) -> None:
    assert normalise(typed) == stored


@pytest.mark.requirement("TEN-06")
@pytest.mark.parametrize(
    "typed",
    [
        "", "ann", "@", "ann@", "@acme.test", "ann@acme", "ann@@acme.test", "ann@evil.test@acme.test",
        "ann@acme.test@evil.test", "ann@acme..test", ".ann@acme.test", "ann.@acme.test", "a..n@acme.test",
        "ann@-acme.test", "ann@acme.test.", "ann@acme_co.test", '"ann"@acme.test', '"ann@evil.test"@acme.test',
        "ann(comment)@acme.test", "ann@(comment)acme.test", "Ann <ann@acme.test>", "ann@acme.test,bob@acme.test",
        "ann@acme.test\nbcc: eve@evil.test", "ann\0@acme.test", "ann@acme\0.test", "ann@acme.test\0",
        "ann\x7f@acme.test", "a nn@acme.test", "ann@ac me.test", "ann@[127.0.0.1]", "ann@[IPv6:::1]", "ann@127.0.0.1",
        "änn@acme.test",
        "аnn@acme.test",  # a Cyrillic letter that looks like ours
        "ann\u200b@acme.test", "\u202eann@acme.test", "ann@acme\u200b.test", "a" * 65 + "@acme.test",
        "ann@" + "a" * 64 + ".test", "ann@" + "a." * 130 + "test", "ann_evil.com#EXT#@acme.onmicrosoft.com",
    ],
)  # fmt: skip
def test_whatever_is_not_one_plain_address_is_refused(typed: str) -> None:
    with pytest.raises(InvalidEmail):
        normalise(typed)


@given(
    st.one_of(st.text(max_size=80), st.emails(), st.builds("{}@{}".format, st.text(max_size=20), st.text(max_size=20)))
)
@example("ß@ß.example")
@example("ann@ﬀ.test")
def test_the_form_is_stable_and_plain(typed: str) -> None:
    with contextlib.suppress(InvalidEmail):
        stored = normalise(typed)
        assert normalise(stored) == stored
        assert stored.isascii()
        assert stored == stored.lower()
        assert stored.count("@") == 1
        assert stored.isprintable()
        assert " " not in stored
        assert "." in domain_of(stored)
