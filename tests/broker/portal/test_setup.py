"""From a mail to a live connection: an IT administrator without an account, alone, through the pages."""

from dataclasses import replace

from saml.build import IDP
from support import portal
from world import BASE_URL, World, request_id_of

from llmops.app import application
from llmops.broker.connections import Kind
from llmops.broker.portal import guide, links
from llmops.broker.portal.links import Intent
from llmops.organizations import domains
from llmops.organizations.roles import Role


def test_an_administrator_sets_single_sign_on_up_from_a_mail(world: World) -> None:
    acme = world.organization(verified=False)
    world.person("owner@acme.test", acme, role=Role.OWNER)
    with world.database.writing() as db:
        made, secret = links.make(
            db, world.site.sealer, acme.id, intent=Intent.SETUP_SSO, kind=Kind.OKTA_SAML, contacts=["it@acme.test"],
            made_by="operator", now=world.clock.now,
        )  # fmt: skip
        links.send(db, world.site.sealer, world.settings, made, secret, organization_name="Acme", now=world.clock.now)
        record = domains.txt_value(domains.of_organization(db, acme.id)[0])
    world.site = replace(world.site, resolve_txt=lambda name: [record] if name == "_llmops.acme.test" else [])
    world.app = application(world.site)
    visitor = portal.enter(world, world.link("it@acme.test", "/portal/start"))

    page = visitor.follow(visitor.submit(visitor.get("/portal"), "/portal/provider", kind=Kind.OKTA_SAML.value))
    for step in guide.of(Kind.OKTA_SAML).steps:
        assert step.title in page.title
        if step.input:
            page = visitor.follow(portal.give_metadata(visitor, portal.document()))
            assert IDP in page.text
        ticked = {"assigned": "yes"} if step.slug == "assign" else {}
        page = visitor.follow(visitor.submit(page, "/portal/next", **ticked))

    assert "Verify your domain" in page.title
    page = visitor.follow(visitor.submit(page, "/portal/domains/check"))
    page = visitor.follow(visitor.submit(page, "/portal/next"))

    assert "Test the sign-in" in page.title
    connection = portal.working(world, acme)
    request_id = request_id_of(visitor.submit(page, "/portal/test/start").location or "")
    answer = world.post_response(visitor, connection, world.response(connection, request_id))
    assert "passed" in visitor.follow(answer).text
    assert world.value("SELECT count(*) FROM users") == 1  # the owner: a test makes nobody

    page = visitor.follow(visitor.submit(visitor.get("/portal/activate"), "/portal/activate"))
    assert f"{BASE_URL}/login/sso/acme" in page.text
    landed = world.saml_sign_in(world.visitor(), connection)
    assert landed.url == f"{BASE_URL}/?welcome=1"
