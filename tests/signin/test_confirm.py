"""«Confirm it is you»: before something sensitive, in the way the session was opened, and for the same person only."""

import pytest
from saml import build
from support.enforced import Company, break_glass, code, company, enforced, second_factor
from support.page import Page
from support.visitor import Visitor
from world import PASSWORD, World, error_of, request_id_of

from llmops.accounts.users import User

PAGE = "/settings/profile/two-step"
BEGIN, CODES = f"{PAGE}/begin", f"{PAGE}/codes"
LATER = {"minutes": 10, "seconds": 1}


@pytest.fixture
def pat(world: World) -> User:
    return world.person("pat@acme.test", world.organization())


def asked(visitor: Visitor, doing: str = BEGIN) -> Page:
    """The page to confirm, reached by doing something sensitive."""
    sent = visitor.submit(visitor.get(PAGE), doing)
    assert "/confirm" in (sent.location or ""), sent.location
    return visitor.follow(sent)


def session_id(world: World) -> str:
    return str(world.value("SELECT id FROM sessions WHERE ended_at IS NULL"))


# --- With a password -----------------------------------------------------------------------------------------------


@pytest.mark.requirement("SES-12", "TST-14")
@pytest.mark.parametrize(("seconds", "asks"), [(-1, False), (0, False), (1, True)])
def test_a_proof_counts_for_ten_minutes_to_the_second(world: World, pat: User, seconds: int, asks: bool) -> None:
    visitor = world.visitor()
    world.sign_in(visitor, pat.email)
    page = visitor.get(PAGE)
    world.clock.advance(minutes=10, seconds=seconds)
    assert ("/confirm" in visitor.submit(page, BEGIN).location) is asks


@pytest.mark.requirement("SES-06", "SES-12")
def test_the_password_makes_a_new_session_and_leads_back(world: World, pat: User) -> None:
    visitor = world.visitor()
    world.sign_in(visitor, pat.email)
    before = session_id(world)
    world.clock.advance(**LATER)
    answer = visitor.submit(asked(visitor), "/confirm", password=PASSWORD)
    assert answer.location.endswith(PAGE)
    assert session_id(world) != before
    assert "/confirm" not in visitor.submit(visitor.get(PAGE), BEGIN).location
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'session.confirmed'") == 1


@pytest.mark.requirement("SES-12")
def test_a_wrong_password_confirms_nothing(world: World, pat: User) -> None:
    visitor = world.visitor()
    world.sign_in(visitor, pat.email)
    world.clock.advance(**LATER)
    answer = visitor.submit(asked(visitor), "/confirm", password="wrong" * 4)
    assert (answer.status, "does not confirm" in answer.text) == (401, True)
    assert "/confirm" in visitor.submit(visitor.get(PAGE), BEGIN).location


@pytest.mark.requirement("SES-12", "PWD-14")
@pytest.mark.parametrize(("password", "right_code"), [(PASSWORD, False), ("wrong" * 4, True)])
def test_who_has_two_steps_confirms_with_both(world: World, pat: User, password: str, right_code: bool) -> None:
    visitor = world.visitor()
    world.sign_in(visitor, pat.email)
    secret = second_factor(world, pat)
    world.clock.advance(**LATER)
    page = visitor.get(f"/confirm?next={PAGE}")
    typed = code(world, secret) if right_code else "000000"
    refused = visitor.submit(page, "/confirm", password=password, code=typed)
    assert refused.status == 401
    assert visitor.submit(refused, "/confirm", password=PASSWORD, code=code(world, secret)).location.endswith(PAGE)


@pytest.mark.requirement("PWD-06")
def test_a_stolen_session_gets_no_tries_of_its_own(world: World, pat: User) -> None:
    visitor = world.visitor()
    world.sign_in(visitor, pat.email)  # the first of ten
    page = visitor.get("/confirm")
    statuses = [visitor.submit(page, "/confirm", password="wrong" * 4).status for _ in range(10)]
    assert statuses == [401] * 9 + [429]


@pytest.mark.requirement("WEB-07")
@pytest.mark.parametrize("target", ["https://evil.test/", "//evil.test", "/\\evil.test"])
def test_it_leads_nowhere_else(world: World, pat: User, target: str) -> None:
    visitor = world.visitor()
    world.sign_in(visitor, pat.email)
    page = visitor.get(f"/confirm?next={target}")
    assert visitor.submit(page, "/confirm", password=PASSWORD).location == "https://llm-ops.test/"
    forged = visitor.submit(visitor.get("/confirm"), "/confirm", password=PASSWORD, next=target)
    assert forged.location == "https://llm-ops.test/"


def test_strangers_have_nothing_to_confirm(world: World) -> None:
    assert "/login" in world.visitor().get("/confirm").location


@pytest.mark.requirement("TEN-19", "SES-12")
def test_an_emergency_session_is_not_prolonged(world: World) -> None:
    made = enforced(world)
    visitor = world.visitor()
    break_glass(world, visitor, made)
    world.clock.advance(minutes=30)
    page = visitor.get("/confirm")
    visitor.follow(visitor.submit(page, "/confirm", password=PASSWORD, code=code(world, made.secret)))
    assert world.value("SELECT method FROM sessions WHERE ended_at IS NULL AND method <> 'sso'") == "break_glass"
    world.clock.advance(minutes=29, seconds=59)
    assert visitor.get("/").status == 200
    world.clock.advance(seconds=1)
    assert visitor.get("/").location.endswith("/login")


# --- With the company's sign-in --------------------------------------------------------------------------------------


@pytest.fixture
def made(world: World) -> Company:
    return company(world)


def departed(world: World, visitor: Visitor) -> str:
    """From the button to the identity provider; returns its address."""
    return str(visitor.submit(asked(visitor, CODES), "/confirm/sso").location)


def answered(world: World, visitor: Visitor, made: Company, url: str, address: str, **answer: object) -> Page:
    request_id = request_id_of(url)
    encoded = world.response(
        made.connection,
        request_id,
        address=address,
        assertion_id=f"_{request_id}",
        **answer,
    )
    return visitor.follow(world.post_response(visitor, made.connection, encoded))


@pytest.mark.requirement("SES-12")
def test_a_sign_in_that_the_idp_may_have_answered_by_itself_is_no_proof(world: World, made: Company) -> None:
    visitor = world.visitor()
    world.saml_sign_in(visitor, made.connection, made.owner.email)
    assert "Confirm with your company sign-in" in asked(visitor, CODES).text


@pytest.mark.requirement("SES-12", "SAML-26", "SES-06")
def test_the_idp_is_told_to_ask_again_and_the_answer_counts(world: World, made: Company) -> None:
    visitor = world.visitor()
    world.saml_sign_in(visitor, made.connection, made.owner.email)
    before = world.value("SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL")
    url = departed(world, visitor)
    landed = answered(world, visitor, made, url, made.owner.email)
    assert landed.url.endswith(PAGE), landed.text
    assert world.value("SELECT count(*) FROM sessions WHERE ended_at IS NOT NULL") == before + 1
    assert visitor.submit(landed, CODES).status == 200


@pytest.mark.requirement("SES-12", "SAML-26")
def test_an_old_proof_at_the_idp_does_not_count(world: World, made: Company) -> None:
    visitor = world.visitor()
    world.saml_sign_in(visitor, made.connection, made.owner.email)
    url = departed(world, visitor)
    old = build.attribute("Assertion/AuthnStatement", "AuthnInstant", "2026-11-24T08:00:00Z")
    landed = answered(world, visitor, made, url, made.owner.email, before=[old])
    assert error_of(landed) == "saml_wrong_authn_context"
    assert "/confirm" in visitor.submit(visitor.get(PAGE), CODES).location


@pytest.mark.requirement("SES-08", "SES-12")
def test_another_persons_answer_asks_before_it_replaces(world: World, made: Company) -> None:
    visitor = world.visitor()
    world.saml_sign_in(visitor, made.connection, made.owner.email)
    page = answered(world, visitor, made, departed(world, visitor), "ann@acme.test")
    assert "You are already signed in" in page.text
    assert made.owner.email in visitor.get("/").text
    visitor.follow(visitor.submit(page, "/login/replace"))
    assert "ann@acme.test" in visitor.get("/").text
    proven_at = "SELECT authenticated_at FROM sessions WHERE ended_at IS NULL AND user_id <> :id"
    assert str(world.value(proven_at, id=made.owner.id)).startswith("1970")


@pytest.mark.requirement("TEN-18", "SES-12")
def test_a_password_confirms_no_session_of_sso(world: World, made: Company) -> None:
    visitor = world.visitor()
    world.saml_sign_in(visitor, made.connection, made.owner.email)
    page = visitor.get("/confirm")
    token = page.form("/confirm/sso").fields["csrf_token"]
    typed = {"csrf_token": str(token), "password": PASSWORD, "code": code(world, made.secret), "next": PAGE}
    assert "/confirm" in visitor.post("/confirm", typed, start=page).location
    assert "/confirm" in visitor.submit(visitor.get(PAGE), CODES).location


@pytest.mark.requirement("PWD-06", "PWD-14")
def test_its_codes_count_with_those_of_the_second_step(world: World, pat: User) -> None:
    visitor, other = world.visitor(), world.visitor()
    world.sign_in(visitor, pat.email)
    secret = second_factor(world, pat)
    step = world.sign_in(other, pat.email)
    for _ in range(6):
        assert other.submit(step, "/login/code", code="000000").status == 401
    page = visitor.get("/confirm")
    typed = {"password": PASSWORD, "code": code(world, secret)}
    assert visitor.submit(page, "/confirm", **typed).status == 401
