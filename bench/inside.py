"""What is measured in this process: one SAML Response, one session, and what it takes to start."""

import os
import subprocess
import sys
from statistics import median

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from saml import build
from world import World

from bench import idp
from bench.measure import in_turns
from llmops.accounts import sessions
from llmops.accounts.sessions import COOKIE
from llmops.broker.connections import Addresses
from llmops.broker.saml import response
from llmops.organizations import members
from llmops.web.request import Request

_PRODUCT = "import llmops.app"
_LIBRARIES = "import starlette.applications, starlette.routing, sqlalchemy.orm, pydantic, lxml.etree"


def saml_response() -> tuple[float, float]:
    """Milliseconds to parse and check one Response, and its floor."""
    ours = Addresses(acs_url=build.ACS, sp_entity_id=build.SP, sp_metadata_url=build.SP, redirect_uri="")
    encoded = idp.response(ours, build.REQUEST, person=1, now=build.NOW)
    rules = build.rules()

    def verify() -> None:
        response.check(response.parse(encoded), rules, now=build.NOW)

    measured, floor = in_turns(verify, lambda: idp.floor(encoded))
    return measured, floor


def session_check(world: World) -> tuple[float, float]:
    """Milliseconds to find out who is asking, with its transaction, and to decrypt as much with AES-GCM."""
    organization = world.organization("Session", domain=None)
    user = world.person("session@acme.test", organization, password=None)
    now = world.clock.now
    with world.database.writing() as db:
        cookie = sessions.open_session(
            db, world.site.keyring, world.settings, user_id=user.id, organization_id=organization.id, method="sso",
            now=now, ip="198.51.100.7", user_agent="bench",
        )  # fmt: skip

    def check() -> None:
        r = Request(
            site=world.site, method="GET", path="/", query_string="", headers={}, cookies={COOKIE: cookie}, body=b"",
            peer="198.51.100.7", id="0" * 16,
        )  # fmt: skip
        assert r.run(members.actor) is not None

    key, nonce = os.urandom(32), os.urandom(12)
    sealed = AESGCM(key).encrypt(nonce, b"x" * 300, b"y" * 100)
    measured, floor = in_turns(check, lambda: AESGCM(key).decrypt(nonce, sealed, b"y" * 100))
    return measured, floor


def importing(rounds: int = 5) -> tuple[float, float]:
    """Seconds of processor time to import the server, and to import its largest libraries alone. In new processes."""
    taken: dict[str, list[float]] = {_PRODUCT: [], _LIBRARIES: []}
    for _ in range(rounds):
        for statement, seconds in taken.items():
            program = f"import time; began = time.process_time(); {statement}; print(time.process_time() - began)"
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
            seconds.append(float(done.stdout))
    return median(taken[_PRODUCT]), median(taken[_LIBRARIES])
