"""The demo's identity provider: nanoidp, by SAML and OpenID Connect, for the people of all example customers.

It is addressed as localhost while LLM Ops is at 127.0.0.1: for a browser two different sites, as in real life.
"""

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from llmops.cli.demo.children import HOST
from llmops.cli.demo.companies import Person

MODULE = "llmops.cli.demo.nanoidp_repaired"
CLIENT_ID = "llm-ops"


@dataclass(frozen=True)
class IdentityProvider:
    """How to start it, where it will be, and the secret of its one OpenID client."""

    arguments: tuple[str, ...]
    url: str
    client_secret: str

    @property
    def metadata_url(self) -> str:
        """Its SAML metadata."""
        return f"{self.url}/saml/metadata"


def configured(people: Sequence[Person], *, redirect_uris: Sequence[str], port: int, folder: Path) -> IdentityProvider:
    """Write nanoidp's two files for these people. `redirect_uris` are where its OpenID client may send them back."""
    url, client_secret = f"http://localhost:{port}", secrets.token_urlsafe(24)
    client = {"client_id": CLIENT_ID, "client_secret": client_secret, "redirect_uris": list(redirect_uris)}
    settings = {
        "server": {"host": HOST, "port": port, "rate_limit_enabled": False},
        "oauth": {"issuer": url, "audience": CLIENT_ID, "clients": [client], "refresh_token_rotation": True},
        "saml": {"sign_responses": True, "export_groups": True, "export_roles": True},
        "jwt": {"algorithm": "RS256", "keys_dir": str(folder / "idp-keys")},
        "login": {"mode": "password"},
        "session": {"secret_key": secrets.token_urlsafe(24)},
        "security_profile": "dev",
    }
    users = {"users": {person.email: _as_nanoidp_wants(person) for person in people}}
    configuration = folder / "idp-settings"
    configuration.mkdir()
    for name, content in (("settings", settings), ("users", users)):
        document = {"config_version": 1, **content}
        (configuration / f"{name}.yaml").write_text(json.dumps(document))  # JSON is YAML
    arguments = ("--config", str(configuration), "--host", HOST, "--port", str(port))
    return IdentityProvider(arguments, url, client_secret)


def _as_nanoidp_wants(person: Person) -> dict[str, object]:
    saml = {"firstName": person.first_name, "lastName": person.last_name, "displayName": person.name}
    oidc = {"given_name": person.first_name, "family_name": person.last_name, "name": person.name}
    return {
        "password": person.password,
        "email": person.email,
        "roles": ["USER"],
        "groups": ["everyone"],
        "attributes": saml | oidc,
    }
