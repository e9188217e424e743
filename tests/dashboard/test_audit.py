"""Settings → Audit log: names for ids, filters, only one's own organization, only as far back as the plan, exports."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest
from support.page import Page
from support.visitor import Visitor
from world import World

from llmops.audit import log
from llmops.audit.actions import Action
from llmops.dashboard import audit
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.plans import Plan

HOSTILE = '<img src=x onerror="alert(1)">\u202egpj.exe'


def record(world: World, organization: Organization, action: Action, *, actor: str, **facts: Any) -> None:
    with world.database.writing() as db:
        log.record(db, action, organization_id=organization.id, actor=actor, now=world.clock.now, **facts)


@pytest.fixture
def acme(world: World) -> Organization:
    return world.organization("Acme")


def visitor_as(world: World, organization: Organization, role: Role, name: str = "") -> Visitor:
    """Somebody of this role who is signed in."""
    address = f"{name or role}@{organization.slug}.test"
    world.person(address, organization, role=role)
    visitor = world.visitor()
    world.sign_in(visitor, address)
    return visitor


@pytest.fixture
def admin(world: World, acme: Organization) -> Visitor:
    return visitor_as(world, acme, Role.ADMIN)


def found(visitor: Visitor, query: str = "") -> list[str]:
    """The sentences of the entries on the page."""
    page = visitor.get(f"/settings/audit{query}")
    assert page.status == 200, page.text
    cells = page.document.xpath("//tbody/tr/td[2]")
    return [" ".join(cell.text_content().split()).partition(" Details")[0].removeprefix("+ ") for cell in cells]


def export(visitor: Visitor, form: str, query: str = "") -> Page:
    return visitor.submit(
        visitor.get(f"/settings/audit{query}"), "/settings/audit/export", press=f"Export {form.upper()}"
    )


def test_a_member_is_not_let_in(world: World, acme: Organization) -> None:
    member = visitor_as(world, acme, Role.MEMBER)
    assert member.get("/settings/audit").status == 403
    assert "Audit log" not in member.get("/").text
    token = member.get("/").form("/logout").fields["csrf_token"]
    answer = member.post("/settings/audit/export", {"csrf_token": token, "format": "csv"})
    assert answer.status == 403
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'audit.exported'") == 0


def test_people_connections_and_staff_have_names(world: World, acme: Organization, admin: Visitor) -> None:
    connection, bob = world.saml(acme), world.person("bob@acme.test", acme)
    record(world, acme, Action.IDENTITY_LINKED, actor=bob.id, target=connection.id)
    record(world, acme, Action.MEMBER_SUSPENDED, actor="operator", target=bob.id)
    record(world, acme, Action.SSO_ENFORCED, actor="staff:sam@llm-ops.test", reason="asked on the phone")
    record(world, acme, Action.DOMAIN_LOST, actor="schedule", target="acme.test")
    record(world, acme, Action.PORTAL_OPENED, actor="portal", target="plink_1")
    text = admin.get("/settings/audit").text
    for words in (
        "Pat Doe bob@acme.test", "Was connected to the company sign-in SAML 2.0", "Operator of this server",
        "LLM Ops staff sam@llm-ops.test", "asked on the phone", "LLM Ops, by the clock",
        "Somebody in the Admin Portal", "An Admin Portal link",
    ):  # fmt: skip
        assert words in text


def test_what_it_was_and_became_is_shown(world: World, acme: Organization, admin: Visitor) -> None:
    record(world, acme, Action.PLAN_CHANGED, actor="operator", before="starter", after="scale", reason="a contract")
    text = admin.get("/settings/audit").text
    assert "Before starter After scale Reason a contract" in text


def details(visitor: Visitor, what: str) -> str:
    """What stands under «Details» of the last entry with this sentence."""
    cell = f"//tbody/tr/td[2][starts-with(normalize-space(), '{what}')]"
    lists = visitor.get("/settings/audit").document.xpath(f"({cell})[1]//details/dl")
    return " ".join(" ".join(lists[0].itertext()).split())


def test_a_sign_in_has_its_way_its_connection_and_its_attempt(world: World, acme: Organization, admin: Visitor) -> None:
    assert details(admin, "Signed in").startswith("Method Password Entry session.opened")
    connection, ann = world.saml(acme), world.visitor()
    world.saml_sign_in(ann, connection)
    assert details(admin, "Signed in").startswith("Method Single sign-on Connection SAML 2.0 Attempt How it went Entry")
    attempt = admin.click(admin.get("/settings/audit"), "How it went")
    assert attempt.url.endswith(f"/settings/security/activity/{world.value('SELECT id FROM logins')}")
    assert attempt.status == 200
    ann.submit(ann.get("/"), "/logout")
    assert details(admin, "Signed out").startswith("Method Single sign-on Entry session.ended")


def test_a_sign_in_after_a_letter_has_its_attempt_too(world: World, acme: Organization, admin: Visitor) -> None:
    world.person("ann@acme.test", acme, role=Role.ADMIN)  # an admin proves the mailbox first
    ann = world.visitor()
    world.saml_sign_in(ann, world.saml(acme))
    ann.submit(world.open(ann, world.link("ann@acme.test", "/login/link")), "/login/link")
    assert details(admin, "Signed in").startswith("Method Single sign-on Connection SAML 2.0 Attempt How it went Entry")


def test_an_attempt_that_is_gone_or_of_somebody_else_is_no_link(
    world: World, acme: Organization, admin: Visitor
) -> None:
    world.saml_sign_in(world.visitor(), world.saml(acme))
    login_id = world.value("SELECT id FROM logins")
    birch = world.organization("Birch", domain="birch.test")
    record(world, birch, Action.SIGNED_IN, actor="operator", attempt=login_id)
    assert f"Attempt {login_id}" in visitor_as(world, birch, Role.ADMIN).get("/settings/audit").text
    assert "How it went" in details(admin, "Signed in")
    world.sql("DELETE FROM logins")
    assert f"Attempt {login_id}" in details(admin, "Signed in")


def test_every_entry_has_its_details(world: World, acme: Organization, admin: Visitor) -> None:
    record(world, acme, Action.SESSIONS_ENDED, actor="operator")
    assert details(admin, "Ended other sessions").startswith("Entry sessions.ended no.")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?action=member.left", ["Left"]),
        ("?action=nonsense", []),
        ("?text=K7QF", ["Could not sign in"]),
        ("?text=S%C3%B6hne", ["Changed a role"]),
        ("?text=compulsory", ["Made single sign-on compulsory"]),
        ("?text=203.0.113", ["Left"]),
        ("?text=100%25", []),
        ("?text=member_left", []),
        ("?text=bob", ["Left"]),
        ("?text=user_", []),
        ("?actor=BOB@acme", ["Left"]),
        ("?actor=staff", ["Made single sign-on compulsory"]),
        ("?actor=operator", ["Changed a role"]),
        ("?actor=nobody", []),
        ("?from=2026-11-23&to=2026-11-23", ["Left"]),
        ("?to=2026-11-22", ["Could not sign in"]),
        ("?from=2026-11-24", ["Made single sign-on compulsory", "Changed a role", "Signed in"]),
        ("?actor=bob&action=member.left&text=203&from=2026-11-01&to=2026-11-30", ["Left"]),
    ],
)
def test_filters_narrow_and_add_up(
    world: World, acme: Organization, admin: Visitor, query: str, expected: list[str]
) -> None:
    bob, today = world.person("bob@acme.test", acme), world.clock.now
    world.clock.now = today - timedelta(days=2)
    record(world, acme, Action.SIGN_IN_FAILED, actor="", ref="K7QF-2M4X")
    world.clock.now = today - timedelta(days=1)
    record(world, acme, Action.MEMBER_LEFT, actor=bob.id, ip="203.0.113.9")
    world.clock.now = today
    world.clock.advance(minutes=1)
    record(world, acme, Action.MEMBER_ROLE_CHANGED, actor="operator", team="Söhne")
    world.clock.advance(minutes=1)
    record(world, acme, Action.SSO_ENFORCED, actor="staff:sam@llm-ops.test")
    assert found(admin, query) == expected


@pytest.mark.parametrize("query", ["?from=yesterday", "?to=9999-12-31", "?from=2026-02-30"])
def test_a_day_that_is_none_is_named(admin: Visitor, query: str) -> None:
    page = admin.get(f"/settings/audit{query}")
    assert page.status == 200
    assert "Give a day as in 2026-11-24" in page.text


def test_nothing_fits_has_a_way_back(admin: Visitor) -> None:
    page = admin.get("/settings/audit?text=nonsense")
    assert "Nothing fits" in page.text
    assert "Signed in" in admin.click(page, "Show everything").text


def test_pages_keep_the_filters(world: World, acme: Organization, admin: Visitor) -> None:
    for number in range(audit.PAGE_SIZE + 1):
        record(world, acme, Action.MEMBER_LEFT, actor="operator", number=number)
    first = admin.get("/settings/audit?action=member.left")
    second = admin.click(first, "Next")
    assert len(second.document.xpath("//tbody/tr")) == 1
    assert "Number 0" in second.text
    assert "Page 2 of 2" in second.text
    assert len(found(admin, "?action=member.left&page=nonsense")) == audit.PAGE_SIZE


@pytest.mark.requirement("ADM-09")
@pytest.mark.parametrize(
    "query", ["", "?actor=cyd", "?actor={user}", "?text=birch", "?text={user}", "?organization_id={organization}"]
)
def test_entries_and_people_of_another_organization_never_show(
    world: World, acme: Organization, admin: Visitor, query: str
) -> None:
    birch = world.organization("Birch", domain="birch.test")
    cyd = world.person("cyd@birch.test", birch)
    connection = world.saml(birch)
    record(world, birch, Action.MEMBER_LEFT, actor=cyd.id, target=connection.id, secret="birch-only")
    record(world, acme, Action.MEMBER_SUSPENDED, actor="operator", target=cyd.id)  # an id of theirs in our log
    query = query.format(user=cyd.id, organization=birch.id)
    for text in (
        admin.get(f"/settings/audit{query}").text, export(admin, "csv").html, export(admin, "json").html
    ):  # fmt: skip
        assert "birch-only" not in text
        assert "cyd@birch.test" not in text
        assert "Member left" not in text
    assert "A person outside this organization" in admin.get("/settings/audit").text


@pytest.mark.parametrize("plan", list(Plan))
def test_the_plan_bounds_how_far_back_entries_show(world: World, plan: Plan) -> None:
    organization = world.organization("Acme", plan=plan)
    admin = visitor_as(world, organization, Role.ADMIN)
    today = world.clock.now
    days = {Plan.STARTER: 30, Plan.GROWTH: 90, Plan.SCALE: 365, Plan.ENTERPRISE: 730}[plan]
    world.clock.now = today - timedelta(days=days, minutes=1)
    record(world, organization, Action.MEMBER_LEFT, actor="operator")
    world.clock.now = today - timedelta(days=days - 1)
    record(world, organization, Action.DOMAIN_LOST, actor="operator")
    world.clock.now = today
    assert found(admin)[-1] == "No longer counts a domain as verified"
    assert "Left" not in found(admin, "?from=2020-01-01")
    assert "member.left" not in export(admin, "json", "?from=2020-01-01").html
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'member.left'") == 1  # kept all the same


@pytest.mark.requirement("WEB-06")
def test_markup_and_hidden_characters_are_shown_harmlessly(world: World, acme: Organization, admin: Visitor) -> None:
    record(world, acme, Action.MEMBER_RENAMED, actor=HOSTILE, target=HOSTILE, ip=HOSTILE, before=HOSTILE, note=HOSTILE)
    page = admin.get("/settings/audit")
    assert "<img" not in page.html
    assert "\u202e" not in page.html
    assert page.text.count("⟨U+202E⟩gpj.exe") == 5


@pytest.mark.requirement("WEB-06")
def test_a_csv_file_holds_no_formula(world: World, acme: Organization, admin: Visitor) -> None:
    record(world, acme, Action.MEMBER_RENAMED, actor="=1+1", target="@SUM(A1)", before="+1", after="-1", ip="\t=1")
    answer = export(admin, "csv", "?action=member.renamed")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-acme-2026-11-24.csv"'
    head, row = csv.reader(io.StringIO(answer.response.content.decode("utf-8-sig"), newline=""))
    cells = dict(zip(head, row, strict=True))
    assert (cells["who"], cells["target"]) == ("'=1+1", "'@SUM(A1)")
    assert (cells["before"], cells["after"], cells["ip"]) == ("'+1", "'-1", "'\t=1")


def test_a_json_file_holds_what_the_filters_leave_and_the_hashes(
    world: World, acme: Organization, admin: Visitor
) -> None:
    record(world, acme, Action.MEMBER_LEFT, actor="operator", target="x", why="Söhne")
    record(world, acme, Action.DOMAIN_LOST, actor="operator")
    answer = export(admin, "json", "?action=member.left")
    [told] = json.loads(answer.html)
    assert (told["action"], told["facts"], told["actor"]["id"]) == ("member.left", {"why": "Söhne"}, "operator")
    assert told["hash"] == world.value("SELECT hash FROM audit_entries WHERE action = 'member.left'")


@pytest.mark.requirement("SEC-07", "WEB-02")
def test_an_export_is_recorded_and_needs_a_form(world: World, admin: Visitor) -> None:
    assert admin.get("/settings/audit/export?format=csv").status == 405
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'audit.exported'") == 0
    export(admin, "csv", "?text=in")
    assert "Exported the audit log" in found(admin)
    assert "Filters text: in" in admin.get("/settings/audit").text


def test_an_export_has_an_end(
    world: World, acme: Organization, admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "MOST_EXPORTED", 2)
    for number in range(3):
        world.clock.advance(seconds=1)
        record(world, acme, Action.MEMBER_LEFT, actor="operator", number=number)
    assert "A file holds the latest 2" in admin.get("/settings/audit").text
    told = json.loads(export(admin, "json", "?action=member.left").html)
    assert [entry["facts"]["number"] for entry in told] == ["2", "1"]


@pytest.mark.requirement("PWD-06")
def test_exports_are_limited(admin: Visitor) -> None:
    page = admin.get("/settings/audit")
    answers = [admin.submit(page, "/settings/audit/export", press="Export JSON").status for _ in range(31)]
    assert answers == [200] * 30 + [429]
