"""Plans and contracts: changed with a reason, at once, and recorded."""

from typing import Any

import pytest
from world import World, error_of

from llmops.billing import subscriptions
from llmops.billing.subscriptions import Subscription
from llmops.errors import NoSeatsLeft, ReasonMissing, SsoStillRequired
from llmops.organizations import organization
from llmops.organizations.organization import Organization
from llmops.plans import ALLOWANCES, COMPARISON, Plan


def put_on(world: World, customer: Organization, plan: Plan, **changes: Any) -> Subscription:
    usual = {"seats": None, "price": "", "notes": "", "by": "staff:sam@llm-ops.test", "reason": "a contract"}
    with world.database.writing() as db:
        return subscriptions.put_on(db, customer, plan=plan, now=world.clock.now, **(usual | changes))


def recorded(world: World, action: str) -> list[dict[str, str]]:
    with world.database.reading() as db:
        entries = subscriptions.log.Entry.table()
        rows = db.execute(entries.select().where(entries.c.action == action).order_by(entries.c.number))
        return [row.facts for row in rows]


def stored(world: World, customer: Organization) -> tuple[Organization, Subscription | None]:
    with world.database.reading() as db:
        return organization.get(db, customer.id), subscriptions.of(db, customer.id)


def test_who_was_put_on_no_plan_has_no_contract(world: World) -> None:
    assert stored(world, world.organization())[1] is None


def test_a_plan_and_its_contract_are_stored_and_recorded(world: World) -> None:
    acme = world.organization(plan=Plan.STARTER)
    put_on(world, acme, Plan.ENTERPRISE, seats=200, price="EUR 12,000 a year", notes="tough talks")
    found, contract = stored(world, acme)
    assert (found.plan, found.seats) == ("enterprise", 200)
    assert contract is not None
    assert (contract.since, contract.price, contract.notes) == (world.clock.now, "EUR 12,000 a year", "tough talks")
    assert recorded(world, "plan.changed") == [{"reason": "a contract", "before": "starter", "after": "enterprise"}]
    [terms] = recorded(world, "plan.contract_changed")
    assert (terms["before"], terms["after"]) == (
        "members as the plan says", "200 active members, EUR 12,000 a year"
    )  # fmt: skip
    assert "tough" not in str(terms)  # notes are staff's own


def test_a_contract_changes_and_the_plan_stays_since_when_it_was(world: World) -> None:
    acme, began = world.organization(plan=Plan.STARTER), world.clock.now
    put_on(world, acme, Plan.ENTERPRISE, seats=200)
    world.clock.advance(days=30)
    put_on(world, acme, Plan.ENTERPRISE, seats=300, reason="they grow")
    found, contract = stored(world, acme)
    assert found.seats == 300
    assert contract is not None
    assert (contract.since, contract.reason) == (began, "they grow")
    assert len(recorded(world, "plan.changed")) == 1
    assert len(recorded(world, "plan.contract_changed")) == 2


def test_what_stays_the_same_is_not_recorded_as_changed(world: World) -> None:
    acme = world.organization(plan=Plan.STARTER)
    put_on(world, acme, Plan.SCALE)
    before = world.counts()
    put_on(world, acme, Plan.SCALE, notes="called them")
    assert world.counts() == before
    assert stored(world, acme)[1].notes == "called them"


@pytest.mark.parametrize("reason", ["", "  ", "\r\n\t"])
def test_without_a_reason_nothing_changes(world: World, reason: str) -> None:
    acme = world.organization(plan=Plan.STARTER)
    with pytest.raises(ReasonMissing):
        put_on(world, acme, Plan.ENTERPRISE, reason=reason)
    assert stored(world, acme)[0].plan == "starter"
    assert recorded(world, "plan.changed") == []


def test_a_lower_plan_closes_sso_at_once_and_the_higher_opens_it(world: World) -> None:
    acme = world.organization()
    connection = world.saml(acme)
    put_on(world, acme, Plan.SCALE)
    visitor = world.visitor()
    refused = visitor.submit(visitor.get("/login"), "/login/sso", email="ann@acme.test")
    assert error_of(refused) == "plan_not_enterprise"
    put_on(world, acme, Plan.ENTERPRISE)
    assert "your role: Member" in world.saml_sign_in(world.visitor(), connection).text


def test_fewer_seats_keep_who_is_there_and_let_nobody_else_in(world: World) -> None:
    acme = world.organization(plan=Plan.GROWTH)
    for number in range(3):
        world.person(f"p{number}@acme.test", acme)
    put_on(world, acme, Plan.GROWTH, seats=2)
    found, _ = stored(world, acme)
    assert world.value("SELECT count(*) FROM members WHERE status = 'active'") == 3
    with pytest.raises(NoSeatsLeft):
        world.person("p4@acme.test", found)


def test_only_enterprise_has_sso_and_higher_plans_have_no_less() -> None:
    allowances = list(ALLOWANCES.values())
    assert [allowance.sso for allowance in allowances] == [False, False, False, True]
    assert [each.audit_days for each in allowances] == sorted(each.audit_days for each in allowances)
    assert all(value(allowance) != "" for _, value in COMPARISON for allowance in allowances)


@pytest.mark.requirement("ADM-07", "TEN-18")
def test_nobody_leaves_the_plan_with_single_sign_on_while_that_is_compulsory(world: World) -> None:
    """One colleague alone would lock the whole organization out: passwords are off, and so would the other way be."""
    acme = world.organization()
    world.sql("UPDATE organizations SET sso_enforced_at = :now", now=str(world.clock.now))
    with pytest.raises(SsoStillRequired):
        put_on(world, acme, Plan.GROWTH)
    assert stored(world, acme)[0].plan == "enterprise"
    put_on(world, acme, Plan.ENTERPRISE, seats=20)
    assert stored(world, acme)[0].seats == 20
