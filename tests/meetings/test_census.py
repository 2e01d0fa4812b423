"""The census: where connections are, and nothing that would tell who."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import regionfast as rf
from regionfast.meetings.census import Census, CensusRow, census
from regionfast.meetings.roster import Roster

CN, US, HK, PRIVATE, RESERVED, UNKNOWN, INVALID = (
    "1.0.0.1", "8.8.1.1", "8.8.8.8", "10.0.0.1", "240.0.0.1", "9.9.9.9", "x",
)  # fmt: skip
WHERE = {CN: "CN", US: "US", HK: "HK", PRIVATE: "private", RESERVED: "reserved", UNKNOWN: "unknown", INVALID: "invalid",
         None: "missing"}  # fmt: skip


@pytest.fixture(scope="module")
def placing(tmp_path_factory: pytest.TempPathFactory) -> rf.Table:
    """What `small` says of the addresses above; one for all examples."""
    path = tmp_path_factory.mktemp("census") / "small.csv"
    path.write_text("1.0.0.0/8,CN\n8.8.0.0/16,US\n8.8.8.0/24,HK\n", encoding="utf-8")
    return rf.open(path)


def of(meetings: dict[str, dict[str | None, int]]) -> Roster:
    """A roster of so many connections by meeting and address."""
    rows = [(meeting, address) for meeting, cells in meetings.items() for address, n in cells.items() for _ in range(n)]
    names = [f"u{number}" for number in range(len(rows))]
    return Roster(names, [address for _, address in rows], meetings=[meeting for meeting, _ in rows])


def cells(counted: Census, meeting: str) -> dict[str | None, int | None]:
    return {row.where: row.connections for row in counted.rows if row.meeting == meeting}


def test_cells_are_counted_by_meeting_and_region(small: rf.Table) -> None:
    counted = census(small, of({"a": {CN: 7, US: 20, UNKNOWN: 5}, "b": {HK: 5}}))
    assert [(row.meeting, row.where, row.connections) for row in counted.rows] == [
        ("a", "US", 20),
        ("a", "CN", 7),
        ("a", "unknown", 5),
        ("b", "HK", 5),
    ]
    assert list(counted.totals.items()) == [("US", 20), ("CN", 7), ("HK", 5), ("unknown", 5)]
    assert (counted.connections, counted.unlocated) == (37, 5 / 37)


def test_small_cells_are_folded(small: rf.Table) -> None:
    counted = census(small, of({"a": {US: 20, CN: 3, PRIVATE: 1, None: 2}}))
    assert cells(counted, "a") == {"US": 20, "other": 6}
    assert counted.totals == {"US": 20, "other": 6}


def test_a_small_rest_takes_the_next_cell_with_it(small: rf.Table) -> None:
    counted = census(small, of({"a": {US: 20, HK: 6, CN: 1}}))
    assert cells(counted, "a") == {"US": 20, "other": 7}
    counted = census(small, of({"a": {US: 20, CN: 1}}))
    assert cells(counted, "a") == {"other": 21}
    assert counted.unlocated is None, "all of them are in `other`"
    counted = census(small, of({"a": {US: 4, CN: 1}}))
    assert cells(counted, "a") == {"other": 5}


def test_a_small_meeting_shows_no_counts(small: rf.Table) -> None:
    counted = census(small, of({"a": {US: 4}, "b": {US: 10}}))
    assert counted.rows[0] == CensusRow(meeting="a", where=None, connections=None)
    assert (counted.totals, counted.connections) == ({"US": 10}, 10), "no difference gives the four away"


def test_small_meetings_count_together(small: rf.Table) -> None:
    counted = census(small, of({f"m{number}": {US: 2, CN: 1} for number in range(10)}))
    assert {row.connections for row in counted.rows} == {None}
    assert counted.totals == {"US": 20, "CN": 10}


def test_exact_shows_every_cell(small: rf.Table) -> None:
    counted = census(small, of({"a": {US: 20, CN: 1, RESERVED: 1, INVALID: 1}, "b": {HK: 1}}), exact=True)
    assert cells(counted, "a") == {"US": 20, "CN": 1, "invalid": 1, "reserved": 1}
    assert cells(counted, "b") == {"HK": 1}
    assert (counted.connections, counted.unlocated, counted.is_exact) == (24, 2 / 24, True)


@given(st.dictionaries(st.sampled_from("abc"), st.dictionaries(st.sampled_from(list(WHERE)), st.integers(0, 12))))
@settings(max_examples=200, deadline=None)
def test_nothing_small_can_be_read_or_computed(placing: rf.Table, meetings: dict[str, dict[str | None, int]]) -> None:
    table = placing
    counted = census(table, of(meetings))
    exact = census(table, of(meetings), exact=True)
    shown: Counter[str] = Counter()
    small: Counter[str] = Counter()
    for meeting in {row.meeting for row in exact.rows}:
        truth = {row.where: row.connections or 0 for row in exact.rows if row.meeting == meeting}
        assert truth == {WHERE[address]: n for address, n in meetings[meeting].items() if n}
        found = cells(counted, meeting)
        if sum(truth.values()) < 5:
            assert found == {None: None}
            small.update(truth)  # type: ignore[arg-type]
            continue
        assert sum(n or 0 for n in found.values()) == sum(truth.values())
        assert all((n or 0) >= 5 for n in found.values())
        assert all(where == "other" or truth[where] == n for where, n in found.items())
        assert list(found)[-1] == "other" or truth == found
        shown.update(found)  # type: ignore[arg-type]
    rest = sum(counted.totals.values()) - sum(shown.values())
    assert rest in {0, sum(small.values())}
    assert rest == 0 or rest >= 5
    assert all(n >= 5 and n - shown[where] in {0, *range(5, 99)} for where, n in counted.totals.items())
    assert counted.connections == sum(counted.totals.values())


def test_a_connection_of_several_addresses_is_one(small: rf.Table) -> None:
    rows: dict[str, list[str | None]] = {
        "1": [CN, PRIVATE, None],
        "2": [CN, US],
        "3": [US, "8.8.2.2"],
        "4": [None, PRIVATE, INVALID],
        "5": [UNKNOWN, PRIVATE],
        "6": [PRIVATE, RESERVED],
        "7": [INVALID, None],
        "8": [CN, US, CN],
    }
    ids = [name for name, shown in rows.items() for _ in shown]
    addresses = [address for shown in rows.values() for address in shown]
    roster = Roster(ids, addresses, meetings=["m"] * len(ids), connections=ids)
    counted = census(small, roster, exact=True)
    assert cells(counted, "m") == {
        "conflict": 2, "CN": 1, "US": 1, "private": 1, "unknown": 1, "reserved": 1, "invalid": 1,
    }  # fmt: skip
    assert counted.unlocated == 4 / 8


def test_overrides_are_the_same_region_and_a_relay_is_none(tmp_path: Path) -> None:
    base, own = tmp_path / "base.csv", tmp_path / "own.csv"
    base.write_text("1.0.0.0/8,CN\n", encoding="utf-8")
    own.write_text("9.0.0.0/8,CN\n1.2.0.0/16,relay\n", encoding="utf-8")
    table = rf.open(base, overrides=own)
    counted = census(table, of({"a": {CN: 5, UNKNOWN: 5, "1.2.3.4": 5}}))
    assert cells(counted, "a") == {"CN": 10, "relay": 5}
    roster = Roster(["u"] * 3, [CN, UNKNOWN, "1.2.3.4"], meetings=["m"] * 3, connections=["1"] * 3)
    assert census(table, roster, exact=True).totals == {"CN": 1}


def test_dates_that_are_apart_or_missing_are_said(table: rf.Table, small: rf.Table) -> None:
    built = table.info.built_at
    assert built is not None

    def warned(by: rf.Table, at: datetime | None) -> tuple[str, ...]:
        return census(by, Roster(["u"], [CN], meetings=["m"], at=at)).warnings

    assert warned(table, built + timedelta(days=90)) == ()
    assert warned(table, built - timedelta(days=90)) == ()
    assert warned(table, built + timedelta(days=91)) == (
        "table and roster are 91 days apart: networks have moved between them",
    )
    assert "90 days apart" in warned(table, built - timedelta(days=90, seconds=1))[0]
    assert "the roster has no date" in warned(table, None)[0]
    assert "the table has no date" in warned(small, datetime(2020, 6, 4, tzinfo=UTC))[0]


def test_nobody_is_a_census(table: rf.Table) -> None:
    counted = census(table, Roster([], [], meetings=[], connections=[]))
    assert (counted.rows, counted.totals, counted.connections, counted.unlocated) == ((), {}, 0, None)


def test_a_census_is_json(small: rf.Table) -> None:
    counted = census(small, of({"a": {US: 20}, "b": {CN: 1}}))
    assert json.loads(json.dumps(counted.to_dict())) == {
        "rows": [
            {"meeting": "a", "where": "US", "connections": 20},
            {"meeting": "b", "where": None, "connections": None},
        ],
        "totals": {"US": 20},
        "connections": 20,
        "unlocated": 0.0,
        "is_exact": False,
        "warnings": list(counted.warnings),
    }
    with pytest.raises(AttributeError):
        counted.connections = 21  # type: ignore[misc]
