"""The rows of `regions.toml`, typed. Their truth is checked by the tests, not each time that they are read."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from regionfast.regions.fold import folded


@dataclass(frozen=True, slots=True, kw_only=True)
class Assigned:
    """A country code that may be used."""

    code: str
    name: str
    """English and short, of our own choice."""
    source: str
    alpha3: str = ""
    """Empty for user-assigned codes, as is `numeric`."""
    numeric: str = ""
    user_assigned: bool = False
    """Whether ISO has left the code to its users, as it has `XK`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """A country code that was assigned once and is free today."""

    code: str
    name: str
    successors: tuple[str, ...]
    """The codes of what the place is today."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """A second code, or a name in the place of one, for the same region."""

    code: str
    canonical: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """That a region is in a group, from one moment until another."""

    region: str
    since: datetime
    """The first moment inside."""
    until: datetime | None
    """The first moment outside; `None` while it is inside."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group with effective dates."""

    name: str
    title: str
    since: datetime
    """The first moment that the rows tell anything about."""
    rows: tuple[Membership, ...]
    """Those of the groups that this one holds included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contested:
    """Why a place is contested."""

    code: str
    note: str
    source: str


def _groups(tables: dict[str, Any], sources: dict[str, str]) -> dict[str, Group]:
    own = {
        name: tuple(
            Membership(
                region=region,
                since=since.astimezone(UTC),
                until=until.astimezone(UTC) if until else None,
                source=sources[source],
            )
            for region, since, until, source in table["rows"]
        )
        for name, table in tables.items()
    }
    return {
        name: Group(
            name=name,
            title=table["title"],
            since=table["since"].astimezone(UTC),
            # One step is enough: no group of the file holds one that holds another.
            rows=own[name] + tuple(row for held in table["holds"] for row in own[held]),
        )
        for name, table in tables.items()
    }


def _aliases(tables: dict[str, Any], names: dict[str, str], sources: dict[str, str]) -> dict[str, Alias]:
    listed = [*tables["rows"], *tables["names"]]
    # Databases that name subdivisions instead of coding them say `US-Puerto Rico` where others say `US-PR`.
    named = [
        (f"{code.partition('-')[0]}-{names[canonical]}", canonical, source)
        for code, canonical, source in tables["rows"]
        if canonical in names
    ]
    return {
        code: Alias(code=code, canonical=canonical, source=sources[source])
        for code, canonical, source in named + listed
    }


def _by_part(aliases: dict[str, Alias]) -> dict[str, dict[str, Alias]]:
    """Aliases by country, and there by the folded part after the dash; one spelling must not mean two regions."""
    found: dict[str, dict[str, Alias]] = {}
    for row in aliases.values():
        country, _, part = row.code.partition("-")
        first = found.setdefault(country, {}).setdefault(folded(part), row)
        if first.canonical != row.canonical:
            raise ValueError(f"`{first.code}` and `{row.code}` are spelt alike and are not the same region")
    return found


def _mainland(rows: list[tuple[str, str, list[str], str]], aliases: dict[str, Alias]) -> frozenset[str]:
    """The folded parts after `CN-`; none of them may be an alias."""
    parts = frozenset(folded(part) for code, number, names, _ in rows for part in (code, number, *names))
    if not parts.isdisjoint(aliases):
        raise ValueError("a subdivision of the mainland is spelt like one of another region")
    return parts


with (Path(__file__).parent / "regions.toml").open("rb") as _file:
    _data: dict[str, Any] = tomllib.load(_file)
_sources: dict[str, str] = _data["sources"]

DATA_VERSION: Final[str] = _data["version"]
"""Version of the region data: part of what a plan's hash covers."""

ACTS_SEEN_UNTIL: Final[str] = _data["acts-seen-until"].isoformat()
"""The day until which acts that change a group were looked for, ISO 8601."""

ASSIGNED: Final[dict[str, Assigned]] = {
    code: Assigned(code=code, alpha3=alpha3, numeric=numeric, name=name, source=_sources[source])
    for code, alpha3, numeric, name, source in _data["codes"]["assigned"]
} | {
    code: Assigned(code=code, name=name, source=_sources[source], user_assigned=True)
    for code, name, source in _data["codes"]["user-assigned"]
}

WITHDRAWN: Final[dict[str, Withdrawn]] = {
    code: Withdrawn(code=code, name=name, successors=tuple(successors), source=_sources[source])
    for code, name, successors, source in _data["codes"]["withdrawn"]
}

MISTAKEN: Final[dict[str, str]] = {text: meant for text, meant, _ in _data["codes"]["mistaken"]}
"""What is written as if it were a code, and the code that is meant."""

ALIASES: Final[dict[str, Alias]] = _aliases(
    _data["aliases"], {code: row.name for code, row in ASSIGNED.items()}, _sources
)

ALIASES_BY_PART: Final[dict[str, dict[str, Alias]]] = _by_part(ALIASES)
"""The same by country and, folded, by what follows the dash."""

MAINLAND: Final[frozenset[str]] = _mainland(_data["mainland"]["rows"], ALIASES_BY_PART["CN"])
"""What follows `CN-`, folded, in the codes and names of the subdivisions of mainland China."""

GROUPS: Final[dict[str, Group]] = _groups(_data["groups"], _sources)

CONTESTED: Final[dict[str, Contested]] = {
    code: Contested(code=code, note=note, source=_sources[source]) for code, note, source in _data["contested"]["rows"]
}
