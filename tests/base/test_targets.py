"""A URL is read in one way only, and rewritten from what was understood."""

from contextlib import nullcontext

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmops.base import targets
from llmops.base.addresses import Policy
from llmops.errors import OutboundRefused

OPEN = Policy(allow_private=True, allow_loopback=True)


@pytest.mark.parametrize(
    ("url", "rewritten"),
    [
        ("https://IdP.Example.test", "https://idp.example.test:443/"),
        ("HTTPS://idp.example.test./a%2fb?c=d&e#f", "https://idp.example.test:443/a%2fb?c=d&e"),
        ("https://idp.example.test?x", "https://idp.example.test:443/?x"),
        ("https://idp.example.test:/", "https://idp.example.test:443/"),
        ("https://[2606:4700:0::1111]:8443/", "https://[2606:4700::1111]:8443/"),
        ("http://0x7f.1:18083/", "http://127.0.0.1:18083/"),
        ("https://134744072/", "https://8.8.8.8:443/"),
    ],
)
def test_url_is_rewritten(url: str, rewritten: str) -> None:
    assert targets.read(url, policy=OPEN).url() == rewritten


@pytest.mark.requirement("NET-01", "NET-02")
@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("ftp://8.8.8.8:443/", "not-https"),
        ("gopher://8.8.8.8/", "not-a-web-address"),
        ("https://user@8.8.8.8/", "user-in-url"),
        ("https://@8.8.8.8/", "user-in-url"),
        ("https://8.8.8.8:8443/", "port"),
        ("https://8.8.8.8/\u00e9", "not-a-web-address"),
        ("https://8.8.8.8/a b", "not-a-web-address"),
        ("https://8.8.8.8/a\tb", "not-a-web-address"),
        ("https://8.8.8.8/a\\b", "not-a-web-address"),
        ("https://8.8.8.8/a\x7fb", "not-a-web-address"),
        ("https://8.8.8.8:99999/", "not-a-web-address"),
    ],
)
def test_url_is_refused_for_its_own_reason(url: str, reason: str) -> None:
    with pytest.raises(OutboundRefused) as caught:
        targets.read(url, policy=Policy())
    assert caught.value.facts["reason"] == reason


@pytest.mark.requirement("NET-01")
@pytest.mark.parametrize("scheme", ["ftp", "ws", "wss", "gopher", "file", "HTTPX"])
def test_only_the_web_is_called_whatever_the_operator_allows(scheme: str) -> None:
    with pytest.raises(OutboundRefused):
        targets.read(f"{scheme}://idp.example.test:443/", policy=OPEN)


@pytest.mark.requirement("NET-04")
@pytest.mark.parametrize(("start", "allowed"), [("https://a.test/", False), ("http://a.test/", True)])
def test_redirect_from_https_never_leads_to_http(start: str, allowed: bool) -> None:
    with nullcontext() if allowed else pytest.raises(OutboundRefused):
        targets.follow(targets.read(start, policy=OPEN), "http://b.test/", policy=OPEN)


@pytest.mark.requirement("NET-04")
@pytest.mark.parametrize(
    ("location", "rewritten"),
    [
        ("/b", "https://idp.example.test:443/b"),
        ("b?c", "https://idp.example.test:443/a/b?c"),
        ("//other.test/b", "https://other.test:443/b"),
        ("https://other.test", "https://other.test:443/"),
    ],
)
def test_redirect_is_read_from_where_it_stands(location: str, rewritten: str) -> None:
    start = targets.read("https://idp.example.test/a/x", policy=OPEN)
    assert targets.follow(start, location, policy=OPEN).url() == rewritten


@pytest.mark.requirement("NET-01")
@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.sampled_from("https:/@.[]%\\?#:0x17fa-_ \t\nＡ。") | st.characters(), max_size=40))
@example("https://[")
@example("https://a:b")
@example("https://[::1]a/")
@example("//")
def test_any_text_is_read_or_refused(text: str) -> None:
    for url in (text, "https://" + text):
        try:
            target = targets.read(url, policy=OPEN)
        except OutboundRefused:
            continue
        again = targets.read(target.url(), policy=OPEN)
        assert again == target
