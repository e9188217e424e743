"""`llmops demo`."""


def demo() -> None:
    """Walk one SAML and one OpenID Connect sign-in, then serve."""
