"""An installation with a customer, and what its people do there, over HTTP with the real server."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lxml import etree
from saml import build
from support.installation import Installation, installed
from support.mailbox import Mailbox
from support.page import Page
from support.postgres import Postgres
from support.visitor import Visitor
from world import request_id_of

from llmops.accounts import sessions

PASSWORD = "correct horse battery staple"
OWNER = "olga@acme.test"
MEMBER = "pat@acme.test"
ANN = "ann@acme.test"


@dataclass(frozen=True)
class Product:
    """An installation with Acme in it: an owner, a member, and an active SAML connection."""

    installation: Installation
    connection: dict[str, Any]

    @property
    def url(self) -> str:
        return self.installation.url

    def sign_in(self, visitor: Visitor, address: str = MEMBER, password: str = PASSWORD) -> Page:
        """With a password; returns the answer to the form."""
        return visitor.submit(visitor.get("/login"), "/login", email=address, password=password)

    def saml_sign_in(self, visitor: Visitor, address: str = ANN) -> Page:
        """Through Acme's identity provider; returns where it ends."""
        sent = visitor.submit(visitor.get("/login"), "/login/sso", email=address)
        answer = self.response(request_id_of(sent.location or ""), address)
        headers = {"Origin": "https://idp.example.test", "Sec_Fetch_Site": "cross-site"}
        return visitor.follow(visitor.post(self.connection["acs_url"], {"SAMLResponse": answer}, **headers))

    def response(self, request_id: str, address: str) -> str:
        """What the identity provider posts, encoded."""
        confirmation = "Assertion/Subject/SubjectConfirmation/SubjectConfirmationData"
        root = build.template(
            sp=self.connection["sp_entity_id"],
            acs=self.connection["acs_url"],
            subject=address,
            attributes=[("email", [address]), ("firstName", ["Ann"]), ("lastName", ["Lee"])],
            seconds=(datetime.now(UTC) - build.NOW).total_seconds(),
        )
        changes = [
            build.attribute("", "InResponseTo", request_id),
            build.attribute(confirmation, "InResponseTo", request_id),
            build.attribute("Assertion", "ID", f"_a{request_id}"),
        ]
        return build.encode(build.build("assertion", base=root, before=changes))

    def value(self, query: str) -> Any:
        """One value from the database."""
        return self.installation.value(query)


def is_in(visitor: Visitor) -> bool:
    """Whether this browser holds a session that opens the dashboard."""
    return visitor.get("/").status == 200


def has_cookie(visitor: Visitor) -> bool:
    """Whether this browser was ever given a session."""
    return visitor.cookies.value(sessions.COOKIE, host="127.0.0.1") is not None


@contextmanager
def acme(
    folder: Path, postgresql: Postgres | None, template: str | Path, *, mailbox: Mailbox | None = None, **more: str
) -> Iterator[Product]:
    """A new installation with Acme in it; its server does not run yet."""
    with installed(folder, postgresql, template, mailbox=mailbox, **more) as installation:
        options = ("--domain", "acme.test", "--plan", "enterprise", "--owner-email", OWNER, "--verified")
        installation.told("org", "create", "Acme", *options)
        member = ("user", "create", MEMBER, "--org", "acme", "--first-name", "Pat", "--password-stdin")
        installation.told(*member, typed=PASSWORD + "\n")
        file = installation.file("idp.xml", etree.tostring(build.metadata()))
        made = installation.told("connection", "create", "acme", "--type", "okta-saml", "--metadata-file", file)
        connection = installation.told("connection", "configure", made["id"], "--activate")
        yield Product(installation, connection)
