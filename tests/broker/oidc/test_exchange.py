"""The code goes to the stored token endpoint, once, and each of its answers has a meaning."""

import base64
import json

import pytest
from oidc.provider import ABSENT, ISSUER, Answer, Server, changed, provider, says

from llmops.broker.oidc.exchange import Client, TokenAnswer, exchange
from llmops.errors import (
    Failure,
    IdpConfig,
    IdpDenied,
    IdpError,
    IdpUnavailable,
    OidcClientSecret,
    OidcCodeRefused,
    OidcMalformed,
    OutboundRefused,
    OutboundUnreachable,
    OutboundUnusable,
    UserNotAssigned,
)

CLIENT = Client(client_id="client 1:ü", client_secret="s~c.r%e+t")
GOOD = {"access_token": "at", "id_token": "a.b.c", "token_type": "Bearer", "expires_in": 300, "refresh_token": "rt"}
POST = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}


def redeem(server: Server, **changes: object) -> TokenAnswer:
    return exchange(
        provider(**changes), CLIENT, code="c0de", verifier="v" * 43, redirect_uri="https://us.test/cb", fetcher=server
    )


def test_tokens_come_back_and_do_not_print() -> None:
    tokens = redeem(says(GOOD))
    assert (tokens.id_token, tokens.access_token) == ("a.b.c", "at")
    assert repr(tokens) == "TokenAnswer()"


@pytest.mark.requirement("OIDC-04", "OIDC-06")
def test_code_goes_to_the_stored_endpoint_without_redirects() -> None:
    server = says(GOOD)
    redeem(server)
    [call] = server.calls
    assert (call.method, call.url, call.redirects) == ("POST", ISSUER + "/token", 0)
    assert call.form == {
        "grant_type": "authorization_code",
        "code": "c0de",
        "redirect_uri": "https://us.test/cb",
        "code_verifier": "v" * 43,
    }


def test_secret_in_the_header_is_form_encoded_first() -> None:
    server = says(GOOD)
    redeem(server)
    kind, _, encoded = server.calls[0].headers["Authorization"].partition(" ")
    assert kind == "Basic"
    assert base64.b64decode(encoded) == b"client+1%3A%C3%BC:s~c.r%25e%2Bt"


def test_secret_in_the_form_when_the_provider_wants_it_there() -> None:
    server = says(GOOD)
    redeem(server, **POST)
    [call] = server.calls
    assert "Authorization" not in call.headers
    assert call.form is not None
    assert (call.form["client_id"], call.form["client_secret"]) == (CLIENT.client_id, CLIENT.client_secret)


def test_client_does_not_print_its_secret() -> None:
    assert CLIENT.client_secret not in repr(CLIENT)


@pytest.mark.parametrize("spelling", ["bearer", "BEARER"])
def test_token_type_is_read_in_any_case(spelling: str) -> None:
    assert redeem(says({**GOOD, "token_type": spelling})).access_token == "at"


MEANINGS: list[tuple[int, dict[str, object], type[Failure]]] = [
    (400, {"error": "invalid_client"}, OidcClientSecret),
    (401, {"error": "invalid_client", "error_description": "AADSTS7000215"}, OidcClientSecret),
    (401, {}, OidcClientSecret),
    (400, {"error": "invalid_grant"}, OidcCodeRefused),
    (200, {"error": "invalid_grant", "id_token": "a.b.c"}, OidcCodeRefused),
    (400, {"error": "invalid_request"}, IdpConfig),
    (400, {"error": "invalid_scope"}, IdpConfig),
    (400, {"error": "unauthorized_client"}, IdpConfig),
    (400, {"error": "unsupported_grant_type"}, IdpConfig),
    (400, {"error": "access_denied"}, IdpDenied),
    (400, {"error": "interaction_required"}, IdpDenied),
    (400, {"error": "invalid_grant", "error_description": "AADSTS50105: not assigned"}, UserNotAssigned),
    (400, {"error": "something_new"}, IdpError),
    (400, {"error": ["invalid_grant"]}, IdpError),
    (400, {}, IdpError),
    (302, {}, IdpError),
    (201, GOOD, IdpError),
    (400, {"error": "server_error"}, IdpUnavailable),
    (500, {"error": "invalid_client"}, IdpUnavailable),
    (503, {}, IdpUnavailable),
    (429, {}, IdpUnavailable),
]


@pytest.mark.requirement("OIDC-06", "TST-06")
@pytest.mark.parametrize(("status", "members", "failure"), MEANINGS)
def test_refusal_means(status: int, members: dict[str, object], failure: type[Failure]) -> None:
    with pytest.raises(failure) as caught:
        redeem(says(members, status))
    assert type(caught.value) is failure


@pytest.mark.parametrize(
    "changes",
    [
        {"id_token": ABSENT},
        {"id_token": ""},
        {"id_token": 7},
        {"access_token": ABSENT},
        {"access_token": None},
        {"access_token": "a b"},
        {"access_token": "a\r\nX-Evil: 1"},
        {"access_token": "ä"},
        {"id_token": "a.b.c\n"},
        {"token_type": ABSENT},
        {"token_type": "DPoP"},
        {"token_type": ["Bearer"]},
    ],
)
def test_incomplete_answer_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(OidcMalformed):
        redeem(says(changed(GOOD, changes)))


@pytest.mark.requirement("OIDC-13")
@pytest.mark.parametrize(
    "answer",
    [
        Answer(body=b""),
        Answer(body=b"<html>"),
        Answer(body=b"[]"),
        Answer(body=json.dumps(GOOD).encode(), content_type="text/html"),
        Answer(body=json.dumps(GOOD).encode(), content_type=""),
        Answer(body=json.dumps(GOOD)[:-1].encode() + b', "id_token": "x.y.z"}'),
    ],
)
def test_answer_that_is_not_json_is_refused(answer: Answer) -> None:
    with pytest.raises(OidcMalformed):
        redeem(Server(answer))


@pytest.mark.parametrize(
    ("raised", "failure"),
    [
        (OutboundUnreachable(host="h", reason="timeout"), IdpUnavailable),
        (OutboundRefused(host="h", reason="private-address"), IdpUnavailable),
        (OutboundUnusable(host="h", reason="too-large"), OidcMalformed),
    ],
)
def test_server_that_cannot_be_called_is_told_as_a_sign_in_failure(raised: Failure, failure: type[Failure]) -> None:
    with pytest.raises(failure) as caught:
        redeem(Server(raised))
    assert caught.value.facts["reason"] == raised.facts["reason"]


def test_html_error_page_is_an_error_of_the_provider() -> None:
    with pytest.raises(IdpError):
        redeem(Server(Answer(status=404, body=b"<html>", content_type="text/html")))
