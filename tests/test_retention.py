"""What is kept how long: each kind goes at its time, not a moment before, and what must stay stays.

The times are those of the table in docs/operations.md. Everything goes through the worker's own task.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from staff import desk
from support import portal
from support.visitor import Visitor
from world import World

from llmops.app import worker_of
from llmops.broker.assertions import UsedAssertion
from llmops.organizations.roles import Role

pytestmark = pytest.mark.requirement("SEC-11", "TST-14")
ROOT = Path(__file__).parents[1]
NEVER = timedelta(days=3650)


def attempt(world: World) -> datetime:
    """An attempt through single sign-on that was answered; it is kept from its start."""
    world.saml_sign_in(world.visitor(), world.saml(world.organization()))
    return world.clock.now


def used_assertion(world: World) -> datetime:
    """Kept until the assertion itself could no longer pass."""
    world.saml_sign_in(world.visitor(), world.saml(world.organization()))
    with world.database.reading() as db:
        forget_at: datetime = db.execute(select(UsedAssertion.forget_at)).scalar_one()
    return forget_at


def session(world: World) -> datetime:
    """Kept from the moment at which it would have ended at the latest."""
    world.person("pat@acme.test", world.organization())
    world.sign_in(world.visitor(), "pat@acme.test")
    return world.clock.now + timedelta(seconds=world.settings.session_absolute_seconds)


def one_time_link(world: World) -> datetime:
    """A reset letter, kept from when its link ran out."""
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email="pat@acme.test")
    world.letters()
    return world.clock.now + timedelta(minutes=30)


def done_job(world: World) -> datetime:
    """A letter that went out."""
    one_time_link(world)
    return world.clock.now


def invitation(world: World) -> datetime:
    acme = world.organization()
    world.person("olga@acme.test", acme, role=Role.OWNER)
    owner = world.visitor()
    world.sign_in(owner, "olga@acme.test")
    owner.submit(owner.get("/settings/team/invite"), "/settings/team/invite", emails="bo@acme.test", role="member")
    return world.clock.now + timedelta(days=7)


def portal_link(world: World) -> datetime:
    portal.inside(world, world.organization())
    return world.clock.now + timedelta(days=7)


def portal_session(world: World) -> datetime:
    portal.inside(world, world.organization())
    return world.clock.now + timedelta(hours=4)


def staff_session(world: World) -> datetime:
    desk.desk(world)
    return world.clock.now + timedelta(hours=8)


def counter(world: World) -> datetime:
    """Of tries at a password."""
    visitor = world.visitor()
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email="nobody@acme.test")
    return world.clock.now + timedelta(hours=1)


KEPT: dict[str, tuple[Callable[[World], datetime], timedelta]] = {
    "logins": (attempt, timedelta(days=30)),
    "used_assertions": (used_assertion, timedelta(0)),
    "sessions": (session, timedelta(days=90)),
    "one_time_links": (one_time_link, timedelta(days=7)),
    "jobs": (done_job, timedelta(days=14)),
    "invitations": (invitation, timedelta(days=90)),
    "portal_links": (portal_link, timedelta(days=90)),
    "portal_sessions": (portal_session, timedelta(0)),
    "staff_sessions": (staff_session, timedelta(days=7)),
    "rate_counters": (counter, timedelta(0)),
}


def sweep(world: World, moment: datetime) -> dict[str, int]:
    """The worker's task at this moment; the rows of each table after it."""
    world.clock.now = moment
    assert "sweep" in worker_of(world.site).run_due()
    return world.counts()


@pytest.mark.parametrize("table", KEPT)
def test_it_goes_at_its_time_and_not_before(world: World, table: str) -> None:
    make, kept = KEPT[table]
    ends = make(world) + kept
    there = world.counts()[table]
    assert there > 0
    assert sweep(world, ends)[table] == there
    assert sweep(world, ends + timedelta(minutes=10, seconds=1))[table] == 0


@pytest.mark.parametrize(("seconds", "left"), [(0, 1), (601, 0)])
def test_an_attempt_that_nothing_came_of_goes_after_a_day(world: World, seconds: int, left: int) -> None:
    world.saml(world.organization())
    world.depart(world.visitor())
    assert sweep(world, world.clock.now + timedelta(days=1, seconds=seconds))["logins"] == left


def test_what_must_stay_is_there_after_ten_years(world: World) -> None:
    """People, removed ones too, so that no assertion brings them back; the log; requests to sales."""
    acme = world.organization()
    world.person("olga@acme.test", acme, role=Role.OWNER)
    world.person("gone@acme.test", acme)
    world.sql("UPDATE members SET status = 'removed' WHERE role = 'member'")
    owner = world.visitor()
    page = world.sign_in(owner, "olga@acme.test")
    owner.submit(page, "/logout")
    stays = ("users", "members", "organizations", "organization_domains", "passwords", "audit_entries", "audit_heads")
    before = world.counts()
    after = sweep(world, world.clock.now + NEVER)
    assert {table: after[table] for table in stays} == {table: before[table] for table in stays}
    assert world.value("SELECT count(*) FROM members WHERE status = 'removed'") == 1


def test_every_table_is_in_the_documented_one(world: World) -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    section = page.partition("## What is kept, and how long")[2].partition("\n## ")[0]
    missing = [table for table in world.counts() if f"`{table}`" not in section]
    assert missing == []
    for table, (_, kept) in KEPT.items():
        (line,) = [line for line in section.splitlines() if f"`{table}`" in line]
        assert not kept.days or f"{kept.days} days" in line, line


def test_visitors_of_the_portal_do_not_keep_its_links(world: World) -> None:
    """A link is deleted only after its sessions; else the database would refuse."""
    acme = world.organization()
    path = portal.link(world, acme)[1]
    visitors: list[Visitor] = [portal.enter(world, path) for _ in range(3)]
    assert len(visitors) == 3
    after = sweep(world, world.clock.now + timedelta(days=98))
    assert after["portal_links"] == after["portal_sessions"] == 0
