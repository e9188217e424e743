"""An OpenID provider's servers and browser redirects, which a test may turn hostile, over the whole product."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, urlsplit

from oidc import provider as op
from support.page import Page
from support.visitor import Visitor
from world import World

from llmops.broker.connections import Connection
from llmops.errors import OutboundUnreachable


@dataclass
class Provider:
    """Other people's server: token endpoint, UserInfo and keys. `answers` replaces what a path answers, or raises."""

    nonce: str = ""
    claims: dict[str, object] = field(default_factory=dict)
    told: dict[str, object] = field(default_factory=dict)
    kid: str = "current"
    key: str = "current"
    published: tuple[str, ...] = ("current",)
    token_error: tuple[int, str] | None = None
    down: bool = False
    answers: dict[str, op.Answer | Exception] = field(default_factory=dict)
    token: op.Recipe | None = None
    asked: list[str] = field(default_factory=list)
    forms: list[Mapping[str, str]] = field(default_factory=list)

    def __call__(self, method: str, url: str, *, form: Mapping[str, str] | None = None, **_: object) -> op.Answer:
        path = urlsplit(url).path
        self.asked.append(path)
        if self.down:
            raise OutboundUnreachable(host="idp.example.test")
        answer = self.answers.get(path)
        if isinstance(answer, Exception):
            raise answer
        if answer is not None:
            return answer
        if path == "/keys":
            return op.Answer(body=op.jwks(*(op.jwk(op.rsa_key(name), kid=name) for name in self.published)))
        if path == "/userinfo":
            return op.Answer(body=json.dumps({"sub": "ann", **self.told}).encode())
        self.forms.append(form or {})
        if self.token_error:
            status, error = self.token_error
            return op.Answer(status=status, body=json.dumps({"error": error}).encode())
        answered = {"id_token": self._id_token(), "access_token": op.ACCESS_TOKEN, "token_type": "Bearer"}
        return op.Answer(body=json.dumps(answered).encode())

    def _id_token(self) -> str:
        usual = {
            "nonce": self.nonce,
            "email": "ann@acme.test",
            "email_verified": True,
            "given_name": "Ann",
            "family_name": "Lee",
        }
        if self.token is not None:
            return self.token(usual)
        claims = {**usual, **self.claims}
        return op.Token(claims=claims, header={"kid": self.kid}, key=op.rsa_key(self.key)).make()


def connected(world: World, idp: Provider, **options: str) -> Connection:
    """A customer's active connection to the provider, which answers for all other people's servers from now on."""
    world.answering(idp)
    return world.oidc(world.organization(), op.provider(), client_id=op.CLIENT_ID, **options)


def departed(world: World, visitor: Visitor, idp: Provider) -> str:
    """Start a sign-in; the state of the attempt, whose nonce the provider has seen."""
    sent = parse_qs(urlsplit(world.depart(visitor)).query)
    idp.nonce = idp.nonce or sent["nonce"][0]
    return sent["state"][0]


def come_back(world: World, visitor: Visitor, connection: Connection, idp: Provider, **parameters: str) -> Page:
    """Start, and bring back a code, with parameters of the answer changed; returns the answer to the callback."""
    answer = {"code": "c0de", "state": departed(world, visitor, idp), "iss": op.ISSUER, **parameters}
    query = "&".join(f"{name}={quote(value, safe=':/')}" for name, value in answer.items() if value)
    return visitor.get(f"/sso/oidc/{connection.id}/callback?{query}")


def sign_in(world: World, visitor: Visitor, connection: Connection, idp: Provider, **parameters: str) -> Page:
    """The whole way; returns where it ends."""
    idp.nonce = ""
    return visitor.follow(come_back(world, visitor, connection, idp, **parameters))
