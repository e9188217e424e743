"""The database is gone, or full, while people sign in: nobody is let in on a guess, nobody must restart anything."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.product import MEMBER, PASSWORD, Product, acme, has_cookie, is_in
from support.page import Page
from support.postgres import PROGRAM, Postgres, postgres
from support.server import Server, start
from support.visitor import Visitor

from llmops.db.engine import connect
from llmops.migrations import history

pytestmark = [pytest.mark.database, pytest.mark.requirement("TST-20")]
AWAY_SECONDS = 5
BACK_WITHIN_SECONDS = 10


def refused_openly(page: Page) -> bool:
    """A failure of ours that is called one, on its own page or on the sign-in page."""
    return page.status >= 500 or "server_error" in (page.location or "")


@contextmanager
def served(product: Product) -> Iterator[Server]:
    """Its server, whose log may tell of faults here, and is no regular file: the disk is full for those."""
    server = start(product.installation.environment, log_file=Path(os.devnull), port=product.installation.port)
    try:
        yield server
    finally:
        server.stop()


def signs_in_again(product: Product) -> float:
    """Seconds until a new sign-in works, without any help. Raises: AssertionError, when that takes too long."""
    began = time.monotonic()
    while time.monotonic() - began < BACK_WITHIN_SECONDS:
        with Visitor(product.url) as visitor:
            page = visitor.get("/login")
            if page.status == 200 and visitor.submit(page, "/login", email=MEMBER, password=PASSWORD).status == 303:
                if is_in(visitor):
                    return time.monotonic() - began
        time.sleep(0.2)
    raise AssertionError("nobody can sign in")


def test_postgresql_that_stops_and_starts_again(postgresql: Postgres | None, tmp_path: Path) -> None:
    if postgresql is None:
        pytest.skip("a SQLite file does not stop; the test below fills its disk")
    with postgres() as own:
        database = connect(own.fresh(name="llmops_template"))
        history.upgrade(database)
        database.close()
        with acme(tmp_path, own, "llmops_template") as product, served(product):
            with Visitor(product.url) as inside, Visitor(product.url) as open_form, Visitor(product.url) as sso_form:
                product.sign_in(inside)
                assert is_in(inside)
                form, company = open_form.get("/login"), sso_form.get("/login")
                time.sleep(1)  # this PostgreSQL writes late on purpose, see tests/idps/postgres
                _postgres(own, "stop")
                answers = []
                ends = time.monotonic() + AWAY_SECONDS
                while time.monotonic() < ends:
                    answers.append(open_form.submit(form, "/login", email=MEMBER, password=PASSWORD))
                    answers.append(sso_form.submit(company, "/login/sso", email="ann@acme.test"))
                    answers.append(inside.get("/settings/profile"))
                    assert open_form.get("/healthz").status == 200
                    assert open_form.get("/readyz").status == 503
                    time.sleep(0.5)
                assert all(refused_openly(page) for page in answers), {page.status for page in answers}
                assert "Pat" not in "".join(page.text for page in answers)
                assert not has_cookie(open_form)
                _postgres(own, "start")
                assert signs_in_again(product) < BACK_WITHIN_SECONDS
                assert is_in(inside)
                assert open_form.get("/readyz").status == 200


def _postgres(server: Postgres, order: str) -> None:
    environment = {**os.environ, "PORT": str(server.port), "WORK": str(server.work)}
    subprocess.run([sys.executable, str(PROGRAM), order], env=environment, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def disk_full(server: Server) -> Iterator[None]:
    """Whatever this process writes into a file fails, from its second page on."""
    before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)


def test_a_full_disk(postgresql: Postgres | None, template: str | Path, tmp_path: Path) -> None:
    if postgresql is not None:
        pytest.skip("PostgreSQL's disk is its own")
    with acme(tmp_path, None, template) as product, served(product) as server:
        with Visitor(product.url) as inside, Visitor(product.url) as outside, Visitor(product.url) as company:
            product.sign_in(inside)
            before = product.value("SELECT count(*) FROM sessions")
            with disk_full(server):
                assert refused_openly(product.sign_in(outside))
                assert refused_openly(company.submit(company.get("/login"), "/login/sso", email="ann@acme.test"))
                assert refused_openly(outside.submit(outside.get("/login/forgot"), "/login/forgot", email=MEMBER))
                assert not has_cookie(outside)
                assert is_in(inside)  # reading goes on
                assert outside.get("/healthz").status == 200
            assert product.value("SELECT count(*) FROM sessions") == before
            assert product.value("SELECT count(*) FROM jobs WHERE kind = 'password.reset_asked'") == 0
            assert signs_in_again(product) < BACK_WITHIN_SECONDS
            assert product.value("PRAGMA integrity_check") == "ok"
