"""The identity providers of `tests/idps` as context managers, and how a person signs in at them."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.page import Form, Page
from support.ports import free_port
from support.visitor import Visitor

STARTERS = Path(__file__).parents[1] / "idps"


@dataclass(frozen=True)
class Idp:
    """A running identity provider; an address that it does not have is empty."""

    name: str
    work: Path
    entity_id: str
    metadata_url: str
    sso_url: str
    slo_url: str
    idp_initiated_url: str
    issuer: str
    discovery_url: str
    passwords: dict[str, str]
    environment: dict[str, str]

    def run(self, *arguments: str) -> str:
        """Call the starter, e.g. with `cli`, `create`, `user` … of Canaille; returns what it prints.

        Raises: AssertionError, with what the starter said.
        """
        command = [sys.executable, str(STARTERS / self.name / "start.py"), *arguments]
        return _starter(command, self.environment)


@contextmanager
def nanoidp(
    *,
    redirect_uris: Sequence[str] = (),
    client_id: str = "rp-test",
    client_secret: str = "rp-test-secret",
    **variables: str,
) -> Iterator[Idp]:
    """SAML for whoever asks, and OpenID Connect for one client. `variables` are those of its README."""
    settings = {
        "OIDC_REDIRECT_URIS": ",".join(redirect_uris) or "http://127.0.0.1:8000/oidc/callback",
        "OIDC_CLIENT_ID": client_id,
        "OIDC_CLIENT_SECRET": client_secret,
    }
    with _running("nanoidp", settings | variables) as idp:
        yield idp


@contextmanager
def pysaml2(
    *,
    sp_entity_id: str,
    acs_url: str,
    slo_url: str = "",
    certificate_file: Path | None = None,
    encrypt: bool = False,
    sign_response: bool = True,
    sign_assertion: bool = True,
    name_id_format: str = "email",
    **variables: str,
) -> Iterator[Idp]:
    """SAML for one service provider; it encrypts to, and checks requests with, `certificate_file` (PEM)."""
    settings = {
        "SP_ENTITY_ID": sp_entity_id,
        "SP_ACS_URL": acs_url,
        "SP_SLO_URL": slo_url,
        "SP_CERT_FILE": str(certificate_file or ""),
        "SP_ENCRYPT": str(int(encrypt)),
        "SP_SIGN_RESPONSE": str(int(sign_response)),
        "SP_SIGN_ASSERTION": str(int(sign_assertion)),
        "SP_NAMEID_FORMAT": name_id_format,
    }
    with _running("pysaml2", settings | variables) as idp:
        yield idp


@contextmanager
def canaille(
    *,
    redirect_uris: Sequence[str] = (),
    client_id: str = "rp-test",
    client_secret: str = "rp-test-secret",
    post_logout_uris: Sequence[str] = (),
    scim_target_url: str = "",
    scim_target_token: str = "",
    **variables: str,
) -> Iterator[Idp]:
    """OpenID Connect for one client; with a target it also pushes its people there by SCIM. Takes 20 s."""
    settings = {
        "OIDC_REDIRECT_URIS": ",".join(redirect_uris) or "http://127.0.0.1:8000/oidc/callback",
        "OIDC_CLIENT_ID": client_id,
        "OIDC_CLIENT_SECRET": client_secret,
        "OIDC_POST_LOGOUT_URIS": ",".join(post_logout_uris),
        "SCIM_TARGET_URL": scim_target_url,
        "SCIM_TARGET_TOKEN": scim_target_token,
    }
    with _running("canaille", settings | variables) as idp:
        yield idp


def log_in_saml(idp: Idp, visitor: Visitor, page: Page, *, user: str = "ann") -> Form:
    """Sign in on the page that the identity provider shows for an AuthnRequest; returns the form to the ACS.

    A provider that still knows the person shows no form of its own; then `page` already has that form.
    """
    if "SAMLResponse" not in page.form().names:
        page = visitor.submit(page, username=user, password=idp.passwords[user])
    form = page.form()
    assert "SAMLResponse" in form.names, f"{idp.name} answered {page.status}: {page.text[:300]}"
    return form


def log_in_oidc(idp: Idp, visitor: Visitor, page: Page, *, redirect_uri: str, user: str = "ann") -> str:
    """Sign in on the page shown for an authorization request; returns the address back, not yet opened."""
    fields: tuple[dict[str, str], ...] = ({"username": user, "password": idp.passwords[user]},)
    if idp.name == "canaille":
        fields = ({"login": user}, {"password": idp.passwords[user]})
    page = visitor.follow(page, stop_before=redirect_uri)
    for filled in fields:
        if page.location is None:
            page = visitor.follow(visitor.submit(page, **filled), stop_before=redirect_uri)
    assert page.location, f"{idp.name} did not send back: {page.status} {page.url} {page.text[:300]}"
    return page.location


@contextmanager
def _running(name: str, settings: dict[str, str]) -> Iterator[Idp]:
    with tempfile.TemporaryDirectory(prefix=f"llmops-{name}-") as folder:
        environment = {**os.environ, "PORT": str(free_port()), "WORK": folder}
        environment |= {variable: value for variable, value in settings.items() if value}
        command = [sys.executable, str(STARTERS / name / "start.py")]
        ready = json.loads(_starter(command, environment))
        try:
            yield Idp(
                name=name,
                work=Path(folder),
                entity_id=ready.get("entity_id", ""),
                metadata_url=ready.get("saml_metadata", ""),
                sso_url=ready.get("saml_sso", ""),
                slo_url=ready.get("saml_slo", ""),
                idp_initiated_url=next(iter(ready.get("idp_initiated", [])), ""),
                issuer=ready.get("oidc_issuer", ""),
                discovery_url=ready.get("oidc_discovery", ""),
                passwords=ready["passwords"],
                environment=environment,
            )
        finally:
            _starter([*command, "stop"], environment)


def _starter(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command[1]} failed\n{done.stderr[-4000:]}"
    return done.stdout
