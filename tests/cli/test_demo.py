"""`llmops demo` as somebody sees it who has just got the project."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from support.ports import free_port
from support.visitor import Visitor

DEMO = (sys.executable, "-m", "llmops", "demo", "--port")
SECONDS = 120  # three programs start, perhaps on a busy machine


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A folder of its own for temporary files, and an operator's settings that the demo must not follow."""
    elsewhere = {
        "LLMOPS_DATABASE_URL": f"sqlite:///{tmp_path / 'real.sqlite3'}",
        "LLMOPS_BASE_URL": "https://real.test",
    }
    return {**os.environ, **elsewhere, "TMPDIR": str(tmp_path)}


@contextmanager
def serving(environment: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A demo that has come to its summary, and all it said till then."""
    port = str(free_port())
    with subprocess.Popen([*DEMO, port], env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = ""
            assert process.stdout is not None
            for line in process.stdout:
                said += line
                if "remembers who signed in" in line:
                    break
            yield process, said
        finally:
            process.kill()


def address(said: str, name: str) -> str:
    found = re.search(rf"^  {name} +(http://\S+)$", said, re.MULTILINE)
    assert found, said
    return found[1]


def addresses(said: str) -> list[str]:
    return [address(said, name) for name in ("LLM Ops", "Letters", "Identity provider")]


def password(said: str, email: str) -> str:
    found = re.search(rf"^ +{email} +(\S+)", said, re.MULTILINE)
    assert found, said
    return found[1]


def listens(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=5).close()
    except ConnectionRefusedError:
        return False
    return True


def all_gone(urls: Sequence[str], *, within_seconds: float = 20) -> bool:
    until = time.monotonic() + within_seconds
    while any(listens(url) for url in urls) and time.monotonic() < until:
        time.sleep(0.1)
    return not any(listens(url) for url in urls)


@pytest.mark.idps
def test_once_walks_in_by_saml_and_by_oidc_and_leaves_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    command = [*DEMO, str(free_port()), "--once"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "✓ Ann Lee is on the dashboard of Acme, with a new account" in ended.stdout
    assert "✓ Ben Ray is on the dashboard of Birch, with a new account" in ended.stdout
    assert re.search(r"POST 127\.0\.0\.1:\d+/sso/saml/conn_\w+…/acs +303", ended.stdout)
    assert re.search(r"GET +127\.0\.0\.1:\d+/sso/oidc/conn_\w+…/callback\?… +303", ended.stdout)
    assert list(tmp_path.iterdir()) == []  # no folder, and no database where the operator's own settings point


@pytest.mark.idps
def test_owner_signs_in_with_the_printed_password_and_reads_a_letter(environment: dict[str, str]) -> None:
    with serving(environment) as (process, said), Visitor(address(said, "LLM Ops")) as visitor:
        page = visitor.get("/login")
        page = visitor.submit(page, "/login", email="owen@cedar.test", password=password(said, "owen@cedar.test"))
        assert "Organization: Cedar" in visitor.follow(page).text

        mailbox = address(said, "Letters")
        visitor.submit(visitor.get("/login/forgot"), "/login/forgot", email="olivia@acme.test")
        until = time.monotonic() + 20
        while "olivia@acme.test" not in visitor.get(mailbox).text and time.monotonic() < until:
            time.sleep(0.2)
        assert "/login/reset?token=" in visitor.get(f"{mailbox}/letters/1").html
        assert "sandbox" in visitor.get(f"{mailbox}/letters/1/html").headers["content-security-policy"]

        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
        assert all_gone(addresses(said))


@pytest.mark.idps
def test_killed_demo_takes_its_programs_along(environment: dict[str, str]) -> None:
    with serving(environment) as (process, said):
        assert all(listens(url) for url in addresses(said))
        process.kill()
        assert all_gone(addresses(said))


def test_taken_port_is_said(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ended = subprocess.run([*DEMO, port], env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert ended.returncode == 1
    assert "Another program is listening on that port" in ended.stderr
    assert f"127.0.0.1:{port}" in ended.stderr
