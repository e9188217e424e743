"""A sign-in through SAML, from the sign-in page to the dashboard, and the ways in which it must not succeed."""

from world import World


def test_new_person_lands_on_the_dashboard_with_an_account(world: World) -> None:
    connection = world.saml(world.organization())
    visitor = world.visitor()
    page = world.saml_sign_in(visitor, connection)
    assert page.status == 200
    assert page.url.endswith("/?welcome=1")
    assert "Ann Lee" in page.text
    assert "your role: Member" in page.text
    team = visitor.get("/settings/team")
    assert "ann@acme.test" in team.text
    assert world.counts()["users"] == 1
