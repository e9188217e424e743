"""Enveloped XML signatures: our own closed checks first, then signxml. The only file that imports it.

`verify` returns the canonical bytes that the signature covers, never a boolean; whoever wants to know what a
message says parses those bytes. Keys come from the connection alone. Everything in ds:KeyInfo is ignored,
except that its certificate is named when verification has failed, so that people can see a roll-over.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import UnsupportedAlgorithm
from lxml import etree
from signxml.algorithms import DigestAlgorithm, SignatureMethod
from signxml.exceptions import SignXMLException
from signxml.verifier import SignatureConfiguration, VerifyResult, XMLVerifier

from llmops.broker.saml import names, xml
from llmops.broker.saml.certificate import Certificate
from llmops.broker.saml.names import ds
from llmops.errors import (
    Failure,
    IdpCertificateExpired,
    SamlAlgorithmRefused,
    SamlKeyUnknown,
    SamlSignatureInvalid,
)

# Closed lists. Source: SAML V2.0 IIP ALG01-03; XML Encryption 1.1 §5.8 and RFC 6931 for the names.
_METHODS = {
    names.RSA_SHA256: "rsa",
    names.RSA_SHA384: "rsa",
    names.RSA_SHA512: "rsa",
    names.ECDSA_SHA256: "ec",
    names.ECDSA_SHA384: "ec",
    names.ECDSA_SHA512: "ec",
}
_DIGESTS = {names.SHA256: 32, names.SHA384: 48, names.SHA512: 64}
_SIGNXML_METHODS = frozenset(SignatureMethod(method) for method in _METHODS)
_SIGNXML_DIGESTS = frozenset(DigestAlgorithm(digest) for digest in _DIGESTS)
_TRANSFORMS = [names.ENVELOPED_SIGNATURE, names.EXC_C14N]

_PREFIX_LIST = re.compile(
    r"(?:#default|[A-Za-z_][A-Za-z0-9._-]{0,63})(?: (?:#default|[A-Za-z_][A-Za-z0-9._-]{0,63})){0,19}"
)
_PLAIN_BASE64 = re.compile(r"[A-Za-z0-9+/=\t\r\n ]+")


@dataclass(frozen=True)
class Verified:
    """What a signature covers, and by whom it is."""

    canonical: bytes
    element: etree._Element  # parsed from `canonical`: read this one, never the tree that arrived
    certificate: Certificate
    algorithm: str  # the signature method's URI


def of(element: etree._Element) -> etree._Element | None:
    """The signature of a Response or an Assertion, which stands directly in it, or None.

    Raises: SamlSignatureInvalid when there are several. Source: Core 2.0 §5.4.2, SAML-09.
    """
    found = element.findall(ds("Signature"))
    if len(found) > 1:
        raise SamlSignatureInvalid(problem="several_signatures", seen=len(found), expected=1)
    return found[0] if found else None


def verify(element: etree._Element, certificates: Sequence[Certificate], *, now: datetime) -> Verified:
    """The bytes that the signature standing in `element` covers, which are those of `element` without it.

    A certificate past its own date still verifies: it is pinned, and `now` only serves to explain a failure
    (Metadata Interoperability Profile §2.5: dates in certificates are not to be used).
    Raises: SamlSignatureInvalid, SamlAlgorithmRefused, SamlKeyUnknown, IdpCertificateExpired.
    Source: Core 2.0 §5.4; XML Signature §3.2.
    """
    signature = of(element)
    if signature is None:
        raise SamlSignatureInvalid(problem="no_signature")
    method = _check_form(signature, element.get("ID") or "")
    for certificate in certificates:
        if certificate.key_kind == _METHODS[method]:
            verified = _verified_by(element, certificate, method)
            if verified is not None:
                return verified
    raise _explained(signature, certificates, now)


def _check_form(signature: etree._Element, element_id: str) -> str:
    """The signature method, after every part of the signature was found to be the one that SAML allows."""
    children = list(signature)
    if [child.tag for child in children] not in (
        [ds("SignedInfo"), ds("SignatureValue")],
        [ds("SignedInfo"), ds("SignatureValue"), ds("KeyInfo")],
    ):
        raise SamlSignatureInvalid(problem="form", seen=" ".join(str(child.tag) for child in children))
    signed_info, signature_value = children[:2]
    if [child.tag for child in signed_info] != [
        ds("CanonicalizationMethod"),
        ds("SignatureMethod"),
        ds("Reference"),
    ]:
        raise SamlSignatureInvalid(problem="form", seen=" ".join(str(child.tag) for child in signed_info))
    canonicalization, method, reference = signed_info
    _check_canonicalization(canonicalization)
    algorithm = _algorithm(method)
    if algorithm not in _METHODS or len(method):
        raise SamlAlgorithmRefused(problem="signature_method", seen=algorithm, expected="RSA or ECDSA with SHA-256")
    _check_reference(reference, element_id)
    _plain_base64(signature_value)
    return algorithm


def _check_reference(reference: etree._Element, element_id: str) -> None:
    """One reference, to the element around the signature, with SAML's two transforms and a strong digest.

    Source: Core 2.0 §5.4.2 (URI), §5.4.3 and §5.4.4 (canonicalization and transforms).
    """
    if not element_id or reference.get("URI") != "#" + element_id:
        raise SamlSignatureInvalid(problem="reference", seen=reference.get("URI"), expected="#" + element_id)
    if [child.tag for child in reference] != [ds("Transforms"), ds("DigestMethod"), ds("DigestValue")]:
        raise SamlSignatureInvalid(problem="form", seen=" ".join(str(child.tag) for child in reference))
    transforms, digest_method, digest_value = reference
    used = [_algorithm(transform) for transform in transforms]
    if used != _TRANSFORMS or any(transform.tag != ds("Transform") for transform in transforms):
        raise SamlAlgorithmRefused(problem="transforms", seen=" ".join(used), expected=" ".join(_TRANSFORMS))
    if len(transforms[0]):
        raise SamlAlgorithmRefused(problem="transforms", seen=transforms[0][0].tag)
    _check_canonicalization(transforms[1])
    digest = _algorithm(digest_method)
    if digest not in _DIGESTS or len(digest_method):
        raise SamlAlgorithmRefused(problem="digest_method", seen=digest, expected="SHA-256, SHA-384 or SHA-512")
    if len(_plain_base64(digest_value)) != _DIGESTS[digest]:
        raise SamlSignatureInvalid(problem="digest_length")


def _check_canonicalization(method: etree._Element) -> None:
    """Exclusive canonicalization without comments. Okta and Shibboleth add a harmless PrefixList."""
    if _algorithm(method) != names.EXC_C14N:
        raise SamlAlgorithmRefused(problem="canonicalization", seen=_algorithm(method), expected=names.EXC_C14N)
    for child in method:
        prefixes = child.get("PrefixList", "")
        well_formed = child.tag == f"{{{names.EXC_C14N}}}InclusiveNamespaces" and _PREFIX_LIST.fullmatch(prefixes)
        if not well_formed or len(child) or len(method) > 1 or child.keys() != ["PrefixList"]:
            raise SamlAlgorithmRefused(problem="canonicalization", seen=f"{child.tag!s} {prefixes}")


def _algorithm(element: etree._Element) -> str:
    """`Algorithm`, which must be the only attribute: others would be parameters that nobody checked."""
    if element.keys() != ["Algorithm"]:
        raise SamlAlgorithmRefused(problem="parameters", seen=f"{element.tag!s} {element.keys()}")
    return element.get("Algorithm", "")


def _plain_base64(element: etree._Element) -> bytes:
    """The octets of a DigestValue or SignatureValue: text only. Source: CVE-2025-29774, CVE-2025-29775."""
    value = element.text or ""
    if len(element) or not _PLAIN_BASE64.fullmatch(value):
        raise SamlSignatureInvalid(problem="base64", seen=element.tag)
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except binascii.Error:
        raise SamlSignatureInvalid(problem="base64", seen=element.tag) from None


def _verified_by(element: etree._Element, certificate: Certificate, method: str) -> Verified | None:
    """What is covered if `certificate` made the signature, None if it did not.

    signxml's schema validation is off: `_check_form` is stricter than that schema and a tenth of its cost.
    It is given the element alone, so a reference cannot resolve to anything outside it.
    """
    configuration = SignatureConfiguration(
        location="./",
        expect_references=1,
        signature_methods=_SIGNXML_METHODS,
        digest_algorithms=_SIGNXML_DIGESTS,
        ignore_ambiguous_key_info=True,  # a KeyValue beside our certificate decides nothing
        verification_time=certificate.not_before,  # pinned keys have no dates
    )
    try:
        result = XMLVerifier().verify(
            element,
            x509_cert=certificate.parsed,
            parser=xml.parser(),
            id_attribute="ID",
            validate_schema=False,
            expect_config=configuration,
        )
    except (SignXMLException, etree.LxmlError, UnsupportedAlgorithm, ValueError):
        return None
    if not isinstance(result, VerifyResult) or not result.signed_data:
        return None
    canonical = result.signed_data
    covered = xml.parse(canonical)
    if covered.tag != element.tag or covered.get("ID") != element.get("ID"):
        return None
    return Verified(canonical, covered, certificate, method)


def _explained(signature: etree._Element, certificates: Sequence[Certificate], now: datetime) -> Failure:
    """Why it may have failed, for the administrator: expired, rolled over, or simply wrong."""
    seen = _fingerprint_in(signature)
    ours = [certificate.fingerprint_sha256 for certificate in certificates]
    expected = " ".join(ours)
    if certificates and all(certificate.expired(now) for certificate in certificates):
        last = max(certificate.not_after for certificate in certificates)
        return IdpCertificateExpired(not_after=last.isoformat(), seen=seen, expected=expected)
    if seen and seen not in ours:
        return SamlKeyUnknown(seen=seen, expected=expected)
    return SamlSignatureInvalid(problem="not_verified", seen=seen, expected=expected)


def _fingerprint_in(signature: etree._Element) -> str:
    """SHA-256 of the first certificate in ds:KeyInfo, or "" when there is none to name."""
    carried = signature.findtext(f"{ds('KeyInfo')}/{ds('X509Data')}/{ds('X509Certificate')}") or ""
    try:
        der = base64.b64decode("".join(carried.split()), validate=True)
    except ValueError:
        return ""
    return hashlib.sha256(der).hexdigest() if der else ""
