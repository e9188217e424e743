"""Settings → Profile: where you are signed in, ending that, and the password form."""

import pytest
from support.visitor import Visitor
from world import PASSWORD, World

NEW = "four unrelated words here"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def signed_in(world: World, address: str = "pat@acme.test", **headers: str) -> Visitor:
    visitor = world.visitor(**headers)
    world.sign_in(visitor, address)
    return visitor


@pytest.fixture
def pat(world: World) -> Visitor:
    """Pat's browser, signed in."""
    world.person("pat@acme.test", world.organization())
    return signed_in(world)


def test_strangers_are_sent_to_sign_in_and_back(world: World) -> None:
    assert (world.visitor().get("/settings/profile").location or "").endswith("/login?next=/settings/profile")


def test_the_list_names_each_device_and_marks_this_one(world: World, pat: Visitor) -> None:
    signed_in(world, **{"User-Agent": FIREFOX})
    page = pat.get("/settings/profile")
    assert "Firefox on Linux" in page.text
    assert page.text.count("This session") == 1
    assert len([form for form in page.forms if form.action.endswith("/sessions/end")]) == 1


def test_sessions_that_are_over_are_not_listed(world: World, pat: Visitor) -> None:
    signed_in(world, **{"User-Agent": FIREFOX})
    world.clock.advance(hours=7)
    assert pat.get("/").status == 200
    world.clock.advance(hours=2)
    assert "Firefox" not in pat.get("/settings/profile").text


@pytest.mark.requirement("WEB-06")
def test_a_browsers_own_name_is_only_text(world: World, pat: Visitor) -> None:
    signed_in(world, **{"User-Agent": "<script>alert(1)</script> Firefox/1"})
    assert "<script>alert" not in pat.get("/settings/profile").html


@pytest.mark.requirement("SES-11")
def test_signing_out_everywhere_else_leaves_this_one_and_other_people(world: World, pat: Visitor) -> None:
    elsewhere, third = signed_in(world), signed_in(world)
    world.person("bob@other.test", world.organization("Other", domain=None))
    bob = signed_in(world, "bob@other.test")
    done = pat.submit(pat.get("/settings/profile"), "/settings/profile/sessions/end-others")
    assert "signed out everywhere else" in pat.follow(done).text
    assert [visitor.get("/").status for visitor in (pat, bob, elsewhere, third)] == [200, 200, 303, 303]


@pytest.mark.requirement("SES-11", "TEN-03")
@pytest.mark.parametrize("session_id", ["", "sess_none", "' OR 1=1 --"])
def test_a_session_that_is_not_yours_changes_nothing(world: World, pat: Visitor, session_id: str) -> None:
    fields = pat.get("/settings/profile").form("/logout").fields
    before = world.counts()
    assert pat.post("/settings/profile/sessions/end", {**fields, "session_id": session_id}).status == 303
    assert world.counts() == before
    assert pat.get("/").status == 200


@pytest.mark.requirement("PWD-09")
@pytest.mark.parametrize("present", ["", "wrong" * 4, PASSWORD.upper(), PASSWORD + " "])
def test_a_change_wants_the_present_password(world: World, pat: Visitor, present: str) -> None:
    elsewhere = signed_in(world)
    answer = pat.submit(pat.get("/settings/profile"), "/settings/profile/password", present=present, new=NEW)
    assert answer.status == 401
    assert elsewhere.get("/").status == 200
    assert world.letters() == []
    assert "Pat Doe" in world.sign_in(world.visitor(), "pat@acme.test").text


@pytest.mark.requirement("PWD-01", "PWD-03")
@pytest.mark.parametrize(
    ("new", "sentence"),
    [
        ("short", "Use at least 15 characters"),
        ("é" * 600, "Use at most 1,024 bytes"),
        ("pat doe acme pat doe acme", "too easy to guess"),
        ("", "Use at least 15 characters"),
    ],
)
def test_a_new_password_keeps_to_the_rules(world: World, pat: Visitor, new: str, sentence: str) -> None:
    answer = pat.submit(pat.get("/settings/profile"), "/settings/profile/password", present=PASSWORD, new=new)
    assert answer.status == 400
    assert sentence in answer.text
    assert "Pat Doe" in world.sign_in(world.visitor(), "pat@acme.test").text


@pytest.mark.requirement("PWD-09", "SES-11", "PWD-17")
def test_a_changed_password_is_told_and_ends_the_others(world: World, pat: Visitor) -> None:
    elsewhere = signed_in(world)
    pat.submit(pat.get("/settings/profile"), "/settings/profile/password", present=PASSWORD, new=NEW)
    assert [visitor.get("/").status for visitor in (pat, elsewhere)] == [200, 303]
    assert world.sign_in(world.visitor(), "pat@acme.test").status == 401
    assert "Pat Doe" in world.sign_in(world.visitor(), "pat@acme.test", NEW).text
    [letter] = world.letters("pat@acme.test")
    assert "password was changed" in letter["Subject"]


@pytest.mark.requirement("PWD-06")
def test_the_present_password_cannot_be_tried_for_ever(world: World, pat: Visitor) -> None:
    page = pat.get("/settings/profile")
    for _ in range(9):  # the sign-in was the first of ten: all forms count together
        assert pat.submit(page, "/settings/profile/password", present="wrong" * 4, new=NEW).status == 401
    stopped = pat.submit(page, "/settings/profile/password", present=PASSWORD, new=NEW)
    assert stopped.status == 429
    assert 0 < int(stopped.headers["retry-after"]) <= 600
    beside = world.visitor()
    assert beside.submit(beside.get("/login"), "/login", email="pat@acme.test", password=PASSWORD).status == 429
    assert "Pat Doe" in world.sign_in(world.visitor(peer="203.0.113.9"), "pat@acme.test").text


def test_who_has_no_password_sees_no_form_for_one(world: World) -> None:
    ann = world.visitor()
    world.saml_sign_in(ann, world.saml(world.organization()))
    page = ann.get("/settings/profile")
    assert "Not set" in page.text
    assert not [form for form in page.forms if form.action.endswith("/password")]
    fields = page.form("/logout").fields
    assert ann.post("/settings/profile/password", {**fields, "present": "", "new": NEW}).status == 401


@pytest.mark.requirement("SES-12", "SES-11", "PWD-17")
def test_a_first_password_wants_a_fresh_proof_ends_other_sessions_and_is_told(world: World) -> None:
    connection = world.saml(world.organization())
    visitor, elsewhere = world.visitor(), world.visitor()
    for one in (visitor, elsewhere):
        world.saml_sign_in(one, connection, "ann@acme.test")
    page = visitor.get("/settings/profile")
    stale = visitor.submit(page, "/settings/profile/password/first", new=NEW)
    assert (stale.location or "").endswith("/confirm?next=/settings/profile")
    assert world.counts()["passwords"] == 0
    world.sql("UPDATE sessions SET authenticated_at = :now", now=world.clock.now)
    short = visitor.submit(page, "/settings/profile/password/first", new="short")
    assert "Use at least 15 characters" in short.text
    visitor.submit(page, "/settings/profile/password/first", new=NEW)
    assert elsewhere.get("/").status == 303
    assert "password was changed" in world.letters("ann@acme.test")[-1]["Subject"]
    assert "Dashboard" in world.sign_in(world.visitor(), "ann@acme.test", NEW).text


@pytest.mark.requirement("PWD-09")
def test_a_first_password_takes_no_other_ones_place(world: World, pat: Visitor) -> None:
    page = pat.get("/settings/profile")
    token = page.form("/settings/profile/password").fields["csrf_token"]
    pat.post("/settings/profile/password/first", {"csrf_token": str(token), "new": NEW}, start=page)
    assert "Dashboard" in world.sign_in(world.visitor(), "pat@acme.test", PASSWORD).text
