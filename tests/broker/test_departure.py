"""Leaving for the identity provider: a re-authentication is asked for, remembered, and checked in the answer."""

from urllib.parse import parse_qs, urlsplit

import pytest
from oidc import provider as op
from oidc.evil import Provider, connected
from saml import build
from support.page import Page
from support.visitor import Visitor
from world import World, error_of, request_id_of

from llmops.broker import departure, logins
from llmops.broker.connections import Connection
from llmops.web.request import BROWSER_COOKIE, Request


def forced(world: World, visitor: Visitor, connection: Connection) -> str:
    """Where the browser is sent when somebody signed in has to prove again who they are."""
    visitor.get("/login")
    browser = visitor.cookies.value(BROWSER_COOKIE, host="llm-ops.test") or ""
    r = Request(
        site=world.site, method="POST", path="/", query_string="", headers={}, cookies={BROWSER_COOKIE: browser},
        body=b"", peer="198.51.100.7", id="r1", writes=True,
    )  # fmt: skip
    sent: list[str] = []

    def leave(request: Request) -> Page | None:
        sent.append(departure.depart(request, connection, return_to="/", login_hint=None, force=True))
        return None

    r.run(leave)
    return sent[0]


def redeemed_forced_at(world: World, page: Page, visitor: Visitor) -> object:
    code = parse_qs(urlsplit(page.location or "").query)["code"][0]
    browser = visitor.cookies.value(BROWSER_COOKIE, host="llm-ops.test") or ""
    with world.database.writing() as db:
        return logins.redeem(db, world.site.sealer, code=code, browser=browser, now=world.clock.now).forced_at


@pytest.mark.requirement("SAML-26", "SES-12")
def test_saml_asks_for_force_authn_and_tells_that_it_did(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    request_id = request_id_of(forced(world, visitor, connection))
    page = world.post_response(visitor, connection, world.response(connection, request_id))
    assert redeemed_forced_at(world, page, visitor) == world.clock.now


@pytest.mark.requirement("SAML-26", "SES-12")
@pytest.mark.parametrize(("moment", "code"), [("11:57:00", ""), ("11:56:59", "saml_wrong_authn_context")])
def test_saml_that_did_not_ask_again_is_refused(world: World, moment: str, code: str) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    request_id = request_id_of(forced(world, visitor, connection))
    old = build.attribute("Assertion/AuthnStatement", "AuthnInstant", f"2026-11-24T{moment}Z")
    encoded = world.response(connection, request_id, before=[old])
    assert error_of(world.post_response(visitor, connection, encoded)) == code


def test_an_ordinary_sign_in_was_not_forced(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    encoded = world.response(connection, request_id_of(world.depart(visitor)))
    assert redeemed_forced_at(world, world.post_response(visitor, connection, encoded), visitor) is None


@pytest.mark.requirement("OIDC-20", "SES-12")
@pytest.mark.parametrize(
    ("auth_time", "code"),
    [(0, ""), (-180, ""), (-181, "oidc_wrong_authn_context"), (None, "oidc_wrong_authn_context")],
)
def test_openid_connect_asks_for_a_new_login_and_checks_auth_time(
    world: World, auth_time: int | None, code: str
) -> None:
    idp = Provider()
    connection = connected(world, idp)
    visitor = world.visitor()
    sent = parse_qs(urlsplit(forced(world, visitor, connection)).query)
    assert (sent["prompt"], sent["max_age"]) == (["login"], ["0"])
    idp.nonce = sent["nonce"][0]
    idp.claims = {} if auth_time is None else {"auth_time": op.MOMENT + auth_time}
    world.clock.advance(seconds=150)  # consent and a second factor take a while: the age is that when we asked
    query = f"code=c0de&state={sent['state'][0]}&iss={op.ISSUER}"
    page = visitor.get(f"/sso/oidc/{connection.id}/callback?{query}")
    assert error_of(page) == code
