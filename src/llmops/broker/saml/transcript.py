"""What a Response says, for people who look for a mistake. Nothing here is verified, and nothing here decides.

Everything is taken from the one tree that `xml.parse` made, so no second parser sees the message (SAML-03).
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field

from lxml import etree

from llmops.broker.saml import conditions, names, xml
from llmops.broker.saml.conditions import NameId
from llmops.broker.saml.names import ds, saml, xenc
from llmops.broker.saml.response import Received

REMOVED = "[removed]"
_BULK = (ds("SignatureValue"), ds("DigestValue"), ds("X509Certificate"), ds("Modulus"), xenc("CipherValue"))


@dataclass(frozen=True)
class Told:
    """Subject and attributes as they stand in the message; empty where the Assertion is encrypted or not there."""

    subject: NameId | None = None
    attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def told(received: Received) -> Told:
    """What the Assertion in a Response would say, if it were to be believed."""
    assertion = received.document.find(saml("Assertion"))
    if assertion is None:
        return Told()
    return Told(_subject(assertion), conditions.read_attributes(assertion))


def written(received: Received, *, hides: Callable[[str], bool]) -> str:
    """The Response as indented XML, without signature values, certificates and encrypted bytes.

    Values of attributes whose name `hides` knows as a secret's are taken out too.
    """
    root = deepcopy(received.document)
    for attribute in root.iter(saml("Attribute")):
        for value in attribute if hides(attribute.get("Name", "")) else ():
            value.text = REMOVED
    for element in root.iter(*_BULK):
        element[:] = []
        element.text = REMOVED
    etree.indent(root)
    return etree.tostring(root, encoding="unicode")


def _subject(assertion: etree._Element) -> NameId | None:
    element = assertion.find(f"{saml('Subject')}/{saml('NameID')}")
    if element is None:
        return None
    return NameId(
        xml.text(element),
        element.get("Format", names.UNSPECIFIED),
        element.get("NameQualifier", ""),
        element.get("SPNameQualifier", ""),
    )
