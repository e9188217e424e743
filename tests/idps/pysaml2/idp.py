"""A small identity provider around pysaml2's own Server class; run by start.py.

pysaml2 does all SAML: parsing, NameIDs, assertions, signing, encryption, logout. This file is the login form, the
routing and the throw-away key.
"""

import datetime
import html
import json
import os
import shutil
import sys
import uuid
from http.cookies import SimpleCookie
from pathlib import Path
from socketserver import ThreadingMixIn
from urllib.parse import parse_qsl, urlencode
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.config import IdPConfig
from saml2.metadata import entity_descriptor
from saml2.saml import (
    NAME_FORMAT_BASIC,
    NAMEID_FORMAT_EMAILADDRESS,
    NAMEID_FORMAT_PERSISTENT,
    NAMEID_FORMAT_TRANSIENT,
    NAMEID_FORMAT_UNSPECIFIED,
    NameID,
)
from saml2.server import Server

variable = os.environ.get
PORT, WORK = int(os.environ["PORT"]), Path(os.environ["WORK"])
BASE = os.environ["BASE_URL"].rstrip("/")
BACKEND = variable("PYSAML2_BACKEND") or ("xmlsec1" if shutil.which("xmlsec1") else "XMLSecurity")
KEY, CERTIFICATE = WORK / "idp.key", WORK / "idp.crt"


def users() -> dict:
    """Its people, read anew each time: a test changes the file as an administrator changes a record."""
    return json.loads((WORK / "users.json").read_text())


def service_providers() -> list[dict]:
    """The applications, read anew each time too; other addresses need a restart."""
    return json.loads((WORK / "sps.json").read_text())


def make_key() -> None:
    """A throw-away RSA key (pysaml2 wants it in the traditional form) and its self-signed certificate, once a folder.

    The certificate ends in PYSAML2_CERT_DAYS days; it has expired already when that is negative.
    """
    if CERTIFICATE.exists():
        return
    days = int(variable("PYSAML2_CERT_DAYS", "3650"))
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name.from_rfc4514_string("CN=throwaway-pysaml2")
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + datetime.timedelta(days=min(days, 0) - 1))
        .not_valid_after(now + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    KEY.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.TraditionalOpenSSL, plain))
    CERTIFICATE.write_bytes(certificate.public_bytes(pem))


def settings() -> dict:
    idp = {
        "name": "Throw-away pysaml2 IdP",
        # pysaml2's own default is SHA-1
        "signing_algorithm": variable("PYSAML2_SIGN_ALG", "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"),
        "digest_algorithm": "http://www.w3.org/2001/04/xmlenc#sha256",
        "endpoints": {
            service: [(f"{BASE}/{path}/redirect", BINDING_HTTP_REDIRECT), (f"{BASE}/{path}/post", BINDING_HTTP_POST)]
            for service, path in (("single_sign_on_service", "sso"), ("single_logout_service", "slo"))
        },
        "name_id_format": [
            NAMEID_FORMAT_EMAILADDRESS,
            NAMEID_FORMAT_PERSISTENT,
            NAMEID_FORMAT_TRANSIENT,
            NAMEID_FORMAT_UNSPECIFIED,
        ],
        "want_authn_requests_signed": variable("SP_SIGNS_REQUESTS", "0") == "1",
        "policy": {
            "default": {
                "lifetime": {"minutes": 10},
                "attribute_restrictions": None,
                "name_form": NAME_FORMAT_BASIC,
                "nameid_format": NAMEID_FORMAT_EMAILADDRESS,
            }
        },
    }
    backend = (
        {"xmlsec_binary": shutil.which("xmlsec1")} if BACKEND == "xmlsec1" else {"crypto_backend": "XMLSecurity"}
    )
    return backend | {
        "entityid": variable("IDP_ENTITY_ID") or BASE + "/metadata",
        "key_file": str(KEY),
        "cert_file": str(CERTIFICATE),
        "encryption_keypairs": [{"key_file": str(KEY), "cert_file": str(CERTIFICATE)}],
        "metadata": {"local": [str(WORK / "sp-metadata")]},
        "delete_tmpfiles": True,
        "debug": 0,
        "accepted_time_diff": 60,
        "valid_for": 24,
        "service": {"idp": idp},
    }


make_key()
SERVER = Server(config=IdPConfig().load(settings()))
METADATA = str(entity_descriptor(SERVER.config))
PENDING: dict[str, dict] = {}  # form key -> request
SESSIONS: dict[str, str] = {}  # cookie -> user


class Refused(Exception):
    """The message is not acceptable; the text says why."""


def binding_of(path: str) -> str:
    return BINDING_HTTP_REDIRECT if path.endswith("redirect") else BINDING_HTTP_POST


def parsed(reader, path: str, fields: dict[str, str]):
    """What `reader` of pysaml2 makes of the SAMLRequest. Raises: Refused."""
    signature = {"sigalg": fields.get("SigAlg"), "signature": fields.get("Signature")}
    try:
        return reader(fields["SAMLRequest"], binding_of(path), relay_state=fields.get("RelayState"), **signature)
    except Exception as failure:
        raise Refused(f"{type(failure).__name__}: {failure}") from failure


def asked(path: str, fields: dict[str, str]) -> dict:
    """What the service provider asks for; an IdP-initiated login asks for nothing. Raises: Refused."""
    if path == "/idp-initiated":
        sp = next((sp for sp in service_providers() if sp["entity_id"] == fields.get("sp")), service_providers()[0])
        return {"sp": sp["entity_id"], "acs": sp["acs_url"], "relay_state": fields.get("RelayState", "")}
    message = parsed(SERVER.parse_authn_request, path, fields).message
    try:
        acs = SERVER.response_args(message, [BINDING_HTTP_POST])["destination"]
    except Exception as failure:
        raise Refused(f"{type(failure).__name__}: {failure}") from failure
    policy = message.name_id_policy
    named = policy is not None and policy.format != NAMEID_FORMAT_UNSPECIFIED
    return {
        "sp": message.issuer.text,
        "id": message.id,
        "acs": acs,
        "policy": policy,
        "nameid_format": policy.format if named else None,
        "relay_state": fields.get("RelayState", ""),
        "force": message.force_authn == "true",
    }


def answer(request: dict, user: str) -> str:
    """The page whose form carries the Response to the service provider."""
    sp = next((sp for sp in service_providers() if sp["entity_id"] == request["sp"]), {})
    identity = {name: value for name, value in users()[user].items() if name != "password"}
    wanted = request.get("nameid_format") or sp.get("nameid_format") or NAMEID_FORMAT_EMAILADDRESS
    name_id = None
    if wanted in (NAMEID_FORMAT_EMAILADDRESS, NAMEID_FORMAT_UNSPECIFIED):
        name_id = NameID(format=NAMEID_FORMAT_EMAILADDRESS, text=identity["email"][0])
    sign_assertion = sp.get("sign_assertion", True)
    response = SERVER.create_authn_response(
        identity=identity,
        userid=user,
        in_response_to=request.get("id"),
        destination=request["acs"],
        sp_entity_id=sp.get("audience") or request["sp"],
        name_id=name_id,
        name_id_policy=request.get("policy"),
        authn={"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_auth": BASE},
        # pyXMLSecurity gives both signatures the same Id when both are asked for: then only the assertion
        sign_response=sp.get("sign_response", True) and not (BACKEND != "xmlsec1" and sign_assertion),
        sign_assertion=sign_assertion,
        encrypt_assertion=bool(sp.get("encrypt")),
        encrypt_cert_assertion=None,
        session_not_on_or_after=None,
    )
    return posted(str(response), request["acs"], request.get("relay_state", ""))


def posted(message: str, address: str, relay_state: str) -> str:
    sent = SERVER.apply_binding(BINDING_HTTP_POST, message, address, relay_state, response=True)["data"]
    return sent if isinstance(sent, str) else "".join(sent)


def log_out(start, path: str, fields: dict[str, str], session: str | None):
    """Answer a LogoutRequest by the binding it came by. Raises: Refused."""
    message = parsed(SERVER.parse_logout_request, path, fields).message
    SESSIONS.pop(session, None)
    binding = binding_of(path)
    response = str(SERVER.create_logout_response(message, [binding], sign=binding == BINDING_HTTP_POST))
    _, address = SERVER.pick_binding("single_logout_service", [binding], "spsso", entity_id=message.issuer.text)
    forget = ("Set-Cookie", "idp=; Max-Age=0; Path=/")
    if binding == BINDING_HTTP_POST:
        return send(start, posted(response, address, fields.get("RelayState", "")), forget)
    sent = SERVER.apply_binding(binding, response, address, fields.get("RelayState", ""), response=True, sign=True)
    start("302 Found", [("Location", dict(sent["headers"])["Location"]), forget])
    return [b""]


def send(start, text: str, *headers: tuple[str, str], status: str = "200 OK", kind: str = "text/html; charset=utf-8"):
    start(status, [("Content-Type", kind), *headers])
    return [text.encode()]


def titled(title: str, body: str = "") -> str:
    return f"<!doctype html><title>{title}</title><h1>{title}</h1>{body}"


def login_form(request: dict) -> str:
    key = uuid.uuid4().hex
    PENDING[key] = request
    return titled(
        "Sign in",
        f'<form method="post" action="/login"><input type="hidden" name="key" value="{key}">'
        '<input name="username" placeholder="username"><input type="password" name="password">'
        "<button>Sign in</button></form>",
    )


def log_in(start, fields: dict[str, str]):
    user, key = fields.get("username", ""), fields.get("key", "")
    known = users()
    if user not in known or known[user]["password"] != fields.get("password") or key not in PENDING:
        return send(start, titled("Wrong username or password"), status="403 Forbidden")
    session = uuid.uuid4().hex
    SESSIONS[session] = user
    return send(start, answer(PENDING.pop(key), user), ("Set-Cookie", f"idp={session}; Path=/; HttpOnly"))


def received(environ: dict) -> dict[str, str]:
    fields = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    if environ["REQUEST_METHOD"] == "POST":
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
        fields |= dict(parse_qsl(body, keep_blank_values=True))
    return fields


def route(environ: dict, start):
    path, fields = environ["PATH_INFO"], received(environ)
    cookie = SimpleCookie(environ.get("HTTP_COOKIE", "")).get("idp")
    session = cookie.value if cookie else None
    user = SESSIONS.get(session)
    if path == "/metadata":
        return send(start, METADATA, kind="application/samlmetadata+xml")
    if path in ("/sso/redirect", "/sso/post", "/idp-initiated"):
        request = asked(path, fields)
        signed_in = user and not request.get("force")
        return send(start, answer(request, user) if signed_in else login_form(request))
    if path == "/login" and environ["REQUEST_METHOD"] == "POST":
        return log_in(start, fields)
    if path in ("/slo/redirect", "/slo/post") and "SAMLRequest" in fields:
        return log_out(start, path, fields, session)
    links = "".join(
        f'<p><a href="/idp-initiated?{urlencode({"sp": sp["entity_id"]})}">{html.escape(sp["entity_id"])}</a>'
        for sp in service_providers()
    )
    return send(start, titled(f"pysaml2 IdP ({BACKEND})", f"<p>user: {html.escape(str(user))}</p>{links}"))


def app(environ: dict, start):
    try:
        return route(environ, start)
    except Refused as refusal:
        return send(start, titled("Request refused", html.escape(str(refusal))), status="400 Bad Request")


class Threading(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, format, *arguments):
        sys.stderr.write(f"{self.log_date_time_string()} {format % arguments}\n")


make_server(variable("HOST", "127.0.0.1"), PORT, app, Threading, Quiet).serve_forever()
