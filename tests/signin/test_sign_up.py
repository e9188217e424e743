"""Sign-up, password sign-in, reset: nothing before the letter came back, and nothing told to strangers."""

import re

import pytest
from support.page import Page
from world import PASSWORD, World

from llmops.accounts import passwords
from llmops.errors import PasswordTooCommon, PasswordTooLong, PasswordTooShort

TYPED = {
    "first_name": "Olive",
    "last_name": "Oh",
    "email": "olive@newco.test",
    "organization_name": "New Co",
    "password": PASSWORD,
}


def sign_up(world: World, visitor, **changes: str) -> Page:
    return visitor.submit(visitor.get("/signup"), "/signup", **{**TYPED, **changes})


def without_tokens(page: Page) -> str:
    return re.sub(r'(csrf_token" value=")[^"]+', r"\1", page.html)


@pytest.mark.requirement("PWD-11")
def test_sign_up_verify_dashboard(world: World) -> None:
    visitor = world.visitor()
    assert "Check your mail" in sign_up(world, visitor).text
    assert world.counts()["users"] == 0
    page = visitor.get(world.link("olive@newco.test", "/signup/verify"))
    assert world.counts()["users"] == 0
    landed = visitor.follow(visitor.submit(page, "/signup/verify"))
    assert "New Co · Starter plan · your role: Owner" in landed.text
    assert world.value("SELECT domain FROM organization_domains WHERE verified_at IS NULL") == "newco.test"


@pytest.mark.requirement("SES-13", "SES-14")
def test_a_link_works_once_and_only_the_newest(world: World) -> None:
    visitor = world.visitor()
    page = sign_up(world, visitor)
    old = world.link("olive@newco.test", "/signup/verify")
    visitor.submit(page, "/signup/resend")
    new = world.link("olive@newco.test", "/signup/verify")
    assert visitor.get(old).status == 410
    visitor.submit(visitor.get(new), "/signup/verify")
    assert world.visitor().get(new).status == 410
    assert world.counts()["users"] == 1


@pytest.mark.requirement("TEN-08")
def test_another_browser_must_know_the_password(world: World) -> None:
    sign_up(world, world.visitor())
    link, victim = world.link("olive@newco.test", "/signup/verify"), world.visitor()
    page = victim.get(link)
    assert "You signed up in another browser" in page.text
    assert "not right" in victim.submit(page, "/signup/verify", password="something else entirely").text
    assert world.counts()["users"] == 0
    assert victim.submit(page, "/signup/verify", password=PASSWORD).status == 303


@pytest.mark.requirement("PWD-05")
def test_a_known_address_gets_the_same_page_and_a_different_letter(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    known, unknown = sign_up(world, world.visitor(), email="pat@acme.test"), sign_up(world, world.visitor())
    assert known.status == unknown.status == 200
    assert without_tokens(known).replace("pat@acme.test", "X") == without_tokens(unknown).replace(
        "olive@newco.test", "X"
    )
    assert "already have an" in world.letters("pat@acme.test")[0]["Subject"]


def test_a_personal_address_is_warned_about_and_allowed(world: World) -> None:
    visitor = world.visitor()
    warned = sign_up(world, visitor, email="olive@gmail.com")
    assert "single sign-on will need a company address" in warned.text
    assert "Check your mail" in visitor.submit(warned, "/signup", password=PASSWORD).text
    visitor.submit(visitor.get(world.link("olive@gmail.com", "/signup/verify")), "/signup/verify")
    assert world.counts()["organization_domains"] == 0


@pytest.mark.requirement("PWD-01", "PWD-02", "PWD-03")
@pytest.mark.parametrize(
    ("password", "failure"),
    [
        ("x" * 14, PasswordTooShort),
        ("é" * 600, PasswordTooLong),
        ("aaaaaaaaaaaaaaaaaaaa", PasswordTooCommon),
        ("passwordpassword", PasswordTooCommon),
        ("123456789012345678", PasswordTooCommon),
        ("llmops enterprise 1", PasswordTooCommon),
        ("acme acme acme acme 12", PasswordTooCommon),
    ],
)
def test_weak_passwords_are_refused(password: str, failure: type[Exception]) -> None:
    with pytest.raises(failure):
        passwords.hashed(password, context=("ann@acme.test", "Acme"))


@pytest.mark.requirement("PWD-02", "PWD-04")
def test_passwords_are_normalised_alike_and_never_cut() -> None:
    stored = passwords.hashed("ﬁne words for a ｐassword", context=())
    assert passwords.matches(stored, "fine words for a password")
    assert not passwords.matches(stored, "Fine words for a password")
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert not passwords.matches(None, "anything")


@pytest.mark.requirement("PWD-05")
def test_every_wrong_sign_in_looks_alike(world: World) -> None:
    acme = world.organization()
    world.person("pat@acme.test", acme)
    world.person("sso@acme.test", acme, password=None)
    world.person("new@acme.test", acme, verified=False)
    pages = []
    for address in ("pat@acme.test", "sso@acme.test", "new@acme.test", "nobody@acme.test", "nonsense"):
        visitor = world.visitor()
        page = visitor.submit(visitor.get("/login"), "/login", email=address, password="wrong" * 4)
        pages.append((page.status, without_tokens(page).replace(address, "X")))
    assert len(set(pages)) == 1
    assert pages[0][0] == 401


@pytest.mark.requirement("PWD-06")
def test_too_many_attempts_say_when_to_come_back(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    for _ in range(10):
        visitor.submit(visitor.get("/login"), "/login", email="pat@acme.test", password="wrong" * 4)
    stopped = visitor.submit(visitor.get("/login"), "/login", email="pat@acme.test", password=PASSWORD)
    assert stopped.status == 429
    assert 0 < int(stopped.headers["retry-after"]) <= 600
    world.clock.advance(seconds=int(stopped.headers["retry-after"]))
    assert "Pat Doe" in world.sign_in(visitor, "pat@acme.test").text


@pytest.mark.requirement("PWD-08")
def test_reset_changes_the_password_signs_out_everywhere_and_in_nowhere(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    elsewhere, visitor = world.visitor(), world.visitor()
    world.sign_in(elsewhere, "pat@acme.test")
    sent = visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email="pat@acme.test")
    unknown = visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email="who@acme.test")
    assert without_tokens(sent).replace("pat@", "who@") == without_tokens(unknown)
    link = world.link("pat@acme.test", "/login/reset")
    page = visitor.get(link)
    done = visitor.submit(page, "/login/reset", password="four unrelated words here")
    assert "Your password is changed" in done.text
    assert visitor.get("/").status == 303
    assert elsewhere.get("/").status == 303
    assert visitor.get(link).status == 410
    assert "Pat Doe" in world.sign_in(visitor, "pat@acme.test", "four unrelated words here").text


@pytest.mark.requirement("PWD-08")
def test_a_reset_link_lives_half_an_hour(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email="pat@acme.test")
    link = world.link("pat@acme.test", "/login/reset")
    world.clock.advance(minutes=29)
    assert visitor.get(link).status == 200
    world.clock.advance(minutes=1)
    assert visitor.get(link).status == 410


@pytest.mark.requirement("WEB-07")
@pytest.mark.parametrize(
    "target",
    ["https://evil.test", "//evil.test", "/\\evil.test", "\\/evil.test", "/%2f/evil.test", "javascript:alert(1)",
     "/a@evil.test", " /x", "/\t/evil.test", "evil.test", "/" + "a" * 2000],
)  # fmt: skip
def test_only_own_paths_are_returned_to(world: World, target: str) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    page = visitor.get("/login")
    sent = visitor.submit(page, "/login", email="pat@acme.test", password=PASSWORD, next=target)
    assert sent.location == "https://llm-ops.test/"


@pytest.mark.requirement("WEB-02", "SES-10")
def test_opening_the_sign_out_address_signs_nobody_out(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    world.sign_in(visitor, "pat@acme.test")
    visitor.get("/logout")
    assert visitor.get("/").status == 200
