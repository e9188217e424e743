"""Tokens that are nearly right: headers, kinds, keys, sizes, times, and the same cookie at another replica."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwe
from joserfc.jwk import OctKey
from support.visitor import Visitor
from world import PASSWORD, World

from llmops.accounts import sessions
from llmops.web import keyring

HOST = "llm-ops.test"
MakeWorld = Callable[..., World]


def signed_in(world: World) -> tuple[Visitor, str]:
    """A browser that signed in with a password, and its cookie."""
    visitor = world.visitor()
    world.person("pat@acme.test", world.organization())
    world.sign_in(visitor, "pat@acme.test")
    return visitor, cookie(visitor)


def cookie(visitor: Visitor) -> str:
    return visitor.cookies.value(sessions.COOKIE, host=HOST) or ""


def accepted(world: World, token: str) -> bool:
    answer = world.visitor().get("/", Cookie=f"{sessions.COOKIE}={token}")
    assert answer.status in (200, 303)
    return answer.status == 200


def encoded(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def header_of(token: str) -> dict[str, Any]:
    return dict(json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "==")))


def with_header(token: str, header: Any) -> str:
    return ".".join([encoded(header), *token.split(".")[1:]])


def made(world: World, payload: Any = None, **changes: Any) -> str:
    """A token with our own key and header, and the claims of the only session, changed."""
    key_id, key = world.site.keyring.current(world.clock.now)
    now = int(world.clock.now.timestamp())
    claims = {
        "iss": world.settings.base_url, "aud": "llmops/session", "iat": now, "nbf": now, "exp": now + 60,
        "sid": world.value("SELECT id FROM sessions"), "sub": world.value("SELECT user_id FROM sessions"),
        "org": world.value("SELECT organization_id FROM sessions"), "method": "password", "auth_time": now,
    }  # fmt: skip
    header = {"alg": "dir", "enc": "A256GCM", "kid": key_id, "typ": "llmops-session+jwt"}
    plain = json.dumps(claims | changes if payload is None else payload).encode()
    return jwe.encrypt_compact(header, plain, OctKey.import_key(key))


@pytest.mark.requirement("SES-01", "TST-17")
@pytest.mark.parametrize("name", ["alg", "enc", "kid", "typ"])
def test_every_header_member_is_wanted_as_it_is(world: World, name: str) -> None:
    _, token = signed_in(world)
    header = header_of(token)
    without = {key: value for key, value in header.items() if key != name}
    for changed in (without, *({**without, name: other} for other in ("A128GCM", "", 1, [header[name]], None))):
        assert not accepted(world, with_header(token, changed)), changed
    assert accepted(world, token)


@pytest.mark.requirement("SES-01", "TST-17")
def test_no_header_member_may_be_added(world: World) -> None:
    _, token = signed_in(world)
    added: dict[str, Any] = {
        "zip": "DEF", "crit": ["exp"], "p2c": 10_000_000, "p2s": "salt", "epk": {"kty": "EC"}, "cty": "JWT",
        "jwk": {"kty": "oct", "k": "AA"}, "jku": "https://evil.test/keys", "x5u": "https://evil.test/cert",
        "x5c": ["AA"], "ALG": "dir", "b64": False,
    }  # fmt: skip
    for name, value in added.items():
        assert not accepted(world, with_header(token, header_of(token) | {name: value})), name


@pytest.mark.requirement("SES-01", "SES-02", "TST-17")
def test_every_other_algorithm_is_refused(world: World) -> None:
    _, token = signed_in(world)
    for algorithm in ("none", "A256KW", "A256GCMKW", "RSA-OAEP", "RSA1_5", "ECDH-ES", "PBES2-HS256+A128KW"):
        assert not accepted(world, with_header(token, header_of(token) | {"alg": algorithm})), algorithm


@pytest.mark.requirement("SES-01", "TST-17")
def test_a_header_that_is_none_is_signed_out_and_no_fault(world: World) -> None:
    _, token = signed_in(world)
    odd: list[Any] = [
        [], "text", 7, None, b"not json", b"\xff\xfe", b"{}", b"[" * 2000, b'{"a":' * 500, b"",
        b'{"kid":"a","kid":"b"}',
    ]  # fmt: skip
    for header in odd:
        assert not accepted(world, with_header(token, header)), header


@pytest.mark.requirement("SES-01", "TST-17")
def test_spelling_the_same_header_differently_breaks_the_seal(world: World) -> None:
    _, token = signed_in(world)
    header = header_of(token)
    assert not accepted(world, with_header(token, json.dumps(header, indent=1).encode()))
    assert not accepted(world, with_header(token, dict(reversed(header.items()))))
    assert not accepted(world, token.replace(".", "=.", 1))
    assert not accepted(world, "!" + token)


@pytest.mark.requirement("SES-01", "TST-17")
def test_every_part_counts(world: World) -> None:
    _, token = signed_in(world)
    parts = token.split(".")
    assert parts[1] == ""  # `dir` has no encrypted key
    for number in (0, 2, 3, 4):
        flipped = ("A" if parts[number][0] != "A" else "B") + parts[number][1:]
        assert not accepted(world, ".".join([*parts[:number], flipped, *parts[number + 1 :]]))
        assert not accepted(world, ".".join([*parts[:number], "", *parts[number + 1 :]]))
    for wrong in (".".join(parts[:4]), token + ".", token + ".AA", ".".join([parts[0], "AA", *parts[2:]]), "....", "."):
        assert not accepted(world, wrong)


@pytest.mark.requirement("SES-01")
@pytest.mark.parametrize(("longer_by", "fits"), [(0, True), (1, False)])
def test_four_kibibytes_are_the_limit(world: World, longer_by: int, fits: bool) -> None:
    signed_in(world)
    token = made(world, padding="")
    while len(token) < sessions.LARGEST_TOKEN + longer_by:
        missing = sessions.LARGEST_TOKEN + longer_by - len(token)
        size = len(json.loads(_plain(world, token))["padding"]) + max(1, missing * 3 // 4)
        token = made(world, padding="x" * size)
    if len(token) == sessions.LARGEST_TOKEN + longer_by:
        assert accepted(world, token) == fits
    else:
        assert not accepted(world, token)


def _plain(world: World, token: str) -> bytes:
    _, key = world.site.keyring.current(world.clock.now)
    return jwe.decrypt_compact(token, OctKey.import_key(key)).plaintext or b""


@pytest.mark.requirement("SES-04", "TST-14")
@pytest.mark.parametrize("name", ["nbf", "iat", "auth_time"])
@pytest.mark.parametrize(("seconds", "good"), [(179, True), (180, True), (181, False)])
def test_a_token_from_the_future_waits(world: World, name: str, seconds: int, good: bool) -> None:
    signed_in(world)
    later = int(world.clock.now.timestamp()) + seconds
    assert accepted(world, made(world, **{name: later})) == good


@pytest.mark.requirement("SES-04", "TST-14")
@pytest.mark.parametrize(("seconds", "good"), [(-1, False), (0, False), (1, True)])
def test_a_token_ends_to_the_second(world: World, seconds: int, good: bool) -> None:
    signed_in(world)
    assert accepted(world, made(world, exp=int(world.clock.now.timestamp()) + seconds)) == good


@pytest.mark.requirement("SES-04")
def test_claims_that_are_none_are_signed_out_and_no_fault(world: World) -> None:
    signed_in(world)
    odd: list[Any] = [[], "text", 7, {}, [["sid", "sess_1"]]]
    for payload in odd:
        assert not accepted(world, made(world, payload=payload)), payload


@pytest.mark.requirement("SES-04", "TST-17")
def test_a_token_for_another_purpose_opens_no_session(world: World) -> None:
    signed_in(world)
    assert accepted(world, made(world))
    for audience in ("llmops/portal", "llmops/flow", "llmops/session/", "llmops", ["llmops/session"]):
        assert not accepted(world, made(world, aud=audience)), audience


@pytest.mark.requirement("SES-04", "SES-05")
@pytest.mark.parametrize("name", ["sub", "org", "sid"])
def test_session_person_and_organization_belong_together(world: World, name: str) -> None:
    signed_in(world)
    other = world.organization("Other", domain=None)
    bob = world.person("bob@other.test", other)
    swapped = {"sub": bob.id, "org": other.id, "sid": "sess_other"}
    assert not accepted(world, made(world, **{name: swapped[name]}))
    assert not accepted(world, made(world, sub=bob.id, org=other.id))


@pytest.mark.requirement("SES-03", "TST-17")
def test_a_key_of_another_installation_is_unknown(world: World) -> None:
    _, token = signed_in(world)
    forged = jwe.encrypt_compact(header_of(token), _plain(world, token), OctKey.import_key(b"k" * 32))
    assert not accepted(world, forged)
    named = jwe.encrypt_compact(
        header_of(token) | {"kid": "key_of_mine"}, _plain(world, token), OctKey.import_key(b"k" * 32)
    )
    assert not accepted(world, named)


@pytest.mark.requirement("SES-03")
def test_every_token_has_its_own_iv(world: World) -> None:
    signed_in(world)
    ivs = {made(world).split(".")[2] for _ in range(50)}
    assert len(ivs) == 50
    assert {len(iv) for iv in ivs} == {16}  # 96 bits


@pytest.mark.requirement("SES-03", "TST-14")
@pytest.mark.parametrize(("seconds", "good"), [(-1, True), (31, False)])
def test_a_retired_key_reads_until_its_overlap_is_over(world: World, seconds: int, good: bool) -> None:
    """Each process reads the ring again after 30 seconds at the latest."""
    visitor, _ = signed_in(world)
    with world.database.writing() as db:
        keyring.rotate(db, world.site.sealer, now=world.clock.now, overlap=timedelta(hours=1))
    world.clock.advance(seconds=3600 + seconds)
    assert (visitor.get("/").status == 200) == good


@pytest.mark.requirement("SES-03")
def test_after_a_rotation_new_sign_ins_use_the_new_key_at_every_replica(make_world: MakeWorld) -> None:
    one, two = make_world(), make_world()
    _, before = signed_in(one)
    with one.database.writing() as db:
        key_id = keyring.rotate(db, one.site.sealer, now=one.clock.now, overlap=timedelta(hours=24))
    for world in (one, two):
        world.clock.advance(seconds=31)
    fresh = one.visitor()
    one.sign_in(fresh, "pat@acme.test")
    assert header_of(cookie(fresh))["kid"] == key_id != header_of(before)["kid"]
    for world in (one, two):
        assert accepted(world, cookie(fresh))
        assert accepted(world, before)


@pytest.mark.requirement("SES-03")
def test_a_replica_that_never_heard_of_a_key_reads_the_ring_again(make_world: MakeWorld) -> None:
    one, two = make_world(), make_world()
    signed_in(one)
    with one.database.writing() as db:
        keyring.rotate(db, one.site.sealer, now=one.clock.now, overlap=timedelta(hours=24))
    one.site.keyring.forget()
    fresh = one.visitor()
    one.sign_in(fresh, "pat@acme.test")
    two.clock.advance(seconds=3)  # the least pause between two looks, so that unknown keys cost nothing
    assert accepted(two, cookie(fresh))


@pytest.mark.requirement("SES-05", "SES-10", "TST-17")
def test_after_sign_out_the_cookie_is_dead_at_every_replica(make_world: MakeWorld) -> None:
    one, two = make_world(), make_world()
    visitor, token = signed_in(one)
    assert accepted(two, token)
    visitor.submit(visitor.get("/"), "/logout")
    assert not accepted(two, token)
    assert not accepted(one, token)
    assert cookie(visitor) == ""


@pytest.mark.requirement("SES-09", "TST-14")
@pytest.mark.parametrize(("seconds", "lives"), [(-1, True), (0, False), (1, False)])
def test_a_day_is_a_day_however_busy_the_session_was(world: World, seconds: int, lives: bool) -> None:
    visitor, _ = signed_in(world)
    for _ in range(3):
        world.clock.advance(hours=7)
        assert visitor.get("/").status == 200
    world.clock.advance(hours=3, seconds=seconds)
    assert (visitor.get("/").status == 200) == lives


@pytest.mark.requirement("SES-09")
def test_the_limits_are_settings(make_world: MakeWorld) -> None:
    world = make_world(session_idle_seconds=600, session_absolute_seconds=900)
    visitor, _ = signed_in(world)
    world.clock.advance(seconds=599)
    assert visitor.get("/").status == 200
    world.clock.advance(seconds=301)
    assert visitor.get("/").status == 303


@pytest.mark.requirement("SES-06")
def test_sso_and_password_sessions_look_alike(world: World) -> None:
    acme = world.organization()
    world.person("pat@acme.test", acme)
    by_password, by_sso = world.visitor(), world.visitor()
    world.sign_in(by_password, "pat@acme.test")
    world.saml_sign_in(by_sso, world.saml(acme))
    shapes = set()
    for visitor in (by_password, by_sso):
        claims = json.loads(_plain(world, cookie(visitor)))
        shapes.add(
            (tuple(header_of(cookie(visitor)).items()), tuple((key, type(value)) for key, value in claims.items()))
        )
    assert len(shapes) == 1


@pytest.mark.requirement("SES-06")
def test_a_cookie_from_before_sign_in_never_becomes_a_session(world: World) -> None:
    world.person("pat@acme.test", world.organization())
    visitor = world.visitor()
    page = visitor.get("/login")
    planted = {
        "Cookie": f"{sessions.COOKIE}=planted; " + "; ".join(f"{one.name}={one.value}" for one in visitor.cookies)
    }
    fields = page.form("/login").filled(email="pat@acme.test", password=PASSWORD)
    visitor.post("/login", fields, **planted)
    assert cookie(visitor) not in ("", "planted")


@pytest.mark.requirement("SES-05")
@pytest.mark.parametrize("path", ["/", "/login", "/settings/profile"])
def test_a_database_that_fails_ends_in_an_error_not_in_a_circle(world: World, path: str) -> None:
    visitor, _ = signed_in(world)
    world.sql("ALTER TABLE sessions RENAME TO gone")
    assert visitor.follow(visitor.get(path)).status == 500
