"""Let other libraries judge the vectors: `judge.py VECTORS VERDICTS`, in an environment of its own (`make judges`).

Each library is used as its documentation says, in its strict settings, with the same certificate, addresses, request
and clock that we have. What it leaves to the application is left out, and shows as a difference.
"""

import base64
import importlib.metadata
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import jwt
from freezegun import freeze_time
from jwcrypto.jwk import JWKSet
from jwcrypto.jwt import JWT
from lxml import etree
from onelogin.saml2.response import OneLogin_Saml2_Response
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from saml2 import BINDING_HTTP_POST
from saml2.client import Saml2Client
from saml2.config import SPConfig
from signxml.verifier import XMLVerifier

Judge = Callable[[dict[str, Any], dict[str, Any]], str | None]
"""The subject that is read, or None or any exception where the message is refused."""

ALLOWANCE_SECONDS = 180
_NAME_ID = ".//{urn:oasis:names:tc:SAML:2.0:assertion}NameID"
_POST = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"
_REDIRECT = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect"
_WORK = Path(tempfile.mkdtemp())


# --- SAML --------------------------------------------------------------------------------------------------------


def python3_saml(known: dict[str, Any], vector: dict[str, Any]) -> str | None:
    """OneLogin_Saml2_Response.is_valid in strict mode; Source: the project's README."""
    settings = OneLogin_Saml2_Settings(
        {
            "strict": True,
            "sp": {
                "entityId": known["sp"],
                "assertionConsumerService": {"url": known["acs"], "binding": _POST},
                "NameIDFormat": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
                "x509cert": known["sp_certificate"],
                "privateKey": known["sp_key"],
            },
            "idp": {
                "entityId": known["idp"],
                "singleSignOnService": {"url": "https://idp.example.test/sso", "binding": _REDIRECT},
                "x509cert": vector["certificate"],
            },
            "security": {
                "wantMessagesSigned": vector["want_signed"] in ("response", "both"),
                "wantAssertionsSigned": vector["want_signed"] in ("assertion", "both"),
                "rejectUnsolicitedResponsesWithInResponseTo": True,
                "rejectDeprecatedAlgorithm": True,
            },
        }
    )
    host, _, path = known["acs"].removeprefix("https://").partition("/")
    request = {
        "https": "on",
        "http_host": host,
        "script_name": f"/{path}",
        "get_data": {},
        "post_data": {"SAMLResponse": vector["message"]},
    }
    response = OneLogin_Saml2_Response(settings, vector["message"])
    if not response.is_valid(request, vector["request_id"], raise_exceptions=True):
        return None
    return response.get_nameid()


@cache
def _pysaml2_client(sp: str, acs: str, idp: str, certificate: str, want_signed: str, unsolicited: bool) -> Saml2Client:
    body = "".join(line for line in certificate.splitlines() if not line.startswith("-"))
    metadata = (
        f'<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="{idp}"><md:IDPSSODescriptor '
        'protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol"><md:KeyDescriptor use="signing">'
        '<ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>'
        f"{body}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        f'<md:SingleSignOnService Binding="{_REDIRECT}" Location="https://idp.example.test/sso"/>'
        "</md:IDPSSODescriptor></md:EntityDescriptor>"
    )
    key, own = str(_WORK / "sp.key"), str(_WORK / "sp.crt")
    configuration = {
        "entityid": sp,
        "xmlsec_binary": shutil.which("xmlsec1"),
        "key_file": key,
        "cert_file": own,
        "encryption_keypairs": [{"key_file": key, "cert_file": own}],
        "metadata": {"inline": [metadata]},
        "accepted_time_diff": ALLOWANCE_SECONDS,
        "service": {
            "sp": {
                "endpoints": {"assertion_consumer_service": [(acs, BINDING_HTTP_POST)]},
                "allow_unsolicited": unsolicited,
                "want_response_signed": want_signed in ("response", "both"),
                "want_assertions_signed": want_signed in ("assertion", "both"),
                "want_assertions_or_response_signed": True,
            }
        },
    }
    return Saml2Client(config=SPConfig().load(configuration))


def pysaml2(known: dict[str, Any], vector: dict[str, Any]) -> str | None:
    """Saml2Client.parse_authn_request_response, with xmlsec1. Source: the project's «How to use pysaml2» (SP)."""
    (_WORK / "sp.key").write_text(known["sp_key"])
    (_WORK / "sp.crt").write_text(known["sp_certificate"])
    unsolicited = vector["request_id"] is None
    client = _pysaml2_client(
        known["sp"], known["acs"], known["idp"], vector["certificate"], vector["want_signed"], unsolicited
    )
    outstanding = {} if unsolicited else {vector["request_id"]: "/"}
    conversation = {"entity_id": known["sp"], "remote_addr": "198.51.100.7", "request_uri": known["acs"]}
    answer = client.parse_authn_request_response(
        vector["message"], BINDING_HTTP_POST, outstanding, conv_info=conversation
    )
    return None if answer is None else answer.get_subject().text


def signxml(known: dict[str, Any], vector: dict[str, Any]) -> str | None:
    """XMLVerifier alone: what the covered bytes say. It judges signatures only. Source: its documentation, «SAML»."""
    covered = XMLVerifier().verify(base64.b64decode(vector["message"]), x509_cert=vector["certificate"]).signed_xml
    return None if covered is None else (covered.findtext(_NAME_ID) or "")


# --- JOSE --------------------------------------------------------------------------------------------------------


def pyjwt(known: dict[str, Any], vector: dict[str, Any]) -> str | None:
    """jwt.decode with the key that `kid` names, or with the only one."""
    published = jwt.PyJWKSet.from_json(vector["keys"])
    kid = jwt.get_unverified_header(vector["token"]).get("kid")
    key = published[kid] if kid is not None else published.keys[0]
    claims = jwt.decode(
        vector["token"],
        key,
        algorithms=known["algorithms"],
        audience=known["client_id"],
        issuer=known["issuer"],
        leeway=ALLOWANCE_SECONDS,
        options={"require": ["exp", "iat", "iss", "aud", "sub"]},
    )
    return claims["sub"]


def jwcrypto(known: dict[str, Any], vector: dict[str, Any]) -> str | None:
    """jwcrypto.jwt.JWT with the whole key set and the claims that must be there."""
    token = JWT(
        check_claims={
            "iss": known["issuer"],
            "aud": known["client_id"],
            "exp": None,
            "iat": None,
            "sub": None,
            "nonce": known["nonce"],
        },
        algs=known["algorithms"],
    )
    token.leeway = ALLOWANCE_SECONDS
    token.deserialize(vector["token"], JWKSet.from_json(vector["keys"]))
    return json.loads(token.claims)["sub"]


# --- All together ------------------------------------------------------------------------------------------------

SAML: dict[str, Judge] = {"python3-saml": python3_saml, "pysaml2": pysaml2, "signxml": signxml}
JOSE: dict[str, Judge] = {"pyjwt": pyjwt, "jwcrypto": jwcrypto}


def _verdict(judge: Judge, known: dict[str, Any], vector: dict[str, Any]) -> tuple[str | None, str]:
    """The subject that a library reads, or None and why it refuses: for it, any exception is a refusal."""
    try:
        return judge(known, vector), ""
    except etree.LxmlError as failure:
        return None, f"lxml: {failure}"
    except Exception as failure:
        return None, f"{type(failure).__name__}: {failure}"


def _fits(library: str, vector: dict[str, Any]) -> bool:
    """signxml knows neither encryption nor SAML's fields, and a Response that demands several signatures."""
    if library != "signxml":
        return True
    plain = vector["style"] in ("assertion", "response", "both")
    return plain and vector["signatures_only"] and vector["want_signed"] == "any"


def main(vectors: Path, verdicts: Path) -> None:
    """Judge everything at the vectors' own moment."""
    logging.disable(logging.CRITICAL)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libxml2 prints what it refuses, a few thousand lines of it
    known = json.loads(vectors.read_text())
    found: dict[str, Any] = {}
    with freeze_time(known["now"]):
        for library, judge in SAML.items():
            if library == "pysaml2" and not shutil.which("xmlsec1"):
                found[library] = {"missing": "xmlsec1 is not on this machine"}
                continue
            fitting = [vector for vector in known["responses"] if _fits(library, vector)]
            found[library] = _judged(library, judge, known, fitting)
        for library, judge in JOSE.items():
            found[library] = _judged(library, judge, known, known["id_tokens"])
    verdicts.write_text(json.dumps(found, indent=1))


def _judged(library: str, judge: Judge, known: dict[str, Any], vectors: list[dict[str, Any]]) -> dict[str, Any]:
    judged = []
    for vector in vectors:
        reads, why = _verdict(judge, known, vector)
        judged.append({"name": vector["name"], "style": vector.get("style", ""), "reads": reads, "why": why[:200]})
    return {"version": importlib.metadata.version(library), "judged": judged}


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
