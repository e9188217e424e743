"""The pages of the staff console: who sees them, and what stands on them."""

from datetime import timedelta

import pytest
from staff.desk import act, cookie, desk, enter, hire, page_of, plant
from support.page import Page
from world import PASSWORD, World

from llmops import app
from llmops.accounts import sessions as customer_sessions
from llmops.audit import log
from llmops.audit.actions import Action
from llmops.billing import sales
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.plans import Plan
from llmops.staff import sessions
from llmops.staff.pages import doors
from llmops.web.doors import Door

PAGES = ["/staff", "/staff/organizations", "/staff/organizations/acme", "/staff/logins"]
ACTS = [door.path for door in doors if door.method == "POST" and not door.path.startswith("/staff/sign-")]
ELSEWHERE: list[Door] = [
    door for _, found in app.SITE for door in found if door.signed_in and not door.path.startswith("/staff")
]


def ask_sales(world: World, customer: Organization, *, days_ago: int = 0) -> None:
    """What an owner's «Upgrade - Contact Sales» leaves."""
    details = sales.Details(
        name="Olive Owner", email="olive@acme.test", phone="+1 555 0100", organization_name=customer.name,
        company_domain="acme.test", identity_provider="Okta", users="120", deployment="EU", message="A quote, please.",
    )  # fmt: skip
    with world.database.writing() as db:
        sales.ask(db, customer.id, details, asked_by="user_x", now=world.clock.now - timedelta(days=days_ago))


@pytest.mark.requirement("ADM-06")
@pytest.mark.parametrize("path", PAGES)
def test_nobody_sees_a_page_without_signing_in(world: World, path: str) -> None:
    world.organization()
    answer = world.visitor().get(path)
    assert answer.status == 303
    assert "/staff/sign-in" in (answer.location or "")


@pytest.mark.requirement("ADM-06")
@pytest.mark.parametrize("role", list(Role))
def test_no_role_of_a_customer_opens_a_page(world: World, role: Role) -> None:
    world.person("pat@acme.test", world.organization(), role=role)
    visitor = world.visitor()
    world.sign_in(visitor, "pat@acme.test")
    for path in PAGES:
        assert "/staff/sign-in" in (visitor.get(path).location or "")


@pytest.mark.requirement("ADM-06")
@pytest.mark.parametrize("path", ACTS)
def test_no_owner_of_a_customer_sends_a_form(world: World, path: str) -> None:
    world.person("pat@acme.test", world.organization(), role=Role.OWNER)
    visitor = world.visitor()
    world.sign_in(visitor, "pat@acme.test")
    token = str(visitor.get("/").form("/logout").fields["csrf_token"])
    before = world.counts()
    answer = visitor.post(path.replace("{slug}", "acme"), {"csrf_token": token, "reason": "because"})
    assert (answer.location or "").endswith("/staff/sign-in")
    assert world.counts() == before


@pytest.mark.requirement("ADM-06")
def test_staff_cookie_opens_nothing_elsewhere(world: World) -> None:
    world.organization()
    visitor = desk(world)
    for door in ELSEWHERE:
        if door.method == "GET":
            assert "/login" in (visitor.get(door.path.replace("{slug}", "acme")).location or ""), door.path


@pytest.mark.requirement("ADM-06", "SES-04")
def test_neither_cookie_passes_for_the_other(world: World) -> None:
    world.person("pat@acme.test", world.organization(), role=Role.OWNER)
    colleague, owner, thief = desk(world), world.visitor(), world.visitor()
    world.sign_in(owner, "pat@acme.test")
    plant(thief, sessions.COOKIE, cookie(owner, customer_sessions.COOKIE))
    plant(thief, customer_sessions.COOKIE, cookie(colleague, sessions.COOKIE))
    assert "/staff/sign-in" in (thief.get("/staff").location or "")
    assert "/login" in (thief.get("/settings/team").location or "")


@pytest.mark.requirement("ADM-06")
def test_an_owners_password_is_no_password_of_staff(world: World) -> None:
    world.person("sam@llm-ops.test", world.organization(), role=Role.OWNER)
    visitor = world.visitor()
    page = visitor.get("/staff/sign-in")
    answer = visitor.submit(page, "/staff/sign-in", email="sam@llm-ops.test", password=PASSWORD)
    assert answer.status == 401


@pytest.mark.requirement("WEB-01")
def test_forms_work_beside_a_customers_session_in_the_same_browser(world: World) -> None:
    acme = world.organization()
    world.person("pat@acme.test", acme, role=Role.OWNER)
    visitor = world.visitor()
    world.sign_in(visitor, "pat@acme.test")
    enter(world, hire(world), visitor)
    assert act(visitor, acme, "note", text="Called.", reason="Call").status == 303
    visitor.submit(visitor.get("/"), "/logout")
    assert act(visitor, acme, "note", text="Called again.", reason="Call").status == 303


@pytest.mark.requirement("WEB-01")
@pytest.mark.parametrize("path", ACTS)
def test_every_act_wants_this_browsers_token(world: World, path: str) -> None:
    world.organization()
    mine, other = desk(world), world.visitor()
    token = str(other.get("/staff/sign-in").form("/staff/sign-in").fields["csrf_token"])
    before = world.counts()
    for fields in ({"reason": "because"}, {"reason": "because", "csrf_token": token}):
        answer = mine.post(path.replace("{slug}", "acme"), fields)
        assert answer.status == 403
        assert "This form has expired" in answer.text
    assert world.counts() == before


@pytest.mark.requirement("WEB-02")
@pytest.mark.parametrize("path", [*PAGES, "/staff/logins?ref=K7QF-2M4X"])
def test_opening_a_page_changes_nothing(world: World, path: str) -> None:
    world.organization()
    visitor = desk(world)
    before = world.counts()
    assert visitor.get(path).status == 200
    assert world.counts() == before


def test_every_page_says_where_one_is_and_as_whom(world: World) -> None:
    world.organization()
    visitor = desk(world)
    for path in PAGES:
        page = visitor.get(path)
        assert "Staff console" in page.title
        assert "Signed in as Sam Staff" in page.text


def test_page_of_no_customer_is_not_found_in_the_consoles_own_frame(world: World) -> None:
    page = desk(world).get("/staff/organizations/nobody")
    assert page.status == 404
    assert page.link("Back to the staff console")


def test_queue_shows_requests_by_state_the_new_ones_first(world: World) -> None:
    acme = world.organization(plan=Plan.STARTER)
    ask_sales(world, acme)
    visitor = desk(world)
    assert "olive@acme.test" in visitor.get("/staff").text
    assert "olive@acme.test" not in visitor.get("/staff?state=won").text
    assert "olive@acme.test" in visitor.get("/staff?state=all").text


def test_queue_warns_of_what_expires_and_of_what_fails(world: World) -> None:
    acme = world.organization()
    connection = world.saml(acme)
    world.sql("UPDATE connections SET client_secret_expires_at = :at", at=world.clock.now + timedelta(days=9, hours=1))
    visitor = desk(world)
    assert "A client secret expires in 9 days" in visitor.get("/staff").text
    for _ in range(2):
        world.post_response(world.visitor(), connection, "bm8gU0FNTA==")
    assert "refused in the last 24 hours" not in visitor.get("/staff").text
    world.post_response(world.visitor(), connection, "bm8gU0FNTA==")
    assert "3 sign-ins refused in the last 24 hours" in visitor.get("/staff").text
    world.saml_sign_in(world.visitor(), connection)
    assert "refused in the last 24 hours" not in visitor.get("/staff").text


@pytest.mark.parametrize("typed", ["acme", "ACME I", "acme-inc", "acme.test", "pat@acme"])
def test_search_finds_by_name_slug_domain_and_address(world: World, typed: str) -> None:
    world.person("pat@acme.test", world.organization("Acme Inc"))
    world.organization("Globex", domain="globex.test")
    page = desk(world).get(f"/staff/organizations?q={typed.replace(' ', '+')}")
    assert "Acme Inc" in page.text
    assert "Globex" not in page.text


def test_search_takes_wildcards_literally(world: World) -> None:
    world.organization()
    assert "No organization fits" in desk(world).get("/staff/organizations?q=%25").text


def test_organizations_come_in_pages(world: World) -> None:
    for number in range(27):
        world.organization(f"Company {number:02}", domain=None)
    visitor = desk(world)
    assert "Company 26" not in visitor.get("/staff/organizations").text
    page = visitor.get("/staff/organizations?page=2")
    assert "Company 26" in page.text
    assert "Page 2 of 2" in page.text


def test_customers_page_shows_what_is_asked_on_the_telephone(world: World) -> None:
    acme = world.organization()
    world.person("olive@acme.test", acme, role=Role.OWNER)
    ask_sales(world, acme)
    connection = world.saml(acme)
    world.saml_sign_in(world.visitor(), connection)
    page = desk(world).get(page_of(acme))
    for expected in ("olive@acme.test", "Enterprise", "A quote, please.", "acme.test", "Verified", connection.id,
                     "A domain is verified", "Signed in", "signed in"):  # fmt: skip
        assert expected in page.text, expected


@pytest.mark.requirement("ADM-05")
def test_customers_page_holds_no_secret(world: World) -> None:
    acme = world.organization()
    made = world.saml(acme)
    page = desk(world).get(page_of(acme))
    assert made.sp_private_key
    assert made.sp_private_key not in page.html
    assert "PRIVATE KEY" not in page.html


@pytest.mark.requirement("TEN-20")
def test_page_of_one_customer_shows_nothing_of_another(world: World) -> None:
    world.person("olive@acme.test", world.organization(), role=Role.OWNER)
    globex = world.organization("Globex", domain="globex.test")
    text = desk(world).get(page_of(globex)).text
    assert "olive@acme.test" not in text
    assert "acme.test" not in text


def test_the_timeline_leaves_sign_ins_out_until_they_are_asked_for(world: World) -> None:
    acme, sam = world.organization(), desk(world)
    act(sam, acme, "note", text="Called.", reason="They asked")
    for action in [Action.SIGNED_IN] * 60 + [Action.CONFIRMED, Action.SIGNED_OUT]:
        with world.database.writing() as db:
            log.record(db, action, organization_id=acme.id, actor="operator", now=world.clock.now)
    page = sam.get(page_of(acme))
    assert timeline(page) == ["Wrote a note"]
    everything = sam.click(page, "Show sign-ins too")
    assert timeline(everything) == ["Signed out", "Confirmed who they are"] + ["Signed in"] * 48
    assert timeline(sam.click(everything, "Leave sign-ins out")) == ["Wrote a note"]


def test_ways_in_for_an_emergency_stay_in_the_timeline(world: World) -> None:
    acme, sam = world.organization(), desk(world)
    with world.database.writing() as db:
        for action in (Action.BREAK_GLASS_USED, Action.RESCUE_USED, Action.SIGN_IN_FAILED, Action.SIGNED_IN):
            world.clock.advance(seconds=1)
            log.record(db, action, organization_id=acme.id, actor="operator", now=world.clock.now)
    expected = [action.sentence for action in (Action.SIGN_IN_FAILED, Action.RESCUE_USED, Action.BREAK_GLASS_USED)]
    assert [line.lower() for line in timeline(sam.get(page_of(acme)))] == [line.lower() for line in expected]


def test_the_timeline_leads_to_the_trace_of_a_sign_in(world: World) -> None:
    acme, sam = world.organization(), desk(world)
    world.saml_sign_in(world.visitor(), world.saml(acme))
    page = sam.get(f"{page_of(acme)}?sign_ins=1")
    (link,) = page.document.xpath("//ol[@class='timeline']//a")
    assert link.get("href") == f"/staff/logins?ref={world.value('SELECT id FROM logins')}"


def timeline(page: Page) -> list[str]:
    """The sentences of the entries, the latest first."""
    return [what.text_content() for what in page.document.xpath("//ol[@class='timeline']/li/p/strong")]
