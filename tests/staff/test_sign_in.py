"""Signing in at the staff console: two factors or nothing, one answer to every refusal, an end to every session."""

import re
from collections.abc import Callable

import pytest
from argon2 import PasswordHasher
from staff.desk import Hired, cookie, desk, enter, entries, give_code, give_password, hire, plant
from support.page import Page
from support.visitor import Visitor
from world import PASSWORD, World

from llmops.errors import SecondFactorWrong
from llmops.organizations.roles import Role
from llmops.staff import known_browsers, people, sessions

VARYING = ("x-request-id", "content-length")


def told(page: Page, address: str) -> tuple[int, str, list[tuple[str, str]]]:
    """All that a stranger can compare, without what is random in every answer."""
    body = re.sub(r'(csrf_token" value=")[^"]+', r"\1", page.html).replace(address, "ADDRESS")
    return page.status, body, sorted((name, value) for name, value in page.headers.items() if name not in VARYING)


def is_in(visitor: Visitor) -> bool:
    """Whether this browser is signed in at the console."""
    return visitor.get("/staff").status == 200


def recovery_codes(page: Page) -> list[str]:
    return re.findall(r"\b[a-z2-9]{5}-[a-z2-9]{5}-[a-z2-9]{5}\b", page.text)


def test_first_sign_in_confirms_the_app_and_shows_recovery_codes_once(world: World) -> None:
    sam, visitor = hire(world), world.visitor()
    assert (give_password(visitor, sam.email).location or "").endswith("/staff/sign-in/code")
    assert "Confirm your authenticator app" in visitor.get("/staff/sign-in/code").text
    page = give_code(visitor, sam.code(world))
    assert len(recovery_codes(page)) == 10
    assert "Sam Staff" in visitor.get("/staff").text
    world.clock.advance(seconds=31)
    other = world.visitor()
    give_password(other, sam.email)
    answer = give_code(other, sam.code(world))
    assert answer.status == 303
    assert not recovery_codes(other.follow(answer))


@pytest.mark.requirement("PWD-14")
def test_secret_is_never_shown_on_a_page(world: World) -> None:
    sam, visitor = hire(world), world.visitor()
    give_password(visitor, sam.email)
    page = visitor.get("/staff/sign-in/code")
    assert sam.secret not in page.html
    assert sam.secret not in give_code(visitor, sam.code(world)).html


@pytest.mark.requirement("PWD-05", "PWD-15")
def test_every_wrong_password_gets_the_same_answer(world: World) -> None:
    hire(world)
    gone = hire(world, "gone@llm-ops.test")
    with world.database.writing() as db:
        people.suspend(db, people.get(db, gone.id), now=world.clock.now)
    world.person("owner@acme.test", world.organization(), role=Role.OWNER)
    tries = [
        ("sam@llm-ops.test", "wrong" * 4), ("nobody@llm-ops.test", PASSWORD), ("gone@llm-ops.test", PASSWORD),
        ("owner@acme.test", PASSWORD), ("nonsense", PASSWORD), ("sam@llm-ops.test", ""),
    ]  # fmt: skip
    seen = {str(told(give_password(world.visitor(), address, password), address)) for address, password in tries}
    assert len(seen) == 1
    assert "staff_step" not in seen.pop()


@pytest.mark.requirement("PWD-05")
@pytest.mark.parametrize("address", ["sam@llm-ops.test", "nobody@llm-ops.test", "nonsense"])
def test_one_hash_is_computed_whoever_is_named(world: World, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    hire(world)
    computed: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, stored: str, typed: str) -> bool:
        computed.append(stored)
        return verify(self, stored, typed)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    give_password(world.visitor(), address, "wrong" * 4)
    assert len(computed) == 1


@pytest.mark.requirement("ADM-06", "PWD-14")
def test_password_alone_opens_nothing(world: World) -> None:
    sam, visitor = hire(world), world.visitor()
    give_password(visitor, sam.email)
    assert not is_in(visitor)
    assert world.counts()["staff_sessions"] == 0


@pytest.mark.requirement("ADM-06", "PWD-14")
def test_code_alone_opens_nothing(world: World) -> None:
    sam, visitor = hire(world), world.visitor()
    page = visitor.get("/staff/sign-in")
    fields = {"csrf_token": str(page.form("/staff/sign-in").fields["csrf_token"]), "code": sam.code(world)}
    answer = visitor.post("/staff/sign-in/code", fields, start=page)
    assert (answer.location or "").endswith("/staff/sign-in")
    assert not is_in(visitor)


@pytest.mark.requirement("PWD-14")
def test_wrong_code_is_refused_and_recorded(world: World) -> None:
    sam, visitor = hire(world), world.visitor()
    give_password(visitor, sam.email)
    answer = give_code(visitor, "000000" if sam.code(world) != "000000" else "000001")
    assert answer.status == 401
    assert "That code is not right" in answer.text
    assert not is_in(visitor)
    assert entries(world, "staff.sign_in_failed") == [("staff:sam@llm-ops.test", "", {"code": "second_factor_wrong"})]


@pytest.mark.requirement("PWD-14")
def test_code_that_signed_in_once_is_refused(world: World) -> None:
    sam = hire(world)
    enter(world, sam)
    again = world.visitor()
    give_password(again, sam.email)
    assert give_code(again, sam.code(world)).status == 401
    assert not is_in(again)


@pytest.mark.requirement("PWD-14")
def test_recovery_code_signs_in_once(world: World) -> None:
    sam, first = hire(world), world.visitor()
    give_password(first, sam.email)
    code = recovery_codes(give_code(first, sam.code(world)))[0]
    for expected in (True, False):
        visitor = world.visitor()
        give_password(visitor, sam.email)
        give_code(visitor, code)
        assert is_in(visitor) is expected


@pytest.mark.requirement("PWD-14")
def test_codes_are_tried_ten_times_in_ten_minutes(world: World) -> None:
    sam = hire(world)
    enter(world, sam)
    world.clock.advance(minutes=10)
    visitor = world.visitor()
    give_password(visitor, sam.email)
    assert [give_code(visitor, "12345x").status for _ in range(11)] == [401] * 10 + [429]
    world.clock.advance(seconds=31)
    assert give_code(visitor, sam.code(world)).status == 429


@pytest.mark.requirement("PWD-06")
def test_codes_are_tried_fifty_times_a_day_whoever_knows_the_password(world: World) -> None:
    """Ten in ten minutes alone would be 1,440 a day of a million codes, three of which are good at any time."""
    sam = hire(world)
    enter(world, sam)
    visitor = world.visitor()
    for tried in range(49):
        if tried % 9 == 0:
            world.clock.advance(minutes=10)
            give_password(visitor, sam.email)
        assert give_code(visitor, "000000").status == SecondFactorWrong.status
    world.clock.advance(minutes=10)
    give_password(visitor, sam.email)
    assert give_code(visitor, sam.code(world)).status == 429


@pytest.mark.requirement("PWD-06")
def test_passwords_are_tried_ten_times_from_one_address(world: World) -> None:
    sam = hire(world)
    answers = [give_password(world.visitor(), sam.email, "wrong" * 4) for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert answers[-1].headers["retry-after"]
    assert give_password(world.visitor(peer="203.0.113.9"), sam.email).status == 303


@pytest.mark.requirement("PWD-06")
@pytest.mark.parametrize(("change", "expected"), [(None, 303), ("password", 429)])
def test_strangers_lock_nobody_out_of_a_browser_that_was_in_before(
    world: World, change: str | None, expected: int
) -> None:
    sam = hire(world)
    mine = enter(world, sam)
    if change:
        with world.database.writing() as db:
            people.set_password(db, people.get(db, sam.id), password=PASSWORD)  # the same one, hashed anew
    for block in range(10):
        stranger = world.visitor(peer=f"203.0.113.{block}")
        for _ in range(10):
            give_password(stranger, sam.email, "wrong" * 4)
    assert give_password(world.visitor(peer="203.0.113.99"), sam.email).status == 429
    mine.submit(mine.get("/staff"), "/staff/sign-out")
    assert give_password(mine, sam.email).status == expected


@pytest.mark.requirement("PWD-06")
def test_a_browser_that_was_in_before_has_tries_of_its_own_and_of_one_account_only(world: World) -> None:
    sam = hire(world)
    mine = enter(world, sam)
    other = world.visitor()
    other.get("/staff/sign-in")
    plant(other, known_browsers.COOKIE, cookie(mine, known_browsers.COOKIE)[:-4] + "AAAA")
    mine.submit(mine.get("/staff"), "/staff/sign-out")
    tried = []
    for _ in range(3):
        world.clock.advance(minutes=10)
        tried += [give_password(mine, sam.email, "wrong" * 4).status for _ in range(9)]
    assert tried == [401] * 20 + [429] * 7
    assert give_password(other, sam.email).status == 303


def past_five_minutes(world: World, sam: Hired) -> None:
    world.clock.advance(minutes=5, seconds=1)


def suspended(world: World, sam: Hired) -> None:
    with world.database.writing() as db:
        people.suspend(db, people.get(db, sam.id), now=world.clock.now)


def another_password(world: World, sam: Hired) -> None:
    with world.database.writing() as db:
        people.set_password(db, people.get(db, sam.id), password="quite another long sentence")


@pytest.mark.requirement("PWD-14")
@pytest.mark.parametrize("change", [past_five_minutes, suspended, another_password])
def test_second_page_is_closed_once_the_password_no_longer_counts(
    world: World, change: Callable[[World, Hired], None]
) -> None:
    sam, visitor = hire(world), world.visitor()
    give_password(visitor, sam.email)
    page = visitor.get("/staff/sign-in/code")
    change(world, sam)
    answer = visitor.submit(page, "/staff/sign-in/code", code=sam.code(world))
    assert (answer.location or "").endswith("/staff/sign-in")
    assert not is_in(visitor)


@pytest.mark.requirement("PWD-14")
def test_right_password_of_one_browser_is_nothing_in_another(world: World) -> None:
    sam, mine, other = hire(world), world.visitor(), world.visitor()
    give_password(mine, sam.email)
    other.get("/staff/sign-in")
    plant(other, "__Host-llmops_staff_step", cookie(mine, "__Host-llmops_staff_step"))
    assert (other.get("/staff/sign-in/code").location or "").endswith("/staff/sign-in")


@pytest.mark.requirement("SES-09")
@pytest.mark.parametrize(("seconds", "expected"), [(29 * 60 + 59, True), (30 * 60, False)])
def test_session_ends_after_thirty_idle_minutes(world: World, seconds: int, expected: bool) -> None:
    visitor = desk(world)
    world.clock.advance(seconds=seconds)
    assert is_in(visitor) is expected


@pytest.mark.requirement("SES-09")
@pytest.mark.parametrize(("before", "expected"), [(1, True), (0, False)])
def test_session_ends_after_eight_hours_however_busy(world: World, before: int, expected: bool) -> None:
    visitor = desk(world)
    for _ in range(8 * 3 - 1):
        world.clock.advance(minutes=20)
        assert is_in(visitor)
    world.clock.advance(minutes=20, seconds=-before)
    assert is_in(visitor) is expected


@pytest.mark.requirement("ADM-06")
def test_suspended_colleague_is_out_with_the_next_click(world: World) -> None:
    sam = hire(world)
    visitor = enter(world, sam)
    suspended(world, sam)
    assert not is_in(visitor)


@pytest.mark.requirement("SES-10")
def test_signing_out_ends_the_session_in_the_database(world: World) -> None:
    visitor = desk(world)
    stolen = cookie(visitor, sessions.COOKIE)
    visitor.submit(visitor.get("/staff"), "/staff/sign-out")
    plant(visitor, sessions.COOKIE, stolen)
    assert not is_in(visitor)


@pytest.mark.requirement("SES-06")
def test_signing_in_again_ends_the_session_before(world: World) -> None:
    sam = hire(world)
    visitor = enter(world, sam)
    old = cookie(visitor, sessions.COOKIE)
    page = world.visitor()
    plant(page, sessions.COOKIE, old)
    assert is_in(page)
    plant(visitor, sessions.COOKIE, old)
    world.clock.advance(seconds=31)
    first = visitor.post(
        "/staff/sign-in",
        {"email": sam.email, "password": PASSWORD, "csrf_token": token_of(visitor), "next": ""},
    )
    assert first.status == 303
    give_code(visitor, sam.code(world))
    assert is_in(visitor)
    assert not is_in(page)


def token_of(visitor: Visitor) -> str:
    return str(visitor.get("/staff").form("/staff/sign-out").fields["csrf_token"])


def test_cookie_is_a_host_cookie_of_which_only_a_hash_is_stored(world: World) -> None:
    visitor = desk(world)
    secret = cookie(visitor, sessions.COOKIE)
    assert secret
    assert secret not in str(world.value("SELECT token_hash FROM staff_sessions"))


def test_goes_on_where_the_colleague_wanted_to_go(world: World) -> None:
    sam, visitor = hire(world), world.visitor()
    enter(world, sam)
    world.clock.advance(seconds=31)
    page = visitor.follow(visitor.get("/staff/organizations"))
    visitor.submit(page, "/staff/sign-in", email=sam.email, password=PASSWORD)
    assert (give_code(visitor, sam.code(world)).location or "").endswith("/staff/organizations")


@pytest.mark.requirement("WEB-07")
@pytest.mark.parametrize(
    "target", ["https://evil.test/", "//evil.test", "/settings/team", "/staffing", "/staff/sign-in"]
)
def test_goes_nowhere_but_into_the_console(world: World, target: str) -> None:
    sam, visitor = hire(world), world.visitor()
    enter(world, sam)
    world.clock.advance(seconds=31)
    page = visitor.get(f"/staff/sign-in?next={target}")
    visitor.submit(page, "/staff/sign-in", email=sam.email, password=PASSWORD)
    assert (give_code(visitor, sam.code(world)).location or "") == "https://llm-ops.test/staff"


def test_signing_in_is_recorded(world: World) -> None:
    desk(world)
    assert [actor for actor, _, _ in entries(world, "staff.signed_in")] == ["staff:sam@llm-ops.test"]
