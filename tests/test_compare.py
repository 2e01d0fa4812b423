"""How far two tables disagree, against counting address by address."""

from __future__ import annotations

import ipaddress
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import regionfast as rf
from databases import U64, raw_mmdb
from regionfast import regions
from regionfast.compare import Comparison, Counts, Pair, compare_tables

CODES = ["CN", "HK", "TW", "MO", "US", "DE"]


def opened(path: Path, *rows: str, level: str | None = None, overrides: str = "") -> rf.Table:
    """A table of CSV rows."""
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    own = None
    if overrides:
        own = path.with_suffix(".own.csv")
        own.write_text(overrides, encoding="utf-8")
    return rf.open(path, level="subdivision" if level == "subdivision" else None, overrides=own)


def said(found: Comparison) -> dict[tuple[str, str], tuple[int, int]]:
    """Sizes by pair."""
    return {(pair.a, pair.b): (pair.ipv4, pair.ipv6) for pair in found.pairs}


def located(found: Comparison) -> dict[tuple[str, str], tuple[int, int]]:
    """Sizes by pair, of those where a table gives a region."""
    return {pair: size for pair, size in said(found).items() if any(regions_of(pair))}


def regions_of(pair: tuple[str, str]) -> list[str]:
    """The words of a pair that are region codes."""
    return [word for word in pair if word.isupper()]


def words(table: rf.Table, addresses: list[str]) -> list[str]:
    """What a table says of each address, by single lookups."""
    found = [table.lookup(address) for address in addresses]
    return [str(one.region) if one.region else str(one.status) for one in found]


def test_ipv4_is_counted_by_addresses(tmp_path: Path) -> None:
    a = opened(tmp_path / "a.csv", "8.0.0.0/8,CN", "9.0.0.0/8,US", "11.0.0.0/8,DE")
    b = opened(tmp_path / "b.csv", "8.0.0.0/9,HK", "8.128.0.0/9,CN", "9.0.0.0/16,CN", "12.0.0.0/8,DE", "8.1.2.3/32,TW")
    found = compare_tables(a, b)
    assert located(found) == {
        ("CN", "HK"): (2**23 - 1, 0),
        ("CN", "TW"): (1, 0),
        ("CN", "CN"): (2**23, 0),
        ("US", "CN"): (2**16, 0),
        ("US", "unknown"): (2**24 - 2**16, 0),
        ("DE", "unknown"): (2**24, 0),
        ("unknown", "DE"): (2**24, 0),
    }
    assert found.ipv4 == Counts(
        agree=2**23,
        disagree=2**23 + 2**16,
        a_alone=2**25 - 2**16,
        b_alone=2**24,
        neither=2**32 - 2**24 * 4,
    )
    assert found.ipv4.agreement == 2**23 / (2**24 + 2**16)
    assert found.ipv6.agreement is None
    assert [(pair.a, pair.b) for pair in found.disagreements] == [("CN", "HK"), ("CN", "TW"), ("US", "CN")]


def test_the_whole_space_is_counted(table: rf.Table, tmp_path: Path) -> None:
    other = opened(tmp_path / "b.csv", "8.0.0.0/8,CN", "2400::/12,US", overrides="1.0.0.0/8,relay\n2a00::/13,HK\n")
    for a, b in ((table, other), (other, table), (table, table), (other, other.base)):
        found = compare_tables(a, b)
        assert sum(pair.ipv4 for pair in found.pairs) == 2**32
        assert sum(pair.ipv6 for pair in found.pairs) == 2**48
        for counts, whole in ((found.ipv4, 2**32), (found.ipv6, 2**48)):
            total = counts.agree + counts.disagree + counts.a_alone + counts.b_alone + counts.neither
            assert total == whole


def test_a_table_agrees_with_itself(table: rf.Table) -> None:
    found = compare_tables(table, table)
    assert found.disagreements == ()
    assert (found.ipv4.agreement, found.ipv6.agreement) == (1.0, 1.0)
    assert all(pair.a == pair.b for pair in found.pairs)
    where = table.lookup_many(table.boundaries(4)[0])
    assert {pair.a for pair in found.pairs if pair.ipv4 and pair.agrees} == set(filter(None, where.to_list()))


def test_one_table_for_the_other_turns_the_pairs_round(table: rf.Table, tmp_path: Path) -> None:
    other = opened(tmp_path / "b.csv", "8.0.0.0/8,CN", "2400::/12,US")
    there, back = compare_tables(table, other), compare_tables(other, table)
    assert said(there) == {(b, a): size for (a, b), size in said(back).items()}
    assert there.ipv4.a_alone == back.ipv4.b_alone
    assert there.ipv4.agreement == back.ipv4.agreement


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(0, 8), st.sampled_from([*CODES, "A1"])), max_size=12), st.data()
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_are_those_of_single_lookups(
    tmp_path: Path, rows: list[tuple[int, int, str]], data: st.DataObject
) -> None:
    """Networks inside 8.8.8.0/24 and of /40 to /48 inside 2a00:5:ab::/40, each address or /48 looked up by itself."""
    others = data.draw(st.lists(st.sampled_from(rows), max_size=12)) if rows else []
    others = [(first, width, data.draw(st.sampled_from(CODES))) for first, width, _ in others]

    def networks(rows: list[tuple[int, int, str]]) -> list[str]:
        chosen: dict[str, str] = {"9.0.0.0/8": "US"}
        for first, width, code in rows:
            low = first >> width << width
            chosen[f"8.8.8.{low}/{32 - width}"] = code
            chosen[f"2a00:5:ab{low:02x}::/{48 - width}"] = code
        return [f"{network},{code}" for network, code in chosen.items()]

    a, b = opened(tmp_path / "a.csv", *networks(rows)), opened(tmp_path / "b.csv", *networks(others))
    found = said(compare_tables(a, b))
    v4 = [f"8.8.8.{last}" for last in range(256)]
    v6 = [f"2a00:5:ab{site:02x}::" for site in range(256)]
    of_v4 = Counter(zip(words(a, v4), words(b, v4), strict=True))
    of_v6 = Counter(zip(words(a, v6), words(b, v6), strict=True))
    of_v4["US", "US"] += 2**24
    for pair in (of_v4.keys() | of_v6.keys() | found.keys()) - {("unknown", "unknown")}:
        if regions_of(pair) or "relay" in pair:
            assert found.get(pair, (0, 0)) == (of_v4[pair], of_v6[pair]), pair


def test_a_divided_site_counts_by_its_first_address(tmp_path: Path) -> None:
    a = opened(tmp_path / "a.csv", "2a00:5::/47,CN")
    b = opened(tmp_path / "b.csv", "2a00:5::/64,HK", "2a00:5:0:1::/64,US", "2a00:5:1:8000::/49,TW", "2a00:5:2::/49,DE")
    found = compare_tables(a, b)
    assert located(found) == {("CN", "HK"): (0, 1), ("CN", "unknown"): (0, 1), ("unknown", "DE"): (0, 1)}
    inner = opened(tmp_path / "c.csv", "2a00:5:0:0:8000::/65,HK", "2a00:5:1::1/128,TW")
    assert located(compare_tables(inner, inner)) == {}
    last = opened(tmp_path / "d.csv", "3fff:ffff:ffff:ff00::/56,HK", "3fff:ffff:fffe::/48,TW")
    assert located(compare_tables(last, last)) == {("TW", "TW"): (0, 1)}


def test_the_last_sites_of_the_space(tmp_path: Path) -> None:
    """Boundaries that begin inside the very last /48 lead nowhere beyond it."""
    own = "ffff:ffff:ffff::/48,HK\nffff:ffff:ffff:ffff::/64,TW\n"
    table = opened(tmp_path / "a.csv", "8.0.0.0/8,CN", overrides=own)
    found = compare_tables(table, table.base)
    assert said(found)["HK", "reserved"] == (0, 1)
    assert sum(pair.ipv6 for pair in found.pairs) == 2**48


def test_wrapped_ipv4_is_counted_as_ipv4_alone(tmp_path: Path) -> None:
    a, b = opened(tmp_path / "a.csv", "8.0.0.0/8,CN"), opened(tmp_path / "b.csv", "8.0.0.0/8,HK")
    found = compare_tables(a, b)
    assert located(found) == {("CN", "HK"): (2**24, 0)}
    assert said(found)["reserved", "reserved"][1] >= 2**32


def test_the_order_is_china_first_then_size(tmp_path: Path) -> None:
    def rows(*codes: str) -> list[str]:
        return [f"{20 + at}.0.0.0/{16 - at},{code}" for at, code in enumerate(codes)]

    a = opened(tmp_path / "a.csv", *rows("HK", "CN", "CN", "MO", "US", "CN", "US", "DE"))
    b = opened(tmp_path / "b.csv", *rows("CN", "HK", "TW", "CN", "DE", "US", "CN", "DE"))
    found = compare_tables(a, b)
    assert [(pair.a, pair.b) for pair in found.disagreements] == [
        ("CN", "HK"),
        ("HK", "CN"),
        ("CN", "TW"),
        ("MO", "CN"),
        ("US", "CN"),
        ("CN", "US"),
        ("US", "DE"),
    ]
    assert found.pairs[: len(found.disagreements)] == found.disagreements


def test_subdivisions_and_parts(tmp_path: Path) -> None:
    a = opened(tmp_path / "a.csv", "8.0.0.0/8,US-CA", "9.0.0.0/8,FR-GF", "11.0.0.0/8,CN-22", level="subdivision")
    b = opened(
        tmp_path / "b.csv", "8.0.0.0/9,US", "8.128.0.0/9,US-NY", "9.0.0.0/8,GF", "11.0.0.0/8,HK", level="subdivision"
    )
    found = compare_tables(a, b)
    assert found.level == "subdivision"
    assert {(pair.a, pair.b): pair.agrees for pair in found.pairs if regions_of((pair.a, pair.b))} == {
        ("US-CA", "US"): True,
        ("US-CA", "US-NY"): False,
        ("GF", "GF"): True,
        ("CN-22", "HK"): False,
    }
    assert found.disagreements[0] == Pair(a="CN-22", b="HK", ipv4=2**24, ipv6=0, agrees=False)


def test_the_coarser_table_decides_how_finely(tmp_path: Path) -> None:
    fine = opened(tmp_path / "a.csv", "8.0.0.0/8,US-CA", "9.0.0.0/8,FR-GF", level="subdivision")
    coarse = opened(tmp_path / "b.csv", "8.0.0.0/8,US", "9.0.0.0/8,GF")
    for found in (compare_tables(fine, coarse), compare_tables(coarse, fine)):
        assert found.level == "country"
        assert located(found) == {("US", "US"): (2**24, 0), ("GF", "GF"): (2**24, 0)}


def test_overrides_count_and_the_base_leaves_them_out(tmp_path: Path) -> None:
    rows = ["8.0.0.0/8,CN", "9.0.0.0/8,US"]
    table = opened(tmp_path / "a.csv", *rows, overrides="8.8.0.0/16,HK\n9.9.0.0/16,relay\n")
    found = compare_tables(table, table.base)
    changed = {pair: size for pair, size in located(found).items() if pair[0] != pair[1]}
    assert changed == {("HK", "CN"): (2**16, 0), ("relay", "US"): (2**16, 0)}
    assert compare_tables(table.base, opened(tmp_path / "b.csv", *rows)).disagreements == ()


SAMPLE = ["8.1.1.1", "8.1.1.1", "9.1.1.1", "2a00::1", "::ffff:8.1.1.1", "", "x", "10.0.0.1"]


def test_a_sample_is_counted_by_its_rows(tmp_path: Path) -> None:
    a = opened(tmp_path / "a.csv", "8.0.0.0/8,CN", "9.0.0.0/8,US", "2a00::/12,DE")
    b = opened(tmp_path / "b.csv", "8.0.0.0/8,HK", "9.0.0.0/8,US")
    found = compare_tables(a, b, iter(SAMPLE))
    assert said(found) == {
        ("CN", "HK"): (2, 1),
        ("US", "US"): (1, 0),
        ("DE", "unknown"): (0, 1),
        ("private", "private"): (1, 0),
    }
    assert (found.is_sample, found.left_out, compare_tables(a, b).is_sample) == (True, 2, False)
    assert found.ipv4 == Counts(agree=1, disagree=2, a_alone=0, b_alone=0, neither=1)
    assert found.ipv6 == Counts(agree=0, disagree=1, a_alone=1, b_alone=0, neither=0)
    assert found.ipv4.agreement == 1 / 3


def test_a_sample_in_any_form(table: rf.Table, tmp_path: Path) -> None:
    other = opened(tmp_path / "b.csv", "8.0.0.0/8,CN", "2400::/12,US")
    numbers = np.random.default_rng(3).integers(0, 2**32, 5000, dtype=np.uint32)
    texts = [str(ipaddress.IPv4Address(int(number))) for number in numbers]
    found = compare_tables(table, other, numbers)
    assert compare_tables(table, other, texts) == found
    expected = Counter(zip(words(table, texts), words(other, texts), strict=True))
    assert {pair: size for pair, (size, _) in said(found).items()} == expected
    empty = compare_tables(table, other, [])
    assert (empty.pairs, empty.ipv4.agreement, empty.left_out) == ((), None, 0)
    with pytest.raises(TypeError):
        compare_tables(table, other, "8.8.8.8")


def test_all_of_it_as_json(tmp_path: Path) -> None:
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    dated = tmp_path / "a.mmdb"
    dated.write_bytes(
        raw_mmdb([(-1, -2)], [{"country_code": "CN"}, {"country_code": "US"}], build_epoch=U64(int(moment.timestamp())))
    )
    a, b = rf.open(dated), opened(tmp_path / "b.csv", "8.0.0.0/8,HK")
    whole = json.loads(json.dumps(compare_tables(a, b).to_dict()))
    assert whole["a"] == {
        "source": str(dated),
        "kind": "Test",
        "built_at": "2026-06-01T00:00:00+00:00",
        "level": "country",
        "digest": a.info.digest,
    }
    assert whole["b"]["built_at"] is None
    assert (whole["counted"], whole["ipv4"]["unit"], whole["ipv6"]["unit"]) == ("space", "addresses", "/48s")
    assert whole["ipv4"]["disagree"] == 2**24
    assert whole["ipv4"]["agreement"] == 0.0
    assert whole["ipv6"]["agreement"] is None
    assert whole["pairs"][0] == {"a": "CN", "b": "HK", "ipv4": 2**24, "ipv6": 0, "agrees": False}
    assert sum(pair["ipv4"] for pair in whole["pairs"]) == 2**32
    sampled = compare_tables(a, b, ["8.8.8.8"]).to_dict()
    assert (sampled["counted"], sampled["left_out"]) == ("sample", 0)


def test_no_word_of_a_status_is_a_region() -> None:
    for status in rf.Status:
        with pytest.raises(regions.RegionError):
            regions.canonical(str(status))
