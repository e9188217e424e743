"""Is this Response acceptable, and what does it assert?

`parse` reads what came through the browser and exposes hints for finding the pending login. `check` is the
one pipeline that every Response passes; no setting skips a step. It holds no state: the caller consumes the
pending request and records the assertion's ID until `expires_at` (SAML-27, SAML-29).
Source: SAML Core 2.0 §2 and §3, Bindings 2.0 §3.5, Profiles 2.0 §4.1.4.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

from lxml import etree

from llmops.broker.saml import conditions, encryption, names, signature, status, structure, times, xml
from llmops.broker.saml.conditions import Clock, NameId
from llmops.broker.saml.names import saml, samlp
from llmops.broker.saml.rules import Check, Rules, Steps
from llmops.broker.saml.signature import Verified
from llmops.broker.saml.status import Status
from llmops.errors import Failure, SamlMalformed, SamlSignatureMissing, SamlWrongDestination

ENCODED_LIMIT = xml.MESSAGE_LIMIT_BYTES * 3 // 2  # base64 plus the line breaks that some senders add


@dataclass(frozen=True)
class Received:
    """A well-formed Response. Nothing in it is verified: its fields are hints, for look-ups and refusals."""

    issuer: str
    destination: str
    in_response_to: str
    status: Status
    encrypted: bool
    document: etree._Element = field(repr=False)
    ids: frozenset[str] = field(repr=False)


@dataclass(frozen=True)
class Assertion:
    """What the identity provider asserts, read only from bytes whose signature verified."""

    id: str
    issuer: str
    subject: NameId
    attributes: Mapping[str, tuple[str, ...]]  # by Name, as sent
    authn_instant: datetime
    authn_context: str
    session_index: str
    session_not_on_or_after: datetime | None  # our session must not outlive it
    expires_at: datetime  # until then a replay could be accepted: remember `id` at least as long
    in_response_to: str | None
    signed: str  # "assertion", "response" or "both"
    encrypted: bool
    key_fingerprint: str  # of the certificate that verified
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class _Proof:
    """How the Assertion reached us."""

    signed: str
    encrypted: bool
    key_fingerprint: str


def parse(encoded: str) -> Received:
    """Read the form field SAMLResponse. Nothing is inflated on the POST binding.

    Raises: SamlMalformed. Source: Bindings 2.0 §3.5.4; SAML-01 to SAML-08.
    """
    if len(encoded) > ENCODED_LIMIT:
        raise SamlMalformed(problem="too_large", seen=len(encoded), expected=ENCODED_LIMIT)
    try:
        # Identity providers wrap base64 with CR LF; b64decode itself would skip any other character too.
        octets = encoded.encode("ascii").translate(None, b"\r\n\t ")
        document = xml.parse(base64.b64decode(octets, validate=True))
    except (UnicodeEncodeError, binascii.Error):
        raise SamlMalformed(problem="base64") from None
    walk = structure.Walk()
    walk.check(document, expected=samlp("Response"))
    issuer = document.find(saml("Issuer"))
    return Received(
        issuer="" if issuer is None else xml.text(issuer).strip(" \t\r\n"),
        destination=document.get("Destination", ""),
        in_response_to=document.get("InResponseTo", ""),
        status=status.read(document),
        encrypted=document.find(saml("EncryptedAssertion")) is not None,
        document=document,
        ids=frozenset(walk.ids),
    )


def check(received: Received, rules: Rules, *, now: datetime, trace: list[Check] | None = None) -> Assertion:
    """Judge a Response by the connection's rules at the moment `now` (aware, UTC).

    `trace` receives every step, also those before a refusal and the refusal itself.
    Raises: SignInFailure, one of the identity provider's (IdpDenied, …) or of ours (SamlExpired, …).
    """
    steps = Steps([] if trace is None else trace)
    try:
        return _check(received, rules, Clock(now, rules.allowance), steps)
    except Failure as failure:
        steps.refused(failure)
        raise


def _check(received: Received, rules: Rules, clock: Clock, steps: Steps) -> Assertion:
    """The pipeline: hints that refuse early, the signatures, then what the bytes they cover say.

    If the Response is signed, the tree that verification returned takes the place of the one that arrived.
    The Assertion's own signature is verified where it arrived, because a PrefixList may count namespaces
    that canonicalizing the Response has dropped; what it covers then replaces the Assertion.
    """
    _check_hints(received, rules, steps)
    outer = _verified("response", received.document, rules, clock, steps)
    response = received.document if outer is None else outer.element
    _check_envelope(response, outer is not None, rules, clock, steps)
    if received.encrypted:
        arrived = assertion = _decrypted(response, received.ids, outer is not None, rules)
    else:
        arrived, assertion = _assertion_in(received.document), _assertion_in(response)
    inner = _verified("assertion", arrived, rules, clock, steps)
    proof = _proof(outer, inner, received.encrypted, rules, steps)
    return _read(assertion if inner is None else inner.element, proof, rules, clock, steps)


def _check_hints(received: Received, rules: Rules, steps: Steps) -> None:
    """What can refuse before any signature is looked at, so that people get the nearest reason.

    Raises: an Idp… failure unless the status is exactly Success (SAML-30), SamlWrongIssuer (SAML-18).
    """
    if not received.status.success:
        raise status.failure(received.status)
    steps.passed("status", seen=names.SUCCESS, expected=names.SUCCESS)
    issuer = received.document.find(saml("Issuer"))
    if issuer is not None:
        conditions.check_issuer("response.issuer", issuer, rules, steps)


def _check_envelope(response: etree._Element, signed: bool, rules: Rules, clock: Clock, steps: Steps) -> None:
    """The Response's own fields. They can refuse; only a signed Response makes them worth anything more.

    Destination is compared character for character, and required of a signed Response.
    Raises: SamlWrongDestination, SamlWrongRequest, SamlUnsolicited, SamlNotYetValid, SamlExpired.
    Source: Core §3.2.2, Bindings §3.5.5.2; SAML-17, SAML-20, SAML-25, SAML-27.
    """
    destination = response.get("Destination")
    if destination is not None or signed:
        satisfied = bool(destination) and destination == rules.acs_url
        steps.require("response.destination", satisfied, SamlWrongDestination, seen=destination, expected=rules.acs_url)
    conditions.check_in_response_to("response.in_response_to", response.get("InResponseTo"), rules, steps)
    conditions.check_issued("response.issue_instant", response, rules, clock, steps)


def _verified(name: str, element: etree._Element, rules: Rules, clock: Clock, steps: Steps) -> Verified | None:
    """What the element's own signature covers, None if it has none. A signature that is there must verify."""
    if signature.of(element) is None:
        return None
    verified = signature.verify(element, rules.certificates, now=clock.now)
    steps.passed(f"{name}.signature", seen=verified.certificate.fingerprint_sha256)
    steps.passed(f"{name}.algorithm", seen=verified.algorithm)
    return verified


def _proof(outer: Verified | None, inner: Verified | None, encrypted: bool, rules: Rules, steps: Steps) -> _Proof:
    """Which of the two are signed, which must be what the connection demands, and one of them at least.

    Raises: SamlSignatureMissing. Source: Profiles §4.1.4.5, SAML-16.
    """
    signed = "both" if outer and inner else "response" if outer else "assertion" if inner else "none"
    accepted = {
        "any": ("assertion", "response", "both"),
        "assertion": ("assertion", "both"),
        "response": ("response", "both"),
        "both": ("both",),
    }[rules.want_signed]
    steps.require("signature", signed in accepted, SamlSignatureMissing, seen=signed, expected=" or ".join(accepted))
    verified = inner or outer
    assert verified is not None
    steps.passed("encryption", seen="encrypted" if encrypted else "not encrypted")
    return _Proof(signed, encrypted, verified.certificate.fingerprint_sha256)


def _assertion_in(response: etree._Element) -> etree._Element:
    assertion = response.find(saml("Assertion"))
    if assertion is None:
        raise SamlMalformed(check="assertion", problem="missing")
    return assertion


def _decrypted(response: etree._Element, ids: frozenset[str], signed: bool, rules: Rules) -> etree._Element:
    """The Assertion inside EncryptedAssertion, held to the same structure and unique IDs (SAML-31)."""
    encrypted = response.find(saml("EncryptedAssertion"))
    assert encrypted is not None
    assertion = encryption.decrypt(encrypted, rules.decryption_keys, response_verified=signed)
    structure.Walk(set(ids)).check(assertion, expected=saml("Assertion"))
    return assertion


def _read(assertion: etree._Element, proof: _Proof, rules: Rules, clock: Clock, steps: Steps) -> Assertion:
    """Judge a verified Assertion and take from it what it says. Nothing of the Response is read here."""
    structure.refuse_encrypted_parts(assertion)
    issuer = assertion.find(saml("Issuer"))
    assert issuer is not None
    conditions.check_issuer("assertion.issuer", issuer, rules, steps)
    conditions.check_issued("assertion.issue_instant", assertion, rules, clock, steps)
    subject = conditions.read_subject(assertion, steps)
    ends = [conditions.check_confirmation(assertion, rules, clock, steps)]
    end = conditions.check_conditions(assertion, rules, clock, steps)
    if end is not None:
        ends.append(end)
    authentication = conditions.check_authentication(assertion, rules, clock, steps)
    return Assertion(
        id=assertion.get("ID", ""),
        issuer=rules.idp_entity_id,
        subject=subject,
        attributes=MappingProxyType(conditions.read_attributes(assertion)),
        authn_instant=authentication.instant,
        authn_context=authentication.context,
        session_index=authentication.session_index,
        session_not_on_or_after=authentication.session_not_on_or_after,
        expires_at=times.later(min(ends), clock.allowance),
        in_response_to=rules.request_id,
        signed=proof.signed,
        encrypted=proof.encrypted,
        key_fingerprint=proof.key_fingerprint,
        checks=tuple(steps.done),
    )
