"""AuthnRequests and the redirect that carries them."""

import base64
import re
import zlib
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree
from saml.build import ACS, NOW, SP
from saml.keys import signer

from llmops.broker.saml import names, request
from llmops.broker.saml.names import saml, samlp
from llmops.broker.saml.request import AuthnRequest

SSO = "https://idp.example.test/sso"


def _asked(**changes: Any) -> AuthnRequest:
    known: dict[str, Any] = {"sp_entity_id": SP, "acs_url": ACS, "destination": SSO, "now": NOW}
    return request.authn_request(**{**known, **changes})


def _redirect(asked: AuthnRequest, **changes: Any) -> str:
    return request.redirect_url(asked, **{"sso_url": SSO, "relay_state": "r1", **changes})


def _inflated(address: str) -> bytes:
    [encoded] = parse_qs(urlsplit(address).query)["SAMLRequest"]
    return zlib.decompress(base64.b64decode(encoded), wbits=-15)


def test_request_says_what_the_profile_needs_and_no_more() -> None:
    asked = _asked()
    root = etree.fromstring(asked.xml)
    assert root.tag == samlp("AuthnRequest")
    assert dict(root.attrib) == {
        "ID": asked.id,
        "Version": "2.0",
        "IssueInstant": "2026-11-24T12:00:00Z",
        "Destination": SSO,
        "ProtocolBinding": names.HTTP_POST,
        "AssertionConsumerServiceURL": ACS,
    }
    assert [(child.tag, child.text) for child in root] == [(saml("Issuer"), SP)]


@pytest.mark.requirement("SAML-39")
def test_ids_are_random_and_valid() -> None:
    ids = {_asked().id for _ in range(100)}
    assert len(ids) == 100
    assert all(re.fullmatch(r"_[0-9a-f]{40}", one) for one in ids)


def test_id_may_be_the_caller_s() -> None:
    assert _asked(request_id="_mine").id == "_mine"
    assert b'ID="_mine"' in _asked(request_id="_mine").xml


def test_fresh_authentication_can_be_forced() -> None:
    assert etree.fromstring(_asked(force_authn=True).xml).get("ForceAuthn") == "true"


@pytest.mark.requirement("SAML-39")
def test_values_are_serialized_not_pasted() -> None:
    hostile = 'https://a.test/?a=1&b="><x/>'
    root = etree.fromstring(_asked(sp_entity_id=hostile, acs_url=hostile, destination=hostile).xml)
    assert root.get("AssertionConsumerServiceURL") == hostile
    assert root.findtext(saml("Issuer")) == hostile
    assert len(root) == 1


def test_redirect_carries_the_deflated_request_and_relay_state() -> None:
    asked = _asked()
    address = _redirect(asked)
    assert address.startswith(SSO + "?SAMLRequest=")
    assert _inflated(address) == asked.xml
    assert [name for name, _ in parse_qsl(urlsplit(address).query)] == ["SAMLRequest", "RelayState"]
    assert parse_qs(urlsplit(address).query)["RelayState"] == ["r1"]


@pytest.mark.parametrize(
    ("sso_url", "start"),
    [
        (
            "https://accounts.google.com/o/saml2/idp?idpid=C01",
            "https://accounts.google.com/o/saml2/idp?idpid=C01&SAMLRequest=",
        ),
        ("https://a.test/sso?", "https://a.test/sso?SAMLRequest="),
        ("https://a.test/sso?a=1&", "https://a.test/sso?a=1&SAMLRequest="),
        ("https://a.test/sso#top", "https://a.test/sso?SAMLRequest="),
        ("https://a.test", "https://a.test?SAMLRequest="),
    ],
)
def test_address_that_has_a_query_keeps_it(sso_url: str, start: str) -> None:
    assert _redirect(_asked(), sso_url=sso_url).startswith(start)


def test_login_hint_and_empty_relay_state() -> None:
    query = urlsplit(_redirect(_asked(), relay_state="", login_hint="ann+x@acme.test")).query
    assert "RelayState" not in query
    assert query.endswith("&login_hint=ann%2Bx%40acme.test")


@pytest.mark.requirement("SAML-35")
def test_relay_state_has_eighty_bytes_at_most() -> None:
    assert _redirect(_asked(), relay_state="x" * 80)
    with pytest.raises(ValueError, match="RelayState"):
        _redirect(_asked(), relay_state="é" * 41)


def test_signature_covers_the_query_octets_as_they_stand() -> None:
    key = signer("sp")
    address = _redirect(_asked(), signing_key=key.key, sso_url="https://a.test/sso?a=1", login_hint="ann@acme.test")
    query = urlsplit(address).query.removeprefix("a=1&")
    signed, _, rest = query.partition("&Signature=")
    assert [name for name, _ in parse_qsl(signed)] == ["SAMLRequest", "RelayState", "SigAlg"]
    assert parse_qs(signed)["SigAlg"] == [names.RSA_SHA256]
    value = base64.b64decode(parse_qs("Signature=" + rest)["Signature"][0])
    public = key.certificate.public_key
    public.verify(value, signed.encode(), padding.PKCS1v15(), hashes.SHA256())
