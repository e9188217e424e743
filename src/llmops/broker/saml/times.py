"""SAML's times: strict UTC, read in linear time, with one allowance for clocks that differ."""

import re
from datetime import UTC, datetime, timedelta

from llmops.errors import SamlMalformed

_DATE_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?Z")
_LAST = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)


def read(value: str) -> datetime:
    """An xs:dateTime in UTC with `Z`; a fraction may be of any length and is cut after microseconds.

    Raises: SamlMalformed. Source: Core 2.0 §1.3.3 (UTC, no time zone component other than Z).
    """
    matched = _DATE_TIME.fullmatch(value)
    if matched is None:
        raise SamlMalformed(problem="time", seen=value)
    year, month, day, hour, minute, second = (int(digits) for digits in matched.groups()[:6])
    microsecond = int((matched[7] or "")[:6].ljust(6, "0"))
    try:
        return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=UTC)
    except ValueError:
        raise SamlMalformed(problem="time", seen=value) from None


def write(moment: datetime) -> str:
    """An xs:dateTime in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def later(moment: datetime, by: timedelta) -> datetime:
    """`moment + by`, for moments that may lie at the end of time: .NET writes its last date for "never"."""
    return min(moment, _LAST) + by


def earlier(moment: datetime, by: timedelta) -> datetime:
    """`moment - by`, for moments that may lie at the beginning of time."""
    return max(moment, datetime.min.replace(tzinfo=UTC) + timedelta(days=1)) - by
