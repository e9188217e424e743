"""What a hostile provider, or whoever sits between, can do beside hostile tokens: at our callback, at its servers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from oidc.provider import ABSENT, ACCESS_TOKEN, ISSUER, Answer, Token, changed, jwk, jwks, rsa_key

from llmops.errors import Failure, OutboundRefused, OutboundUnreachable, OutboundUnusable

_KEYS, _TOKEN, _USERINFO = "/keys", "/token", "/userinfo"


@dataclass(frozen=True)
class Attack:
    """A sign-in that goes well but for changed callback `parameters` (empty: left out) and `answers` of a server.

    `code` is what the sign-in page must say. `asked`: whether the code may be taken to the token endpoint at all.
    """

    name: str
    code: str
    proves: tuple[str, ...]
    parameters: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Answer | Failure] = field(default_factory=dict)
    asked: bool = True


def _json(members: object, status: int = 200, content_type: str = "application/json") -> Answer:
    return Answer(status, json.dumps(members).encode(), content_type)


def _tokens(**members: object) -> Answer:
    """The token endpoint's answer, with members changed."""
    good = {"id_token": Token().make(), "access_token": ACCESS_TOKEN, "token_type": "Bearer"}
    return _json(changed(good, members))


def _signed(token: Token) -> Answer:
    return Answer(body=token.make().encode(), content_type="application/jwt")


_GOOD_KEY = jwk(rsa_key(), kid="current")
_ELSEWHERE = Answer(302, b"", "text/html")

_CALLBACK: dict[str, tuple[str, dict[str, str]]] = {
    "mix-up: another issuer answers": ("oidc_wrong_issuer", {"iss": "https://evil.test"}),
    "mix-up: iss with a slash": ("oidc_wrong_issuer", {"iss": ISSUER + "/"}),
    "mix-up: iss in other case": ("oidc_wrong_issuer", {"iss": ISSUER.upper()}),
    "mix-up: iss as a prefix": ("oidc_wrong_issuer", {"iss": ISSUER + ".evil.test"}),
    "mix-up: announced iss is missing": ("oidc_wrong_issuer", {"iss": ""}),
    "mix-up: an error of another issuer": (
        "oidc_wrong_issuer", {"iss": "https://evil.test", "code": "", "error": "access_denied"},
    ),
    "state of nobody": ("login_unknown", {"state": "A" * 43}),
    "no state": ("login_unknown", {"state": ""}),
    "error beside the code": ("oidc_malformed", {"error": "access_denied"}),
    "neither code nor error": ("oidc_malformed", {"code": ""}),
    "oversized code": ("oidc_malformed", {"code": "c" * 8193}),
    "an error that nobody knows": ("idp_error", {"code": "", "error": "<script>alert(1)</script>"}),
    "an error with the person's refusal": ("idp_denied", {"code": "", "error": "access_denied"}),
    "an error that blames us": ("idp_config", {"code": "", "error": "invalid_scope"}),
}  # fmt: skip

_TOKEN_ANSWERS: dict[str, tuple[str, Answer | Failure]] = {
    "token endpoint redirects": ("idp_error", _ELSEWHERE),
    "token endpoint redirects and keeps the form": ("idp_error", Answer(307, b"", "text/html")),
    "token endpoint answers with a page": ("oidc_malformed", _json({}, content_type="text/html")),
    "token endpoint answers with a list": ("oidc_malformed", _json([])),
    "token endpoint answers with nothing": ("oidc_malformed", Answer(body=b"")),
    "token answer with a member twice": (
        "oidc_malformed", Answer(body=b'{"token_type": "Bearer", "id_token": "a.b.c", "id_token": "d.e.f"}'),
    ),
    "token answer with an error and tokens": ("oidc_code_refused", _tokens(error="invalid_grant")),
    "token answer of another type": ("oidc_malformed", _tokens(token_type="DPoP")),
    "no ID token": ("oidc_malformed", _tokens(id_token=ABSENT)),
    "ID token is a number": ("oidc_malformed", _tokens(id_token=7)),
    "ID token in an encrypted form": ("oidc_malformed", _tokens(id_token="a.b.c.d.e")),
    "no access token": ("oidc_malformed", _tokens(access_token=ABSENT)),
    "access token with a line break": ("oidc_malformed", _tokens(access_token="a\r\nX-Evil: 1")),
    "ID token of another attempt": ("oidc_wrong_nonce", _tokens()),
    "code with another PKCE verifier": ("oidc_code_refused", _json({"error": "invalid_grant"}, 400)),
    "client refused": ("oidc_client_secret", _json({"error": "invalid_client"}, 401)),
    "token endpoint too busy": ("idp_unavailable", _json({}, 429)),
    "token endpoint is on a private address": (
        "idp_unavailable", OutboundRefused(host="idp.example.test", reason="private-address"),
    ),
    "token endpoint sends without end": (
        "oidc_malformed", OutboundUnusable(host="idp.example.test", reason="too-large"),
    ),
    "token endpoint is silent": (
        "idp_unavailable", OutboundUnreachable(host="idp.example.test", reason="timeout"),
    ),
}  # fmt: skip

_KEY_ANSWERS: dict[str, tuple[str, Answer | Failure]] = {
    "keys redirect": ("oidc_discovery_invalid", _ELSEWHERE),
    "keys are not there": ("oidc_discovery_invalid", _json({}, 404)),
    "keys are a page": ("oidc_discovery_invalid", Answer(body=jwks(), content_type="text/html")),
    "no keys": ("oidc_discovery_invalid", _json({"keys": []})),
    "keys are an object": ("oidc_discovery_invalid", _json({"keys": {"current": _GOOD_KEY}})),
    "keys are text": ("oidc_discovery_invalid", _json({"keys": ["current"]})),
    "hundred and one keys": ("oidc_discovery_invalid", _json({"keys": [_GOOD_KEY] * 101})),
    "keys twice": ("oidc_discovery_invalid", Answer(body=b'{"keys": [], "keys": []}')),
    "keys in UTF-16": ("oidc_discovery_invalid", Answer(body=jwks().decode().encode("utf-16"))),
    "deeply nested keys": ("oidc_discovery_invalid", Answer(body=b'{"keys": ' + b"[" * 5000 + b"]" * 5000 + b"}")),
    "huge modulus": ("oidc_discovery_invalid", _json({"keys": [{**_GOOD_KEY, "n": "_" * 20_000}]})),
    "keys send without end": ("oidc_malformed", OutboundUnusable(host="idp.example.test", reason="too-large")),
    "keys are on a private address": (
        "idp_unavailable", OutboundRefused(host="idp.example.test", reason="private-address"),
    ),
}  # fmt: skip

_USERINFO_ANSWERS: dict[str, tuple[str, Answer | Failure]] = {
    "userinfo of another person": ("oidc_wrong_subject", _json({"sub": "bob"})),
    "userinfo without sub": ("oidc_wrong_subject", _json({"email": "owner@acme.test"})),
    "userinfo with sub in other case": ("oidc_wrong_subject", _json({"sub": "ANN"})),
    "userinfo with sub in a list": ("oidc_wrong_subject", _json({"sub": ["ann"]})),
    "userinfo with sub twice": ("oidc_malformed", Answer(body=b'{"sub": "bob", "sub": "ann"}')),
    "userinfo refuses": ("idp_error", _json({}, 401)),
    "userinfo redirects": ("idp_error", _ELSEWHERE),
    "userinfo is a page": ("oidc_malformed", _json({"sub": "ann"}, content_type="text/html")),
    "userinfo signed by another key": ("oidc_signature_invalid", _signed(Token(key=rsa_key("other")))),
    "userinfo signed by nobody": ("oidc_algorithm_refused", _signed(Token(algorithm="none"))),
    "userinfo signed for another client": ("oidc_wrong_audience", _signed(Token(claims={"aud": "client-2"}))),
    "userinfo signed by another issuer": ("oidc_wrong_issuer", _signed(Token(claims={"iss": "https://evil.test"}))),
    "userinfo signed for another person": ("oidc_wrong_subject", _signed(Token(claims={"sub": "bob"}))),
}  # fmt: skip

ATTACKS = [
    *(
        Attack(name, code, ("TST-06", "OIDC-02", "OIDC-05", "OIDC-21"), parameters=parameters, asked=False)
        for name, (code, parameters) in _CALLBACK.items()
    ),
    *(
        Attack(name, code, ("TST-06", proves), answers={path: answer})
        for path, proves, answers in (
            (_TOKEN, "OIDC-06", _TOKEN_ANSWERS),
            (_KEYS, "OIDC-08", _KEY_ANSWERS),
            (_USERINFO, "OIDC-15", _USERINFO_ANSWERS),
        )
        for name, (code, answer) in answers.items()
    ),
]
