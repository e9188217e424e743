"""Stored replies, each judged at its own moment: `tests/idps/<vendor>/<case>/` and `tests/idps/bad/<mistake>/`.

A folder holds response.xml, the identity provider's metadata.xml, expect.toml, and sp.key.pem where the Assertion is
encrypted. `source` in expect.toml says whether it was recorded or made. All keys are throw-away keys.
"""

import base64
import tomllib
from pathlib import Path
from typing import Any

import pytest

from llmops import errors
from llmops.broker.saml import keypair, metadata, response
from llmops.broker.saml.rules import Rules

IDPS = Path(__file__).parents[2] / "idps"
CASES = sorted(str(found.parent.relative_to(IDPS)) for found in IDPS.glob("*/*/response.xml"))


def _rules(folder: Path, expect: dict[str, Any]) -> Rules:
    idp = metadata.read((folder / "metadata.xml").read_bytes(), now=expect["moment"], allow_http=True)
    key = folder / "sp.key.pem"
    return Rules(
        idp_entity_id=idp.entity_id,
        sp_entity_id=expect["sp_entity_id"],
        acs_url=expect["acs_url"],
        certificates=idp.certificates,
        request_id=expect["request_id"] or None,
        allow_unsolicited=expect.get("allow_unsolicited", False),
        decryption_keys=[keypair.private_key(key.read_bytes())] if key.exists() else (),
    )


def test_there_are_replies_of_every_vendor_and_mistakes() -> None:
    assert {case.split("/")[0] for case in CASES} >= {
        "adfs",
        "bad",
        "entra",
        "google",
        "keycloak",
        "nanoidp",
        "okta",
        "pysaml2",
    }


@pytest.mark.requirement("SAML-06", "SAML-12", "SAML-16", "SAML-22")
@pytest.mark.parametrize("case", CASES)
def test_reply_is_judged_as_expected(case: str) -> None:
    folder = IDPS / case
    expect = tomllib.loads((folder / "expect.toml").read_text(encoding="utf-8"))
    encoded = base64.b64encode((folder / "response.xml").read_bytes()).decode("ascii")
    rules = _rules(folder, expect)
    if expect["outcome"] != "accepted":
        refusal = errors.by_code(expect["outcome"])
        assert refusal is not None
        with pytest.raises(refusal):
            response.check(response.parse(encoded), rules, now=expect["moment"])
        return
    assertion = response.check(response.parse(encoded), rules, now=expect["moment"])
    assert assertion.subject.value == expect["subject"]
    assert assertion.signed == expect["signed"]
    for name, values in expect["attributes"].items():
        assert assertion.attributes[name] == tuple(values)
