"""An identity provider that accepts and says nothing, others that are gone, name servers that are dead.

Whoever does not need them signs in as quickly as ever.
"""

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from faults.product import MEMBER, Product, acme, is_in
from oidc import provider as op
from support.postgres import Postgres
from support.server import Server
from support.visitor import Visitor
from world import error_of

pytestmark = [pytest.mark.database, pytest.mark.requirement("TST-20")]
CROWD = 12
PROMPT_SECONDS = 3.0
"""What a sign-in may take on a busy machine; a silent identity provider is given up after ten."""


@dataclass
class Provider:
    """An OpenID provider on this machine: discovery and keys at once, tokens only if `talks`."""

    talks: bool = True
    nonce: str = ""
    port: int = 0
    asked: int = 0
    give_up: threading.Event = field(default_factory=threading.Event)
    _server: ThreadingHTTPServer | None = None

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                base = provider.issuer
                endpoints = {name: f"{base}/{name}" for name in ("authorize", "token", "keys")}
                document = json.loads(op.document(
                    issuer=base, authorization_endpoint=endpoints["authorize"], token_endpoint=endpoints["token"],
                    jwks_uri=endpoints["keys"], userinfo_endpoint=op.ABSENT,
                ))  # fmt: skip
                self.say(op.jwks() if self.path == "/keys" else json.dumps(document).encode())

            def do_POST(self) -> None:
                provider.asked += 1
                if not provider.talks:
                    provider.give_up.wait(30)
                    return
                now = int(time.time())
                claims = {"iss": provider.issuer, "nonce": provider.nonce, "iat": now, "exp": now + 300,
                          "email": "oona@open.test", "email_verified": True, "given_name": "Oona",
                          "family_name": "Oh"}  # fmt: skip
                token = op.Token(claims=claims).make()
                self.say(
                    json.dumps({"id_token": token, "access_token": op.ACCESS_TOKEN, "token_type": "Bearer"}).encode()
                )

            def say(self, body: bytes) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None: ...

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        self.port = server.server_port
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self._server = server

    def close(self) -> None:
        """Gone: nobody listens at its port any more."""
        self.give_up.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@pytest.fixture(scope="module")
def providers() -> Iterator[tuple[Provider, Provider]]:
    """One that says nothing when it is asked for tokens, one that talks."""
    both = Provider(talks=False), Provider()
    for one in both:
        one.start()
    yield both
    for one in both:
        one.close()


@pytest.fixture(scope="module")
def product(
    postgresql: Postgres | None,
    template: str | Path,
    tmp_path_factory: pytest.TempPathFactory,
    providers: tuple[Provider, Provider],
) -> Iterator[Product]:
    """Acme with SAML and passwords, Silent and Open with OpenID Connect. Nobody answers at its name servers."""
    folder = tmp_path_factory.mktemp("providers")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        dead = {"LLMOPS_DNS_SERVERS": f"127.0.0.1:{deaf.getsockname()[1]}"}
        with acme(folder, postgresql, template, **dead) as made:
            _connect(made, providers)
            yield made


def _connect(made: Product, providers: tuple[Provider, Provider]) -> None:
    """Two more customers, each with a provider."""
    secret = made.installation.file("secret.txt", "s3cret-of-the-client")
    for name, provider in zip(("silent", "open"), providers, strict=True):
        options = ("--domain", f"{name}.test", "--plan", "enterprise", "--owner-email", f"o@{name}.test", "--verified")
        made.installation.told("org", "create", name.title(), *options)
        client = ("--issuer", provider.issuer, "--client-id", op.CLIENT_ID, "--client-secret-file", secret)
        made.installation.told("connection", "create", name, "--type", "generic-oidc", *client, "--activate")


@pytest.fixture(scope="module")
def server(product: Product) -> Iterator[Server]:
    with product.installation.serving() as running:
        yield running


def openid(visitor: Visitor, address: str, provider: Provider, *, nonce: bool = True) -> str:
    """Come back from the identity provider with a code; returns the refusal's code, or nothing."""
    sent = visitor.submit(visitor.get("/login"), "/login/sso", email=address).location or ""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(sent).query).items()}
    provider.nonce = asked["nonce"] if nonce else provider.nonce
    back = f"{asked['redirect_uri']}?code=c0de&state={asked['state']}&iss={provider.issuer}"
    return error_of(visitor.follow(visitor.get(back)))


def timed(product: Product, way: str, providers: tuple[Provider, Provider]) -> float:
    """Seconds that a whole sign-in takes."""
    began = time.monotonic()
    with Visitor(product.url) as visitor:
        if way == "password":
            assert product.sign_in(visitor, MEMBER).status == 303
        elif way == "saml":
            product.saml_sign_in(visitor)
        else:
            assert openid(visitor, "oona@open.test", providers[1]) == ""
        assert is_in(visitor)
    return time.monotonic() - began


def test_a_silent_provider_holds_up_nobody_elses_sign_in(
    product: Product, server: Server, providers: tuple[Provider, Provider]
) -> None:
    """Password, SAML, and OpenID Connect at another provider, while a crowd waits for the silent one."""
    silent, _ = providers

    def come_back() -> str:
        with Visitor(product.url) as visitor:
            return openid(visitor, "sue@silent.test", silent, nonce=False)

    with ThreadPoolExecutor(CROWD) as crowd:
        waiting = [crowd.submit(come_back) for _ in range(CROWD)]
        until = time.monotonic() + 5
        while silent.asked == 0 and time.monotonic() < until:
            time.sleep(0.05)
        took = {way: timed(product, way, providers) for way in ("password", "saml", "oidc")}
        assert not all(one.done() for one in waiting)
        silent.give_up.set()
        assert {one.result() for one in waiting} == {"idp_unavailable"}
    assert max(took.values()) < PROMPT_SECONDS, took
    assert product.value("SELECT count(*) FROM users WHERE email = 'sue@silent.test'") == 0


def test_passwords_work_while_every_provider_is_down(
    product: Product, server: Server, providers: tuple[Provider, Provider]
) -> None:
    for provider in providers:
        provider.close()
    assert timed(product, "password", providers) < PROMPT_SECONDS


@pytest.mark.requirement("TEN-07")
def test_dead_name_servers_take_no_domain_and_hold_no_sign_in(
    product: Product, server: Server, providers: tuple[Provider, Provider]
) -> None:
    """The look at the TXT records is due; it fails, and what was proven stays proven."""
    assert timed(product, "saml", providers) < PROMPT_SECONDS
    assert product.value("SELECT count(*) FROM organization_domains WHERE verified_at IS NULL") == 0
    failed = product.installation.llmops("doctor", "--json", expected_status=1).told
    assert "name servers" in [check["check"] for check in failed if not check["ok"]]
