"""/metrics: closed unless the operator gives a token; counts what happened; names nobody."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from oidc import provider as op
from pydantic import SecretStr
from saml.keys import signer
from support.inside import Inside
from world import BASE_URL, START, World

from llmops.app import application, worker_of
from llmops.base.metrics import Metrics
from llmops.broker import connections
from llmops.mail.smtp import Postman
from llmops.organizations.organization import Organization

DOCS = Path(__file__).parents[2] / "docs"
TOKEN = "the token of the tests 0123456789"


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """An installation whose metrics are open for whoever has the token."""
    return make_world(metrics_token=SecretStr(TOKEN))


@pytest.fixture
def acme(world: World) -> Organization:
    holder = world.organization("Acme")
    world.person("pat@acme.test", holder)
    return holder


def scraped(world: World) -> dict[str, float]:
    """Every sample by its name and labels."""
    text = world.visitor().get("/metrics", Authorization=f"Bearer {TOKEN}").html
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def sample(world: World, name: str, **labels: str) -> float:
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return scraped(world).get(f"llmops_{name}{{{inside}}}" if labels else f"llmops_{name}", 0.0)


@pytest.mark.requirement("WEB-12")
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer the token of the tests 012345678"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
    ],
)
def test_without_the_token_there_is_nothing(world: World, headers: dict[str, str]) -> None:
    answer = world.visitor().get("/metrics", **headers)
    assert (answer.status, "llmops_" in answer.html) == (404, False)


@pytest.mark.requirement("WEB-12")
@pytest.mark.parametrize("given", ["Bearer ", "Bearer", "Bearer x", ""])
def test_where_no_token_is_set_nobody_gets_in(make_world: Callable[..., World], given: str) -> None:
    assert make_world().visitor().get("/metrics", Authorization=given).status == 404


def test_a_scraper_may_ask_by_the_address_of_the_replica(world: World) -> None:
    answer = world.visitor().get("/metrics", Authorization=f"bearer {TOKEN}", Host="10.0.0.7:8000")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


@pytest.mark.requirement("WEB-12")
def test_requests_are_counted_by_template_and_never_by_what_was_typed(world: World, acme: Organization) -> None:
    for path in ("/login", "/login/sso/acme", "/login/sso/secret-slug", "/nowhere/secret", "/sso/saml/conn_x/metadata"):
        world.visitor().get(path)
    text = world.site.metrics.text().decode()
    assert "secret" not in text
    assert "acme" not in text
    assert sample(world, "http_requests_total", route="/login", method="GET", status="200") == 1
    assert sample(world, "http_requests_total", route="unmatched", method="GET", status="404") == 1
    assert sample(world, "http_requests_total", route="/login/sso/{slug}", method="GET", status="200") == 1
    assert sample(world, "http_request_seconds_count", route="/login") == 1


def test_an_invented_method_makes_no_label_of_its_own(world: World) -> None:
    with httpx2.Client(transport=Inside(world.app)) as client:
        client.request("BREW", BASE_URL + "/login")
    assert sample(world, "http_requests_total", route="/login", method="other", status="405") == 1


def test_sign_ins_are_counted_by_method_and_reason(world: World, acme: Organization) -> None:
    world.sign_in(world.visitor(), "pat@acme.test")
    world.sign_in(world.visitor(), "pat@acme.test", "wrong password")
    assert sample(world, "login_total", method="password", result="ok", reason="") == 1
    assert sample(world, "login_total", method="password", result="refused", reason="wrong_credentials") == 1


@pytest.mark.requirement("SEC-08")
def test_answers_of_identity_providers_are_counted_by_outcome(world: World, acme: Organization) -> None:
    connection = world.saml(acme)
    world.saml_sign_in(world.visitor(), connection)
    world.saml_sign_in(world.visitor(), connection, by=signer("other"), assertion_id="_other")
    flow = {"protocol": "saml", "provider": "GenericSAML"}
    assert sample(world, "sso_flow_total", **flow, result="ok", code="") == 1
    assert sample(world, "sso_flow_total", **flow, result="refused", code="saml_key_unknown") == 1
    assert sample(world, "saml_validation_failures_total", code="saml_key_unknown") == 1
    assert sample(world, "login_total", method="sso", result="ok", reason="") == 1
    assert sample(world, "login_total", method="sso", result="refused", reason="saml_key_unknown") == 1


def test_attempts_over_a_limit_are_counted_by_scope(world: World, acme: Organization) -> None:
    for _ in range(11):
        world.sign_in(world.visitor(), "pat@acme.test", "wrong password")
    assert sample(world, "rate_limited_total", scope="password.pair") == 1


def test_the_queue_and_the_letters_are_seen(world: World, acme: Organization) -> None:
    visitor = world.visitor()
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email="pat@acme.test")
    world.clock.advance(minutes=2)
    assert sample(world, "outbox_depth") == 1
    assert sample(world, "outbox_overdue_seconds") == 120
    worker_of(world.site).work_once()
    assert sample(world, "outbox_depth") == 0
    assert sample(world, "mail_sent_total", result="sent") == 1


def test_a_letter_that_does_not_leave_is_counted(world: World) -> None:
    metrics = Metrics()
    smtp = world.settings.smtp.model_copy(update={"host": "127.0.0.1", "port": 1, "security": "none"})
    postman = Postman(world.settings.model_copy(update={"smtp": smtp}), metrics)
    with pytest.raises(OSError, match="refused"):
        postman.deliver('{"to": "a@b.test", "subject": "s", "text": "t", "html": "h"}')
    assert b'llmops_mail_sent_total{result="failed"} 1.0' in metrics.text()


def test_tasks_sessions_and_expiries_are_read_when_asked(world: World, acme: Organization) -> None:
    connection = world.saml(acme)
    ends = [signer(name, not_after=START + timedelta(days=days)) for name, days in (("short", 5), ("long", 50))]
    with world.database.writing() as db:
        connections._change(db, connection.id, idp_certificates=[one.certificate.encoded for one in ends])
    world.sign_in(world.visitor(), "pat@acme.test")
    worker_of(world.site).run_due()
    assert sample(world, "sessions_active") == 1
    assert sample(world, "job_last_success_timestamp", job="sweep") == START.timestamp()
    assert sample(world, "certificate_expiry_seconds", connection=connection.id) == 50 * 86400


def test_two_sites_in_one_process_count_apart(world: World) -> None:
    world.visitor().get("/login")
    other = replace(world.site, metrics=Metrics())
    application(other)
    assert b'route="/login"' not in other.metrics.text()


def test_no_address_person_or_domain_is_in_it(world: World, acme: Organization) -> None:
    world.saml_sign_in(world.visitor(), world.saml(acme))
    world.sign_in(world.visitor(), "pat@acme.test")
    text = world.visitor().get("/metrics", Authorization=f"Bearer {TOKEN}").html
    assert not re.search(r"@|acme|user_|org_", text)


def test_what_the_alert_rules_and_the_manual_name_is_there(world: World, acme: Organization) -> None:
    world.oidc(acme, op.provider(), client_id=op.CLIENT_ID)
    text = world.visitor().get("/metrics", Authorization=f"Bearer {TOKEN}").html
    exported = set(re.findall(r"^# TYPE (llmops_\w+)", text, re.MULTILINE))
    for document in ("alerts.yml", "operations.md"):
        named = set(re.findall(r"llmops_\w+", (DOCS / document).read_text(encoding="utf-8")))
        assert named <= exported, document
    assert len(exported & named) > 10
