"""What every kind of address is to us, however it is spelled."""

import ipaddress

import pytest

from llmops.base.addresses import BadHost, Kind, Policy, host_of, kind_of

KINDS = {
    Kind.GLOBAL: [
        "8.8.8.8",
        "1.1.1.1",
        "93.184.216.34",
        "100.63.255.255",
        "100.128.0.1",
        "172.32.0.1",
        "2606:4700::1111",
    ],
    Kind.LOOPBACK: ["127.0.0.1", "127.255.255.254", "::1"],
    Kind.PRIVATE: [
        *("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
        *("100.64.0.1", "100.127.255.255", "fc00::1", "fd12:3456::1"),
    ],
    Kind.FORBIDDEN: [
        *("0.0.0.0", "0.1.2.3", "::"),  # unspecified
        *(
            "169.254.169.254",
            "169.254.170.2",
            "fe80::1",
            "fe80::1%eth0",
            "2606:4700::1111%eth0",
            "fec0::1",
        ),  # link-local, site-local
        *("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),  # clouds' metadata
        *("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"),  # documentation
        *("198.18.0.1", "192.88.99.1", "100::1", "5f00::1"),
        *("224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"),  # multicast
        *("240.0.0.1", "255.255.255.255"),  # reserved
        *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1", "::127.0.0.1", "::8.8.8.8"),  # IPv4 inside
        *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1"),  # NAT64
        *("2002:7f00:1::", "2002:a9fe:a9fe::1", "2002:808:808::1"),  # 6to4
        *("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:10::1"),  # Teredo, ORCHID
    ],
}


@pytest.mark.requirement("NET-02", "TST-15")
@pytest.mark.parametrize(
    ("address", "kind"), [(address, kind) for kind, addresses in KINDS.items() for address in addresses]
)
def test_address_is(address: str, kind: Kind) -> None:
    assert kind_of(ipaddress.ip_address(address)) is kind


SPELLINGS = [
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1", "0x7F.0.0.0x1"),
    *("017700000001", "0177.0.0.1", "0177.0.0.01", "00000000177.0.0.1", "127.0.0.1.", "127.0.0x1", "127.0.00.0x01"),
]


@pytest.mark.requirement("NET-02", "TST-15")
@pytest.mark.parametrize("text", SPELLINGS)
def test_numeric_spelling_is_loopback(text: str) -> None:
    assert host_of(text) == ipaddress.ip_address("127.0.0.1")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("::1", "::1"),
        ("0:0:0:0:0:0:0:1", "::1"),
        ("::FFFF:7F00:1", "::ffff:127.0.0.1"),
        ("0x", "0.0.0.0"),
        ("0", "0.0.0.0"),
        ("0xa9fea9fe", "169.254.169.254"),
        ("8.8.2056", "8.8.8.8"),
    ],
)
def test_other_spelling_is_read(text: str, address: str) -> None:
    assert host_of(text) == ipaddress.ip_address(address)


@pytest.mark.requirement("NET-02")
@pytest.mark.parametrize(
    "text",
    [
        *("", ".", "..", "a..b", ".a", "-a.test", "a-.test", "a b", "a/b", "a%2eb", "a@b", "[::1]", "::1%1%2", ":::"),
        *("256.0.0.1", "1.2.3.4.5", "127.0.0.256", "4294967296", "0x100000000", "08.0.0.1", "a.1", "1..1"),
        *("１２７.0.0.1", "①②⑦.0.0.1", "localhost。", "127。0。0。1", "exämple.test", "٠", "a" * 64, "a." * 127 + "ab"),
    ],
)
def test_host_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadHost):
        host_of(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("IdP.Example.TEST", "idp.example.test"),
        ("a.test.", "a.test"),
        ("1.2.3.0xg", "1.2.3.0xg"),
        ("xn--bcher-kva.test", "xn--bcher-kva.test"),
    ],
)
def test_name_is_read_in_lower_case(text: str, name: str) -> None:
    assert host_of(text) == name


PERMITS = [
    # policy, scheme, port, kind, refusal
    (Policy(), "https", 443, Kind.GLOBAL, None),
    (Policy(), "https", 8443, Kind.GLOBAL, "port"),
    (Policy(), "https", 80, Kind.GLOBAL, "port"),
    (Policy(), "http", 80, Kind.GLOBAL, "not-https"),
    (Policy(), "https", 443, Kind.PRIVATE, "private-address"),
    (Policy(), "https", 443, Kind.LOOPBACK, "loopback-address"),
    (Policy(), "https", 443, Kind.FORBIDDEN, "forbidden-address"),
    (Policy(ports=frozenset({8443})), "https", 8443, Kind.GLOBAL, None),
    (Policy(ports=frozenset({8443})), "https", 443, Kind.GLOBAL, None),
    (Policy(ports=frozenset({8443})), "https", 8444, Kind.GLOBAL, "port"),
    (Policy(allow_private=True), "https", 443, Kind.PRIVATE, None),
    (Policy(allow_private=True), "http", 80, Kind.PRIVATE, "not-https"),
    (Policy(allow_private=True, allow_http=True), "http", 80, Kind.PRIVATE, None),
    (Policy(allow_private=True, allow_http=True), "http", 80, Kind.GLOBAL, "not-https"),
    (Policy(allow_http=True), "http", 80, Kind.PRIVATE, "private-address"),
    (Policy(allow_private=True), "https", 8443, Kind.PRIVATE, "port"),
    (Policy(allow_private=True), "https", 80, Kind.PRIVATE, "port"),
    (Policy(allow_private=True), "http", 80, Kind.GLOBAL, "not-https"),
    (Policy(allow_private=True), "http", 80, Kind.LOOPBACK, "loopback-address"),
    (Policy(allow_private=True), "http", 80, Kind.FORBIDDEN, "forbidden-address"),
    (Policy(allow_loopback=True), "http", 18083, Kind.LOOPBACK, None),
    (Policy(allow_loopback=True), "http", 80, Kind.GLOBAL, "not-https"),
    (Policy(allow_loopback=True), "https", 443, Kind.PRIVATE, "private-address"),
    (Policy(True, True, frozenset({80, 443})), "http", 80, Kind.FORBIDDEN, "forbidden-address"),
]


@pytest.mark.requirement("NET-01", "NET-02", "NET-08")
@pytest.mark.parametrize(("policy", "scheme", "port", "kind", "refusal"), PERMITS)
def test_policy_permits_exactly(policy: Policy, scheme: str, port: int, kind: Kind, refusal: str | None) -> None:
    assert policy.refusal(scheme, port, kind) == refusal
