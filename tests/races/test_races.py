"""Of several that want the same at the same moment exactly one gets it, on both databases, 200 times."""

from datetime import timedelta

import pytest
from races.contest import REPLICAS, ROUNDS, WON, outcomes
from world import BASE_URL, World, request_id_of

from llmops.accounts import verification
from llmops.accounts.verification import Purpose
from llmops.broker import connections, logins
from llmops.broker.profiles import Profile
from llmops.organizations import members, organization
from llmops.provisioning import jit
from llmops.web import keyring

pytestmark = pytest.mark.requirement("TST-13")


def exactly_one(tries: list[list[str]], refusals: set[str]) -> None:
    """One winner a round; everybody else got one of these refusals."""
    for number, got in enumerate(tries):
        assert got.count(WON) == 1, f"round {number}: {got}"
        assert set(got) <= {WON, *refusals}, f"round {number}: {got}"


def redeem(world: World, number: int, code: str) -> str:
    with world.database.writing() as db:
        logins.redeem(db, world.site.sealer, code=code, browser="the browser", now=world.clock.now)
    return WON


@pytest.mark.requirement("SES-13", "SES-15")
def test_one_code_signs_in_once(world: World) -> None:
    connection = world.saml(world.organization())
    profile = Profile("subject", "ann@acme.test", True, "Ann", "Lee")
    codes = []
    with world.database.writing() as db:
        for number in range(ROUNDS):
            about = {"browser": "the browser", "return_to": "/", "ttl_seconds": 600, "now": world.clock.now}
            logins.start(db, world.site.sealer, connection, request_key=f"r{number}", **about)
            login = logins.pending(db, world.site.sealer, connection, request_key=f"r{number}", now=world.clock.now)
            codes.append(
                logins.answer(
                    db, world.site.sealer, login, profile, checks=[], code_ttl_seconds=60, now=world.clock.now
                )
            )
    exactly_one(outcomes(world, redeem, codes), {"code_already_used"})


def spend(world: World, number: int, secret: str) -> str:
    with world.database.writing() as db:
        verification.spend(db, world.site.sealer, Purpose.RESET_PASSWORD, secret=secret, now=world.clock.now)
    return WON


@pytest.mark.requirement("SES-13")
def test_one_reset_link_works_once(world: World) -> None:
    with world.database.writing() as db:
        secrets = [
            verification.issue(
                db, world.site.sealer, Purpose.RESET_PASSWORD, subject=f"user{number}", payload={}, now=world.clock.now
            )
            for number in range(ROUNDS)
        ]
    exactly_one(outcomes(world, spend, secrets), {"letter_spent"})


def post_assertion(world: World, number: int, value: tuple[str, list[str]]) -> str:
    """Each replica answers an attempt of its own with the same assertion ID."""
    connection_id, answers = value
    with world.database.reading() as db:
        connection = connections.get(db, connection_id)
    page = world.post_response(world.visitor(), connection, answers[number])
    where = page.location or ""
    return WON if "/login/sso/callback?code=" in where else where.partition("sso_error=")[2].partition("&")[0]


@pytest.mark.requirement("SAML-29")
def test_one_assertion_is_accepted_once(world: World) -> None:
    connection = world.saml(world.organization())
    rounds = []
    for number in range(ROUNDS):
        answers = [
            world.response(
                connection,
                request_id_of(world.depart(world.visitor(peer=f"198.18.{number}.7"))),
                assertion_id=f"_same{number}",
            )
            for _ in range(REPLICAS)
        ]
        rounds.append((connection.id, answers))
    exactly_one(outcomes(world, post_assertion, rounds), {"saml_already_used"})


def welcome(world: World, number: int, value: tuple[str, str, str]) -> str:
    organization_id, connection_id, email = value
    profile = Profile(f"subject of {email}", email, True, "New", "Person")
    with world.database.writing() as db:
        found = organization.get(db, organization_id)
        told = jit.welcome(db, found, connection_id, profile, now=world.clock.now, ip="198.51.100.7", signed_in_as=None)
    return WON if told.created else "found"


def test_two_first_sign_ins_make_one_account(world: World) -> None:
    acme = world.organization()
    connection = world.saml(acme)
    emails = [f"new{number}@acme.test" for number in range(ROUNDS)]
    tries = outcomes(world, welcome, [(acme.id, connection.id, email) for email in emails])
    exactly_one(tries, {"found", "login_already_answered"})
    counts = world.counts()
    assert (counts["users"], counts["members"], counts["identities"]) == (ROUNDS, ROUNDS, ROUNDS)


def take_seat(world: World, number: int, value: tuple[str, str, int]) -> str:
    organization_id, connection_id, round_number = value
    email = f"person{number}@seats{round_number}.test"
    profile = Profile(f"subject of {email}", email, True, "New", "Person")
    with world.database.writing() as db:
        found = organization.get(db, organization_id)
        jit.welcome(db, found, connection_id, profile, now=world.clock.now, ip="198.51.100.7", signed_in_as=None)
    return WON


def test_the_last_seat_is_taken_once(world: World) -> None:
    rounds = []
    for number in range(ROUNDS):
        made = world.organization(f"Seats {number}", domain=f"seats{number}.test")
        rounds.append((made.id, f"conn_{number}", number))
    world.sql("UPDATE organizations SET seats = 1")
    exactly_one(outcomes(world, take_seat, rounds), {"no_seats_left"})
    with world.database.reading() as db:
        assert {members.active_count(db, organization_id) for organization_id, _, _ in rounds} == {1}


def visit_while_keys_rotate(world: World, number: int, cookies: dict[str, str]) -> str:
    world.clock.advance(seconds=31)  # each replica reads the ring of keys again
    if number == 0:
        with world.database.writing() as db:
            keyring.rotate(db, world.site.sealer, now=world.clock.now, overlap=timedelta(days=1))
    visitor = world.visitor()
    for name, cookie in cookies.items():
        visitor.cookies.store(BASE_URL, f"{name}={cookie}; Path=/; Secure; HttpOnly; SameSite=Lax")
    return WON if visitor.get("/").status == 200 else "signed out"


@pytest.mark.requirement("SES-03")
def test_a_rotation_during_traffic_signs_nobody_out(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    world.sign_in(visitor, "pat@acme.test")
    cookies = visitor.cookies.for_request(BASE_URL)
    tries = outcomes(world, visit_while_keys_rotate, [cookies] * ROUNDS)
    assert [got for got in tries if set(got) != {WON}] == []
