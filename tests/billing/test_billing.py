"""Settings → Subscription → Billing: who sees what, the form to sales, its letters, its state, and its limits."""

import threading
from typing import Any

import pytest
from support.mailbox import text_of
from support.page import Page
from support.visitor import Visitor
from world import World

from llmops.billing import sales, subscriptions
from llmops.billing.sales import SalesRequest, State
from llmops.errors import NotFound, SalesRequestMoved
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.plans import Plan

FORM = "/settings/billing/contact-sales"
ANSWERS = {"phone": "+1 415 555 0100", "identity_provider": "Okta", "users": "250"}
DETAILS = sales.Details(
    name="Pat Doe", email="pat@acme.test", phone="1", organization_name="Acme", company_domain="acme.test",
    identity_provider="Okta", users="5", deployment="", message="",
)  # fmt: skip


@pytest.fixture
def acme(world: World) -> Organization:
    return world.organization(plan=Plan.STARTER)


def visitor_as(world: World, organization: Organization, role: Role, address: str = "") -> Visitor:
    address = address or f"{role}@acme.test"
    world.person(address, organization, role=role)
    visitor = world.visitor()
    world.sign_in(visitor, address)
    return visitor


@pytest.fixture
def owner(world: World, acme: Organization) -> Visitor:
    return visitor_as(world, acme, Role.OWNER)


def ask(owner: Visitor, **answers: Any) -> Page:
    return owner.submit(owner.get(FORM), FORM, **(ANSWERS | answers))


def requests(world: World) -> list[SalesRequest]:
    with world.database.reading() as db:
        return list(sales.queue(db))


def move(world: World, request: SalesRequest, state: State) -> SalesRequest:
    with world.database.writing() as db:
        return sales.move(db, request, state=state, by="staff:sam@llm-ops.test", now=world.clock.now, reason="a call")


def test_the_way_to_sales_is_settings_subscription_billing(owner: Visitor) -> None:
    home = owner.get("/")
    groups = [title.text_content() for title in home.document.xpath("//nav//p")]
    assert groups == ["Settings", "Subscription"]
    billing = owner.click(home, "Billing")
    form = owner.click(billing, "Upgrade - Contact Sales")
    assert form.url.endswith(FORM)


def test_the_checklist_leads_to_billing(owner: Visitor) -> None:
    assert owner.click(owner.get("/"), "Upgrade to Enterprise").url.endswith("/settings/billing")


def test_the_page_says_the_plan_the_seats_and_what_each_plan_includes(
    world: World, acme: Organization, owner: Visitor
) -> None:
    world.person("bob@acme.test", acme)
    text = owner.get("/settings/billing").text
    for words in (
        "Plan Starter", "Active members 2 of 5", "Starter Yours Growth Scale Enterprise",
        "Active members 5 25 100 As your contract says", "Audit log 30 days 90 days 365 days 730 days",
        "Single sign-on with SAML 2.0 or OpenID Connect – No – No – No Yes",
    ):  # fmt: skip
        assert words in text


@pytest.mark.parametrize("plan", list(Plan))
def test_the_plan_that_one_has_comes_first(world: World, plan: Plan) -> None:
    """A phone shows one plan beside the rows. Heads and cells keep one order, for those who hear the table."""
    owner = visitor_as(world, world.organization("Acme", plan=plan), Role.OWNER)
    page = owner.get("/settings/billing").document
    heads = [" ".join(head.text_content().split()) for head in page.xpath("//thead//th[@scope='col']")]
    others = [title for title in ("Starter", "Growth", "Scale", "Enterprise") if title.lower() != plan]
    assert heads == ["Included", f"{plan.capitalize()} Yours", *others]
    days = {"Starter": "30 days", "Growth": "90 days", "Scale": "365 days", "Enterprise": "730 days"}
    cells = page.xpath("//tr[th[@scope='row'] = 'Audit log']/td")
    assert [cell.text_content() for cell in cells] == [days[title] for title in (plan.capitalize(), *others)]


def test_a_member_is_let_into_neither_page(world: World, acme: Organization) -> None:
    member = visitor_as(world, acme, Role.MEMBER)
    assert [member.get(path).status for path in ("/settings/billing", FORM)] == [403, 403]
    assert "Billing" not in member.get("/").text


def test_an_admin_sees_the_page_but_cannot_ask(world: World, acme: Organization) -> None:
    admin = visitor_as(world, acme, Role.ADMIN)
    page = admin.get("/settings/billing")
    assert "Only an owner of the organization can ask sales" in page.text
    assert "Upgrade - Contact Sales" not in page.text
    assert admin.get(FORM).status == 403
    token = page.form("/logout").fields["csrf_token"]
    assert admin.post(FORM, {"csrf_token": token, **ANSWERS}).status == 403
    assert requests(world) == []


def test_the_form_is_filled_in_with_what_is_known(owner: Visitor) -> None:
    fields = owner.get(FORM).form(FORM).fields
    assert (fields["name"], fields["email"]) == ("Pat Doe", "owner@acme.test")
    assert (fields["organization_name"], fields["company_domain"]) == ("Acme", "acme.test")


def test_a_personal_address_fills_in_no_company_domain(world: World) -> None:
    owner = visitor_as(world, world.organization("Solo", plan=Plan.STARTER, domain=None), Role.OWNER, "pat@gmail.com")
    assert owner.get(FORM).form(FORM).fields.get("company_domain", "") == ""


def test_asking_writes_to_sales_with_a_copy_and_shows_the_state(world: World, owner: Visitor) -> None:
    told = {"email": "boss@acme.test", "deployment": "EU only\nown cloud", "message": "Soon, please"}
    page = owner.follow(ask(owner, **told))
    assert page.url.endswith("/settings/billing?done=asked")
    assert "Requested on 24 Nov 2026" in page.text
    assert "Upgrade - Contact Sales" not in page.text
    [request] = requests(world)
    assert (request.state, request.phone, request.users, request.email) == (
        "new", "+1 415 555 0100", "250", "boss@acme.test"
    )  # fmt: skip
    [letter] = world.letters("sales@cloudidr.com")
    assert letter["Reply-To"] == "boss@acme.test"
    assert letter["Subject"] == "Acme asks for the Enterprise plan"
    for words in (
        "Pat Doe", "+1 415 555 0100", "Organization: Acme (acme), on the Starter plan", "Company domain: acme.test",
        "Identity provider: Okta", "Users: 250", "EU only\nown cloud", "Soon, please", "Signed in as: owner@acme.test",
    ):  # fmt: skip
        assert words in text_of(letter)
    [copy] = world.letters("owner@acme.test")
    assert copy["Reply-To"] == "sales@cloudidr.com"
    assert "Soon, please" in text_of(copy)
    facts = world.value("SELECT facts FROM audit_entries WHERE action = 'sales.requested'")
    assert "Okta" in str(facts)
    assert "555" not in str(facts)


@pytest.mark.requirement("PWD-16")
def test_the_copy_goes_to_nobody_else_whatever_was_typed(world: World, owner: Visitor) -> None:
    ask(owner, email="victim@elsewhere.test", message="Buy at https://evil.test/now\r\n.\r\nBcc: x@evil.test")
    assert {str(letter["To"]) for letter in world.letters()} == {"sales@cloudidr.com", "owner@acme.test"}
    for letter in world.letters():
        assert "https://evil" not in str(letter)
        assert letter["Bcc"] is None


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("name", "", "Please fill in this field"),
        ("name", "x" * 101, "Use at most 100 characters"),
        ("email", "nonsense", "That does not look like an e-mail address"),
        ("email", "a@acme.test\r\nBcc: b@acme.test", "That does not look like an e-mail address"),
        ("phone", "", "Give a phone number"),
        ("phone", "call me", "Give a phone number"),
        ("phone", "1" * 60, "Give a phone number"),
        ("organization_name", " ", "Please fill in this field"),
        ("company_domain", "acme", "That is not a company's domain"),
        ("company_domain", "acme.test/x", "That is not a company's domain"),
        ("identity_provider", "", "Choose one"),
        ("identity_provider", "Evil", "Choose one"),
        ("users", "0", "Give a number"),
        ("users", "many", "Give a number"),
        ("users", "٣", "Give a number"),
        ("users", "9999999", "Give a number"),
        ("deployment", "x" * 2001, "Use at most 2,000 characters; you have 2,001"),
        ("message", "x" * 2001, "Use at most 2,000 characters; you have 2,001"),
    ],
)
def test_a_wrong_field_is_named_and_nothing_is_lost(
    world: World, owner: Visitor, field: str, value: str, sentence: str
) -> None:
    page = ask(owner, deployment="EU", **{field: value}) if field != "deployment" else ask(owner, deployment=value)
    assert page.status == 422
    error = page.document.get_element_by_id(f"{field}-error").text_content()
    assert sentence in error
    assert page.form(FORM).fields["phone" if field != "phone" else "users"]
    assert requests(world) == []
    assert world.letters() == []


@pytest.mark.parametrize("phone", ["+49 30 1234567", "(415) 555-0100 ext. 12", "415.555.0100", "030/1234567"])
def test_phone_numbers_are_taken_as_people_write_them(world: World, owner: Visitor, phone: str) -> None:
    assert ask(owner, phone=phone).status == 303


def test_a_personal_domain_is_warned_of_and_then_taken(world: World, owner: Visitor) -> None:
    page = ask(owner, company_domain="@Gmail.com")
    assert "single sign-on will need a domain of your company" in page.text
    assert requests(world) == []
    assert owner.submit(page, FORM).status == 303
    assert requests(world)[0].company_domain == "gmail.com"


def test_a_second_request_is_refused_kindly(world: World, owner: Visitor) -> None:
    form = owner.get(FORM)
    owner.submit(form, FORM, **ANSWERS)
    for answer in (owner.submit(form, FORM, **ANSWERS), owner.get(FORM)):
        page = owner.follow(answer)
        assert "Your organization's request is with sales already" in page.text
        assert "Requested on" in page.text
    assert len(requests(world)) == 1
    assert len(world.letters("sales@cloudidr.com")) == 1


def test_two_at_the_same_moment_store_one(world: World, acme: Organization) -> None:
    together, stored = threading.Barrier(4), []

    def send() -> None:
        with world.database.engine.connect():  # a connection is there before the race begins
            together.wait()
        with world.database.writing() as db:
            stored.append(sales.ask(db, acme.id, DETAILS, asked_by="user_1", now=world.clock.now))

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([request for request in stored if request is not None]) == len(requests(world)) == 1
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'sales.requested'") == 1


@pytest.mark.requirement("PWD-06")
def test_asking_is_limited(world: World, owner: Visitor) -> None:
    page = owner.get(FORM)
    answers = [owner.submit(page, FORM, **(ANSWERS | {"users": "x"})).status for _ in range(21)]
    assert answers == [422] * 20 + [429]


def test_the_page_follows_the_state_of_the_request(world: World, owner: Visitor) -> None:
    ask(owner)
    talking = move(world, requests(world)[0], State.IN_TALKS)
    assert "In talks" in owner.get("/settings/billing").text
    assert owner.get(FORM).status == 303
    move(world, talking, State.DECLINED)
    page = owner.get("/settings/billing")
    assert "closed without a contract" in page.text
    assert owner.follow(ask(owner)).url.endswith("?done=asked")
    assert len(requests(world)) == 2


def test_enterprise_customers_are_shown_their_contract_and_no_upgrade(
    world: World, acme: Organization, owner: Visitor
) -> None:
    ask(owner)
    move(world, requests(world)[0], State.WON)
    with world.database.writing() as db:
        subscriptions.put_on(
            db, acme, plan=Plan.ENTERPRISE, seats=40, price="EUR 9,000 a year", notes="secret notes",
            by="staff:sam@llm-ops.test", reason="signed", now=world.clock.now,
        )  # fmt: skip
    page = owner.get("/settings/billing")
    assert "Plan Enterprise since 24 Nov 2026" in page.text
    assert "1 of 40" in page.text
    assert "EUR 9,000 a year" in page.text
    assert "secret notes" not in page.html
    assert "Upgrade - Contact Sales" not in page.text
    assert owner.follow(owner.get(FORM)).url.endswith("?done=enterprise")
    admin = visitor_as(world, acme, Role.ADMIN)
    assert "EUR 9,000" not in admin.get("/settings/billing").text


@pytest.mark.requirement("ADM-09")
def test_another_organizations_request_is_not_shown(world: World, owner: Visitor) -> None:
    ask(owner)
    other = visitor_as(
        world, world.organization("Birch", plan=Plan.STARTER, domain="birch.test"), Role.OWNER, "o@birch.test"
    )
    page = other.get("/settings/billing")
    assert "Requested on" not in page.text
    assert other.get(FORM).status == 200


@pytest.mark.requirement("WEB-06")
def test_markup_in_a_request_is_text(world: World, owner: Visitor) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    page = ask(owner, name=hostile, message=hostile, users="x")
    assert "<img" not in page.html
    owner.submit(page, FORM, users="5")
    for letter in world.letters():
        html = letter.get_body(preferencelist=("html",))
        assert html is not None
        assert "<img" not in html.get_content()


def test_the_queue_is_by_state_and_who_waits_longest_is_first(world: World) -> None:
    for name in ("One", "Two", "Three"):
        customer = world.organization(name, plan=Plan.STARTER, domain=None)
        with world.database.writing() as db:
            sales.ask(db, customer.id, DETAILS, asked_by="user_1", now=world.clock.now)
        world.clock.advance(minutes=1)
    first, second, third = requests(world)
    move(world, second, State.IN_TALKS)
    with world.database.reading() as db:
        assert [request.id for request in sales.queue(db, state=State.NEW)] == [first.id, third.id]
        assert [request.id for request in sales.queue(db, state=State.IN_TALKS)] == [second.id]
        assert len(sales.queue(db)) == 3


def test_a_move_is_recorded_and_happens_once(world: World, acme: Organization) -> None:
    with world.database.writing() as db:
        request = sales.ask(db, acme.id, DETAILS, asked_by="user_1", now=world.clock.now)
    assert request is not None
    moved = move(world, request, State.IN_TALKS)
    assert (moved.state, moved.moved_at) == ("in_talks", world.clock.now)
    with pytest.raises(SalesRequestMoved):  # a colleague looks at the page from before
        move(world, request, State.DECLINED)
    won = move(world, moved, State.WON)
    with pytest.raises(SalesRequestMoved):  # what is ended stays ended
        move(world, won, State.NEW)
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'sales.moved'") == 2


def test_a_request_that_is_not_there_is_not_found(world: World) -> None:
    with world.database.reading() as db, pytest.raises(NotFound):
        sales.get(db, "sale_x")
