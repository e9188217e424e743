"""What the identity provider said about a person, under one set of names.

Okta, Entra, Google, AD FS, Keycloak and the rest call the same things differently; the tables here know the usual
names, and a connection may name its own (`attribute_map`). What is missing is a named failure, not an empty account.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from llmops.base.email import normalise
from llmops.broker.connections import Connection
from llmops.broker.oidc.id_token import Claims
from llmops.broker.oidc.vendors import entra_tenant
from llmops.broker.saml import names
from llmops.broker.saml.conditions import NameId
from llmops.broker.saml.response import Assertion
from llmops.errors import EmailAmbiguous, EmailMissing, FirstNameMissing, InvalidEmail, LastNameMissing

_XMLSOAP = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/"
_MICROSOFT = "http://schemas.microsoft.com/identity/claims/"
_MACE = "urn:mace:dir:attribute-def:"

USUAL_NAMES: dict[str, tuple[str, ...]] = {
    "email": (
        "email", "mail", "emailAddress", "user.email", _XMLSOAP + "emailaddress",
        "urn:oid:0.9.2342.19200300.100.1.3", "urn:oid:1.2.840.113549.1.9.1",
        "http://schemas.xmlsoap.org/claims/EmailAddress", _MACE + "email", _MACE + "mail",
    ),
    "first_name": (
        "firstName", "first_name", "givenName", "given_name", _XMLSOAP + "givenname", "urn:oid:2.5.4.42",
        _MACE + "firstName", _MACE + "givenName",
    ),
    "last_name": (
        "lastName", "last_name", "surname", "sn", "family_name", _XMLSOAP + "surname", "urn:oid:2.5.4.4",
        _MACE + "lastName", _MACE + "sn", _MACE + "surname",
    ),
    "display_name": (
        "displayName", "name", "cn", _MICROSOFT + "displayname", "urn:oid:2.16.840.1.113730.3.1.241",
        "urn:oid:2.5.4.3", _MACE + "displayName", _MACE + "cn",
    ),
    "groups": (
        "groups", "group", "memberOf", "http://schemas.microsoft.com/ws/2008/06/identity/claims/groups",
        "http://schemas.xmlsoap.org/claims/Group", "http://schemas.microsoft.com/ws/2008/06/identity/claims/role",
        "Role", _MACE + "groups",
    ),
}  # fmt: skip
"""Profile field → names under which it arrives, in order; letter case does not matter."""

_ADDRESS_LIKE = (
    _XMLSOAP + "upn",
    _XMLSOAP + "name",
)  # hold an address at Entra and AD FS, something else elsewhere
LONGEST_NAME = 100
NAME_ID = "NameID"
"""The name of a reading that came from the subject of an assertion."""


@dataclass(frozen=True)
class Profile:
    """A person as one connection describes them. `subject` names them for good, `email` may change.

    `email_verified` is None when an OpenID provider says nothing about it. SAML has no such claim: there the signed
    assertion as a whole is the identity provider's word, so it is True.
    """

    subject: str
    email: str
    email_verified: bool | None
    first_name: str
    last_name: str
    groups: tuple[str, ...] = ()
    session_ends_at: datetime | None = None

    def to_json(self) -> str:
        """For the sealed cell between the identity provider's answer and the application."""
        ends = self.session_ends_at.isoformat() if self.session_ends_at else None
        return json.dumps(asdict(self) | {"session_ends_at": ends})

    @staticmethod
    def from_json(text: str) -> "Profile":
        """The profile that `to_json` wrote."""
        values = json.loads(text)
        ends = values["session_ends_at"]
        groups = tuple(values["groups"])
        return Profile(**values | {"groups": groups, "session_ends_at": datetime.fromisoformat(ends) if ends else None})


@dataclass(frozen=True)
class Reading:
    """Where one field of a profile came from: its name as it arrived, "" if it did not, and what stood under it."""

    field: str
    name: str
    values: tuple[str, ...]


def from_assertion(assertion: Assertion, connection: Connection, *, verified_domains: Iterable[str]) -> Profile:
    """Read a SAML assertion. Raises: EmailMissing, EmailAmbiguous, FirstNameMissing, LastNameMissing."""
    attributes = _folded(assertion.attributes.items())
    email = _email(attributes, connection) or _email_in_name_id(assertion.subject)
    email = email or _email_like(attributes, verified_domains)[1]
    if not email:
        raise EmailMissing(seen=", ".join(assertion.attributes) or "no attributes", expected="email")
    return _profile(
        attributes,
        connection,
        subject=saml_subject(assertion),
        email=email,
        email_verified=True,
        session_ends_at=assertion.session_not_on_or_after,
    )


def from_claims(claims: Claims, merged: Mapping[str, object], connection: Connection) -> Profile:
    """Read OpenID Connect claims (ID token and UserInfo together). Raises: as `from_assertion`."""
    attributes = _folded(texts_of(merged).items())
    email = _email(attributes, connection)
    if not email:
        raise EmailMissing(seen=", ".join(sorted(merged)), expected="email")
    said = merged.get("email_verified")
    about_it = (
        address_in(str(merged.get("email"))) == email
    )  # the claim speaks of `email`, which may not be what we use
    return _profile(
        attributes,
        connection,
        subject=oidc_subject(claims),
        email=email,
        # Only JSON true is a yes; anything else that is there, the string "true" too, is a no (OIDC-17).
        email_verified=None if said is None or (said is True and not about_it) else said is True,
        session_ends_at=None,
    )


def readings(
    attributes: Mapping[str, Sequence[str]],
    connection: Connection,
    *,
    subject: NameId | None = None,
    verified_domains: Iterable[str] = (),
) -> tuple[Reading, ...]:
    """Under which name each field of a profile arrived, by the rules of `from_assertion` and `from_claims`.

    For people only: it also reads what was not verified, it decides nothing and it never fails.
    """
    folded, sent = _folded(attributes.items()), {name.lower(): name for name in attributes}
    found = {field: _found(folded, connection, field) for field in ("email", "first_name", "last_name", "groups")}
    if not any(address_in(value) for value in found["email"][1]):
        like = _email_like(folded, verified_domains)
        if subject is not None and _email_in_name_id(subject):
            found["email"] = (NAME_ID, [subject.value])
        elif subject is not None and like[1]:
            found["email"] = (like[0], [like[1]])
    return tuple(Reading(field, sent.get(name, name), tuple(values)) for field, (name, values) in found.items())


def texts_of(merged: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Claims as attributes: the texts under each name; numbers, truths and objects are none."""
    return {name: _texts(value) for name, value in merged.items()}


def wanted_claims(connection: Connection) -> tuple[str, ...]:
    """The claims to ask for by name: the connection's own names, and the usual short ones."""
    fields = ("email", "first_name", "last_name")
    short = [name for field in fields for name in USUAL_NAMES[field] if name.isidentifier()]
    return tuple(dict.fromkeys([*connection.attribute_map.values(), *short, "email_verified"]))


def saml_subject(assertion: Assertion) -> str:
    """The key of the person at this connection: Entra's object id, else the whole NameID (SAML-36).

    The issuer is part of it: when a connection gets another identity provider, links do not pass on (TEN-12).
    """
    tenant, person = _MICROSOFT + "tenantid", _MICROSOFT + "objectidentifier"
    if (oid := assertion.attributes.get(person)) and (tid := assertion.attributes.get(tenant)):
        return json.dumps(["entra", assertion.issuer, tid[0], oid[0]])
    subject = assertion.subject
    qualifiers = (subject.format, subject.name_qualifier, subject.sp_name_qualifier)
    return json.dumps(["saml", assertion.issuer, *qualifiers, subject.value])


def oidc_subject(claims: Claims) -> str:
    """The key of the person: issuer and subject; at Entra tenant and object id, which outlive the app registration."""
    tid, oid = claims.values.get("tid"), claims.values.get("oid")
    if entra_tenant(claims.issuer) and isinstance(tid, str) and isinstance(oid, str):
        return json.dumps(["entra", tid, oid])
    return json.dumps(["oidc", claims.issuer, claims.subject])


def _profile(
    attributes: Mapping[str, Sequence[str]],
    connection: Connection,
    *,
    subject: str,
    email: str,
    email_verified: bool | None,
    session_ends_at: datetime | None,
) -> Profile:
    first, last = (_name(attributes, connection, field) for field in ("first_name", "last_name"))
    if not first:
        raise FirstNameMissing(seen=", ".join(attributes), expected="firstName")
    if not last:
        raise LastNameMissing(seen=", ".join(attributes), expected="lastName")
    groups = tuple(_values(attributes, connection, "groups"))
    return Profile(subject, email, email_verified, first, last, groups, session_ends_at)


def _folded(pairs: Iterable[tuple[str, Sequence[str]]]) -> dict[str, tuple[str, ...]]:
    """All values under each name in lower case: of `email` and `Email` neither wins (SAML-36)."""
    folded: dict[str, tuple[str, ...]] = {}
    for name, values in pairs:
        folded[name.lower()] = folded.get(name.lower(), ()) + tuple(values)
    return folded


def _values(attributes: Mapping[str, Sequence[str]], connection: Connection, field: str) -> Sequence[str]:
    return _found(attributes, connection, field)[1]


def _found(attributes: Mapping[str, Sequence[str]], connection: Connection, field: str) -> tuple[str, list[str]]:
    """The connection's own name for the field, else the first usual one, under which there is something; and that."""
    own = connection.attribute_map.get(field)
    for name in (own,) if own else USUAL_NAMES[field]:
        if values := [value.strip() for value in attributes.get(name.lower(), ()) if value.strip()]:
            return name.lower(), values
    return "", []


def _name(attributes: Mapping[str, Sequence[str]], connection: Connection, field: str) -> str:
    """A name, with control and direction characters taken out: it will stand on other people's pages (WEB-06)."""
    text = next(iter(_values(attributes, connection, field)), "")
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())[:LONGEST_NAME]


def _email(attributes: Mapping[str, Sequence[str]], connection: Connection) -> str:
    addresses = {address for value in _values(attributes, connection, "email") if (address := address_in(value))}
    if len(addresses) > 1:
        raise EmailAmbiguous(seen=", ".join(sorted(addresses)), expected="one address")
    return next(iter(addresses), "")


def _email_in_name_id(subject: NameId) -> str:
    """A NameID that is an address by its format, or looks like one where the format says nothing."""
    formats = (names.EMAIL_ADDRESS, names.UNSPECIFIED, "")
    return address_in(subject.value) if subject.format in formats else ""


def _email_like(attributes: Mapping[str, Sequence[str]], verified_domains: Iterable[str]) -> tuple[str, str]:
    """UPN and the like, name and value, which count only if they are an address in a verified domain."""
    domains = frozenset(verified_domains)
    for name in _ADDRESS_LIKE:
        for value in attributes.get(name, ()):
            address = address_in(value)
            if address and address.rpartition("@")[2] in domains:
                return name, address
    return "", ""


def address_in(text: str) -> str:
    """The e-mail address that a text is, in its stored form; "" if it is none."""
    try:
        return normalise(text)
    except InvalidEmail:
        return ""


def _texts(value: object) -> tuple[str, ...]:
    values = value if isinstance(value, list) else [value]
    return tuple(item for item in values if isinstance(item, str))
