"""The Enterprise SSO section of the sign-in page: four decisions, their exact sentences, deep links, loops."""

import re

import pytest
from world import BASE_URL, World, error_of

from llmops.errors import by_code
from llmops.plans import Plan
from llmops.signin import starts

SENTENCES = {
    "sso_not_configured": "SSO is not set up for your organization yet",
    "plan_not_enterprise": "Your organization is not on the Enterprise plan",
    "personal_email": "Please use your organization email address, not a personal one",
}


def refused(world: World, address: str) -> tuple[str, str]:
    """The code and the page's text after an address was entered."""
    visitor = world.visitor()
    sent = visitor.submit(visitor.get("/login"), "/login/sso", email=address)
    assert sent.status == 303
    return error_of(sent), visitor.follow(sent).text


def test_the_section_reads_as_promised(world: World) -> None:
    page = world.visitor().get("/login")
    section = page.text[page.text.index("Enterprise SSO") :]
    words = ["Enterprise SSO", "For Enterprise plan customers only", "Continue with SSO"]
    places = [section.index(word) for word in words]
    assert places == sorted(places)
    assert 'placeholder="work@yourcompany.com"' in page.html
    assert [form.action for form in page.forms][:2] == [BASE_URL + "/login", BASE_URL + "/login/sso"]


@pytest.mark.parametrize("address", ["", "ann", "ann@", "@acme.test", "ann@acme", "ann@@acme.test", "a b@acme.test"])
def test_what_is_no_address_is_said(world: World, address: str) -> None:
    code, text = refused(world, address)
    assert code == "invalid_email"
    assert "That does not look like an e-mail address" in text


@pytest.mark.parametrize(
    "address",
    ["ann@gmail.com", "ann@yahoo.com", "ann@outlook.com", "ann@icloud.com", "ann@hotmail.co.uk", "ann@googlemail.com",
     "ann@gmx.de", "ann@proton.me", "Ann@GMAIL.com "],
)  # fmt: skip
def test_personal_addresses_are_told_apart(world: World, address: str) -> None:
    code, text = refused(world, address)
    assert code == "personal_email"
    assert SENTENCES[code] in text


def test_the_operator_can_name_more_personal_providers(make_world) -> None:
    world = make_world(personal_domains=("mail.acme.test",))
    assert refused(world, "ann@mail.acme.test")[0] == "personal_email"


def test_a_domain_nobody_holds_is_not_set_up(world: World) -> None:
    code, text = refused(world, "ann@nobody.test")
    assert code == "sso_not_configured"
    assert SENTENCES[code] in text


def test_an_enterprise_organization_without_a_connection_is_not_set_up(world: World) -> None:
    world.organization()
    assert refused(world, "ann@acme.test")[0] == "sso_not_configured"


@pytest.mark.parametrize("plan", [Plan.STARTER, Plan.GROWTH, Plan.SCALE])
@pytest.mark.parametrize("verified", [True, False])
def test_a_lower_plan_is_told_apart(world: World, plan: Plan, verified: bool) -> None:
    world.organization(plan=plan, verified=verified)
    code, text = refused(world, "ann@acme.test")
    assert code == "plan_not_enterprise"
    assert SENTENCES[code] in text


def test_a_lower_plan_is_told_even_with_an_active_connection(world: World) -> None:
    world.saml(world.organization(plan=Plan.STARTER))
    assert refused(world, "ann@acme.test")[0] == "plan_not_enterprise"


@pytest.mark.requirement("TEN-05", "TEN-07")
def test_a_claimed_domain_never_routes(world: World) -> None:
    world.saml(world.organization(verified=False))
    assert refused(world, "ann@acme.test")[0] == "sso_not_configured"


@pytest.mark.requirement("TEN-07")
def test_the_verified_holder_wins_over_whoever_claims(world: World) -> None:
    world.organization("Squatter", plan=Plan.STARTER, verified=False)
    world.saml(world.organization("Acme"))
    assert world.depart(world.visitor()).startswith("https://idp.example.test/sso?SAMLRequest=")


@pytest.mark.requirement("TEN-06")
def test_a_subdomain_needs_its_own_proof(world: World) -> None:
    world.saml(world.organization())
    assert refused(world, "ann@sub.acme.test")[0] == "sso_not_configured"
    assert refused(world, "ann@evilacme.test")[0] == "sso_not_configured"


@pytest.mark.requirement("TEN-22")
def test_the_answer_depends_on_the_domain_only(world: World) -> None:
    acme = world.organization(plan=Plan.STARTER)
    world.person("pat@acme.test", acme)
    known, unknown = refused(world, "pat@acme.test"), refused(world, "nobody@acme.test")
    assert known[0] == unknown[0]
    references = re.compile(r"[0-9A-Z]{4}-[0-9A-Z]{4}")
    assert references.sub("", known[1]).replace("pat", "") == references.sub("", unknown[1]).replace("nobody", "")


def test_the_address_is_handed_on_as_a_hint(world: World) -> None:
    world.saml(world.organization())
    assert "login_hint=ann%40acme.test" in world.depart(world.visitor(), "Ann@Acme.test")


def test_the_typed_address_is_there_again_after_a_failure(world: World) -> None:
    visitor = world.visitor()
    page = visitor.follow(visitor.submit(visitor.get("/login"), "/login/sso", email="ann@gmail.com"))
    assert page.form("/login/sso").fields.get("email", "") == "ann@gmail.com"
    assert "gmail" not in page.url
    assert visitor.get("/login").form("/login/sso").fields.get("email", "") == ""


def test_every_code_shows_its_sentence_and_reference(world: World) -> None:
    visitor = world.visitor()
    for code in ("saml_expired", "idp_unavailable", "login_other_browser", "server_error", "form_expired"):
        page = visitor.get(f"/login?sso_error={code}&ref=K7QF-2M4X")
        failure = by_code(code)
        assert failure is not None
        assert page.status == 200
        assert failure.message in page.text
        assert failure.advice in page.text
        assert str(failure.repair) in page.text
        assert code in page.text
        assert "K7QF-2M4X" in page.text
        assert page.title.startswith("Error:")


@pytest.mark.requirement("WEB-12")
@pytest.mark.parametrize("code", ["<script>alert(1)</script>", "Call+0800+now", "wrong_credentials", "not_found", ""])
def test_text_never_comes_from_the_address(world: World, code: str) -> None:
    page = world.visitor().get(f"/login?sso_error={code}&ref=%3Cb%3ECall%20us%3C/b%3E")
    assert "Something stopped your sign-in" in page.text
    assert "Call" not in page.text
    assert "<script>alert" not in page.html


def test_a_deep_link_shows_only_sso(world: World) -> None:
    world.saml(world.organization("Acme Inc"))
    visitor = world.visitor()
    page = visitor.get("/login/sso/acme-inc")
    assert BASE_URL + "/login" not in [form.action for form in page.forms]
    sent = visitor.submit(page, "/login/sso", email="ann@acme.test")
    assert sent.location.startswith("https://idp.example.test/sso")


def test_a_deep_link_leads_to_no_other_organization(world: World) -> None:
    world.organization("Acme Inc")
    world.saml(world.organization("Other", domain="other.test"))
    visitor = world.visitor()
    sent = visitor.submit(visitor.get("/login/sso/acme-inc"), "/login/sso", email="ann@other.test")
    assert error_of(sent) == "email_outside_domains"


def test_an_unknown_deep_link_is_not_found(world: World) -> None:
    assert world.visitor().get("/login/sso/nobody").status == 404


def test_links_fill_the_fields_in(world: World) -> None:
    visitor = world.visitor()
    assert visitor.get("/login?email=ann@acme.test").form("/login/sso").fields.get("email", "") == "ann@acme.test"
    assert visitor.get("/login?domain=acme.test").form("/login/sso").fields.get("email", "") == "@acme.test"


def test_the_fourth_start_by_itself_in_two_minutes_is_a_loop(world: World) -> None:
    world.saml(world.organization())
    visitor = world.visitor()
    for _ in range(3):
        assert visitor.get("/login/sso/acme/start").location.startswith("https://idp.example.test/")
    stopped = visitor.get("/login/sso/acme/start")
    assert error_of(stopped) == "login_loop"
    assert "incognito window" in visitor.follow(stopped).text
    assert world.visitor().get("/login/sso/acme/start").location.startswith("https://idp.example.test/")
    world.clock.advance(minutes=2, seconds=1)
    assert visitor.get("/login/sso/acme/start").location.startswith("https://idp.example.test/")


def test_pressing_the_button_often_is_no_loop(world: World) -> None:
    world.saml(world.organization())
    visitor = world.visitor()
    for _ in range(6):
        assert world.depart(visitor).startswith("https://idp.example.test/")


def test_a_suspended_organization_is_said(world: World) -> None:
    connection = world.saml(world.organization())
    world.sql("UPDATE organizations SET suspended_at = :now", now=world.clock.now)
    assert refused(world, "ann@acme.test")[0] == "organization_suspended"
    assert connection.state == "active"


def test_an_address_no_cookie_can_hold_is_said_too(world: World) -> None:
    visitor = world.visitor()
    page = visitor.submit(visitor.get("/login"), "/login/sso", email="\u20ac\u4e2d@acme.test")
    assert error_of(page) == "invalid_email"


@pytest.mark.requirement("WEB-13")
def test_one_address_cannot_fill_the_store_with_attempts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = world.saml(world.organization())
    monkeypatch.setattr(starts, "MOST_OF_PAIR", 120)
    for _ in range(130):
        visitor = world.visitor()
        visitor.get("/login/sso/acme/start")
        world.post_response(visitor, connection, "eHg=")
        visitor.__exit__()
    assert world.counts()["logins"] <= 220
