"""Domains: claimed for nothing, proven by a TXT record, looked at every day, lost after notice."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from starlette.responses import Response
from support.dns import dns
from support.mailbox import text_of
from world import World

from llmops.app import worker_of
from llmops.base.dns import Lookup, txt_lookup
from llmops.errors import (
    DomainInvalid,
    DomainTaken,
    DomainUnproven,
    NotFound,
    OutboundUnreachable,
    TooManyAttempts,
)
from llmops.organizations import domains, organization
from llmops.organizations.domains import Domain
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.web.request import Request


def with_records(world: World, lookup: Lookup) -> None:
    """From now on this answers questions for TXT records."""
    world.site = replace(world.site, resolve_txt=lookup)


def of(world: World, holder: Organization, domain: str = "acme.test") -> Domain:
    with world.database.reading() as db:
        found = domains.of(db, holder.id, domain)
    assert found
    return found


def request(world: World) -> Request:
    """A form that an owner posts."""
    return Request(
        site=world.site, method="POST", path="/", query_string="", headers={}, cookies={}, body=b"",
        peer="198.51.100.7", id="r1", writes=True,
    )  # fmt: skip


def prove(world: World, domain: Domain) -> None:
    def handler(r: Request) -> Response:
        domains.prove(r, domain, actor="user_1")
        return Response()

    request(world).run(handler)


# --- Which domains can be claimed --------------------------------------------------------------------------------


@pytest.mark.requirement("TEN-07")
@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        ("co.uk", "public suffix"),
        ("github.io", "public suffix"),
        ("xn--55qx5d.cn", "public suffix"),
        ("gmail.com", "personal mail provider"),
        ("com", None),
        ("192.0.2.1", None),
        ("acme", None),
        ("https://acme.test", None),
    ],
)
def test_what_no_company_owns_is_refused(typed: str, problem: str | None) -> None:
    with pytest.raises(DomainInvalid) as caught:
        domains.company_domain(typed)
    assert caught.value.facts.get("problem") == problem


@pytest.mark.parametrize("typed", ["acme.co.uk", "@Acme.Co.Uk.", " acme.co.uk "])
def test_a_company_below_a_public_suffix_is_one(typed: str) -> None:
    assert domains.company_domain(typed) == "acme.co.uk"


def test_a_claim_and_a_removal_are_recorded_once(world: World) -> None:
    holder = world.organization("Acme", domain=None)
    with world.database.writing() as db:
        for _ in range(2):
            domains.announce(db, holder.id, domain="acme.test", actor="user_1", ip="198.51.100.7", now=world.clock.now)
    domain = of(world, holder)
    with world.database.writing() as db:
        domains.remove(db, domain, actor="user_1", ip="198.51.100.7", now=world.clock.now)
    assert actions(world) == ["domain.claimed", "domain.removed"]
    assert world.counts()["organization_domains"] == 0


# --- Proof -------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("TEN-07")
def test_the_record_at_the_domains_own_name_server_proves_it(world: World) -> None:
    holder = world.organization("Acme", verified=False)
    domain = of(world, holder)
    with dns({"_llmops.acme.test": ["other", domains.txt_value(domain)]}) as server:
        with_records(world, txt_lookup([server.address]))
        prove(world, domain)
    assert (of(world, holder).verified_how, of(world, holder).verified_at) == ("dns", world.clock.now)
    assert actions(world) == ["domain.verified"]


@pytest.mark.requirement("TEN-07")
@pytest.mark.parametrize("seen", [[], ["llmops-verification=guess"], ["LLMOPS-VERIFICATION={token}"], ["{token}"]])
def test_anything_but_the_exact_value_proves_nothing(world: World, seen: list[str]) -> None:
    holder = world.organization("Acme", verified=False)
    domain = of(world, holder)
    found = [text.replace("{token}", domain.dns_token) for text in seen]
    with_records(world, lambda name: found)
    with pytest.raises(DomainUnproven) as caught:
        prove(world, domain)
    assert caught.value.facts["expected"] == domains.txt_value(domain)
    assert caught.value.facts["seen"] == "; ".join(found)
    assert of(world, holder).verified_at is None


@pytest.mark.requirement("TEN-07")
def test_another_organizations_record_proves_nothing(world: World) -> None:
    """Each claim has a value of its own: who sees one in public DNS cannot use it."""
    first = of(world, world.organization("Acme", verified=False))
    other = of(world, world.organization("Evil", verified=False))
    with_records(world, lambda name: [domains.txt_value(first)])
    with pytest.raises(DomainUnproven):
        prove(world, other)


@pytest.mark.requirement("TEN-07")
def test_one_organization_at_a_time_holds_a_domain(world: World) -> None:
    world.organization("Acme")
    late = world.organization("Late", verified=False)
    domain = of(world, late)
    with_records(world, lambda name: [domains.txt_value(domain)])
    with pytest.raises(DomainTaken):
        prove(world, domain)
    assert of(world, late).verified_at is None


def test_a_claim_that_was_removed_meanwhile_is_not_proven(world: World) -> None:
    holder = world.organization("Acme", verified=False)
    domain = of(world, holder)

    def removed_meanwhile(name: str) -> Sequence[str]:
        world.sql("DELETE FROM organization_domains")
        return [domains.txt_value(domain)]

    with_records(world, removed_meanwhile)
    with pytest.raises(NotFound):
        prove(world, domain)


@pytest.mark.requirement("NET-06")
def test_looking_is_limited_for_each_organization(world: World) -> None:
    domain = of(world, world.organization("Acme", verified=False))
    with_records(world, lambda name: [])
    for _ in range(60):
        with pytest.raises(DomainUnproven):
            prove(world, domain)
    with pytest.raises(TooManyAttempts):
        prove(world, domain)


@pytest.mark.requirement("NET-06")
def test_no_transaction_waits_for_the_name_server(world: World) -> None:
    domain = of(world, world.organization("Acme", verified=False))

    def slow(name: str) -> Sequence[str]:
        world.sql("UPDATE organizations SET name = 'Acme Inc'")  # on SQLite this would wait, and then fail
        return [domains.txt_value(domain)]

    with_records(world, slow)
    prove(world, domain)


# --- Afterwards --------------------------------------------------------------------------------------------------


@pytest.fixture
def proven(world: World) -> Domain:
    """A domain that was verified by DNS, of an organization with an owner and an IT contact."""
    holder = world.organization("Acme", verified=False)
    world.person("owner@acme.test", holder, role=Role.OWNER)
    connection = world.saml(holder)
    world.sql("UPDATE connections SET contacts = '[\"it@acme.test\"]' WHERE id = :id", id=connection.id)
    domain = of(world, holder)
    with_records(world, lambda name: [domains.txt_value(domain)])
    prove(world, domain)
    return of(world, holder)


def look_again(world: World, *, days: float) -> None:
    """So many days later the worker does what is due."""
    world.clock.advance(days=days)
    worker = worker_of(world.site)
    worker.run_due()
    worker.work_once()


@pytest.mark.requirement("TEN-07")
def test_a_record_that_is_gone_is_told_once_and_the_domain_lost_after_two_weeks(world: World, proven: Domain) -> None:
    holder = holder_of(world, proven)
    with_records(world, lambda name: [])
    for _ in range(14):
        look_again(world, days=1)
    assert of(world, holder).verified_at is not None
    (told,) = [letter for letter in world.letters("it@acme.test") if "TXT record" in str(letter["Subject"])]
    assert domains.txt_value(proven) in text_of(told)
    look_again(world, days=1)
    assert of(world, holder).verified_at is None
    assert [str(letter["Subject"]) for letter in world.letters("owner@acme.test")] == [
        "Acme: the TXT record of acme.test is gone",
        "Acme: acme.test is no longer verified",
    ]
    with world.database.reading() as db:
        assert domains.verified(db, holder.id) == frozenset()
    assert actions(world)[-2:] == ["domain.failing", "domain.lost"]


@pytest.mark.requirement("TEN-07")
def test_a_record_that_comes_back_ends_the_notice(world: World, proven: Domain) -> None:
    holder = holder_of(world, proven)
    with_records(world, lambda name: [])
    look_again(world, days=1.1)
    assert of(world, holder).missing_since == world.clock.now
    with_records(world, lambda name: [domains.txt_value(proven)])
    look_again(world, days=1.1)
    assert of(world, holder).missing_since is None
    with_records(world, lambda name: [])
    for _ in range(13):
        look_again(world, days=1.1)
    assert of(world, holder).verified_at is not None


def test_a_name_server_that_does_not_answer_says_nothing(world: World, proven: Domain) -> None:
    def away(name: str) -> Sequence[str]:
        raise OutboundUnreachable(host=name, reason="dns: LifetimeTimeout")

    with_records(world, away)
    for _ in range(20):
        look_again(world, days=1.1)
    holder = holder_of(world, proven)
    assert of(world, holder).verified_at is not None
    assert of(world, holder).missing_since is None
    assert world.value("SELECT count(*) FROM jobs WHERE last_error IS NOT NULL") == 0


def test_what_staff_or_the_operator_vouched_for_is_not_looked_at(world: World) -> None:
    world.organization("Acme")
    asked: list[str] = []

    def noted(name: str) -> Sequence[str]:
        asked.append(name)
        return []

    with_records(world, noted)
    look_again(world, days=2)
    assert asked == []


def test_a_domain_is_looked_at_once_a_day(world: World, proven: Domain) -> None:
    asked: list[str] = []

    def noted(name: str) -> Sequence[str]:
        asked.append(name)
        return [domains.txt_value(proven)]

    with_records(world, noted)
    for _ in range(20):
        look_again(world, days=0.25)
    assert 3 <= len(asked) <= 5


def holder_of(world: World, domain: Domain) -> Organization:
    with world.database.reading() as db:
        return organization.get(db, domain.organization_id)


def actions(world: World) -> list[str]:
    """What was recorded about domains, in order."""
    with world.database.reading() as db:
        rows = db.exec_driver_sql("SELECT action FROM audit_entries WHERE action LIKE 'domain.%%' ORDER BY number")
        return [row[0] for row in rows]
