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


MANAGES = {
    Role.OWNER: frozenset({Role.OWNER, Role.ADMIN, Role.MEMBER}),
    Role.ADMIN: frozenset({Role.ADMIN, Role.MEMBER}),
    Role.MEMBER: frozenset[Role](),
}
"""Whose role each may change, and into which; whom each may suspend and remove. Nobody is in a position to raise
their own role: it would need to be in a stronger one's row."""
INVITES = {role: managed - {Role.OWNER} for role, managed in MANAGES.items()}
"""As what each may invite. Nobody becomes an owner by a letter: owners are made from members by an owner who has just
proven who they are (SES-12), and an identity provider that sends an invited address gains no owner by it (TEN-10)."""


def may_manage(role: Role, other: Role) -> bool:
    """Whether somebody in `role` may change, suspend and remove people in the role `other`."""
    return other in MANAGES[role]


def may_change(role: Role, *, before: Role, after: Role) -> bool:
    """Whether somebody in `role` may make a person who is `before` an `after`."""
    return may_manage(role, before) and may_manage(role, after)


def may_invite(role: Role, invited: Role) -> bool:
    """Whether somebody in `role` may invite people as `invited`."""
    return invited in INVITES[role]


def role_named(name: str) -> Role:
    """The role with this name, in any case. Raises: RoleUnknown."""
    try:
        return Role(name.strip().lower())
    except ValueError:
        raise RoleUnknown(seen=name) from None
