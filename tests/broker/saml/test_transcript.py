"""What a trace shows of a Response: readable, and without what is bulk or secret."""

from typing import Any

import pytest
from lxml import etree
from saml import build

from llmops.broker.saml import names, response, transcript
from llmops.broker.saml.response import Received


def nothing_is_secret(name: str) -> bool:
    return False


def received(style: str = "both", **changes: Any) -> Received:
    return response.parse(build.encode(build.build(style, **changes)))


def written(of: Received) -> str:
    return transcript.written(of, hides=nothing_is_secret)


def test_it_is_indented_xml_with_what_was_said() -> None:
    text = written(received())
    assert "\n    <saml:Subject>" in text
    assert ">ann@acme.test<" in text
    assert etree.fromstring(text).tag.endswith("Response")


@pytest.mark.requirement("SEC-05")
@pytest.mark.parametrize("style", ["both", "encrypted", "encrypted-both"])
def test_signatures_certificates_and_encrypted_bytes_are_taken_out(style: str) -> None:
    of = received(style)
    bulk = [
        "".join((element.text or "").split())
        for name in ("SignatureValue", "DigestValue", "X509Certificate", "CipherValue")
        for element in of.document.iter(f"{{*}}{name}")
    ]
    text = "".join(written(of).split())
    assert bulk
    assert not [value for value in bulk if value and value in text]
    assert transcript.REMOVED in text


def test_the_message_itself_is_left_as_it_is() -> None:
    of = received()
    before = etree.tostring(of.document)
    written(of)
    assert etree.tostring(of.document) == before


@pytest.mark.requirement("SEC-05")
def test_an_attribute_that_is_called_a_secret_is_taken_out() -> None:
    of = received(base=build.template(attributes=[("email", ["ann@acme.test"]), ("apiToken", ["t0p-s3cret", "two"])]))
    text = transcript.written(of, hides=lambda name: name == "apiToken")
    assert "t0p-s3cret" not in text
    assert "two" not in text
    assert "ann@acme.test" in text


def test_subject_and_attributes_are_told_unverified() -> None:
    told = transcript.told(received())
    assert told.subject is not None
    assert (told.subject.value, told.subject.format) == (build.SUBJECT, names.EMAIL_ADDRESS)
    assert told.attributes["email"] == ("ann@acme.test",)


def test_an_encrypted_assertion_tells_nothing() -> None:
    assert transcript.told(received("encrypted")) == transcript.Told()
