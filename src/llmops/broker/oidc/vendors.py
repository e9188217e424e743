"""What two vendors add to OpenID Connect: Entra's tenants and Google's hosted domains. Values only."""

import re
from urllib.parse import urlsplit

from llmops.errors import OidcDiscoveryInvalid

GOOGLE_ISSUER = "https://accounts.google.com"

ENTRA_HOSTS = {
    "global": "login.microsoftonline.com",
    "us": "login.microsoftonline.us",
    "china": "login.partner.microsoftonline.cn",
}
"""Cloud → host of its issuers."""

ENTRA_CLOUDS = {"global": "Global (most companies)", "us": "US Government", "china": "China (21Vianet)"}
"""Cloud → what it is called on pages."""

_PERSONAL_ACCOUNTS = "9188040d-6c67-4b5b-b112-36a304b66dad"
_SHARED_TENANTS = {"common", "organizations", "consumers", "{tenantid}", _PERSONAL_ACCOUNTS}
_GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")


def entra_issuer(tenant_id: str, *, cloud: str = "global") -> str:
    """The issuer of one Entra tenant; `cloud` is a key of ENTRA_HOSTS.

    Raises: OidcDiscoveryInvalid.
    Source: Microsoft identity platform, «OpenID Connect on the Microsoft identity platform».
    """
    tenant_id = tenant_id.strip().lower()
    if not _GUID.match(tenant_id) or tenant_id == _PERSONAL_ACCOUNTS:
        raise OidcDiscoveryInvalid(problem="not the directory (tenant) ID of one company", seen=tenant_id)
    if cloud not in ENTRA_HOSTS:
        raise OidcDiscoveryInvalid(problem="no such cloud", seen=cloud, expected=" ".join(ENTRA_HOSTS))
    return f"https://{ENTRA_HOSTS[cloud]}/{tenant_id}/v2.0"


def entra_cloud(issuer: str) -> str:
    """The cloud (a key of ENTRA_HOSTS) in which an Entra issuer is; «global» for other vendors."""
    host = urlsplit(issuer).hostname or ""
    return next((cloud for cloud, theirs in ENTRA_HOSTS.items() if theirs == host), "global")


def entra_tenant(issuer: str) -> str | None:
    """The tenant that an Entra issuer names, to be compared with the claim `tid`; None for other vendors.

    Raises: OidcDiscoveryInvalid, for an issuer that speaks for every tenant or for personal accounts: whoever
    makes a free tenant could then sign in here as anybody (OIDC-18).
    """
    parts = urlsplit(issuer)
    if (parts.hostname or "") not in ENTRA_HOSTS.values():
        return None
    tenant = parts.path.strip("/").split("/")[0].lower()
    if tenant in _SHARED_TENANTS:
        raise OidcDiscoveryInvalid(problem="this issuer speaks for every company; use your own tenant's", seen=issuer)
    return tenant
