"""What a table cannot tell, of the places that a policy names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from regionfast import regions
from regionfast.errors import Problem
from regionfast.policy.model import Exemption, Order, Rule
from regionfast.regions import RegionError, RegionSet
from regionfast.types import Region, TableInfo

_SHOWN: Final = 3
"""So many examples and no more."""


class TellsRegions(Protocol):
    """What is asked of a table here."""

    @property
    def regions(self) -> tuple[Region | None, ...]:
        """The region of each slot; `None` for a status."""
        ...

    @property
    def info(self) -> TableInfo:
        """What it says of itself; only its date is asked."""
        ...


class Told:
    """The regions of a table, found by country. Cost: linear in their number, once."""

    def __init__(self, told: tuple[Region | None, ...]) -> None:
        """Of what `Table.regions` holds; the statuses in it are left out."""
        self._by_country: dict[str, list[tuple[str, RegionSet]]] = {}
        for region in told:
            if region is None:
                continue
            where = regions.whereabouts(region.code)
            for country in _countries(where):
                self._by_country.setdefault(country, []).append((region.code, where))

    def around(self, places: RegionSet) -> list[tuple[str, RegionSet]]:
        """The codes that the table has in the countries of some places, each with the places it may stand for."""
        return list(dict.fromkeys(told for country in _countries(places) for told in self._by_country.get(country, ())))


def _countries(places: RegionSet) -> dict[str, None]:
    return dict.fromkeys(regions.country(code) for code in places.codes)


def untold(
    entry: Order | Rule | Exemption,
    at: datetime,
    told: tuple[Region | None, ...] | Told,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> list[Problem]:
    """The regions of an entry of which the table tells nothing inside, although it has places around them.

    Args:
        entry: An order, whose spared places count as outside; a rule; or an exemption.
        at: When its groups are taken; an order's must be recorded then.
        told: `Table.regions`, or `Told` of it for many entries.
        groups: Own groups of the policy.

    Returns:
        One problem for each item of its regions, its place counted from the entry: `regions[1]`. Where a table has
        nothing in the whole country it is no problem: it places nobody there. A group is one only where nothing at
        all inside it is told.
    """
    told = told if isinstance(told, Told) else Told(told)
    problems = []
    for index, name in enumerate(entry.regions):
        try:
            part = regions.expand([name], at, groups)
            if isinstance(entry, Order):
                part &= entry.places(at)
        except RegionError as error:
            problems.append(Problem(f"regions[{index}]", error.message, error.suggestions))
            continue
        around = told.around(part)
        if around and not any(where <= part for _, where in around):
            problems.append(Problem(f"regions[{index}]", _message(name, part, [code for code, _ in around])))
    return problems


def half_told(places: RegionSet, told: Told) -> list[str]:
    """The codes of a table that may stand for places inside some regions or outside: whoever has one is undecided."""
    return [code for code, where in told.around(places) if not where <= places and not where.isdisjoint(places)]


def misspelt(told: tuple[Region | None, ...]) -> list[tuple[list[str], tuple[str, ...]]]:
    """The codes of a table that no policy can name, by country, with the codes that are meant.

    Only where one is plainly meant: withdrawn codes and what a maker has invented are not misspelt.
    """
    found: dict[str, list[str]] = {}
    for code in dict.fromkeys(region.code for region in told if region is not None):  # an override has its own slot
        found.setdefault(regions.country(code), []).append(code)
    wrong = []
    for country, codes in found.items():
        try:
            regions.parse(country)
        except RegionError as error:
            if error.suggestions and regions.name(country) is None:  # a withdrawn code has a name
                wrong.append((codes, error.suggestions))
    return wrong


def _message(name: str, part: RegionSet, around: list[str]) -> str:
    asked = f"`{name}`"
    if part.holes:
        asked += f" without the contested {some(part.holes)}"
    if any("-" in code for code in around):
        return f"the table has no place inside {asked}, but {some(around)}: write a code that it has"
    return (
        f"the table cannot tell {asked}, it knows only {some(around)}: "
        "take a database of subdivisions and open it with level `subdivision`"
    )


def some(codes: Sequence[str]) -> str:
    """The first few codes, and how many more there are."""
    listed = ", ".join(f"`{code}`" for code in codes[:_SHOWN])
    return f"{listed} and {len(codes) - _SHOWN} more" if len(codes) > _SHOWN else listed
