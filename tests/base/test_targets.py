"""A URL is read in one way only, and rewritten from what was understood."""

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
