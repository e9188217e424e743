"""The command line as operators and scripts use it: JSON, exit statuses, failures on stderr, secrets never printed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.installation import Installation, installed
from support.postgres import Postgres
from support.visitor import Visitor

pytestmark = pytest.mark.database
PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def product(
    postgresql: Postgres | None, template: str | Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("commands"), postgresql, template) as installation:
        options = ("--domain", "acme.test", "--plan", "enterprise", "--owner-email", "o@acme.test", "--verified")
        installation.told("org", "create", "Acme Inc", *options)
        yield installation


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
        (("connection", "show", "conn_none"), "connection_unknown"),
        (("connection", "create", "acme-inc", "--type", "generic-saml", "--activate"), "connection_incomplete"),
        (("logins", "show", "ABCD-EFGH"), "login_unknown"),
    ],
)
def test_a_failure_is_json_on_stderr_and_status_1(product: Installation, arguments: tuple[str, ...], code: str) -> None:
    ran = product.llmops(*arguments, expected_status=1)
    assert ran.failure["code"] == code
    assert ran.failure["advice"]
    assert ran.out == ""


@pytest.mark.parametrize("arguments", [("org",), ("org", "plan", "acme-inc"), ("nonsense",), ("serve", "--port", "x")])
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


def test_doctor_and_migrate(product: Installation) -> None:
    assert all(check["ok"] for check in product.told("doctor"))
    assert product.told("migrate")["revision"]


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
