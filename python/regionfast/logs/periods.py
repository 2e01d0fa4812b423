"""Periods of time: many hours as few days, weeks, months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeAlias

Unit: TypeAlias = Literal["hour", "day", "week", "month", "year", "decade", "century"]

UNITS: Final[tuple[Unit, ...]] = ("hour", "day", "week", "month", "year", "decade", "century")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONDAY: Final = datetime(1969, 12, 29, tzinfo=UTC)
_FIXED: Final[dict[Unit, tuple[datetime, timedelta]]] = {
    "hour": (_EPOCH, timedelta(hours=1)),
    "day": (_EPOCH, timedelta(days=1)),
    "week": (_MONDAY, timedelta(weeks=1)),  # a week begins on Monday (ISO 8601)
}
_YEARS: Final[dict[Unit, int]] = {"year": 1, "decade": 10, "century": 100}
_MONTHS: Final = 12


def number(time: datetime, unit: Unit) -> int:
    """Which period of the unit a time in UTC is in. Numbers of neighbours differ by one."""
    if unit in _FIXED:
        origin, length = _FIXED[unit]
        return (time - origin) // length
    return time.year * _MONTHS + time.month - 1 if unit == "month" else time.year // _YEARS[unit]


def start(period: int, unit: Unit) -> datetime:
    """When a period begins, UTC."""
    if unit in _FIXED:
        origin, length = _FIXED[unit]
        return origin + period * length
    if unit == "month":
        return datetime(period // _MONTHS, period % _MONTHS + 1, 1, tzinfo=UTC)
    return datetime(max(period * _YEARS[unit], 1), 1, 1, tzinfo=UTC)


def coarsened(first: datetime, last: datetime, finest: Unit, most: int) -> Unit:
    """The smallest unit, none smaller than `finest`, that cuts a span into `most` periods or fewer; or the largest."""
    units = UNITS[UNITS.index(finest) :]
    return next((unit for unit in units if number(last, unit) - number(first, unit) < most), units[-1])


def name(period: int, unit: Unit) -> str:
    """A period in words that sort by time: `2026-06-17 13:00`, `2026-06-15` for the week of that Monday, `2026-06`."""
    begins = start(period, unit)
    if unit == "hour":
        return f"{begins:%Y-%m-%d %H:00}"
    if unit in _FIXED:
        return f"{begins:%Y-%m-%d}"
    if unit == "month":
        return f"{begins.year:04}-{begins.month:02}"
    return f"{begins.year:04}" if unit == "year" else f"{begins.year:04}s"
