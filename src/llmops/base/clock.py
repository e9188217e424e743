"""The one place that asks what time it is. Everything else is told."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Gives the present moment, aware and in UTC."""


def readable(moment: datetime) -> str:
    """The moment as letters say it, for example `24 November 2026, 12:05 UTC`."""
    return moment.astimezone(UTC).strftime("%-d %B %Y, %H:%M UTC")


def system() -> datetime:
    """The machine's clock, aware and in UTC."""
    return datetime.now(UTC)
