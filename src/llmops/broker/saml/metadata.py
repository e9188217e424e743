"""SAML metadata: read an identity provider's, write ours.

Every way in which a file can be useless has its own `problem` in MetadataInvalid, because the person who
uploaded it can repair most of them. Source: SAML Metadata 2.0 §2.3.2, §2.4; SAML-38.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from lxml import etree

from llmops.broker.saml import certificate, names, times, xml
from llmops.broker.saml.certificate import Certificate
from llmops.broker.saml.names import ds, md
from llmops.errors import MetadataInvalid, SamlMalformed

MEDIA_TYPES = ("application/samlmetadata+xml", "application/xml", "text/xml")
"""What an address of metadata may answer with: AD FS and Entra send the first, Okta and Keycloak the second.

A store of files sends others; then a person downloads the file, looks at it and uploads it.
"""
CERTIFICATE_LIMIT = 5
ENTITY_ID_LIMIT = 1024  # characters; Source: Core 2.0 §8.3.6
LOCATION_LIMIT = 2000  # characters; our request has to fit behind it
SOON = timedelta(days=30)
_BINDINGS = (names.HTTP_REDIRECT, names.HTTP_POST)  # in the order in which we like them


@dataclass(frozen=True)
class IdentityProvider:
    """What we need to know of one identity provider."""

    entity_id: str
    sso_url: str
    sso_binding: str
    certificates: tuple[Certificate, ...]
    wants_signed_requests: bool
    valid_until: datetime | None
    warnings: tuple[str, ...]  # certificate_ + unusable, expired, expires_soon or sha1


@dataclass(frozen=True, kw_only=True)
class ServiceProvider:
    """What an identity provider needs to know of us, for one connection."""

    entity_id: str
    acs_url: str
    signing_certificate: Certificate | None = None
    encryption_certificate: Certificate | None = None
    requests_signed: bool = False


def read(
    document: bytes,
    *,
    now: datetime,
    entity_id: str | None = None,
    our_entity_id: str | None = None,
    allow_http: bool = False,
) -> IdentityProvider:
    """The one identity provider in a metadata file, or the one named by `entity_id` where there are several.

    `our_entity_id` recognises our own metadata pasted back; `allow_http` is for development only.
    Raises: MetadataInvalid, `problem` being too_large, encoding, doctype, too_deep, too_wide, html_page,
    certificate_only, private_key, not_xml, not_metadata, sp_metadata, no_idp, our_own, several_entities (with
    `entity_ids`), entity_not_found, no_entity_id, entity_id_characters, valid_until, expired, no_sso_endpoint,
    sso_url_not_https, sso_url_too_long, no_signing_certificate, not_a_certificate or weak_key.
    """
    root = _parse(document)
    entity = _chosen(root, entity_id, our_entity_id)
    [descriptor] = _idp_descriptors(entity)
    valid_until = _valid_until([root, entity, descriptor], now)
    sso_url, binding = _sso(descriptor, allow_http)
    certificates, unusable = _signing_certificates(descriptor)
    return IdentityProvider(
        entity_id=entity.get("entityID", ""),
        sso_url=sso_url,
        sso_binding=binding,
        certificates=certificates,
        wants_signed_requests=descriptor.get("WantAuthnRequestsSigned") in ("true", "1"),
        valid_until=valid_until,
        warnings=tuple(_warnings(certificates, unusable, now)),
    )


def stated(
    *, entity_id: str, sso_url: str, certificates: tuple[Certificate, ...], now: datetime, allow_http: bool = False
) -> IdentityProvider:
    """An identity provider as a person states it, without metadata; requests go there by HTTP-Redirect.

    Raises: MetadataInvalid, `problem` being no_entity_id, entity_id_characters, sso_url_not_https,
    sso_url_too_long, no_signing_certificate or too_many_certificates.
    """
    if not entity_id:
        raise MetadataInvalid(problem="no_entity_id")
    if len(entity_id) > ENTITY_ID_LIMIT or not _is_plain(entity_id):
        raise MetadataInvalid(problem="entity_id_characters", seen=entity_id)
    _check_location(sso_url, allow_http)
    if not certificates:
        raise MetadataInvalid(problem="no_signing_certificate")
    if len(certificates) > CERTIFICATE_LIMIT:
        raise MetadataInvalid(problem="too_many_certificates", seen=len(certificates), expected=CERTIFICATE_LIMIT)
    return IdentityProvider(
        entity_id=entity_id,
        sso_url=sso_url,
        sso_binding=names.HTTP_REDIRECT,
        certificates=certificates,
        wants_signed_requests=False,
        valid_until=None,
        warnings=tuple(_warnings(certificates, False, now)),
    )


def _parse(document: bytes) -> etree._Element:
    """The XML, or what came in its place: a web page, a certificate, a private key."""
    start = document.removeprefix(b"\xef\xbb\xbf").lstrip()
    if b"PRIVATE KEY-----" in start:
        raise MetadataInvalid(problem="private_key")
    if start.startswith((b"-----BEGIN CERTIFICATE", b"MII")) or start[:2] == b"\x30\x82":
        raise MetadataInvalid(problem="certificate_only")
    if start[:14].lower() == b"<!doctype html" or start[:5].lower() == b"<html":
        raise MetadataInvalid(problem="html_page")
    return xml.parse(start, limit_bytes=xml.METADATA_LIMIT_BYTES, allow_comments=True, failure=MetadataInvalid)


def _chosen(root: etree._Element, entity_id: str | None, our_entity_id: str | None) -> etree._Element:
    """The EntityDescriptor with an IDPSSODescriptor that is meant."""
    if root.tag == md("EntityDescriptor"):
        entities = [root]
    elif root.tag == md("EntitiesDescriptor"):
        entities = list(root.iterdescendants(md("EntityDescriptor")))
    elif str(root.tag).rpartition("}")[2].lower() == "html":
        raise MetadataInvalid(problem="html_page")
    else:
        raise MetadataInvalid(problem="not_metadata", seen=root.tag, expected="EntityDescriptor")
    known = [entity.get("entityID", "") for entity in entities]
    if our_entity_id is not None and our_entity_id in known:
        raise MetadataInvalid(problem="our_own", seen=our_entity_id)
    providers = [entity for entity in entities if len(_idp_descriptors(entity)) == 1]
    if not providers:
        is_sp = any(entity.find(md("SPSSODescriptor")) is not None for entity in entities)
        problem = "sp_metadata" if is_sp else "no_idp"
        raise MetadataInvalid(problem=problem, seen=" ".join(known))
    if entity_id is not None:
        providers = [entity for entity in providers if entity.get("entityID") == entity_id]
        if not providers:
            raise MetadataInvalid(problem="entity_not_found", seen=" ".join(known), expected=entity_id)
    if len(providers) > 1:
        entity_ids = " ".join(entity.get("entityID", "") for entity in providers)
        raise MetadataInvalid(problem="several_entities", entity_ids=entity_ids)
    if not (name := providers[0].get("entityID", "")).strip():
        raise MetadataInvalid(problem="no_entity_id")
    if len(name) > ENTITY_ID_LIMIT:  # longer than an index of the database takes
        raise MetadataInvalid(problem="entity_id_characters", seen=name[:80])
    return providers[0]


def _idp_descriptors(entity: etree._Element) -> list[etree._Element]:
    """The entity's roles as an identity provider that speaks SAML 2.0. Source: Metadata §2.4.1, §2.4.3."""
    return [
        descriptor
        for descriptor in entity.findall(md("IDPSSODescriptor"))
        if names.PROTOCOL in descriptor.get("protocolSupportEnumeration", "").split()
    ]


def _valid_until(levels: list[etree._Element], now: datetime) -> datetime | None:
    """The earliest validUntil of file, entity and role. Source: Metadata §2.3.1, §2.3.2, §2.4.1."""
    moments = []
    for level in dict.fromkeys(levels):
        if (value := level.get("validUntil")) is not None:
            try:
                moments.append(times.read(value))
            except SamlMalformed:
                raise MetadataInvalid(problem="valid_until", seen=value) from None
    earliest = min(moments, default=None)
    if earliest is not None and now >= earliest:
        raise MetadataInvalid(problem="expired", seen=earliest, expected=now)
    return earliest


def _sso(descriptor: etree._Element, allow_http: bool) -> tuple[str, str]:
    """The SingleSignOnService to use: Redirect before POST, the first of each."""
    services = descriptor.findall(md("SingleSignOnService"))
    for binding in _BINDINGS:
        for service in services:
            if service.get("Binding") == binding:
                location = service.get("Location", "").strip()
                _check_location(location, allow_http)
                return location, binding
    offered = " ".join(service.get("Binding", "") for service in services)
    raise MetadataInvalid(problem="no_sso_endpoint", seen=offered, expected=" or ".join(_BINDINGS))


def _check_location(location: str, allow_http: bool) -> None:
    if len(location) > LOCATION_LIMIT:
        raise MetadataInvalid(problem="sso_url_too_long", seen=len(location), expected=LOCATION_LIMIT)
    schemes = ("https", "http") if allow_http else ("https",)
    try:
        parts = urlsplit(location)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not _is_plain(location):
        raise MetadataInvalid(problem="sso_url_not_https", seen=location)


def _is_plain(text: str) -> bool:
    """No spaces, no control characters, nothing that turns the order of letters around."""
    return not any(character.isspace() or not character.isprintable() for character in text)


def _signing_certificates(descriptor: etree._Element) -> tuple[tuple[Certificate, ...], bool]:
    """All signing certificates, at most five, without repeats; a KeyDescriptor without `use` is for both.

    The second result tells whether one was passed over because it cannot be used.

    An expired one is kept, for it may be the one in use. Raises: MetadataInvalid when none is left.
    Source: Metadata §2.4.1.1, Metadata Interoperability Profile §2.6.
    """
    found: dict[str, Certificate] = {}
    unusable: MetadataInvalid | None = None
    for key in descriptor.findall(md("KeyDescriptor")):
        if key.get("use", "signing") != "signing":
            continue
        for element in key.iterfind(f"{ds('KeyInfo')}/{ds('X509Data')}/{ds('X509Certificate')}"):
            try:
                read_one = certificate.from_base64("".join(element.itertext()))
            except MetadataInvalid as failure:
                unusable = failure
            else:
                found.setdefault(read_one.fingerprint_sha256, read_one)
    if not found:
        raise unusable or MetadataInvalid(problem="no_signing_certificate")
    return tuple(found.values())[:CERTIFICATE_LIMIT], unusable is not None


def _warnings(certificates: tuple[Certificate, ...], unusable: bool, now: datetime) -> Iterator[str]:
    if unusable:
        yield "certificate_unusable"
    if any(one.expired(now) for one in certificates):
        yield "certificate_expired"
    if any(not one.expired(now) and one.expired(now + SOON) for one in certificates):
        yield "certificate_expires_soon"
    if any(one.signed_with_sha1 for one in certificates):
        yield "certificate_sha1"


def write(sp: ServiceProvider) -> bytes:
    """Our metadata for one connection. Source: Metadata §2.4.4."""
    root = etree.Element(md("EntityDescriptor"), nsmap={"md": names.METADATA, "ds": names.DSIG})
    root.set("entityID", sp.entity_id)
    descriptor = etree.SubElement(root, md("SPSSODescriptor"))
    descriptor.set("AuthnRequestsSigned", "true" if sp.requests_signed else "false")
    descriptor.set("WantAssertionsSigned", "true")
    descriptor.set("protocolSupportEnumeration", names.PROTOCOL)
    for use, published in (("signing", sp.signing_certificate), ("encryption", sp.encryption_certificate)):
        if published is not None:
            key = etree.SubElement(descriptor, md("KeyDescriptor"), use=use)
            x509_data = etree.SubElement(etree.SubElement(key, ds("KeyInfo")), ds("X509Data"))
            etree.SubElement(x509_data, ds("X509Certificate")).text = published.encoded
            if use == "encryption":
                for method in (names.AES256_GCM, names.AES128_GCM, names.RSA_OAEP_MGF1P):
                    etree.SubElement(key, md("EncryptionMethod"), Algorithm=method)
    for kind in (names.EMAIL_ADDRESS, names.PERSISTENT):
        etree.SubElement(descriptor, md("NameIDFormat")).text = kind
    acs = etree.SubElement(descriptor, md("AssertionConsumerService"))
    acs.set("Binding", names.HTTP_POST)
    acs.set("Location", sp.acs_url)
    acs.set("index", "0")
    acs.set("isDefault", "true")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")
