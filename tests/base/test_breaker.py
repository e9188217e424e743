"""Servers that let us wait in vain are not asked for a while; then one call tries whether they answer again."""

from datetime import timedelta

import pytest
from world import Clock

from llmops.base import breaker
from llmops.base.breaker import CUT_OFF, MOST_TIMEOUTS, Breaker
from llmops.errors import OutboundRefused, OutboundUnreachable

pytestmark = pytest.mark.requirement("NET-06")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calls(clock: Clock) -> Breaker:
    return Breaker(clock)


def make(calls: Breaker, ends: str = "", key: str = "conn_a") -> str:
    """One call that ends so: `""` well, else with that reason. Returns the reason that the caller sees."""
    try:
        with calls.call(key):
            if ends == "refused":
                raise OutboundRefused(reason=ends)
            if ends:
                raise OutboundUnreachable(reason=ends)
    except (OutboundUnreachable, OutboundRefused) as failure:
        return failure.facts["reason"]
    return ""


def cut_off(calls: Breaker, key: str = "conn_a") -> None:
    assert [make(calls, "timeout", key) for _ in range(MOST_TIMEOUTS)] == ["timeout"] * MOST_TIMEOUTS


def test_after_five_time_outs_nobody_is_asked(calls: Breaker) -> None:
    cut_off(calls)
    with pytest.raises(OutboundUnreachable) as caught, calls.call("conn_a"):
        pytest.fail("it was asked")
    assert caught.value.facts == {"reason": "cut-off", "retry_after_seconds": "30"}


def test_another_connection_is_asked_all_the_while(calls: Breaker) -> None:
    cut_off(calls)
    assert make(calls, key="conn_b") == ""


@pytest.mark.parametrize("ends", ["", "no-connection", "refused"])
def test_whatever_comes_in_time_ends_the_row(calls: Breaker, ends: str) -> None:
    for _ in range(MOST_TIMEOUTS - 1):
        make(calls, "timeout")
    make(calls, ends)
    make(calls, "timeout")
    assert make(calls) == ""


@pytest.mark.parametrize(("seconds", "reason"), [(-1, "cut-off"), (0, ""), (1, "")])
def test_it_is_asked_again_after_half_a_minute(calls: Breaker, clock: Clock, seconds: int, reason: str) -> None:
    cut_off(calls)
    clock.now += CUT_OFF + timedelta(seconds=seconds)
    assert make(calls) == reason


def test_one_call_tries_and_the_others_wait_for_what_comes_of_it(calls: Breaker, clock: Clock) -> None:
    cut_off(calls)
    clock.now += CUT_OFF
    with calls.call("conn_a"):
        assert make(calls) == "cut-off"
    assert make(calls) == ""


def test_one_more_time_out_cuts_it_off_again(calls: Breaker, clock: Clock) -> None:
    cut_off(calls)
    clock.now += CUT_OFF
    assert make(calls, "timeout") == "timeout"
    assert make(calls) == "cut-off"


def test_a_fault_of_ours_leaves_nobody_cut_off_for_good(calls: Breaker, clock: Clock) -> None:
    cut_off(calls)
    clock.now += CUT_OFF
    with pytest.raises(ZeroDivisionError), calls.call("conn_a"):
        raise ZeroDivisionError
    assert make(calls) == ""


def test_only_so_many_are_remembered_and_who_answers_is_not(calls: Breaker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaker, "MOST_KEPT", 3)
    for number in range(5):
        cut_off(calls, f"conn_{number}")
        make(calls, key=f"conn_good{number}")
    assert list(calls._records) == ["conn_2", "conn_3", "conn_4"]
