"""Hostile Responses at the front door: each gets its code on the sign-in page, and leaves nothing but the attempt.

The whole table is judged in tests/broker/saml/test_vectors.py; here are those that stand for the rest.
"""

import pytest
from saml import build
from saml.vectors.table import HARMLESS, HOSTILE, representatives
from saml.vectors.vector import Vector
from support.page import Page
from support.visitor import Visitor
from world import World, error_of, request_id_of

from llmops.accounts import sessions
from llmops.broker.connections import Connection
from llmops.broker.saml import certificate

pytestmark = pytest.mark.one_database
ATTEMPT = {"logins", "rate_counters"}
"""Tables in which a refusal may leave a row: the attempt, and how often this address knocked."""

FRONT = [
    pytest.param(vector, id=vector.name, marks=pytest.mark.requirement("TST-01", *vector.proves))
    for vector in representatives()
]


def bring(world: World, visitor: Visitor, connection: Connection, vector: Vector) -> Page:
    """Have the identity provider answer this visitor's request with the vector, in its first style."""
    style = vector.styles[0]
    request_id = "" if style == "unsolicited" else request_id_of(world.depart(visitor))
    message = vector.make(
        style,
        base=world.unsigned(connection, request_id),
        to=certificate.from_base64(connection.sp_certificate or "").parsed.public_key(),
    )
    return world.post_response(visitor, connection, build.encode(message))


def connection_for(world: World, vector: Vector) -> Connection:
    """A connection that has the certificate and the options which the vector is about."""
    unsolicited = vector.styles[0] == "unsolicited"
    return world.saml(
        world.organization(), by=vector.pinned(), want_signed=vector.want_signed, allow_unsolicited=unsolicited
    )


@pytest.mark.parametrize("vector", FRONT)
def test_refusal_says_its_code_and_leaves_only_the_attempt(world: World, vector: Vector) -> None:
    connection, visitor = connection_for(world, vector), world.visitor()
    before = world.counts()
    stopped = visitor.follow(bring(world, visitor, connection, vector))
    assert error_of(stopped) == (vector.door or vector.code)
    after = world.counts()
    assert {name for name in after if after[name] != before[name]} <= ATTEMPT
    assert visitor.cookies.value(sessions.COOKIE, host="llm-ops.test") is None
    assert world.value("SELECT count(*) FROM logins WHERE code = :code", code=vector.door or vector.code) == 1


@pytest.mark.parametrize("style", build.STYLES)
def test_each_style_signs_in(world: World, style: str) -> None:
    """Were the good ones refused too, the refusals above would say nothing."""
    vector = next(vector for vector in HARMLESS if vector.name == "as it is")
    connection, visitor = world.saml(world.organization(), allow_unsolicited=style == "unsolicited"), world.visitor()
    request_id = "" if style == "unsolicited" else request_id_of(world.depart(visitor))
    key = certificate.from_base64(connection.sp_certificate or "").parsed.public_key()
    message = vector.make(style, base=world.unsigned(connection, request_id), to=key)
    assert "Ann Lee" in visitor.follow(world.post_response(visitor, connection, build.encode(message))).text


def test_the_part_is_large_enough_and_has_every_reason() -> None:
    assert len(FRONT) >= 40
    assert {vector.code for vector in representatives()} == {vector.code for vector in HOSTILE}
