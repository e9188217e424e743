"""Settings: every wrong value is named at once, secrets never print, the key file is made once."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from llmops import settings as configuration
from llmops.errors import SettingInvalid
from llmops.settings import Settings, Smtp, load, sealer

SECRET = "a secret of the tests that is long enough 0123456789"
OTHER = "another secret of the tests that is long enough 0123"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the developer's own settings."""
    for name in [name for name in os.environ if name.startswith("LLMOPS_")]:
        monkeypatch.delenv(name)


def problems(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, str]:
    for name, value in variables.items():
        monkeypatch.setenv(f"LLMOPS_{name}", value)
    with pytest.raises(SettingInvalid) as caught:
        load()
    return caught.value.facts


@pytest.mark.requirement("SEC-03")
def test_every_wrong_value_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "BASE_URL": "llm-ops.example.com",
        "ENV": "staging",
        "SECRET_KEY": "short",
        "TRUSTED_PROXIES": "10.0.0.0/8,proxy.example",
        "SESSION_IDLE_SECONDS": "8h",
        "CLOCK_ALLOWANCE_SECONDS": "301",
        "OUTBOUND_PORTS": "443,https",
        "LOG_LEVEL": "loud",
        "THREADS": "0",
        "DNS_SERVERS": "192.0.2.1,ns.example.com",
        "METRICS_TOKEN": "guess",
        "WORK": "sometimes",
        "SMTP__PORT": "smtp",
    }
    assert set(problems(monkeypatch, **wrong)) == {f"LLMOPS_{name}" for name in wrong}


@pytest.mark.requirement("SEC-03")
@pytest.mark.parametrize(
    "value",
    [
        "", "llm-ops.example.com", "ftp://x.example", "https://", "https://x.example/app", "https://x.example?a=b",
        "https://x.example#f", "https://user@x.example", "https://user:pw@x.example", "https://@x.example",
        "https://x.example:99999", "https://x.example:port", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_the_base_url_is_an_origin(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert "LLMOPS_BASE_URL" in problems(monkeypatch, BASE_URL=value)


@pytest.mark.parametrize(
    ("given", "origin", "host"),
    [
        ("https://LLM-Ops.Example.com/", "https://llm-ops.example.com", "llm-ops.example.com"),
        ("https://x.example:443", "https://x.example", "x.example"),
        ("https://x.example:8443", "https://x.example:8443", "x.example:8443"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://localhost:80", "http://localhost", "localhost"),
        ("http://[::1]:8000", "http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_the_base_url_is_kept_as_browsers_write_it(given: str, origin: str, host: str) -> None:
    settings = Settings(base_url=given)
    assert (settings.base_url, settings.host) == (origin, host)


@pytest.mark.requirement("SEC-03")
@pytest.mark.parametrize("value", ["http://llm-ops.example.com", "http://10.0.0.8:8000"])
def test_production_wants_https(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert "must be https" in problems(monkeypatch, BASE_URL=value)["settings"]
    assert "must be https" in problems(monkeypatch, BASE_URL="http://127.0.0.1:8000", ENV="production")["settings"]


@pytest.mark.requirement("SEC-03")
@pytest.mark.parametrize(
    ("base_url", "env", "development"),
    [
        ("http://127.0.0.1:8000", "", True),
        ("http://localhost:8000", "", True),
        ("http://llm-ops.localhost", "", True),
        ("https://127.0.0.1", "", False),
        ("https://llm-ops.example.com", "", False),
        ("https://localhost.example.com", "", False),
        ("https://llm-ops.example.com", "development", True),
        ("http://10.0.0.8", "development", True),
    ],
)
def test_development_is_never_guessed_for_what_others_reach(base_url: str, env: str, development: bool) -> None:
    assert Settings.model_validate({"base_url": base_url, "env": env}).development is development


@pytest.mark.requirement("SEC-03")
@pytest.mark.parametrize(
    "keys", ["x" * 31, "a" * 64, "abcdefg" * 8, f"{SECRET},{SECRET}", f"{SECRET},short", "change-me"]
)
def test_weak_and_equal_keys_stop_the_start(monkeypatch: pytest.MonkeyPatch, keys: str) -> None:
    found = problems(monkeypatch, SECRET_KEY=keys)
    assert set(found) == {"LLMOPS_SECRET_KEY"}
    assert all(key not in str(found) for key in keys.split(","))


def test_lists_are_parted_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMOPS_SECRET_KEY", f" {SECRET} , {OTHER},")
    monkeypatch.setenv("LLMOPS_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::/32")
    monkeypatch.setenv("LLMOPS_OUTBOUND_PORTS", "443,8443")
    settings = load()
    assert [secret.get_secret_value() for secret in settings.secret_key] == [SECRET, OTHER]
    assert settings.trusted_proxies == ("10.0.0.0/8", "2001:db8::/32")
    assert settings.outbound_ports == (443, 8443)


def test_an_unreadable_group_is_a_failure_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "smtp" in problems(monkeypatch, SMTP="mail.example")["settings"]


@pytest.mark.requirement("SEC-04")
def test_secrets_do_not_print() -> None:
    settings = Settings(
        secret_key=(SecretStr(SECRET),),
        database_url="postgresql://llmops:hunter2@db/llmops",
        smtp=Smtp(host="mail.example", password=SecretStr("letmein")),
    )
    shown = f"{settings!r} {settings} {sealer(settings)!r}"
    assert all(secret not in shown for secret in (SECRET, "hunter2", "letmein"))


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://u@db/x", "postgresql+psycopg://u@db/x"),
        ("postgres://u@db/x", "postgresql+psycopg://u@db/x"),
        ("sqlite:////data/x.db", "sqlite:////data/x.db"),
    ],
)
def test_the_database_is_named_as_everywhere(given: str, used: str) -> None:
    assert Settings(database_url=given).database == used


def test_without_a_database_there_is_one_in_the_data_folder(tmp_path: Path) -> None:
    assert Settings(data_dir=tmp_path).database == f"sqlite:///{tmp_path}/llmops.sqlite3"


@pytest.mark.requirement("SEC-03")
def test_the_key_file_is_for_its_owner_only_and_stays(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    sealed = sealer(settings).seal("s3cret", place="x")
    path = tmp_path / "data" / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_text()) >= 64
    assert sealer(settings).unseal(sealed, place="x") == "s3cret"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.requirement("SEC-03")
@pytest.mark.parametrize("content", ["", "  \n", "cut short"])
def test_a_damaged_key_file_stops_the_start(tmp_path: Path, content: str) -> None:
    (tmp_path / "secret.key").write_text(content)
    with pytest.raises(SettingInvalid):
        sealer(Settings(data_dir=tmp_path))


@pytest.mark.requirement("SEC-03")
def test_processes_that_start_together_agree_on_one_key(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from llmops.settings import Settings, sealer\n"
        "settings = Settings(data_dir=Path(sys.argv[1])); sys.stdin.read()\n"
        "print(sealer(settings).hashed('test', 'value'))"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()  # all are ready, or nearly so: now they race
        process.stdin = None
    answers = {process.communicate()[0] for process in started}
    assert [process.returncode for process in started] == [0, 0, 0, 0]
    assert len(answers) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["secret.key"]


def test_secrets_can_come_as_files(tmp_path: Path) -> None:
    (tmp_path / "llmops_secret_key").write_text(SECRET)
    settings = Settings(_secrets_dir=tmp_path)
    assert settings.secret_key[0].get_secret_value() == SECRET


def test_the_module_reads_nothing_by_itself() -> None:
    assert not [name for name, value in vars(configuration).items() if isinstance(value, Settings)]
