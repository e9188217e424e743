"""What staff do for a customer: each act has a reason and stands in the customer's audit log (ADM-07)."""

import re
from typing import Any

import pytest
from staff.desk import act, desk, entries, page_of
from staff.test_pages import ask_sales
from support.mailbox import link_in, text_of
from support.page import Page
from world import BASE_URL, World

from llmops.audit import reading
from llmops.broker import connections
from llmops.organizations import organization
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.plans import Plan
from llmops.staff.pages import doors

CONTRACT = {"plan": "enterprise", "seats": "150", "price": "EUR 18,000 a year", "notes": "Net 30"}
FORMS = [door.path.rpartition("/")[2] for door in doors if door.method == "POST" and "{slug}" in door.path]
SAM = "staff:sam@llm-ops.test"


def fresh(world: World, customer: Organization) -> Organization:
    with world.database.reading() as db:
        return organization.get(db, customer.id)


def portal_address(page: Page) -> str:
    found = re.search(re.escape(BASE_URL) + r"/portal/start\?token=[\w-]+", page.text)
    return found[0] if found else ""


def links_in(world: World) -> list[Any]:
    with world.database.reading() as db:
        return [dict(row._mapping) for row in db.exec_driver_sql("SELECT * FROM portal_links ORDER BY made_at, id")]


@pytest.mark.requirement("ADM-07")
@pytest.mark.parametrize("reason", ["", "   "])
@pytest.mark.parametrize("form", FORMS)
def test_no_act_is_done_without_a_reason(world: World, form: str, reason: str) -> None:
    acme = world.organization()
    visitor = desk(world)
    token = str(visitor.get(page_of(acme)).form(f"{page_of(acme)}/plan").fields["csrf_token"])
    before = world.counts()
    answer = visitor.post(f"{page_of(acme)}/{form}", {"csrf_token": token, "reason": reason, **CONTRACT})
    assert answer.status == 422
    assert "Say why" in answer.text
    assert world.counts() == before
    assert fresh(world, acme).seats is None


def test_form_without_a_reason_keeps_what_was_typed_and_stands_open(world: World) -> None:
    acme = world.organization()
    page = act(desk(world), acme, "plan", **CONTRACT, reason="")
    assert page.form(f"{page_of(acme)}/plan").fields["price"] == "EUR 18,000 a year"
    assert page.document.xpath("//details[@open]//form[contains(@action, '/plan')]")
    assert page.title.startswith("Error: ")


@pytest.mark.requirement("ADM-07")
def test_plan_seats_and_price_are_changed_and_recorded(world: World) -> None:
    acme = world.organization(plan=Plan.STARTER)
    visitor = desk(world)
    page = visitor.follow(act(visitor, acme, "plan", **CONTRACT, reason="Signed order form 114"))
    assert "The contract is changed." in page.text
    assert (fresh(world, acme).plan, fresh(world, acme).seats) == ("enterprise", 150)
    (actor, organization_id, facts), *_ = entries(world, "plan.changed")
    assert (actor, organization_id, facts["reason"]) == (SAM, acme.id, "Signed order form 114")
    assert "EUR 18,000" in entries(world, "plan.contract_changed")[0][2]["after"]


@pytest.mark.requirement("ADM-07")
def test_a_change_of_the_contracts_notes_alone_is_recorded_without_their_text(world: World) -> None:
    acme = world.organization()
    visitor = desk(world)
    act(visitor, acme, "plan", **CONTRACT, reason="Signed")
    act(visitor, acme, "plan", **{**CONTRACT, "notes": "A discount of 12 %"}, reason="Renegotiated")
    facts = [facts for _, _, facts in entries(world, "staff.noted")]
    assert [one["reason"] for one in facts] == ["Signed", "Renegotiated"]
    assert "discount" not in str(facts)


@pytest.mark.parametrize("seats", ["0", "-3", "1.5", "many", "1000001", "٣"])
def test_seats_that_are_no_number_are_refused(world: World, seats: str) -> None:
    acme = world.organization()
    answer = act(desk(world), acme, "plan", **{**CONTRACT, "seats": seats}, reason="Signed")
    assert answer.status == 422
    assert "Give a whole number" in answer.text
    assert fresh(world, acme).seats is None


@pytest.mark.requirement("ADM-07")
def test_note_is_kept_and_only_its_subject_is_told_to_the_customer(world: World) -> None:
    acme = world.organization()
    visitor = desk(world)
    page = visitor.follow(act(visitor, acme, "note", text="They also talk to a competitor.", reason="Kick-off call"))
    assert "They also talk to a competitor." in page.text
    assert entries(world, "staff.noted") == [(SAM, acme.id, {"reason": "Kick-off call"})]


def test_empty_note_is_refused(world: World) -> None:
    assert act(desk(world), world.organization(), "note", text=" ", reason="Call").status == 422


@pytest.mark.requirement("ADM-07")
def test_sales_request_moves_on_and_that_is_recorded(world: World) -> None:
    acme = world.organization(plan=Plan.STARTER)
    ask_sales(world, acme)
    act(desk(world), acme, "request", state="in_talks", reason="Quote sent")
    assert world.value("SELECT state FROM sales_requests") == "in_talks"
    ((actor, organization_id, facts),) = entries(world, "sales.moved")
    assert (actor, organization_id, facts["reason"]) == (SAM, acme.id, "Quote sent")


@pytest.mark.requirement("TEN-20")
def test_request_of_another_customer_is_not_moved(world: World) -> None:
    acme, globex = world.organization(), world.organization("Globex", domain="globex.test")
    ask_sales(world, acme)
    ask_sales(world, globex)
    foreign = world.value("SELECT id FROM sales_requests WHERE organization_id = :id", id=globex.id)
    visitor = desk(world)
    page = visitor.get(page_of(acme))
    fields = page.form(f"{page_of(acme)}/request").filled(request_id=foreign, state="won", reason="Mistake")
    assert visitor.post(f"{page_of(acme)}/request", fields, start=page).status == 404
    assert world.value("SELECT count(*) FROM sales_requests WHERE state = 'won'") == 0


@pytest.mark.requirement("ADM-07")
def test_domain_is_claimed_then_verified_by_hand_and_both_are_recorded(world: World) -> None:
    acme = world.organization(domain=None)
    visitor = desk(world)
    act(visitor, acme, "claim", domain="Acme.Test", reason="In the contract")
    assert entries(world, "domain.claimed") == [(SAM, acme.id, {"reason": "In the contract"})]
    page = visitor.follow(act(visitor, acme, "verify", reason="Letter from their registrar"))
    assert "The domain counts as verified." in page.text
    assert world.value("SELECT verified_how FROM organization_domains") == "staff"
    facts = {"reason": "Letter from their registrar", "how": "staff"}
    assert entries(world, "domain.verified") == [(SAM, acme.id, facts)]


@pytest.mark.requirement("ADM-07", "TEN-07")
def test_owners_are_told_of_a_domain_that_staff_verify_by_hand(world: World) -> None:
    acme = world.organization(verified=False)
    world.person("owner@acme.test", acme, role=Role.OWNER)
    world.person("member@acme.test", acme)
    act(desk(world), acme, "verify", reason="Letter from their registrar")
    [letter] = [one for one in world.letters() if "verified" in one["Subject"]]
    assert (letter["To"], letter["Subject"]) == ("owner@acme.test", "Acme: the domain acme.test counts as verified")
    assert "Sam Staff, LLM Ops staff" in text_of(letter)


@pytest.mark.parametrize("domain", ["gmail.com", "not a domain", "acme"])
def test_what_no_company_can_own_is_not_claimed(world: World, domain: str) -> None:
    acme = world.organization(domain=None)
    assert act(desk(world), acme, "claim", domain=domain, reason="Asked for").status == 400
    assert world.counts()["organization_domains"] == 0


@pytest.mark.requirement("TEN-07")
def test_domain_that_another_customer_verified_stays_theirs(world: World) -> None:
    world.organization()
    globex = world.organization("Globex", domain="acme.test", verified=False)
    answer = act(desk(world), globex, "verify", reason="They say so")
    assert answer.status == 409
    assert "Another organization has verified that domain" in answer.text
    assert entries(world, "domain.verified") == []


@pytest.mark.requirement("ADM-07")
def test_provisioning_makes_domains_draft_and_link_and_records_each(world: World) -> None:
    acme = world.organization(domain=None)
    visitor = desk(world)
    fields = {"kind": "OktaSAML", "domains": "acme.test\nacme.io", "contacts": "it@acme.test, boss@acme.test"}
    page = act(visitor, acme, "provision", **fields, reason="Contract 114", press="Make and send")
    assert page.status == 200
    assert world.value("SELECT kind FROM connections WHERE state = 'draft'") == "OktaSAML"
    assert world.counts()["organization_domains"] == 2
    for action in ("domain.claimed", "connection.created", "portal.link_made", "portal.link_sent"):
        found = entries(world, action)
        assert found, action
        assert {(actor, where, facts["reason"]) for actor, where, facts in found} == {(SAM, acme.id, "Contract 114")}
    for address in ("it@acme.test", "boss@acme.test"):
        assert link_in(world.letters(address)[-1], "/portal/start") == portal_address(page)


@pytest.mark.requirement("ADM-03")
def test_every_owner_is_told_that_there_is_a_link_but_not_its_address(world: World) -> None:
    acme = world.organization()
    world.person("olive@acme.test", acme, role=Role.OWNER)
    act(desk(world), acme, "provision", contacts="it@acme.test", reason="Contract 114", press="Make and send")
    letter = text_of(world.letters("olive@acme.test")[-1])
    assert "Sam Staff, LLM Ops staff" in letter
    assert "Set up SSO" in letter
    assert "/portal/start" not in letter


def test_let_them_choose_makes_no_connection(world: World) -> None:
    acme = world.organization()
    act(desk(world), acme, "provision", contacts="it@acme.test", reason="Contract 114", press="Make, to copy")
    assert world.counts()["connections"] == 0
    assert [link["kind"] for link in links_in(world)] == [None]
    assert world.letters("it@acme.test") == []


def test_provisioning_twice_makes_one_draft(world: World) -> None:
    acme = world.organization()
    visitor = desk(world)
    for _ in range(2):
        act(visitor, acme, "provision", kind="OktaSAML", reason="Contract 114", press="Make, to copy")
    assert world.counts()["connections"] == 1


def test_another_kind_takes_the_place_of_a_draft_that_was_never_live(world: World) -> None:
    acme = world.organization()
    visitor = desk(world)
    for kind in ("OktaSAML", "EntraIdOIDC"):
        act(visitor, acme, "provision", kind=kind, reason="Contract 114", press="Make, to copy")
    assert world.value("SELECT kind FROM connections") == "EntraIdOIDC"


@pytest.mark.requirement("ADM-04")
def test_provisioning_leaves_a_live_connection_as_it_is(world: World) -> None:
    acme = world.organization()
    live = world.saml(acme)
    act(desk(world), acme, "provision", kind="EntraIdOIDC", reason="They move to Entra", press="Make, to copy")
    assert world.value("SELECT kind FROM connections WHERE state = 'active'") == live.kind
    assert world.value("SELECT draft_of FROM connections WHERE state = 'draft'") == live.id


@pytest.mark.requirement("ADM-07")
def test_provisioning_what_is_live_changes_nobody_who_hears_of_it(world: World) -> None:
    """They are sent links with which the certificate is renewed; whoever completes a set-up joins them, recorded."""
    acme = world.organization()
    live = world.saml(acme)
    world.sql("UPDATE connections SET contacts = :them", them='["it@acme.test"]')
    visitor = desk(world)
    for contacts in ("", "stranger@evil.test"):
        act(visitor, acme, "provision", kind=live.kind, contacts=contacts, reason="Renewal", press="Make, to copy")
        with world.database.reading() as db:
            assert connections.get(db, live.id).contacts == ["it@acme.test"]


@pytest.mark.requirement("ADM-05")
def test_address_of_a_link_is_shown_once(world: World) -> None:
    acme = world.organization()
    visitor = desk(world)
    page = act(visitor, acme, "provision", reason="Contract 114", press="Make, to copy")
    token = portal_address(page).partition("token=")[2]
    assert token
    assert token not in visitor.get(page_of(acme)).html
    with world.database.reading() as db:
        stored = str([vars(entry) for entry in reading.search(db, acme.id, reading.Wanted())])
    assert token not in stored + str(links_in(world))


def test_nothing_is_provisioned_on_a_plan_without_single_sign_on(world: World) -> None:
    acme = world.organization(plan=Plan.SCALE)
    answer = act(desk(world), acme, "provision", kind="OktaSAML", reason="Contract 114", press="Make, to copy")
    assert answer.status == 400
    assert "not on the Enterprise plan" in answer.text
    assert (world.counts()["connections"], world.counts()["portal_links"]) == (0, 0)


@pytest.mark.parametrize(
    ("contacts", "press"), [("", "Make and send"), ("it@", "Make and send"), ("it", "Make, to copy")]
)
def test_link_to_nobody_is_not_made(world: World, contacts: str, press: str) -> None:
    acme = world.organization()
    answer = act(desk(world), acme, "provision", contacts=contacts, reason="Contract 114", press=press)
    assert answer.status == 400
    assert links_in(world) == []


def test_link_for_another_purpose_lives_as_long_as_chosen(world: World) -> None:
    acme = world.organization()
    fields = {"intent": "renew_certificate", "lives_days": "3"}
    visitor = desk(world)
    page = act(visitor, acme, "link", **fields, reason="Certificate ends", press="Make, to copy")
    assert "Renew the certificate · Acme" in page.text
    (link,) = links_in(world)
    assert link["intent"] == "renew_certificate"
    assert "Renew the certificate" in visitor.get(page_of(acme)).text
    assert entries(world, "portal.link_made")[0][2]["good_for_days"] == "3"


@pytest.mark.requirement("ADM-01", "ADM-07")
def test_sending_again_makes_a_new_token_and_ends_the_old(world: World) -> None:
    acme = world.organization()
    visitor = desk(world)
    first = act(visitor, acme, "provision", contacts="it@acme.test", reason="Contract 114", press="Make and send")
    world.clock.advance(minutes=5)
    page = visitor.follow(act(visitor, acme, "resend", reason="They lost it"))
    assert "A new link is on its way" in page.text
    assert link_in(world.letters("it@acme.test")[-1], "/portal/start") != portal_address(first)
    assert [link["revoked_at"] is None for link in links_in(world)] == [False, True]
    assert entries(world, "portal.link_sent")[-1][2]["reason"] == "They lost it"


@pytest.mark.requirement("ADM-01", "ADM-07")
def test_revoked_link_is_over_and_that_is_recorded(world: World) -> None:
    acme = world.organization()
    visitor = desk(world)
    act(visitor, acme, "provision", contacts="it@acme.test", reason="Contract 114", press="Make and send")
    page = visitor.get(page_of(acme))
    assert visitor.submit(page, f"{page_of(acme)}/revoke", reason="Wrong person").status == 303
    assert links_in(world)[0]["revoked_at"] is not None
    assert entries(world, "portal.link_revoked") == [(SAM, acme.id, {"reason": "Wrong person"})]
    assert visitor.submit(page, f"{page_of(acme)}/revoke", reason="Once more").status == 410


@pytest.mark.requirement("TEN-20")
@pytest.mark.parametrize("form", ["revoke", "resend"])
def test_link_of_another_customer_is_left_alone(world: World, form: str) -> None:
    acme, globex = world.organization(), world.organization("Globex", domain="globex.test")
    visitor = desk(world)
    act(visitor, globex, "provision", contacts="it@globex.test", reason="Contract 115", press="Make and send")
    (link,) = links_in(world)
    token = str(visitor.get(page_of(acme)).form(f"{page_of(acme)}/plan").fields["csrf_token"])
    fields = {"csrf_token": token, "reason": "Mistake", "link_id": link["id"]}
    assert visitor.post(f"{page_of(acme)}/{form}", fields).status == 410
    assert links_in(world) == [link]


def test_page_says_which_step_the_visitor_reached(world: World) -> None:
    acme = world.organization()
    visitor = desk(world)
    act(visitor, acme, "provision", contacts="it@acme.test", reason="Contract 114", press="Make and send")
    now = world.clock.now
    world.sql("UPDATE portal_links SET opened_at = :now, step = 'metadata', stepped_at = :now", now=now)
    text = visitor.get(page_of(acme)).text
    assert "Opened" in text
    assert "Metadata" in text
