"""Sealed cells open where they were sealed, with a key that is still held, and nowhere else."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmops.base.sealing import Sealer, same, token
from llmops.errors import SecretKeyMismatch

OLD, NEW = "the older secret of the tests 0123456789", "the newer secret of the tests 9876543210"
PLACE = "connections.client_secret:conn_1"


@given(st.text())
def test_what_was_sealed_opens_again(value: str) -> None:
    sealer = Sealer((OLD,))
    assert sealer.unseal(sealer.seal(value, place=PLACE), place=PLACE) == value


@pytest.mark.requirement("SEC-01")
@pytest.mark.parametrize(
    "other", ["connections.client_secret:conn_2", "connections.sp_key:conn_1", "jobs.payload:conn_1", ""]
)
def test_a_cell_moved_elsewhere_does_not_open(other: str) -> None:
    sealer = Sealer((OLD,))
    with pytest.raises(SecretKeyMismatch):
        sealer.unseal(sealer.seal("s3cret", place=PLACE), place=other)


@pytest.mark.requirement("SEC-01")
def test_the_same_value_is_never_sealed_alike() -> None:
    sealer = Sealer((OLD,))
    assert len({sealer.seal("s3cret", place=PLACE) for _ in range(50)}) == 50


@pytest.mark.requirement("SEC-01")
def test_a_new_first_key_seals_and_the_old_one_still_opens() -> None:
    before, after = Sealer((OLD,)), Sealer((NEW, OLD))
    assert after.unseal(before.seal("s3cret", place=PLACE), place=PLACE) == "s3cret"
    fresh = after.seal("s3cret", place=PLACE)
    assert Sealer((NEW,)).unseal(fresh, place=PLACE) == "s3cret"
    with pytest.raises(SecretKeyMismatch):
        before.unseal(fresh, place=PLACE)


@pytest.mark.requirement("SEC-02")
def test_hashes_stay_findable_while_the_old_key_is_held() -> None:
    assert Sealer((NEW, OLD)).hashed("code", "abc") == Sealer((OLD,)).hashed("code", "abc")
    assert Sealer((NEW,)).hashed("code", "abc") != Sealer((OLD,)).hashed("code", "abc")


@pytest.mark.requirement("SEC-02", "SEC-03")
def test_each_purpose_hashes_differently() -> None:
    sealer = Sealer((OLD,))
    assert sealer.hashed("verify_email", "abc") != sealer.hashed("reset_password", "abc")


@pytest.mark.requirement("SEC-01")
def test_every_changed_byte_is_noticed() -> None:
    sealer = Sealer((OLD,))
    raw = base64.urlsafe_b64decode(sealer.seal("s3cret", place=PLACE))
    for position in range(len(raw)):
        changed = raw[:position] + bytes([raw[position] ^ 1]) + raw[position + 1 :]
        with pytest.raises(SecretKeyMismatch):
            sealer.unseal(base64.urlsafe_b64encode(changed).decode(), place=PLACE)


@given(st.text(max_size=60))
def test_what_was_never_sealed_is_a_mismatch_not_a_crash(text: str) -> None:
    with pytest.raises(SecretKeyMismatch):
        Sealer((OLD,)).unseal(text, place=PLACE)


@pytest.mark.requirement("SEC-01")
def test_a_cut_cell_is_a_mismatch() -> None:
    sealer = Sealer((OLD,))
    sealed = sealer.seal("s3cret", place=PLACE)
    for length in range(0, len(sealed) - 1, 3):
        with pytest.raises(SecretKeyMismatch):
            sealer.unseal(sealed[:length], place=PLACE)


@pytest.mark.requirement("SEC-04")
def test_keys_do_not_print() -> None:
    assert "secret of the tests" not in repr(Sealer((NEW, OLD)))


def test_tokens_hold_256_bits_and_compare() -> None:
    first, second = token(), token()
    assert len(base64.urlsafe_b64decode(first + "=")) == 32
    assert same(first, first)
    assert not same(first, second)
