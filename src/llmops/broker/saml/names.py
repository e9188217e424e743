"""Namespaces and URNs of SAML 2.0, XML Signature and XML Encryption, as the specifications spell them."""

from typing import Final

# Namespaces
ASSERTION: Final = "urn:oasis:names:tc:SAML:2.0:assertion"
PROTOCOL: Final = "urn:oasis:names:tc:SAML:2.0:protocol"
METADATA: Final = "urn:oasis:names:tc:SAML:2.0:metadata"
DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
XENC: Final = "http://www.w3.org/2001/04/xmlenc#"
XENC11: Final = "http://www.w3.org/2009/xmlenc11#"
EXC_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
XML: Final = "http://www.w3.org/XML/1998/namespace"

# Bindings and methods
HTTP_POST: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
HTTP_REDIRECT: Final = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
BEARER: Final = "urn:oasis:names:tc:SAML:2.0:cm:bearer"

# Formats
ENTITY: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:entity"
EMAIL_ADDRESS: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress"
PERSISTENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"
TRANSIENT: Final = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient"
UNSPECIFIED: Final = "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"

# Status
STATUS: Final = "urn:oasis:names:tc:SAML:2.0:status:"
SUCCESS: Final = STATUS + "Success"

# Signature, digest and canonicalization methods
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
RSA_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
RSA_SHA512: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
ECDSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
ECDSA_SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
ECDSA_SHA512: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"
SHA1: Final = "http://www.w3.org/2000/09/xmldsig#sha1"
SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
SHA384: Final = "http://www.w3.org/2001/04/xmldsig-more#sha384"
SHA512: Final = "http://www.w3.org/2001/04/xmlenc#sha512"
ENVELOPED_SIGNATURE: Final = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"

# Encryption methods
RSA_OAEP_MGF1P: Final = XENC + "rsa-oaep-mgf1p"
RSA_OAEP: Final = XENC11 + "rsa-oaep"
MGF1_SHA1: Final = XENC11 + "mgf1sha1"
MGF1_SHA256: Final = XENC11 + "mgf1sha256"
MGF1_SHA384: Final = XENC11 + "mgf1sha384"
MGF1_SHA512: Final = XENC11 + "mgf1sha512"
AES128_GCM: Final = XENC11 + "aes128-gcm"
AES192_GCM: Final = XENC11 + "aes192-gcm"
AES256_GCM: Final = XENC11 + "aes256-gcm"
AES128_CBC: Final = XENC + "aes128-cbc"
AES192_CBC: Final = XENC + "aes192-cbc"
AES256_CBC: Final = XENC + "aes256-cbc"


def saml(name: str) -> str:
    """The element `saml:name` as lxml spells it."""
    return f"{{{ASSERTION}}}{name}"


def samlp(name: str) -> str:
    """The element `samlp:name` as lxml spells it."""
    return f"{{{PROTOCOL}}}{name}"


def md(name: str) -> str:
    """The element `md:name` as lxml spells it."""
    return f"{{{METADATA}}}{name}"


def ds(name: str) -> str:
    """The element `ds:name` as lxml spells it."""
    return f"{{{DSIG}}}{name}"


def xenc(name: str) -> str:
    """The element `xenc:name` as lxml spells it."""
    return f"{{{XENC}}}{name}"
