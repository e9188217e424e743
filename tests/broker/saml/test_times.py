"""xs:dateTime, strictly."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from llmops.broker.saml import times
from llmops.errors import SamlMalformed


@pytest.mark.requirement("SAML-24")
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-24T12:00:00Z", datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("2026-11-24T12:00:00.5Z", datetime(2026, 11, 24, 12, 0, 0, 500_000, tzinfo=UTC)),
        ("2026-11-24T12:00:00.1234567Z", datetime(2026, 11, 24, 12, 0, 0, 123_456, tzinfo=UTC)),
        ("2026-11-24T12:00:00." + "9" * 30 + "Z", datetime(2026, 11, 24, 12, 0, 0, 999_999, tzinfo=UTC)),
        ("2028-02-29T23:59:59Z", datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC)),
        ("2038-01-19T03:14:08Z", datetime(2038, 1, 19, 3, 14, 8, tzinfo=UTC)),
        ("9999-12-31T23:59:59.9999999Z", datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_time_is_read(value: str, expected: datetime) -> None:
    assert times.read(value) == expected


@pytest.mark.requirement("SAML-24")
@pytest.mark.parametrize(
    "value",
    [
        "",
        "2026-11-24",
        "2026-11-24T12:00Z",
        "2026-11-24T12:00:00",
        "2026-11-24T12:00:00z",
        "2026-11-24t12:00:00Z",
        "2026-11-24 12:00:00Z",
        "2026-11-24T12:00:00+00:00",
        "2026-11-24T12:00:00-01:00",
        "2026-11-24T12:00:00.Z",
        "2026-11-24T12:00:00,5Z",
        " 2026-11-24T12:00:00Z",
        "2026-11-24T12:00:00Z\n",
        "2026-11-24T24:00:00Z",
        "2026-11-24T12:00:60Z",
        "2026-02-29T12:00:00Z",
        "2026-13-01T12:00:00Z",
        "0000-01-01T00:00:00Z",
        "-2026-11-24T12:00:00Z",
        "12026-11-24T12:00:00Z",
        "2026-11-24T12:00:00ZZ",
        "２０２６-11-24T12:00:00Z",
        "١٢٣٤-11-24T12:00:00Z",
    ],
)
def test_anything_else_is_refused(value: str) -> None:
    with pytest.raises(SamlMalformed):
        times.read(value)


@pytest.mark.requirement("SAML-24")
def test_long_fraction_takes_linear_time() -> None:
    started = time.process_time()
    assert times.read("2026-11-24T12:00:00." + "1" * 200_000 + "Z").microsecond == 111_111
    with pytest.raises(SamlMalformed):
        times.read("2026-11-24T12:00:00." + "1" * 200_000)
    assert time.process_time() - started < 0.1


def test_moments_at_both_ends_of_time_can_be_moved() -> None:
    day = timedelta(days=1)
    assert times.later(datetime.max.replace(tzinfo=UTC), day) <= datetime.max.replace(tzinfo=UTC)
    assert times.earlier(datetime.min.replace(tzinfo=UTC), day) >= datetime.min.replace(tzinfo=UTC)


def test_time_is_written_in_utc() -> None:
    assert times.write(datetime.fromisoformat("2026-11-24T13:00:00.75+01:00")) == "2026-11-24T12:00:00Z"
