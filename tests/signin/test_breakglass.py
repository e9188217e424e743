"""The emergency door for named owners: who may be named, what a stranger learns, what every use leaves behind."""

import re

import pytest
from argon2 import PasswordHasher
from support.enforced import Company, break_glass, code, company, enforced, second_factor
from support.mailbox import text_of
from world import PASSWORD, World

from llmops.accounts import factors
from llmops.errors import BreakGlassNeeded, BreakGlassNotReady, NotFound
from llmops.organizations import emergency
from llmops.organizations.roles import Role
from llmops.signin import breakglass

WRONG = "wrong" * 4


def name(world: World, made: Company, user_id: str) -> None:
    with world.database.writing() as db:
        breakglass.name(db, made.organization.id, user_id, by=made.owner.id, now=world.clock.now)


def unname(world: World, made: Company, user_id: str) -> None:
    with world.database.writing() as db:
        breakglass.unname(db, made.organization.id, user_id, by=made.owner.id, now=world.clock.now)


# --- Naming --------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("TEN-19", "PWD-14")
@pytest.mark.parametrize("lacking", ["active owner", "password", "second factor"])
def test_only_an_owner_with_password_and_factor_is_named(world: World, lacking: str) -> None:
    made = company(world)
    role = Role.ADMIN if lacking == "active owner" else Role.OWNER
    password = None if lacking == "password" else PASSWORD
    eve = world.person("eve@acme.test", made.organization, role=role, password=password)
    if lacking != "second factor":
        second_factor(world, eve)
    with pytest.raises(BreakGlassNotReady) as refused:
        name(world, made, eve.id)
    assert refused.value.facts["missing"] == lacking
    with world.database.reading() as db:
        assert [owner.email for owner in emergency.named(db, made.organization.id)] == [made.owner.email]


@pytest.mark.requirement("PWD-14")
def test_a_factor_that_nobody_confirmed_is_none(world: World) -> None:
    made = company(world)
    eve = world.person("eve@acme.test", made.organization, role=Role.OWNER)
    with world.database.writing() as db:
        factors.begin(db, world.site.sealer, eve.id, now=world.clock.now)
    with pytest.raises(BreakGlassNotReady):
        name(world, made, eve.id)


@pytest.mark.requirement("TEN-20")
def test_an_owner_of_another_organization_is_not_named(world: World) -> None:
    made = company(world)
    stranger = world.person("pat@other.test", world.organization("Other", domain=None), role=Role.OWNER)
    second_factor(world, stranger)
    for verb in (name, unname):
        with pytest.raises(NotFound):
            verb(world, made, stranger.id)


@pytest.mark.requirement("TEN-19")
def test_the_last_one_stays_while_sso_is_required(world: World) -> None:
    made = enforced(world)
    with pytest.raises(BreakGlassNeeded):
        unname(world, made, made.owner.id)
    eve = world.person("eve@acme.test", made.organization, role=Role.OWNER)
    secret = second_factor(world, eve)
    name(world, made, eve.id)
    unname(world, made, made.owner.id)
    assert break_glass(world, world.visitor(), made).status == 401
    assert break_glass(world, world.visitor(), made, email=eve.email, code=code(world, secret)).status == 303


def test_naming_and_unnaming_are_recorded(world: World) -> None:
    made = company(world)
    unname(world, made, made.owner.id)
    for action in ("break_glass.named", "break_glass.unnamed"):
        row = "SELECT target FROM audit_entries WHERE action = :action"
        assert world.value(row, action=action) == made.owner.id


@pytest.mark.requirement("SES-11")
def test_what_an_emergency_owner_opened_ends_when_they_are_unnamed(world: World) -> None:
    made = company(world)
    visitor = world.visitor()
    break_glass(world, visitor, made)
    unname(world, made, made.owner.id)
    assert visitor.get("/").location.endswith("/login")


# --- The door ------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("TEN-19")
def test_an_emergency_owner_gets_in_with_the_identity_provider_down(world: World) -> None:
    made = enforced(world)
    world.sql("UPDATE connections SET idp_sso_url = 'https://down.example.test', state = 'off'")
    visitor = world.visitor()
    page = visitor.follow(break_glass(world, visitor, made))
    assert "Acme" in page.text
    assert world.value("SELECT method FROM sessions WHERE method <> 'sso'") == "break_glass"
    assert "Emergency sign-in" in visitor.get("/settings/profile").text


@pytest.mark.requirement("TEN-19")
def test_a_recovery_code_does_too_and_only_once(world: World) -> None:
    made = enforced(world)
    with world.database.writing() as db:
        recovery, *_ = factors.new_codes(db, world.site.sealer, made.owner.id)
    assert break_glass(world, world.visitor(), made, code=recovery).status == 303
    assert break_glass(world, world.visitor(), made, code=recovery).status == 401


@pytest.mark.requirement("PWD-14")
def test_a_code_counts_once(world: World) -> None:
    made = enforced(world)
    assert break_glass(world, world.visitor(), made).status == 303
    assert break_glass(world, world.visitor(), made).status == 401
    world.clock.advance(seconds=30)
    assert break_glass(world, world.visitor(), made).status == 303


@pytest.mark.requirement("TEN-19", "TST-14")
def test_the_session_lasts_an_hour_to_the_second(world: World) -> None:
    made = enforced(world)
    visitor = world.visitor()
    break_glass(world, visitor, made)
    world.clock.advance(minutes=59, seconds=59)
    assert visitor.get("/").status == 200
    world.clock.advance(seconds=1)
    assert visitor.get("/").location.endswith("/login")


@pytest.mark.requirement("TEN-19")
def test_every_owner_is_told_at_once_and_it_is_recorded(world: World) -> None:
    made = enforced(world)
    world.person("eve@acme.test", made.organization, role=Role.OWNER)
    world.person("ann@acme.test", made.organization)
    visitor = world.visitor(User_Agent="Mozilla/5.0 (X11; Linux) Firefox/140.0")
    break_glass(world, visitor, made)
    for address in ("olga@acme.test", "eve@acme.test"):
        letter = world.letters(address)[-1]
        assert "past single sign-on" in letter["Subject"]
        assert "olga@acme.test" in text_of(letter)
        assert "198.51.100.7" in text_of(letter)
    assert not any("past single" in letter["Subject"] for letter in world.letters("ann@acme.test"))
    assert world.value("SELECT actor FROM audit_entries WHERE action = 'sign_in.break_glass'") == made.owner.id


def told(world: World, made: Company, address: str, **typed: str) -> str:
    page = break_glass(world, world.visitor(), made, email=address, **typed)
    body = re.sub(r'(csrf_token" value=")[^"]+', r"\1", page.html).replace(address, "ADDRESS")
    headers = sorted((name, value) for name, value in page.headers.items() if name != "x-request-id")
    return str((page.status, body, [pair for pair in headers if pair[0] != "content-length"]))


@pytest.mark.requirement("PWD-05", "TST-18")
def test_no_refusal_differs_from_another(world: World) -> None:
    made = enforced(world)
    eve = world.person("eve@acme.test", made.organization, role=Role.OWNER)  # an owner whom nobody named
    secret = second_factor(world, eve)
    tries = [
        told(world, made, made.owner.email, password=WRONG),
        told(world, made, made.owner.email, code="000000"),
        told(world, made, made.owner.email, password=WRONG, code=""),
        told(world, made, "nobody@acme.test"),
        told(world, made, "nonsense"),
        told(world, made, eve.email, code=code(world, secret)),
    ]
    world.sql("UPDATE users SET suspended_at = :now WHERE id = :id", now=world.clock.now, id=made.owner.id)
    tries.append(told(world, made, made.owner.email))
    world.sql("UPDATE users SET suspended_at = NULL")
    world.sql("UPDATE members SET role = 'admin' WHERE user_id = :id", id=made.owner.id)
    tries.append(told(world, made, made.owner.email))
    assert len(set(tries)) == 1
    assert world.value("SELECT count(*) FROM sessions WHERE method = 'break_glass'") == 0


@pytest.mark.requirement("PWD-05", "TST-18")
@pytest.mark.parametrize("address", ["olga@acme.test", "eve@acme.test", "nobody@acme.test", "nonsense"])
@pytest.mark.parametrize("password", [PASSWORD, WRONG])
def test_one_hash_is_computed_whatever_is_wrong(
    world: World, monkeypatch: pytest.MonkeyPatch, address: str, password: str
) -> None:
    made = enforced(world)
    world.person("eve@acme.test", made.organization, password=None)
    computed: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, stored: str, typed: str) -> bool:
        computed.append(stored)
        return verify(self, stored, typed)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    assert break_glass(world, world.visitor(), made, email=address, password=password, code="000000").status == 401
    assert len(computed) == 1


@pytest.mark.requirement("PWD-06")
def test_tries_here_and_at_the_usual_form_count_together(world: World) -> None:
    made = enforced(world)
    for number in range(10):
        visitor = world.visitor()
        if number % 2:
            assert break_glass(world, visitor, made, password=WRONG).status == 401
        else:
            visitor.submit(visitor.get("/login"), "/login", email=made.owner.email, password=WRONG)
    stopped = break_glass(world, world.visitor(), made)
    assert stopped.status == 429
    assert int(stopped.headers["retry-after"]) > 0


@pytest.mark.requirement("PWD-14")
def test_a_wrong_password_does_not_use_the_code_up(world: World) -> None:
    made = enforced(world)
    assert break_glass(world, world.visitor(), made, password=WRONG).status == 401
    assert break_glass(world, world.visitor(), made).status == 303


@pytest.mark.requirement("PWD-06", "PWD-14")
def test_its_codes_count_with_those_of_the_second_step(world: World) -> None:
    made, browser = company(world), world.visitor()
    page = world.sign_in(browser, made.owner.email)
    for _ in range(6):
        assert browser.submit(page, "/login/code", code="000000").status == 401
    assert break_glass(world, browser, made).status == 401  # with everything right: six codes in five minutes are all
    world.clock.advance(minutes=5)
    assert break_glass(world, browser, made).status == 303


@pytest.mark.requirement("PWD-06", "PWD-05")
def test_whoever_does_not_know_the_password_uses_up_no_codes(world: World) -> None:
    made = company(world)
    for _ in range(7):
        assert break_glass(world, world.visitor(), made, password=WRONG).status == 401
    assert break_glass(world, world.visitor(), made).status == 303
