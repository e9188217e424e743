"""AuthnRequest and the redirect that carries it to the identity provider.

It says as little as the profile allows, because every further word is something that an identity provider can
refuse: no NameIDPolicy, no RequestedAuthnContext, no Subject.
Source: SAML Core 2.0 §3.4.1, Bindings 2.0 §3.4, Profiles 2.0 §4.1.4.1.
"""

import base64
import secrets
import zlib
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from lxml import etree

from llmops.broker.saml import names, times
from llmops.broker.saml.names import saml, samlp

RELAY_STATE_LIMIT_BYTES = 80  # Bindings 2.0 §3.4.3


@dataclass(frozen=True)
class AuthnRequest:
    """What was asked. The caller stores `id` before the redirect leaves (SAML-39)."""

    id: str
    xml: bytes


def new_id() -> str:
    """An ID that nobody can guess: 160 random bits, after `_` because an ID must not begin with a digit.

    Source: Core §1.3.4 (at least 128 bits), xs:ID.
    """
    return "_" + secrets.token_hex(20)


def authn_request(
    *,
    sp_entity_id: str,
    acs_url: str,
    destination: str,
    now: datetime,
    request_id: str | None = None,
    force_authn: bool = False,
) -> AuthnRequest:
    """Ask the identity provider at `destination` to send a Response to `acs_url` by POST."""
    request_id = request_id or new_id()
    root = etree.Element(samlp("AuthnRequest"), nsmap={"samlp": names.PROTOCOL, "saml": names.ASSERTION})
    root.set("ID", request_id)
    root.set("Version", "2.0")
    root.set("IssueInstant", times.write(now))
    root.set("Destination", destination)
    root.set("ProtocolBinding", names.HTTP_POST)
    root.set("AssertionConsumerServiceURL", acs_url)
    if force_authn:
        root.set("ForceAuthn", "true")
    etree.SubElement(root, saml("Issuer")).text = sp_entity_id
    return AuthnRequest(request_id, etree.tostring(root))


def redirect_url(
    request: AuthnRequest,
    *,
    sso_url: str,
    relay_state: str,
    signing_key: RSAPrivateKey | None = None,
    login_hint: str | None = None,
) -> str:
    """The address to send the browser to: HTTP-Redirect binding, DEFLATE encoding.

    `sso_url` may have a query of its own (Google's has). With `signing_key` the octets
    SAMLRequest=…&RelayState=…&SigAlg=… are signed exactly as they stand in the address. `login_hint` is
    understood by Entra and ignored by others.
    Raises: ValueError when `relay_state` has more than 80 bytes. Source: Bindings 2.0 §3.4.4, §3.4.3.
    """
    if len(relay_state.encode()) > RELAY_STATE_LIMIT_BYTES:
        raise ValueError("RelayState has more than 80 bytes")
    query = _parameter("SAMLRequest", base64.b64encode(_deflate(request.xml)).decode("ascii"))
    if relay_state:
        query += "&" + _parameter("RelayState", relay_state)
    if signing_key is not None:
        query += "&" + _parameter("SigAlg", names.RSA_SHA256)
        signed = signing_key.sign(query.encode("ascii"), padding.PKCS1v15(), hashes.SHA256())
        query += "&" + _parameter("Signature", base64.b64encode(signed).decode("ascii"))
    if login_hint:
        query += "&" + _parameter("login_hint", login_hint)
    address, _, _ = sso_url.partition("#")
    if "?" not in address:
        return f"{address}?{query}"
    return f"{address}{'' if address.endswith(('?', '&')) else '&'}{query}"


def _parameter(name: str, value: str) -> str:
    return f"{name}={quote(value, safe='')}"


def _deflate(octets: bytes) -> bytes:
    """Raw DEFLATE without zlib's header. Source: Bindings 2.0 §3.4.4.1, RFC 1951."""
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(octets) + compressor.flush()
