"""Every setting: variable, type, unit, default, meaning. Secrets never print.

`docs/settings.md` is printed from this class. A value comes from the environment (`LLMOPS_BASE_URL`), or from a
file of that name in /run/secrets (`llmops_secret_key`).
"""

import os
import secrets
import tempfile
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict, SettingsError

from llmops.base import dns
from llmops.base.sealing import Sealer
from llmops.errors import SettingInvalid

_SECRETS_DIR = "/run/secrets"
_SHORTEST_SECRET = 32
_SHORTEST_TOKEN = 16
_USUAL_PORTS = {"http": 80, "https": 443}

Listed = Annotated[tuple[str, ...], NoDecode]
"""Several values in one variable, parted by commas."""


class Smtp(BaseModel):
    """How letters leave: `LLMOPS_SMTP__HOST` and so on. Without a host they are kept in the folder `mail`."""

    host: str = Field("", description="Mail relay; empty: letters are written to the folder mail in the data folder")
    port: int = Field(587, description="Its port")
    username: str = Field("", description="Account at the relay, if it wants one")
    password: SecretStr = Field(SecretStr(""), description="Password of that account")
    security: Literal["starttls", "tls", "none"] = Field("starttls", description="How the connection is protected")
    timeout_seconds: float = Field(20, description="Longest wait for the relay, in seconds")


class Settings(BaseSettings):
    """The whole configuration of one process."""

    model_config = SettingsConfigDict(
        env_prefix="LLMOPS_",
        env_nested_delimiter="__",
        frozen=True,
        extra="ignore",
        secrets_dir=_SECRETS_DIR if os.path.isdir(_SECRETS_DIR) else None,
        validate_default=True,
    )

    base_url: str = Field(
        "http://127.0.0.1:8000",
        description="Public address of this server; every link, ACS URL and redirect URI begins so",
    )
    env: Literal["production", "development", ""] = Field(
        "",
        description="development: http and loopback identity providers are allowed. Empty: by the base URL",
    )
    database_url: str = Field("", repr=False, description="sqlite:///… or postgresql://…; empty: in the data folder")
    data_dir: Path = Field(Path("var"), description="Folder for the SQLite database, the secret key and unsent letters")
    secret_key: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="Secrets of 32 characters or more: the first encrypts, all decrypt. Empty: one in the data folder",
    )
    trusted_proxies: Listed = Field((), description="Addresses or networks whose X-Forwarded-For is believed")

    mail_from: str = Field("LLM Ops <no-reply@cloudidr.com>", description="Sender of letters")
    sales_email: str = Field("sales@cloudidr.com", description="Where requests for the Enterprise plan go")
    support_email: str = Field("support@cloudidr.com", description="Shown where people need help")
    smtp: Smtp = Smtp()

    session_idle_seconds: int = Field(8 * 3600, gt=0, description="A session unused for so long ends, in seconds")
    session_absolute_seconds: int = Field(
        24 * 3600, gt=0, description="A session ends after so long in any case, in seconds"
    )
    login_ttl_seconds: int = Field(
        600, gt=0, le=900, description="How long an identity provider may take to answer, in seconds"
    )
    code_ttl_seconds: int = Field(
        60, gt=0, le=600, description="Life of the one-time code between SSO provider and app, in seconds"
    )
    clock_allowance_seconds: int = Field(180, ge=0, le=300, description="How far other clocks may be off, in seconds")
    personal_domains: Listed = Field((), description="Personal mail providers beside the ones we know")

    outbound_allow_private: bool = Field(
        False, description="Let identity providers be at private addresses; https all the same, except in development"
    )
    outbound_ports: Annotated[tuple[int, ...], NoDecode] = Field(
        (443,), description="Ports that identity providers may be on"
    )
    dns_servers: Listed = Field(
        (), description="Name servers for domain proofs, as address or address:port. Empty: the machine's own"
    )

    work: bool = Field(True, description="Do the jobs in the server too; false: leave them to `llmops work`")
    metrics_token: SecretStr = Field(
        SecretStr(""), description="What /metrics wants as bearer token, 16 characters or more. Empty: it is closed"
    )

    threads: int = Field(16, gt=0, description="Requests worked on at once by one process")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged")
    log_format: Literal["json", "console"] = Field("json", description="One JSON object a line, or text to read")

    @field_validator(
        "trusted_proxies", "personal_domains", "outbound_ports", "dns_servers", "secret_key", mode="before"
    )
    @classmethod
    def _parted_by_commas(cls, value: object) -> object:
        return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(("sqlite:///", "postgresql://", "postgres://", "postgresql+psycopg://")):
            raise ValueError("give sqlite:///… or postgresql://…")
        return value

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for network in value:
            ip_network(network)
        return value

    @field_validator("dns_servers")
    @classmethod
    def _name_servers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for server in value:
            dns.server_of(server)
        return value

    @field_validator("metrics_token")
    @classmethod
    def _no_guess(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value()) < _SHORTEST_TOKEN:
            raise ValueError(f"give {_SHORTEST_TOKEN} random characters or more")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_and_different(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        plain = [secret.get_secret_value() for secret in value]
        if any(len(secret) < _SHORTEST_SECRET or len(set(secret)) < 8 for secret in plain):
            raise ValueError(f"each secret needs {_SHORTEST_SECRET} random characters")
        if len(set(plain)) != len(plain):
            raise ValueError("the same secret is given twice")
        return value

    @field_validator("base_url")
    @classmethod
    def _origin_only(cls, value: str) -> str:
        """As browsers write an origin, because it is compared with theirs: lower case, no usual port."""
        parts = urlsplit(value.rstrip("/").lower())
        origin = f"{parts.scheme}://{parts.netloc}"
        if parts.scheme not in _USUAL_PORTS or not parts.hostname or "@" in parts.netloc or parts.geturl() != origin:
            raise ValueError("give scheme, host and perhaps a port only, for example https://llm-ops.example.com")
        return origin.removesuffix(f":{parts.port}") if parts.port == _USUAL_PORTS[parts.scheme] else origin

    @model_validator(mode="after")
    def _https_in_production(self) -> "Settings":
        if not self.development and not self.base_url.startswith("https://"):
            raise ValueError("LLMOPS_BASE_URL must be https, or LLMOPS_ENV=development")
        return self

    @property
    def development(self) -> bool:
        """True for a server that only this machine can reach, or that is said to be one for development."""
        host = urlsplit(self.base_url).hostname or ""
        at_home = self.base_url.startswith("http://") and _is_loopback(host)
        return self.env == "development" or (self.env == "" and at_home)

    @property
    def host(self) -> str:
        """Host and port as browsers send them: the only Host header that is answered."""
        return urlsplit(self.base_url).netloc

    @property
    def database(self) -> str:
        """The database's address as SQLAlchemy wants it."""
        if not self.database_url:
            return f"sqlite:///{self.data_dir.absolute() / 'llmops.sqlite3'}"
        for scheme in ("postgresql://", "postgres://"):
            if self.database_url.startswith(scheme):
                return "postgresql+psycopg://" + self.database_url.removeprefix(scheme)
        return self.database_url


def load() -> Settings:
    """Read the settings. Raises: SettingInvalid, with what is wrong under the name of each variable."""
    try:
        return Settings()
    except ValidationError as error:
        raise SettingInvalid(**{_variable(problem["loc"]): problem["msg"] for problem in error.errors()}) from None
    except SettingsError as error:
        raise SettingInvalid(settings=error) from None


def _variable(location: tuple[int | str, ...]) -> str:
    """The variable of a field; `settings` for what concerns several together."""
    names = [part for part in location if isinstance(part, str)]
    return f"LLMOPS_{'__'.join(names).upper()}" if names else "settings"


def sealer(settings: Settings) -> Sealer:
    """The keys of this installation: from the setting, or from a file that is made on first use (mode 0600)."""
    given = tuple(secret.get_secret_value() for secret in settings.secret_key)
    return Sealer(given or (_kept_secret(settings.data_dir),))


def _kept_secret(folder: Path) -> str:
    path = folder / "secret.key"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".secret.") as draft:  # mode 0600
            draft.write(secrets.token_urlsafe(48))
            draft.flush()
            try:
                os.link(draft.name, path)  # whole or not at all, and only the first process wins
            except FileExistsError:
                pass
    secret = path.read_text().strip()
    if len(secret) < _SHORTEST_SECRET:
        raise SettingInvalid(LLMOPS_SECRET_KEY=f"the file {path.name} in the data folder was cut short")
    return secret


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
