"""The two-organization matrix (TST-12): A's owner with B's ids, at every door of the site that takes one.

Made from the site's own list of doors. A new door needs one line in ENTRIES: `Foreign(…)` if its path or its form
takes an id, else a reason why none does. Without the line the first test fails.
"""

import re
from dataclasses import dataclass, field

import pytest
from starlette.routing import compile_path
from support import portal
from support.page import Page
from support.visitor import Visitor
from world import World

from llmops import app
from llmops.broker import drafts
from llmops.db.tables import Base
from llmops.organizations.organization import Organization
from llmops.organizations.roles import Role
from llmops.web.doors import Door

DOORS: dict[str, Door] = {f"{door.method} {door.path}": door for _, doors in app.SITE for door in doors}
INVITE = "/settings/team/invite"
AN_ID = re.compile(r"[a-z]{2,6}_[0-9a-z]{26}")


@dataclass(frozen=True)
class Foreign:
    """The door takes ids. `form` names those in its form, by the things of B they stand for; `fields` are the others.

    B's id is answered with `status`, and exactly as an id that nobody has.
    """

    status: int = 404
    form: dict[str, str] = field(default_factory=dict)
    fields: dict[str, str] = field(default_factory=dict)


def _may_take_an_id(door: Door) -> bool:
    return "{" in door.path or door.method == "POST"


NONE = "takes no id"
OWN = "asks the session alone"
LINK = "the secret in the link is the right"
FIRST = "nobody is signed in yet"
BROKER = "the identity provider's word and a random state are the right; the path names the connection for everybody"
ADDRESS = "the address that an organization shares with everybody"

ENTRIES: dict[str, Foreign | str] = {
    "POST /csp-reports": NONE,
    "POST /login": FIRST,
    "POST /login/code": FIRST,
    "POST /login/break-glass": FIRST,
    "POST /login/rescue": LINK,
    "POST /login/forgot": FIRST,
    "POST /login/reset": LINK,
    "POST /login/sso": FIRST,
    "GET /login/sso/{slug}": ADDRESS,
    "GET /login/sso/{slug}/start": ADDRESS,
    "POST /login/link": LINK,
    "POST /login/replace": LINK,
    "POST /logout": OWN,
    "POST /theme": NONE,
    "POST /confirm": OWN,
    "POST /confirm/sso": OWN,
    "POST /confirm/letter": OWN,
    "POST /confirm/link": OWN,
    "POST /signup": FIRST,
    "POST /signup/resend": FIRST,
    "POST /signup/verify": LINK,
    "POST /invitation": LINK,
    "POST /invitation/letter": LINK,
    "POST /sso/saml/{connection_id}/acs": BROKER,
    "GET /sso/saml/{connection_id}/metadata": BROKER,
    "GET /sso/oidc/{connection_id}/callback": BROKER,
    "GET /sso/test/{login_id}": BROKER,
    "POST /settings/team/export": OWN,
    "POST /settings/team/leave": OWN,
    "POST /settings/team/invite": OWN,
    "POST /settings/team/invitations/{invitation_id}/resend": Foreign(),
    "POST /settings/team/invitations/{invitation_id}/revoke": Foreign(),
    "GET /settings/team/{member_id}": Foreign(),
    "POST /settings/team/{member_id}/role": Foreign(fields={"role": "admin"}),
    "POST /settings/team/{member_id}/suspend": Foreign(),
    "POST /settings/team/{member_id}/resume": Foreign(),
    "POST /settings/team/{member_id}/remove": Foreign(),
    "GET /settings/security/activity/{login_id}": Foreign(),
    "POST /settings/security/links": OWN,
    "POST /settings/security/links/revoke": Foreign(410, form={"link": "portal_link_id"}),
    "POST /settings/security/changes/approve": Foreign(form={"draft": "draft_id"}),
    "POST /settings/security/changes/reject": Foreign(form={"draft": "draft_id"}),
    "POST /settings/security/contacts": Foreign(form={"connection": "connection_id"}),
    "POST /settings/security/off": Foreign(form={"connection": "connection_id"}),
    "POST /settings/security/domains/claim": "a name that is typed; a claim grants nothing",
    "POST /settings/security/domains/check": Foreign(form={"domain": "domain"}),
    "POST /settings/security/domains/remove": Foreign(form={"domain": "domain"}),
    "POST /settings/security/break-glass/name": Foreign(form={"user": "owner_user_id"}),
    "POST /settings/security/break-glass/unname": Foreign(form={"user": "owner_user_id"}),
    "POST /settings/billing/contact-sales": OWN,
    "POST /settings/audit/export": OWN,
    "POST /settings/profile/password": OWN,
    "POST /settings/profile/password/first": OWN,
    "POST /settings/profile/sessions/end": Foreign(303, form={"session_id": "session_id"}),
    "POST /settings/profile/sessions/end-others": OWN,
    "POST /settings/profile/two-step/begin": OWN,
    "POST /settings/profile/two-step/confirm": OWN,
    "POST /settings/profile/two-step/codes": OWN,
    "POST /settings/profile/two-step/remove": OWN,
    "POST /portal/start": LINK,
    "POST /portal/leave": OWN,
    "POST /portal/provider": OWN,
    "POST /portal/next": OWN,
    "POST /portal/domains": OWN,
    "POST /portal/domains/check": OWN,
    "POST /portal/test/start": OWN,
    "GET /portal/test/{login_id}": Foreign(),
    "GET /portal/test/{login_id}/message": Foreign(),
    "POST /portal/activate": OWN,
    "POST /portal/discard": OWN,
    "GET /portal/{kind}/{step}": NONE,
    "POST /portal/{kind}/{step}": NONE,
    # A customer's session is nothing at the staff console: every door there leads to its own sign-in page.
    **{key: Foreign(303) for key, door in DOORS.items() if door.path.startswith("/staff/") and _may_take_an_id(door)},
    "POST /staff/sign-in": FIRST,
    "POST /staff/sign-in/code": FIRST,
    "POST /staff/sign-out": NONE,
}
MATRIX = {key: entry for key, entry in ENTRIES.items() if isinstance(entry, Foreign)}


@dataclass
class Two:
    """A's owner at the browser, with A's portal open in it too; and what B has, by the names that doors give it."""

    world: World
    visitor: Visitor
    b: dict[str, str]


@pytest.fixture
def two(world: World) -> Two:
    a, b = world.organization("Acme"), world.organization("Bolt", domain="bolt.test")
    world.person("owner@acme.test", a, role=Role.OWNER)
    visitor = portal.inside(world, a)
    for browser in (world.visitor(), visitor):
        world.sign_in(browser, "owner@acme.test")
    return Two(world, visitor, _everything_of(world, b))


def _everything_of(world: World, b: Organization) -> dict[str, str]:
    """A member, a session, an invitation, a connection and a test sign-in of B."""
    owner = world.person("owner@bolt.test", b, role=Role.OWNER)
    user = world.person("bea@bolt.test", b)
    boss = world.visitor()
    world.sign_in(boss, "owner@bolt.test")
    assert boss.submit(boss.get(INVITE), INVITE, emails="new@bolt.test", role="member").status == 200
    connection = world.saml(b)
    link, _ = portal.link(world, b)
    with world.database.writing() as db:
        draft = drafts.begin(db, world.site.sealer, connection, now=world.clock.now)
        drafts.ask_owner(db, draft, now=world.clock.now)
    world.depart(world.visitor(), "bea@bolt.test")
    world.sql("UPDATE logins SET how = 'test'")
    one = "SELECT id FROM {} WHERE organization_id = :b"
    return {
        "slug": b.slug,
        "organization_id": b.id,
        "connection_id": connection.id,
        "login_id": world.value(one.format("logins"), b=b.id),
        "member_id": world.value(one.format("members") + " AND user_id = :user", b=b.id, user=user.id),
        "invitation_id": world.value(one.format("invitations"), b=b.id),
        "session_id": world.value(one.format("sessions"), b=b.id),
        "domain": "bolt.test",
        "draft_id": draft.id,
        "portal_link_id": link.id,
        "owner_user_id": owner.id,
        "domain_id": world.value(one.format("organization_domains"), b=b.id),
    }


def absent(known: str) -> str:
    """An id of the same kind that nobody has."""
    prefix, _, rest = known.rpartition("_")
    return f"{prefix}_{'0' * len(rest)}" if prefix else "nobody"


def knock(two: Two, key: str, entry: Foreign, ids: dict[str, str]) -> Page:
    """Send the door what a page of A's own would send, but with these ids."""
    door = DOORS[key]
    path = re.sub(r"\{(\w+)\}", lambda name: ids[name[1]], door.path)
    if door.method == "GET":
        return two.visitor.get(path)
    token = str(two.visitor.get("/settings/profile").form("/logout").fields["csrf_token"])
    named = {name: ids[thing] for name, thing in entry.form.items()}
    return two.visitor.post(path, {"csrf_token": token, **entry.fields, **named})


def rows(world: World) -> dict[str, list[str]]:
    """Everything that is stored, but for counters and what a request may note about itself."""
    left_out = {"rate_counters"}
    with world.database.reading() as db:
        return {
            table.name: sorted(str(tuple(row)) for row in db.execute(table.select()))
            for table in Base.metadata.sorted_tables
            if table.name not in left_out
        }


@pytest.mark.requirement("TST-12", "TEN-20")
def test_every_door_that_may_take_an_id_has_an_entry() -> None:
    needed = {key for key, door in DOORS.items() if _may_take_an_id(door)}
    assert sorted(needed - set(ENTRIES)) == [], "say in ENTRIES how A's owner with B's ids is answered"
    assert sorted(set(ENTRIES) - needed) == [], "no such doors any more"


@pytest.mark.requirement("TST-12", "TEN-20")
@pytest.mark.parametrize("key", MATRIX)
def test_an_id_of_another_organization_is_answered_like_one_that_nobody_has(two: Two, key: str) -> None:
    entry, before = MATRIX[key], rows(two.world)
    foreign = knock(two, key, entry, two.b)
    nobodys = knock(two, key, entry, {name: absent(known) for name, known in two.b.items()})
    assert (foreign.status, nobodys.status) == (entry.status, entry.status)
    assert _without_ids(foreign, two.b) == _without_ids(nobodys, two.b)
    assert rows(two.world) == before


def _without_ids(page: Page, b: dict[str, str]) -> tuple[str, str]:
    """Text and target, without the reference of the request and without the ids that were asked for."""
    told = f"{page.text} {page.location}"
    for known in b.values():
        told = told.replace(known, "ID").replace(absent(known), "ID")
    return re.sub(r"\b[0-9a-f]{16}\b", "REF", told), str(page.headers.get("content-type"))


@pytest.mark.requirement("TST-12")
def test_no_form_that_an_owner_sees_sends_an_id_that_the_matrix_does_not_know(two: Two) -> None:
    invite = two.visitor.get(INVITE)
    assert two.visitor.submit(invite, INVITE, emails="new@acme.test", role="member").status == 200
    patterns = {key: compile_path(door.path)[0] for key, door in DOORS.items() if door.method == "POST"}
    seen = set()
    for door in DOORS.values():
        if door.method != "GET" or "{" in door.path or door.writes:
            continue
        for form in two.visitor.get(door.path).forms:
            path = form.action.removeprefix("https://llm-ops.test")
            key = next(key for key, pattern in patterns.items() if pattern.match(path)) if form.method == "POST" else ""
            entry = ENTRIES.get(key)
            for name, value in form.fields.items():
                if AN_ID.fullmatch(str(value)):
                    assert isinstance(entry, Foreign), f"{name} on {door.path}"
                    assert name in entry.form, f"{name} on {door.path}"
                    seen.add(name)
    assert "session_id" in seen
