"""Runs nanoidp 3.4.0 with one repair, in a process of its own; nothing else imports this module.

It leaves ds:Signature as the last child of the Assertion. The SAML schema wants it right after Issuer (SAML Core
2.0 §2.3.3), and LLM Ops refuses anything else. signxml, which nanoidp signs with, puts it where it finds an empty
`<ds:Signature Id="placeholder"/>`: the repair lays that. To see whether a later nanoidp needs it: take it out, and run
`make run ARGS=--once`.
"""

import sys

from lxml import etree
from nanoidp.__main__ import main
from nanoidp.routes import saml

DS = "http://www.w3.org/2000/09/xmldsig#"
build_assertion_core = saml.build_assertion_core


def with_placeholder(*arguments: object, **named: object) -> tuple[etree._Element, object]:
    """The assertion as nanoidp builds it, with a place for the signature."""
    assertion, subject = build_assertion_core(*arguments, **named)
    assertion.insert(1, etree.Element(f"{{{DS}}}Signature", {"Id": "placeholder"}, {"ds": DS}))
    return assertion, subject


if __name__ == "__main__":
    saml.build_assertion_core = with_placeholder
    sys.argv[0] = "nanoidp"
    sys.exit(main())
