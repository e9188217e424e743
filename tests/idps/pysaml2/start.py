#!/usr/bin/env python3
"""A SAML 2.0 identity provider made of pysaml2, with the xmlsec1 program (Debian) or, without it, pyXMLSecurity.

start.py        start in the background, wait until ready, print ready.json, exit
start.py --fg   stay in the foreground
start.py stop   stop what this script started in $WORK
"""

import json
import re
import sys
import urllib.parse
from pathlib import Path
from xml.sax.saxutils import quoteattr

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from starter import announce, environment, flag, from_json_file, place, start, stop, variable

AT = place("pysaml2", port=18087)
NAME_ID = {
    "email": "urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress",
    "persistent": "urn:oasis:names:tc:SAML:2.0:nameid-format:persistent",
    "transient": "urn:oasis:names:tc:SAML:2.0:nameid-format:transient",
}
USERS = {
    "ann": {
        "password": "ann-pw",
        "uid": ["ann"],
        "email": ["ann@example.test"],
        "firstName": ["Ann"],
        "lastName": ["Lee"],
        "displayName": ["Ann Lee"],
        "groups": ["engineering", "admins"],
    },
    "bob": {
        "password": "bob-pw",
        "uid": ["bob"],
        "email": ["bob@example.test"],
        "firstName": ["Bob"],
        "lastName": ["Ray"],
        "displayName": ["Bob Ray"],
        "groups": ["sales"],
    },
}


def service_providers() -> list[dict]:
    """SPS_JSON, or one service provider from SP_*.

    Each has entity_id and acs_url; it may have slo_url, cert (PEM), metadata_file or metadata_xml, nameid_format,
    want_signed_requests, encrypt, sign_response, sign_assertion, audience (to name another one than its own).
    """
    found = from_json_file("SPS_JSON") or [
        {
            "entity_id": variable("SP_ENTITY_ID", "https://sp.example.test/saml/metadata"),
            "acs_url": variable("SP_ACS_URL", "http://127.0.0.1:8000/saml/acs"),
            "slo_url": variable("SP_SLO_URL"),
            "metadata_file": variable("SP_METADATA_FILE"),
            "nameid_format": variable("SP_NAMEID_FORMAT", "email"),
            "sign_response": flag("SP_SIGN_RESPONSE", "1"),
            "sign_assertion": flag("SP_SIGN_ASSERTION", "1"),
            "want_signed_requests": flag("SP_SIGNS_REQUESTS"),
            "encrypt": flag("SP_ENCRYPT"),
            "cert": Path(variable("SP_CERT_FILE")).read_text() if variable("SP_CERT_FILE") else None,
            "audience": variable("SP_AUDIENCE"),
        }
    ]
    for sp in found:
        sp["nameid_format"] = NAME_ID.get(sp.get("nameid_format", "email"), sp.get("nameid_format"))
    return found


def metadata(sp: dict) -> str:
    """The service provider's metadata: its own, or what its entry says."""
    if sp.get("metadata_file"):
        return Path(sp["metadata_file"]).read_text()
    if sp.get("metadata_xml"):
        return sp["metadata_xml"]
    certificate = re.sub(r"-----[^-]+-----|\s", "", sp.get("cert") or "")
    keys = "".join(
        f'<md:KeyDescriptor use="{use}"><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}'
        "</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        for use in ("signing", "encryption")
        if certificate
    )
    logout = "".join(
        f'<md:SingleLogoutService Binding="urn:oasis:names:tc:SAML:2.0:bindings:{binding}" '
        f"Location={quoteattr(sp['slo_url'])}/>"
        for binding in ("HTTP-Redirect", "HTTP-POST")
        if sp.get("slo_url")
    )
    signs = "true" if sp.get("want_signed_requests") else "false"
    return (
        '<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" '
        f'xmlns:ds="http://www.w3.org/2000/09/xmldsig#" entityID={quoteattr(sp["entity_id"])}>'
        f'<md:SPSSODescriptor AuthnRequestsSigned="{signs}" WantAssertionsSigned="true" '
        f'protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">{keys}{logout}'
        '<md:AssertionConsumerService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" '
        f'Location={quoteattr(sp["acs_url"])} index="0" isDefault="true"/></md:SPSSODescriptor></md:EntityDescriptor>'
    )


def configure(providers: list[dict], users: dict) -> None:
    folder = AT.work / "sp-metadata"
    folder.mkdir(exist_ok=True)
    for old in folder.iterdir():
        old.unlink()
    for number, sp in enumerate(providers):
        (folder / f"sp{number}.xml").write_text(metadata(sp))
        if sp.get("audience"):  # pysaml2 names nobody whose metadata it has not read
            (folder / f"sp{number}-audience.xml").write_text(metadata({**sp, "entity_id": sp["audience"]}))
    (AT.work / "sps.json").write_text(json.dumps(providers, indent=1))
    (AT.work / "users.json").write_text(json.dumps(users, indent=1))


def main() -> None:
    stop(AT)
    if "stop" in sys.argv[1:]:
        return
    providers = service_providers()
    users = json.loads(variable("PYSAML2_USERS_JSON", "null")) or USERS
    configure(providers, users)
    process = start(
        AT,
        [environment("pysaml2") / "python", HERE / "idp.py"],
        probe=f"http://{AT.host}:{AT.port}/metadata",
        expected=b"EntityDescriptor",
        PORT=str(AT.port),
        HOST=AT.host,
        BASE_URL=AT.base,
        WORK=str(AT.work),
    )
    first = sorted(users)[0]
    announce(
        AT,
        process,
        entity_id=variable("IDP_ENTITY_ID") or AT.base + "/metadata",
        saml_metadata=AT.base + "/metadata",
        saml_sso=AT.base + "/sso/redirect",
        saml_slo=AT.base + "/slo/redirect",
        idp_initiated=[
            f"{AT.base}/idp-initiated?sp={urllib.parse.quote(sp['entity_id'], safe='')}" for sp in providers
        ],
        user=first,
        password=users[first]["password"],
        users=sorted(users),
        passwords={name: user["password"] for name, user in users.items()},
    )


main()
