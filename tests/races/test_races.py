"""Of several that want the same at the same moment exactly one gets it, on both databases, 200 times."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from races.contest import REPLICAS, ROUNDS, WON, outcomes
from starlette.responses import Response
from world import BASE_URL, World, request_id_of

from llmops.accounts import factors, sessions, users, verification
from llmops.accounts.verification import Purpose
from llmops.broker import connections, logins
from llmops.broker.portal import links
from llmops.broker.portal.links import Intent
from llmops.broker.profiles import Profile
from llmops.broker.traces import Trace
from llmops.organizations import acceptance, invitations, members, membership, organization
from llmops.organizations.roles import Role
from llmops.provisioning import jit
from llmops.web import keyring
from llmops.web.request import Request

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
                    db,
                    world.site.sealer,
                    login,
                    profile,
                    trace=Trace(),
                    hidden=(),
                    code_ttl_seconds=60,
                    now=world.clock.now,
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


def handling(world: World, work: Callable[[Request], object], *, cookie: str = "") -> None:
    """Handle a form of the session behind the cookie, in the request's own transaction."""
    request = Request(
        site=world.site, method="POST", path="/", query_string="", headers={}, body=b"", peer="198.51.100.7",
        cookies={sessions.COOKIE: cookie} if cookie else {}, id="race", writes=True,
    )  # fmt: skip

    def handler(r: Request) -> Response:
        work(r)
        return Response()

    request.run(handler)


def session_of(world: World, user_id: str, organization_id: str) -> str:
    """The cookie of a new session."""
    with world.database.writing() as db:
        return sessions.open_session(
            db, world.site.keyring, world.settings, user_id=user_id, organization_id=organization_id,
            method="password", now=world.clock.now, ip="", user_agent="",
        )  # fmt: skip


def leave(world: World, number: int, cookies: list[str]) -> str:
    handling(world, membership.leave, cookie=cookies[number])
    return WON


@pytest.mark.requirement("TEN-16")
def test_of_owners_who_all_leave_at_once_one_stays(world: World) -> None:
    rounds = []
    for number in range(ROUNDS):
        made = world.organization(f"Owners {number}", domain=None)
        owners = [
            world.person(f"owner{owner}@owners{number}.test", made, role=Role.OWNER, password=None)
            for owner in range(REPLICAS)
        ]
        rounds.append([session_of(world, owner.id, made.id) for owner in owners])
    for number, got in enumerate(outcomes(world, leave, rounds)):
        assert sorted(got) == ["last_owner", *[WON] * (REPLICAS - 1)], f"round {number}: {got}"
    active = "SELECT count(*) FROM members WHERE role = 'owner' AND status = 'active'"
    assert world.value(active) == ROUNDS


def accept(world: World, number: int, value: tuple[str, str]) -> str:
    secret, email = value

    def handle(r: Request) -> None:
        user = users.with_email(r.db, email)
        assert user is not None
        acceptance.accept(r, acceptance.look(r.db, r.sealer, secret, now=r.now), user)

    handling(world, handle)
    return WON


@pytest.mark.requirement("PWD-12", "SES-13")
def test_one_invitation_is_accepted_once(world: World) -> None:
    home, acme = world.organization("Home", domain=None), world.organization()
    inviter = world.person("olga@acme.test", acme, role=Role.OWNER, password=None)
    cookie, rounds = session_of(world, inviter.id, acme.id), []
    for number in range(ROUNDS):
        email = f"invited{number}@home.test"
        world.person(email, home, password=None)
        sent: list[str] = []
        handling(
            world,
            lambda r, email=email, sent=sent: sent.append(invitations.invite(r, email, role=Role.MEMBER).link),
            cookie=cookie,
        )
        rounds.append((sent[0].partition("token=")[2], email))
    exactly_one(outcomes(world, accept, rounds), {"invitation_spent"})


def spend_recovery_code(world: World, number: int, value: tuple[str, str]) -> str:
    holder, code = value
    with world.database.writing() as db:
        factors.check(db, world.site.sealer, holder, code=code, now=world.clock.now)
    return WON


@pytest.mark.requirement("PWD-14")
def test_one_recovery_code_gets_in_once(world: World) -> None:
    now, rounds = world.clock.now, []
    with world.database.writing() as db:
        for number in range(ROUNDS // factors.RECOVERY_CODES):
            holder = f"user_{number}"
            totp = factors.pyotp.TOTP(factors.begin(db, world.site.sealer, holder, now=now))
            codes = factors.confirm(db, world.site.sealer, holder, code=totp.at(now), now=now)
            rounds += [(holder, code) for code in codes]
    exactly_one(outcomes(world, spend_recovery_code, rounds), {"second_factor_wrong"})


def open_first(world: World, number: int, value: tuple[str, str]) -> str:
    organization_id, secret = value
    with world.database.writing() as db:
        link = links.look(db, world.site.sealer, secret, now=world.clock.now)
        assert link.organization_id == organization_id
        return WON if links.opened(db, link, now=world.clock.now) else "opened before"


@pytest.mark.requirement("ADM-01")
def test_a_portal_link_is_opened_for_the_first_time_once(world: World) -> None:
    rounds = []
    for number in range(ROUNDS):
        made = world.organization(f"Portal {number}", domain=None)
        with world.database.writing() as db:
            about = {"intent": Intent.SETUP_SSO, "kind": None, "contacts": [], "made_by": "operator"}
            _, secret = links.make(db, world.site.sealer, made.id, **about, now=world.clock.now)
        rounds.append((made.id, secret))
    exactly_one(outcomes(world, open_first, rounds), {"opened before"})
