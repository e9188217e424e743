"""Two-step sign-in of people with passwords: setting it up, the second page of the sign-in, and taking it away."""

import re
from datetime import datetime

import pytest
from lxml import etree
from support.enforced import code, company, second_factor
from support.mailbox import text_of
from support.page import Page
from support.visitor import Visitor
from world import BASE_URL, PASSWORD, World, error_of

from llmops.accounts import factors
from llmops.accounts.users import User
from llmops.errors import FormExpired, SecondFactorWrong
from llmops.organizations.roles import Role
from llmops.signin.second_step import COOKIE

PAGE = "/settings/profile/two-step"
NEW_PASSWORD = "another long good sentence 99"


@pytest.fixture
def pat(world: World) -> User:
    return world.person("pat@acme.test", world.organization())


def begun(world: World, visitor: Visitor, address: str = "pat@acme.test") -> Page:
    """After the right password."""
    page = world.sign_in(visitor, address)
    assert page.url.endswith("/login/code"), page.text
    return page


def set_up(world: World, visitor: Visitor) -> tuple[str, Page]:
    """From the profile to the secret; returns it and the page."""
    page = visitor.follow(visitor.submit(visitor.get(PAGE), f"{PAGE}/begin"))
    secret = page.document.xpath("string(//*[contains(@class, 'copy-box')]/code)")
    return secret.replace(" ", ""), page


# --- Setting up ----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("PWD-14", "PWD-17")
def test_it_is_set_up_with_an_app_and_shows_the_codes_once(world: World, pat: User) -> None:
    visitor = world.visitor()
    world.sign_in(visitor, pat.email)
    assert visitor.get("/settings/profile").link(PAGE)
    secret, page = set_up(world, visitor)
    done = visitor.submit(page, f"{PAGE}/confirm", code=code(world, secret))
    codes = done.document.xpath("//ul[@class='codes']/li/code/text()")
    assert len(codes) == 10
    assert "10 recovery codes are left" in visitor.get(PAGE).text
    assert not any(one in visitor.get(PAGE).html for one in codes)
    assert "switched on" in text_of(world.letters(pat.email)[-1])
    world.clock.advance(seconds=30)
    page = begun(world, other := world.visitor())
    assert other.follow(other.submit(page, "/login/code", code=codes[0])).status == 200
    assert "recovery code was used" in text_of(world.letters(pat.email)[-1])


@pytest.mark.requirement("WEB-03")
def test_the_qr_code_says_what_the_text_says_without_any_style(world: World, pat: User) -> None:
    visitor = world.visitor()
    world.sign_in(visitor, pat.email)
    _, page = set_up(world, visitor)
    [drawing] = page.document.xpath("//svg[@class='qr']")
    assert not page.document.xpath("//*[@style]")
    assert etree.tostring(drawing).count(b"<path") == 1
    assert drawing.get("role") == "img"
    assert re.fullmatch(r"0 0 (\d+) \1", drawing.get("viewbox") or drawing.get("viewBox"))


@pytest.mark.requirement("PWD-14")
def test_nothing_counts_before_a_right_code(world: World, pat: User) -> None:
    visitor = world.visitor()
    world.sign_in(visitor, pat.email)
    _, page = set_up(world, visitor)
    wrong = visitor.submit(page, f"{PAGE}/confirm", code="000000")
    assert (wrong.status, "That code is not right" in wrong.text) == (401, True)
    assert world.sign_in(world.visitor(), pat.email).url.endswith("/")


@pytest.mark.requirement("SES-12")
@pytest.mark.parametrize("action", ["begin", "codes", "remove"])
def test_every_change_wants_a_fresh_proof(world: World, pat: User, action: str) -> None:
    visitor = world.visitor()
    world.sign_in(visitor, pat.email)
    if action != "begin":
        second_factor(world, pat)
    page = visitor.get(PAGE)
    world.clock.advance(minutes=10, seconds=1)
    before = world.counts()["recovery_codes"], world.counts()["second_factors"]
    assert visitor.submit(page, f"{PAGE}/{action}").location.endswith(f"/confirm?next={PAGE}")
    assert (world.counts()["recovery_codes"], world.counts()["second_factors"]) == before


@pytest.mark.requirement("SES-12")
def test_a_secret_that_waits_is_shown_after_a_fresh_proof_only(world: World, pat: User) -> None:
    visitor = world.visitor()
    world.sign_in(visitor, pat.email)
    set_up(world, visitor)
    world.clock.advance(minutes=10, seconds=1)
    assert visitor.get(f"{PAGE}/set-up").location.endswith(f"/confirm?next={PAGE}/set-up")


@pytest.mark.requirement("SES-11", "PWD-17")
@pytest.mark.parametrize(("action", "word"), [("codes", "New recovery codes"), ("remove", "switched off")])
def test_every_change_ends_other_sessions_and_is_told(world: World, pat: User, action: str, word: str) -> None:
    visitor, elsewhere = world.visitor(), world.visitor()
    world.sign_in(visitor, pat.email)
    world.sign_in(elsewhere, pat.email)
    second_factor(world, pat)
    visitor.submit(visitor.get(PAGE), f"{PAGE}/{action}")
    assert elsewhere.get("/").location.endswith("/login")
    assert visitor.get("/").status == 200
    assert word in text_of(world.letters(pat.email)[-1])


@pytest.mark.requirement("SES-11")
def test_switching_it_on_ends_other_sessions(world: World, pat: User) -> None:
    visitor, elsewhere = world.visitor(), world.visitor()
    world.sign_in(visitor, pat.email)
    world.sign_in(elsewhere, pat.email)
    secret, page = set_up(world, visitor)
    visitor.submit(page, f"{PAGE}/confirm", code=code(world, secret))
    assert elsewhere.get("/").location.endswith("/login")


@pytest.mark.requirement("PWD-14")
def test_new_codes_void_those_before(world: World, pat: User) -> None:
    visitor = world.visitor()
    world.sign_in(visitor, pat.email)
    second_factor(world, pat)
    with world.database.writing() as db:
        old, *_ = factors.new_codes(db, world.site.sealer, pat.id)
    visitor.submit(visitor.get(PAGE), f"{PAGE}/codes")
    page = begun(world, other := world.visitor())
    assert other.submit(page, "/login/code", code=old).status == 401


@pytest.mark.requirement("PWD-14", "TEN-19")
def test_an_emergency_owner_keeps_the_factor(world: World) -> None:
    made = company(world)
    visitor = world.visitor()
    page = begun(world, visitor, made.owner.email)
    visitor.follow(visitor.submit(page, "/login/code", code=code(world, made.secret)))
    answer = visitor.submit(visitor.get(PAGE), f"{PAGE}/remove")
    assert (answer.status, "break_glass_needed" in answer.text) == (409, True)
    with world.database.reading() as db:
        assert factors.enrolled(db, made.owner.id)


def test_who_has_no_password_is_told_that_there_is_nothing_to_protect(world: World) -> None:
    visitor = world.visitor()
    world.saml_sign_in(visitor, world.saml(world.organization()))
    assert "you have none here" in visitor.get(PAGE).text


# --- Signing in ----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("PWD-14")
def test_there_is_no_session_before_the_code(world: World, pat: User) -> None:
    second_factor(world, pat)
    visitor = world.visitor()
    begun(world, visitor)
    assert visitor.get("/").location.endswith("/login")
    assert world.counts()["sessions"] == 0


@pytest.mark.requirement("PWD-14", "WEB-07")
def test_the_right_code_opens_it_and_leads_on(world: World, pat: User) -> None:
    secret = second_factor(world, pat)
    visitor = world.visitor()
    page = visitor.get("/login?next=/settings/team?role=admin")
    page = visitor.follow(visitor.submit(page, "/login", email=pat.email, password=PASSWORD))
    assert visitor.submit(page, "/login/code", code=code(world, secret)).location.endswith("/settings/team?role=admin")
    assert world.value("SELECT method FROM sessions") == "password"


@pytest.mark.requirement("PWD-05", "PWD-14")
def test_a_wrong_password_never_gets_to_the_second_page(world: World, pat: User) -> None:
    second_factor(world, pat)
    world.person("sam@acme.test", world.organization("Other", domain=None))
    pages = []
    for address in (pat.email, "sam@acme.test", "nobody@acme.test"):
        visitor = world.visitor()
        page = visitor.submit(visitor.get("/login"), "/login", email=address, password="wrong" * 4)
        pages.append((page.status, page.text))
        assert error_of(visitor.get("/login/code")) == "login_expired"
    assert len(set(pages)) == 1


@pytest.mark.requirement("PWD-14")
@pytest.mark.parametrize("typed", ["000000", "", "12345", "aaaaa-bbbbb-ccccc"])
def test_a_wrong_code_is_refused(world: World, pat: User, typed: str) -> None:
    second_factor(world, pat)
    visitor = world.visitor()
    answer = visitor.submit(begun(world, visitor), "/login/code", code=typed)
    assert (answer.status, "That code is not right" in answer.text) == (401, True)
    assert world.counts()["sessions"] == 0


@pytest.mark.requirement("PWD-14")
def test_a_code_opens_one_session(world: World, pat: User) -> None:
    secret = second_factor(world, pat)
    first, second = world.visitor(), world.visitor()
    assert first.submit(begun(world, first), "/login/code", code=code(world, secret)).status == 303
    assert second.submit(begun(world, second), "/login/code", code=code(world, secret)).status == 401


@pytest.mark.requirement("PWD-06")
def test_codes_are_tried_few_times(world: World, pat: User) -> None:
    secret = second_factor(world, pat)
    visitor = world.visitor()
    page = begun(world, visitor)
    for _ in range(6):
        assert visitor.submit(page, "/login/code", code="000000").status == 401
    stopped = visitor.submit(page, "/login/code", code=code(world, secret))
    assert stopped.status == 429
    assert int(stopped.headers["retry-after"]) > 0
    elsewhere = world.visitor(peer="203.0.113.9")  # nobody is locked out by somebody else
    world.clock.advance(minutes=5)
    assert elsewhere.submit(begun(world, elsewhere), "/login/code", code=code(world, secret)).status == 303


@pytest.mark.requirement("SES-13", "TST-14")
@pytest.mark.parametrize(("seconds", "status"), [(299, 200), (300, 303)])
def test_the_password_counts_for_five_minutes(world: World, pat: User, seconds: int, status: int) -> None:
    second_factor(world, pat)
    visitor = world.visitor()
    begun(world, visitor)
    world.clock.advance(seconds=seconds)
    assert visitor.get("/login/code").status == status


@pytest.mark.requirement("SES-13")
def test_another_browser_cannot_go_on(world: World, pat: User) -> None:
    secret = second_factor(world, pat)
    visitor, thief = world.visitor(), world.visitor()
    begun(world, visitor)
    page = visitor.get("/login/code")
    thief.get("/login")
    stolen = visitor.cookies.value(COOKIE, host="llm-ops.test")
    assert stolen
    thief.cookies.store(BASE_URL, f"{COOKIE}={stolen}; Path=/; Secure; HttpOnly; SameSite=Lax")
    assert error_of(thief.get("/login/code")) == "login_expired"
    assert visitor.submit(page, "/login/code", code=code(world, secret)).status == 303


@pytest.mark.requirement("SES-11", "PWD-08")
def test_a_password_that_was_changed_between_the_steps_does_not_count(world: World, pat: User) -> None:
    secret = second_factor(world, pat)
    visitor, owner = world.visitor(), world.visitor()
    page = begun(world, visitor)
    owner.submit(owner.get("/login/forgot"), "/login/forgot", email=pat.email)
    form = owner.follow(owner.get(world.link(pat.email, "/login/reset")))
    owner.submit(form, "/login/reset", password=NEW_PASSWORD)
    assert error_of(visitor.submit(page, "/login/code", code=code(world, secret))) == "login_expired"
    assert world.counts()["sessions"] == 0


@pytest.mark.requirement("PWD-08", "PWD-14")
def test_a_reset_does_not_skip_the_second_step(world: World, pat: User) -> None:
    second_factor(world, pat)
    visitor = world.visitor()
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email=pat.email)
    form = visitor.follow(visitor.get(world.link(pat.email, "/login/reset")))
    visitor.submit(form, "/login/reset", password=NEW_PASSWORD)
    assert world.sign_in(visitor, pat.email, NEW_PASSWORD).url.endswith("/login/code")
    assert world.counts()["sessions"] == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE users SET suspended_at = '2026-01-01 00:00:00'",
        "DELETE FROM passwords",
        "UPDATE members SET status = 'removed'",
    ],
)
def test_whoever_lost_access_between_the_steps_stays_out(world: World, pat: User, change: str) -> None:
    secret = second_factor(world, pat)
    visitor = world.visitor()
    page = begun(world, visitor)
    world.sql(change)
    assert error_of(visitor.submit(page, "/login/code", code=code(world, secret))) != ""
    assert world.counts()["sessions"] == 0


def test_sso_asks_for_no_code_of_ours(world: World) -> None:
    acme = world.organization()
    connection = world.saml(acme)
    ann = world.person("ann@acme.test", acme, role=Role.MEMBER)
    second_factor(world, ann)
    assert world.saml_sign_in(world.visitor(), connection).url.endswith("/")


# --- Two windows at one moment ---------------------------------------------------------------------------------------


@pytest.mark.requirement("PWD-14")
def test_only_the_secret_whose_code_was_given_counts(world: World, pat: User, monkeypatch: pytest.MonkeyPatch) -> None:
    now, sealer = world.clock.now, world.site.sealer
    with world.database.writing() as db:
        shown = factors.begin(db, sealer, pat.id, now=now)
    matching = factors._matching_step

    def while_another_window_begins(secret: str, typed: str, moment: datetime) -> int | None:
        factors.begin(db, sealer, pat.id, now=now)
        return matching(secret, typed, moment)

    monkeypatch.setattr(factors, "_matching_step", while_another_window_begins)
    with world.database.writing() as db:
        with pytest.raises(SecondFactorWrong):
            factors.confirm(db, sealer, pat.id, code=code(world, shown), now=now)
        assert not factors.enrolled(db, pat.id)
        assert factors.codes_left(db, pat.id) == 0


@pytest.mark.requirement("PWD-14")
def test_a_factor_that_another_window_confirmed_is_not_begun_anew(world: World, pat: User) -> None:
    second_factor(world, pat)
    with pytest.raises(FormExpired), world.database.writing() as db:
        factors.begin(db, world.site.sealer, pat.id, now=world.clock.now)
    with world.database.reading() as db:
        assert factors.enrolled(db, pat.id)
