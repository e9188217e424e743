"""Runs nanoidp, with one repair unless NANOIDP_ASIS=1.

nanoidp 3.4.0 leaves ds:Signature as the last child of the Assertion; the SAML schema wants it right after Issuer, and
strict service providers refuse the answer. signxml puts the signature where it finds an empty
`<ds:Signature Id="placeholder"/>`, so the repair lays that placeholder. When a later nanoidp lays its own, drop this file.
"""

import os
import sys

from lxml import etree
from nanoidp.__main__ import main
from nanoidp.routes import saml

DS = "http://www.w3.org/2000/09/xmldsig#"


def lay_placeholder() -> None:
    """Make nanoidp sign in the second place of the Assertion."""
    original = saml.build_assertion_core

    def with_placeholder(*arguments, **named):
        assertion, subject = original(*arguments, **named)
        assertion.insert(1, etree.Element(f"{{{DS}}}Signature", Id="placeholder", nsmap={"ds": DS}))
        return assertion, subject

    saml.build_assertion_core = with_placeholder


if os.environ.get("NANOIDP_ASIS") != "1":
    lay_placeholder()
sys.argv[0] = "nanoidp"
sys.exit(main())
