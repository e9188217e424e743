"""Letters by the clock: each goes out once, to the right people, with a link that opens the right purpose."""

from datetime import datetime, timedelta
from email.message import EmailMessage

import pytest
from oidc import provider as op
from saml.keys import signer
from support.mailbox import link_in, text_of
from world import BASE_URL, START, World

from llmops.app import worker_of
from llmops.broker import connections
from llmops.broker.connections import Connection
from llmops.broker.portal import links
from llmops.broker.portal.links import Intent, PortalLink
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role


def day(world: World, days: float = 1.0) -> None:
    """So much later the clock's tasks have run."""
    world.clock.advance(days=days)
    worker_of(world.site).run_due()


def subjects(world: World, to: str = "it@acme.test") -> list[str]:
    return [str(letter["Subject"]) for letter in world.letters(to)]


def ends(name: str, days: float) -> str:
    return signer(name, not_after=START + timedelta(days=days)).certificate.encoded


@pytest.fixture
def acme(world: World) -> Organization:
    holder = world.organization("Acme")
    world.person("owner@acme.test", holder, role=Role.OWNER)
    world.person("admin@acme.test", holder, role=Role.ADMIN)
    return holder


def with_columns(world: World, connection: Connection, **values: object) -> Connection:
    with world.database.writing() as db:
        connections._change(db, connection.id, contacts=["it@acme.test"], **values)
        return connections.get(db, connection.id)


# --- What expires ------------------------------------------------------------------------------------------------


@pytest.mark.requirement("SAML-37", "SEC-08")
def test_a_certificate_is_warned_of_on_each_day_once_and_when_it_is_over(world: World, acme: Organization) -> None:
    with_columns(world, world.saml(acme), idp_certificates=[ends("short", 61)])
    for _ in range(70):
        day(world)
    assert subjects(world) == [
        f"Acme: the certificate of your identity provider expires {when}"
        for when in ("in 60 days", "in 30 days", "in 14 days", "in 7 days", "within 2 days")
    ] + ["Acme: the certificate of your identity provider has expired"]
    assert subjects(world, "owner@acme.test") == subjects(world)
    assert subjects(world, "admin@acme.test") == []
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'certificate.expiring'") == 6


def test_who_comes_late_gets_one_letter_and_not_all_that_were_missed(world: World, acme: Organization) -> None:
    with_columns(world, world.saml(acme), idp_certificates=[ends("late", 6.5)])
    day(world, 0.1)
    assert subjects(world) == ["Acme: the certificate of your identity provider expires in 6 days"]


def test_two_replicas_send_one_letter(world: World, acme: Organization) -> None:
    with_columns(world, world.saml(acme), idp_certificates=[ends("twice", 10)])
    day(world)
    world.sql("DELETE FROM scheduled_tasks")
    day(world, 0)
    assert len(subjects(world)) == 1


def test_the_letter_brings_a_fresh_link_for_renewal_only(world: World, acme: Organization) -> None:
    with_columns(world, world.saml(acme), idp_certificates=[ends("link", 10)])
    day(world)
    (letter,) = world.letters("it@acme.test")
    secret = link_in(letter, "/portal/start").removeprefix(f"{BASE_URL}/portal/start?token=")
    with world.database.reading() as db:
        link = links.look(db, world.site.sealer, secret, now=world.clock.now)
    assert (link.intent, link.organization_id) == (Intent.RENEW_CERTIFICATE, acme.id)
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'portal.link_made'") == 1


def test_a_certificate_beside_one_that_lives_longer_is_told_once_without_a_link(
    world: World, acme: Organization
) -> None:
    with_columns(world, world.saml(acme), idp_certificates=[ends("old", 20), ends("new", 400)])
    for _ in range(30):
        day(world)
    (letter,) = world.letters("it@acme.test")
    assert letter["Subject"] == "Acme: a certificate of your identity provider expires in 14 days"
    assert "/portal/start" not in text_of(letter)
    assert "another one lives longer" in text_of(letter)


def test_a_client_secret_is_warned_of_with_its_own_purpose(world: World, acme: Organization) -> None:
    made = world.oidc(acme, op.provider(), client_id=op.CLIENT_ID)
    with_columns(world, made, client_secret_expires_at=START + timedelta(days=20))
    day(world)
    (letter,) = world.letters("it@acme.test")
    assert letter["Subject"] == "Acme: the client secret for SSO expires in 19 days"
    assert world.value("SELECT intent FROM portal_links") == Intent.ROTATE_SECRET


def test_a_renewed_certificate_begins_anew(world: World, acme: Organization) -> None:
    made = with_columns(world, world.saml(acme), idp_certificates=[ends("first", 5)])
    day(world)
    with_columns(world, made, idp_certificates=[ends("second", 20)])
    day(world)
    assert len(subjects(world)) == 2


@pytest.mark.parametrize("state", ["off", "draft"])
def test_only_what_answers_for_an_organization_is_warned_of(world: World, acme: Organization, state: str) -> None:
    with_columns(world, world.saml(acme), idp_certificates=[ends("idle", 5)], state=state)
    day(world)
    assert subjects(world) == []


def test_without_anybody_to_tell_no_link_is_made(world: World) -> None:
    made = world.saml(world.organization())
    with world.database.writing() as db:
        connections._change(db, made.id, idp_certificates=[ends("alone", 5)])
    day(world)
    assert world.counts()["portal_links"] == 0
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'certificate.expiring'") == 1


# --- Portal links ------------------------------------------------------------------------------------------------


@pytest.fixture
def link(world: World, acme: Organization) -> PortalLink:
    """A link that staff sent to the IT contact."""
    with world.database.writing() as db:
        made, secret = links.make(
            db, world.site.sealer, acme.id, intent=Intent.SETUP_SSO, kind=None, contacts=["it@acme.test"],
            made_by="staff_1", now=world.clock.now,
        )  # fmt: skip
        links.send(db, world.site.sealer, world.settings, made, secret, organization_name="Acme", now=world.clock.now)
    return made


def about(world: World, words: str, to: str = "") -> list[EmailMessage]:
    return [letter for letter in world.letters(to) if words in str(letter["Subject"])]


def change_link(world: World, **values: object) -> None:
    columns = ", ".join(f"{name} = :{name}" for name in values)
    texts = {name: value.isoformat(" ") if isinstance(value, datetime) else value for name, value in values.items()}
    world.sql(f"UPDATE portal_links SET {columns}", **texts)


def test_an_unopened_link_is_reminded_of_once_a_day_before_it_ends(world: World, link: PortalLink) -> None:
    for _ in range(12):
        day(world, 0.49)
    assert about(world, "ends tomorrow") == []
    for _ in range(8):
        day(world, 0.49)
    (letter,) = about(world, "ends tomorrow")
    assert letter["To"] == "it@acme.test"
    assert "/portal/start" not in text_of(letter)  # the link is not known here, only its hash


@pytest.mark.parametrize("what", ["opened_at", "revoked_at", "done_at"])
def test_a_link_that_was_used_or_ended_is_not(world: World, link: PortalLink, what: str) -> None:
    change_link(world, **{what: START})
    for _ in range(20):
        day(world, 0.5)
    assert about(world, "ends tomorrow") == []


def test_sales_hear_once_that_a_link_was_opened_and_once_that_the_setup_stands_still(
    world: World, link: PortalLink
) -> None:
    change_link(world, opened_at=START, step="okta-saml/3", stepped_at=START + timedelta(hours=1))
    for _ in range(3):
        day(world)
    sales = world.settings.sales_email
    assert len(about(world, "was opened", to=sales)) == 1
    assert about(world, "stands still", to=sales) == []
    for _ in range(3):
        day(world)
    (letter,) = about(world, "stands still", to=sales)
    assert "okta-saml/3" in text_of(letter)


def test_a_setup_that_is_done_does_not_stand_still(world: World, link: PortalLink) -> None:
    change_link(world, opened_at=START, done_at=START)
    for _ in range(6):
        day(world)
    assert about(world, "stands still") == []
