"""The command line as operators and scripts use it: JSON, exit statuses, failures on stderr, secrets never printed."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.installation import Installation
from support.ports import free_port
from support.postgres import Postgres
from support.visitor import Visitor

pytestmark = pytest.mark.database
PASSWORD = "correct horse battery staple"
METADATA = Path(__file__).parents[1] / "idps" / "okta" / "saml" / "metadata.xml"
OLD_SECRET, NEW_SECRET = (
    "one-secret-of-an-installation-4711",
    "another-secret-of-an-installation-4712",
)


@pytest.fixture(scope="module")
def product(installation: Installation) -> Installation:
    options = ("--domain", "acme.test", "--plan", "enterprise", "--owner-email", "o@acme.test", "--verified")
    installation.told("org", "create", "Acme Inc", *options)
    return installation


@pytest.fixture
def empty(product: Installation, postgresql: Postgres | None, tmp_path: Path) -> Iterator[Installation]:
    """An installation whose database nobody has migrated."""
    url = postgresql.fresh() if postgresql else f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    yield replace(product, folder=tmp_path, database_url=url)
    if postgresql:
        postgresql.drop(url)


def problems(installation: Installation, *, expected_status: int) -> dict[str, str | None]:
    """What the doctor says of each check; None is good."""
    told = installation.llmops("doctor", "--json", expected_status=expected_status).told
    assert all(check.keys() == {"check", "ok", "problem", "advice", "detail"} for check in told)
    assert all(check["ok"] is (check["problem"] is None) is (check["advice"] is None) for check in told)
    return {check["check"]: check["problem"] for check in told}


def refused_answer(product: Installation, connection: Any) -> str:
    """Have something that is no SAML posted to a connection. Returns the reference that the person is given."""
    with Visitor(product.url) as visitor:
        page = visitor.post(connection["acs_url"], {"SAMLResponse": "bm8gU0FNTA==", "RelayState": "x"})
        (ref,) = parse_qs(urlsplit(page.location or "").query)["ref"]
    return ref


def test_the_module_is_the_same_command(product: Installation) -> None:
    command = [sys.executable, "-m", "llmops", "connection", "show", "conn_none", "--json"]
    ran = subprocess.run(command, env=product.environment, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert json.loads(ran.stderr)["code"] == "connection_unknown"


def test_an_organization_is_told_whole(product: Installation) -> None:
    [acme] = [found for found in product.told("org", "list") if found["slug"] == "acme-inc"]
    assert acme["plan"] == "enterprise"
    assert acme["domains"] == [{"domain": "acme.test", "verified": True}]
    assert acme["members"] == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("org", "plan", "nobody", "starter", "--reason", "x"), "organization_unknown"),
        (("org", "plan", "acme-inc", "gold", "--reason", "x"), "plan_unknown"),
        (("org", "create", "Acme Inc"), "organization_name_taken"),
        (("org", "create", "Other", "--domain", "acme.test", "--verified"), "domain_taken"),
        (("org", "create", "Other", "--domain", "gmail.com"), "domain_invalid"),
        (("user", "create", "nonsense", "--org", "acme-inc"), "invalid_email"),
        (("user", "create", "x@acme.test", "--org", "acme-inc", "--role", "king"), "role_unknown"),
        (("user", "create", "x@acme.test", "--org", "nobody"), "organization_unknown"),
        (("user", "create", "o@acme.test", "--org", "acme-inc"), "email_in_use"),
        (("connection", "show", "conn_none"), "connection_unknown"),
        (("connection", "configure", "conn_none", "--activate"), "connection_unknown"),
        (("connection", "create", "nobody", "--type", "generic-saml"), "organization_unknown"),
        (("connection", "create", "acme-inc", "--type", "generic-saml", "--activate"), "connection_incomplete"),
        (("logins", "list", "nobody"), "organization_unknown"),
        (("logins", "show", "ABCD-EFGH"), "login_unknown"),
    ],
)
def test_a_failure_is_json_on_stderr_and_status_1(product: Installation, arguments: tuple[str, ...], code: str) -> None:
    ran = product.llmops(*arguments, expected_status=1)
    assert ran.failure["code"] == code
    assert ran.failure["advice"]
    assert ran.failure.keys() == {"code", "message", "advice", "facts"}
    assert ran.out == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ("org",),
        ("org", "plan", "acme-inc"),
        ("nonsense",),
        ("serve", "--port", "x"),
        ("serve", "--workers", "0"),
        ("user", "create", "x@acme.test"),
        ("connection", "create", "acme-inc"),
        ("connection", "create", "acme-inc", "--type", "ldap"),
        ("connection", "create", "acme-inc", "--type", "generic-saml", "--metadata-file", "no-such-file"),
        ("connection", "create", "acme-inc", "--type", "generic-saml", "--want-signed", "never"),
        ("connection", "create", "acme-inc", "--type", "generic-saml", "--attribute", "shoe_size=shoe"),
        ("logins", "list", "acme-inc", "--limit", "0"),
        ("keys", "rotate", "now"),
    ],
)
def test_wrong_usage_is_status_2(product: Installation, arguments: tuple[str, ...]) -> None:
    product.llmops(*arguments, expected_status=2)


def test_a_change_of_plan_wants_a_reason(product: Installation) -> None:
    product.llmops("org", "plan", "acme-inc", "starter", expected_status=2)
    assert product.told("org", "plan", "acme-inc", "scale", "--reason", "contract ended")["plan"] == "scale"
    assert product.told("org", "plan", "acme-inc", "enterprise", "--reason", "contract")["plan"] == "enterprise"


@pytest.mark.parametrize(
    "kind", ["okta-saml", "azure-saml", "google-saml", "generic-saml", "entra-oidc", "generic-oidc"]
)
def test_a_draft_tells_its_addresses(product: Installation, kind: str) -> None:
    made = product.told("connection", "create", "acme-inc", "--type", kind)
    assert made["state"] == "draft"
    names = ("acs_url", "sp_entity_id", "sp_metadata_url") if kind.endswith("saml") else ("redirect_uri",)
    assert all(made["id"] in made[name] for name in names)
    assert product.told("connection", "show", made["id"]) == made


def test_bad_metadata_is_explained(product: Installation) -> None:
    path = product.file("page.xml", "<html><body>Sign in</body></html>")
    ran = product.llmops(
        "connection", "create", "acme-inc", "--type", "okta-saml", "--metadata-file", path, expected_status=1
    )
    assert ran.failure["code"] == "metadata_invalid"
    assert ran.failure["facts"]["problem"] == "html_page"


@pytest.mark.parametrize("kind", ["okta-saml", "azure-saml", "google-saml", "generic-saml"])
def test_a_draft_is_configured_and_activated(product: Installation, kind: str) -> None:
    draft = product.told("connection", "create", "acme-inc", "--type", kind)
    told = product.told("connection", "configure", draft["id"], "--metadata-file", str(METADATA), "--activate")
    assert (draft["state"], told["state"]) == ("draft", "active")
    assert (draft["activated_at"], draft["certificates"]) == (None, [])
    assert told["activated_at"]
    assert f'entityID="{told["idp_entity_id"]}"' in METADATA.read_text()
    assert [held.keys() for held in told["certificates"]] == [{"sha256", "not_after"}]
    assert told["acs_url"] == draft["acs_url"]  # what the identity provider was given stays true
    assert product.told("connection", "show", draft["id"]) == told


def test_a_record_is_readable_without_json(product: Installation) -> None:
    made = product.told("connection", "create", "acme-inc", "--type", "generic-saml")
    lines = product.llmops("connection", "show", made["id"]).out.splitlines()
    assert dict(line.split(maxsplit=1) for line in lines)["acs_url"] == made["acs_url"]


@pytest.mark.parametrize("typed", ["short1\n", ""])
def test_a_refused_password_is_not_told_and_makes_nobody(product: Installation, typed: str) -> None:
    email = f"p{len(typed)}@acme.test"
    made = ("user", "create", email, "--org", "acme-inc", "--password-stdin", "--json")
    ran = product.llmops(*made, typed=typed, expected_status=1)
    assert ran.failure["code"] == "password_too_short"
    assert "short1" not in ran.out + ran.err
    assert product.llmops(*made, typed=PASSWORD + "\n").told["email"] == email


def test_an_empty_database_is_migrated_once(empty: Installation) -> None:
    told = empty.told("migrate")
    assert told["database"] == ("sqlite" if empty.database_url.startswith("sqlite") else "postgresql")
    assert told["revision"]
    assert empty.told("migrate") == told
    assert problems(empty, expected_status=0).keys() >= {"settings", "database", "schema and keys", "mail", "disk"}


def test_doctor_finds_a_database_that_was_not_migrated(empty: Installation) -> None:
    found = problems(empty, expected_status=1)
    assert [name for name, problem in found.items() if problem] == ["schema and keys"]
    assert "schema_outdated" in (found["schema and keys"] or "")


def test_postgresql_is_not_migrated_unasked(empty: Installation, postgresql: Postgres | None) -> None:
    if postgresql is None:
        assert empty.told("org", "list") == []
    else:
        assert empty.llmops("org", "list", expected_status=1).failure["code"] == "schema_outdated"


def test_doctor_finds_a_mail_relay_that_does_not_answer(product: Installation) -> None:
    away = {"LLMOPS_SMTP__HOST": "127.0.0.1", "LLMOPS_SMTP__PORT": str(free_port()), "LLMOPS_SMTP__PASSWORD": PASSWORD}
    ran = replace(product, more=away).llmops("doctor", "--json", expected_status=1)
    assert [check["check"] for check in ran.told if not check["ok"]] == ["mail"]
    assert PASSWORD not in ran.out + ran.err


@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_wrong_setting_stops_the_command_and_is_named(product: Installation, command: str) -> None:
    wrong = replace(product, more={"LLMOPS_BASE_URL": "http://llm-ops.example.test", "LLMOPS_SECRET_KEY": "too-short"})
    ran = wrong.llmops(command, expected_status=1)
    assert ran.failure["code"] == "setting_invalid"
    assert "LLMOPS_SECRET_KEY" in ran.failure["facts"]
    assert "too-short" not in ran.out + ran.err


def test_doctor_names_a_wrong_setting_without_its_value(product: Installation) -> None:
    ran = replace(product, more={"LLMOPS_SECRET_KEY": "too-short"}).llmops("doctor", "--json", expected_status=1)
    assert "LLMOPS_SECRET_KEY" in ran.told[0]["problem"]
    assert "too-short" not in ran.out + ran.err


def test_a_person_with_a_password_signs_in_and_a_rotation_signs_nobody_out(product: Installation) -> None:
    made = ("user", "create", "pat@acme.test", "--org", "acme-inc", "--role", "admin", "--password-stdin")
    told = product.llmops(*made, "--json", typed=PASSWORD + "\n")
    assert PASSWORD not in told.out + told.err
    with product.serving(), Visitor(product.url) as visitor:
        page = visitor.get("/login")
        landed = visitor.follow(visitor.submit(page, "/login", email="pat@acme.test", password=PASSWORD))
        assert "your role: Admin" in landed.text
        assert product.told("keys", "rotate")["key"].startswith("key_")
        assert visitor.get("/").status == 200


def test_a_failed_attempt_is_listed_and_shown_by_its_reference(product: Installation) -> None:
    options = ("--type", "generic-saml", "--metadata-file", str(METADATA), "--activate")
    connection = product.told("connection", "create", "acme-inc", *options)
    with product.serving():
        refs = [refused_answer(product, connection) for _ in range(2)]
    listed = product.told("logins", "list", "acme-inc")
    assert [login["ref"] for login in listed[:2]] == refs[::-1]
    assert listed[0].keys() == {"id", "started_at", "connection_id", "state", "code", "ref", "how"}
    assert (listed[0]["state"], listed[0]["connection_id"]) == ("failed", connection["id"])
    assert product.told("logins", "list", "acme-inc", "--limit", "1") == listed[:1]
    shown = product.told("logins", "show", refs[1])
    assert listed[0].items() <= shown.items()
    assert shown["code"].startswith("saml_")
    assert shown.keys() >= {"checks", "facts", "received"}


def test_an_old_secret_can_be_taken_away_after_a_rotation(product: Installation, empty: Installation) -> None:
    with_secrets = [replace(empty, more={"LLMOPS_SECRET_KEY": given}) for given in (OLD_SECRET, NEW_SECRET)]
    both = replace(empty, more={"LLMOPS_SECRET_KEY": f"{NEW_SECRET},{OLD_SECRET}"})
    old, new = with_secrets
    old.told("migrate")
    old.told("org", "create", "Acme Inc")
    old.told("connection", "create", "acme-inc", "--type", "generic-saml")
    problems(old, expected_status=0)  # makes the first cookie key
    assert problems(new, expected_status=1)["schema and keys"]
    rotated = both.llmops("keys", "rotate", "--json")
    assert rotated.told.keys() == {"key", "old_keys_read_until", "resealed"}
    assert rotated.told["resealed"] == 3  # two cookie keys, and the private key of the connection
    assert not any(secret in rotated.out + rotated.err for secret in (OLD_SECRET, NEW_SECRET))
    assert problems(new, expected_status=0)["schema and keys"] is None
    assert problems(old, expected_status=1)["schema and keys"]
