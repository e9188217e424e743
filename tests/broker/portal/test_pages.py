"""The wizard: a page a step, saved at each of them, and what was typed read before going on."""

from dataclasses import replace

import pytest
from oidc import provider as op
from saml import build
from saml.keys import signer
from support import portal
from support.page import Upload
from support.visitor import Visitor
from world import BASE_URL, World

from llmops.app import application
from llmops.base.fetch import Answer
from llmops.broker import connections
from llmops.broker.connections import Kind
from llmops.broker.portal import guide, steps
from llmops.broker.portal.links import Intent

KEY = signer().pem.decode()


class Issuer:
    """An OpenID provider that publishes what it has to; `calls` are the addresses that were asked."""

    def __init__(self, issuer: str = op.ISSUER) -> None:
        self.issuer = issuer
        self.calls: list[str] = []

    def __call__(self, method: str, url: str, **_: object) -> Answer:
        self.calls.append(url)
        known = op.document(issuer=self.issuer) if url.endswith("openid-configuration") else op.jwks()
        return Answer(200, "application/json", known)

    def close(self) -> None:
        """As the real fetcher has it."""


def rail(visitor: Visitor, path: str = "/portal") -> dict[str, str]:
    """Title and state of each step."""
    found = visitor.get(path).document.xpath("//nav[@aria-label='Steps']//li")
    words = [" ".join(item.text_content().split()).rpartition(", ") for item in found]
    return {title.lstrip("0123456789! "): state for title, _, state in words}


def test_every_provider_can_be_chosen_and_the_recommended_protocol_is_marked(world: World) -> None:
    page = portal.inside(world, world.organization()).get("/portal")
    offered = [form.fields["kind"] for form in page.forms if form.action.endswith("/portal/provider")]
    assert sorted(str(kind) for kind in offered) == sorted(kind.value for kind in Kind)
    recommended = page.document.xpath("//form[.//*[text()='Recommended']]//input[@name='kind']/@value")
    assert list(recommended) == [Kind.OKTA_SAML, Kind.ENTRA_OIDC, Kind.GOOGLE_SAML]


def test_a_provider_chosen_by_staff_is_proposed_first(world: World) -> None:
    _, path = portal.link(world, world.organization(), kind=Kind.GOOGLE_SAML)
    page = portal.enter(world, path).get("/portal")
    assert page.forms[0].fields["kind"] == Kind.GOOGLE_SAML
    assert "Start with Google Workspace" in page.text


@pytest.mark.parametrize("kind", list(Kind))
def test_every_step_of_every_guide_is_shown_with_this_connections_values(world: World, kind: Kind) -> None:
    acme = world.organization()
    visitor = portal.inside(world, acme)
    portal.choose(visitor, kind)
    connection, slug = portal.working(world, acme), steps.slug_of(kind)
    ours = connections.addresses(BASE_URL, connection.id)
    values = guide.values(ours, connection_id=connection.id, start_url=f"{BASE_URL}/login/sso/acme")
    for number, step in enumerate(guide.of(kind).filled(values).steps, start=1):
        page = visitor.get(f"/portal/{slug}/{number}")
        assert page.status == 200
        assert step.title in page.title
        assert page.document.xpath("//nav//a[@aria-current='step']/@href") == [f"/portal/{slug}/{number}"]
        assert visitor.get(f"/portal/{slug}/{step.slug}").text == page.text
        assert all(copy.value in page.text for copy in step.copies)


@pytest.mark.parametrize("path", ["/portal/okta-saml/99", "/portal/okta-saml/0", "/portal/nobody-saml/1"])
def test_a_step_that_does_not_exist_is_not_found(world: World, path: str) -> None:
    visitor = portal.inside(world, world.organization())
    portal.choose(visitor)
    assert visitor.get(path).status == 404


def test_another_providers_step_leads_to_the_overview(world: World) -> None:
    visitor = portal.inside(world, world.organization())
    portal.choose(visitor)
    assert visitor.get("/portal/entra-oidc/1").location == f"{BASE_URL}/portal"


def test_the_rail_says_what_is_done_and_where_one_is(world: World) -> None:
    visitor = portal.inside(world, world.organization(verified=False))
    page = portal.choose(visitor)
    visitor.follow(visitor.submit(page, "/portal/next"))
    seen = rail(visitor, "/portal/okta-saml/2")
    assert seen["Choose your provider"] == "done"
    assert seen["Create the app"] == "done"
    assert seen["Paste our addresses"] == "open now"
    assert seen["Verify your domain"] == seen["Test the sign-in"] == "to do"


def test_assigning_oneself_needs_the_tick(world: World) -> None:
    visitor = portal.inside(world, world.organization())
    portal.choose(visitor)
    page = visitor.get("/portal/okta-saml/assign")
    refused = visitor.submit(page, "/portal/next")
    assert (refused.status, "Tick the box" in refused.text) == (422, True)
    assert rail(visitor)["Assign yourself, then the others"] == "to do"
    assert visitor.submit(page, "/portal/next", assigned="yes").location == f"{BASE_URL}/portal/okta-saml/6"
    assert rail(visitor)["Assign yourself, then the others"] == "done"


@pytest.mark.parametrize("how", ["upload", "paste", "by hand"])
def test_metadata_is_read_shown_and_kept_for_another_browser(world: World, how: str) -> None:
    acme = world.organization()
    _, path = portal.link(world, acme)
    visitor = portal.enter(world, path)
    portal.choose(visitor)
    page = visitor.get(portal.INPUT)
    if how == "upload":
        saved = portal.give_metadata(visitor, portal.document())
    elif how == "paste":
        saved = visitor.submit(page, portal.INPUT, pasted=portal.document().decode())
    else:
        fields = {"idp_entity_id": build.IDP, "sso_url": "https://idp.example.test/sso"}
        saved = portal.post(visitor, portal.INPUT, how="manual", certificate=signer().certificate.pem, **fields)
    shown = visitor.follow(saved)
    assert "Here is what we read" in shown.text
    assert build.IDP in shown.text
    assert "1 January 2031" in shown.text
    elsewhere = portal.enter(world, path)
    assert build.IDP in elsewhere.get(portal.INPUT).text
    assert rail(elsewhere)["Give us Okta's metadata"] == "done"
    assert visitor.submit(shown, "/portal/next").location == f"{BASE_URL}/portal/domains"


def test_what_cannot_be_read_is_named_and_leaves_the_draft_as_it_was(world: World) -> None:
    acme = world.organization()
    visitor = portal.inside(world, acme)
    portal.choose(visitor)
    refused = portal.give_metadata(visitor, b"<!DOCTYPE html><html><title>Sign in</title></html>")
    assert refused.status == 400
    assert "This is a web page, not metadata" in refused.text
    assert portal.working(world, acme).idp_entity_id is None


def test_of_several_providers_the_visitor_names_one(world: World) -> None:
    acme = world.organization()
    visitor = portal.inside(world, acme)
    portal.choose(visitor)
    two = portal.document(entity_id="https://a.test") + portal.document(entity_id="https://b.test")
    both = b'<EntitiesDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata">' + two + b"</EntitiesDescriptor>"
    refused = portal.give_metadata(visitor, both)
    assert "https://a.test" in refused.text
    assert "https://b.test" in refused.text
    visitor.submit(refused, portal.INPUT, file=Upload("m.xml", both), entity_id="https://b.test")
    assert portal.working(world, acme).idp_entity_id == "https://b.test"


def everything_stored(world: World) -> str:
    """Every cell of the database, as text."""
    tables = world.counts()
    with world.database.reading() as db:
        return "".join(str(db.exec_driver_sql(f"SELECT * FROM {table}").all()) for table in tables)


@pytest.mark.requirement("WEB-10")
@pytest.mark.parametrize("where", ["file", "pasted", "url", "certificate", "idp_entity_id"])
def test_a_private_key_is_refused_and_neither_stored_logged_nor_shown(
    world: World, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    visitor = portal.inside(world, world.organization())
    portal.choose(visitor)
    if where == "file":
        refused = portal.give_metadata(visitor, portal.document() + KEY.encode())
    else:
        how = "manual" if where in ("certificate", "idp_entity_id") else "metadata"
        refused = portal.post(
            visitor, portal.INPUT, how=how, **{where: KEY.replace("\n", "") if where == "url" else KEY}
        )
    assert (refused.status, "This is a private key" in refused.text) == (400, True)
    secret = KEY.splitlines()[3]
    assert secret not in refused.html
    assert secret not in everything_stored(world)
    captured = capsys.readouterr()
    assert secret not in captured.out + captured.err


@pytest.mark.requirement("WEB-10", "WEB-13")
def test_ten_megabytes_are_refused(world: World) -> None:
    acme = world.organization()
    visitor = portal.inside(world, acme)
    portal.choose(visitor)
    refused = portal.give_metadata(visitor, b"<" * 10_000_000)
    assert (refused.status, "body_too_large" in refused.text) == (413, True)
    assert portal.working(world, acme).idp_entity_id is None


@pytest.mark.requirement("WEB-10")
def test_a_little_over_the_limit_of_an_upload_is_refused(world: World) -> None:
    visitor = portal.inside(world, world.organization())
    portal.choose(visitor)
    padded = portal.document() + b" " * (1024 * 1024)
    assert portal.give_metadata(visitor, padded).status in (400, 413)


CLIENT = {"issuer": op.ISSUER, "client_id": "client-1", "client_secret": "s3cret-of-the-client"}
CLIENT_STEP = "/portal/generic-oidc/client"


def give_client(world: World, visitor: Visitor, **fields: str) -> str:
    """Enter a client; returns the page that follows, with its markup."""
    [step] = [step for step in guide.of(Kind.GENERIC_OIDC).steps if step.input]
    path = f"/portal/generic-oidc/{step.slug}"
    return visitor.follow(visitor.submit(visitor.get(path), path, **fields)).html


@pytest.mark.requirement("ADM-05")
def test_a_client_secret_is_sealed_and_never_shown_again(world: World) -> None:
    world.answering(Issuer())
    acme = world.organization()
    _, link = portal.link(world, acme)
    visitor = portal.enter(world, link)
    portal.choose(visitor, Kind.GENERIC_OIDC)
    seen = give_client(world, visitor, **CLIENT, expires_on="2027-11-30")
    assert "Here is what we read" in seen
    assert "30 November 2027" in seen
    for path in ("/portal", *(f"/portal/generic-oidc/{number}" for number in range(1, 5)), "/portal/activate"):
        for browser in (visitor, portal.enter(world, link)):
            assert CLIENT["client_secret"] not in browser.get(path).html
    assert CLIENT["client_secret"] not in everything_stored(world)
    kept = portal.working(world, acme)
    assert connections.client_secret(kept, world.site.sealer) == CLIENT["client_secret"]


@pytest.mark.requirement("ADM-05")
def test_a_refused_secret_is_not_shown_either(world: World) -> None:
    world.answering(Issuer("https://other.example.test"))
    visitor = portal.inside(world, world.organization())
    portal.choose(visitor, Kind.GENERIC_OIDC)
    seen = give_client(world, visitor, **CLIENT)
    assert "Here is what we read" not in seen
    assert CLIENT["client_secret"] not in seen
    assert CLIENT["client_id"] in seen


def test_the_stored_secret_stays_when_none_is_typed(world: World) -> None:
    world.answering(Issuer())
    acme = world.organization()
    visitor = portal.inside(world, acme)
    portal.choose(visitor, Kind.GENERIC_OIDC)
    give_client(world, visitor, **CLIENT)
    give_client(world, visitor, expires_on="2027-11-30", client_secret="")
    kept = portal.working(world, acme)
    assert connections.client_secret(kept, world.site.sealer) == CLIENT["client_secret"]
    assert kept.client_secret_expires_at is not None


@pytest.mark.requirement("OIDC-16")
def test_the_stored_secret_is_not_handed_to_another_issuer(world: World) -> None:
    world.answering(Issuer())
    acme = world.organization()
    visitor = portal.inside(world, acme)
    portal.choose(visitor, Kind.GENERIC_OIDC)
    give_client(world, visitor, **CLIENT)
    world.site = replace(world.site, fetch=Issuer("https://evil.example.test"))
    world.app = application(world.site)
    thief = portal.inside(world, acme)
    seen = give_client(world, thief, issuer="https://evil.example.test", client_secret="")
    assert "Here is what we read" not in seen
    assert portal.working(world, acme).issuer == op.ISSUER


@pytest.mark.requirement("OIDC-18")
def test_entra_is_asked_in_the_cloud_that_was_chosen_also_for_a_new_secret(world: World) -> None:
    tenant, client = "6f2d1c3a-0000-4000-8000-00000000aaaa", "1b2c3d4e-0000-4000-8000-00000000cccc"
    government = f"https://login.microsoftonline.us/{tenant}/v2.0"
    idp = Issuer(government)
    world.answering(idp)
    acme = world.organization()
    visitor = portal.inside(world, acme)
    portal.choose(visitor, Kind.ENTRA_OIDC)
    path = "/portal/entra-oidc/credentials"
    assert visitor.get(path).form(path).fields["cloud"] == "global"
    visitor.submit(
        visitor.get(path), path, cloud="us", tenant_id=tenant, client_id=client, client_secret="the-first-secret"
    )
    assert portal.working(world, acme).issuer == government
    assert visitor.get(path).form(path).fields["cloud"] == "us"
    with world.database.writing() as db:
        connections.activate(db, portal.working(world, acme), now=world.clock.now)
    renewing = portal.inside(world, acme, intent=Intent.ROTATE_SECRET)
    idp.calls.clear()
    renewing.submit(renewing.get(path), path, client_secret="the-new-secret")
    assert connections.client_secret(portal.working(world, acme), world.site.sealer) == "the-new-secret"
    assert idp.calls[0].startswith("https://login.microsoftonline.us/")


@pytest.mark.requirement("OIDC-18")
def test_a_cloud_that_there_is_not_is_refused(world: World) -> None:
    idp = Issuer()
    world.answering(idp)
    acme = world.organization()
    visitor = portal.inside(world, acme)
    portal.choose(visitor, Kind.ENTRA_OIDC)
    path = "/portal/entra-oidc/credentials"
    page = portal.post(
        visitor, path, cloud="moon", tenant_id="6f2d1c3a-0000-4000-8000-00000000aaaa",
        client_id="1b2c3d4e-0000-4000-8000-00000000cccc", client_secret="the-first-secret",
    )  # fmt: skip
    assert page.status >= 400
    assert (idp.calls, portal.working(world, acme).issuer) == ([], None)


def test_a_secret_alone_is_replaced_beside_the_live_connection(world: World) -> None:
    world.answering(Issuer())
    acme = world.organization()
    live = world.oidc(acme, op.provider(), client_id="client-1", secret="the old secret")
    visitor = portal.inside(world, acme, intent=Intent.ROTATE_SECRET)
    [step] = [step for step in guide.of(Kind.GENERIC_OIDC).steps if step.input]
    page = visitor.get(f"/portal/generic-oidc/{step.slug}")
    form = page.form(f"/portal/generic-oidc/{step.slug}")
    assert form.names == {"csrf_token", "client_secret", "expires_on"}
    visitor.submit(page, f"/portal/generic-oidc/{step.slug}", client_secret="the-new-secret")
    draft = portal.working(world, acme)
    assert (draft.draft_of, draft.client_id, draft.issuer) == (live.id, live.client_id, live.issuer)
    assert connections.client_secret(draft, world.site.sealer) == "the-new-secret"
    assert connections.client_secret(live, world.site.sealer) == "the old secret"


def test_another_provider_replaces_a_draft_that_never_was_live(world: World) -> None:
    acme = world.organization()
    visitor = portal.inside(world, acme)
    portal.choose(visitor)
    portal.give_metadata(visitor, portal.document())
    assert "What you entered for Okta (SAML) is discarded" in visitor.get("/portal/provider").text
    portal.choose(visitor, Kind.ENTRA_OIDC)
    with world.database.reading() as db:
        kinds = [one.kind for one in connections.of_organization(db, acme.id)]
    assert kinds == [Kind.ENTRA_OIDC]


def test_choosing_the_same_provider_again_keeps_what_was_entered(world: World) -> None:
    acme = world.organization()
    visitor = portal.inside(world, acme)
    portal.choose(visitor)
    portal.give_metadata(visitor, portal.document())
    portal.choose(visitor)
    assert portal.working(world, acme).idp_entity_id == build.IDP


@pytest.mark.requirement("ADM-03")
def test_each_change_is_recorded_with_its_link(world: World) -> None:
    acme = world.organization()
    made, path = portal.link(world, acme)
    visitor = portal.enter(world, path)
    portal.choose(visitor)
    portal.give_metadata(visitor, portal.document())
    with world.database.reading() as db:
        rows = db.exec_driver_sql("SELECT action, actor, facts FROM audit_entries WHERE actor = 'portal'").all()
    assert [row.action for row in rows] == ["portal.opened", "connection.created", "connection.changed"]
    assert all(made.id in str(row.facts) for row in rows[1:])


def test_a_renewal_leads_to_the_metadata_first(world: World) -> None:
    acme = world.organization()
    portal.live(world, acme)
    visitor = portal.inside(world, acme, intent=Intent.RENEW_CERTIFICATE)
    assert list(rail(visitor).values()) == ["to do"] * 4
    assert visitor.get("/portal").link("Continue").startswith(f"{BASE_URL}/portal/okta-saml/")
    portal.give_metadata(visitor, portal.document(by=[signer("another")]))
    assert rail(visitor)["Give us Okta's metadata"] == "done"
    assert "Next: Test the sign-in" in visitor.get("/portal").text
