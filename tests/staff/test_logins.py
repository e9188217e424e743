"""Finding an attempt by the reference that the person copied, and reading its trace: an act like any other (SEC-05)."""

from urllib.parse import parse_qs, urlsplit

import pytest
from saml import build
from staff.desk import desk, entries, page_of
from support.page import Page
from support.visitor import Visitor
from world import World, request_id_of

from llmops.broker.connections import Connection
from llmops.organizations.organization import Organization

SAM = "staff:sam@llm-ops.test"


def failed_sign_in(world: World) -> tuple[Organization, Connection, str]:
    """A customer's person who was refused, and the reference that they copied."""
    acme = world.organization()
    connection = world.saml(acme)
    visitor = world.visitor()
    request_id = request_id_of(world.depart(visitor))
    wrong = build.text("Assertion/Conditions/AudienceRestriction/Audience", "https://other.example/sp")
    answer = world.post_response(visitor, connection, world.response(connection, request_id, before=[wrong]))
    (ref,) = parse_qs(urlsplit(answer.location or "").query)["ref"]
    return acme, connection, ref


def read(visitor: Visitor, ref: str, reason: str = "Case 4711") -> Page:
    return visitor.submit(visitor.get("/staff/logins"), "/staff/logins", ref=ref, reason=reason)


@pytest.mark.requirement("SEC-05", "ADM-07")
def test_reading_a_trace_shows_what_was_seen_and_stands_in_the_customers_log(world: World) -> None:
    acme, connection, ref = failed_sign_in(world)
    page = read(desk(world), ref)
    assert page.status == 200
    for expected in ("saml_wrong_audience", "https://other.example/sp", connection.id, "Acme"):
        assert expected in page.text, expected
    assert entries(world, "trace.read") == [(SAM, acme.id, {"reason": "Case 4711"})]


@pytest.mark.requirement("SEC-05", "WEB-02")
def test_opening_the_address_with_a_reference_reads_nothing(world: World) -> None:
    _, _, ref = failed_sign_in(world)
    page = desk(world).get(f"/staff/logins?ref={ref}")
    assert page.form("/staff/logins").fields["ref"] == ref
    assert "saml_wrong_audience" not in page.text
    assert entries(world, "trace.read") == []


@pytest.mark.requirement("SEC-05", "ADM-07")
def test_without_a_reason_nothing_is_read(world: World) -> None:
    _, _, ref = failed_sign_in(world)
    page = read(desk(world), ref, reason=" ")
    assert page.status == 422
    assert page.form("/staff/logins").fields["ref"] == ref
    assert "saml_wrong_audience" not in page.text
    assert entries(world, "trace.read") == []


@pytest.mark.parametrize("ref", ["ZZZZ-ZZZZ", "", "login_none", "'; --"])
def test_unknown_reference_is_said_to_be_unknown(world: World, ref: str) -> None:
    failed_sign_in(world)
    page = read(desk(world), ref)
    assert page.status == 404
    assert "No sign-in has that reference" in page.text
    assert entries(world, "trace.read") == []


def test_reference_is_found_as_people_type_it(world: World) -> None:
    _, _, ref = failed_sign_in(world)
    assert read(desk(world), f" {ref.lower()} ").status == 200


def test_successful_attempt_is_found_by_its_id(world: World) -> None:
    acme = world.organization()
    connection = world.saml(acme)
    world.saml_sign_in(world.visitor(), connection)
    visitor = desk(world)
    address = visitor.get(page_of(acme)).link("Read")
    (login_id,) = parse_qs(urlsplit(address).query)["ref"]
    assert "ann@acme.test" in read(visitor, login_id).text
    assert entries(world, "trace.read")[0][1] == acme.id
