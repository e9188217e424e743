"""The order at the assertion consumer service: what arrives is judged before anything is written or anybody waits."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, event
from world import World, error_of, request_id_of

BEFORE = {
    "state": "UPDATE connections SET state = 'inactive'",
    "the identity provider": "UPDATE connections SET idp_entity_id = 'https://other.test'",
    "the last key": "UPDATE connections SET idp_certificates = '[]'",
    "what must be signed": "UPDATE connections SET want_signed = 'both'",
    "the protocol": "UPDATE connections SET kind = 'GenericOIDC'",
}


@contextmanager
def at_each_write(world: World, work: Callable[[], None]) -> Iterator[None]:
    """Do this just before every transaction that writes."""

    def opened(_: Connection, options: Mapping[str, object]) -> None:
        if options.get("llmops_writes"):
            work()

    event.listen(world.database.engine, "set_connection_execution_options", opened)
    try:
        yield
    finally:
        event.remove(world.database.engine, "set_connection_execution_options", opened)


@pytest.mark.parametrize("style", ["assertion", "unsigned", "rubbish"])
def test_a_refused_message_makes_writers_wait_only_while_it_is_recorded(world: World, style: str) -> None:
    connection, visitor, writes = world.saml(world.organization()), world.visitor(), []
    encoded = "eHg=" if style == "rubbish" else world.response(connection, "_nobody", style=style)
    with at_each_write(world, lambda: writes.append(1)):
        assert error_of(world.post_response(visitor, connection, encoded))
    assert len(writes) == 1


@pytest.mark.requirement("SAML-37")
@pytest.mark.parametrize("changed", BEFORE)
def test_a_connection_that_changes_while_its_answer_is_judged_lets_nobody_in(world: World, changed: str) -> None:
    connection, visitor, done = world.saml(world.organization()), world.visitor(), []
    encoded = world.response(connection, request_id_of(world.depart(visitor)))

    def change() -> None:
        if not done:
            done.append(1)
            world.sql(BEFORE[changed])

    with at_each_write(world, change):
        page = world.post_response(visitor, connection, encoded)
    assert error_of(page) == "connection_inactive"
    assert world.counts()["used_assertions"] == 0
    assert world.value("SELECT count(*) FROM logins WHERE answered_at IS NOT NULL") == 0
