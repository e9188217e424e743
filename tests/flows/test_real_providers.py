"""People sign in through real identity providers that were connected with nothing but the command line.

The product is a process of its own, the identity providers were written by others, the way between them is HTTP. They
are slow to start, so all tests share them; each connection has people of its own, and each test its own connection.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import sleep
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from support.idps import Idp, canaille, log_in_oidc, nanoidp, pysaml2
from support.installation import Installation, installed
from support.page import Page
from support.postgres import Postgres
from support.visitor import Visitor

pytestmark = [pytest.mark.idps, pytest.mark.database]

OWNER, OWNER_PASSWORD = "olivia@example.test", "correct horse battery staple"
SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
SIGNED = {  # what pysaml2 signs for the connection of this name
    "both": {},
    "assertion": {"sign_response": False},
    "response": {"sign_assertion": False},
    "unsolicited": {},
    "solicited": {},
    "encrypted": {"encrypt": True, "sign_assertion": False},
}


@dataclass(frozen=True)
class Provider:
    """A running identity provider and the connections that know it, by name, as the command line told them."""

    idp: Idp
    connections: dict[str, Any]


@pytest.fixture(scope="module")
def product(
    postgresql: Postgres | None, template: str | Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """A server with one customer, whose owner has a password."""
    folder = tmp_path_factory.mktemp("product")
    with installed(folder, postgresql, template) as installation:
        customer = ("org", "create", "Example", "--domain", "example.test", "--plan", "enterprise", "--verified")
        assert installation.told(*customer)["slug"] == "example"
        owner = ("user", "create", OWNER, "--org", "example", "--role", "owner", "--password-stdin")
        installation.told(*owner, typed=OWNER_PASSWORD + "\n")
        with installation.serving():
            yield installation


def draft(product: Installation, kind: str, *options: str) -> Any:
    """A connection without an identity provider yet."""
    return product.told("connection", "create", "example", "--type", kind, *options)


def activate(product: Installation, connection: Any, *options: str) -> None:
    """Give a draft its identity provider; from now on it answers for the customer."""
    told = product.told("connection", "configure", connection["id"], *options, "--activate")
    assert (told["id"], told["state"]) == (connection["id"], "active")


def known_to(idp: Idp, product: Installation, connection: Any, *, secret: str = "rp-test-secret") -> None:
    """Activate an OpenID Connect connection."""
    kept = product.file(f"{connection['id']}.secret", secret + "\n")
    activate(product, connection, "--issuer", idp.issuer, "--client-id", "rp-test", "--client-secret-file", kept)


# --- Walks ---------------------------------------------------------------------------------------------------------


def leave(product: Installation, visitor: Visitor, person: str) -> Page:
    """From our sign-in page to the identity provider, with a work address."""
    sent = visitor.submit(visitor.get("/login"), "/login/sso", email=f"{person}@example.test")
    assert (sent.location or product.url).startswith("http://localhost:"), sent.location
    return sent


def answer_saml(visitor: Visitor, page: Page, person: str) -> Page:
    """Sign in on the identity provider's page, and let it post its answer to us."""
    if "SAMLResponse" not in page.form().names:
        page = visitor.submit(page, username=person, password=f"{person}-pw")
    return visitor.follow(visitor.submit(page))


def by_saml(product: Installation, visitor: Visitor, person: str) -> Page:
    """The whole way; returns where it ends."""
    return answer_saml(visitor, visitor.follow(leave(product, visitor, person)), person)


def by_oidc(product: Installation, visitor: Visitor, provider: Provider, name: str, person: str) -> Page:
    """The whole way; returns where it ends."""
    at_idp = visitor.follow(leave(product, visitor, person))
    redirect_uri = provider.connections[name]["redirect_uri"]
    back = log_in_oidc(provider.idp, visitor, at_idp, redirect_uri=redirect_uri, user=person)
    return visitor.follow(visitor.get(back, start=at_idp))


def require_new_member(product: Installation, visitor: Visitor, page: Page, person: str) -> None:
    """The person is on the dashboard for the first time, and in Settings, Team."""
    assert (page.status, page.url) == (200, f"{product.url}/?welcome=1"), why(product, page)
    assert "your role: Member" in page.text
    assert team(visitor).count(f"{person}@example.test") == 1
    assert f"{person.title()} Lee" in team(visitor)


def require_same_member(product: Installation, visitor: Visitor, page: Page, person: str) -> None:
    """The person is on the dashboard once more, and still one person."""
    assert (page.status, page.url) == (200, f"{product.url}/"), why(product, page)
    assert team(visitor).count(f"{person}@example.test") == 1


def team(visitor: Visitor) -> str:
    """What the table of Settings, Team says."""
    return " ".join(visitor.get("/settings/team?q=example.test").document.xpath("//tbody//text()"))


def require_refused(product: Installation, page: Page, code: str) -> dict[str, Any]:
    """The person is back on the sign-in page with this code. Returns what the operator finds by the reference."""
    query = parse_qs(urlsplit(page.url).query)
    assert (urlsplit(page.url).path, query["sso_error"]) == ("/login", [code]), page.text[:300]
    (ref,) = query["ref"]
    assert ref in page.text
    found: dict[str, Any] = product.told("logins", "show", ref)
    assert (found["code"], found["ref"], found["state"]) == (code, ref, "failed")
    return found


def why(product: Installation, page: Page) -> str:
    """What an operator would look at, for the report of a test that failed."""
    refs = parse_qs(urlsplit(page.url).query).get("ref", [])
    return "\n".join([page.text[:300], *(product.llmops("logins", "show", ref, "--json").out for ref in refs)])


def last_login(product: Installation) -> Any:
    return product.told("logins", "list", "example")[0]


def sign_in_twice(product: Installation, provider: Provider, name: str, person: str, *, protocol: str) -> None:
    """A new person signs in, then once more in another browser."""
    for require in (require_new_member, require_same_member):
        # Canaille's access tokens of one second are equal, and the second one breaks its own unique index.
        sleep(1.1 if provider.idp.name == "canaille" else 0)
        with Visitor(product.url) as visitor:
            if protocol == "saml":
                page = by_saml(product, visitor, person)
            else:
                page = by_oidc(product, visitor, provider, name, person)
            require(product, visitor, page, person)
            assert not visitor.cookies.refused
    last = last_login(product)
    assert (last["state"], last["connection_id"]) == ("signed_in", provider.connections[name]["id"])


# --- nanoidp: SAML and OpenID Connect ------------------------------------------------------------------------------


def nanoidp_users() -> str:
    """One person for each test, and one without a last name."""
    people = {}
    for name in ("fay", "uma", "ida", "sam", "eva"):
        names = {"firstName": name.title(), "lastName": "Lee", "given_name": name.title(), "family_name": "Lee"}
        people[name] = {"password": f"{name}-pw", "email": f"{name}@example.test", "roles": [], "attributes": names}
    people["nell"] = people["fay"] | {"password": "nell-pw", "email": "nell@example.test"}
    people["nell"]["attributes"] = {"firstName": "Nell", "given_name": "Nell"}
    return json.dumps(people)


@pytest.fixture(scope="module")
def nano(product: Installation) -> Iterator[Provider]:
    """nanoidp, which tells SAML to whoever asks, and OpenID Connect to two drafts."""
    connections = {name: draft(product, "generic-oidc") for name in ("oidc", "wrong secret")}
    uris = [connection["redirect_uri"] for connection in connections.values()]
    with nanoidp(redirect_uris=uris, NANOIDP_USERS_JSON=nanoidp_users()) as idp:
        yield Provider(idp, connections)


def test_nanoidp_by_saml_with_a_metadata_file(product: Installation, nano: Provider) -> None:
    path = product.file("nanoidp.xml", httpx2.get(nano.idp.metadata_url).content)
    options = ("--type", "generic-saml", "--metadata-file", path, "--activate")
    nano.connections["file"] = product.told("connection", "create", "example", *options)
    sign_in_twice(product, nano, "file", "fay", protocol="saml")


def test_nanoidp_by_saml_with_a_metadata_address(product: Installation, nano: Provider) -> None:
    options = ("--type", "generic-saml", "--metadata-url", nano.idp.metadata_url, "--activate")
    made = nano.connections["address"] = product.told("connection", "create", "example", *options)
    assert made["idp_entity_id"] == nano.idp.entity_id
    assert made["certificates"]
    sign_in_twice(product, nano, "address", "uma", protocol="saml")


def test_nanoidp_by_oidc(product: Installation, nano: Provider) -> None:
    known_to(nano.idp, product, nano.connections["oidc"])
    sign_in_twice(product, nano, "oidc", "ida", protocol="oidc")


def test_person_without_a_last_name_is_told_and_leaves_a_trace(product: Installation, nano: Provider) -> None:
    options = ("--type", "generic-saml", "--metadata-url", nano.idp.metadata_url, "--activate")
    product.told("connection", "create", "example", *options)
    with Visitor(product.url) as visitor:
        page = by_saml(product, visitor, "nell")
    assert "Your identity provider did not send your last name" in page.text
    found = require_refused(product, page, "last_name_missing")
    assert "firstname" in found["facts"]["seen"].lower()
    assert found["facts"]["expected"] == "lastName"


def test_person_without_a_last_name_by_oidc_too(product: Installation, nano: Provider) -> None:
    known_to(nano.idp, product, nano.connections["oidc"])
    with Visitor(product.url) as visitor:
        page = by_oidc(product, visitor, nano, "oidc", "nell")
    found = require_refused(product, page, "last_name_missing")
    assert "given_name" in found["facts"]["seen"]


def test_wrong_client_secret_is_named_and_the_right_one_repairs_it(product: Installation, nano: Provider) -> None:
    known_to(nano.idp, product, nano.connections["wrong secret"], secret="not-the-secret")
    with Visitor(product.url) as visitor:
        page = by_oidc(product, visitor, nano, "wrong secret", "sam")
    found = require_refused(product, page, "oidc_client_secret")
    assert "not-the-secret" not in json.dumps(found)
    right = product.file("right.secret", "rp-test-secret\n")
    connection_id = nano.connections["wrong secret"]["id"]
    told = product.told("connection", "configure", connection_id, "--client-secret-file", right)
    assert told["client_id"] == "rp-test"
    assert "rp-test-secret" not in json.dumps(told)
    sign_in_twice(product, nano, "wrong secret", "sam", protocol="oidc")


def test_provider_that_stops_is_named_and_passwords_still_work(product: Installation) -> None:
    connection = draft(product, "generic-oidc")
    with ExitStack() as running, Visitor(product.url) as visitor:
        uris = [connection["redirect_uri"]]
        idp = running.enter_context(nanoidp(redirect_uris=uris, NANOIDP_USERS_JSON=nanoidp_users()))
        known_to(idp, product, connection)
        at_idp = visitor.follow(leave(product, visitor, "eva"))
        back = log_in_oidc(idp, visitor, at_idp, redirect_uri=uris[0], user="eva")
        running.close()
        page = visitor.follow(visitor.get(back, start=at_idp))
        require_refused(product, page, "idp_unavailable")
        inside = visitor.follow(visitor.submit(page, "/login", email=OWNER, password=OWNER_PASSWORD))
        assert (inside.status, inside.url) == (200, f"{product.url}/")
        assert "Your identity provider is not answering" in inside.text  # an owner sees why sign-ins failed


# --- pysaml2: every way of signing ---------------------------------------------------------------------------------


def pysaml2_drafts(product: Installation) -> dict[str, Any]:
    options = {"unsolicited": ["--allow-unsolicited"], "encrypted": ["--encrypt"]}
    return {name: draft(product, "generic-saml", *options.get(name, [])) for name in SIGNED}


def described(connection: Any, **signing: bool) -> dict[str, Any]:
    """Our connection as pysaml2 wants it described, with the metadata that we serve."""
    metadata = httpx2.get(connection["sp_metadata_url"]).text
    told = {"entity_id": connection["sp_entity_id"], "acs_url": connection["acs_url"], "metadata_xml": metadata}
    return told | signing


def people_json(*names: str) -> str:
    """A person for each name, for pysaml2."""
    return json.dumps(
        {
            name: {
                "password": f"{name}-pw",
                "email": [f"{name}@example.test"],
                "firstName": [name.title()],
                "lastName": ["Lee"],
            }
            for name in names
        }
    )


@pytest.fixture(scope="module")
def py(product: Installation) -> Iterator[Provider]:
    """pysaml2, which signs for each connection as `SIGNED` says."""
    connections = pysaml2_drafts(product)
    entries = [described(connections[name], **SIGNED[name]) for name in SIGNED]
    with pysaml2(
        sp_entity_id="",
        acs_url="",
        SPS_JSON=product.file("sps.json", json.dumps(entries)),
        PYSAML2_USERS_JSON=people_json(*SIGNED),
    ) as idp:
        yield Provider(idp, connections)


@pytest.mark.parametrize("name", ["both", "assertion", "response"])
def test_pysaml2_by_saml(product: Installation, py: Provider, name: str) -> None:
    activate(product, py.connections[name], "--metadata-url", py.idp.metadata_url)
    sign_in_twice(product, py, name, name, protocol="saml")


def start_at_the_provider(visitor: Visitor, provider: Provider, name: str) -> Page:
    """Sign in from the identity provider's own portal."""
    portal = provider.idp.idp_initiated_url.partition("?")[0]
    at_idp = visitor.get(f"{portal}?sp={provider.connections[name]['sp_entity_id']}")
    return answer_saml(visitor, at_idp, name)


def test_unsolicited_answer_is_taken_where_it_is_allowed(product: Installation, py: Provider) -> None:
    activate(product, py.connections["unsolicited"], "--metadata-url", py.idp.metadata_url)
    with Visitor(product.url) as visitor:
        page = start_at_the_provider(visitor, py, "unsolicited")
        require_new_member(product, visitor, page, "unsolicited")
    assert last_login(product)["how"] == "unsolicited"


@pytest.mark.requirement("SAML-26")
def test_unsolicited_answer_is_refused_where_it_is_not(product: Installation, py: Provider) -> None:
    activate(product, py.connections["solicited"], "--metadata-url", py.idp.metadata_url)
    with Visitor(product.url) as visitor:
        page = start_at_the_provider(visitor, py, "solicited")
    require_refused(product, page, "saml_unsolicited")


def test_encryption_with_3des_is_refused(product: Installation, py: Provider) -> None:
    activate(product, py.connections["encrypted"], "--metadata-url", py.idp.metadata_url)
    with Visitor(product.url) as visitor:
        page = by_saml(product, visitor, "encrypted")
    found = require_refused(product, page, "saml_algorithm_refused")
    assert "tripledes-cbc" in json.dumps(found["facts"])


def test_sha1_signature_is_refused(product: Installation) -> None:
    connection = draft(product, "generic-saml")
    entries = product.file("sps-sha1.json", json.dumps([described(connection)]))
    people = people_json("shaw")
    with (
        pysaml2(sp_entity_id="", acs_url="", SPS_JSON=entries, PYSAML2_USERS_JSON=people, PYSAML2_SIGN_ALG=SHA1) as idp,
        Visitor(product.url) as visitor,
    ):
        activate(product, connection, "--metadata-url", idp.metadata_url)
        found = require_refused(product, by_saml(product, visitor, "shaw"), "saml_algorithm_refused")
    assert "rsa-sha1" in json.dumps(found["facts"])


def test_provider_that_wants_signed_requests_gets_them(product: Installation) -> None:
    connection = draft(product, "generic-saml")
    entries = product.file("sps-signed.json", json.dumps([described(connection)]))
    people = people_json("sid")
    with pysaml2(
        sp_entity_id="", acs_url="", SPS_JSON=entries, PYSAML2_USERS_JSON=people, SP_SIGNS_REQUESTS="1"
    ) as idp:
        activate(product, connection, "--metadata-url", idp.metadata_url, "--sign-requests")
        with Visitor(product.url) as visitor:
            signed = leave(product, visitor, "sid").location or ""
            unsigned = signed.partition("&SigAlg=")[0]
            assert unsigned != signed
            assert visitor.get(unsigned).status == 400
        sign_in_twice(product, Provider(idp, {"signed": connection}), "signed", "sid", protocol="saml")


# --- Canaille: OpenID Connect --------------------------------------------------------------------------------------


@pytest.mark.requirement("TST-10")
@pytest.mark.one_database
def test_canaille_by_oidc(product: Installation) -> None:
    connection = draft(product, "generic-oidc")
    people = {
        "cleo": {"password": "cleo-pw-123", "email": "cleo@example.test", "given": "Cleo", "family": "Lee"},
    }
    with canaille(redirect_uris=[connection["redirect_uri"]], CANAILLE_USERS_JSON=json.dumps(people)) as idp:
        known_to(idp, product, connection)
        sign_in_twice(product, Provider(idp, {"canaille": connection}), "canaille", "cleo", protocol="oidc")
