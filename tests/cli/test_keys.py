"""A changed secret key: whatever must be read back opens with the new one alone, second factors too."""

from dataclasses import replace

import pytest
from support.installation import Installation

from llmops.accounts import factors
from llmops.base.sealing import Sealer

pytestmark = [pytest.mark.database, pytest.mark.requirement("SEC-01", "PWD-14")]
OLD, NEW = "one-secret-of-an-installation-4711", "another-secret-of-an-installation-4712"


def with_keys(product: Installation, *keys: str) -> Installation:
    return replace(product, more={"LLMOPS_SECRET_KEY": ",".join(keys)})


def test_a_second_factor_survives_the_old_secret_key(product: Installation) -> None:
    made = ("staff", "create", "sam@example.test", "--name", "Sam", "--password-stdin")
    told = with_keys(product, OLD).told(*made, typed="correct horse battery staple\n")
    with_keys(product, NEW, OLD).told("keys", "rotate")
    with product.database() as database, database.reading() as db:
        [holder] = db.execute(factors.Factor.rows()).all()
        secret = factors.waiting(db, Sealer((NEW,)), holder.holder_id)
    assert secret
    assert secret in str(told)
