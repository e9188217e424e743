"""An identity provider in the shape of Okta: it signs the Response and the Assertion in it, like Okta does."""

import base64
import hashlib
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from lxml import etree
from saml import build
from saml.keys import signer

from llmops.broker.connections import Addresses
from llmops.broker.saml.names import ds, saml

GROUPS = [f"Team {number}" for number in range(4)]
_SUBJECT_DATA = "Assertion/Subject/SubjectConfirmation/SubjectConfirmationData"


def response(ours: Addresses, request_id: str, *, person: int, now: datetime) -> str:
    """What the identity provider posts for the person of this number: 7.5 KB of XML, encoded."""
    address = f"person{person}@acme.test"
    root = build.okta(
        idp=build.IDP,
        sp=ours.sp_entity_id,
        acs=ours.acs_url,
        subject=address,
        attributes=[("email", [address]), ("firstName", ["Ann"]), ("lastName", [f"Lee {person}"]), ("groups", GROUPS)],
        seconds=(now - build.NOW).total_seconds(),
    )
    naming = [
        build.attribute("", "InResponseTo", request_id),
        build.attribute(_SUBJECT_DATA, "InResponseTo", request_id),
        build.attribute("Assertion", "ID", f"_a{request_id}"),
    ]
    return build.encode(build.build("both", base=root, before=naming, signing={"prefix_list": "xs"}))


def floor(encoded: str) -> None:
    """The least that verifying such a Response takes, and nothing that makes it safe.

    Parse; then for each of the two signatures: two canonicalizations, SHA-256, and RSA on the result.
    """
    root = etree.fromstring(base64.b64decode(encoded))
    key = signer().key.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    outer, inner = (element.find(ds("Signature")) for element in (root, root.find(saml("Assertion"))))
    for signature in (inner, outer):
        element = signature.getparent()
        signed_info, value = signature[0], base64.b64decode(signature[1].text)
        octets = _canonical(signed_info)
        place = element.index(signature)
        element.remove(signature)
        digest = base64.b64encode(hashlib.sha256(_canonical(element)).digest()).decode()
        element.insert(place, signature)
        assert digest == signed_info.findtext(f"{ds('Reference')}/{ds('DigestValue')}")
        key.verify(value, octets, padding.PKCS1v15(), SHA256())


def _canonical(element: etree._Element) -> bytes:
    return etree.tostring(element, method="c14n", exclusive=True, inclusive_ns_prefixes=["xs"])
