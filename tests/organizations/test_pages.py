"""Settings → Team: who sees what, filters and order in the address, paging, the file for spreadsheets."""

import csv
import io

import pytest
from support.page import Page
from support.visitor import Visitor
from world import World

from llmops.organizations import members, pages
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role


@pytest.fixture
def acme(world: World) -> Organization:
    """Acme with an owner, an admin, a member and somebody who is suspended."""
    made = world.organization()
    people = (("olive", Role.OWNER), ("adam", Role.ADMIN), ("mia", Role.MEMBER), ("sue", Role.MEMBER))
    for who, role in people:
        user = world.person(f"{who}@acme.test", made, role=role)
        world.sql("UPDATE users SET first_name = :name WHERE id = :id", name=who.capitalize(), id=user.id)
        world.clock.advance(minutes=1)
    world.sql("UPDATE members SET status = 'suspended' WHERE user_id = :id", id=user.id)
    return made


def come(world: World, who: str) -> Visitor:
    visitor = world.visitor()
    world.sign_in(visitor, f"{who}@acme.test")
    return visitor


def names(page: Page) -> list[str]:
    return [str(cell).split()[0] for cell in page.document.xpath("//tbody/tr/td[1]//a/bdi/text()")]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", ["Adam", "Mia", "Olive", "Sue"]),
        ("?q=MI", ["Mia"]),
        ("?q=acme.test&role=member", ["Mia", "Sue"]),
        ("?status=suspended", ["Sue"]),
        ("?status=active&sort=role", ["Olive", "Adam", "Mia"]),
        ("?sort=joined", ["Sue", "Mia", "Adam", "Olive"]),
        ("?q=%25", []),
        ("?role=root&status=x&sort=;drop&page=-1", ["Adam", "Mia", "Olive", "Sue"]),
    ],
)
def test_the_address_says_who_is_shown_in_what_order(
    world: World, acme: Organization, query: str, expected: list[str]
) -> None:
    assert names(come(world, "olive").get("/settings/team" + query)) == expected


def test_who_was_seen_last_comes_first(world: World, acme: Organization) -> None:
    come(world, "mia")
    world.clock.advance(minutes=1)
    assert names(come(world, "olive").get("/settings/team?sort=seen"))[:2] == ["Olive", "Mia"]


def test_pages_keep_the_filters(world: World, acme: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_SIZE", 1)
    visitor = come(world, "olive")
    first = visitor.get("/settings/team?q=acme&role=member&sort=joined")
    assert names(first) == ["Sue"]
    assert "Page 1 of 2" in first.text
    second = visitor.click(first, "Next")
    assert names(second) == ["Mia"]
    assert "role=member&sort=joined&page=2" in second.url


def test_everybody_sees_the_team_and_only_admins_the_buttons(world: World, acme: Organization) -> None:
    for who, buttons in (("olive", True), ("adam", True), ("mia", False)):
        visitor = come(world, who)
        page = visitor.get("/settings/team")
        assert names(page) == ["Adam", "Mia", "Olive", "Sue"]
        assert ("Invite people" in page.text, "Download as CSV" in page.text) == (buttons, buttons)
        person = visitor.click(page, "Sue Doe")
        assert ("Let them in again" in person.text, "Change the role" in person.text) == (buttons, buttons)
    assert "Change the role" not in come(world, "adam").get(f"/settings/team/{member_id(world, 'olive')}").text


def member_id(world: World, who: str) -> str:
    query = "SELECT m.id FROM members m JOIN users u ON u.id = m.user_id WHERE u.email = :email"
    return str(world.value(query, email=f"{who}@acme.test"))


def test_the_removed_are_shown_to_admins_who_ask(world: World, acme: Organization) -> None:
    world.sql("UPDATE members SET status = 'removed' WHERE status = 'suspended'")
    assert names(come(world, "olive").get("/settings/team")) == ["Adam", "Mia", "Olive"]
    assert names(come(world, "olive").get("/settings/team?status=removed")) == ["Sue"]
    assert names(come(world, "mia").get("/settings/team?status=removed")) == ["Adam", "Mia", "Olive"]


def test_somebody_alone_is_offered_the_one_thing_to_do(world: World) -> None:
    world.person("olive@acme.test", world.organization(), role=Role.OWNER)
    assert "You are the only one here" in come(world, "olive").get("/settings/team").text


@pytest.mark.requirement("WEB-06")
def test_the_file_holds_the_list_and_no_formula(world: World, acme: Organization) -> None:
    world.sql("UPDATE users SET first_name = '=HYPERLINK(1)', last_name = 'A,\"B\"' WHERE email = 'mia@acme.test'")
    visitor = come(world, "olive")
    page = visitor.get("/settings/team?role=member&status=active")
    answer = visitor.submit(page, "/settings/team/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="acme-team-2026-11-24.csv"'
    (row,) = csv.DictReader(io.StringIO(answer.response.content.decode("utf-8-sig")))
    assert (row["name"], row["email"], row["role"]) == ('\'=HYPERLINK(1) A,"B"', "mia@acme.test", "member")
    assert world.value("SELECT count(*) FROM audit_entries WHERE action = 'members.exported'") == 1


def test_a_member_exports_nothing(world: World, acme: Organization) -> None:
    visitor = come(world, "mia")
    token = str(visitor.get("/settings/team").form("/logout").fields["csrf_token"])
    assert visitor.post("/settings/team/export", {"csrf_token": token}).status == 403


@pytest.mark.requirement("WEB-06")
def test_markup_in_a_name_is_only_text(world: World, acme: Organization) -> None:
    world.sql("UPDATE users SET first_name = '<script>x</script>' WHERE email = 'mia@acme.test'")
    visitor = come(world, "olive")
    for page in (visitor.get("/settings/team"), visitor.get(f"/settings/team/{member_id(world, 'mia')}")):
        assert "<script>x" not in page.html
        assert "<script>x</script>" in page.text


@pytest.mark.requirement("TEN-20")
def test_people_of_another_organization_are_nowhere(world: World, acme: Organization) -> None:
    other = world.organization("Other", domain="other.test")
    bea = world.person("bea@other.test", other, role=Role.OWNER)
    visitor = come(world, "olive")
    assert "bea@" not in visitor.get("/settings/team?q=bea").text
    foreign = world.value("SELECT id FROM members WHERE user_id = :id", id=bea.id)
    assert [visitor.get(f"/settings/team/{one}").status for one in (foreign, "om_nobody")] == [404, 404]


def test_the_way_of_joining_is_said(world: World, acme: Organization) -> None:
    with world.database.writing() as db:
        found = members.of(db, acme.id, world.value("SELECT id FROM users WHERE email = 'mia@acme.test'"))
    assert found is not None
    page = come(world, "olive").get(f"/settings/team/{found.id}")
    assert "Set up by LLM Ops" in page.text
    assert page.title.startswith("Mia Doe")
