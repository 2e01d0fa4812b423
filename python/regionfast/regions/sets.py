"""Sets of regions that know what lies in what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from regionfast.regions.codes import canonical, parse
from regionfast.regions.error import RegionError

_Countries: TypeAlias = "dict[str, tuple[bool, frozenset[str]]]"


@dataclass(frozen=True, slots=True, repr=False, init=False)
class RegionSet:
    """A set of places, written with region codes: `RegionSet(["US", "CN-HK"])`.

    A code stands for all places of its region, so `code in regions` asks whether the region lies in the set whole:
    `US` holds `US-CA`, and a set of all the states does not hold `US`, since nobody knows that nothing is left. What
    is taken out of a country is kept as a hole: `RegionSet(["US"]) - RegionSet(["US-CA"])` holds `US-NY`, neither
    `US-CA` nor `US`.

    A country thus is in the set with no, with some or with all but some of its subdivisions. Such sets are closed
    under union, intersection and difference, and all laws of sets hold without exception. Two sets are equal where
    they hold the same places. Cost: linear in the number of codes; `in` takes the same time for any set.
    """

    codes: tuple[str, ...] = ()
    """Canonical codes, sorted, none of them within another; a country is here also where it has holes."""
    holes: tuple[str, ...] = ()
    """Subdivisions of those countries that are not in the set, sorted."""
    # INVARIANT: country → whether it is in the set but for some subdivisions, and which these are; or it is not, but
    # for some, and which. No country maps to (False, nothing).
    _countries: _Countries = field(init=False, repr=False, compare=False)

    def __init__(self, codes: Iterable[str] = (), holes: Iterable[str] = ()) -> None:
        """The places of some regions without those of others; of each, `parse` decides what may be written.

        Raises:
            RegionError: A code that `parse` refuses.
        """
        if isinstance(codes, str) or isinstance(holes, str):
            raise RegionError("a set is made from a list of codes, not from one text")
        inside = _countries_of(map(parse, codes))
        self._fill(_combine(inside, _countries_of(map(parse, holes)), _and_not))

    def _fill(self, countries: _Countries) -> None:
        codes: list[str] = []
        holes: list[str] = []
        for country, (whole, exceptions) in countries.items():
            if whole:
                codes.append(country)
                holes.extend(exceptions)
            else:
                codes.extend(exceptions)
        object.__setattr__(self, "codes", tuple(sorted(codes)))
        object.__setattr__(self, "holes", tuple(sorted(holes)))
        object.__setattr__(self, "_countries", countries)

    @classmethod
    def _of(cls, countries: _Countries) -> RegionSet:
        made = object.__new__(cls)
        made._fill(countries)
        return made

    def __contains__(self, region: object) -> bool:
        """Whether a region lies in the set whole; a code as a table has it, or anything whose text is one.

        The text of the code counts: `CN-Kowloon` lies in `CN`. Where an address may be, `whereabouts` tells.
        """
        code = canonical(str(region))
        country, dash, _ = code.partition("-")
        whole, exceptions = self._countries.get(country, (False, frozenset()))
        return whole != _covers(exceptions, code) if dash else whole and not exceptions

    def __iter__(self) -> Iterator[str]:
        """The codes, sorted.

        Raises:
            RegionError: There are holes, and the codes alone would name more than the set holds.
        """
        if self.holes:
            raise RegionError(f"`{self}` has holes: read `codes` and `holes`")
        return iter(self.codes)

    def __bool__(self) -> bool:
        return bool(self.codes)

    def __or__(self, other: RegionSet) -> RegionSet:
        return RegionSet._of(_combine(self._countries, other._countries, _or))

    def __and__(self, other: RegionSet) -> RegionSet:
        return RegionSet._of(_combine(self._countries, other._countries, _and))

    def __sub__(self, other: RegionSet) -> RegionSet:
        return RegionSet._of(_combine(self._countries, other._countries, _and_not))

    def __le__(self, other: RegionSet) -> bool:
        return self.issubset(other)

    def __ge__(self, other: RegionSet) -> bool:
        return other.issubset(self)

    def issubset(self, other: RegionSet) -> bool:
        """Whether every place of this set is in the other one; without holes as fast as `in`."""
        return not self - other if self.holes else all(code in other for code in self.codes)

    def isdisjoint(self, other: RegionSet) -> bool:
        """Whether no place is in both."""
        return not self & other

    def __str__(self) -> str:
        codes = ", ".join(self.codes) or "nowhere"
        return f"{codes} without {', '.join(self.holes)}" if self.holes else codes

    def __repr__(self) -> str:
        return f"RegionSet({list(self.codes)!r}{f', holes={list(self.holes)!r}' if self.holes else ''})"


def _or(left: bool, right: bool) -> bool:  # noqa: FBT001 - a connective
    return left or right


def _and(left: bool, right: bool) -> bool:  # noqa: FBT001 - a connective
    return left and right


def _and_not(left: bool, right: bool) -> bool:  # noqa: FBT001 - a connective
    return left and not right


def _covers(subdivisions: frozenset[str], code: str) -> bool:
    """Whether a code is one of some subdivisions or, as `HK-KLN-1` in `HK-KLN`, within one."""
    if code in subdivisions:
        return True
    country, _, rest = code.partition("-")
    subdivision, dash, _ = rest.partition("-")
    return bool(dash) and f"{country}-{subdivision}" in subdivisions


def _countries_of(codes: Iterable[str]) -> _Countries:
    countries: _Countries = {}
    for code in codes:
        country, dash, _ = code.partition("-")
        whole, parts = countries.get(country, (False, frozenset()))
        if not dash:
            countries[country] = (True, frozenset())
        elif not whole:
            countries[country] = (False, parts | {code})
    return countries


def _combine(left: _Countries, right: _Countries, connective: Callable[[bool, bool], bool]) -> _Countries:
    """Applies a connective place by place; it must be false of (false, false), or all the world came in."""
    nothing: tuple[bool, frozenset[str]] = (False, frozenset())
    made: _Countries = {}
    for country in left.keys() | right.keys():
        (in_left, left_but), (in_right, right_but) = left.get(country, nothing), right.get(country, nothing)
        whole = connective(in_left, in_right)
        exceptions = frozenset(
            code
            for code in left_but | right_but
            if connective(in_left != (code in left_but), in_right != (code in right_but)) != whole
        )
        if whole or exceptions:
            made[country] = (whole, exceptions)
    return made
