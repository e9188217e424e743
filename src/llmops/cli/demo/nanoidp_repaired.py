"""Runs nanoidp 3.4.0 with two repairs, in a process of its own; nothing else imports this module.

1. It leaves ds:Signature as the last child of the Assertion. The SAML schema wants it right after Issuer (SAML Core 2.0
   §2.3.3), and LLM Ops refuses anything else. signxml, which nanoidp signs with, puts the signature where it finds an
   empty `<ds:Signature Id="placeholder"/>`: the repair lays that.
2. The scope `profile` brings no name, only `preferred_username` (OpenID Connect Core 1.0 §5.4 wants name, given_name
   and family_name as well), and without names LLM Ops makes no account.

To see whether a later nanoidp needs them: take one out, and run `make run ARGS=--once`.
"""

import sys

from lxml import etree
from nanoidp.__main__ import main
from nanoidp.routes import saml
from nanoidp.services import userinfo

DS = "http://www.w3.org/2000/09/xmldsig#"
PROFILE = ("profile", ("preferred_username", "name", "given_name", "family_name"))
build_assertion_core = saml.build_assertion_core


def with_placeholder(*arguments: object, **named: object) -> tuple[etree._Element, object]:
    """The assertion as nanoidp builds it, with a place for the signature."""
    assertion, subject = build_assertion_core(*arguments, **named)
    assertion.insert(1, etree.Element(f"{{{DS}}}Signature", {"Id": "placeholder"}, {"ds": DS}))
    return assertion, subject


if __name__ == "__main__":
    saml.build_assertion_core = with_placeholder
    userinfo._SCOPED_CLAIMS = (*(one for one in userinfo._SCOPED_CLAIMS if one[0] != PROFILE[0]), PROFILE)
    sys.argv[0] = "nanoidp"
    sys.exit(main())
