"""Compulsory single sign-on from the staff console: its conditions, and the two people that switching it off takes."""

import pytest
from staff.desk import act, desk, entries, page_of
from support.enforced import company
from support.page import Page
from support.visitor import Visitor
from world import World

from llmops.organizations.organization import Organization
from llmops.signin import enforcement

SAM, KIM = "staff:sam@llm-ops.test", "staff:kim@llm-ops.test"


def enforced(world: World) -> bool:
    return world.value("SELECT sso_enforced_at FROM organizations WHERE slug = 'acme'") is not None


def switched_on(world: World, acme: Organization) -> None:
    """As after `enforce`, without its conditions."""
    world.sql("UPDATE organizations SET sso_enforced_at = :now WHERE id = :id", now=world.clock.now, id=acme.id)


def forced(visitor: Visitor, acme: Organization, form: str, **fields: str) -> Page:
    """Send a form that the page does not offer."""
    token = str(visitor.get(page_of(acme)).form(f"{page_of(acme)}/plan").fields["csrf_token"])
    return visitor.post(f"{page_of(acme)}/{form}", {"csrf_token": token, **fields})


@pytest.mark.requirement("ADM-07", "TEN-17")
def test_switched_on_with_a_reason_once_every_condition_is_met(world: World) -> None:
    acme = company(world).organization
    visitor = desk(world)
    page = visitor.follow(act(visitor, acme, "enforce", reason="Asked for by Olive, case 7"))
    assert "Single sign-on is compulsory from now on." in page.text
    assert enforced(world)
    ((actor, organization_id, facts),) = entries(world, "sso.enforced")
    assert (actor, organization_id, facts["reason"]) == (SAM, acme.id, "Asked for by Olive, case 7")


@pytest.mark.requirement("TEN-17")
def test_not_offered_and_refused_while_a_condition_is_not_met(world: World) -> None:
    acme = company(world).organization
    world.sql("UPDATE members SET break_glass_at = NULL")
    visitor = desk(world)
    page = visitor.get(page_of(acme))
    assert "It can be switched on once every condition is met." in page.text
    assert "(not met)" in page.text
    answer = forced(visitor, acme, "enforce", reason="In a hurry")
    assert answer.status == 409
    assert "cannot be made compulsory yet" in answer.text
    assert not enforced(world)


def test_page_shows_every_condition_and_whom_it_concerns(world: World) -> None:
    acme = company(world).organization
    text = desk(world).get(page_of(acme)).text
    with world.database.reading() as db:
        for condition in enforcement.conditions(db, acme, now=world.clock.now):
            assert condition.text in text
    assert "1 member will be asked to use SSO; 0 are outside the verified domains" in text


@pytest.mark.requirement("ADM-07")
def test_one_person_alone_does_not_switch_it_off(world: World) -> None:
    acme = world.organization()
    switched_on(world, acme)
    sam = desk(world)
    act(sam, acme, "relax", reason="Their contract with the identity provider ends")
    assert enforced(world)
    page = sam.get(page_of(acme))
    assert "waits for a second person" in page.text
    confirmation = str(page.form(f"{page_of(acme)}/withdraw").fields["confirmation_id"])
    answer = forced(sam, acme, "confirm", confirmation_id=confirmation, reason="I am two people")
    assert answer.status == 403
    assert "This takes two people" in answer.text
    assert enforced(world)


@pytest.mark.requirement("ADM-07")
def test_second_person_switches_it_off_and_both_stand_in_the_log(world: World) -> None:
    acme = world.organization()
    switched_on(world, acme)
    act(desk(world), acme, "relax", reason="Their contract ends")
    kim = desk(world, "kim@llm-ops.test", name="Kim Keeper")
    assert "Yours to decide" in kim.get("/staff").text
    page = kim.follow(act(kim, acme, "confirm", reason="Called Olive to be sure"))
    assert "Passwords work beside single sign-on again." in page.text
    assert not enforced(world)
    assert entries(world, "sso.relax_asked") == [(SAM, acme.id, {"reason": "Their contract ends"})]
    ((actor, organization_id, facts),) = entries(world, "sso.relaxed")
    assert (actor, organization_id) == (KIM, acme.id)
    assert facts["reason"] == "Their contract ends / confirmed: Called Olive to be sure"


@pytest.mark.requirement("ADM-07")
@pytest.mark.parametrize(("seconds", "status"), [(0, 303), (1, 409)])
def test_wish_can_be_confirmed_for_a_day(world: World, seconds: int, status: int) -> None:
    acme = world.organization()
    switched_on(world, acme)
    act(desk(world), acme, "relax", reason="Their contract ends")
    asked_at = world.clock.now
    kim = desk(world, "kim@llm-ops.test")
    confirmation = str(kim.get(page_of(acme)).form(f"{page_of(acme)}/confirm").fields["confirmation_id"])
    world.clock.now = asked_at
    world.clock.advance(hours=24, seconds=seconds)
    world.sql("UPDATE staff_sessions SET last_seen_at = :now, ends_at = :later", now=world.clock.now,
              later=world.clock.now.replace(year=2027))  # fmt: skip
    assert forced(kim, acme, "confirm", confirmation_id=confirmation, reason="Yes").status == status
    assert enforced(world) is (status != 303)


@pytest.mark.requirement("ADM-07")
def test_withdrawn_wish_is_confirmed_by_nobody(world: World) -> None:
    acme = world.organization()
    switched_on(world, acme)
    sam, kim = desk(world), desk(world, "kim@llm-ops.test")
    act(sam, acme, "relax", reason="Their contract ends")
    page = kim.get(page_of(acme))
    act(sam, acme, "withdraw", reason="It was renewed")
    assert kim.submit(page, f"{page_of(acme)}/confirm", reason="Yes").status == 409
    assert enforced(world)
    assert entries(world, "sso.relax_withdrawn") == [(SAM, acme.id, {"reason": "It was renewed"})]


@pytest.mark.requirement("ADM-07", "TEN-20")
def test_wish_about_one_customer_confirms_nothing_for_another(world: World) -> None:
    acme, globex = world.organization(), world.organization("Globex", domain="globex.test")
    switched_on(world, acme)
    switched_on(world, globex)
    act(desk(world), globex, "relax", reason="Their contract ends")
    kim = desk(world, "kim@llm-ops.test")
    confirmation = world.value("SELECT id FROM staff_confirmations")
    assert forced(kim, acme, "confirm", confirmation_id=confirmation, reason="Yes").status == 409
    assert enforced(world)


def test_what_is_off_cannot_be_switched_off(world: World) -> None:
    acme = world.organization()
    assert forced(desk(world), acme, "relax", reason="To be sure").status == 409
    assert world.counts()["staff_confirmations"] == 0
