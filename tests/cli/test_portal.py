"""`llmops portal link`: what it prints, whom it mails, what is recorded."""

import pytest
from sqlalchemy import select
from support.installation import Installation

from llmops.broker.portal.links import PortalLink

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def product(installation: Installation) -> Installation:
    installation.told("org", "create", "Acme", "--plan", "enterprise")
    return installation


def test_a_link_is_printed_with_its_address_and_end(product: Installation) -> None:
    told = product.told("portal", "link", "acme", "--purpose", "setup_sso")
    assert told["id"].startswith("plink_")
    assert "/portal/start?token=" in told["url"]
    assert told["expires_at"]
    assert product.recorded(told["id"]) == ["portal.link_made"]


def test_a_link_can_be_mailed_at_once(product: Installation) -> None:
    options = ("--contact", "it@acme.test", "--type", "okta-saml", "--send")
    told = product.told("portal", "link", "acme", *options)
    assert product.recorded(told["id"]) == ["portal.link_made", "portal.link_sent"]
    with product.database() as database, database.reading() as db:
        kind, sent_at = db.execute(select(PortalLink.kind, PortalLink.sent_at).where(PortalLink.id == told["id"])).one()
    assert kind == "OktaSAML"
    assert sent_at is not None


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("acme", "--send"), 2, "--contact"),
        (("acme", "--purpose", "read_everything"), 2, "setup_sso"),
        (("nobody",), 1, "organization_unknown"),
        (("acme", "--contact", "no address"), 1, "invalid_email"),
    ],
)
def test_wrong_use_is_refused(product: Installation, arguments: tuple[str, ...], status: int, words: str) -> None:
    ran = product.llmops("portal", "link", *arguments, expected_status=status)
    assert words in ran.out + ran.err
