"""«Confirm it is you» through the mailbox, for OpenID providers that do not say when they asked the person."""

from urllib.parse import parse_qs, urlsplit

import pytest
from oidc import provider as op
from oidc.evil import Provider, connected, sign_in
from support.page import Page
from support.visitor import Visitor
from world import PASSWORD, World, error_of

from llmops.broker.connections import Connection

PAGE = "/settings/profile"
FIRST = f"{PAGE}/password/first"
NEW = "four unrelated words here"
ANN = "ann@acme.test"


@pytest.fixture
def idp() -> Provider:
    return Provider()


@pytest.fixture
def connection(world: World, idp: Provider) -> Connection:
    return connected(world, idp)


@pytest.fixture
def ann(world: World, connection: Connection, idp: Provider) -> Visitor:
    visitor = world.visitor()
    assert sign_in(world, visitor, connection, idp).status == 200
    return visitor


def act(visitor: Visitor) -> Page:
    """Something sensitive."""
    return visitor.submit(visitor.get(PAGE), FIRST, new=NEW)


def asked(visitor: Visitor) -> Page:
    """After doing something sensitive, the link is asked for."""
    page = visitor.follow(act(visitor))
    return visitor.submit(page, "/confirm/letter")


@pytest.mark.requirement("SES-12", "OIDC-20")
def test_a_provider_that_says_no_auth_time_confirms_nothing(
    world: World, ann: Visitor, connection: Connection, idp: Provider
) -> None:
    sent = ann.submit(ann.follow(act(ann)), "/confirm/sso")
    query = parse_qs(urlsplit(sent.location or "").query)
    idp.nonce = query["nonce"][0]
    idp.claims = {"auth_time": None}
    back = ann.get(f"/sso/oidc/{connection.id}/callback?code=c0de&state={query['state'][0]}&iss={op.ISSUER}")
    assert error_of(ann.follow(back)) in ("oidc_malformed", "oidc_wrong_authn_context")
    assert "/confirm" in (act(ann).location or "")


@pytest.mark.requirement("SES-12", "SES-06", "SES-14")
def test_the_mailbox_confirms_instead_and_leads_back(world: World, ann: Visitor) -> None:
    assert f"We sent a link to {ANN}" in asked(ann).text
    before = world.value("SELECT id FROM sessions WHERE ended_at IS NULL")
    ends = world.value("SELECT ends_at FROM sessions WHERE ended_at IS NULL")
    world.clock.advance(minutes=5)
    page = world.open(ann, world.link(ANN, "/confirm/link"))
    assert "token" not in page.url
    assert "/confirm" in (act(ann).location or "")  # opening it proved nothing yet
    landed = ann.follow(ann.submit(page, "/confirm/link"))
    assert landed.url.endswith(PAGE)
    assert "/confirm" not in (act(ann).location or "")
    assert world.value("SELECT id FROM sessions WHERE ended_at IS NULL") != before
    assert world.value("SELECT ends_at FROM sessions WHERE ended_at IS NULL") == ends
    assert world.value("SELECT method FROM sessions WHERE ended_at IS NULL") == "sso"


@pytest.mark.requirement("SES-13")
def test_a_link_works_once_and_for_ten_minutes(world: World, ann: Visitor) -> None:
    asked(ann)
    page = world.open(ann, world.link(ANN, "/confirm/link"))
    world.clock.advance(minutes=10)
    assert ann.submit(page, "/confirm/link").status == 410
    asked(ann)
    page = world.open(ann, world.link(ANN, "/confirm/link"))
    ann.follow(ann.submit(page, "/confirm/link"))
    fields = {**page.form("/confirm/link").fields, **ann.get("/confirm").form("/confirm/letter").fields}
    assert ann.post("/confirm/link", fields).status == 410


@pytest.mark.requirement("SES-12")
def test_the_owner_of_a_stolen_session_confirms_it_not_by_opening_the_letter(
    world: World, ann: Visitor, connection: Connection, idp: Provider
) -> None:
    thief = world.visitor()
    sign_in(world, thief, connection, idp)
    asked(thief)
    link = world.link(ANN, "/confirm/link")
    assert world.open(ann, link).status == 410
    assert world.open(world.visitor(), link).url.endswith("/login?next=/confirm/link")
    forged = {**ann.get("/confirm").form("/confirm/letter").fields, "token": link.partition("token=")[2]}
    assert ann.post("/confirm/link", forged).status == 410
    assert "/confirm" in (act(thief).location or "")


@pytest.mark.requirement("SES-12", "TEN-18")
def test_only_sessions_of_openid_connect_are_confirmed_so(world: World) -> None:
    acme = world.organization()
    world.person("pat@acme.test", acme)
    world.sign_in(by_password := world.visitor(), "pat@acme.test", PASSWORD)
    world.saml_sign_in(by_saml := world.visitor(), world.saml(acme))
    for visitor in (by_password, by_saml):
        page = visitor.get("/confirm")
        assert "/confirm/letter" not in page.html
        token = visitor.get("/settings/profile").form("/logout").fields["csrf_token"]
        assert visitor.post("/confirm/letter", {"csrf_token": str(token)}).status == 404
    assert world.letters() == []


@pytest.mark.requirement("PWD-16")
def test_five_letters_an_hour_are_enough(world: World, ann: Visitor) -> None:
    assert [asked(ann).status for _ in range(6)] == [200] * 5 + [429]


@pytest.mark.requirement("WEB-07")
def test_it_leads_to_no_other_site(world: World, ann: Visitor) -> None:
    ann.submit(ann.get("/confirm"), "/confirm/letter", next="https://evil.test/")
    page = world.open(ann, world.link(ANN, "/confirm/link"))
    assert ann.submit(page, "/confirm/link").location == "https://llm-ops.test/"
