"""From what an identity provider says to an account."""
