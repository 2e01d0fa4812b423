"""Contested places."""

from __future__ import annotations

import pytest

from regionfast import regions
from regionfast.regions import RegionSet
from regionfast.regions.data import CONTESTED


@pytest.mark.parametrize(
    "code", ["UA-43", "UA-40", "EH", "XK", "TW", "CN-TW", "RS-KM", "MA-12", "UA-Crimea", "EH-X", "TW-TPE", "UA-43-1"]
)
def test_contested_with_a_note_and_a_source(code: str) -> None:
    found = regions.contested(code)
    assert found is not None
    assert found.note
    assert found.source


@pytest.mark.parametrize("code", ["UA", "UA-30", "CN", "HK", "RS", "MA", "US", "CY"])
def test_what_holds_a_contested_place_is_none(code: str) -> None:
    assert regions.contested(code) is None


def test_a_jurisdiction_without_contested_places() -> None:
    ukraine = RegionSet(["UA"]) - regions.contested_places()
    assert "UA-30" in ukraine
    assert "UA-43" not in ukraine
    assert "UA-Crimea" not in ukraine
    assert "UA" not in ukraine
    assert RegionSet(["US", "CN", "HK"]).isdisjoint(regions.contested_places())


def test_the_set_is_the_list() -> None:
    assert set(regions.contested_places().codes) == set(CONTESTED)
    assert not regions.contested_places().holes
