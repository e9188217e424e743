"""Reports of browsers about a broken policy: both formats are counted, and nothing that others chose is kept."""

import json
from collections.abc import Mapping

import pytest
from world import BASE_URL, World

from llmops.errors import BodyUnreadable
from llmops.web.reports import MOST_BYTES, MOST_REPORTS, Breach, read

OLD, NEW = "application/csp-report", "application/reports+json"
PAGE = f"{BASE_URL}/settings/team"
pytestmark = pytest.mark.requirement("WEB-03")


def old(**changes: object) -> dict[str, object]:
    """As every browser sends it to `report-uri`."""
    said = {
        "document-uri": PAGE,
        "referrer": "",
        "violated-directive": "script-src-elem",
        "effective-directive": "script-src-elem",
        "original-policy": "default-src 'none'",
        "disposition": "enforce",
        "blocked-uri": "inline",
        "status-code": 200,
        "script-sample": "steal()",
    }
    return {"csp-report": said | {name.replace("_", "-"): value for name, value in changes.items()}}


def new(**changes: object) -> dict[str, object]:
    """As Chromium sends it to the endpoint of `report-to`, one of a list."""
    body = {
        "blockedURL": "inline",
        "disposition": "enforce",
        "documentURL": PAGE,
        "effectiveDirective": "script-src-elem",
        "originalPolicy": "default-src 'none'",
        "referrer": "",
        "sample": "",
        "statusCode": 200,
    }
    return {"age": 1, "body": body | changes, "type": "csp-violation", "url": PAGE, "user_agent": "Mozilla/5.0"}


def send(world: World, body: object, kind: str = OLD, **headers: str) -> tuple[int, Mapping[str, str]]:
    """As a browser does: without cookies or token. Returns status and headers."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    client = world.visitor()._client
    answer = client.post(f"{BASE_URL}/csp-reports", content=content, headers={"content-type": kind, **headers})
    assert "set-cookie" not in answer.headers
    return answer.status_code, answer.headers


def counted(world: World) -> dict[str, float]:
    """Reports by directive."""
    name = "llmops_csp_reports_total"
    families = world.site.metrics.registry.collect()
    return {
        sample.labels["directive"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def logged(printed: str) -> list[dict[str, object]]:
    """The lines of the log about reports."""
    return [line for line in map(json.loads, printed.splitlines()) if line["event"] == "csp_breach"]


def only(report: object, kind: str = OLD) -> Breach:
    """What is read from one report."""
    (found,) = read(kind, json.dumps(report).encode(), base_url=BASE_URL)
    return found


def test_a_report_in_the_old_format_is_counted_and_logged(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert send(world, old())[0] == 204
    assert counted(world) == {"script-src-elem": 1}
    (line,) = logged(capsys.readouterr().out)
    assert line.pop("ts")
    told = {"directive": "script-src-elem", "path": "/settings/team", "blocked": "inline"}
    assert line == {"event": "csp_breach", "level": "warning", **told}


def test_a_batch_of_the_reporting_api_is_counted_by_directive(world: World) -> None:
    batch = [new(), new(effectiveDirective="img-src", blockedURL="https://evil.test/a.png"), new()]
    assert send(world, batch, NEW)[0] == 204
    assert counted(world) == {"script-src-elem": 2, "img-src": 1}


def test_nothing_is_stored_but_the_limits_counter(world: World) -> None:
    before = world.counts()
    send(world, old())
    after = world.counts()
    assert after.pop("rate_counters") == before.pop("rate_counters") + 1
    assert after == before


def test_secrets_in_addresses_are_not_logged(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    ours, theirs = f"{PAGE}?token=s3cret#s3cret", "https://user:s3cret@evil.test:8443/s3cret?s3cret#s3cret"
    send(world, old(document_uri=ours, blocked_uri=theirs, referrer="https://s3cret.test", script_sample="s3cret"))
    send(world, [new(documentURL=ours, blockedURL=theirs, sample="s3cret", referrer="s3cret")], NEW)
    printed = capsys.readouterr().out
    assert [(line["path"], line["blocked"]) for line in logged(printed)] == [
        ("/settings/team", "https://evil.test")
    ] * 2
    assert "s3cret" not in printed
    assert b"s3cret" not in world.site.metrics.text()


@pytest.mark.requirement("SEC-06")
def test_control_characters_add_no_line_and_no_colour_to_the_log(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    nasty = "\n\x1b[31m{}\r\u2028\u202e\ud800\0"
    for name in ("document_uri", "effective_directive", "violated_directive", "blocked_uri"):
        start = {"document_uri": PAGE, "blocked_uri": "https://evil.test"}.get(name, "img-src")
        assert send(world, old(**{name: start + nasty}))[0] == 204
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8  # the report and the request, four times
    assert not [line for line in lines if "\x1b" in line or "31m" in line or "\u202e" in line]


@pytest.mark.requirement("SEC-06")
@pytest.mark.parametrize(
    ("document", "path"),
    [
        (BASE_URL, ""),
        (f"{BASE_URL}/", "/"),
        (f"{BASE_URL}/login?next=/x", "/login"),
        (f"{BASE_URL}/a%0ab", "other"),
        (f"{BASE_URL}/" + "a" * 300, "other"),
        (f"{BASE_URL}/ä", "other"),
    ],
)
def test_of_the_page_the_path_is_kept_when_it_is_a_plain_one(document: str, path: str) -> None:
    assert only(old(document_uri=document)).path == path


@pytest.mark.parametrize(
    "document",
    ["", "about:blank", "data:text/html,x", "https://[", "https://evil.test/login", "http://llm-ops.test/", 7, None,
     [PAGE], f"{BASE_URL}.evil.test/", f"{BASE_URL}:444/", f"{BASE_URL}@evil.test/"],
)  # fmt: skip
def test_reports_about_other_pages_are_not_counted(world: World, document: object) -> None:
    """Any site can name our address in its policy; its visitors' browsers would send us its reports."""
    assert send(world, old(document_uri=document))[0] == 204
    assert send(world, [new(documentURL=document)], NEW)[0] == 204
    assert counted(world) == {}


@pytest.mark.parametrize(
    ("blocked", "kept"),
    [
        ("inline", "inline"),
        ("eval", "eval"),
        ("data", "data"),
        ("data:image/png;base64,AAAA", "data"),
        ("chrome-extension://abcdefgh/script.js", "chrome-extension"),
        ("https://CDN.evil.test:8443/a?b#c", "https://cdn.evil.test"),
        ("https://[2001:db8::1]/a", "https://2001:db8::1"),
        ("wss://evil.test", "wss://evil.test"),
        ("javascript:alert(1)", "other"),
        ("https://evil test/", "other"),
        ("https://ä.test/", "other"),
        ("https://[", "other"),
        ("x" * 5000, "other"),
        ("", "other"),
        (17, "other"),
    ],
)
def test_of_what_was_blocked_scheme_and_host_are_kept(blocked: object, kept: str) -> None:
    assert only(old(blocked_uri=blocked)).blocked == kept
    assert only([new(blockedURL=blocked)], NEW).blocked == kept


@pytest.mark.parametrize("directive", ["", "x", "script-src-elem2", "SCRIPT-SRC", "sandbox", 5, None, ["img-src"], {}])
def test_a_directive_that_nobody_knows_is_counted_as_other(world: World, directive: object) -> None:
    send(world, old(effective_directive=directive, violated_directive=directive))
    assert counted(world) == {"other": 1}


def test_an_old_browsers_directive_is_known_by_its_name() -> None:
    report = old(effective_directive=None, violated_directive="style-src-attr 'self'")
    assert only(report).directive == "style-src-attr"


def test_of_a_thousand_reports_the_first_are_read(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert send(world, [{}] * 1000, NEW)[0] == 204
    assert counted(world) == {}
    short = {"type": "csp-violation", "body": {"documentURL": BASE_URL, "effectiveDirective": "img-src"}}
    many = [short] * (MOST_REPORTS + 20)
    assert send(world, many, NEW)[0] == 204
    assert counted(world) == {"img-src": MOST_REPORTS}
    assert capsys.readouterr().out.count("csp_breach") == MOST_REPORTS


def test_other_kinds_of_reports_are_left_out(world: World) -> None:
    kinds = ["deprecation", "intervention", "crash", "", None, 5, ["csp-violation"]]
    batch = [new() | {"type": kind} for kind in kinds] + [new() | {"body": body} for body in (None, "x", 5, [])]
    for report in [*batch, None, 5, "x", []]:
        assert read(NEW, json.dumps([report]).encode(), base_url=BASE_URL) == []


@pytest.mark.parametrize("kind", [OLD, NEW])
@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"{", b"\xff\xfe", b"null", b"5", b'"x"', b"true", b"[" * 8000, b'{"csp-report":' * 500, b"9" * 8000],
    ids=lambda body: body[:12],
)
def test_what_is_no_report_is_refused_in_plain_text(world: World, kind: str, body: bytes) -> None:
    status, headers = send(world, body, kind)
    assert (status, headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert counted(world) == {}


@pytest.mark.parametrize("report", [[], {}, {"csp-report": None}, {"csp-report": []}, {"csp-report": "x"}])
def test_an_old_report_without_its_object_is_refused(report: object) -> None:
    with pytest.raises(BodyUnreadable):
        read(OLD, json.dumps(report).encode(), base_url=BASE_URL)


@pytest.mark.requirement("WEB-02")
@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/json", "application/x-www-form-urlencoded", "text/html"]
)
def test_another_type_is_refused(world: World, kind: str) -> None:
    """Other sites' scripts may send the simple ones without asking; the two that are taken need a pre-flight."""
    assert send(world, old(), kind)[0] == 400


def test_a_type_may_have_parameters_and_capitals() -> None:
    assert read("Application/CSP-Report; charset=utf-8", json.dumps(old()).encode(), base_url=BASE_URL)


@pytest.mark.requirement("WEB-13")
def test_a_long_body_is_refused(world: World) -> None:
    room = MOST_BYTES - len(json.dumps(old(script_sample="")))
    assert send(world, old(script_sample="a" * room))[0] == 204
    assert send(world, old(script_sample="a" * (room + 1)))[0] == 413


@pytest.mark.requirement("PWD-06")
def test_one_network_may_send_sixty_in_five_minutes(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    assert {send(world, old())[0] for _ in range(60)} == {204}
    capsys.readouterr()
    status, headers = send(world, old())
    assert (status, headers["retry-after"].isdigit()) == (429, True)
    assert counted(world) == {"script-src-elem": 60}
    assert "csp_breach" not in capsys.readouterr().out


def test_there_is_nothing_to_see(world: World) -> None:
    assert world.visitor().get("/csp-reports").status == 405
