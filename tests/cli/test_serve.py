"""`llmops serve`, `migrate` and `keys` where something is missing or there are several replicas."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from support.installation import Installation, installed
from support.page import Page
from support.ports import free_port
from support.postgres import Postgres
from support.server import PRODUCT, running
from support.visitor import Visitor

pytestmark = pytest.mark.database
PASSWORD = "correct horse battery staple"
NOWHERE = ("postgresql://ann:the-password@127.0.0.1:1/none", "sqlite:////proc/none/llmops.sqlite3")


@pytest.fixture(scope="module")
def product(installation: Installation) -> Installation:
    installation.told("org", "create", "Acme")
    made = ("user", "create", "pat@acme.test", "--org", "acme", "--password-stdin")
    installation.told(*made, typed=PASSWORD + "\n")
    return installation


@pytest.mark.parametrize("url", NOWHERE)
@pytest.mark.parametrize("command", [("serve",), ("migrate",), ("org", "list"), ("keys", "rotate")])
def test_a_database_that_is_not_there_is_named(product: Installation, command: tuple[str, ...], url: str) -> None:
    ran = replace(product, database_url=url).llmops(*command, expected_status=1)
    assert ran.failure["code"] == "database_unreachable"
    assert "the-password" not in ran.err


@pytest.mark.parametrize("url", NOWHERE)
def test_doctor_finds_a_database_that_is_not_there(product: Installation, url: str) -> None:
    ran = replace(product, database_url=url).llmops("doctor", "--json", expected_status=1)
    assert [check["check"] for check in ran.told if not check["ok"]] == ["database"]
    assert "the-password" not in ran.out


def test_another_kind_of_database_is_a_wrong_setting(product: Installation) -> None:
    ran = replace(product, database_url="mysql://ann:the-password@localhost/llmops").llmops("serve", expected_status=1)
    assert ran.failure["code"] == "setting_invalid"
    assert ran.failure["facts"].keys() == {"LLMOPS_DATABASE_URL"}
    assert "the-password" not in ran.err


def test_keys_are_not_rotated_with_another_installations_secret(product: Installation) -> None:
    product.told("keys", "rotate")
    other = replace(product, more={"LLMOPS_SECRET_KEY": "the secret of some other installation 1234"})
    assert other.llmops("keys", "rotate", expected_status=1).failure["code"] == "secret_key_mismatch"


@pytest.mark.requirement("SES-03")
def test_a_rotation_signs_nobody_out_on_any_replica(product: Installation) -> None:
    """Both replicas have one name, as behind a load balancer, and a port each."""
    with (
        product.serving() as first,
        Visitor(product.url) as before,
        Visitor(product.url) as after,
    ):
        assert sign_in(before, product, at=first.url).status == 200
        product.told("keys", "rotate")
        # The second one starts after the rotation and encrypts with the new key, the first still with the old one.
        with running(product.environment, log_file=product.folder / "second.log", port=free_port()) as second:
            assert opened(before, product, at=second.url).status == 200
            assert sign_in(after, product, at=second.url).status == 200
            time.sleep(2)  # the least pause between two looks at the keys
            assert opened(after, product, at=first.url).status == 200
            assert opened(before, product, at=first.url).status == 200
            assert PASSWORD not in first.log + second.log


def opened(visitor: Visitor, product: Installation, *, at: str, path: str = "/") -> Page:
    """A page of one replica, asked for by the name that all have."""
    return visitor.get(at + path, Host=product.url.removeprefix("http://"))


def sign_in(visitor: Visitor, product: Installation, *, at: str) -> Page:
    """With a password at one replica; returns its dashboard."""
    fields = (
        opened(visitor, product, at=at, path="/login").form("/login").filled(email="pat@acme.test", password=PASSWORD)
    )
    answer = visitor.post(at + "/login", fields, Host=product.url.removeprefix("http://"), Origin=product.url)
    assert answer.status == 303, answer.text
    return opened(visitor, product, at=at)


@pytest.mark.parametrize("options", [(), ("--no-work",), ("--workers", "2")])
def test_told_to_end_the_server_ends_with_status_0(
    postgresql: Postgres | None, template: str | Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    with installed(tmp_path, postgresql, template) as installation:
        log_file, command = tmp_path / "end.log", (*PRODUCT, *options)
        with running(installation.environment, log_file=log_file, port=installation.port, command=command) as server:
            assert server.stop() == 0, server.log
        assert "Traceback" not in server.log


def test_the_jobs_are_done_in_the_server_unless_it_is_told_otherwise(
    postgresql: Postgres | None, template: str | Path, tmp_path: Path
) -> None:
    with installed(tmp_path, postgresql, template) as installation:
        for options, ran in ((("--no-work",), 0), ((), 1)):
            environment, command = installation.environment, (*PRODUCT, *options)
            with running(environment, log_file=tmp_path / "log", port=installation.port, command=command):
                ends = time.monotonic() + (1.5 if options else 15)
                while tasks_done(installation) == 0 and time.monotonic() < ends:
                    time.sleep(0.1)
            assert min(tasks_done(installation), 1) == ran


def tasks_done(installation: Installation) -> int:
    """How many tasks by the clock have succeeded."""
    return int(installation.value("SELECT count(*) FROM scheduled_tasks WHERE succeeded_at IS NOT NULL"))


@pytest.mark.requirement("WEB-13")
@pytest.mark.parametrize(
    ("files", "connections"), [((256, 1_000), "800 1000"), ((256, 9_000), "2000 2200"), ((5_000, 9_000), "2000 5000")]
)
def test_no_more_connections_are_taken_than_files_can_be_opened(files: tuple[int, int], connections: str) -> None:
    """In a process of its own: a limit that was lowered cannot be raised again by everybody."""
    program = (
        "import resource; from llmops.cli import serve;"
        f"resource.setrlimit(resource.RLIMIT_NOFILE, {files});"
        "print(serve._most_connections(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == connections.split()
