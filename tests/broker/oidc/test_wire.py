"""JSON and base64url are read strictly, and a call's outcome is told as a sign-in failure."""

import pytest
from oidc.provider import ISSUER, Answer, Server

from llmops.broker.oidc import wire
from llmops.errors import IdpUnavailable, OidcMalformed, OutboundRefused, OutboundUnreachable, OutboundUnusable


@pytest.mark.requirement("OIDC-13")
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": "\n"}', "not JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"a": ' + b"1" * 5000 + b"}", "not JSON"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'{"a": "\\udfff"}', "not UTF-8"),
        (b'{"a": "x\\u0000"}', "a string contains NUL"),
        (b'{"a": 1, "a": 1}', "a member appears twice"),
        (b'{"a": 1, "\\u0061": 1}', "a member appears twice"),
        (b'[{"a": {"b": 1, "b": 1}}]', "a member appears twice"),
        (b'{"a": NaN}', "NaN is not JSON"),
        (b'{"a": -Infinity}', "-Infinity is not JSON"),
        (b"[]", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'"a"', "not a JSON object"),
    ],
)
def test_json_is_refused(text: bytes, problem: str) -> None:
    with pytest.raises(wire.BadJson) as caught:
        wire.json_object(text)
    assert str(caught.value) == problem


def test_json_object_is_read() -> None:
    assert wire.json_object(b' {"a": [1, "\xc3\xa5\\ud83d\\ude00"]} ') == {"a": [1, "å😀"]}


@pytest.mark.requirement("OIDC-13")
@pytest.mark.parametrize("text", ["", "A", "AA==", "AA\n", " AA", "A+", "A/", "AB", "AAB", "ÄA", "AAAAA"])
def test_base64url_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"base64url|spare bits|Invalid base64"):
        wire.base64url(text)


@pytest.mark.parametrize(("text", "octets"), [("AA", b"\0"), ("-_8", b"\xfb\xff"), ("AAAA", b"\0\0\0")])
def test_base64url_is_read(text: str, octets: bytes) -> None:
    assert wire.base64url(text) == octets


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("application/json", True),
        ("Application/JSON; charset=utf-8", True),
        ("application/jwk-set+json", True),
        ("application/problem+json ;a=b", True),
        ("text/json", False),
        ("text/plain+json", False),
        ("application/jwt", False),
        ("application/json, text/html", False),
        ("", False),
    ],
)
def test_json_is_told_by_its_media_type(content_type: str, expected: bool) -> None:
    assert wire.is_json(Answer(content_type=content_type)) is expected


@pytest.mark.requirement("NET-04", "OIDC-06")
@pytest.mark.parametrize("status", [200, 302, 400, 499])
def test_call_returns_what_is_no_outage_and_follows_nothing(status: int) -> None:
    server = Server(Answer(status=status))
    assert wire.call(server, "POST", ISSUER, form={"a": "b"}).status == status
    assert server.calls[0].redirects == 0


@pytest.mark.parametrize("status", [429, 500, 503, 599])
def test_outage_is_told(status: int) -> None:
    with pytest.raises(IdpUnavailable):
        wire.call(Server(Answer(status=status)), "GET", ISSUER)


@pytest.mark.parametrize(
    ("raised", "failure"),
    [
        (OutboundUnreachable(host="h", reason="timeout"), IdpUnavailable),
        (OutboundRefused(host="h", reason="private-address"), IdpUnavailable),
        (OutboundUnusable(host="h", reason="too-large"), OidcMalformed),
    ],
)
def test_failed_call_keeps_its_facts(raised: Exception, failure: type[IdpUnavailable | OidcMalformed]) -> None:
    with pytest.raises(failure) as caught:
        wire.call(Server(raised), "GET", ISSUER)
    assert caught.value.facts["host"] == "h"
    assert caught.value.facts["endpoint"] == ISSUER
