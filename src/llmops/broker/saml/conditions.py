"""Is this Assertion for us, now, and about a usable subject? Every check reads an element that was verified.

Source: SAML Profiles 2.0 §4.1.4.2 and §4.1.4.3, Core 2.0 §2.4 to §2.7.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from lxml import etree

from llmops.broker.saml import names, times, xml
from llmops.broker.saml.names import saml
from llmops.broker.saml.rules import Rules, Steps
from llmops.errors import (
    Failure,
    SamlAlreadyUsed,
    SamlExpired,
    SamlMalformed,
    SamlNotYetValid,
    SamlSubjectUnusable,
    SamlUnsolicited,
    SamlWrongAudience,
    SamlWrongAuthnContext,
    SamlWrongIssuer,
    SamlWrongRecipient,
    SamlWrongRequest,
)

UNSOLICITED_AGE = timedelta(minutes=5)


@dataclass(frozen=True)
class NameId:
    """Who it is: the value is kept byte for byte, its meaning depends on format and qualifiers."""

    value: str
    format: str
    name_qualifier: str
    sp_name_qualifier: str


@dataclass(frozen=True)
class Authentication:
    """What the AuthnStatements say together: the oldest act counts, and the earliest end."""

    instant: datetime
    context: str
    session_index: str
    session_not_on_or_after: datetime | None


@dataclass(frozen=True)
class Clock:
    """Now, with the one allowance that every time check uses (SAML-24). Ends are exclusive."""

    now: datetime
    allowance: timedelta

    def begun(self, moment: datetime) -> bool:
        """Whether `moment` is not in the future."""
        return moment <= times.later(self.now, self.allowance)

    def ended(self, moment: datetime) -> bool:
        """Whether `moment`, a NotOnOrAfter, has been reached."""
        return times.earlier(self.now, self.allowance) >= moment


def check_issuer(name: str, issuer: etree._Element, rules: Rules, steps: Steps) -> None:
    """Issuer is the connection's entity ID, exact after trimming ASCII space, and of format entity or none.

    Raises: SamlWrongIssuer. Source: Profiles §4.1.4.2, Core §8.3.6; SAML-18.
    """
    seen = xml.text(issuer).strip(" \t\r\n")
    steps.require(
        name,
        bool(seen) and seen == rules.idp_entity_id,
        SamlWrongIssuer,
        seen=seen,
        expected=rules.idp_entity_id,
    )
    kind = issuer.get("Format", names.ENTITY)
    if kind != names.ENTITY:
        raise SamlWrongIssuer(check=name, seen=kind, expected=names.ENTITY)


def check_issued(name: str, element: etree._Element, rules: Rules, clock: Clock, steps: Steps) -> None:
    """IssueInstant is not in the future and, when nobody asked, not older than five minutes nor than what we remember.

    What was asked for needs no memory: it names a pending request, and one is answered once.
    Raises: SamlNotYetValid, SamlExpired, SamlAlreadyUsed. Source: Core §2.3.3, §3.2.2; SAML-25, SEC-09.
    """
    issued = times.read(element.get("IssueInstant", ""))
    steps.require(name, clock.begun(issued), SamlNotYetValid, seen=issued, expected=clock.now)
    if rules.request_id is None:
        recent = not clock.ended(times.later(issued, UNSOLICITED_AGE))
        steps.require(f"{name}.age", recent, SamlExpired, seen=issued, expected=clock.now)
        if rules.known_since is not None:
            # A provider's clock may be ahead: by our own, the answer could have come and been used before.
            known = issued > times.later(rules.known_since, clock.allowance)
            steps.require(f"{name}.known", known, SamlAlreadyUsed, seen=issued, expected=rules.known_since)


def check_in_response_to(name: str, value: str | None, rules: Rules, steps: Steps) -> None:
    """InResponseTo is the pending request's ID, or absent where an unsolicited Response is allowed.

    Raises: SamlUnsolicited, SamlWrongRequest. Source: Profiles §4.1.4.3, §4.1.5; SAML-27, SAML-34.
    """
    if rules.request_id is None and value is None:
        steps.require(name, rules.allow_unsolicited, SamlUnsolicited)
    else:
        satisfied = bool(value) and value == rules.request_id
        steps.require(name, satisfied, SamlWrongRequest, seen=value or "", expected=rules.request_id or "none")


def read_subject(assertion: etree._Element, steps: Steps) -> NameId:
    """The NameID, which must be able to name the same person at the next sign-in.

    Raises: SamlSubjectUnusable. Source: Core §2.2.3, §8.3.8; SAML-36.
    """
    element = assertion.find(f"{saml('Subject')}/{saml('NameID')}")
    if element is None:
        raise SamlSubjectUnusable(check="subject", problem="missing")
    value = xml.text(element)
    kind = element.get("Format", names.UNSPECIFIED)
    steps.require("subject.format", kind != names.TRANSIENT, SamlSubjectUnusable, seen=kind, expected="not transient")
    steps.require("subject", bool(value.strip()), SamlSubjectUnusable, seen=value)
    return NameId(value, kind, element.get("NameQualifier", ""), element.get("SPNameQualifier", ""))


def check_confirmation(assertion: etree._Element, rules: Rules, clock: Clock, steps: Steps) -> datetime:
    """The latest NotOnOrAfter among the bearer confirmations that pass whole; at least one must.

    Raises: what is wrong with the last bearer confirmation, or SamlWrongRecipient when there is none.
    Source: Profiles §4.1.4.2, §4.1.4.3; SAML-21 (no mixing of fields from two confirmations).
    """
    failure: Failure = SamlWrongRecipient(check="confirmation", problem="no_bearer", expected=names.BEARER)
    passed: list[tuple[datetime, Steps]] = []
    for confirmation in assertion.findall(f"{saml('Subject')}/{saml('SubjectConfirmation')}"):
        if confirmation.get("Method") == names.BEARER:
            own = Steps()
            try:
                passed.append((_check_bearer(confirmation, rules, clock, own), own))
            except (
                SamlWrongRecipient,
                SamlWrongRequest,
                SamlUnsolicited,
                SamlExpired,
                SamlNotYetValid,
            ) as why:
                failure = why
    if not passed:
        raise failure
    end, own = max(passed, key=lambda candidate: candidate[0])
    steps.done.extend(own.done)
    return end


def _check_bearer(confirmation: etree._Element, rules: Rules, clock: Clock, steps: Steps) -> datetime:
    confirmed = confirmation.find(saml("SubjectConfirmationData"))
    if confirmed is None:
        raise SamlWrongRecipient(check="confirmation.recipient", problem="missing", expected=rules.acs_url)
    recipient = confirmed.get("Recipient", "")
    steps.require(
        "confirmation.recipient",
        bool(recipient) and recipient == rules.acs_url,
        SamlWrongRecipient,
        seen=recipient,
        expected=rules.acs_url,
    )
    check_in_response_to("confirmation.in_response_to", confirmed.get("InResponseTo"), rules, steps)
    if confirmed.get("NotOnOrAfter") is None:
        raise SamlExpired(check="confirmation.not_on_or_after", problem="missing")
    _check_window("confirmation", confirmed, clock, steps)
    return times.read(confirmed.get("NotOnOrAfter", ""))


def check_conditions(assertion: etree._Element, rules: Rules, clock: Clock, steps: Steps) -> datetime | None:
    """Conditions' NotOnOrAfter, after they were found to be present and to hold.

    Every AudienceRestriction must list our entity ID exactly, and there must be one. OneTimeUse is met by
    the caller's replay record, ProxyRestriction does not concern us; the closed structure admits no others.
    Raises: SamlWrongAudience, SamlExpired, SamlNotYetValid. Source: Core §2.5.1; SAML-22, SAML-23.
    """
    conditions = assertion.find(saml("Conditions"))
    if conditions is None:
        raise SamlWrongAudience(check="audience", problem="no_conditions", expected=rules.sp_entity_id)
    end = _check_window("conditions", conditions, clock, steps)
    restrictions = conditions.findall(saml("AudienceRestriction"))
    if not restrictions:
        raise SamlWrongAudience(check="audience", problem="missing", expected=rules.sp_entity_id)
    for restriction in restrictions:
        audiences = [xml.text(audience) for audience in restriction]
        listed = bool(rules.sp_entity_id) and rules.sp_entity_id in audiences
        seen = " ".join(audiences)
        steps.require("audience", listed, SamlWrongAudience, seen=seen, expected=rules.sp_entity_id)
    return end


def _check_window(name: str, element: etree._Element, clock: Clock, steps: Steps) -> datetime | None:
    """NotBefore and NotOnOrAfter where they are present, the former earlier than the latter. Returns the latter.

    Raises: SamlNotYetValid, SamlExpired, SamlMalformed. Source: Core §2.4.1.2, §2.5.1.2; SAML-23, SAML-24.
    """
    stated = (element.get("NotBefore"), element.get("NotOnOrAfter"))
    begin, end = (None if moment is None else times.read(moment) for moment in stated)
    if begin is not None:
        steps.require(f"{name}.not_before", clock.begun(begin), SamlNotYetValid, seen=begin, expected=clock.now)
    if end is not None:
        steps.require(f"{name}.not_on_or_after", not clock.ended(end), SamlExpired, seen=end, expected=clock.now)
    if begin is not None and end is not None and begin >= end:
        raise SamlMalformed(check=f"{name}.not_before", problem="ends_before_it_begins", seen=begin, expected=end)
    return end


def check_authentication(assertion: etree._Element, rules: Rules, clock: Clock, steps: Steps) -> Authentication:
    """When and how the person was authenticated, by the weakest of the AuthnStatements.

    Raises: SamlMalformed, SamlNotYetValid, SamlExpired, SamlWrongAuthnContext.
    Source: Core §2.7.2, Profiles §4.1.4.2; SAML-25, SAML-26.
    """
    statements = [_read_statement(statement) for statement in assertion.findall(saml("AuthnStatement"))]
    if not statements:
        raise SamlMalformed(check="authentication", problem="missing", expected="AuthnStatement")
    oldest = min(statements, key=lambda statement: statement.instant)
    newest = max(statement.instant for statement in statements)
    steps.require("authn_instant", clock.begun(newest), SamlNotYetValid, seen=newest, expected=clock.now)
    ends = [statement.session_not_on_or_after for statement in statements if statement.session_not_on_or_after]
    end = min(ends, default=None)
    if end is not None:
        steps.require("session_not_on_or_after", not clock.ended(end), SamlExpired, seen=end, expected=clock.now)
    if rules.force_authn_at is not None:
        fresh = oldest.instant >= times.earlier(rules.force_authn_at, clock.allowance)
        steps.require("force_authn", fresh, SamlWrongAuthnContext, seen=oldest.instant, expected=rules.force_authn_at)
    if rules.authn_context is not None:
        demanded = rules.authn_context
        met = all(statement.context == demanded for statement in statements)
        steps.require("authn_context", met, SamlWrongAuthnContext, seen=oldest.context, expected=demanded)
    return Authentication(oldest.instant, oldest.context, oldest.session_index, end)


def _read_statement(statement: etree._Element) -> Authentication:
    context = statement.findtext(f"{saml('AuthnContext')}/{saml('AuthnContextClassRef')}") or ""
    end = statement.get("SessionNotOnOrAfter")
    return Authentication(
        instant=times.read(statement.get("AuthnInstant", "")),
        context=context.strip(" \t\r\n"),
        session_index=statement.get("SessionIndex", ""),
        session_not_on_or_after=None if end is None else times.read(end),
    )


def read_attributes(assertion: etree._Element) -> dict[str, tuple[str, ...]]:
    """Every attribute by `Name`, never FriendlyName, with all its values in order but those that are nil."""
    attributes: dict[str, tuple[str, ...]] = {}
    for attribute in assertion.findall(f"{saml('AttributeStatement')}/{saml('Attribute')}"):
        values = tuple(xml.text(value) for value in attribute if value.get(f"{{{names.XSI}}}nil") not in ("true", "1"))
        name = attribute.get("Name", "")
        attributes[name] = attributes.get(name, ()) + values
    return attributes
