"""Contested places: they belong to no issuer's jurisdiction unless a deployment names them."""

from __future__ import annotations

from regionfast.regions.codes import canonical, parse
from regionfast.regions.data import CONTESTED, Contested
from regionfast.regions.sets import RegionSet


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
