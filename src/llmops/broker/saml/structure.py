"""Which elements and attributes may stand where in a Response, in one walk over a closed table.

Whatever the table does not name is refused before any meaning is taken from the message. Places where the
schema admits anything (`Extensions`, `Advice`, `StatusDetail`, ds:KeyInfo, …) may hold foreign elements, but
nothing of SAML and no further signature: that is where wrapping attacks keep the signed original.
What stands inside ds:Signature is checked by `signature.py`, inside EncryptedAssertion by `encryption.py`.
Source: saml-schema-protocol-2.0, saml-schema-assertion-2.0; SAML-04 to SAML-09.
"""

from dataclasses import dataclass, field

from lxml import etree

from llmops.broker.saml import names
from llmops.broker.saml.names import ds, saml, samlp
from llmops.errors import SamlMalformed, SamlSubjectUnusable

_MANY = 10_000  # the parser's limit on elements


@dataclass(frozen=True)
class Place:
    """So many children with one of these names come next."""

    tags: frozenset[str]
    least: int
    most: int


def _one(*tags: str) -> Place:
    return Place(frozenset(tags), 1, 1)


def _maybe(*tags: str) -> Place:
    return Place(frozenset(tags), 0, 1)


def _any(*tags: str) -> Place:
    return Place(frozenset(tags), 0, _MANY)


def _some(*tags: str) -> Place:
    return Place(frozenset(tags), 1, _MANY)


@dataclass(frozen=True)
class Content:
    """What one element may carry: attributes, children in order, or text, or anything foreign."""

    required: frozenset[str] = frozenset()
    optional: frozenset[str] = frozenset()
    children: tuple[Place, ...] = ()
    text: bool = False
    foreign: bool = False  # any descendants that are neither SAML nor a signature
    foreign_attributes: bool = False


def _content(required: str = "", optional: str = "", *children: Place, **more: bool) -> Content:
    return Content(frozenset(required.split()), frozenset(optional.split()), children, **more)


_NAME_ID = _content("", "Format NameQualifier SPNameQualifier SPProvidedID", text=True)
_VALUE = _content(text=True)
_ANYTHING = _content(foreign=True, foreign_attributes=True)
_XSI_TYPE = f"{{{names.XSI}}}type"
_XSI_NIL = f"{{{names.XSI}}}nil"

CONTENT: dict[str, Content] = {
    samlp("Response"): _content(
        "ID Version IssueInstant",
        "InResponseTo Destination Consent",
        _maybe(saml("Issuer")),
        _maybe(ds("Signature")),
        _maybe(samlp("Extensions")),
        _one(samlp("Status")),
        _maybe(saml("Assertion"), saml("EncryptedAssertion")),
    ),
    samlp("Extensions"): _ANYTHING,
    samlp("Status"): _content(
        "", "", _one(samlp("StatusCode")), _maybe(samlp("StatusMessage")), _maybe(samlp("StatusDetail"))
    ),
    samlp("StatusCode"): _content("Value", "", _maybe(samlp("StatusCode"))),
    samlp("StatusMessage"): _VALUE,
    samlp("StatusDetail"): _ANYTHING,
    saml("Assertion"): _content(
        "ID Version IssueInstant",
        "",
        _one(saml("Issuer")),
        _maybe(ds("Signature")),
        _one(saml("Subject")),
        _maybe(saml("Conditions")),
        _maybe(saml("Advice")),
        _some(saml("AuthnStatement"), saml("AttributeStatement")),
    ),
    saml("EncryptedAssertion"): _ANYTHING,
    saml("Issuer"): _NAME_ID,
    saml("Subject"): _content("", "", _maybe(saml("NameID"), saml("EncryptedID")), _any(saml("SubjectConfirmation"))),
    saml("NameID"): _NAME_ID,
    saml("EncryptedID"): _ANYTHING,
    saml("SubjectConfirmation"): _content("Method", "", _maybe(saml("SubjectConfirmationData"))),
    saml("SubjectConfirmationData"): _content(
        "", f"NotBefore NotOnOrAfter Recipient InResponseTo Address {_XSI_TYPE}", foreign=True
    ),
    saml("Conditions"): _content(
        "",
        "NotBefore NotOnOrAfter",
        _any(saml("AudienceRestriction"), saml("OneTimeUse"), saml("ProxyRestriction")),
    ),
    saml("AudienceRestriction"): _content("", "", _any(saml("Audience"))),
    saml("Audience"): _VALUE,
    saml("OneTimeUse"): _content(),
    saml("ProxyRestriction"): _content("", "Count", _any(saml("Audience"))),
    saml("Advice"): _ANYTHING,
    saml("AuthnStatement"): _content(
        "AuthnInstant",
        "SessionIndex SessionNotOnOrAfter",
        _maybe(saml("SubjectLocality")),
        _one(saml("AuthnContext")),
    ),
    saml("SubjectLocality"): _content("", "Address DNSName"),
    saml("AuthnContext"): _content(
        "",
        "",
        _maybe(saml("AuthnContextClassRef")),
        _maybe(saml("AuthnContextDecl"), saml("AuthnContextDeclRef")),
        _any(saml("AuthenticatingAuthority")),
    ),
    saml("AuthnContextClassRef"): _VALUE,
    saml("AuthnContextDecl"): _ANYTHING,
    saml("AuthnContextDeclRef"): _VALUE,
    saml("AuthenticatingAuthority"): _VALUE,
    saml("AttributeStatement"): _content("", "", _any(saml("Attribute"), saml("EncryptedAttribute"))),
    saml("EncryptedAttribute"): _ANYTHING,
    saml("Attribute"): _content(
        "Name", "NameFormat FriendlyName", _any(saml("AttributeValue")), foreign_attributes=True
    ),
    saml("AttributeValue"): _content("", f"{_XSI_TYPE} {_XSI_NIL}", text=True, foreign_attributes=True),
    ds("Signature"): _content("", "Id", foreign=True),
}

_SAML_NAMESPACES = (f"{{{names.ASSERTION}}}", f"{{{names.PROTOCOL}}}")
_NEVER_FOREIGN = frozenset({ds("Signature"), ds("Object"), ds("Manifest")})


@dataclass
class Walk:
    """Every ID seen in the message so far, its encrypted part included. Source: Core §1.3.4, SAML-08."""

    ids: set[str] = field(default_factory=set)

    def check(self, root: etree._Element, *, expected: str) -> None:
        """Refuse `root` unless it is the expected element and everything in it is as the table says.

        Raises: SamlMalformed with `problem` and `seen`, SamlSubjectUnusable for an EncryptedID.
        """
        if root.tag != expected:
            raise SamlMalformed(problem="root", seen=root.tag, expected=expected)
        self._element(root)

    def _element(self, element: etree._Element) -> None:
        tag = str(element.tag)
        content = CONTENT[tag]
        self._attributes(element, content)
        if content.foreign:
            self._foreign(element)
            return
        children = list(element)
        if content.text:
            if children:
                raise SamlMalformed(problem="value_with_elements", seen=element.tag)
            return
        if _has_text(element, children):
            raise SamlMalformed(problem="stray_text", seen=element.tag)
        _order(tag, children, content.children)
        for child in children:
            self._element(child)

    def _attributes(self, element: etree._Element, content: Content) -> None:
        present = element.keys()
        for name in present:
            if name in content.required or name in content.optional:
                continue
            if not (content.foreign_attributes and name.startswith("{")) or name.startswith(_SAML_NAMESPACES):
                raise SamlMalformed(problem="attribute", seen=f"{element.tag!s} {name}")
        if not content.required.issubset(present):
            missing = sorted(content.required.difference(present))
            raise SamlMalformed(problem="attribute_missing", seen=element.tag, expected=" ".join(missing))
        if "Version" in present and element.get("Version") != "2.0":
            raise SamlMalformed(problem="version", seen=element.get("Version"), expected="2.0")
        self._identify(element, present)

    def _identify(self, element: etree._Element, present: list[str]) -> None:
        """Take note of the element's ID under any spelling, and refuse one that only looks like an ID."""
        for name in present:
            if not name.lower().endswith("id"):
                continue
            namespace, _, local = name.rpartition("}")
            if local.lower() != "id":
                continue
            value = element.get(name, "")
            if namespace or not value or value in self.ids:
                raise SamlMalformed(problem="id", seen=f"{name}={value}")
            self.ids.add(value)

    def _foreign(self, element: etree._Element) -> None:
        for child in element.iterdescendants():
            tag = str(child.tag)
            if tag.startswith(_SAML_NAMESPACES) or tag in _NEVER_FOREIGN:
                raise SamlMalformed(problem="misplaced", seen=tag, expected=f"not inside {element.tag!s}")
            self._identify(child, child.keys())


def _order(parent: str, children: list[etree._Element], places: tuple[Place, ...]) -> None:
    """Refuse children that are unknown here, out of order, too few or too many."""
    position = 0
    for place in places:
        start = position
        while position < len(children) and position - start < place.most and children[position].tag in place.tags:
            position += 1
        if position - start < place.least:
            raise SamlMalformed(problem="missing", seen=parent, expected=" or ".join(sorted(place.tags)))
    if position < len(children):
        raise SamlMalformed(problem="misplaced", seen=children[position].tag, expected=f"not here in {parent}")


def _has_text(element: etree._Element, children: list[etree._Element]) -> bool:
    if element.text and not element.text.isspace():
        return True
    return any(child.tail and not child.tail.isspace() for child in children)


def refuse_encrypted_parts(assertion: etree._Element) -> None:
    """EncryptedID and EncryptedAttribute are refused with their own reason instead of being overlooked.

    Raises: SamlSubjectUnusable, SamlMalformed. Source: Core 2.0 §2.2.4, §2.7.3.2; SAML-33.
    """
    if assertion.find(f"{saml('Subject')}/{saml('EncryptedID')}") is not None:
        raise SamlSubjectUnusable(problem="encrypted_id")
    if assertion.find(f"{saml('AttributeStatement')}/{saml('EncryptedAttribute')}") is not None:
        raise SamlMalformed(problem="encrypted_attribute")
