#!/usr/bin/env python3
"""Canaille as OpenID provider and as a real outgoing SCIM 2.0 provisioning client.

start.py        start in the background, wait until ready, print ready.json, exit
start.py --fg   stay in the foreground
start.py stop   stop what this script started in $WORK
start.py cli …  Canaille's own command line on the same data (create/set/delete user|group …); with SCIM_TARGET_URL
                every such change is pushed to the target by SCIM
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from starter import announce, environment, flag, from_json_file, listed, place, start, stop, variable

AT = place("canaille", port=18086)
CONFIG = AT.work / "config.toml"
DATABASE = AT.work / "canaille.sqlite"
TARGET = variable("SCIM_TARGET_URL", "").rstrip("/")
SETTINGS = {"CANAILLE_CONFIG": str(CONFIG), "PYTHONWARNINGS": "ignore"}
USERS = {
    "ann": {
        "password": "ann-pw-123",
        "email": "ann@example.test",
        "given": "Ann",
        "family": "Lee",
        "groups": ["engineering", "admins"],
    },
    "bob": {
        "password": "bob-pw-123",
        "email": "bob@example.test",
        "given": "Bob",
        "family": "Ray",
        "groups": ["sales"],
    },
}


def canaille(*arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run Canaille's command line; what it says is kept in cli.log. A failed SCIM push is only seen there."""
    command = [environment("canaille") / "canaille", *arguments]
    done = subprocess.run(command, env={**os.environ, **SETTINGS}, cwd=AT.work, capture_output=True, text=True)
    with (AT.work / "cli.log").open("a") as log:
        log.write(f"$ canaille {' '.join(arguments)}\n{done.stdout}{done.stderr}")
    if check and done.returncode:
        sys.exit(f"canaille {' '.join(arguments[:2])}\n{done.stdout}{done.stderr}")
    return done


def created(*arguments: str) -> str:
    """Create something and return its id."""
    printed = canaille("create", *arguments).stdout
    return json.loads(printed[printed.index("{") :])["id"]


def clients() -> list[dict]:
    """The OpenID clients: RPS_JSON, or one from OIDC_*."""
    return from_json_file("RPS_JSON") or [
        {
            "client_id": variable("OIDC_CLIENT_ID", "rp-test"),
            "client_secret": variable("OIDC_CLIENT_SECRET", "rp-test-secret"),
            "redirect_uris": listed("OIDC_REDIRECT_URIS", "http://127.0.0.1:8000/oidc/callback"),
            "post_logout_uris": listed("OIDC_POST_LOGOUT_URIS"),
            "auth_method": variable("OIDC_AUTH_METHOD", "client_secret_basic"),
        }
    ]


def write_config(keys: str = "") -> None:
    """`keys` is the line with the signing key, which Canaille can only make once it has a configuration."""
    trusted = json.dumps([".localhost", "localhost", "127.0.0.1", *listed("TRUSTED")])
    CONFIG.write_text(f"""SECRET_KEY = "throw-away-{AT.port}"
SERVER_NAME = "{urlsplit(AT.base).netloc}"
PREFERRED_URL_SCHEME = "{urlsplit(AT.base).scheme}"
[CANAILLE]
NAME = "Throw-away Canaille"
DATABASE = "sql"
JAVASCRIPT = false
HTMX = false
[CANAILLE_SQL]
DATABASE_URI = "sqlite:///{DATABASE}"
[CANAILLE_OIDC]
{keys}
REQUIRE_NONCE = false
DYNAMIC_CLIENT_REGISTRATION_OPEN = true
TRUSTED_DOMAINS = {trusted}
[CANAILLE_SCIM]
ENABLE_SERVER = true
ENABLE_CLIENT = {"true" if TARGET else "false"}
""")


def configure() -> None:
    write_config()
    key = AT.work / "rsa.json"
    if not key.exists():
        printed = canaille("jwk", "create", "rsa", "--format", "json").stdout
        key.write_text(printed[printed.index("{") :])
    jwk = json.loads(key.read_text())
    jwk = jwk["keys"][0] if "keys" in jwk else jwk
    members = ", ".join(f'{name} = "{value}"' for name, value in jwk.items() if isinstance(value, str))
    write_config(f"ACTIVE_JWKS = [{{{members}}}]")


def fill(users: dict) -> None:
    """A new database with its clients, people and groups."""
    canaille("install")
    if TARGET:
        add_target()
    for client in clients():
        add_client(client)
    groups: dict[str, list[str]] = {}
    for name, user in users.items():
        person = add_user(name, user)
        for group in user.get("groups", []):
            groups.setdefault(group, []).append(person)
    for group, members in groups.items():
        chosen = [part for member in members for part in ("--members", member)]
        canaille("create", "group", "--display-name", group, *chosen)


def now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime())


def add_target() -> None:
    """The service provider to be provisioned: Canaille pushes to <client_uri>/Users with the token made here."""
    name = "scim-target"
    client = created("client", "--client-name", name, "--client-id", name, "--client-uri", TARGET)
    token = ["--type", "bearer", "--access-token", variable("SCIM_TARGET_TOKEN", "scim-token")]
    scopes = ["--scope", "openid", "--scope", "profile", "--issue-date", now(), "--lifetime", "8640000"]
    canaille("create", "token", "--token-id", name, "--client", client, "--audience", client, *token, *scopes)


def add_client(client: dict) -> None:
    options = [
        ("client-name", client["client_id"]),
        ("client-id", client["client_id"]),
        ("client-secret", client["client_secret"]),
        ("client-uri", client.get("client_uri", "http://localhost/")),
        ("token-endpoint-auth-method", client.get("auth_method", "client_secret_basic")),
        ("grant-types", "authorization_code"),
        ("grant-types", "refresh_token"),
        ("response-types", "code"),
        ("client-id-issued-at", now()),
        *(("redirect-uris", address) for address in client["redirect_uris"]),
        *(("post-logout-redirect-uris", address) for address in client.get("post_logout_uris", [])),
        *(("scope", scope) for scope in ("openid", "profile", "email", "groups", "phone", "address")),
        ("id-token-signed-response-alg", client.get("id_token_alg", "RS256")),
    ]
    made = created("client", *(part for name, value in options for part in (f"--{name}", value)))
    canaille("set", "client", made, "--audience", made)  # else the ID token's aud is []


def add_user(name: str, user: dict) -> str:
    return created(
        *("user", "--user-name", name, "--password", user["password"], "--emails", user["email"]),
        *("--given-name", user["given"], "--family-name", user["family"], "--display-name", user["given"]),
        *("--formatted-name", f"{user['given']} {user['family']}"),
    )


def main() -> int:
    if sys.argv[1:2] == ["cli"]:
        done = canaille(*sys.argv[2:], check=False)
        print(done.stdout + done.stderr)
        return done.returncode
    stop(AT)
    if "stop" in sys.argv[1:]:
        return 0
    users = json.loads(variable("CANAILLE_USERS_JSON", "null")) or USERS
    keep = flag("KEEP_DATA")
    if not keep:
        DATABASE.unlink(missing_ok=True)
        (AT.work / "cli.log").unlink(missing_ok=True)
    configure()
    if not keep:
        fill(users)
    discovery = AT.base + "/.well-known/openid-configuration"
    command = [environment("canaille") / "canaille", "run", "--bind", f"{AT.host}:{AT.port}"]
    process = start(AT, command, probe=discovery, expected=b"issuer", **SETTINGS)
    first = sorted(users)[0]
    announce(
        AT,
        process,
        oidc_issuer=AT.base,
        oidc_discovery=discovery,
        scim_server=AT.base + "/scim/v2",
        scim_target=TARGET or None,
        user=first,
        password=users[first]["password"],
        users=sorted(users),
        passwords={name: user["password"] for name, user in users.items()},
    )
    return 0


sys.exit(main())
