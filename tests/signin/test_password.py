"""Password sign-in: what a stranger learns, how often one may try, and what the hash must withstand."""

import re
import unicodedata
from collections.abc import Callable

import pytest
from argon2 import PasswordHasher
from support.page import Page
from support.visitor import Visitor
from world import BASE_URL, PASSWORD, World

from llmops.accounts import passwords
from llmops.errors import PasswordTooCommon, PasswordTooLong
from llmops.web import limits

MakeWorld = Callable[..., World]
VARYING = ("x-request-id", "content-length")


def attempt(visitor: Visitor, address: str, password: str = "wrong" * 4, **headers: str) -> Page:
    page = visitor.get("/login")
    return visitor.post("/login", page.form("/login").filled(email=address, password=password), start=page, **headers)


def told(page: Page, address: str) -> tuple[int, str, list[tuple[str, str]]]:
    """All that a stranger can compare: status, body and headers, without what is random in every answer."""
    body = re.sub(r'(csrf_token" value=")[^"]+', r"\1", page.html).replace(address, "ADDRESS")
    return page.status, body, sorted((name, value) for name, value in page.headers.items() if name not in VARYING)


def tried(world: World, scope: str, subject: str, *, times: int, window_seconds: int) -> None:
    """Count attempts as if they had been made, without the time that so many hashes take."""
    with world.database.writing() as db:
        for _ in range(times):
            limits.hit(db, world.site.sealer, scope, subject, window_seconds=window_seconds, now=world.clock.now)


@pytest.mark.requirement("PWD-05", "TST-18")
def test_no_refusal_differs_from_another_in_any_header(world: World) -> None:
    acme = world.organization()
    for address in ("pat@acme.test", "suspended@acme.test", "alone@acme.test", "removed@acme.test"):
        world.person(address, acme)
    world.person("sso@acme.test", acme, password=None)
    world.person("new@acme.test", acme, verified=False)
    now = world.clock.now
    world.sql("UPDATE users SET suspended_at = :now WHERE email = 'suspended@acme.test'", now=now)
    world.sql("DELETE FROM members WHERE user_id = (SELECT id FROM users WHERE email = 'alone@acme.test')")
    world.sql(
        "UPDATE members SET status = 'removed' WHERE user_id = (SELECT id FROM users WHERE email = 'removed@acme.test')"
    )
    tries = [
        ("pat@acme.test", "wrong" * 4), ("nobody@acme.test", PASSWORD), ("suspended@acme.test", PASSWORD),
        ("alone@acme.test", PASSWORD), ("removed@acme.test", PASSWORD), ("sso@acme.test", PASSWORD),
        ("new@acme.test", PASSWORD), ("nonsense", PASSWORD), ("pat@acme.test", ""),
    ]  # fmt: skip
    seen = {str(told(attempt(world.visitor(), address, password), address)) for address, password in tries}
    assert len(seen) == 1
    assert world.counts()["sessions"] == 0


@pytest.mark.requirement("PWD-05", "TST-18")
@pytest.mark.parametrize("address", ["pat@acme.test", "sso@acme.test", "nobody@acme.test", "nonsense", ""])
def test_one_hash_is_computed_whoever_is_named(world: World, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    """The hash is what takes the time. It is counted, not measured: a stopwatch would fail on a busy machine."""
    acme = world.organization()
    world.person("pat@acme.test", acme)
    world.person("sso@acme.test", acme, password=None)
    computed: list[str] = []
    verify = PasswordHasher.verify

    def counted(self: PasswordHasher, stored: str, typed: str) -> bool:
        computed.append(stored)
        return verify(self, stored, typed)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    attempt(world.visitor(), address)
    assert len(computed) == 1
    assert computed[0].startswith("$argon2id$v=19$m=19456,t=2,p=1$")


@pytest.mark.requirement("PWD-02")
def test_a_password_typed_in_another_normal_form_signs_in(world: World) -> None:
    composed = "crème brûlée für alle Gäste"
    world.person("pat@acme.test", world.organization(), password=unicodedata.normalize("NFD", composed))
    for form in ("NFC", "NFD", "NFKC"):
        typed = unicodedata.normalize(form, composed)
        assert "Pat Doe" in world.sign_in(world.visitor(), "pat@acme.test", typed).text


@pytest.mark.requirement("PWD-02")
@pytest.mark.parametrize("typed", [PASSWORD + " ", " " + PASSWORD, PASSWORD.title(), PASSWORD[:-1], PASSWORD + "\n"])
def test_nothing_is_trimmed_cut_or_changed_in_case(world: World, typed: str) -> None:
    world.person("pat@acme.test", world.organization())
    assert attempt(world.visitor(), "pat@acme.test", typed).status == 401


@pytest.mark.requirement("PWD-01")
def test_1024_bytes_are_taken_whole_and_one_more_is_not() -> None:
    longest = ("correct horse battery staple " * 40)[:1023]
    stored = passwords.hashed(longest + "a", context=())
    assert passwords.matches(stored, longest + "a")
    assert not passwords.matches(stored, longest + "b")
    assert not passwords.matches(stored, longest)
    assert not passwords.matches(stored, longest + "a" * 5000)
    with pytest.raises(PasswordTooLong):
        passwords.hashed(longest + "ab", context=())
    with pytest.raises(PasswordTooLong):
        passwords.hashed("\ufdfa" * 100, context=())  # one character, eighteen after NFKC


@pytest.mark.requirement("PWD-03")
@pytest.mark.parametrize(
    "password", ["olive@newco.test1", "Olive.Oh.New.Co.2026", "newco newco olive", "LLMOps-Olive-New-Co"]
)
def test_a_persons_own_words_are_no_password(password: str) -> None:
    with pytest.raises(PasswordTooCommon):
        passwords.hashed(password, context=("olive@newco.test", "Olive", "Oh", "New Co"))


@pytest.mark.requirement("PWD-01")
@pytest.mark.parametrize(
    "password",
    ["correct horse battery staple", "zq9!Tw#4kLm2$Pv", "三つの言葉をならべた合い言葉です", "a b c d e f g h i"],
)
def test_no_composition_is_asked_for(password: str) -> None:
    assert passwords.matches(passwords.hashed(password, context=("ann@acme.test",)), password)


@pytest.mark.requirement("PWD-06")
def test_another_spelling_of_an_address_gets_no_tries_of_its_own(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    spellings = ["pat@acme.test", "PAT@ACME.TEST", " pat@acme.test", "pat@ａcme.test", "pat@acme。test"]
    for spelling in spellings * 2:
        assert attempt(world.visitor(), spelling).status == 401
    for spelling in spellings:
        assert attempt(world.visitor(), spelling).status == 429


@pytest.mark.requirement("PWD-06")
def test_one_address_cannot_lock_the_owner_out(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    for _ in range(12):
        attempt(world.visitor(peer="203.0.113.66"), "pat@acme.test")
    assert "Pat Doe" in world.sign_in(world.visitor(), "pat@acme.test").text


@pytest.mark.requirement("PWD-06")
def test_an_account_is_tried_a_hundred_times_an_hour_from_everywhere_together(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    tried(world, "password.account", "pat@acme.test", times=99, window_seconds=3600)
    assert attempt(world.visitor(peer="203.0.113.9"), "pat@acme.test").status == 401
    stopped = attempt(world.visitor(), "pat@acme.test", PASSWORD)
    assert stopped.status == 429
    world.clock.advance(seconds=int(stopped.headers["retry-after"]))
    assert "Pat Doe" in world.sign_in(world.visitor(), "pat@acme.test").text


@pytest.mark.requirement("PWD-06")
def test_one_network_is_stopped_whatever_addresses_it_names(world: World) -> None:
    tried(world, "password.address", "2001:db8:1:2::/64", times=59, window_seconds=300)
    answers = [
        attempt(world.visitor(peer=peer), "pat@acme.test").status for peer in ("2001:db8:1:2::1", "2001:db8:1:2:f::9")
    ]
    assert answers == [401, 429]
    assert attempt(world.visitor(peer="2001:db8:1:3::1"), "pat@acme.test").status == 401


@pytest.mark.requirement("PWD-06")
def test_what_is_over_the_limit_is_not_even_hashed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.person("pat@acme.test", world.organization())
    for _ in range(10):
        attempt(world.visitor(), "pat@acme.test")
    monkeypatch.setattr(PasswordHasher, "verify", lambda *_: pytest.fail("hashed"))
    assert attempt(world.visitor(), "pat@acme.test").status == 429


@pytest.mark.requirement("PWD-04")
def test_an_older_hash_is_made_anew_at_sign_in(world: World) -> None:
    pat = world.person("pat@acme.test", world.organization())
    old = PasswordHasher(memory_cost=8 * 1024, time_cost=1, parallelism=1).hash(PASSWORD)
    world.sql("UPDATE passwords SET hash = :old", old=old)
    attempt(world.visitor(), "pat@acme.test")
    assert world.value("SELECT hash FROM passwords WHERE user_id = :id", id=pat.id) == old
    assert "Pat Doe" in world.sign_in(world.visitor(), "pat@acme.test").text
    assert "m=19456,t=2,p=1" in world.value("SELECT hash FROM passwords WHERE user_id = :id", id=pat.id)
    assert "Pat Doe" in world.sign_in(world.visitor(), "pat@acme.test").text


@pytest.mark.requirement("WEB-07")
def test_next_is_kept_through_a_wrong_password(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    page = visitor.get("/login?next=/settings/team?role=admin")
    wrong = visitor.submit(page, "/login", email="pat@acme.test", password="wrong" * 4)
    right = visitor.submit(wrong, "/login", email="pat@acme.test", password=PASSWORD)
    assert right.location == f"{BASE_URL}/settings/team?role=admin"


@pytest.mark.requirement("WEB-07")
@pytest.mark.parametrize(
    "target",
    ["https://evil.test", "//evil.test", "///evil.test", "/%5Cevil.test", "/%09/evil.test", "%2F%2Fevil.test",
     "javascript:alert(1)", "data:text/html,x", "/@evil.test", "https:evil.test", "?next=x", "\u2044\u2044evil.test"],
)  # fmt: skip
def test_who_is_signed_in_already_is_sent_to_own_pages_only(world: World, target: str) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    world.sign_in(visitor, "pat@acme.test")
    assert (visitor.get(f"/login?next={target}").location or BASE_URL).startswith(f"{BASE_URL}/")


@pytest.mark.requirement("WEB-09")
def test_after_the_form_comes_a_get(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    assert attempt(world.visitor(), "pat@acme.test", PASSWORD).status == 303


def test_the_way_used_last_has_a_badge(world: World) -> None:
    acme = world.organization()
    world.person("pat@acme.test", acme)
    visitor = world.visitor()
    assert "Last used" not in visitor.get("/login").text
    world.sign_in(visitor, "pat@acme.test")
    visitor.submit(visitor.get("/"), "/logout")
    form = visitor.get("/login").document.xpath("//form[@action='/login']")[0]
    assert "Last used" in form.text_content()
    world.saml_sign_in(visitor, world.saml(acme))
    visitor.submit(visitor.get("/"), "/logout")
    page = visitor.get("/login")
    assert "Last used" not in page.document.xpath("//form[@action='/login']")[0].text_content()
    assert "Last used" in page.document.xpath("//form[@action='/login/sso']")[0].text_content()


@pytest.mark.requirement("SES-10")
def test_sign_out_says_whether_the_company_session_goes_on(world: World) -> None:
    acme = world.organization()
    world.person("pat@acme.test", acme)
    by_password, by_sso = world.visitor(), world.visitor()
    world.sign_in(by_password, "pat@acme.test")
    world.saml_sign_in(by_sso, world.saml(acme))
    pages = [one.follow(one.submit(one.get("/"), "/logout")).text for one in (by_password, by_sso)]
    assert ["still be signed in at your company" in page for page in pages] == [False, True]
    assert [one.get("/").status for one in (by_password, by_sso)] == [303, 303]


def test_signing_out_of_a_session_that_is_over_leads_to_sign_in(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    page = world.sign_in(visitor, "pat@acme.test")
    world.clock.advance(hours=9)
    assert visitor.submit(page, "/logout").location == f"{BASE_URL}/login"


@pytest.mark.requirement("SEC-04")
def test_neither_address_nor_password_is_logged(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.person("pat@acme.test", world.organization())
    capsys.readouterr()
    attempt(world.visitor(), "pat@acme.test", "canary-wrong-password-123")
    world.sign_in(world.visitor(), "pat@acme.test")
    logged = capsys.readouterr().out
    assert '"request"' in logged
    assert all(secret not in logged for secret in ("canary", "pat@acme.test", PASSWORD))


@pytest.mark.requirement("SEC-04")
def test_a_database_error_does_not_log_what_was_looked_for(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.sql("ALTER TABLE users RENAME COLUMN email TO gone")
    assert attempt(world.visitor(), "canary@acme.test").status == 500
    logged = capsys.readouterr().out
    assert "unexpected" in logged
    assert "canary" not in logged
