"""What a table says of itself, in words and as JSON."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from regionfast.tables import BUNDLED

if TYPE_CHECKING:
    from regionfast import TableInfo

OLD_DAYS = 90
"""From this age on a table is called old: networks change hands every day, and in a quarter enough to matter."""


def age_days(info: TableInfo, at: datetime | None = None) -> int | None:
    """Whole days from when the database was built to a moment, or to now; negative where it was built after that.

    `None` where it has no date.
    """
    return None if info.built_at is None else ((at or datetime.now(UTC)) - info.built_at).days


def is_old(info: TableInfo, at: datetime | None = None) -> bool:
    """Whether the table is known to be old, at a moment or now."""
    age = age_days(info, at)
    return age is not None and age >= OLD_DAYS


def built(info: TableInfo, at: datetime | None = None) -> str:
    """Date and age, with a plain word where they are not as they should be.

    Args:
        info: The table's own words.
        at: The time that is decided for: how long a table was out of date then is what matters.
    """
    age = age_days(info, at)
    if info.built_at is None or age is None:
        return "the database does not say when"
    date = info.built_at.strftime("%Y-%m-%d")
    if age < 0:
        return f"{date}, " + (
            "which is still to come: is the clock right?" if at is None else "after the time decided for"
        )
    days = f"{age} day{'' if age == 1 else 's'} {'ago' if at is None else 'before the time decided for'}"
    return f"{date}, {days}: old, networks have moved since" if is_old(info, at) else f"{date}, {days}"


def source(info: TableInfo) -> str:
    """The file, or that it is the bundled one."""
    return "the bundled table" if is_bundled(info) else info.source or "bytes in memory"


def is_bundled(info: TableInfo) -> bool:
    """Whether it was opened without naming a file."""
    return info.source == str(BUNDLED)


def identity(info: TableInfo) -> list[tuple[str, str]]:
    """What identifies a table and how much is in it."""
    return [
        ("digest", info.digest),
        ("level", info.level),
        ("regions", f"{info.region_count:,}"),
        ("IPv4 ranges", f"{info.ipv4_ranges:,}"),
        ("IPv6 ranges", f"{info.ipv6_ranges:,}"),
        ("overrides", f"{info.override_ranges:,} ranges" if info.override_ranges else "none"),
    ]


def in_words(info: TableInfo) -> list[tuple[str, str]]:
    """All of it by name and value, but for the warnings: those are notes on stderr."""
    return [
        ("source", source(info)),
        ("kind", info.kind),
        ("description", info.description),
        ("attribution", info.attribution),
        ("built", built(info)),
        *identity(info),
        ("unwrapping", "IPv4 inside IPv6 is judged by the IPv4 address" if info.unwrap else "off"),
        ("NAT64", ", ".join(info.nat64)),
        ("registries", f"IANA special-purpose ranges of {info.registry_date}"),
        ("memory", f"{info.bytes:,} bytes"),
        ("kernel", info.kernel),
    ]


def as_object(info: TableInfo, at: datetime | None = None) -> dict[str, object]:
    """The fields of `TableInfo` by their names, with the age in days beside the date, at a moment or now."""
    return asdict(info) | {
        "built_at": info.built_at and info.built_at.isoformat(),
        "age_days": age_days(info, at),
        "bundled": is_bundled(info),
    }
