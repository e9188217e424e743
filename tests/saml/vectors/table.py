"""The whole table of SAML vectors, and the part of it that stands for the rest at the front door."""

from saml.vectors.crypto import CRYPTO
from saml.vectors.fields import FIELDS
from saml.vectors.harmless import HARMLESS
from saml.vectors.parsing import PARSING
from saml.vectors.structure import STRUCTURE
from saml.vectors.vector import Vector
from saml.vectors.wrapping import SIGNATURES, WRAPPING

HOSTILE = [*WRAPPING, *SIGNATURES, *STRUCTURE, *PARSING, *CRYPTO, *FIELDS]
VECTORS = [*HOSTILE, *HARMLESS]


def representatives() -> list[Vector]:
    """Every wrapping, and of the others the first with each failure, reason and group of requirements."""
    first = {(vector.code, vector.door, vector.reason, vector.proves): vector for vector in reversed(HOSTILE)}
    return [vector for vector in HOSTILE if vector in WRAPPING or vector in first.values()]
