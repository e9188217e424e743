"""Recognisable secrets go through every way in, good and refused; then everything that stays is searched for them.

Searched are all log lines, every page of a failure, the traces unsealed, each cell of the database, and the letters.
"""

import base64
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from oidc import provider as op
from sqlalchemy import select, text
from staff import desk
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from support import enforced, portal
from support.mailbox import text_of
from support.page import Page
from support.visitor import Visitor
from world import World, error_of, request_id_of

from llmops.broker import connections
from llmops.broker.connections import Kind
from llmops.db.tables import Base
from llmops.organizations import organization
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.signin import rescue

pytestmark = pytest.mark.requirement("TST-19", "SEC-04")

PASSWORD = "canary password of ann at first"
NEXT_PASSWORD = "canary password of ann at last"
WRONG_PASSWORD = "canary password that is wrong"
MISTYPED_PASSWORD = "canary password in the address field"
INVITED_PASSWORD = "canary password of the invited"
CLIENT_SECRET = "canary-client-secret-0123456789"
WRONG_SECRET = "canary-client-secret-rejected-1"
CODE = "canary-authorization-code-4711"
ACCESS_TOKEN = "canary-access-token-4711-0815"
LINKS = re.compile(r"token=([A-Za-z0-9_.-]{40,})")
SHORTEST = 20


@dataclass
class Recorder:
    """All that goes out of the product."""

    app: ASGIApp
    answers: list[tuple[int, str, str]] = field(default_factory=list)  # status, path, body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        status, body = 0, b""

        async def keep(message: Message) -> None:
            nonlocal status, body
            status = message.get("status", status)
            body += message.get("body", b"")
            await send(message)

        await self.app(scope, receive, keep)
        if scope["type"] == "http":
            self.answers.append((status, scope["path"], body.decode(errors="replace")))


@dataclass
class Provider:
    """An OpenID provider that repeats in its errors what it was sent."""

    nonce: str = ""
    refuses: bool = False
    tokens: list[str] = field(default_factory=list)
    verifiers: list[str] = field(default_factory=list)

    def __call__(
        self, method: str, url: str, *, form: Mapping[str, str] | None = None, headers: object = None, **_: object
    ) -> op.Answer:
        if url.endswith("/openid-configuration"):
            return op.Answer(body=op.document())
        if url.endswith("/keys"):
            return op.Answer(body=op.jwks())
        if url.endswith("/userinfo"):
            told = {"sub": "ann", "note": f"{ACCESS_TOKEN} {self.tokens[-1]}", "access_token": ACCESS_TOKEN}
            return op.Answer(body=json.dumps(told).encode())
        sent = form or {}
        self.verifiers.append(sent.get("code_verifier", ""))
        if self.refuses:
            echo = f"no: {sent} {headers}"
            return op.Answer(status=400, body=json.dumps({"error": "x", "error_description": echo}).encode())
        claims = {"nonce": self.nonce, "email": "oidc@other.test", "email_verified": True, "given_name": "Ann",
                  "family_name": "Lee", "at_hash": op.at_hash("sha256", ACCESS_TOKEN)}  # fmt: skip
        self.tokens.append(op.Token(claims=claims).make())
        answer = {"id_token": self.tokens[-1], "access_token": ACCESS_TOKEN, "token_type": "Bearer"}
        return op.Answer(body=json.dumps(answer).encode())


@dataclass
class Walk:
    """The world, and the secrets that were seen on the way through it."""

    world: World
    idp: Provider
    recorder: Recorder
    secrets: dict[str, str] = field(default_factory=dict)
    visitors: list[Visitor] = field(default_factory=list)

    def visitor(self) -> Visitor:
        """A new browser, whose cookies count among the secrets."""
        self.visitors.append(self.world.visitor())
        return self.visitors[-1]

    def keep(self, name: str, value: str) -> None:
        assert len(value) >= 14, name
        self.secrets[name] = value

    def keep_cookies(self) -> None:
        """What browsers hold now, but for words such as the last way of signing in, and tokens of links."""
        for number, visitor in enumerate(self.visitors):
            held = visitor.cookies.for_request(f"{self.world.settings.base_url}/", method="GET", cross_site=False)
            for name, value in held.items():
                if len(value) >= SHORTEST and not name.endswith("_link"):
                    self.keep(f"cookie {number} {name} {value[-4:]}", value)

    def follow(self, visitor: Visitor, page: Page) -> Page:
        """Go on, and keep the code of our own callback."""
        self.keep_cookies()
        if "code=" in (page.location or ""):
            self.keep(f"code {len(self.secrets)}", parse_qs(urlsplit(page.location or "").query)["code"][0])
        landed = visitor.follow(page)
        self.keep_cookies()
        return landed

    def link(self, address: str, containing: str) -> str:
        path = self.world.link(address, containing)
        self.keep(f"link {containing} {len(self.secrets)}", path.partition("token=")[2])
        return path


@pytest.fixture
def walk(world: World) -> Walk:
    idp = Provider()
    world.answering(idp)
    recorder = Recorder(world.app)
    world.app = recorder
    return Walk(world, idp, recorder)


def passwords(walk: Walk, acme: Organization) -> None:
    """Sign-in right and wrong, a reset, two-step sign-in with recovery codes, an invitation, a rescue link."""
    world, visitor = walk.world, walk.visitor()
    world.person("ann@acme.test", acme, role=Role.OWNER, password=PASSWORD)
    world.sign_in(visitor, "ann@acme.test", WRONG_PASSWORD)
    world.sign_in(visitor, MISTYPED_PASSWORD, PASSWORD)
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email="ann@acme.test")
    opened = world.open(visitor, walk.link("ann@acme.test", "/login/reset"))
    assert visitor.submit(opened, "/login/reset", password="canary").status == 422
    walk.follow(visitor, visitor.submit(opened, "/login/reset", password=NEXT_PASSWORD))
    world.open(walk.visitor(), f"/login/reset?token={walk.secrets[next(k for k in walk.secrets if 'reset' in k)]}")
    walk.follow(visitor, world.sign_in(visitor, "ann@acme.test", NEXT_PASSWORD))
    page = visitor.follow(visitor.submit(visitor.get("/settings/profile/two-step"), "/settings/profile/two-step/begin"))
    secret = page.document.xpath("string(//*[contains(@class, 'copy-box')]/code)").replace(" ", "")
    walk.keep("TOTP secret", secret)
    done = visitor.submit(page, "/settings/profile/two-step/confirm", code=enforced.code(world, secret))
    codes = done.document.xpath("//ul[@class='codes']/li/code/text()")
    for number, code in enumerate(codes):
        walk.keep(f"recovery code {number}", str(code))
    world.clock.advance(seconds=31)
    other = walk.visitor()
    second = world.sign_in(other, "ann@acme.test", NEXT_PASSWORD)
    other.submit(second, "/login/code", code=f"{codes[1]}x")
    walk.follow(other, other.submit(second, "/login/code", code=codes[0]))
    visitor.submit(visitor.get("/settings/team/invite"), "/settings/team/invite", emails="bo@acme.test", role="member")
    guest = walk.visitor()
    page = world.open(guest, walk.link("bo@acme.test", "/invitation"))
    names = {"first_name": "Bo", "last_name": "Oh"}
    walk.follow(guest, guest.submit(page, "/invitation", **names, password=INVITED_PASSWORD))
    with world.database.writing() as db:
        found = organization.get(db, acme.id)
        url = rescue.issue(
            db, world.site.sealer, world.settings, found, email="ann@acme.test", by="operator", now=world.clock.now
        )
    walk.keep("rescue link", url.partition("token=")[2])
    rescued = walk.visitor()
    page = world.open(rescued, url.removeprefix(world.settings.base_url))
    walk.follow(rescued, rescued.submit(page, "/login/rescue"))


def sign_up(walk: Walk) -> None:
    world, visitor = walk.world, walk.visitor()
    names = {"first_name": "Olive", "last_name": "Oh", "organization_name": "New Co"}
    visitor.submit(visitor.get("/signup"), "/signup", email="olive@newco.test", **names, password=PASSWORD)
    page = world.open(walk.visitor(), walk.link("olive@newco.test", "/signup/verify"))
    elsewhere = walk.visitors[-1]
    elsewhere.submit(page, "/signup/verify", password=WRONG_PASSWORD)
    walk.follow(elsewhere, elsewhere.submit(page, "/signup/verify", password=PASSWORD))


def saml(walk: Walk, acme: Organization) -> None:
    """A good sign-in, the same answer again, one that is broken, one that came too late."""
    world, connection, visitor = walk.world, walk.world.saml(acme), walk.visitor()
    good = world.response(connection, request_id_of(world.depart(visitor, "sam@acme.test")), address="sam@acme.test")
    stranger = world.response(connection, "_unknown", assertion_id="_a2", address="sam@acme.test")
    for name, encoded in (("good", good), ("stranger", stranger)):
        walk.keep(f"SAMLResponse {name}", encoded[:120])
        walk.keep(f"SAMLResponse {name}, quoted", quote(encoded[:120], safe=""))
        signed = re.search(rb"SignatureValue>([^<]{60})", base64.b64decode(encoded))
        assert signed
        walk.keep(f"SignatureValue {name}", signed[1].decode())
    walk.follow(visitor, world.post_response(visitor, connection, good))
    assert error_of(world.post_response(visitor, connection, good)) == "login_already_answered"
    assert error_of(world.post_response(visitor, connection, stranger)) == "login_unknown"
    assert error_of(world.post_response(visitor, connection, good[:-40] + "!" * 8)) == "saml_malformed"


def openid(walk: Walk) -> None:
    """The client secret as the portal's visitor types it, a test, activation, and sign-ins good and refused."""
    world = walk.world
    other = world.organization("Other", domain="other.test")
    _, path = portal.link(world, other)
    walk.keep("portal link", path.partition("token=")[2])
    admin = portal.enter(world, path, walk.visitor())
    portal.choose(admin, Kind.OKTA_OIDC)
    page = admin.get("/portal/okta-oidc/credentials")
    typed = {"issuer": op.ISSUER, "client_id": op.CLIENT_ID}
    admin.submit(page, "/portal/okta-oidc/credentials", issuer="http://no", client_id="x", client_secret=WRONG_SECRET)
    admin.submit(page, "/portal/okta-oidc/credentials", **typed, client_secret=CLIENT_SECRET)
    connection = portal.working(world, other)
    assert connections.client_secret(connection, world.site.sealer) == CLIENT_SECRET
    walk.keep_cookies()
    started = admin.submit(admin.get("/portal/test"), "/portal/test/start").location or ""
    assert "passed" in answered(walk, admin, connection.id, started).text
    for shown in ("/portal/test", "/portal", "/portal/activate"):
        assert CLIENT_SECRET not in admin.get(shown).html
    admin.submit(admin.get("/portal/activate"), "/portal/activate")
    for refuses in (False, True):
        walk.idp.refuses = refuses
        for changes in ({"state": "canary-state-of-nobody"}, {}):
            visitor = walk.visitor()
            answered(walk, visitor, connection.id, world.depart(visitor, "oidc@other.test"), **changes)


def answered(walk: Walk, visitor: Visitor, connection_id: str, sent: str, **changes: str) -> Page:
    """The provider sends the browser back."""
    asked = {name: values[0] for name, values in parse_qs(urlsplit(sent).query).items()}
    walk.idp.nonce = asked["nonce"]
    walk.keep(f"state {len(walk.secrets)}", asked["state"])
    walk.keep(f"nonce {len(walk.secrets)}", asked["nonce"])
    query = {"code": CODE, "state": asked["state"], "iss": op.ISSUER, **changes}
    pairs = "&".join(f"{name}={quote(value, safe='')}" for name, value in query.items())
    return walk.follow(visitor, visitor.get(f"/sso/oidc/{connection_id}/callback?{pairs}"))


def staff(walk: Walk) -> None:
    """A colleague signs in with a wrong password, a wrong code, then right; and looks at an attempt's trace."""
    hired, visitor = desk.hire(walk.world), walk.visitor()
    walk.keep("TOTP secret of staff", hired.secret)
    desk.give_password(visitor, hired.email, WRONG_PASSWORD)
    desk.give_password(visitor, hired.email)
    desk.give_code(visitor, "000000")
    codes = re.findall(r"\b[a-z2-9]{5}-[a-z2-9]{5}-[a-z2-9]{5}\b", desk.give_code(visitor, hired.code(walk.world)).text)
    for number, code in enumerate(codes):
        walk.keep(f"recovery code of staff {number}", code)
    visitor.get("/staff/organizations/acme")
    walk.keep_cookies()


def walked(walk: Walk) -> Walk:
    """Everything is done once."""
    acme = walk.world.organization()
    passwords(walk, acme)
    sign_up(walk)
    saml(walk, acme)
    openid(walk)
    staff(walk)
    fixed = (PASSWORD, NEXT_PASSWORD, WRONG_PASSWORD, INVITED_PASSWORD, CLIENT_SECRET, WRONG_SECRET, CODE, ACCESS_TOKEN)
    for value in (*fixed, MISTYPED_PASSWORD):
        walk.keep(value, value)
    for number, value in enumerate((*walk.idp.tokens, *walk.idp.verifiers)):
        walk.keep(f"ID token or verifier {number}", value)
    return walk


def found_in(walk: Walk, where: str) -> set[str]:
    """The names of the secrets that stand in a text."""
    return {name for name, value in walk.secrets.items() if value in where}


def database_dump(world: World) -> str:
    with world.database.reading() as db:
        rows = [row for table in Base.metadata.sorted_tables for row in db.execute(select(table))]
    return "\n".join(str(cell) for row in rows for cell in row)


def test_nothing_that_stays_holds_a_secret(
    walk: Walk, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)  # the libraries log as much as they can
    world = walked(walk).world
    letters = world.letters()
    assert len(walk.secrets) > 80
    printed = capsys.readouterr()
    ours = [record.getMessage() for record in caplog.records if not record.name.startswith("httpx2")]  # the visitors'
    logged = "\n".join((printed.out, printed.err, *ours))
    assert '"request"' in logged
    assert found_in(walk, logged) == set()

    assert found_in(walk, database_dump(world)) == set()

    sealer = world.site.sealer
    with world.database.reading() as db:
        cells = db.execute(text("SELECT id, trace FROM logins WHERE trace IS NOT NULL")).all()
    traces = [sealer.unseal(cell, place=f"logins.trace:{login_id}") for login_id, cell in cells]
    assert len(traces) >= 6
    assert found_in(walk, "\n".join(traces)) == set()

    failed = [(status, path, body) for status, path, body in walk.recorder.answers if status >= 400]
    assert {422, 401, 410} <= {status for status, _, _ in failed}
    for status, path, body in failed:
        kept = found_in(walk, body)
        # A form that is shown again still has its own token, and the address that was typed.
        again = {name for name in kept if name.startswith("link") or name == MISTYPED_PASSWORD}
        assert kept == (again if status in (401, 422) else set()), f"{status} {path}"

    carried_by_letters = set()
    for letter in letters:
        in_it = found_in(walk, f"{letter.as_string()}\n{text_of(letter)}")
        assert len(in_it) <= 1, letter["Subject"]
        carried_by_letters |= in_it
    assert {name.partition(" ")[0] for name in carried_by_letters} <= {"link"}


def test_what_is_planted_is_found(walk: Walk) -> None:
    """The search itself works: a secret in an audit entry, as a careless line of code would leave it."""
    walked(walk)
    walk.world.sql(
        "UPDATE organizations SET name = :name WHERE slug = 'acme'", name=f"Acme {walk.secrets['TOTP secret']}"
    )
    assert found_in(walk, database_dump(walk.world)) == {"TOTP secret"}
    assert found_in(walk, f"... {quote(CODE)} ...") == {CODE}


@pytest.mark.requirement("SES-18")
def test_pages_after_the_first_hop_have_no_token_in_their_address(walk: Walk) -> None:
    """Neither has any address that a browser went to, but for the door at which a link or code is taken (SES-18)."""
    doors = ("/login/reset", "/signup/verify", "/invitation", "/login/rescue", "/portal/start", "/login/sso/callback",
             "/sso/oidc/")  # fmt: skip
    for visitor in walked(walk).visitors:
        for hop in visitor.hops:
            path = urlsplit(hop.url).path
            if path.startswith(doors):
                assert hop.status == 303 or not urlsplit(hop.url).query, hop
            else:
                assert found_in(walk, hop.url) == set(), hop
