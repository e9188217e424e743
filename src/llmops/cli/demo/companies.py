"""The example customers: who they are, and how they come into the database, by the verbs of the command line."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from llmops.accounts import passwords, users
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.broker import connections
from llmops.broker.connections import Kind
from llmops.broker.oidc import discovery
from llmops.broker.saml import metadata
from llmops.cli.console import OPERATOR
from llmops.db.tables import Db
from llmops.organizations import domains, members, organization
from llmops.organizations.roles import Role
from llmops.plans import Plan
from llmops.web.request import Site

_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another


@dataclass(frozen=True)
class Person:
    """Somebody with a password: an owner's is for LLM Ops and the identity provider, anybody else's for the latter."""

    first_name: str
    last_name: str
    email: str
    password: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first_name} {self.last_name}"


@dataclass(frozen=True)
class Company:
    """A customer. `staff` are known to its identity provider only; the first of them walks in before you do."""

    name: str
    domain: str
    plan: Plan
    owner: Person
    kind: Kind | None = None
    staff: tuple[Person, ...] = ()


def examples() -> tuple[Company, ...]:
    """One by SAML, one by OpenID Connect, one whose plan has no SSO, one that has not connected anything yet."""
    return (
        Company(
            "Acme",
            "acme.test",
            Plan.ENTERPRISE,
            _person("Olivia Hart", "acme.test"),
            Kind.GENERIC_SAML,
            (_person("Ann Lee", "acme.test"), _person("Adam Cole", "acme.test")),
        ),
        Company(
            "Birch",
            "birch.test",
            Plan.ENTERPRISE,
            _person("Oscar Reed", "birch.test"),
            Kind.GENERIC_OIDC,
            (_person("Ben Ray", "birch.test"), _person("Bella Quinn", "birch.test")),
        ),
        Company("Cedar", "cedar.test", Plan.STARTER, _person("Owen Park", "cedar.test")),
        Company("Dune", "dune.test", Plan.ENTERPRISE, _person("Orla Finn", "dune.test")),
    )


def found(site: Site, companies: Sequence[Company]) -> dict[Company, str]:
    """Put the companies into the database. Returns the draft connections of those that have one, by id."""
    with site.database.writing() as db:
        return {company: made for company in companies if (made := _found(db, site, company)) is not None}


def connect_saml(site: Site, connection_id: str, *, metadata_url: str) -> None:
    """Let the identity provider with these metadata answer for the connection's organization."""
    answer = site.fetch.get(metadata_url, content_types=metadata.MEDIA_TYPES)
    idp = metadata.read(answer.body, now=site.clock(), allow_http=True)
    with site.database.writing() as db:
        draft = connections.get(db, connection_id)
        connections.set_saml(db, draft, idp, metadata_url=metadata_url, sign_requests=True)
        _activate(db, site, connection_id)


def connect_oidc(site: Site, connection_id: str, *, issuer: str, client_id: str, client_secret: str) -> None:
    """Let this issuer answer for the connection's organization."""
    provider = discovery.fetch(issuer, site.fetch, allow_http=True)
    with site.database.writing() as db:
        draft = connections.get(db, connection_id)
        connections.set_oidc(db, site.sealer, draft, provider, client_id=client_id, client_secret=client_secret)
        _activate(db, site, connection_id)


def _found(db: Db, site: Site, company: Company) -> str | None:
    now, owner = site.clock(), company.owner
    made = organization.create(db, company.name, plan=company.plan, now=now)
    log.record(db, Action.SIGNED_UP, organization_id=made.id, actor=OPERATOR, now=now, name=made.name)
    domains.claim(db, made.id, domain=company.domain, now=now)
    domains.verify(db, made.id, domain=company.domain, how=OPERATOR, now=now)
    user = users.create(db, owner.email, first_name=owner.first_name, last_name=owner.last_name, verified=True, now=now)
    password_hash = passwords.hashed(owner.password, context=(owner.email, owner.name, company.name))
    passwords.store(db, user.id, password_hash=password_hash, now=now)
    members.join(db, made, user.id, role=Role.OWNER, how="operator", now=now)
    if company.kind is None:
        return None
    return connections.create(db, site.sealer, made.id, kind=company.kind, now=now).id


def _activate(db: Db, site: Site, connection_id: str) -> None:
    now, complete = site.clock(), connections.get(db, connection_id)
    connections.activate(db, complete, now=now)
    log.record(
        db,
        Action.CONNECTION_ACTIVATED,
        organization_id=complete.organization_id,
        actor=OPERATOR,
        now=now,
        target=connection_id,
        kind=complete.kind,
    )


def _person(name: str, domain: str) -> Person:
    first_name, _, last_name = name.partition(" ")
    groups = ("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
    return Person(first_name, last_name, f"{first_name.lower()}@{domain}", "-".join(groups))
