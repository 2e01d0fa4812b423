"""Where an order reaches: its regions, as of a moment, without contested places that nobody named."""

from __future__ import annotations

from datetime import UTC, datetime

from regionfast.policy import Order, Policy
from regionfast.regions import RegionSet, contested_places

AT = datetime(2020, 6, 3, tzinfo=UTC)


def order_of(regions: list[str], territory: str, begins: str = "2020-06-03") -> Order:
    """An order on some regions."""
    toml = f"""
        version = 1
        [[order]]
        id = "o"
        issuer = "i"
        state = "active"
        territory = "{territory}"
        regions = {regions}
        meetings = "all"
        from = {begins}T00:00:00Z
        until = 2021-01-01T00:00:00Z
        join = "deny"
        present = "eject"
    """
    return Policy.from_text(toml).orders[0]


def test_contested_places_are_spared_unless_the_order_names_them() -> None:
    ukraine = order_of(["UA"], "UA")
    assert ukraine.spared == contested_places()
    assert "UA-30" in ukraine.places(AT)
    assert "UA-43" not in ukraine.places(AT)
    assert "UA" not in ukraine.places(AT)
    named = order_of(["UA", "UA-43"], "UA")
    assert named.spared == contested_places() - RegionSet(["UA-43"])
    assert "UA-43" in named.places(AT)
    assert "UA-40" not in named.places(AT)
    assert order_of(["CN-TW"], "TW").places(AT) == RegionSet(["TW"])
    assert order_of(["XK"], "XK").places(AT) == RegionSet(["XK"])


def test_a_part_of_a_contested_place_that_is_named_is_no_more_than_that() -> None:
    taipei = order_of(["TW-TPE"], "TW")
    assert taipei.places(AT) == RegionSet(["TW-TPE"])
    assert taipei.spared == contested_places() - RegionSet(["TW-TPE"])


def test_a_group_names_no_contested_place() -> None:
    order = order_of(["EU"], "EU")
    assert "CY-02" in order.places(AT)
    assert "CY-06" not in order.places(AT)


def test_regions_are_checked_when_the_order_begins() -> None:
    order = order_of(["GB", "FR"], "EU", begins="2020-01-01")
    assert "GB" in order.places(datetime(2020, 1, 15, tzinfo=UTC))
    assert "GB" not in order.places(datetime(2020, 2, 15, tzinfo=UTC))
    assert "FR" in order.places(datetime(2020, 2, 15, tzinfo=UTC))


def test_mainland_china_is_neither_hong_kong_nor_macao_nor_taiwan() -> None:
    places = order_of(["CN"], "CN").places(AT)
    assert "CN-GD" in places
    assert not any(code in places for code in ("HK", "CN-HK", "MO", "CN-MO", "TW", "CN-TW"))
