"""Each identity provider of tests/idps starts, and a person can sign in there."""

import base64
import zlib
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest
from support.idps import Idp, canaille, log_in_oidc, log_in_saml, nanoidp, pysaml2
from support.visitor import Visitor

pytestmark = pytest.mark.idps
SP = "https://sp.example.test/saml/metadata"
ACS = "http://127.0.0.1:8000/saml/acs"
BACK = "http://127.0.0.1:8000/oidc/callback"


def saml_start(idp: Idp) -> str:
    """The address with an AuthnRequest by the Redirect binding."""
    request = (
        '<samlp:AuthnRequest xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_1" Version="2.0" '
        f'IssueInstant="2026-01-01T00:00:00Z" Destination="{idp.sso_url}" '
        f'AssertionConsumerServiceURL="{ACS}" '
        'ProtocolBinding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST">'
        f'<saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">{SP}</saml:Issuer>'
        "</samlp:AuthnRequest>"
    )
    packed = base64.b64encode(zlib.compress(request.encode(), wbits=-15)).decode()
    return f"{idp.sso_url}?{urlencode({'SAMLRequest': packed, 'RelayState': 'here'})}"


def oidc_start(idp: Idp) -> str:
    endpoint = httpx2.get(idp.discovery_url).json()["authorization_endpoint"]
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"  # RFC 7636, appendix B
    asked = {"response_type": "code", "client_id": "rp-test", "redirect_uri": BACK, "scope": "openid email"}
    more = {"state": "s1", "nonce": "n1", "code_challenge": challenge, "code_challenge_method": "S256"}
    return f"{endpoint}?{urlencode(asked | more)}"


def check_saml(idp: Idp) -> None:
    with Visitor() as visitor:
        form = log_in_saml(idp, visitor, visitor.get(saml_start(idp)))
    assert form.action == ACS
    assert form.fields["RelayState"] == "here"
    assert idp.entity_id in base64.b64decode(str(form.fields["SAMLResponse"])).decode()


def check_oidc(idp: Idp) -> None:
    with Visitor() as visitor:
        back = log_in_oidc(idp, visitor, visitor.get(oidc_start(idp)), redirect_uri=BACK)
    assert back.startswith(BACK + "?")
    answer = parse_qs(urlsplit(back).query)
    assert answer["state"] == ["s1"]
    assert answer["code"]


def test_nanoidp_signs_in_by_saml_and_oidc() -> None:
    with nanoidp(redirect_uris=[BACK]) as idp:
        check_saml(idp)
        check_oidc(idp)


def test_pysaml2_signs_in_by_saml_also_unasked() -> None:
    with pysaml2(sp_entity_id=SP, acs_url=ACS) as idp, Visitor() as visitor:
        check_saml(idp)
        form = log_in_saml(idp, visitor, visitor.get(idp.idp_initiated_url), user="bob")
        assert form.action == ACS


def test_canaille_signs_in_by_oidc() -> None:
    with canaille(redirect_uris=[BACK]) as idp:
        check_oidc(idp)
        assert "ann" in idp.run("cli", "get", "user")
