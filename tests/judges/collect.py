"""Write every vector, as a message, for libraries that live in another environment: `collect.py FILE`.

The product itself judges each first; a library that decides otherwise needs a reason (TST-09).
"""

import base64
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from oidc import provider as op
from oidc import vectors as tokens
from saml import build
from saml.keys import signer
from saml.vectors import table
from saml.vectors.crypto import CRYPTO
from saml.vectors.harmless import HARMLESS
from saml.vectors.parsing import PARSING
from saml.vectors.vector import Vector
from saml.vectors.wrapping import SIGNATURES, WRAPPING

from llmops.broker.oidc import id_token, keys
from llmops.errors import Failure

_ABOUT_SIGNATURES = [*WRAPPING, *SIGNATURES, *PARSING, *CRYPTO, *HARMLESS]


def responses() -> Iterator[dict[str, Any]]:
    """Each SAML vector in each of its styles, with what a service provider has to know to judge it."""
    for vector in table.VECTORS:
        for style in vector.styles:
            message = vector.make(style)
            yield {
                "name": vector.name,
                "style": style,
                "message": base64.b64encode(message).decode(),
                "certificate": vector.pinned().certificate.pem,
                "want_signed": vector.want_signed,
                "request_id": None if style == "unsolicited" else build.REQUEST,
                "signatures_only": vector in _ABOUT_SIGNATURES,
                "reads": _reads(vector, style, message),
            }


def _reads(vector: Vector, style: str, message: bytes) -> str | None:
    """The subject that we accept, None if we refuse."""
    try:
        return build.judge(message, **vector.rules(style)).subject.value
    except Failure:
        return None


def id_tokens() -> Iterator[dict[str, Any]]:
    """Each token but those that are hostile only by what one connection demands."""
    for vector in tokens.VECTORS:
        if not vector.rules:
            token = vector.make()
            yield {
                "name": vector.name,
                "token": token,
                "keys": vector.keys().decode(),
                "reads": _subject(token, vector.keys()),
            }


def _subject(token: str, published: bytes) -> str | None:
    try:
        return id_token.check_id_token(
            token, keys.read(published), rules=op.rules(), access_token=op.ACCESS_TOKEN, now=op.NOW
        ).subject
    except Failure:
        return None


def main(file: Path) -> None:
    """Everything in one JSON file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    collected = {
        "now": build.NOW.isoformat(),
        "idp": build.IDP,
        "sp": build.SP,
        "acs": build.ACS,
        "sp_key": signer("sp").pem.decode(),
        "sp_certificate": signer("sp").certificate.pem,
        "issuer": op.ISSUER,
        "client_id": op.CLIENT_ID,
        "nonce": op.NONCE,
        "algorithms": keys.ALGORITHMS,
        "responses": list(responses()),
        "id_tokens": list(id_tokens()),
    }
    file.write_text(json.dumps(collected))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
