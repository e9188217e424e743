"""When certificates and secrets expire, and which reminder is due."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from oidc import provider as op
from saml.keys import signer
from world import START, World

from llmops.broker import certificates, connections
from llmops.broker.certificates import Expiry
from llmops.broker.connections import Connection


@dataclass(frozen=True)
class Left:
    """Time until an expiry, and the reminder that is due then."""

    days: float
    reminder: int | None


@pytest.mark.requirement("SAML-37")
@pytest.mark.parametrize(
    "case",
    [
        Left(61, None), Left(60, 60), Left(59.9, 60), Left(30.1, 60), Left(30, 30), Left(14, 14), Left(7, 7),
        Left(1, 1), Left(0.1, 1), Left(0, 0), Left(-0.1, 0), Left(-400, 0),
    ],
    ids=lambda case: str(case.days),
)  # fmt: skip
def test_each_reminder_is_due_from_its_day_on(case: Left) -> None:
    assert Expiry("certificate", "ab", START + timedelta(days=case.days)).reminder(START) == case.reminder


@pytest.mark.parametrize(("days", "whole"), [(2, 2), (1.9, 1), (0.5, 0), (-0.5, -1)])
def test_days_left_are_whole_days(days: float, whole: int) -> None:
    assert Expiry("certificate", "ab", START + timedelta(days=days)).days_left(START) == whole


def ends(name: str, *, days: float) -> str:
    """The certificate of a signer that expires so many days after the tests' beginning."""
    return signer(name, not_after=START + timedelta(days=days)).certificate.encoded


def with_columns(world: World, connection: Connection, **values: object) -> Connection:
    with world.database.writing() as db:
        connections._change(db, connection.id, **values)
        return connections.get(db, connection.id)


def test_of_several_certificates_the_one_that_lives_longest_is_the_last(world: World) -> None:
    certificates_of = [ends("a", days=10), ends("b", days=90), ends("c", days=40)]
    connection = with_columns(world, world.saml(world.organization()), idp_certificates=certificates_of)
    found = certificates.of(connection)
    assert [(expiry.days_left(START), expiry.last) for expiry in found] == [(10, False), (40, False), (90, True)]


def test_a_client_secret_expires_when_it_is_known(world: World) -> None:
    connection = world.oidc(world.organization(), op.provider(), client_id=op.CLIENT_ID)
    assert certificates.of(connection) == []
    connection = with_columns(world, connection, client_secret_expires_at=START + timedelta(days=20))
    (secret,) = certificates.of(connection)
    assert (secret.what, secret.name, secret.last) == ("client secret", op.CLIENT_ID, True)


@pytest.mark.parametrize(("option", "counts"), [("sign_requests", 1), ("publish_encryption", 1), (None, 0)])
def test_our_own_certificate_counts_where_it_is_used(world: World, option: str | None, counts: int) -> None:
    connection = world.saml(world.organization(), **({option: True} if option else {}))
    assert len([one for one in certificates.of(connection) if one.what == "our certificate"]) == counts
