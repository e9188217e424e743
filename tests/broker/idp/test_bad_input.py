"""What an outsider can send to the addresses that identity providers use: typed refusals, never a 500, nothing left."""

import base64
import zlib

import pytest
from oidc import provider as op
from saml import build
from world import World, error_of, request_id_of

DOCTYPE = b'<!DOCTYPE x [<!ENTITY a "b">]><samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol"/>'
FORM = "application/x-www-form-urlencoded"


def b64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


BODIES = {
    "nothing": "",
    "not base64": "%%%",
    "url-safe base64": "PD94_-8=",
    "broken padding": "PHg+PC94Pg=",
    "not XML": b64(b"hello"),
    "empty XML": b64(b""),
    "another root": b64(b"<x/>"),
    "a doctype": b64(DOCTYPE),
    "deflated": b64(zlib.compress(b"<x/>" * 50)),
    "UTF-16": b64("<x/>".encode("utf-16")),
    "NUL": b64(b"<x>\x00</x>"),
    "deep": b64(b"<x>" * 500 + b"</x>" * 500),
    "300 KB": b64(b"<x>" + b"a" * 300_000 + b"</x>"),
    "not ASCII": "ÄÖÜ",
}


@pytest.mark.requirement("SAML-01", "SAML-02", "SAML-04")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_rubbish_at_the_acs_is_refused(world: World, body: str) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    before = world.counts()
    answer = world.post_response(visitor, connection, body)
    assert answer.status == 303
    assert error_of(answer) == "saml_malformed"
    page = visitor.follow(answer)
    assert page.status == 200
    assert "Traceback" not in page.html
    after = world.counts()
    assert {name: after[name] - before[name] for name in after if after[name] != before[name]} == {
        "logins": 1,
        "rate_counters": 1,
    }


@pytest.mark.requirement("SAML-01", "WEB-13")
def test_a_body_over_the_limit_is_cut_off(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    answer = world.post_response(visitor, connection, "A" * 2_000_000)
    assert answer.status == 413
    assert "body_too_large" in answer.text
    assert world.counts()["logins"] == 0


@pytest.mark.requirement("SAML-01")
@pytest.mark.parametrize("kind", ["text/xml", "application/json", "multipart/form-data; boundary=x", "text/plain", ""])
def test_another_content_type_is_refused(world: World, kind: str) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    answer = visitor.post(f"/sso/saml/{connection.id}/acs", {"SAMLResponse": "x"}, Content_Type=kind)
    assert error_of(answer) == "saml_malformed"


@pytest.mark.requirement("SAML-01", "WEB-02")
@pytest.mark.parametrize("name", ["SAMLResponse", "RelayState"])
def test_doubled_parameters_are_refused(world: World, name: str) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    fields = {"SAMLResponse": "x", "RelayState": "y", name: ["one", "two"]}
    assert error_of(visitor.post(f"/sso/saml/{connection.id}/acs", fields)) == "saml_malformed"


@pytest.mark.parametrize(
    "path",
    ["/sso/saml/conn_none/acs", "/sso/saml/../acs", "/sso/saml/%00/acs", "/sso/saml/" + "a" * 3000 + "/acs"],
)
def test_an_unknown_connection_is_said(world: World, path: str) -> None:
    answer = world.visitor().post(path, {"SAMLResponse": "x"})
    assert answer.status in (303, 404)
    assert error_of(answer) in ("connection_unknown", "")
    assert world.counts()["logins"] == 0


@pytest.mark.requirement("SAML-01")
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_post_reaches_the_acs(world: World, method: str) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    answer = visitor._client.request(method, f"https://llm-ops.test/sso/saml/{connection.id}/acs")
    assert answer.status_code == 405


@pytest.mark.parametrize(
    "query",
    ["", "state=", "code=x", "state=x", "state=x&code=y", "error=access_denied", "state=%00&code=%00",
     "state=" + "a" * 10_000 + "&code=x", "&".join(f"p{n}=x" for n in range(70)), "state=%ff%fe&code=x"],
)  # fmt: skip
def test_rubbish_at_the_redirect_uri_is_refused(world: World, query: str) -> None:
    from_oidc = world.oidc(world.organization(), op.provider(), client_id="client-1")
    visitor = world.visitor()
    answer = visitor.get(f"/sso/oidc/{from_oidc.id}/callback?{query}")
    assert error_of(answer) in ("login_unknown", "oidc_malformed")
    assert visitor.follow(answer).status == 200
    assert world.counts()["sessions"] == 0


@pytest.mark.requirement("WEB-05")
@pytest.mark.parametrize("host", ["evil.test", "llm-ops.test.evil.test", "llm-ops.test:444", "", "localhost"])
def test_a_foreign_host_is_refused(world: World, host: str) -> None:
    connection = world.saml(world.organization())
    answer = world.visitor().post(f"/sso/saml/{connection.id}/acs", {"SAMLResponse": "x"}, Host=host)
    assert answer.status == 421
    assert "evil" not in answer.html


@pytest.mark.requirement("SAML-18")
def test_a_saml_answer_at_the_oidc_address_and_the_other_way_round(world: World) -> None:
    saml = world.saml(world.organization())
    oidc = world.oidc(world.organization("Other", domain="other.test"), op.provider(), client_id="client-1")
    visitor = world.visitor()
    assert error_of(visitor.post(f"/sso/saml/{oidc.id}/acs", {"SAMLResponse": "x"})) == "connection_unknown"
    assert error_of(visitor.get(f"/sso/oidc/{saml.id}/callback?state=x&code=y")) == "connection_unknown"


@pytest.mark.requirement("SEC-04")
def test_no_message_stands_in_the_log(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    encoded = world.response(connection, request_id_of(world.depart(visitor)))
    visitor.follow(world.post_response(visitor, connection, encoded))
    world.post_response(visitor, connection, build.encode(b"<x/>"))
    assert encoded[:60] not in capsys.readouterr().out
