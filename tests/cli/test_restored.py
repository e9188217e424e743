"""`llmops restored`: a backup that was put back revives nothing that was valid before, and people can sign in again.

The backup is a real copy of the database, taken while the installation lives; the restored installation runs on it.
"""

import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from staff import desk
from support import enforced
from support.enforced import company, second_factor
from support.installation import Installation
from support.page import Page
from support.portal import enter, link
from support.postgres import Postgres
from support.visitor import Visitor
from world import World, error_of, opened, request_id_of

from llmops.accounts import factors
from llmops.accounts.users import User
from llmops.broker import drafts
from llmops.broker.connections import Connection
from llmops.cli import restored
from llmops.db.engine import connect
from llmops.db.tables import change
from llmops.errors import SecondFactorWrong
from llmops.organizations.roles import Role
from llmops.signin import rescue
from llmops.web import keyring

pytestmark = [pytest.mark.database, pytest.mark.requirement("SEC-09")]
NEW = "four unrelated words here"

Restore = Callable[[], World]


@pytest.fixture
def back_up(world: World, postgresql: Postgres | None, tmp_path: Path) -> Iterator[Callable[[], Restore]]:
    """Takes a backup; what it returns puts it back, with the command given, and is the installation from then on."""
    worlds = []

    def take() -> Restore:
        url = _copy(world, postgresql, tmp_path / "backup.sqlite3")

        def put_back() -> World:
            context = opened(connect(url), tmp_path / "data")
            again = context.__enter__()
            worlds.append((context, again))
            again.clock.now = world.clock.now
            with again.database.writing() as db:
                restored.void_all(db, again.site.sealer, now=again.clock.now)
            again.site.keyring.forget()  # servers start after the command; this one has looked already
            return again

        return put_back

    yield take
    for context, again in worlds:
        context.__exit__(None, None, None)
        again.database.close()


def _copy(world: World, postgresql: Postgres | None, path: Path) -> str:
    if postgresql is None:
        with sqlite3.connect(world.database.engine.url.database or "") as from_, sqlite3.connect(path) as to:
            from_.backup(to)
        return f"sqlite:///{path}"
    world.database.close()  # PostgreSQL copies only what nobody is connected to; the next request connects again
    return postgresql.fresh(template=world.database.engine.url.database or "")


def in_(world: World, browser: Visitor) -> Visitor:
    """The same browser, with its cookies, at the restored installation."""
    same = world.visitor()
    same.cookies = browser.cookies
    return same


def is_out(page: Page) -> bool:
    return page.status == 303 and "/login" in (page.location or "")


@pytest.fixture
def ann(world: World) -> User:
    return world.person("ann@acme.test", world.organization(), role=Role.OWNER)


def test_sessions_from_before_are_over_and_a_fresh_sign_in_works(
    world: World, ann: User, back_up: Callable[[], Restore]
) -> None:
    browser = world.visitor()
    world.sign_in(browser, ann.email)
    put_back = back_up()
    browser.post("/logout", {})
    again = put_back()
    assert is_out(in_(again, browser).get("/"))
    assert "Pat Doe" in again.sign_in(again.visitor(), ann.email).text


def test_without_the_command_the_session_would_live(world: World, ann: User, back_up: Callable[[], Restore]) -> None:
    """What all this is for; it also shows that the copies are good."""
    browser = world.visitor()
    world.sign_in(browser, ann.email)
    put_back = back_up()
    again = put_back()
    again.sql("UPDATE sessions SET ended_at = NULL")
    again.sql("UPDATE cookie_keys SET dead_at = NULL WHERE retired_at IS NOT NULL")
    again.site.keyring.forget()
    assert "Pat Doe" in in_(again, browser).get("/").text


def test_a_cookie_from_before_opens_nothing_even_if_its_row_lives(
    world: World, ann: User, back_up: Callable[[], Restore]
) -> None:
    browser = world.visitor()
    world.sign_in(browser, ann.email)
    again = back_up()()
    again.sql("UPDATE sessions SET ended_at = NULL")
    assert is_out(in_(again, browser).get("/"))


def test_nor_does_one_from_before_the_last_rotation(world: World, ann: User, back_up: Callable[[], Restore]) -> None:
    """Keys that no longer encrypt still decrypt, until the sessions of their time are over."""
    browser = world.visitor()
    world.sign_in(browser, ann.email)
    with world.database.writing() as db:
        keyring.rotate(db, world.site.sealer, now=world.clock.now, overlap=timedelta(days=1))
    again = back_up()()
    again.sql("UPDATE sessions SET ended_at = NULL")
    assert is_out(in_(again, browser).get("/"))


def test_a_reset_link_from_before_is_dead_and_a_new_one_works(
    world: World, ann: User, back_up: Callable[[], Restore]
) -> None:
    browser = world.visitor()
    browser.submit(browser.get("/login/forgot"), "/login/forgot", email=ann.email)
    old = world.link(ann.email, "/login/reset")
    put_back = back_up()
    browser.submit(world.open(browser, old), "/login/reset", password=NEW)
    again = put_back()
    fresh = again.visitor()
    assert again.open(fresh, old).status == 410
    fresh.submit(fresh.get("/login/forgot"), "/login/forgot", email=ann.email)
    assert again.open(fresh, again.link(ann.email, "/login/reset")).status == 200


def test_a_rescue_link_that_was_used_since_is_dead(world: World, ann: User, back_up: Callable[[], Restore]) -> None:
    with world.database.writing() as db:
        found = world.value("SELECT id FROM organizations")
        acme = rescue.organization.get(db, found)
        url = rescue.issue(
            db, world.site.sealer, world.settings, acme, email=ann.email, by="operator", now=world.clock.now
        )
    path = url.removeprefix(world.settings.base_url)
    again = back_up()()
    assert again.open(again.visitor(), path).status == 410


def test_a_second_step_that_was_open_is_over(world: World, ann: User, back_up: Callable[[], Restore]) -> None:
    secret, browser = second_factor(world, ann), world.visitor()
    page = world.sign_in(browser, ann.email)
    again = back_up()()
    answer = in_(again, browser).submit(page, "/login/code", code=enforced.code(again, secret))
    assert "Pat Doe" not in in_(again, browser).follow(answer).text
    assert again.counts()["sessions"] == 0


def test_a_code_of_the_app_that_was_used_since_does_not_pass_again(
    world: World, ann: User, back_up: Callable[[], Restore]
) -> None:
    secret = second_factor(world, ann)
    again = back_up()()
    for ahead in (-1, 0, 1):
        shown = enforced.code(again, secret, ahead=ahead)
        with again.database.writing() as db, pytest.raises(SecondFactorWrong):
            factors.check(db, again.site.sealer, ann.id, code=shown, now=again.clock.now)
    again.clock.advance(seconds=60)
    with again.database.writing() as db:
        factors.check(db, again.site.sealer, ann.id, code=enforced.code(again, secret), now=again.clock.now)


def test_portal_links_and_their_sessions_are_dead(world: World, back_up: Callable[[], Restore]) -> None:
    acme = world.organization()
    _, path = link(world, acme)
    browser = enter(world, path)
    again = back_up()()
    assert again.open(again.visitor(), path).status == 410
    assert in_(again, browser).get("/portal").status == 403
    fresh = enter(again, link(again, acme)[1])
    assert fresh.follow(fresh.get("/portal")).status == 200


def test_invitations_show_as_expired_and_can_be_sent_again(
    world: World, ann: User, back_up: Callable[[], Restore]
) -> None:
    owner = world.visitor()
    world.sign_in(owner, ann.email)
    owner.submit(owner.get("/settings/team/invite"), "/settings/team/invite", emails="bo@acme.test", role="member")
    path = world.link("bo@acme.test", "/invitation")
    put_back = back_up()
    world.sql("UPDATE invitations SET revoked_at = :now", now=world.clock.now)
    again = put_back()
    assert again.open(again.visitor(), path).status == 410
    owner = again.visitor()
    again.sign_in(owner, ann.email)
    team = owner.get("/settings/team")
    (resend,) = [form.action for form in team.forms if form.action.endswith("/resend")]
    owner.submit(team, resend)
    assert again.open(again.visitor(), again.link("bo@acme.test", "/invitation")).status == 200


def test_staff_sessions_are_over(world: World, back_up: Callable[[], Restore]) -> None:
    world.organization()
    colleague = desk.desk(world)
    assert colleague.get("/staff").status == 200
    assert in_(back_up()(), colleague).get("/staff").status == 303


# --- Answers of identity providers -----------------------------------------------------------------------------------


@pytest.fixture
def connection(world: World) -> Connection:
    return world.saml(world.organization(), allow_unsolicited=True)


@pytest.mark.requirement("SAML-29")
def test_an_unsolicited_answer_that_was_used_since_is_refused(
    world: World, connection: Connection, back_up: Callable[[], Restore]
) -> None:
    answer = world.response(connection, "", style="unsolicited")
    put_back = back_up()
    assert "Ann Lee" in world.visitor().follow(world.post_response(world.visitor(), connection, answer)).text
    again = put_back()
    again.clock.advance(seconds=2)
    refused = again.post_response(again.visitor(), connection, answer)
    assert error_of(refused) == "saml_already_used"
    assert again.counts()["users"] == again.counts()["sessions"] == again.counts()["used_assertions"] == 0


@pytest.mark.requirement("SAML-29", "TST-14")
@pytest.mark.parametrize(("seconds", "code"), [(180, "saml_already_used"), (181, "saml_already_used"), (182, "")])
def test_by_a_clock_that_is_ahead_it_may_have_come_before(
    world: World, connection: Connection, back_up: Callable[[], Restore], seconds: int, code: str
) -> None:
    again = back_up()()
    again.clock.advance(seconds=seconds)
    answer = again.response(connection, "", style="unsolicited")  # issued a second ago
    assert error_of(again.post_response(again.visitor(), connection, answer)) == code


@pytest.mark.requirement("SAML-27")
def test_an_answer_to_an_attempt_from_before_is_refused_and_a_new_attempt_works_at_once(
    world: World, connection: Connection, back_up: Callable[[], Restore]
) -> None:
    browser = world.visitor()
    answer = world.response(connection, request_id_of(world.depart(browser)))
    put_back = back_up()
    browser.follow(world.post_response(browser, connection, answer))
    again = put_back()
    assert error_of(again.post_response(in_(again, browser), connection, answer)) == "login_expired"
    assert "Ann Lee" in again.saml_sign_in(again.visitor(), connection).text


@pytest.mark.requirement("SES-15")
def test_a_code_that_was_not_redeemed_is_dead(
    world: World, connection: Connection, back_up: Callable[[], Restore]
) -> None:
    browser = world.visitor()
    posted = world.post_response(browser, connection, world.response(connection, request_id_of(world.depart(browser))))
    again = back_up()()
    assert error_of(in_(again, browser).follow(posted)) == "code_already_used"
    assert again.counts()["sessions"] == 0


def test_people_passwords_and_factors_stay(world: World, back_up: Callable[[], Restore]) -> None:
    made = company(world)
    before = world.counts()
    again = back_up()()
    after = again.counts()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"assertion_memory", "cookie_keys", "audit_entries", "audit_heads"}
    again.clock.advance(seconds=60)
    visitor = again.visitor()
    page = again.sign_in(visitor, made.owner.email)
    shown = enforced.code(again, made.secret)
    assert made.owner.email in visitor.follow(visitor.submit(page, "/login/code", code=shown)).text


def test_the_command_tells_what_it_voided(product: Installation) -> None:
    options = ("--domain", "acme.test", "--plan", "enterprise", "--owner-email", "o@acme.test", "--verified")
    product.told("org", "create", "Acme Inc", *options)
    product.llmops("sso", "rescue", "acme-inc", "--email", "o@acme.test", "--json")
    told = product.told("restored")
    assert told["one_time_links"] == 1
    assert told["sessions"] == told["attempts"] == 0
    assert product.told("restored")["one_time_links"] == 0
    product.llmops("audit", "verify")


def test_no_test_and_no_question_to_an_owner_from_before_counts(
    world: World, ann: User, back_up: Callable[[], Restore]
) -> None:
    """An owner may have said no since."""
    live = world.saml(world.organization("Birch", domain="birch.test"))
    with world.database.writing() as db:
        draft = drafts.begin(db, world.site.sealer, live, now=world.clock.now)
        change(db, Connection, {"id": draft.id}, tested_at=world.clock.now, approval_asked_at=world.clock.now)
    again = back_up()()
    wanted = "SELECT count(*) FROM connections WHERE tested_at IS NOT NULL OR approval_asked_at IS NOT NULL"
    assert again.value(wanted) == 0
    assert again.value("SELECT count(*) FROM connections WHERE state = 'active'") == 1
