#!/usr/bin/env python3
"""nanoidp as SAML 2.0 identity provider and OpenID provider.

start.py        start in the background, wait until ready, print ready.json, exit
start.py --fg   stay in the foreground
start.py stop   stop what this script started in $WORK
"""

import importlib.util
import json
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from starter import announce, flag, from_json_file, listed, place, start, stop, variable

AT = place("nanoidp", port=18083)
USERS = {
    "ann": {
        "password": "ann-pw",
        "email": "ann@example.test",
        "roles": ["USER"],
        "groups": ["engineering", "admins"],
        "attributes": {"firstName": "Ann", "lastName": "Lee", "displayName": "Ann Lee"},
    },
    "bob": {
        "password": "bob-pw",
        "email": "bob@example.test",
        "roles": ["USER"],
        "groups": ["sales"],
        "attributes": {"firstName": "Bob", "lastName": "Ray", "displayName": "Bob Ray"},
    },
}


def python() -> str:
    """An interpreter that can import nanoidp: this one, or one of an environment in $VENV made for it."""
    if not variable("VENV") and importlib.util.find_spec("nanoidp"):
        return sys.executable
    folder = Path(variable("VENV") or AT.work.parent / "venv-nanoidp").absolute()
    if not (folder / "bin" / "nanoidp").exists():
        venv.create(folder, with_pip=True)
        pip = [folder / "bin" / "pip", "install", "-qq", "--disable-pip-version-check"]
        subprocess.run([*pip, *variable("NANOIDP_REQ", "nanoidp==3.4.0").split()], check=True, stdout=sys.stderr)
    return str(folder / "bin" / "python")


def clients() -> list[dict[str, object]]:
    """The OpenID clients: RPS_JSON, or one from OIDC_*."""
    return from_json_file("RPS_JSON") or [
        {
            "client_id": variable("OIDC_CLIENT_ID", "rp-test"),
            "client_secret": variable("OIDC_CLIENT_SECRET", "rp-test-secret"),
            "redirect_uris": listed("OIDC_REDIRECT_URIS", "http://127.0.0.1:8000/oidc/callback"),
        }
    ]


def saml_settings() -> dict[str, object]:
    settings: dict[str, object] = {
        "default_acs_url": variable("SP_ACS_URL", "http://127.0.0.1:8000/saml/acs"),
        "export_groups": True,
        "export_roles": True,
        "sign_responses": True,
    }
    if variable("IDP_ENTITY_ID"):
        settings["entity_id"] = variable("IDP_ENTITY_ID")
    if flag("SP_SIGNS_REQUESTS"):  # then unsigned AuthnRequests are refused
        settings |= {"want_authn_requests_signed": True, "sp_certificates": [variable("SP_CERT_FILE")]}
    return settings


def configure(users: dict) -> Path:
    """Write nanoidp's two files (JSON is YAML) and return their folder."""
    folder = AT.work / "config"
    folder.mkdir(exist_ok=True)
    settings = {
        "config_version": 1,
        "server": {"host": AT.host, "port": AT.port, "rate_limit_enabled": False},
        "oauth": {
            "issuer": AT.base,
            "audience": variable("OIDC_AUDIENCE", "my-app"),
            "clients": clients(),
            "refresh_token_rotation": True,
        },
        "saml": saml_settings(),
        "jwt": {"algorithm": "RS256", "keys_dir": str(AT.work / "keys")},
        "login": {"mode": variable("LOGIN_MODE", "password")},
        "logging": {"level": "INFO"},
        "session": {"secret_key": "throw-away"},
        "security_profile": variable("NANOIDP_PROFILE", "dev"),
    }
    (folder / "settings.yaml").write_text(json.dumps(settings, indent=1))
    (folder / "users.yaml").write_text(json.dumps({"config_version": 1, "users": users}, indent=1))
    return folder


def main() -> None:
    stop(AT)
    if "stop" in sys.argv[1:]:
        return
    users = json.loads(variable("NANOIDP_USERS_JSON", "null")) or USERS
    command = [python(), HERE / "run_nanoidp.py", "--config", configure(users)]
    process = start(
        AT,
        [*command, "--host", AT.host, "--port", AT.port],
        probe=f"http://{AT.host}:{AT.port}/saml/metadata",
        expected=b"EntityDescriptor",
    )
    first = sorted(users)[0]
    announce(
        AT,
        process,
        entity_id=variable("IDP_ENTITY_ID") or AT.base + "/saml",
        saml_metadata=AT.base + "/saml/metadata",
        saml_sso=AT.base + "/saml/sso",
        oidc_issuer=AT.base,
        oidc_discovery=AT.base + "/.well-known/openid-configuration",
        user=first,
        password=users[first]["password"],
        users=sorted(users),
        passwords={name: user["password"] for name, user in users.items()},
    )


main()
