"""Send a browser to a connection's identity provider, remembering the attempt first."""

from dataclasses import dataclass

from llmops.broker import connections, drafts, logins, profiles
from llmops.broker.connections import Connection, Kind
from llmops.broker.logins import How
from llmops.broker.oidc import request as oidc
from llmops.broker.oidc.discovery import Provider
from llmops.broker.oidc.vendors import GOOGLE_ISSUER
from llmops.broker.saml import keypair
from llmops.broker.saml import request as saml
from llmops.web.request import Request


@dataclass(frozen=True)
class Departure:
    """An attempt that was remembered, and where to send the browser with it."""

    login_id: str
    url: str


@dataclass(frozen=True, kw_only=True)
class _Wish:
    """What kind of attempt it is. `tested` names the configuration that a test tries."""

    how: How
    return_to: str
    login_hint: str | None = None
    force: bool = False
    started_by: str | None = None
    tested: dict[str, str] | None = None


def depart(r: Request, connection: Connection, *, return_to: str, login_hint: str | None, force: bool = False) -> str:
    """Start an attempt in this browser; returns the address of the identity provider to redirect to.

    With `force` the person has to prove there who they are, even if they are signed in; the answer must say that it
    happened (SAML-26, OIDC-20), and `Redeemed.forced_at` tells that it was asked for.
    """
    wish = _Wish(how="started_here", return_to=return_to, login_hint=login_hint, force=force)
    return _send(r, connection, wish).url


def test(r: Request, connection: Connection, *, started_by: str, return_to: str) -> Departure:
    """Start a test of a connection, draft or live, in this browser. It ends in a report, never in a session (TEN-02).

    `return_to` is the path below which the report is, without the attempt's id.
    """
    tested = {"connection": connection.id, "configuration": drafts.fingerprint(r.sealer, connection)}
    return _send(r, connection, _Wish(how="test", return_to=return_to, started_by=started_by, tested=tested))


def _send(r: Request, connection: Connection, wish: _Wish) -> Departure:
    send = _with_saml if Kind(connection.kind).is_saml else _with_oidc
    return send(r, connection, wish)


def _with_saml(r: Request, connection: Connection, wish: _Wish) -> Departure:
    ours = connections.addresses(r.settings.base_url, drafts.address_id(connection))
    sso_url = connection.idp_sso_url or ""
    request = saml.authn_request(
        sp_entity_id=ours.sp_entity_id,
        acs_url=ours.acs_url,
        destination=sso_url,
        now=r.now,
        force_authn=wish.force,
    )
    login_id = _remember(r, connection, wish, request_key=request.id)
    pem = connections.private_key_pem(connection, r.sealer) if connection.sign_requests else None
    url = saml.redirect_url(
        request,
        sso_url=sso_url,
        relay_state=login_id,
        signing_key=keypair.private_key(pem.encode()) if pem else None,
        login_hint=wish.login_hint,
    )
    return Departure(login_id, url)


def _with_oidc(r: Request, connection: Connection, wish: _Wish) -> Departure:
    attempt, hint = oidc.new_attempt(), wish.login_hint
    secrets = {"nonce": attempt.nonce, "verifier": attempt.verifier}
    login_id = _remember(r, connection, wish, request_key=attempt.state, secrets=secrets)
    url = oidc.authorization_url(
        Provider.from_dict(connection.provider),
        client_id=connection.client_id or "",
        redirect_uri=connections.addresses(r.settings.base_url, drafts.address_id(connection)).redirect_uri,
        state=attempt.state,
        nonce=attempt.nonce,
        verifier=attempt.verifier,
        login_hint=hint,
        max_age_seconds=0 if wish.force else None,
        prompt="login" if wish.force else None,
        claims=profiles.wanted_claims(connection),
        hd=hint.rpartition("@")[2] if hint and connection.issuer == GOOGLE_ISSUER else None,
    )
    return Departure(login_id, url)


def _remember(
    r: Request, connection: Connection, wish: _Wish, *, request_key: str, secrets: dict[str, str] | None = None
) -> str:
    return logins.start(
        r.db,
        r.sealer,
        connection,
        request_key=request_key,
        browser=r.browser,
        return_to=wish.return_to,
        ttl_seconds=r.settings.login_ttl_seconds,
        now=r.now,
        secrets=(secrets or {}) | (wish.tested or {}),
        how=wish.how,
        started_by=wish.started_by,
        forced=wish.force,
    )
