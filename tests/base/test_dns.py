"""TXT records: what is there, what is not there, and what cannot be known are three different answers."""

import pytest
from support.dns import dns

from llmops.base.dns import MOST_CHARACTERS, MOST_RECORDS, server_of, txt_lookup
from llmops.errors import OutboundUnreachable

NAME = "_llmops.acme.test"


def test_every_record_comes_with_its_pieces_joined() -> None:
    long = "x" * 300
    with dns({NAME: ["llmops-verification=abc", "v=spf1 -all", long]}) as server:
        assert sorted(txt_lookup([server.address])(NAME)) == ["llmops-verification=abc", "v=spf1 -all", long]


def test_a_name_that_does_not_exist_has_no_records() -> None:
    with dns({}) as server:
        assert list(txt_lookup([server.address])(NAME)) == []


def test_a_name_without_such_a_record_has_none() -> None:
    with dns({NAME: []}) as server:
        assert list(txt_lookup([server.address])(NAME)) == []


def test_a_server_that_cannot_answer_is_not_an_empty_answer() -> None:
    with dns({NAME: ["x"]}) as server:
        server.broken = True
        with pytest.raises(OutboundUnreachable) as caught:
            txt_lookup([server.address])(NAME)
    assert caught.value.facts == {"host": NAME, "reason": "dns: NoNameservers"}


def test_a_silent_server_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmops.base.dns.TRY_SECONDS", 0.2)
    monkeypatch.setattr("llmops.base.dns.TOTAL_SECONDS", 0.3)
    with dns({NAME: ["x"]}) as server:
        server.silent = True
        with pytest.raises(OutboundUnreachable) as caught:
            txt_lookup([server.address])(NAME)
    assert caught.value.facts["reason"] == "dns: LifetimeTimeout"


@pytest.mark.requirement("TEN-07")
def test_another_domain_is_never_asked_in_its_place() -> None:
    """A search list would turn acme.test into acme.test.our-own-company.test."""
    with dns({}) as server:
        txt_lookup([server.address])(NAME)
        assert server.asked == [NAME]


def test_count_and_size_are_cut() -> None:
    many = [f"{number:03}" + "y" * 5 for number in range(MOST_RECORDS + 5)]
    with dns({NAME: many, "long.test": ["z" * (MOST_CHARACTERS + 1)]}) as server:
        look_up = txt_lookup([server.address])
        assert len(look_up(NAME)) == MOST_RECORDS
        assert [len(text) for text in look_up("long.test")] == [MOST_CHARACTERS]


def test_bytes_that_are_no_text_do_no_harm() -> None:
    with dns({NAME: ["a\xe9"]}) as server:
        assert txt_lookup([server.address])(NAME)[0].startswith("a")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_a_server_is_an_address_and_perhaps_a_port(text: str, expected: tuple[str, int]) -> None:
    assert server_of(text) == expected


@pytest.mark.parametrize("text", ["", "ns.example.test", "192.0.2.1:dns", "https://192.0.2.1/", "192.0.2.1:5:3"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        server_of(text)
