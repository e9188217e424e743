"""The OpenID Connect address of a connection: the redirect URI.

No transaction is open while the identity provider is asked: it may take seconds, and on SQLite nobody else could
write meanwhile. So: read, ask, then write.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from starlette.responses import Response

from llmops.broker import connections, drafts, logins, profiles
from llmops.broker.connections import Connection, Kind
from llmops.broker.idp import arrival
from llmops.broker.idp.evidence import OidcEvidence
from llmops.broker.logins import Login
from llmops.broker.oidc import callback, exchange, id_token, keys, userinfo
from llmops.broker.oidc.callback import Callback
from llmops.broker.oidc.discovery import Provider
from llmops.broker.oidc.exchange import Client, TokenAnswer
from llmops.broker.oidc.id_token import Claims, Note, Rules
from llmops.broker.oidc.keys import KeySet
from llmops.broker.oidc.vendors import GOOGLE_ISSUER, entra_tenant
from llmops.broker.oidc.wire import Answer, Fetch
from llmops.broker.portal import testing
from llmops.db.tables import Db
from llmops.errors import (
    BodyUnreadable,
    ConnectionInactive,
    ConnectionUnknown,
    Failure,
    IdpUnavailable,
    OidcKeyUnknown,
    OidcMalformed,
)
from llmops.organizations import domains
from llmops.web.doors import get
from llmops.web.request import Request

_KEYS_FRESH = timedelta(hours=1)
_KEYS_USABLE = timedelta(hours=24)
_REFETCH_PAUSE = timedelta(minutes=1)


def came_back(r: Request) -> Response:
    """GET: the browser comes back with a code or an error."""
    login: Login | None = None
    with r.looking() as db:
        connection = connections.get(db, _connection_of(r))
        evidence = OidcEvidence(_speaking_oidc(db, connection))
    try:
        arrived = _callback(r)
        with r.looking() as db:
            login = logins.pending(db, r.sealer, connection, request_key=arrived.state, now=r.now)
            judged = evidence.connection = testing.judged(db, r.sealer, login, connection)
            evidence.verified_domains = domains.verified(db, connection.organization_id)
        logins.require_browser(login, r.sealer, browser=r.browser)
        _require_open(judged, login)
        claims, merged = _judge(r, judged, login, arrived, evidence)
        profile = profiles.from_claims(claims, merged, judged)
        if login.how == "test":
            testing.require_welcome(profile, evidence.verified_domains)
        else:
            _require_unchanged(r, connection)
        return arrival.accept(r, login, profile, evidence)
    except Failure as failure:
        arrival.refuse(r, connection, login, failure, evidence)
        raise


def _speaking_oidc(db: Db, connection: Connection) -> Connection:
    """The connection itself, or its draft where only that one is OpenID Connect. Raises: ConnectionUnknown."""
    candidates = (connection, drafts.of(db, connection.id) if Kind(connection.kind).is_saml else None)
    for candidate in candidates:
        if candidate is not None and not Kind(candidate.kind).is_saml:
            return candidate
    raise ConnectionUnknown(seen=connection.id)


def _require_open(judged: Connection, login: Login) -> None:
    """Only an active connection signs people in; a draft and one that is off may be tested (TEN-02).

    Raises: ConnectionInactive, ConnectionUnknown (the judged configuration is not OpenID Connect).
    """
    if Kind(judged.kind).is_saml:
        raise ConnectionUnknown(seen=judged.id)
    if login.how != "test" and judged.state != "active":
        raise ConnectionInactive(connection=judged.id, state=judged.state)


def _require_unchanged(r: Request, connection: Connection) -> None:
    """The connection is still active and to the same issuer: asking it took a while. Raises: ConnectionInactive."""
    now = connections.get(r.db, connection.id)
    if now.state != "active" or now.issuer != connection.issuer:
        raise ConnectionInactive(connection=connection.id, state=now.state)


def _callback(r: Request) -> Callback:
    try:
        return callback.read_callback(r.query_pairs)
    except BodyUnreadable as failure:
        raise OidcMalformed(problem="query", **failure.facts) from None


def _judge(
    r: Request,
    connection: Connection,
    login: Login,
    arrived: Callback,
    evidence: OidcEvidence,
) -> tuple[Claims, Mapping[str, object]]:
    """Code, tokens, ID token, UserInfo: each step is noted for the trace. The claims, and all that was said."""
    provider = Provider.from_dict(connection.provider)
    secrets = logins.secrets_of(login, r.sealer)
    client = Client(connection.client_id or "", connections.client_secret(connection, r.sealer))
    evidence.secrets += [arrived.state, arrived.code or "", secrets["verifier"], secrets["nonce"], client.client_secret]
    note = evidence.note
    note("state", "the one of this attempt")
    note("browser", "the one that started it")
    code = callback.require_code(arrived, provider)
    note("callback", arrived.iss or "no iss", provider.issuer)
    tokens = exchange.exchange(
        provider,
        client,
        code=code,
        verifier=secrets["verifier"],
        redirect_uri=connections.addresses(r.settings.base_url, drafts.address_id(connection)).redirect_uri,
        fetcher=_fetcher(r, connection),
    )
    evidence.id_token = tokens.id_token
    evidence.secrets += [tokens.id_token, tokens.access_token]
    note("token_endpoint", "code and PKCE verifier accepted", provider.token_endpoint)
    rules = _rules(connection, provider, login, secrets["nonce"], evidence.verified_domains)
    claims, key_set = _checked(r, connection, provider, tokens, rules, note)
    told = userinfo.userinfo(
        provider,
        tokens.access_token,
        claims=claims,
        client_id=connection.client_id or "",
        keys=key_set,
        fetcher=_fetcher(r, connection),
        now=r.now,
    )
    evidence.userinfo = told if provider.userinfo_endpoint else None
    note("userinfo", ", ".join(sorted(told)) or "not offered")
    merged = evidence.claims = userinfo.merge(claims, told)
    return claims, merged


def _rules(connection: Connection, provider: Provider, login: Login, nonce: str, verified: frozenset[str]) -> Rules:
    return Rules(
        issuer=provider.issuer,
        client_id=connection.client_id or "",
        nonce=nonce,
        algorithms=provider.algorithms,
        tenant_id=entra_tenant(provider.issuer),
        hosted_domains=verified if provider.issuer == GOOGLE_ISSUER else None,
        max_age_seconds=0 if login.forced_at else None,
        asked_at=login.forced_at,
    )


def _checked(
    r: Request, connection: Connection, provider: Provider, tokens: TokenAnswer, rules: Rules, note: Note
) -> tuple[Claims, KeySet]:
    """The ID token's claims. A key id that we do not know is worth one new look at the issuer's keys (OIDC-09)."""
    key_set = _keys(r, connection, provider)

    def check(with_keys: KeySet) -> Claims:
        return id_token.check_id_token(
            tokens.id_token, with_keys, rules=rules, access_token=tokens.access_token, now=r.now, note=note
        )

    try:
        return check(key_set), key_set
    except OidcKeyUnknown:
        if not _older(connection.jwks_read_at, _REFETCH_PAUSE, r.now):
            raise
    key_set = _fetched(r, connection, provider)
    return check(key_set), key_set


def _keys(r: Request, connection: Connection, provider: Provider) -> KeySet:
    """The issuer's keys: as stored for an hour, then read anew, or for a day if that fails."""
    if not connection.jwks or _older(connection.jwks_read_at, _KEYS_USABLE, r.now):
        return _fetched(r, connection, provider)
    stored = keys.read(json.dumps(connection.jwks).encode())
    if not _older(connection.jwks_read_at, _KEYS_FRESH, r.now):
        return stored
    try:
        return _fetched(r, connection, provider)
    except IdpUnavailable:
        return stored


def _fetched(r: Request, connection: Connection, provider: Provider) -> KeySet:
    """The keys that the issuer publishes now; kept also if this sign-in fails, so that the next need not ask again."""
    fresh = keys.fetch(provider.jwks_uri, _fetcher(r, connection))
    r.afterwards(partial(_keep, connection=connection, fresh=fresh, now=r.now))
    return fresh


def _fetcher(r: Request, connection: Connection) -> Fetch:
    """The client for this identity provider's servers, which asks none that let us wait in vain (NET-06).

    Each address counts for itself: without its keys we go on with those we know, and a draft's may be another's.
    """

    def fetch(
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        redirects: int = 0,
    ) -> Answer:
        with r.site.breaker.call(f"{connection.id} {url}"):
            return r.site.fetch(method, url, form=form, headers=headers, redirects=redirects)

    return fetch


def _keep(db: Db, connection: Connection, fresh: KeySet, now: datetime) -> None:
    """Store the keys, unless the connection went to another issuer while these were on their way."""
    if connections.get(db, connection.id).issuer == connection.issuer:
        connections.keep_jwks(db, connection.id, jwks=fresh.to_dict(), now=now)


def _older(moment: datetime | None, age: timedelta, now: datetime) -> bool:
    return moment is None or now - moment > age


def _connection_of(r: Request) -> str:
    return r.path.split("/")[3]


doors = [get("/sso/oidc/{connection_id}/callback", came_back, writes=True, asks=_connection_of)]
