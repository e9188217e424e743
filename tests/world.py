"""The product in one process with a database of its own, a clock that tests move, and the people and companies in it.

Everything goes through the front door or the verbs that the command line uses.
"""

import base64
import email
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import default
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lxml import etree
from pydantic import SecretStr
from saml import build
from saml.keys import Signer, signer
from sqlalchemy import func, select, text
from support.inside import Inside
from support.mailbox import link_in
from support.page import Page
from support.visitor import Visitor

from llmops.accounts import passwords, users
from llmops.accounts.users import User
from llmops.app import application, site_of, worker_of
from llmops.base.email import normalise
from llmops.broker import connections
from llmops.broker.connections import Connection, Kind
from llmops.broker.oidc.discovery import Provider
from llmops.broker.oidc.wire import Fetch
from llmops.broker.saml import metadata
from llmops.db.engine import Database
from llmops.db.tables import Base
from llmops.organizations import domains, members, organization
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.plans import Plan
from llmops.settings import Settings
from llmops.web.request import Site

BASE_URL = "https://llm-ops.test"
PASSWORD = "correct horse battery staple"
START = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)


@dataclass
class Clock:
    """The only fake about time: it stands still until a test moves it."""

    now: datetime = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        """Move on, by timedelta's arguments."""
        self.now += timedelta(**by)


@dataclass
class World:
    """One installation. `fetch` is what answers calls to other people's servers."""

    database: Database
    folder: Path
    clock: Clock = field(default_factory=Clock)
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = Settings(
            **{
                "base_url": BASE_URL,
                "data_dir": self.folder,
                "secret_key": (SecretStr("a secret of the tests, long enough 0123456789"),),
                **self.changes,
            }
        )
        self.txt: dict[str, list[str]] = {}  # what the name servers of the world say
        site = site_of(self.settings, self.database, clock=self.clock)
        self.site = replace(site, resolve_txt=lambda name: self.txt.get(name, []))
        self._fetch = self.site.fetch
        self.app = application(self.site)
        self._visitors: list[Visitor] = []
        self._transports: list[Inside] = []

    def close(self) -> None:
        """End what visitors began."""
        for visitor in self._visitors:
            visitor.__exit__()
        for transport in self._transports:
            transport.close()
        self._fetch.close()

    def answering(self, fetch: Fetch) -> Site:
        """From now on this answers for other people's servers."""
        self.site = replace(self.site, fetch=fetch)
        self.app = application(self.site)
        return self.site

    def visitor(self, *, peer: str = "198.51.100.7", **headers: str) -> Visitor:
        """A new browser."""
        transport = Inside(self.app, peer=peer)
        self._transports.append(transport)
        visitor = Visitor(
            self.settings.base_url, transport=transport, clock=lambda: self.clock.now.timestamp(), headers=headers
        )
        self._visitors.append(visitor)
        return visitor

    # --- Companies and people ----------------------------------------------------------------------------------

    def organization(
        self,
        name: str = "Acme",
        *,
        plan: Plan = Plan.ENTERPRISE,
        domain: str | None = "acme.test",
        verified: bool = True,
    ) -> Organization:
        """A customer with a domain."""
        with self.database.writing() as db:
            made = organization.create(db, name, plan=plan, now=self.clock.now)
            if domain:
                domains.claim(db, made.id, domain=domain, now=self.clock.now)
                if verified:
                    domains.verify(db, made.id, domain=domain, how="operator", now=self.clock.now)
            return made

    def person(
        self,
        address: str,
        organization: Organization,
        *,
        role: Role = Role.MEMBER,
        password: str | None = PASSWORD,
        verified: bool = True,
    ) -> User:
        """A member of an organization, perhaps with a password."""
        with self.database.writing() as db:
            user = users.create(
                db, normalise(address), first_name="Pat", last_name="Doe", verified=verified, now=self.clock.now
            )
            members.join(db, organization, user.id, role=role, how="operator", now=self.clock.now)
            if password:
                stored = _stored(password)
                passwords.store(db, user.id, password_hash=stored, now=self.clock.now)
            return user

    def saml(self, organization: Organization, *, by: Signer | None = None, **options: object) -> Connection:
        """An active SAML connection to the identity provider that `build` plays."""
        idp = metadata.read(etree.tostring(build.metadata(signers=[by or signer()])), now=self.clock.now)
        with self.database.writing() as db:
            made = connections.create(db, self.site.sealer, organization.id, kind=Kind.GENERIC_SAML, now=self.clock.now)
            connections.set_saml(db, made, idp, metadata_url=None, sign_requests=False)
            if options:
                connections.set_options(db, made, **options)
            connections.activate(db, connections.get(db, made.id), now=self.clock.now)
            return connections.get(db, made.id)

    def oidc(
        self, organization: Organization, provider: Provider, *, client_id: str, secret: str = "s3cret"
    ) -> Connection:
        """An active OpenID Connect connection."""
        with self.database.writing() as db:
            made = connections.create(db, self.site.sealer, organization.id, kind=Kind.GENERIC_OIDC, now=self.clock.now)
            connections.set_oidc(db, self.site.sealer, made, provider, client_id=client_id, client_secret=secret)
            connections.activate(db, connections.get(db, made.id), now=self.clock.now)
            return connections.get(db, made.id)

    # --- Walks -------------------------------------------------------------------------------------------------

    def sign_in(self, visitor: Visitor, address: str, password: str = PASSWORD) -> Page:
        """With a password; returns where it leads."""
        return visitor.follow(visitor.submit(visitor.get("/login"), "/login", email=address, password=password))

    def depart(self, visitor: Visitor, address: str = "ann@acme.test", *, next_path: str = "") -> str:
        """From the sign-in page to the identity provider; returns the address that the browser is sent to."""
        page = visitor.get("/login" + (f"?next={next_path}" if next_path else ""))
        sent = visitor.submit(page, "/login/sso", email=address)
        assert sent.status == 303, sent.text
        return sent.location or ""

    def unsigned(
        self,
        connection: Connection,
        request_id: str,
        *,
        address: str = "ann@acme.test",
        names: tuple[str, str] = ("Ann", "Lee"),
        attributes: Sequence[tuple[str, Sequence[str]]] | None = None,
        assertion_id: str = "_a1",
        subject: str | None = None,
    ) -> etree._Element:
        """The Response for a person before anybody signed it."""
        ours = connections.addresses(self.settings.base_url, connection.id)
        usual = [("email", [address]), ("firstName", [names[0]]), ("lastName", [names[1]])]
        return build.template(
            sp=ours.sp_entity_id,
            acs=ours.acs_url,
            subject=subject or address,
            attributes=usual if attributes is None else attributes,
            request_id=request_id,
            assertion_id=assertion_id,
            seconds=(self.clock.now - build.NOW).total_seconds(),
        )

    def response(
        self,
        connection: Connection,
        request_id: str,
        *,
        style: str = "assertion",
        before: Sequence[build.Change] = (),
        after: Sequence[build.Change] = (),
        by: Signer | None = None,
        **said: Any,
    ) -> str:
        """What the identity provider posts, encoded: `before` and `after` as in `build.build`, `said` as `unsigned`."""
        root = self.unsigned(connection, request_id, **said)
        return build.encode(build.build(style, base=root, before=before, after=after, by=by))

    def post_response(self, visitor: Visitor, connection: Connection, encoded: str, **fields: str) -> Page:
        """The identity provider's page posts it to us, from another site."""
        idp_headers = {"Origin": "https://idp.example.test", "Sec_Fetch_Site": "cross-site"}
        acs = f"/sso/saml/{connection.id}/acs"
        return visitor.post(acs, {"SAMLResponse": encoded, **fields}, **idp_headers)

    def saml_sign_in(
        self, visitor: Visitor, connection: Connection, address: str = "ann@acme.test", **answer: Any
    ) -> Page:
        """The whole way with SAML; returns where it ends."""
        request_id = request_id_of(self.depart(visitor, address))
        encoded = self.response(
            connection, request_id, **{"address": address, "assertion_id": f"_{request_id}", **answer}
        )
        return visitor.follow(self.post_response(visitor, connection, encoded))

    # --- What is there -----------------------------------------------------------------------------------------

    def letters(self, address: str = "") -> list[EmailMessage]:
        """Letters delivered so far, to an address; the worker does what is due first."""
        worker_of(self.site).work_once()
        files = sorted((self.folder / "mail").glob("*.eml"), key=lambda path: path.stat().st_mtime_ns)
        found = [email.message_from_bytes(path.read_bytes(), policy=default) for path in files]
        return [letter for letter in found if address in str(letter["To"])]

    def link(self, address: str, containing: str) -> str:
        """The path of the link in the last letter to an address."""
        url = link_in(self.letters(address)[-1], containing)
        return url.removeprefix(self.settings.base_url)

    def open(self, visitor: Visitor, link: str) -> Page:
        """Open a link from a letter; returns where it leads, once its token has left the address."""
        return visitor.follow(visitor.get(link))

    def sql(self, statement: str, **values: object) -> None:
        """Change what no page or command changes yet."""
        with self.database.writing() as db:
            db.execute(text(statement), values)

    def value(self, query: str, **values: object) -> Any:
        """One value from the database."""
        with self.database.reading() as db:
            return db.execute(text(query), values).scalar_one()

    def counts(self) -> dict[str, int]:
        """Rows in every table, to see that a refusal left none."""
        with self.database.reading() as db:
            tables = Base.metadata.sorted_tables
            return {table.name: db.execute(select(func.count()).select_from(table)).scalar_one() for table in tables}


def request_id_of(url: str) -> str:
    """The ID of the AuthnRequest in a redirect."""
    deflated = base64.b64decode(parse_qs(urlsplit(url).query)["SAMLRequest"][0])
    request_id = etree.fromstring(zlib.decompress(deflated, -15)).get("ID")
    assert request_id
    return request_id


def error_of(page: Page) -> str:
    """The code with which a page sends the browser back to the sign-in page, or on which it is."""
    codes = parse_qs(urlsplit(page.location or page.url).query).get("sso_error", [""])
    return codes[0]


@cache
def _stored(password: str) -> str:
    """The hash of a password, made once: making one is meant to take its time."""
    return passwords.hashed(password, context=())


@contextmanager
def opened(database: Database, folder: Path, **changes: Any) -> Iterator[World]:
    """A world for one test."""
    world = World(database, folder, changes=changes)
    try:
        yield world
    finally:
        world.close()
