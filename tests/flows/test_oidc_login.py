"""A sign-in through OpenID Connect over the whole product, against a provider that a test may turn hostile."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from oidc import provider as op
from oidc.evil import Provider, come_back, connected, sign_in
from world import World, error_of

from llmops.broker import connections
from llmops.broker.connections import Connection
from llmops.organizations import organization


@pytest.fixture
def idp() -> Provider:
    return Provider()


@pytest.fixture
def connection(world: World, idp: Provider) -> Connection:
    return connected(world, idp)


def test_new_person_lands_on_the_dashboard(world: World, connection: Connection, idp: Provider) -> None:
    visitor = world.visitor()
    page = sign_in(world, visitor, connection, idp)
    assert "Ann Lee" in page.text
    assert "your role: Member" in page.text
    assert "ann@acme.test" in visitor.get("/settings/team").text


@pytest.mark.requirement("OIDC-01", "OIDC-02", "OIDC-03", "OIDC-04")
def test_the_request_carries_state_nonce_and_pkce(world: World, connection: Connection, idp: Provider) -> None:
    sent = parse_qs(urlsplit(world.depart(world.visitor())).query)
    assert sent["response_type"] == ["code"]
    assert sent["code_challenge_method"] == ["S256"]
    assert sent["redirect_uri"] == [f"https://llm-ops.test/sso/oidc/{connection.id}/callback"]
    assert min(len(sent[name][0]) for name in ("state", "nonce", "code_challenge")) >= 43


@pytest.mark.requirement("OIDC-04")
def test_the_verifier_goes_to_the_token_endpoint(world: World, connection: Connection, idp: Provider) -> None:
    sign_in(world, world.visitor(), connection, idp)
    assert len(idp.forms[0]["code_verifier"]) >= 43


@pytest.mark.requirement("OIDC-02")
@pytest.mark.parametrize("state", ["", "unknown"])
def test_a_missing_or_unknown_state_is_refused(world: World, connection: Connection, idp: Provider, state: str) -> None:
    assert error_of(come_back(world, world.visitor(), connection, idp, state=state)) == "login_unknown"
    assert idp.asked == []


@pytest.mark.requirement("OIDC-02")
def test_another_browsers_state_is_refused_before_the_code_is_redeemed(
    world: World, connection: Connection, idp: Provider
) -> None:
    state = parse_qs(urlsplit(world.depart(world.visitor())).query)["state"][0]
    page = world.visitor().get(f"/sso/oidc/{connection.id}/callback?code=c0de&state={state}&iss={op.ISSUER}")
    assert error_of(page) == "login_other_browser"
    assert idp.asked == []


@pytest.mark.requirement("OIDC-02", "OIDC-22")
def test_a_reload_says_start_again(world: World, connection: Connection, idp: Provider) -> None:
    visitor = world.visitor()
    came = come_back(world, visitor, connection, idp)
    visitor.follow(came)
    assert error_of(visitor.get(came.url)) == "login_already_answered"
    assert world.counts()["sessions"] == 1


@pytest.mark.requirement("OIDC-05")
@pytest.mark.parametrize("iss", ["", "https://evil.test"])
def test_mix_up_is_refused(world: World, connection: Connection, idp: Provider, iss: str) -> None:
    assert error_of(come_back(world, world.visitor(), connection, idp, iss=iss)) == "oidc_wrong_issuer"
    assert idp.asked == []


@pytest.mark.requirement("OIDC-21")
@pytest.mark.parametrize(
    ("error", "code"),
    [("access_denied", "idp_denied"), ("server_error", "idp_unavailable"), ("invalid_scope", "idp_config")],
)
def test_the_providers_refusal_shows_our_words(
    world: World, connection: Connection, idp: Provider, error: str, code: str
) -> None:
    visitor = world.visitor()
    came = come_back(world, visitor, connection, idp, code="", error=error, error_description="Call 0800")
    assert error_of(came) == code
    assert "0800" not in visitor.follow(came).text


@pytest.mark.requirement("OIDC-21")
def test_error_beside_code_and_doubled_parameters_are_refused(
    world: World, connection: Connection, idp: Provider
) -> None:
    visitor = world.visitor()
    assert error_of(come_back(world, visitor, connection, idp, error="access_denied")) == "oidc_malformed"
    twice = visitor.get(f"/sso/oidc/{connection.id}/callback?code=a&code=b&state=c")
    assert error_of(twice) == "oidc_malformed"


@pytest.mark.requirement("OIDC-03", "OIDC-10", "OIDC-11", "OIDC-14", "OIDC-17", "TST-01")
@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"nonce": "another"}, "oidc_wrong_nonce"),
        ({"iss": "https://evil.test"}, "oidc_wrong_issuer"),
        ({"aud": "another"}, "oidc_wrong_audience"),
        ({"exp": op.MOMENT - 600}, "oidc_expired"),
        ({"email_verified": False}, "email_not_verified"),
        ({"email_verified": "true"}, "email_not_verified"),
        ({"email": "ann@evil.test"}, "email_outside_domains"),
        ({"email": op.ABSENT}, "email_missing"),
        ({"family_name": op.ABSENT}, "last_name_missing"),
    ],
)
def test_a_refusal_leaves_no_account(
    world: World, connection: Connection, idp: Provider, claims: dict[str, object], code: str
) -> None:
    idp.claims = claims
    assert error_of(sign_in(world, world.visitor(), connection, idp)) == code
    counts = world.counts()
    assert (counts["users"], counts["sessions"], counts["identities"]) == (0, 0, 0)


@pytest.mark.requirement("OIDC-14")
def test_the_subject_is_the_person_not_the_address(world: World, connection: Connection, idp: Provider) -> None:
    sign_in(world, world.visitor(), connection, idp)
    idp.claims = {"email": "anna@acme.test"}
    assert "anna@acme.test" in sign_in(world, world.visitor(), connection, idp).text
    assert world.counts()["users"] == 1


@pytest.mark.requirement("OIDC-17")
def test_without_a_word_on_verification_an_account_is_made_but_none_connected(
    world: World, connection: Connection, idp: Provider
) -> None:
    idp.claims = {"email_verified": op.ABSENT}
    assert "Ann Lee" in sign_in(world, world.visitor(), connection, idp).text
    world.sql("DELETE FROM identities")
    assert error_of(sign_in(world, world.visitor(), connection, idp)) == "link_proof_needed"


@pytest.mark.requirement("OIDC-15")
def test_userinfo_completes_and_never_changes(world: World, connection: Connection, idp: Provider) -> None:
    idp.claims = {"given_name": op.ABSENT}
    idp.told = {"given_name": "Ann", "email": "bob@acme.test"}
    page = sign_in(world, world.visitor(), connection, idp)
    assert "ann@acme.test" in page.text
    idp.told = {"sub": "bob", "given_name": "Ann"}
    assert error_of(sign_in(world, world.visitor(), connection, idp)) == "oidc_wrong_subject"


@pytest.mark.requirement("OIDC-09")
def test_a_rolled_over_key_is_fetched_once(world: World, connection: Connection, idp: Provider) -> None:
    sign_in(world, world.visitor(), connection, idp)
    assert idp.asked.count("/keys") == 1
    idp.kid = idp.key = "next"
    idp.published = ("current", "next")
    world.clock.advance(minutes=2)
    idp.claims = {"iat": op.MOMENT + 120, "exp": op.MOMENT + 400}
    assert "Ann Lee" in sign_in(world, world.visitor(), connection, idp).text
    assert idp.asked.count("/keys") == 2
    sign_in(world, world.visitor(), connection, idp)
    assert idp.asked.count("/keys") == 2


@pytest.mark.requirement("OIDC-09")
def test_unknown_keys_cause_one_fetch_a_minute(world: World, connection: Connection, idp: Provider) -> None:
    sign_in(world, world.visitor(), connection, idp)
    idp.kid = "nowhere"
    world.clock.advance(minutes=2)
    for _ in range(4):
        assert error_of(sign_in(world, world.visitor(), connection, idp)) == "oidc_key_unknown"
    assert idp.asked.count("/keys") == 2


@pytest.mark.parametrize(
    ("token_error", "code"),
    [((401, "invalid_client"), "oidc_client_secret"), ((400, "invalid_grant"), "oidc_code_refused"),
     ((503, "busy"), "idp_unavailable")],
)  # fmt: skip
def test_the_token_endpoints_refusals_are_told_apart(
    world: World, connection: Connection, idp: Provider, token_error: tuple[int, str], code: str
) -> None:
    idp.token_error = token_error
    assert error_of(sign_in(world, world.visitor(), connection, idp)) == code


def test_a_provider_that_is_down_is_said_and_passwords_go_on(
    world: World, connection: Connection, idp: Provider
) -> None:
    idp.down = True
    assert error_of(sign_in(world, world.visitor(), connection, idp)) == "idp_unavailable"
    with world.database.reading() as db:
        acme = organization.get(db, connection.organization_id)
    world.person("pat@acme.test", acme)
    assert "Pat Doe" in world.sign_in(world.visitor(), "pat@acme.test").text


@pytest.mark.requirement("OIDC-17")
def test_verified_counts_only_for_the_address_it_was_said_of(
    world: World, connection: Connection, idp: Provider
) -> None:
    with world.database.writing() as db:
        acme = organization.with_slug(db, "acme")
        connections.set_options(db, connection, attribute_map={"email": "preferred_username"})
    world.person("bob@acme.test", acme)
    idp.claims = {"email": "mallory@gmail.com", "email_verified": True, "preferred_username": "bob@acme.test"}
    assert error_of(sign_in(world, world.visitor(), connection, idp)) == "link_proof_needed"
    assert world.counts()["identities"] == 0


@pytest.mark.requirement("OIDC-15")
def test_userinfo_does_not_beat_the_token_by_letter_case(world: World, connection: Connection, idp: Provider) -> None:
    idp.told = {"email": "ann@acme.test", "EMAIL": "bob@acme.test"}
    assert error_of(sign_in(world, world.visitor(), connection, idp)) == "email_ambiguous"


@pytest.mark.requirement("OIDC-08", "TEN-02")
def test_an_issuer_that_is_replaced_meanwhile_neither_signs_in_nor_leaves_its_keys(
    world: World, connection: Connection, idp: Provider
) -> None:
    def replaced(method: str, url: str, **more: Any) -> op.Answer:
        if url.endswith("/keys"):
            world.sql("UPDATE connections SET issuer = 'https://new.example.test'")
        return idp(method, url, **more)

    world.answering(replaced)
    assert error_of(sign_in(world, world.visitor(), connection, idp)) == "connection_inactive"
    assert world.value("SELECT jwks_read_at FROM connections") is None
