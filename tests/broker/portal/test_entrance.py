"""Opening the portal: scanners spend nothing, the token leaves the address, owners hear of it."""

import json

import pytest
from support import portal
from world import BASE_URL, World

from llmops.broker.portal import links
from llmops.broker.portal.links import Intent
from llmops.organizations.roles import Role


@pytest.mark.requirement("SES-14")
def test_a_mail_scanner_that_follows_the_link_spends_nothing(world: World) -> None:
    made, path = portal.link(world, world.organization())
    before = world.counts()
    scanner = world.visitor()
    assert scanner.follow(scanner.get(path)).status == 200
    assert world.counts() == before
    assert world.value("SELECT opened_at FROM portal_links WHERE id = :id", id=made.id) is None
    portal.enter(world, path)


@pytest.mark.requirement("SES-14")
def test_the_token_leaves_the_address_at_once(world: World) -> None:
    _, path = portal.link(world, world.organization())
    visitor = world.visitor()
    answer = visitor.get(path)
    assert (answer.status, answer.location) == (303, f"{BASE_URL}/portal/start")
    page = visitor.follow(answer)
    assert "token=" not in page.url
    assert "Acme" in page.text


@pytest.mark.parametrize("how", ["unknown", "revoked", "expired", "replaced"])
@pytest.mark.requirement("ADM-01")
def test_a_link_that_is_over_opens_nothing(world: World, how: str) -> None:
    acme = world.organization()
    made, path = portal.link(world, acme)
    waiting = world.visitor()
    page = waiting.follow(waiting.get(path))
    if how == "unknown":
        path = path[:-4] + "AAAA"
    elif how == "revoked":
        with world.database.writing() as db:
            links.revoke(db, acme.id, made.id, now=world.clock.now)
    elif how == "expired":
        world.clock.advance(days=7)
    else:
        portal.link(world, acme)
    visitor = world.visitor()
    assert visitor.follow(visitor.get(path)).status == 410
    if how != "unknown":  # the button on a page that was open before does not work either
        fields = {**page.form("/portal/start").fields}
        assert waiting.post("/portal/start", fields).status in (403, 410)
    assert world.value("SELECT count(*) FROM portal_sessions") == 0


@pytest.mark.requirement("ADM-03")
def test_opening_is_recorded_and_mailed_to_the_owners(world: World) -> None:
    acme = world.organization()
    world.person("owner@acme.test", acme, role=Role.OWNER)
    world.person("admin@acme.test", acme, role=Role.ADMIN)
    made, path = portal.link(world, acme)
    portal.enter(world, path, world.visitor(**{"User-Agent": "Mozilla/5.0 https://evil.test/x"}))
    facts = world.value("SELECT facts FROM audit_entries WHERE action = 'portal.opened' AND target = :id", id=made.id)
    facts = json.loads(facts) if isinstance(facts, str) else facts
    assert facts["agent"] == "Mozilla/5.0 https://evil.test/x"
    assert world.value("SELECT ip FROM audit_entries WHERE action = 'portal.opened'") == "198.51.100.7"
    letters = world.letters()
    assert [str(letter["To"]) for letter in letters] == ["owner@acme.test"]
    assert "198.51.100.7" in letters[0].as_string()
    assert "evil.test" not in letters[0].as_string()


def test_the_same_network_is_told_of_once_and_another_one_again(world: World) -> None:
    acme = world.organization()
    world.person("owner@acme.test", acme, role=Role.OWNER)
    _, path = portal.link(world, acme)
    portal.enter(world, path)
    portal.enter(world, path)
    portal.enter(world, path, world.visitor(peer="203.0.113.9"))
    assert len(world.letters("owner@acme.test")) == 2


def test_another_device_goes_on_where_the_first_one_stopped(world: World) -> None:
    acme = world.organization()
    _, path = portal.link(world, acme)
    first = portal.enter(world, path)
    page = portal.choose(first)
    first.follow(first.submit(page, "/portal/next"))
    second = portal.enter(world, path)
    overview = second.get("/portal")
    assert "Next: Paste our addresses" in overview.text
    assert portal.INPUT.rpartition("/")[0] in overview.link("Continue")


def test_leaving_closes_this_browser_only(world: World) -> None:
    _, path = portal.link(world, world.organization())
    one, two = portal.enter(world, path), portal.enter(world, path)
    left = one.follow(one.submit(one.get("/portal"), "/portal/leave"))
    assert left.status == 200
    assert one.get("/portal").status == 403
    assert two.get("/portal").status == 200


@pytest.mark.parametrize("intent", list(Intent))
def test_the_start_page_says_what_the_link_is_for(world: World, intent: Intent) -> None:
    _, path = portal.link(world, world.organization(), intent=intent)
    visitor = world.visitor()
    assert intent.label in visitor.follow(visitor.get(path)).text
    assert portal.enter(world, path).get("/portal").status == 200


def test_pressing_the_button_over_and_over_is_stopped(world: World) -> None:
    _, path = portal.link(world, world.organization())
    for _ in range(30):
        portal.enter(world, path)
    visitor = world.visitor()
    assert visitor.submit(visitor.follow(visitor.get(path)), "/portal/start").status == 429


@pytest.mark.requirement("SES-06")
def test_another_link_in_the_same_browser_ends_the_session_before(world: World) -> None:
    acme, birch = world.organization(), world.organization("Birch", domain="birch.test")
    visitor = portal.enter(world, portal.link(world, acme)[1])
    before = world.value("SELECT id FROM portal_sessions")
    portal.enter(world, portal.link(world, birch)[1], visitor)
    assert world.value("SELECT count(*) FROM portal_sessions WHERE id = :id", id=before) == 0
    assert "Birch" in visitor.get("/portal").text
