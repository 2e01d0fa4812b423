"""The places that a code of a table may stand for, and those that are contested.

Contested places belong to no issuer's jurisdiction unless a deployment names them.
"""

from __future__ import annotations

from regionfast.regions.codes import canonical, has_form, parse
from regionfast.regions.data import ASSIGNED, CONTESTED, MAINLAND, Contested
from regionfast.regions.fold import folded
from regionfast.regions.sets import RegionSet


def whereabouts(code: str) -> RegionSet:
    """The places that a code of a table may stand for, never fewer: an address with that code is in one of them.

    - A code that a policy could name is its own place, and more detail is in it: `US-CA-Los Angeles` in `US-CA`.
    - A name without a code is anywhere in its country: `US-California` in `US`.
    - A subdivision of `CN` that `is_mainland` does not know may be in `HK`, `MO` or `TW` as well: databases have
      districts and old codes of these under `CN`.
    - A withdrawn or unassigned country is nowhere: no policy can name it.

    Raises:
        RegionError: Text that has not the shape of a region code.
    """
    whole = canonical(code)
    country, _, rest = whole.partition("-")
    if country not in ASSIGNED:
        return RegionSet()
    if country == "CN" and not is_mainland(whole):
        return _CHINAS
    longest = f"{country}-{rest.partition('-')[0]}"
    return RegionSet([longest if has_form(longest) else country])


def is_mainland(code: str) -> bool:
    """Whether a code is known to be of mainland China: `CN`, or a subdivision by its code, old number or usual name.

    Raises:
        RegionError: Text that has not the shape of a region code.
    """
    country, _, rest = canonical(code).partition("-")
    subdivision = rest.partition("-")[0]
    return country == "CN" and (not rest or folded(rest) in MAINLAND or folded(subdivision) in MAINLAND)


def contested(code: str) -> Contested | None:
    """Why a region, or the country that it lies in, is contested; `None` where it is not.

    `UA` is not, though it holds `UA-43`, which is: take `contested_places()` out of it.

    Raises:
        RegionError: Text that has not the shape of a region code.
    """
    whole = canonical(code)
    country, _, rest = whole.partition("-")
    subdivision = rest.partition("-")[0]
    return CONTESTED.get(f"{country}-{subdivision}") or CONTESTED.get(country)


def contested_places() -> RegionSet:
    """All of them, to be taken out of a jurisdiction."""
    return _PLACES


_PLACES = RegionSet(map(parse, CONTESTED))
_CHINAS = RegionSet(["CN", "HK", "MO", "TW"])
