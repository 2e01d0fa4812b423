"""The laws of sets, with containment, and agreement with plain sets of places."""

from __future__ import annotations

import copy
import pickle
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionfast import Region
from regionfast.regions import RegionError, RegionSet, canonical, contains

# A small world. `ZZZ` is named by no test, so it stands for all that has no name: a set holds a country only if it
# holds that place too.
COUNTRIES = ("US", "CN", "HK", "FR", "BQ")
SUBDIVISIONS = ("CA", "NY", "BO")
CODES = [*COUNTRIES, *(f"{country}-{part}" for country, part in product(COUNTRIES, SUBDIVISIONS))]
REST = "ZZZ"
WORLD = frozenset(f"{country}-{part}" for country, part in product(COUNTRIES, (*SUBDIVISIONS, REST)))
ALIASES = ["CN-HK", "NL-BQ1"]

code_lists = st.lists(st.sampled_from(CODES + ALIASES), max_size=12)
region_sets = st.builds(RegionSet, code_lists, code_lists)


def places(regions: RegionSet) -> frozenset[str]:
    """The same set as plain places, found by its codes and holes alone."""
    inside = {place for place in WORLD for code in regions.codes if contains(code, place)}
    return frozenset(inside - {place for place in WORLD for hole in regions.holes if contains(hole, place)})


@given(code_lists, code_lists)
def test_a_set_holds_the_places_of_its_codes_without_its_holes(codes: list[str], holes: list[str]) -> None:
    expected = {place for place in WORLD if any(contains(code, place) for code in codes)}
    expected -= {place for place in WORLD if any(contains(hole, place) for hole in holes)}
    assert places(RegionSet(codes, holes)) == expected


@given(region_sets)
def test_membership_means_that_all_places_of_the_region_are_in(regions: RegionSet) -> None:
    inside = places(regions)
    for code in CODES + ALIASES:
        own = {place for place in WORLD if contains(code, place)}
        assert (code in regions) is (own <= inside)
        assert (code in regions) is RegionSet([code]).issubset(regions)
        assert (canonical(code) in regions) is (code in regions)
        assert (Region(code) in regions) is (code in regions)


@given(region_sets, region_sets)
def test_operations_agree_with_plain_sets(left: RegionSet, right: RegionSet) -> None:
    assert places(left | right) == places(left) | places(right)
    assert places(left & right) == places(left) & places(right)
    assert places(left - right) == places(left) - places(right)
    assert left.issubset(right) is (left <= right) is (right >= left) is (places(left) <= places(right))
    assert left.isdisjoint(right) is places(left).isdisjoint(places(right))
    assert (left == right) is (places(left) == places(right))
    assert bool(left) is bool(places(left))


@given(region_sets, region_sets)
def test_equal_sets_are_one(left: RegionSet, right: RegionSet) -> None:
    union = left | right
    again = right | left
    assert union == again
    assert hash(union) == hash(again)
    assert (union.codes, union.holes, repr(union)) == (again.codes, again.holes, repr(again))
    assert eval(repr(union), {"RegionSet": RegionSet}) == union  # noqa: S307
    assert pickle.loads(pickle.dumps(union)) == copy.deepcopy(union) == union  # noqa: S301
    assert pickle.loads(pickle.dumps(union)) | left == union  # noqa: S301


# Commutativity, associativity and the like follow from the agreement above; these four are what policies lean on.


@given(region_sets, region_sets, region_sets)
def test_laws(one: RegionSet, two: RegionSet, three: RegionSet) -> None:
    assert one & (two | three) == (one & two) | (one & three)
    assert one - (two | three) == (one - two) & (one - three)
    assert (one - two).isdisjoint(two)
    assert (one - two) | (one & two) == one


@given(region_sets)
def test_codes_are_sorted_canonical_and_none_within_another(regions: RegionSet) -> None:
    assert list(regions.codes) == sorted(set(regions.codes))
    assert list(regions.holes) == sorted(set(regions.holes))
    assert all(canonical(code) == code for code in regions.codes + regions.holes)
    assert not any(contains(one, two) for one, two in product(regions.codes, repeat=2) if one != two)
    assert all(any(contains(code, hole) for code in regions.codes) for hole in regions.holes)
    if regions.holes:
        with pytest.raises(RegionError, match="has holes: read `codes` and `holes`"):
            list(regions)
    else:
        assert tuple(regions) == regions.codes
        assert RegionSet(regions) == regions


def test_the_united_states_without_california() -> None:
    rest = RegionSet(["US"]) - RegionSet(["US-CA"])
    assert "US-NY" in rest
    assert "US-CA" not in rest
    assert "US" not in rest  # a row that says `US` alone may be in California
    assert "US-PR" not in rest
    assert str(rest) == "US without US-CA"
    assert rest | RegionSet(["US-CA"]) == RegionSet(["US"])
    assert (rest - RegionSet(["US"])) == RegionSet()
    assert not RegionSet()
    assert str(RegionSet()) == "nowhere"


def test_all_subdivisions_named_are_not_the_country() -> None:
    assert "BQ" not in RegionSet(["BQ-BO", "BQ-SA", "BQ-SE"])


def test_china_holds_neither_hong_kong_nor_macao_nor_taiwan() -> None:
    china = RegionSet(["CN"])
    for code in ("HK", "MO", "TW", "CN-HK", "CN-MO", "CN-TW", "CN-71", "CN-91", "CN-92", "CN-HK-KLN", "CN-Hong Kong"):
        assert code not in china, code
    for code in ("CN", "CN-GD", "CN-44", "CN-Guangdong"):
        assert code in china, code
    assert china.isdisjoint(RegionSet(["CN-HK", "MO", "TW"]))


def test_holes_reach_what_a_table_tells_below_them() -> None:
    rest = RegionSet(["HK"], ["HK-KLN"])
    assert "HK-KLN-1" not in rest
    assert "HK-KLN-1" in RegionSet(["HK-KLN"])
    assert "HK-KL-1" in rest


def test_a_set_does_not_change() -> None:
    regions = RegionSet(["US"])
    with pytest.raises(AttributeError):
        regions.codes = ("CN",)  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        regions.more = 1  # type: ignore[attr-defined]


@pytest.mark.parametrize("codes", [["AN"], ["China"], ["EU"], ["US", "cn"], "US", "US-CA"])
def test_a_set_takes_only_what_a_policy_may_name(codes: list[str] | str) -> None:
    with pytest.raises(RegionError):
        RegionSet(codes)


def test_membership_of_what_is_no_code_is_an_error() -> None:
    with pytest.raises(RegionError):
        assert "China" in RegionSet(["CN"])
    assert "AN" not in RegionSet(["BQ", "CW", "SX"])
