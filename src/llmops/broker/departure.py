"""Send a browser to a connection's identity provider, remembering the attempt first."""

from llmops.broker import connections, logins, profiles
from llmops.broker.connections import Connection, Kind
from llmops.broker.oidc import request as oidc
from llmops.broker.oidc.discovery import Provider
from llmops.broker.oidc.vendors import GOOGLE_ISSUER
from llmops.broker.saml import keypair
from llmops.broker.saml import request as saml
from llmops.web.request import Request


def depart(r: Request, connection: Connection, *, return_to: str, login_hint: str | None) -> str:
    """Start an attempt in this browser; returns the address of the identity provider to redirect to."""
    send = _with_saml if Kind(connection.kind).is_saml else _with_oidc
    return send(r, connection, return_to, login_hint)


def _with_saml(r: Request, connection: Connection, return_to: str, login_hint: str | None) -> str:
    ours = connections.addresses(r.settings.base_url, connection.id)
    sso_url = connection.idp_sso_url or ""
    request = saml.authn_request(sp_entity_id=ours.sp_entity_id, acs_url=ours.acs_url, destination=sso_url, now=r.now)
    login_id = _remember(r, connection, request.id, return_to)
    pem = connections.private_key_pem(connection, r.sealer) if connection.sign_requests else None
    return saml.redirect_url(
        request,
        sso_url=sso_url,
        relay_state=login_id,
        signing_key=keypair.private_key(pem.encode()) if pem else None,
        login_hint=login_hint,
    )


def _with_oidc(r: Request, connection: Connection, return_to: str, login_hint: str | None) -> str:
    attempt = oidc.new_attempt()
    secrets = {"nonce": attempt.nonce, "verifier": attempt.verifier}
    _remember(r, connection, attempt.state, return_to, secrets)
    return oidc.authorization_url(
        Provider.from_dict(connection.provider),
        client_id=connection.client_id or "",
        redirect_uri=connections.addresses(r.settings.base_url, connection.id).redirect_uri,
        state=attempt.state,
        nonce=attempt.nonce,
        verifier=attempt.verifier,
        login_hint=login_hint,
        claims=profiles.wanted_claims(connection),
        hd=login_hint.rpartition("@")[2] if login_hint and connection.issuer == GOOGLE_ISSUER else None,
    )


def _remember(
    r: Request,
    connection: Connection,
    request_key: str,
    return_to: str,
    secrets: dict[str, str] | None = None,
) -> str:
    return logins.start(
        r.db,
        r.sealer,
        connection,
        request_key=request_key,
        browser=r.browser,
        return_to=return_to,
        ttl_seconds=r.settings.login_ttl_seconds,
        now=r.now,
        secrets=secrets,
    )
