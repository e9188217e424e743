"""The first page after signing in: what each role is shown."""

from world import World

from llmops.organizations.roles import Role


def test_member_is_not_told_that_nothing_is_connected(world: World) -> None:
    connection, visitor = world.saml(world.organization()), world.visitor()
    page = world.saml_sign_in(visitor, connection)
    assert "your role: Member" in page.text
    assert "No identity provider connected" not in page.text
    assert "Failed sign-ins" not in page.text


def test_owner_sees_the_connection_and_why_sign_ins_failed(world: World) -> None:
    acme, visitor = world.organization(), world.visitor()
    world.saml(acme)
    world.person("owner@acme.test", acme, role=Role.OWNER)
    page = world.sign_in(visitor, "owner@acme.test")
    assert "Last success" in page.text
    assert "Nothing failed" in page.text
    assert "Failed sign-ins" in page.text
