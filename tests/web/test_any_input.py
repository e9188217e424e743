"""Whatever is typed into any form, query or path of the site: an answer that was planned, never a 5xx.

Every door of the site gets texts of all kinds under the names that the product reads, from a stranger and from a
customer's owner.
"""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.examples import examples
from support.visitor import Visitor
from world import World

import llmops
from llmops import app
from llmops.organizations.roles import Role
from llmops.web.doors import Door

DOORS = [door for _, doors in app.SITE for door in doors]
_READ = re.compile(r'r\.(?:field|query)\(\s*"(\w+)"')
NAMES = sorted(
    {name for file in Path(llmops.__file__).parent.rglob("*.py") for name in _READ.findall(file.read_text())}
)
_ODD = (
    "",
    " ",
    "\0",
    "\ufeff",
    "\u202e",
    "a" * 3_000,
    "../..",
    "' OR 1=1 --",
    "{{ 7 }}",
    "a@b.c",
    "owner",
    "-1",
    "9" * 40,
)
TEXTS = st.one_of(st.sampled_from(_ODD), st.text(max_size=40))
FIELDS = st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=6)


def stranger(world: World) -> Visitor:
    return world.visitor()


def owner(world: World) -> Visitor:
    world.person("olga@acme.test", world.organization(), role=Role.OWNER)
    visitor = world.visitor()
    world.sign_in(visitor, "olga@acme.test")
    return visitor


@pytest.mark.requirement("TST-08")
@pytest.mark.parametrize("who", [stranger, owner])
@pytest.mark.parametrize("door", DOORS, ids=[f"{door.method} {door.path}" for door in DOORS])
def test_every_door_answers_as_planned(world: World, door: Door, who: Callable[[World], Visitor]) -> None:
    visitor = who(world)
    token = str(visitor.get("/login").forms[0].fields["csrf_token"]) if who is stranger else _token(visitor)

    @settings(examples(3), suppress_health_check=list(HealthCheck))
    @given(fields=FIELDS, segment=TEXTS)
    def answers(fields: dict[str, str], segment: str) -> None:
        path = re.sub(r"\{\w+\}", lambda _: quote(segment or "x", safe=""), door.path)
        if door.method == "GET":
            page = visitor.get(f"{path}?{urlencode(fields)}")
        else:
            page = visitor.post(path, {"csrf_token": token, **fields})
        assert page.status < 500, (door.method, path, fields, page.text[:300])

    answers()


def _token(visitor: Visitor) -> str:
    return str(visitor.get("/settings/profile").forms[0].fields["csrf_token"])
