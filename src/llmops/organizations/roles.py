"""What each role may do. One table."""

from enum import StrEnum

from llmops.errors import RoleUnknown


class Role(StrEnum):
    """A member's role in one organization, from the strongest to the weakest."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"


NEEDS_PROOF = frozenset({Role.OWNER, Role.ADMIN})
"""Who is connected to a company sign-in only with proof of the account: an IdP's administrator must not become
the owner by sending the owner's address (TEN-10)."""


def role_named(name: str) -> Role:
    """The role with this name, in any case. Raises: RoleUnknown."""
    try:
        return Role(name.strip().lower())
    except ValueError:
        raise RoleUnknown(seen=name) from None
