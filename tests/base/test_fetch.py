"""The guarded client against real servers on loopback, honest and hostile."""

import os
import ssl
import threading
import time
import tracemalloc
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from outbound.servers import NAME, Authority, Resolver, Server, running

from llmops.base.addresses import Policy
from llmops.base.fetch import METADATA_LIMIT_BYTES, Fetcher
from llmops.errors import OutboundFailure, OutboundRefused, OutboundUnreachable, OutboundUnusable

DEVELOPMENT = Policy(allow_loopback=True)


@pytest.fixture(scope="module")
def _http() -> Iterator[Server]:
    with running() as server:
        yield server


@pytest.fixture
def http(_http: Server) -> Server:
    _http.requests.clear()
    return _http


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with Fetcher(DEVELOPMENT) as made:
        yield made


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def quick(resolver: Resolver, policy: Policy = DEVELOPMENT, **more: object) -> Fetcher:
    return Fetcher(policy, resolver=resolver, connect_seconds=0.3, total_seconds=0.4, **more)


# --- What comes back ---------------------------------------------------------------------------------------


def test_get_brings_status_type_and_body(fetcher: Fetcher, http: Server) -> None:
    answer = fetcher("GET", http.url("/ok"))
    assert (answer.status, answer.content_type, answer.body) == (200, "application/json", b'{"ok": true}')


def test_post_sends_the_form_and_the_headers(fetcher: Fetcher, http: Server) -> None:
    fetcher("POST", http.url("/type?is=%20y"), form={"code": "a&b=ü"}, headers={"Authorization": "Basic eA=="})
    [(method, path, headers, body)] = http.requests
    assert (method, path, body) == ("POST", "/type?is=%20y", b"code=a%26b%3D%C3%BC")
    assert headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert headers["Authorization"] == "Basic eA=="
    assert headers["Host"] == f"127.0.0.1:{http.port}"


def test_call_returns_any_status(fetcher: Fetcher, http: Server) -> None:
    assert fetcher("GET", http.url("/status?is=503")).status == 503


def test_get_returns_a_document_of_an_expected_type(fetcher: Fetcher, http: Server) -> None:
    answer = fetcher.get(http.url("/type?is=Application/XML;%20charset=utf-8"), content_types=["application/xml"])
    assert answer.body == b"<html>"


@pytest.mark.requirement("NET-05", "NET-07")
@pytest.mark.parametrize(
    "path", ["/type?is=text/html", "/type", "/status?is=404", "/status?is=500", "/redirect?to=/ok"]
)
def test_get_refuses_other_statuses_and_types_without_showing_the_body(
    fetcher: Fetcher, http: Server, path: str
) -> None:
    with pytest.raises(OutboundUnusable) as caught:
        fetcher.get(http.url(path), content_types=["application/json"])
    assert "secret" not in str(caught.value)
    assert "<html>" not in str(caught.value)


def test_compressed_answer_is_unpacked(fetcher: Fetcher, http: Server) -> None:
    assert fetcher("GET", http.url("/packed?encoding=gzip")).body == b'{"packed": true}'


def test_connection_is_kept_and_then_not_resolved_again(http: Server) -> None:
    resolver = Resolver([["127.0.0.1"]])
    before = http.connections
    with Fetcher(DEVELOPMENT, resolver=resolver) as fetcher:
        for _ in range(3):
            fetcher("GET", http.url("/ok", host=NAME))
    assert (http.connections - before, resolver.asked) == (1, [NAME])


def test_many_threads_share_one_client(fetcher: Fetcher, http: Server) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = threads.map(lambda n: fetcher("GET", http.url(f"/size?bytes={n}")), range(40))
    assert [len(answer.body) for answer in answers] == list(range(40))


def test_no_cookie_is_kept(fetcher: Fetcher, http: Server) -> None:
    for _ in range(2):
        fetcher("GET", http.url("/ok"))
    assert all("Cookie" not in headers for _, _, headers, _ in http.requests)


# --- Where calls may go ------------------------------------------------------------------------------------


@pytest.mark.requirement("NET-01", "NET-02", "TST-15")
@pytest.mark.parametrize(
    "url",
    [
        *("http://8.8.8.8/", "https://8.8.8.8:8443/", "https://8.8.8.8:80/", "ftp://8.8.8.8/", "file:///etc/passwd"),
        *("gopher://8.8.8.8/", "//8.8.8.8/", "8.8.8.8", "", "https://", "https:///x", "https://8.8.8.8:99999/"),
        *(
            "https://user@8.8.8.8/",
            "https://user:pw@8.8.8.8/",
            "https://:@8.8.8.8/",
            "https://8.8.8.8\\@x/",
            "https://8.8.8.8/a b",
        ),
        *("https://8.8.8.8/\r\nx: y", "https://8.8.8.8:443:443/", "https://exämple.test/", "https://１２７.0.0.1/"),
        *("https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/"),
        *("https://0/", "https://0.0.0.0/", "https://[::]/", "https://[::1]/", "https://[::ffff:127.0.0.1]/"),
        *(
            "https://10.0.0.1/",
            "https://192.168.1.1/",
            "https://172.16.0.1/",
            "https://100.64.0.1/",
            "https://[fd00::1]/",
        ),
        *("https://169.254.169.254/", "https://0xa9fea9fe/", "https://2852039166/", "https://[fe80::1%25eth0]/"),
        *(
            "https://[64:ff9b::a9fe:a9fe]/",
            "https://[2002:a9fe:a9fe::]/",
            "https://[2001::1]/",
            "https://255.255.255.255/",
        ),
        *(
            "https://[::1",
            "https://[zz]/",
            "https://256.256.256.256/",
            "https://1.2.3.4.5/",
            "https://%31%32%37.0.0.1/",
        ),
    ],
)
def test_url_is_refused_and_nothing_is_resolved(url: str) -> None:
    resolver = Resolver([["8.8.8.8"]])
    with Fetcher(Policy(), resolver=resolver) as fetcher, pytest.raises(OutboundRefused):
        fetcher("GET", url)
    assert resolver.asked == []


@pytest.mark.requirement("NET-02", "NET-03", "TST-15")
@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"],
        ["::1"],
        ["10.0.0.1"],
        ["8.8.8.8", "10.0.0.1"],
        ["169.254.169.254"],
        ["fe80::1%eth0"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::10.0.0.1"],
        ["0.0.0.0"],
    ],
)
def test_name_of_a_refused_address_is_refused(addresses: list[str]) -> None:
    with Fetcher(Policy(), resolver=Resolver([addresses])) as fetcher, pytest.raises(OutboundRefused) as caught:
        fetcher("GET", f"https://{NAME}/")
    assert caught.value.facts["host"] == NAME
    assert caught.value.facts["reason"].endswith("-address")


@pytest.mark.requirement("NET-02")
@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "::ffff:169.254.169.254", "0.0.0.0"])
def test_metadata_addresses_are_refused_whatever_the_operator_allows(address: str) -> None:
    everything = Policy(allow_private=True, allow_loopback=True, ports=frozenset({80}))
    with Fetcher(everything, resolver=Resolver([[address]])) as fetcher, pytest.raises(OutboundRefused):
        fetcher("GET", f"http://{NAME}/")


@pytest.mark.requirement("NET-02")
def test_one_refused_address_among_allowed_ones_refuses_the_name(http: Server) -> None:
    resolver = Resolver([["127.0.0.1", "10.0.0.1"]])
    with Fetcher(DEVELOPMENT, resolver=resolver) as fetcher, pytest.raises(OutboundRefused):
        fetcher("GET", http.url("/ok", host=NAME))
    assert http.requests == []


@pytest.mark.requirement("NET-03", "TST-15")
def test_rebinding_is_caught_at_the_next_connection(http: Server) -> None:
    resolver = Resolver([["127.0.0.1"], ["10.0.0.1"]])
    with Fetcher(DEVELOPMENT, resolver=resolver) as fetcher:
        # The name exists for this resolver alone, so only the checked address can have been connected to.
        assert fetcher("GET", http.url("/last", host=NAME)).status == 200
        with pytest.raises(OutboundRefused):
            fetcher("GET", http.url("/ok", host=NAME))
    assert len(resolver.asked) == 2
    assert len(http.requests) == 1


def test_second_address_is_tried_when_the_first_does_not_answer(http: Server) -> None:
    with Fetcher(DEVELOPMENT, resolver=Resolver([["127.0.0.2", "127.0.0.1"]])) as fetcher:
        assert fetcher("GET", http.url("/ok", host=NAME)).status == 200


@pytest.mark.requirement("NET-01")
@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, http: Server, variable: str) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with Fetcher(DEVELOPMENT) as fetcher:
        assert fetcher("GET", http.url("/ok")).status == 200


# --- Redirects ---------------------------------------------------------------------------------------------


@pytest.mark.requirement("NET-04")
def test_no_redirect_is_followed_by_default(fetcher: Fetcher, http: Server) -> None:
    assert fetcher("GET", http.url("/redirect?to=/ok")).status == 302
    assert [path for _, path, _, _ in http.requests] == ["/redirect?to=/ok"]


@pytest.mark.requirement("NET-04")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirect_is_followed_when_asked_for(fetcher: Fetcher, http: Server, status: int) -> None:
    assert fetcher("GET", http.url(f"/redirect?to=/ok&status={status}"), redirects=3).body == b'{"ok": true}'


@pytest.mark.requirement("NET-04")
def test_redirects_are_counted(fetcher: Fetcher, http: Server) -> None:
    assert fetcher("GET", http.url("/circle?left=3"), redirects=3).status == 200
    with pytest.raises(OutboundRefused):
        fetcher("GET", http.url("/circle?left=4"), redirects=3)


@pytest.mark.requirement("NET-04")
@pytest.mark.parametrize(("method", "form"), [("POST", None), ("POST", {"code": "c"}), ("GET", {"code": "c"})])
def test_only_a_plain_get_may_be_redirected(
    fetcher: Fetcher, http: Server, method: str, form: dict[str, str] | None
) -> None:
    with pytest.raises(AssertionError):
        fetcher(method, http.url("/redirect?to=/ok"), form=form, redirects=1)
    assert http.requests == []


def test_redirect_without_a_location_is_an_answer(fetcher: Fetcher, http: Server) -> None:
    assert fetcher("GET", http.url("/nowhere"), redirects=3).status == 302


@pytest.mark.requirement("NET-04", "TST-15")
@pytest.mark.parametrize(
    "to",
    [
        *("http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://0xa9fea9fe/", "http://[fd00::1]/"),
        *("http://8.8.8.8/", "file:///etc/passwd", "http://user@127.0.0.1/", "//0.0.0.0/", "ftp://127.0.0.1/"),
    ],
)
def test_redirect_goes_through_every_check(fetcher: Fetcher, http: Server, to: str) -> None:
    with pytest.raises(OutboundRefused):
        fetcher("GET", http.url(f"/redirect?to={to}"), redirects=3)


@pytest.mark.requirement("NET-04", "TST-15")
def test_redirect_to_a_name_is_resolved_and_checked(http: Server) -> None:
    with Fetcher(DEVELOPMENT, resolver=Resolver([["10.0.0.1"]])) as fetcher, pytest.raises(OutboundRefused) as caught:
        fetcher("GET", http.url(f"/redirect?to=http://{NAME}/"), redirects=3)
    assert caught.value.facts == {"host": NAME, "reason": "private-address"}


@pytest.mark.requirement("NET-04")
def test_redirect_carries_no_credentials(fetcher: Fetcher, http: Server) -> None:
    headers = {"Authorization": "Bearer at", "X-Api-Key": "k", "Accept": "application/json"}
    fetcher("GET", http.url("/redirect?to=/ok"), headers=headers, redirects=1)
    first, second = (headers for _, _, headers, _ in http.requests)
    assert first["Authorization"] == "Bearer at"
    assert "Authorization" not in second
    assert "X-Api-Key" not in second
    assert second["Accept"] == "application/json"


@pytest.mark.requirement("NET-04")
def test_redirect_from_https_to_http_is_refused(authority: Authority, http: Server) -> None:
    with (
        running(tls=authority.server()) as secure,
        Fetcher(DEVELOPMENT, resolver=Resolver([["127.0.0.1"]]), ca_file=authority.file) as fetcher,
        pytest.raises(OutboundRefused) as caught,
    ):
        fetcher("GET", secure.url(f"/redirect?to={http.url('/ok')}", host=NAME, scheme="https"), redirects=3)
    assert caught.value.facts["reason"] == "redirect-to-http"


# --- Size and time -----------------------------------------------------------------------------------------


@pytest.mark.requirement("NET-05")
def test_size_is_limited_to_the_byte(fetcher: Fetcher, http: Server) -> None:
    assert len(fetcher("GET", http.url("/size?bytes=1048576")).body) == 1048576
    with pytest.raises(OutboundUnusable) as caught:
        fetcher("GET", http.url("/size?bytes=1048577"))
    assert caught.value.facts["reason"] == "too-large"


@pytest.mark.requirement("NET-05")
def test_metadata_may_be_larger(fetcher: Fetcher, http: Server) -> None:
    answer = fetcher.get(
        http.url("/size?bytes=2000000"), content_types=["application/json"], limit_bytes=METADATA_LIMIT_BYTES
    )
    assert len(answer.body) == 2_000_000


@pytest.mark.requirement("NET-05", "TST-15")
def test_endless_answer_is_cut(fetcher: Fetcher, http: Server) -> None:
    with pytest.raises(OutboundUnusable):
        fetcher("GET", http.url("/endless"))


@pytest.mark.requirement("NET-05", "TST-15")
def test_bomb_is_stopped_while_it_unpacks(fetcher: Fetcher, http: Server) -> None:
    fetcher("GET", http.url("/ok"))
    packed = http.url("/bomb?bytes=30000000")
    tracemalloc.start()
    try:
        with pytest.raises(OutboundUnusable):
            fetcher("GET", packed, limit_bytes=100_000)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    # The server, in this process too, holds the 30 MB; we hold a piece of 1 MiB at a time.
    assert peak < 30_000_000 + 6 * 2**20


@pytest.mark.requirement("NET-05")
@pytest.mark.parametrize(
    "path", ["/packed?encoding=gzip,gzip", "/packed?encoding=br", "/packed?encoding=x", "/unpackable"]
)
def test_other_encodings_are_refused(fetcher: Fetcher, http: Server, path: str) -> None:
    with pytest.raises(OutboundUnusable) as caught:
        fetcher("GET", http.url(path))
    assert caught.value.facts["reason"] == "encoding"


@pytest.mark.requirement("NET-05", "TST-15")
@pytest.mark.parametrize("path", ["/slow_body", "/slow_head", "/silent"])
def test_slow_server_is_left_in_time(http: Server, path: str) -> None:
    began = time.monotonic()
    with quick(Resolver([["127.0.0.1"]])) as fetcher, pytest.raises(OutboundUnreachable) as caught:
        fetcher("GET", http.url(path))
    assert caught.value.facts == {"host": "127.0.0.1", "reason": "timeout"}
    assert time.monotonic() - began < 0.8


@pytest.mark.requirement("NET-05")
def test_slow_resolver_is_left_in_time(http: Server) -> None:
    began = time.monotonic()
    slow = Resolver([["127.0.0.1"]], delay_seconds=0.6)
    with quick(slow) as fetcher, pytest.raises(OutboundUnreachable) as caught:
        fetcher("GET", http.url("/ok", host=NAME))
    assert caught.value.facts["reason"] == "timeout"
    assert time.monotonic() - began < 0.55


@pytest.mark.requirement("NET-05")
def test_time_runs_over_all_redirects(http: Server) -> None:
    with quick(Resolver([["127.0.0.1"]])) as fetcher, pytest.raises(OutboundUnreachable):
        fetcher("GET", http.url("/redirect?to=/slow_body"), redirects=1)


@pytest.mark.parametrize(("path", "reason"), [("/garbage", "broken-answer")], ids=["not HTTP"])
def test_server_that_speaks_something_else_is_unreachable(
    fetcher: Fetcher, http: Server, path: str, reason: str
) -> None:
    with pytest.raises(OutboundUnreachable) as caught:
        fetcher("GET", http.url(path))
    assert caught.value.facts["reason"] == reason


def test_closed_port_is_unreachable(fetcher: Fetcher) -> None:
    with pytest.raises(OutboundUnreachable) as caught:
        fetcher("GET", "http://127.0.0.1:9/")
    assert caught.value.facts["reason"] == "no-connection"


@pytest.mark.parametrize("found", [[], ["not an address"]])
def test_name_without_a_usable_address_is_unreachable(found: list[str]) -> None:
    with quick(Resolver([found])) as fetcher, pytest.raises(OutboundUnreachable):
        fetcher("GET", f"https://{NAME}/")


def test_unknown_name_is_unreachable() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise OSError("no such name")

    with Fetcher(Policy(), resolver=unknown) as fetcher, pytest.raises(OutboundUnreachable) as caught:
        fetcher("GET", f"https://{NAME}/")
    assert caught.value.facts["reason"] == "no-such-name"


def test_system_resolver_knows_localhost(http: Server) -> None:
    with Fetcher(DEVELOPMENT) as fetcher:
        assert fetcher("GET", http.url("/ok", host="localhost")).status == 200


def test_failures_do_not_use_up_connections(http: Server) -> None:
    with quick(Resolver([["127.0.0.1", "10.0.0.1"]])) as fetcher:
        for _ in range(70):
            with pytest.raises(OutboundRefused):
                fetcher("GET", http.url("/ok", host=NAME))
        for _ in range(70):
            with pytest.raises(OutboundFailure):
                fetcher("GET", http.url("/size?bytes=9"), limit_bytes=1)
        assert fetcher("GET", http.url("/ok")).status == 200


# --- TLS ---------------------------------------------------------------------------------------------------


@pytest.mark.requirement("NET-03", "NET-08")
def test_certificate_and_sni_are_for_the_name_and_not_the_address(authority: Authority) -> None:
    with (
        running(tls=authority.server()) as secure,
        Fetcher(DEVELOPMENT, resolver=Resolver([["127.0.0.1"]]), ca_file=authority.file) as fetcher,
    ):
        assert fetcher("GET", secure.url("/ok", host=NAME.upper() + ".", scheme="https")).status == 200
    assert secure.names == [NAME]
    assert secure.requests[0][2]["Host"] == f"{NAME}:{secure.port}"


@pytest.mark.requirement("NET-08", "TST-15")
@pytest.mark.parametrize(
    ("name", "days", "trusted"), [("other.test", 1, True), (NAME, -1, True), (NAME, 1, False)], ids=str
)
def test_wrong_certificate_is_refused(authority: Authority, name: str, days: int, trusted: bool) -> None:
    with (
        running(tls=authority.server(name, days=days)) as secure,
        Fetcher(
            DEVELOPMENT, resolver=Resolver([["127.0.0.1"]]), ca_file=authority.file if trusted else None
        ) as fetcher,
        pytest.raises(OutboundUnreachable) as caught,
    ):
        fetcher("GET", secure.url("/ok", host=NAME, scheme="https"))
    assert caught.value.facts == {"host": NAME, "reason": "certificate"}
    assert secure.requests == []


@pytest.mark.requirement("NET-08")
def test_old_tls_is_refused(authority: Authority) -> None:
    context = authority.server()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        running(tls=context) as secure,
        Fetcher(DEVELOPMENT, resolver=Resolver([["127.0.0.1"]]), ca_file=authority.file) as fetcher,
        pytest.raises(OutboundUnreachable) as caught,
    ):
        fetcher("GET", secure.url("/ok", host=NAME, scheme="https"))
    assert caught.value.facts["reason"] == "tls"


def test_plain_http_on_a_tls_address_is_unreachable(fetcher: Fetcher, http: Server) -> None:
    with pytest.raises(OutboundUnreachable) as caught:
        fetcher("GET", http.url("/ok", scheme="https"))
    assert caught.value.facts["reason"] == "tls"


def test_keys_are_not_logged_because_the_environment_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: Authority
) -> None:
    log = tmp_path / "keys.log"
    monkeypatch.setitem(os.environ, "SSLKEYLOGFILE", str(log))
    with (
        running(tls=authority.server()) as secure,
        Fetcher(DEVELOPMENT, resolver=Resolver([["127.0.0.1"]]), ca_file=authority.file) as fetcher,
    ):
        fetcher("GET", secure.url("/ok", host=NAME, scheme="https"))
    assert not log.exists()


def test_closing_leaves_no_thread() -> None:
    with Fetcher(Policy(), resolver=Resolver([["10.0.0.1"]])) as fetcher, pytest.raises(OutboundRefused):
        fetcher("GET", f"https://{NAME}/")
    for thread in threading.enumerate():
        if thread.name.startswith("resolve"):
            thread.join(1)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("resolve")]
