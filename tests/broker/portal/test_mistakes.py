"""Every problem that reading can find has its words, and the words hold nothing that must not be shown."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from llmops.base.addresses import Kind as AddressKind
from llmops.base.addresses import Policy
from llmops.broker.portal.guide import GuideInvalid
from llmops.broker.portal.mistakes import key_of, known, mistake_of, words
from llmops.errors import (
    ClientInvalid,
    Failure,
    MetadataInvalid,
    NotFound,
    OidcDiscoveryInvalid,
    OutboundFailure,
    OutboundRefused,
    OutboundUnreachable,
    OutboundUnusable,
)

SOURCE = Path(__file__).parents[3] / "src" / "llmops"
RAISED: dict[str, type[Failure]] = {
    kind.__name__: kind
    for kind in (MetadataInvalid, ClientInvalid, OidcDiscoveryInvalid, OutboundRefused, OutboundUnreachable,
                 OutboundUnusable)
}  # fmt: skip


def constants(node: ast.AST, function: ast.AST) -> Iterator[str]:
    """The texts that an expression may have: of a name what is assigned to it, of an f-string what begins it."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.IfExp):
        yield from (*constants(node.body, function), *constants(node.orelse, function))
    elif isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
        yield str(node.values[0].value)
    elif isinstance(node, ast.Name):
        for step in ast.walk(function):
            if isinstance(step, ast.Assign) and any(ast.unparse(target) == node.id for target in step.targets):
                yield from constants(step.value, function)


def raised() -> Iterator[tuple[str, type[Failure], str]]:
    """Where, which failure, and with which problem or reason: every `raise` of the package that `reading` may meet."""
    for path in sorted(SOURCE.rglob("*.py")):
        if path.name in ("dns.py", "breaker.py"):  # TXT records, and sign-ins: nothing that was pasted
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = ast.unparse(call.func)
            if name == "failure" and path.name == "xml.py":
                name = "MetadataInvalid"
            if name not in RAISED:
                continue
            for keyword in call.keywords:
                if keyword.arg in ("problem", "reason"):
                    for text in constants(keyword.value, tree):
                        yield f"{path.name}:{call.lineno}", RAISED[name], text


FOUND = list(raised())
DISCOVERY_MEMBERS = (
    "authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint",
    "response_types_supported", "code_challenge_methods_supported", "id_token_signing_alg_values_supported",
    "token_endpoint_auth_methods_supported",
)  # fmt: skip
CONNECTING = ("timeout", "no-connection", "broken-answer", "certificate", "tls")


def made(kind: type[Failure], text: str) -> Failure:
    return kind(**{"reason" if issubclass(kind, OutboundFailure) else "problem": text})


def test_the_search_finds_the_raises() -> None:
    assert {kind for _, kind, _ in FOUND} == set(RAISED.values())
    assert len(FOUND) > 60


@pytest.mark.requirement("SAML-38")
@pytest.mark.parametrize(("where", "kind", "text"), FOUND, ids=[f"{where} {text}" for where, _, text in FOUND])
def test_every_problem_that_is_raised_has_its_words(where: str, kind: type[Failure], text: str) -> None:
    assert key_of(made(kind, text)) in known(), where


@pytest.mark.parametrize("member", DISCOVERY_MEMBERS)
def test_every_member_of_a_discovery_document_has_its_words(member: str) -> None:
    assert key_of(OidcDiscoveryInvalid(problem=f"{member}: not https")) == f"discovery.{member}"


@pytest.mark.requirement("NET-01", "NET-02")
def test_every_refusal_of_an_address_has_its_words() -> None:
    calls = [(scheme, port, kind) for scheme in ("https", "http") for port in (443, 8080) for kind in AddressKind]
    reasons = {reason for call in calls if (reason := Policy().refusal(*call))}
    assert {"private-address", "not-https", "port"} <= reasons
    for reason in (*reasons, *CONNECTING):
        assert key_of(OutboundRefused(reason=reason)) in known(), reason


def test_json_that_is_wrong_has_its_words() -> None:
    tree = ast.parse((SOURCE / "broker" / "oidc" / "wire.py").read_text(encoding="utf-8"))
    said = [
        text
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "BadJson"
        for text in constants(call.args[0], tree)
    ]
    assert len(said) >= 5
    for text in (*said, "NaN is not JSON", "-Infinity is not JSON"):
        assert key_of(OidcDiscoveryInvalid(problem=text)) in known(), text
        assert key_of(OidcDiscoveryInvalid(problem=f"keys: {text}")) == "discovery.keys"


def test_no_words_without_a_use() -> None:
    used = {key_of(made(kind, text)) for _, kind, text in FOUND}
    used |= {f"outbound.{reason}" for reason in (*CONNECTING, "private-address", "loopback-address", "port")}
    used |= {"outbound.forbidden-address", "outbound.web-page", "discovery.document", "discovery.issuer"}
    used |= {f"discovery.{member}" for member in DISCOVERY_MEMBERS}
    unused = {key for key in known() if key not in used and " " not in key}
    assert unused == set()


def test_a_problem_nobody_wrote_about_keeps_the_words_of_the_failure() -> None:
    shown = mistake_of(MetadataInvalid(problem="a new one"))
    assert (shown.title, shown.fix) == (MetadataInvalid.message, MetadataInvalid.advice)
    assert mistake_of(NotFound()).title == NotFound.message


@pytest.mark.requirement("WEB-06")
def test_facts_are_capped_and_what_is_hidden_in_them_is_spelt_out() -> None:
    seen = "https://idp.test/\u202etxt" + "x" * 400
    shown = mistake_of(MetadataInvalid(problem="sso_url_not_https", seen=seen)).seen
    assert "\u202e" not in shown
    assert "⟨U+202E⟩" in shown
    assert len(shown) < 300


@pytest.mark.requirement("WEB-10")
@pytest.mark.parametrize("kind", [MetadataInvalid, ClientInvalid])
def test_a_private_key_is_never_repeated(kind: type[Failure]) -> None:
    shown = mistake_of(kind(problem="private_key", seen="-----BEGIN PRIVATE KEY-----MIIE"))
    assert "MIIE" not in repr(shown)


@pytest.mark.requirement("NET-07")
def test_words_about_calls_use_no_fact() -> None:
    assert not [text for key, text in known().items() if key.startswith("outbound.") and "{" in "".join(text)]


@pytest.mark.requirement("NET-07")
def test_a_failed_call_tells_neither_body_nor_status() -> None:
    shown = mistake_of(OutboundUnusable(host="idp.test", reason="status", status=503, seen="secret of the server"))
    assert "503" not in repr(shown)
    assert "secret of the server" not in repr(shown)


def test_a_web_page_is_told_from_other_content() -> None:
    page = OutboundUnusable(host="idp.test", reason="content-type", seen="text/html; charset=utf-8")
    other = OutboundUnusable(host="idp.test", reason="content-type", seen="application/pdf")
    assert (key_of(page), key_of(other)) == ("outbound.web-page", "outbound.content-type")


def test_one_of_several_entities_can_be_chosen() -> None:
    failure = MetadataInvalid(problem="several_entities", entity_ids="https://a.test https://b.test")
    assert mistake_of(failure).choices == ("https://a.test", "https://b.test")


def test_a_choice_that_was_cut_off_is_not_offered() -> None:
    names = [f"https://idp.example.test/{number:04}/saml" for number in range(30)]
    choices = mistake_of(MetadataInvalid(problem="several_entities", entity_ids=" ".join(names))).choices
    assert len(choices) > 5
    assert set(choices) <= set(names)


WORDS = {"title": "a", "seen": "b", "fix": "c"}


@pytest.mark.parametrize(
    "entries",
    [
        {"html_page": {**WORDS, "hint": "d"}},
        {"html_page": {"title": "a", "seen": "b"}},
        {"html_page": WORDS, "doctype": {**WORDS, "also": ["html_page"]}},
    ],
)
def test_a_wrong_data_file_is_not_loaded(entries: dict[str, dict[str, Any]]) -> None:
    assert words({"metadata": {"html_page": WORDS}}) == {"metadata.html_page": ("a", "b", "c")}
    with pytest.raises(GuideInvalid, match="metadata"):
        words({"metadata": entries})
