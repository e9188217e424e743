"""People, their passwords, identities and sessions."""
