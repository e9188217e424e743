"""The SAML addresses of a connection: the assertion consumer service and its metadata.

No transaction writes while a message is read and verified: on SQLite nobody else could write meanwhile, so a flood of
rubbish would hold up everybody. So: read, judge, then write.
"""

from starlette.responses import Response

from llmops.broker import assertions, connections, drafts, logins, profiles
from llmops.broker.connections import Connection, Kind
from llmops.broker.idp import arrival
from llmops.broker.idp.evidence import SamlEvidence
from llmops.broker.logins import Login
from llmops.broker.portal import testing
from llmops.broker.profiles import Profile
from llmops.broker.saml import certificate, keypair, metadata, response
from llmops.broker.saml.response import Assertion, Received
from llmops.broker.saml.rules import Rules, WantSigned
from llmops.db.tables import Db
from llmops.errors import (
    BodyUnreadable,
    ConnectionInactive,
    ConnectionUnknown,
    Failure,
    SamlMalformed,
    SamlUnsolicited,
)
from llmops.organizations import domains
from llmops.web.doors import get, post
from llmops.web.request import Request

ACS_BYTES = 3 * response.ENCODED_LIMIT  # every character of the base64 may be percent-encoded
_DECISIVE = ("state", "kind", "idp_entity_id", "idp_certificates", "want_signed", "allow_unsolicited", "attribute_map")


def acs(r: Request) -> Response:
    """POST: judge a Response. The path names the connection, so nothing in the message can (SAML-18)."""
    login: Login | None = None
    with r.looking() as db:
        connection = connections.get(db, r.path.split("/")[3])
        evidence = SamlEvidence(_speaking_saml(db, connection))
    try:
        received = evidence.response = response.parse(_saml_response(r))
        with r.looking() as db:
            _require_open(r, db, connection, received)
            login = _login(r, db, connection, received)
            judged = testing.judged(db, r.sealer, login, connection) if login else connection
            evidence.connection = judged
            evidence.verified_domains = domains.verified(db, connection.organization_id)
            rules = _rules(r, db, judged, received, login)
        assertion = evidence.assertion = response.check(received, rules, now=r.now, trace=evidence.checks)
        profile = profiles.from_assertion(assertion, judged, verified_domains=evidence.verified_domains)
        return _accepted(r, connection, login, assertion, profile, evidence)
    except Failure as failure:
        asked = login if login is not None and login.how in ("started_here", "test") else None
        arrival.refuse(r, connection, asked, failure, evidence)
        raise


def _accepted(
    r: Request,
    connection: Connection,
    login: Login | None,
    assertion: Assertion,
    profile: Profile,
    evidence: SamlEvidence,
) -> Response:
    """Write down what was judged to be good. Without a login nobody had asked: the attempt begins here."""
    if login is not None and login.how == "test":
        testing.require_welcome(profile, evidence.verified_domains)
    else:
        _require_unchanged(r, connection)
    assertions.use(r.db, connection, assertion_id=assertion.id, forget_at=assertion.expires_at)
    answered = login or logins.begin_unsolicited(r.db, connection, now=r.now)
    return arrival.accept(r, answered, profile, evidence)


def _require_unchanged(r: Request, connection: Connection) -> None:
    """What the message was judged by still holds: a key that was removed meanwhile counts no more (SAML-37).

    Raises: ConnectionInactive.
    """
    now = connections.get(r.db, connection.id)
    if any(getattr(now, name) != getattr(connection, name) for name in _DECISIVE):
        raise ConnectionInactive(connection=connection.id, state=now.state)


def sp_metadata(r: Request) -> Response:
    """GET: what an identity provider needs to know of us."""
    connection = _speaking_saml(r.db, connections.get(r.db, r.path.split("/")[3]))
    ours = connections.addresses(r.settings.base_url, drafts.address_id(connection))
    own = certificate.from_base64(connection.sp_certificate) if connection.sp_certificate else None
    document = metadata.write(
        metadata.ServiceProvider(
            entity_id=ours.sp_entity_id,
            acs_url=ours.acs_url,
            signing_certificate=own,
            encryption_certificate=own if connection.publish_encryption else None,
            requests_signed=connection.sign_requests,
        )
    )
    return Response(document, media_type="application/samlmetadata+xml")


def _speaking_saml(db: Db, connection: Connection) -> Connection:
    """The connection itself, or its draft where only that one is SAML. Raises: ConnectionUnknown."""
    candidates = (connection, None if Kind(connection.kind).is_saml else drafts.of(db, connection.id))
    for candidate in candidates:
        if candidate is not None and Kind(candidate.kind).is_saml:
            return candidate
    raise ConnectionUnknown(seen=connection.id)


def _require_open(r: Request, db: Db, connection: Connection, received: Received) -> None:
    """Only an active connection signs people in; a draft and one that is off may be tested (TEN-02).

    Raises: ConnectionInactive.
    """
    key = received.in_response_to
    if connection.state != "active" and not (key and logins.is_test(db, r.sealer, connection, request_key=key)):
        raise ConnectionInactive(connection=connection.id, state=connection.state)


def _saml_response(r: Request) -> str:
    """The one SAMLResponse of the form. Raises: SamlMalformed, for a form that is not one (SAML-01)."""
    try:
        encoded = r.field("SAMLResponse")
        r.field("RelayState")  # ours is only a courtesy to IdPs that demand one; it selects nothing (SAML-35)
    except BodyUnreadable as failure:
        raise SamlMalformed(problem="form", **failure.facts) from None
    if not encoded:
        raise SamlMalformed(problem="no SAMLResponse")
    return encoded


def _login(r: Request, db: Db, connection: Connection, received: Received) -> Login | None:
    """The attempt that the Response says it answers; none where nobody asked and the connection allows it."""
    if received.in_response_to:
        return logins.pending(db, r.sealer, connection, request_key=received.in_response_to, now=r.now)
    if not connection.allow_unsolicited:
        raise SamlUnsolicited(connection=connection.id)
    return None


def _rules(r: Request, db: Db, connection: Connection, received: Received, login: Login | None) -> Rules:
    """What the judged configuration demands. Raises: ConnectionUnknown, where that one is not SAML."""
    if not Kind(connection.kind).is_saml:
        raise ConnectionUnknown(seen=connection.id)
    ours = connections.addresses(r.settings.base_url, drafts.address_id(connection))
    pem = connections.private_key_pem(connection, r.sealer) if received.encrypted else None
    asked = received.in_response_to or None
    want: dict[str, WantSigned] = {"assertion": "assertion", "response": "response", "both": "both"}
    return Rules(
        idp_entity_id=connection.idp_entity_id or "",
        sp_entity_id=ours.sp_entity_id,
        acs_url=ours.acs_url,
        certificates=[certificate.from_base64(encoded) for encoded in connection.idp_certificates],
        request_id=asked,
        known_since=None if asked else assertions.complete_since(db),
        allow_unsolicited=connection.allow_unsolicited,
        want_signed=want.get(connection.want_signed, "any"),
        decryption_keys=[keypair.private_key(pem.encode())] if pem else [],
        force_authn_at=login.forced_at if login else None,
        clock_allowance_seconds=r.settings.clock_allowance_seconds,
    )


doors = [
    post("/sso/saml/{connection_id}/acs", acs, csrf=False, limit_bytes=ACS_BYTES),
    get("/sso/saml/{connection_id}/metadata", sp_metadata),
]
