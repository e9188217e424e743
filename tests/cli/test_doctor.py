"""`llmops doctor`: each thing that can be wrong is found alone, and it says what to do."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.dns import dns
from support.installation import Installation
from support.postgres import Postgres

from llmops.base import clock
from llmops.cli import doctor

pytestmark = pytest.mark.database


def wrong(installation: Installation, *, expected_status: int = 1) -> dict[str, Any]:
    """The checks that fail, by name; each says what to do."""
    told = installation.llmops("doctor", "--json", expected_status=expected_status).told
    failing = {check["check"]: check for check in told if not check["ok"]}
    assert all(check["problem"] and check["advice"] for check in failing.values()), failing
    return failing


def test_all_is_well_and_each_task_tells_its_last_success(product: Installation) -> None:
    product.llmops("work", "--once")
    told = product.llmops("doctor", "--json").told
    assert all(check["ok"] for check in told)
    tasks = {check["check"]: check["detail"] for check in told if check["check"].startswith("task ")}
    assert {"task sweep", "task metadata", "task domains", "task expiries"} <= tasks.keys()
    assert all(detail.startswith("last success: ") and "never" not in detail for detail in tasks.values())


@pytest.mark.requirement("SEC-08")
def test_a_task_that_has_not_succeeded_for_long_is_found(product: Installation) -> None:
    task(product, "metadata", succeeded_at="2026-01-01 00:00:00+00:00")
    assert "1 January 2026" in wrong(product)["task metadata"]["problem"]


def test_a_task_that_fails_tells_why(product: Installation) -> None:
    task(product, "expiries", failures=3, last_error="OSError: away")
    assert wrong(product)["task expiries"]["problem"] == "last success: never; OSError: away"


def row(installation: Installation, table: str, **columns: object) -> None:
    names, values = ", ".join(columns), ", ".join(f":{name}" for name in columns)
    installation.sql(f"INSERT INTO {table} ({names}) VALUES ({values})", **columns)


def task(installation: Installation, name: str, **values: object) -> None:
    row(
        installation,
        "scheduled_tasks",
        **{"name": name, "due_at": "2030-01-01 00:00:00+00:00", "failures": 0, **values},
    )


def job(installation: Installation, **values: object) -> None:
    long_ago = "2026-01-01 00:00:00+00:00"
    usual = {"id": "job_1", "kind": "test", "payload": "x", "created_at": long_ago, "due_at": long_ago, "attempts": 12}
    row(installation, "jobs", **{**usual, **values})


def test_a_job_that_waits_too_long_is_found(product: Installation) -> None:
    job(product)
    found = wrong(product)
    assert list(found) == ["jobs"]
    assert "llmops work" in found["jobs"]["advice"]


def test_a_job_that_was_given_up_is_found(product: Installation) -> None:
    job(product, dead_at="2026-01-01 00:00:00+00:00")
    assert wrong(product)["jobs"]["problem"] == "1 jobs were given up after 12 attempts"


def test_an_old_key_is_found(product: Installation) -> None:
    product.told("keys", "rotate")
    product.sql("UPDATE cookie_keys SET created_at = '2025-01-01 00:00:00+00:00'")
    found = wrong(product)
    assert list(found) == ["key age"]
    assert "llmops keys rotate" in found["key age"]["advice"]


def test_a_name_server_that_cannot_answer_is_found(product: Installation) -> None:
    with dns({}) as server:
        there = replace(product, more={"LLMOPS_DNS_SERVERS": server.address})
        assert wrong(there, expected_status=0) == {}
        server.broken = True
        assert list(wrong(there)) == ["name servers"]


def test_a_tls_proxy_that_is_not_named_is_found(product: Installation) -> None:
    behind = {"LLMOPS_BASE_URL": "https://llm-ops.example.com", "LLMOPS_ENV": "development"}
    assert list(wrong(replace(product, more=behind))) == ["address"]
    named = {**behind, "LLMOPS_TRUSTED_PROXIES": "10.0.0.1"}
    assert wrong(replace(product, more=named), expected_status=0) == {}


def test_a_secret_that_only_one_machine_has_is_found_where_there_may_be_several(product: Installation) -> None:
    several = {
        "LLMOPS_BASE_URL": "https://llm-ops.example.com",
        "LLMOPS_TRUSTED_PROXIES": "10.0.0.1",
        "LLMOPS_DATABASE_URL": "postgresql://ann:the-password@127.0.0.1:1/none",
    }
    with dns({}) as server:
        found = wrong(replace(product, more={**several, "LLMOPS_DNS_SERVERS": server.address}))
    assert set(found) == {"address", "database"}
    assert "LLMOPS_SECRET_KEY" in found["address"]["advice"]
    assert "the-password" not in json.dumps(found)


@pytest.mark.requirement("SEC-08")
@pytest.mark.parametrize(("seconds", "wrong_clock"), [(0, False), (59, False), (61, True), (-61, True)])
def test_a_clock_apart_from_the_databases_is_found(
    world: Any, postgresql: Postgres | None, seconds: int, wrong_clock: bool
) -> None:
    if postgresql is None:
        pytest.skip("SQLite has the machine's own clock")
    world.clock.now = clock.system() + timedelta(seconds=seconds)
    assert (doctor._clock(world.site) is not None) is wrong_clock
