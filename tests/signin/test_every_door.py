"""Every way to a session, and whether it leads into an organization where single sign-on is compulsory (TEN-18).

The list is compared with the code: a new call of `entry.enter` that is not in it fails.
"""

import ast
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from support.enforced import Company, break_glass, code, company, enforce, second_factor
from support.visitor import Visitor
from world import PASSWORD, World, request_id_of

from llmops.accounts.sessions import Method
from llmops.broker.connections import Kind
from llmops.db.tables import add
from llmops.organizations import invitations, organization
from llmops.organizations.invitations import Invitation
from llmops.organizations.members import PAST_ENFORCEMENT
from llmops.organizations.roles import Role
from llmops.signin import rescue

SOURCE = Path(__file__).parents[2] / "src" / "llmops"
NEW_PASSWORD = "another long good sentence 99"

Finish = Callable[[], object]
Begin = Callable[[World, Company, Visitor], Finish]
"""Goes as far as one can before the last step; that step is what it returns."""


def password_form(world: World, made: Company, visitor: Visitor) -> Finish:
    world.person("ann@acme.test", made.organization)
    return lambda: world.sign_in(visitor, "ann@acme.test")


def password_form_from_elsewhere(world: World, made: Company, visitor: Visitor) -> Finish:
    world.person("guest@elsewhere.test", made.organization)
    return lambda: world.sign_in(visitor, "guest@elsewhere.test")


def second_step(world: World, made: Company, visitor: Visitor) -> Finish:
    secret = second_factor(world, world.person("ann@acme.test", made.organization))
    page = world.sign_in(visitor, "ann@acme.test")
    return lambda: visitor.follow(visitor.submit(page, "/login/code", code=code(world, secret)))


def reset(world: World, made: Company, visitor: Visitor) -> Finish:
    world.person("ann@acme.test", made.organization)
    visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email="ann@acme.test")
    page = visitor.follow(visitor.get(world.link("ann@acme.test", "/login/reset")))

    def finish() -> None:
        visitor.submit(page, "/login/reset", password=NEW_PASSWORD)
        world.sign_in(visitor, "ann@acme.test", NEW_PASSWORD)

    return finish


def sign_up(world: World, made: Company, visitor: Visitor) -> Finish:
    fields = {"first_name": "Ann", "last_name": "Lee", "email": "ann@acme.test", "organization_name": "Acme too"}
    visitor.submit(visitor.get("/signup"), "/signup", **fields, password=NEW_PASSWORD)
    page = visitor.follow(visitor.get(world.link("ann@acme.test", "/signup/verify")))
    return lambda: visitor.follow(visitor.submit(page, "/signup/verify"))


def invited(world: World, made: Company, address: str) -> str:
    """The path in the letter of an invitation to Acme."""
    sealer, now = world.site.sealer, world.clock.now
    with world.database.writing() as db:
        times = {"invited_at": now, "sent_at": now, "expires_at": now + timedelta(days=7)}
        add(
            db, Invitation, id="inv_1", organization_id=made.organization.id, email=address, role=Role.MEMBER,
            token_hash=invitations.hashed(sealer, "secret"), invited_by=made.owner.id, **times,
        )  # fmt: skip
    return f"/invitation?token=secret.{invitations.proof(sealer, 'secret')}"


def invitation_to_a_new_person(world: World, made: Company, visitor: Visitor) -> Finish:
    page = visitor.follow(visitor.get(invited(world, made, "guest@elsewhere.test")))
    names = {"first_name": "Ann", "last_name": "Lee"}
    return lambda: visitor.follow(visitor.submit(page, "/invitation", **names, password=NEW_PASSWORD))


def invitation_to_somebody_signed_in(world: World, made: Company, visitor: Visitor) -> Finish:
    world.person("guest@elsewhere.test", world.organization("Other", domain=None))
    world.sign_in(visitor, "guest@elsewhere.test")
    page = visitor.follow(visitor.get(invited(world, made, "guest@elsewhere.test")))
    return lambda: visitor.follow(visitor.submit(page, "/invitation"))


def sso(world: World, made: Company, visitor: Visitor) -> Finish:
    return lambda: world.saml_sign_in(visitor, made.connection, "ann@acme.test")


def link_letter(world: World, made: Company, visitor: Visitor) -> Finish:
    world.person("ann@acme.test", made.organization, role=Role.ADMIN)
    world.saml_sign_in(visitor, made.connection, "ann@acme.test")
    page = visitor.follow(visitor.get(world.link("ann@acme.test", "/login/link")))
    return lambda: visitor.follow(visitor.submit(page, "/login/link"))


def replace(world: World, made: Company, visitor: Visitor) -> Finish:
    world.person("guest@other.test", world.organization("Other", domain=None))
    world.sign_in(visitor, "guest@other.test")
    request_id = request_id_of(visitor.get("/login/sso/acme/start").location or "")
    answer = world.response(made.connection, request_id, address="ann@acme.test", assertion_id="_replace")
    page = visitor.follow(world.post_response(visitor, made.connection, answer))
    return lambda: visitor.follow(visitor.submit(page, "/login/replace"))


def emergency(world: World, made: Company, visitor: Visitor) -> Finish:
    return lambda: visitor.follow(break_glass(world, visitor, made))


def rescue_link(world: World, made: Company, visitor: Visitor) -> Finish:
    with world.database.writing() as db:
        acme = organization.get(db, made.organization.id)
        url = rescue.issue(
            db, world.site.sealer, world.settings, acme, email=made.owner.email, by="operator", now=world.clock.now
        )
    page = visitor.follow(visitor.get(url))
    return lambda: visitor.follow(visitor.submit(page, "/login/rescue"))


def confirmation(world: World, made: Company, visitor: Visitor) -> Finish:
    world.person("ann@acme.test", made.organization)
    world.sign_in(visitor, "ann@acme.test")
    page = visitor.get("/confirm")
    return lambda: visitor.follow(visitor.submit(page, "/confirm", password=PASSWORD))


def confirmation_by_letter(world: World, made: Company, visitor: Visitor) -> Finish:
    world.saml_sign_in(visitor, made.connection, "ann@acme.test")
    world.sql("UPDATE connections SET kind = :kind", kind=Kind.GENERIC_OIDC)
    visitor.submit(visitor.get("/confirm"), "/confirm/letter")
    page = visitor.follow(visitor.get(world.link("ann@acme.test", "/confirm/link")))
    return lambda: visitor.follow(visitor.submit(page, "/confirm/link"))


def remembered_session(world: World, made: Company, visitor: Visitor) -> Finish:
    world.person("ann@acme.test", made.organization)
    world.sign_in(visitor, "ann@acme.test")
    return lambda: None


DOORS: list[tuple[Begin, str, bool]] = [
    # the way, the caller of `entry.enter` at its end, whether it leads in where single sign-on is compulsory
    (password_form, "signin.pages._sign_in", False),
    (password_form_from_elsewhere, "signin.pages._sign_in", False),
    (reset, "signin.pages._sign_in", False),
    (second_step, "signin.second_step._enter", False),
    (sign_up, "signin.sign_up._create", False),
    (invitation_to_a_new_person, "signin.invitation._create", False),
    (invitation_to_somebody_signed_in, "signin.invitation._join", False),
    (confirmation, "signin.confirm.with_password", False),
    (remembered_session, "", False),
    (confirmation_by_letter, "signin.confirm_letter.confirm", True),
    (sso, "signin.sso.callback", True),
    (link_letter, "signin.sso._enter_from", True),
    (replace, "signin.sso._enter_from", True),
    (emergency, "signin.breakglass.sign_in", True),
    (rescue_link, "signin.rescue.sign_in", True),
]
WAYS = pytest.mark.parametrize(
    ("begin", "leads_in"), [pytest.param(way, inside, id=way.__name__) for way, _, inside in DOORS]
)


def is_inside(visitor: Visitor) -> bool:
    """Whether this browser acts in Acme."""
    page = visitor.get("/")
    return page.status == 200 and "Acme" in page.text


@WAYS
def test_every_way_leads_in_where_it_is_not_compulsory(world: World, begin: Begin, leads_in: bool) -> None:
    made, visitor = company(world), world.visitor()
    begin(world, made, visitor)()
    assert is_inside(visitor)


@pytest.mark.requirement("TEN-18", "PWD-13", "TST-11")
@WAYS
def test_where_it_is_compulsory_only_these_lead_in(world: World, begin: Begin, leads_in: bool) -> None:
    made, visitor = company(world), world.visitor()
    finish = begin(world, made, visitor)
    enforce(world, made.organization)
    finish()
    assert is_inside(visitor) is leads_in
    others = "SELECT count(*) FROM sessions WHERE organization_id = :id AND ended_at IS NULL AND method = 'password'"
    assert world.value(others, id=made.organization.id) == 0


@pytest.mark.requirement("TEN-18", "PWD-13", "TST-11")
@WAYS
def test_begun_afterwards_they_lead_in_no_further(world: World, begin: Begin, leads_in: bool) -> None:
    made, visitor = company(world), world.visitor()
    enforce(world, made.organization)
    try:
        begin(world, made, visitor)()
    except AssertionError:  # a page without the form, or a letter without the link, that the way needs
        assert not leads_in
    assert is_inside(visitor) is leads_in


@pytest.mark.requirement("TEN-18")
@pytest.mark.parametrize("method", Method.__args__)
def test_sessions_of_each_method_count_or_not(world: World, method: str) -> None:
    made, visitor = company(world), world.visitor()
    world.saml_sign_in(visitor, made.connection, "ann@acme.test")
    world.sql("UPDATE sessions SET method = :method", method=method)
    world.sql("UPDATE organizations SET sso_enforced_at = :now", now=world.clock.now)
    assert is_inside(visitor) is (method != "password")
    assert (method in PAST_ENFORCEMENT) is (method != "password")


def callers(function: str) -> set[str]:
    """Who calls a function by this name, as capability.file.function."""
    found = set()
    for path in SOURCE.rglob("*.py"):
        for outer in ast.walk(ast.parse(path.read_text())):
            if isinstance(outer, ast.FunctionDef):
                for node in ast.walk(outer):
                    if isinstance(node, ast.Call) and _name(node.func) == function:
                        found.add(".".join([*path.relative_to(SOURCE).with_suffix("").parts, outer.name]))
    return found


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


@pytest.mark.requirement("TEN-18")
def test_the_list_above_is_complete() -> None:
    assert callers("enter") - {""} == {caller for _, caller, _ in DOORS if caller}
    assert {caller for caller in callers("open_session") if not caller.startswith("staff.")} == {"signin.entry.enter"}
