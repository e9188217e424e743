"""`llmops connection`: what changes a connection, what may not, what is recorded, what is never told."""

import pytest
from lxml import etree
from saml import build
from support.installation import Installation

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def product(installation: Installation) -> Installation:
    installation.told("org", "create", "Acme", "--plan", "enterprise")
    return installation


def metadata(product: Installation, entity_id: str = build.IDP) -> str:
    """The path of an identity provider's metadata."""
    return product.file("metadata.xml", etree.tostring(build.metadata(entity_id=entity_id)))


def test_an_answer_holds_no_private_key(product: Installation) -> None:
    options = ("--type", "okta-saml", "--metadata-file", metadata(product), "--sign-requests", "--encrypt")
    ran = product.llmops("connection", "create", "acme", *options, "--json")
    assert ran.told["idp_entity_id"] == build.IDP
    assert "PRIVATE" not in ran.out + product.llmops("connection", "show", ran.told["id"]).out


def test_new_metadata_leaves_the_options_as_they_were(product: Installation) -> None:
    options = ("--metadata-file", metadata(product), "--sign-requests", "--allow-unsolicited", "--encrypt")
    made = product.told("connection", "create", "acme", "--type", "generic-saml", *options, "--want-signed", "both")
    renewed = metadata(product, "https://new.example.test/saml")
    told = product.told("connection", "configure", made["id"], "--metadata-file", renewed)
    assert told["idp_entity_id"] == "https://new.example.test/saml"
    kept = ("sign_requests", "allow_unsolicited", "publish_encryption", "want_signed")
    assert [told[name] for name in kept] == [made[name] for name in kept] == [True, True, True, "both"]


def test_signing_of_requests_is_switched_alone(product: Installation) -> None:
    made = product.told("connection", "create", "acme", "--type", "generic-saml")
    assert product.told("connection", "configure", made["id"], "--sign-requests")["sign_requests"] is True
    assert product.told("connection", "configure", made["id"], "--no-sign-requests")["sign_requests"] is False


@pytest.mark.requirement("SEC-07")
def test_every_change_is_recorded_once(product: Installation) -> None:
    made = product.told("connection", "create", "acme", "--type", "generic-saml")
    product.told("connection", "configure", made["id"], "--metadata-file", metadata(product))
    product.told("connection", "configure", made["id"], "--activate")
    product.told("connection", "configure", made["id"])
    assert product.recorded(made["id"]) == ["connection.created", "connection.changed", "connection.activated"]


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("generic-saml", ("--issuer", "https://idp.example.test")),
        ("generic-saml", ("--client-id", "c1")),
        ("generic-oidc", ("--metadata-url", "https://idp.example.test")),
        ("generic-oidc", ("--sign-requests",)),
    ],
)
def test_an_option_of_the_other_protocol_is_wrong_usage(
    product: Installation, kind: str, option: tuple[str, ...]
) -> None:
    ran = product.llmops("connection", "create", "acme", "--type", kind, *option, expected_status=2)
    assert option[0] in ran.err
    made = product.told("connection", "create", "acme", "--type", kind)
    product.llmops("connection", "configure", made["id"], *option, expected_status=2)
    assert product.told("connection", "show", made["id"]) == made


def test_a_secret_without_an_issuer_is_incomplete_and_not_repeated(product: Installation) -> None:
    made = product.told("connection", "create", "acme", "--type", "generic-oidc")
    secret = product.file("secret", "s3cr3t-of-the-client")
    ran = product.llmops("connection", "configure", made["id"], "--client-secret-file", secret, expected_status=1)
    assert ran.failure["code"] == "connection_incomplete"
    assert ran.failure["facts"]["missing"] == "--issuer, --client-id"
    assert "s3cr3t-of-the-client" not in ran.err


@pytest.mark.requirement("NET-02")
@pytest.mark.parametrize("option", ["--issuer", "--metadata-url"])
def test_an_address_that_may_not_be_called_is_refused(product: Installation, option: str) -> None:
    kind = "generic-oidc" if option == "--issuer" else "generic-saml"
    options = ("--type", kind, option, "https://169.254.169.254/latest")
    ran = product.llmops("connection", "create", "acme", *options, expected_status=1)
    assert ran.failure["code"] == "outbound_refused"
