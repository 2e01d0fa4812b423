"""Times of rows in tables: text to whole seconds since 1970-01-01T00:00:00Z, as the engine reads them in lines."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

LAST: Final = 253_402_300_799
"""The last second of the year 9999. What is not from 1970 to then is a broken clock, or a field that is no time."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CLOCK: Final = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_ISO: Final = re.compile(
    r"(?P<year>[0-9]{4})-(?P<month>[0-9]{2})-(?P<day>[0-9]{2})[T ]"
    + _CLOCK
    + r"(?:[.,][0-9]+)?(?:Z|(?P<sign>[+-])(?P<offset>[0-9]{2})(?::?(?P<minutes>[0-9]{2}))?)"
)
_CLF: Final = re.compile(
    rf"(?P<day>[0-9]{{2}})/(?P<month>{'|'.join(_MONTHS)})/(?P<year>[0-9]{{4}}):"
    + _CLOCK
    + r" (?P<sign>[+-])(?P<offset>[0-9]{2})(?P<minutes>[0-9]{2})"
)
_NUMBER: Final = re.compile(r"([0-9]+)(?:\.([0-9]+))?(?:[eE]([+-]?)([0-9]+))?")
_MOST_DIGITS: Final = 21
"""Of the last nanosecond that counts."""
_FAR: Final = 10**9
"""A power of ten that is as good as all greater ones."""


def seconds(text: str) -> int | None:
    """ISO 8601 with an offset, a number since 1970, or the time of the common log format; `None` where it is none.

    A number is seconds below 1e11, thousandths below 1e14, millionths below 1e17, else billionths; fractions are cut
    off. A leap second counts as the second before it.
    """
    match = _ISO.fullmatch(text) or _CLF.fullmatch(text)
    return _epoch(text) if match is None else _civil(match)


def _civil(match: re.Match[str]) -> int | None:
    month, offset, minutes = match["month"], int(match["offset"] or 0), int(match["minutes"] or 0)
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"])
    if minute > 59 or second > 60 or hour > 23 or offset > 23 or minutes > 59:  # noqa: PLR2004 - a clock
        return None
    number = _MONTHS.index(month) + 1 if month in _MONTHS else int(month)
    try:
        day = datetime(int(match["year"]), number, int(match["day"]), tzinfo=UTC)
    except ValueError:
        return None
    ahead = (offset * 3600 + minutes * 60) * (-1 if match["sign"] == "-" else 1)
    return _dated((day - _EPOCH) // timedelta(seconds=1) + hour * 3600 + minute * 60 + min(second, 59) - ahead)


def _epoch(text: str) -> int | None:
    """Its digits are taken as they stand: rounded, nanoseconds would be of another second."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return None
    whole, fraction, sign, exponent = (part or "" for part in match.groups())
    digits = whole + fraction
    significant = digits.lstrip("0")
    if not significant:
        return 0
    power = exponent.lstrip("0")
    shift = min(int(power or 0), _FAR) if len(power) <= len(str(_FAR)) else _FAR
    # How many digits the whole part has, from the first on that is not zero.
    count = len(whole) - (len(digits) - len(significant)) + (-shift if sign == "-" else shift)
    if count <= 0:
        return 0
    return by_magnitude(int(significant[:count].ljust(count, "0"))) if count <= _MOST_DIGITS else None


def by_magnitude(number: int) -> int | None:
    """Seconds of a whole number since 1970, which is so large that it must be of a smaller unit."""
    unit = 1 if number < 10**11 else 10**3 if number < 10**14 else 10**6 if number < 10**17 else 10**9
    return _dated(number // unit)


def _dated(second: int) -> int | None:
    return second if 0 <= second <= LAST else None
