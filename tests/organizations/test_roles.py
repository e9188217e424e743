"""Who may do what: the one table, cell by cell."""

import pytest

from llmops.organizations.roles import Role, may_change, may_invite, may_manage

OWNER, ADMIN, MEMBER = Role


@pytest.mark.parametrize(
    ("role", "managed"), [(OWNER, {OWNER, ADMIN, MEMBER}), (ADMIN, {ADMIN, MEMBER}), (MEMBER, set())]
)
def test_whom_a_role_manages(role: Role, managed: set[Role]) -> None:
    assert {other for other in Role if may_manage(role, other)} == managed


@pytest.mark.requirement("PWD-12")
@pytest.mark.parametrize(("role", "invited"), [(OWNER, {ADMIN, MEMBER}), (ADMIN, {ADMIN, MEMBER}), (MEMBER, set())])
def test_as_what_a_role_invites(role: Role, invited: set[Role]) -> None:
    assert {other for other in Role if may_invite(role, other)} == invited


@pytest.mark.parametrize("before", Role)
@pytest.mark.parametrize("after", Role)
def test_only_an_owner_makes_and_unmakes_owners(before: Role, after: Role) -> None:
    assert may_change(OWNER, before=before, after=after)
    assert may_change(ADMIN, before=before, after=after) == (OWNER not in (before, after))
    assert not may_change(MEMBER, before=before, after=after)
