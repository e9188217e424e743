"""Entra's issuers: one company's, never everybody's."""

import pytest

from llmops.broker.oidc import vendors
from llmops.errors import OidcDiscoveryInvalid

TENANT = "6babcaad-604b-40ac-a9d7-9fd97c0b779f"


@pytest.mark.parametrize(
    ("cloud", "host"),
    [
        ("global", "login.microsoftonline.com"),
        ("us", "login.microsoftonline.us"),
        ("china", "login.partner.microsoftonline.cn"),
    ],
)
def test_issuer_of_a_tenant_in_its_cloud(cloud: str, host: str) -> None:
    issuer = vendors.entra_issuer(f" {TENANT.upper()} ", cloud=cloud)
    assert issuer == f"https://{host}/{TENANT}/v2.0"
    assert vendors.entra_tenant(issuer) == TENANT


@pytest.mark.requirement("OIDC-18")
@pytest.mark.parametrize(
    "tenant",
    ["", "common", "organizations", "consumers", "contoso.com", TENANT + "0", "9188040d-6c67-4b5b-b112-36a304b66dad"],
)
def test_what_is_not_one_company_is_refused(tenant: str) -> None:
    with pytest.raises(OidcDiscoveryInvalid):
        vendors.entra_issuer(tenant)


@pytest.mark.requirement("OIDC-18")
@pytest.mark.parametrize("tenant", ["common", "Organizations", "consumers", "9188040d-6c67-4b5b-b112-36a304b66dad"])
def test_issuer_for_everybody_is_refused(tenant: str) -> None:
    with pytest.raises(OidcDiscoveryInvalid):
        vendors.entra_tenant(f"https://login.microsoftonline.com/{tenant}/v2.0")


def test_unknown_cloud_is_refused() -> None:
    with pytest.raises(OidcDiscoveryInvalid):
        vendors.entra_issuer(TENANT, cloud="moon")


def test_other_vendors_have_no_tenant() -> None:
    assert vendors.entra_tenant(vendors.GOOGLE_ISSUER) is None
    assert vendors.entra_tenant("https://idp.example.test/common") is None
