"""What strangers can send us, as functions over bytes: each ends in a result or in a typed refusal, quickly.

`make fuzz` lets Atheris search each for long, `test_fuzz.py` for a moment. A find becomes a case of `FOUND`.
"""

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lxml import etree
from saml import build
from saml.keys import signer

from llmops.base import email, targets
from llmops.base.addresses import Policy
from llmops.broker.oidc import callback, discovery, jose, keys, wire
from llmops.broker.saml import certificate, metadata, response
from llmops.errors import Failure
from llmops.web import multipart
from llmops.web.request import local_path

SLOWEST_SECONDS = 0.1
"""Of processor time, without the fuzzer's own instruments."""

_POLICY = Policy(allow_private=False, allow_loopback=False, ports=frozenset({443}))
_MESSAGE = etree.tostring(build.build("both"))
_METADATA = etree.tostring(build.metadata())
_NO_KEYS = keys.KeySet(())
_DISCOVERY = b"""{"issuer": "https://idp.test", "authorization_endpoint": "https://idp.test/a", "token_endpoint":
"https://idp.test/t", "jwks_uri": "https://idp.test/k", "response_types_supported": ["code"],
"id_token_signing_alg_values_supported": ["RS256"], "subject_types_supported": ["public"]}"""


@dataclass(frozen=True)
class Target:
    """One way in. `read` raises nothing but Failure; `seeds` are where the search begins."""

    read: Callable[[bytes], object]
    seeds: Sequence[bytes]


def saml_response(data: bytes) -> object:
    """The XML of a Response, as it comes out of its base64."""
    received = response.parse(base64.b64encode(data).decode())
    return response.check(received, build.rules(), now=build.NOW)


def acs_field(data: bytes) -> object:
    """The form field itself, before its base64."""
    return response.parse(data.decode("latin-1"))


def idp_metadata(data: bytes) -> object:
    """A metadata file."""
    return metadata.read(data, now=build.NOW)


def id_token(data: bytes) -> object:
    """A compact token, up to the search for its key."""
    return jose.verify(data.decode("latin-1"), _NO_KEYS, algorithms=("RS256", "ES256"))


def discovery_document(data: bytes) -> object:
    """A discovery document."""
    return discovery.read(data, issuer="https://idp.test")


def issuer_keys(data: bytes) -> object:
    """A JWKS document."""
    return keys.read(data)


def oidc_callback(data: bytes) -> object:
    """The parameters of a redirect URI."""
    parts = data.decode("latin-1").split("&")
    return callback.read_callback([(name, value) for name, _, value in (part.partition("=") for part in parts)])


def json_answer(data: bytes) -> object:
    """The JSON of a token or UserInfo endpoint; what is wrong with it is told by BadJson, which its callers turn."""
    try:
        return wire.json_object(data)
    except wire.BadJson:
        return None


def return_path(data: bytes) -> object:
    """Where to go after a sign-in: always a path of this site."""
    path = local_path(data.decode("utf-8", errors="replace"))
    assert path.startswith("/"), path
    assert not path.startswith(("//", "/\\")), path
    return path


def address(data: bytes) -> object:
    """What somebody types as an e-mail address: refused, or already in its stored form."""
    stored = email.normalise(data.decode("utf-8", errors="replace"))
    assert email.normalise(stored) == stored
    assert stored.count("@") == 1, stored
    return stored


def outbound_url(data: bytes) -> object:
    """An address that we are asked to call."""
    return targets.read(data.decode("utf-8", errors="replace"), policy=_POLICY)


def pasted_certificate(data: bytes) -> object:
    """What somebody pastes as a certificate."""
    return certificate.from_pasted(data)


def upload_form(data: bytes) -> object:
    """The body of a form with a file."""
    return multipart.read("multipart/form-data; boundary=x", data, most_fields=64)


TARGETS: Mapping[str, Target] = {
    "saml_response": Target(saml_response, [_MESSAGE, etree.tostring(build.build("assertion"))]),
    "acs_field": Target(acs_field, [base64.b64encode(_MESSAGE)]),
    "idp_metadata": Target(idp_metadata, [_METADATA]),
    "id_token": Target(id_token, [b"eyJhbGciOiJSUzI1NiJ9.e30.AA"]),
    "discovery_document": Target(discovery_document, [_DISCOVERY]),
    "issuer_keys": Target(issuer_keys, [b'{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "a"}]}']),
    "oidc_callback": Target(oidc_callback, [b"code=a&state=b&iss=c", b"error=access_denied&state=b"]),
    "json_answer": Target(json_answer, [b'{"access_token": "a", "id_token": "b", "expires_in": 3600}']),
    "return_path": Target(return_path, [b"/settings/team?q=a", b"//evil.test", b"/%2f/evil"]),
    "address": Target(address, ["Ann.Lee@acmé.test".encode(), b"a@b"]),
    "outbound_url": Target(outbound_url, [b"https://idp.test/metadata", b"https://[::ffff:127.0.0.1]/"]),
    "pasted_certificate": Target(pasted_certificate, [b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"]),
    "upload_form": Target(upload_form, [b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n']),
}

_VERSION = b"\xa0\x03\x02\x01"  # of an X.509 certificate; what follows is 2 for version 3
FOUND: Sequence[tuple[str, bytes]] = (
    ("return_path", b"/\xffevil.test"),
    ("pasted_certificate", signer().der.replace(_VERSION + b"\x02", _VERSION + b"\x42")),
)
"""Inputs that once broke a target, kept for good."""


def judge(target: Target, data: bytes, *, slowest_seconds: float = SLOWEST_SECONDS) -> bool:
    """Whether the input was taken. Anything but a typed refusal, or a slow answer, raises."""
    began = time.process_time()
    try:
        target.read(data)
        taken = True
    except Failure:
        taken = False
    spent = time.process_time() - began
    assert spent < slowest_seconds, f"{spent:.3f} s for {len(data)} bytes"
    return taken
