"""What the answers of a batch can be asked."""

from __future__ import annotations

import gc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

import regionfast as rf
from databases import U64, raw_mmdb
from regionfast import regions

ADDRESSES = ["8.8.8.8", "114.114.114.114", None, "x", "10.0.0.1", "203.198.7.66", "::ffff:8.8.8.8"]


@pytest.fixture
def where(table: rf.Table) -> rf.RegionArray:
    """One row of each kind."""
    return table.lookup_many(ADDRESSES)


@pytest.fixture
def states(tmp_path_factory: pytest.TempPathFactory) -> rf.Table:
    """A table of subdivisions."""
    path = tmp_path_factory.mktemp("states") / "states.csv"
    path.write_text("1.0.0.0/8,US-CA\n2.0.0.0/8,US\n3.0.0.0/8,CN-HK\n4.0.0.0/8,CN-22\n", encoding="utf-8")
    return rf.open(path, level="subdivision")


def test_rows_by_index_and_in_order(where: rf.RegionArray) -> None:
    codes = ["US", "CN", None, None, None, "HK", "US"]
    assert where.to_list() == codes
    assert [str(region) if region else None for region in where] == codes
    assert (where[0], where[2], where[-1], where[-7]) == (
        rf.Region("US"),
        None,
        rf.Region("US"),
        rf.Region("US"),
    )
    for index in (7, -8, 10**30):
        with pytest.raises((IndexError, OverflowError)):
            where[index]
    with pytest.raises(TypeError):
        where["0"]  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "rows",
    [slice(None), slice(1, 4), slice(None, None, -1), slice(5, 1, -2), slice(4, 4), slice(-3, 100)],
    ids=str,
)
def test_slices_are_answers_too(where: rf.RegionArray, rows: slice) -> None:
    part = where[rows]
    assert part.to_list() == where.to_list()[rows]
    for column in ("slots", "status", "evidence", "unwrapped"):
        assert getattr(part, column).tolist() == getattr(where, column).tolist()[rows], column
    assert part.to_arrow().to_pylist() == where.to_list()[rows]  # type: ignore[attr-defined]
    assert part[::-1].to_list() == where.to_list()[rows][::-1]


def test_slots_are_a_read_only_view_that_stays_alive(table: rf.Table) -> None:
    slots = table.lookup_many(ADDRESSES).slots
    gc.collect()
    assert [str(region) if (region := table.regions[slot]) else None for slot in slots.tolist()] == [
        "US", "CN", None, None, None, "HK", "US",
    ]  # fmt: skip
    assert slots.dtype == np.uint16
    with pytest.raises(ValueError, match="read-only"):
        slots[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        slots.flags.writeable = True


def test_the_first_eight_slots_are_statuses(table: rf.Table) -> None:
    assert table.regions[:8] == (None,) * 8
    assert None not in table.regions[8:]
    for status in (rf.Status.PRIVATE, rf.Status.INVALID, rf.Status.MISSING):
        row = {rf.Status.PRIVATE: "10.0.0.1", rf.Status.INVALID: "x", rf.Status.MISSING: None}[status]
        assert table.lookup_many([row]).slots.tolist() == [status]


def test_isin_holds_subdivisions_of_a_country(states: rf.Table) -> None:
    where = states.lookup_many(["1.1.1.1", "2.1.1.1", "3.1.1.1", "4.1.1.1", "x"])
    assert where.to_list() == ["US-CA", "US", "HK", "CN-22", None]
    assert where.isin(["US"]).tolist() == [True, True, False, False, False]
    assert where.isin(["US-CA"]).tolist() == [True, False, False, False, False]
    assert where.isin(["CN"]).tolist() == [False, False, False, True, False]
    assert where.isin([rf.Region("HK")]).tolist() == [False, False, True, False, False]
    assert where.isin([]).tolist() == [False] * 5
    assert where.isin(["FR"]).dtype == np.bool_


@pytest.mark.parametrize("code", ["AP", "eu", "NATO", "us", "USA", "China", "", "CN-HK", "XX", "US-CA", "U"])
def test_isin_refuses_what_no_row_could_answer(where: rf.RegionArray, code: str) -> None:
    with pytest.raises(ValueError, match="`|region"):
        where.isin([code])


def dated(path: Path, moment: datetime) -> rf.Table:
    """A table built at a moment: 0.0.0.0/1 is in `GB`, the other half in `DE`."""
    records = [{"country_code": "GB"}, {"country_code": "DE"}]
    path.write_bytes(raw_mmdb([(-1, -2)], records, build_epoch=U64(int(moment.timestamp()))))
    return rf.open(path)


def test_isin_takes_groups_as_of_the_date_of_the_table(tmp_path: Path) -> None:
    before, after = datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 3, 1, tzinfo=UTC)
    old, new = (dated(tmp_path / f"{moment:%m}.mmdb", moment) for moment in (before, after))
    addresses = ["8.8.8.8", "200.1.1.1", "10.0.0.1", None]
    assert old.lookup_many(addresses).isin(["EU"]).tolist() == [True, True, False, False]
    assert new.lookup_many(addresses).isin(["EU"]).tolist() == [False, True, False, False]
    assert new.lookup_many(addresses).isin(["EU"], at=before).tolist() == [True, True, False, False]
    assert old.lookup_many(addresses).isin(["EU"], at=after).tolist() == [False, True, False, False]
    assert new.lookup_many(addresses).isin(["EU", "GB"]).tolist() == [True, True, False, False]
    assert new.lookup_many(addresses).isin(["SCHENGEN"], at=before).tolist() == [False, True, False, False]


def test_isin_of_a_group_is_the_algebra_of_regions(table: rf.Table) -> None:
    where = table.lookup_many(np.arange(0, 2**32, 2**18, dtype=np.uint32))
    for name in ("EU", "EEA", "SCHENGEN", "EU-TERRITORY"):
        members = regions.group(name, cast("datetime", table.info.built_at))
        expected = [code is not None and code in members for code in where.to_list()]
        assert where.isin([name]).tolist() == expected
        assert any(expected)


def test_isin_holds_what_a_code_is_and_a_group_what_it_means(tmp_path: Path) -> None:
    """`FR-GF` has the code of a part of France, and is `GF`, which is in the territory of the Union alone."""
    path = tmp_path / "parts.csv"
    path.write_text("1.0.0.0/8,FR-IDF\n2.0.0.0/8,FR-GF\n3.0.0.0/8,GF\n4.0.0.0/8,AN\n", "utf-8")
    where = rf.open(path, level="subdivision").lookup_many(["1.1.1.1", "2.1.1.1", "3.1.1.1", "4.1.1.1"])
    now = datetime(2026, 11, 24, tzinfo=UTC)
    assert where.isin(["FR"]).tolist() == [True, True, False, False]
    assert where.isin(["EU"], at=now).tolist() == [True, False, False, False]
    assert where.isin(["EU-TERRITORY"], at=now).tolist() == [True, True, True, False]


def test_isin_asks_when_a_group_is_meant(small: rf.Table) -> None:
    where = small.lookup_many(["1.1.1.1"])
    with pytest.raises(
        ValueError, match="`EU` has other members at other times, and this table has no date: pass `at`"
    ):
        where.isin(["EU"])
    assert where.isin(["CN"]).tolist() == [True]
    with pytest.raises(rf.RegionfastError, match="with its offset"):
        where.isin(["EU"], at=datetime(2020, 1, 1))  # noqa: DTZ001
    with pytest.raises(rf.RegionfastError, match="recorded from"):
        where.isin(["EU"], at=datetime(1900, 1, 1, tzinfo=UTC))


def test_isin_refuses_a_single_text(where: rf.RegionArray) -> None:
    with pytest.raises(TypeError, match="iterable"):
        where.isin("US")
    with pytest.raises((TypeError, AttributeError)):
        where.isin([5])  # type: ignore[list-item]


def test_counts_are_by_code_then_status(where: rf.RegionArray) -> None:
    counts = where.counts()
    assert counts == {"US": 2, "CN": 1, "HK": 1, "private": 1, "invalid": 1, "missing": 1}
    assert next(iter(counts)) == "US"
    assert sum(counts.values()) == len(where)


def test_arrow_says_the_same(where: rf.RegionArray, table: rf.Table) -> None:
    array: Any = where.to_arrow()
    assert array.type == pa.dictionary(pa.uint16(), pa.utf8())
    assert array.to_pylist() == where.to_list()
    assert array.null_count == 3
    assert len(set(array.dictionary.to_pylist())) == len(array.dictionary) == table.info.region_count
    assert pl.Series(pa.array(where)).to_list() == where.to_list()


def test_regions_by_several_kinds_of_evidence_are_one_code(tmp_path: Any) -> None:
    own = tmp_path / "own.csv"
    own.write_text("8.8.8.0/24,US\n9.9.9.0/24,relay\n10.0.0.0/8,DE\n", encoding="utf-8")
    table = rf.open(overrides=own)
    where = table.lookup_many(["8.8.8.8", "8.8.4.4", "9.9.9.9", "10.1.1.1"])
    assert where.evidence.tolist() == [2, 1, 2, 2]
    assert where.status.tolist() == [6, 6, 5, 6]
    assert where.slots[0] != where.slots[1]
    assert where.counts() == {"US": 2, "DE": 1, "relay": 1}
    assert where.isin(["US"]).tolist() == [True, True, False, False]
    array: Any = where.to_arrow()
    assert array.to_pylist() == ["US", "US", None, "DE"]
    assert len(set(array.dictionary.to_pylist())) == len(array.dictionary)


def test_region_is_a_plain_value() -> None:
    assert str(rf.Region("US-CA")) == "US-CA"
    assert rf.Region("US-CA").country == "US"
    assert len({rf.Region("US"), rf.Region("US")}) == 1
    assert rf.Region("CN") < rf.Region("US")
    with pytest.raises(AttributeError):
        rf.Region("US").code = "CN"  # type: ignore[misc]
