"""The report as text: its numbers read back and added up, and what must never be in it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import regionfast as rf
from logs.reported import REGIONS, START, STATUS, Page, data, spread
from regionfast.logs import periods
from regionfast.logs.counts import STATUSES
from regionfast.logs.disclosed import is_safe, pooled
from regionfast.logs.report import LISTED, PERIODS, html, shade, share
from regionfast.logs.worldmap import OUTLINES, worldmap

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_worldmap.py"
SOURCE = Path(__file__).parents[3] / "shared" / "data" / "countries-50m.json"

HOSTILE = "</title></style><script>alert(1)</script>'\" onload=alert(1) \u202e\x00\x1b[31m\udc80 --><!--"


def statuses(page: Page) -> dict[str, int]:
    """The rows of the table that adds up, by the first word."""
    return {name.split(maxsplit=2)[0]: rows for name, rows in page.numbers("sum").items() if not name.startswith("=")}


def adds_up(page: Page) -> None:
    """Every table of a page adds up, and all of them to the same."""
    parts = statuses(page)
    whole = page.numbers("sum", "tfoot")["= lines"]
    rows = next(rows for name, rows in page.numbers("sum").items() if name.startswith("= rows"))
    assert sum(parts.values()) == whole
    assert rows == whole - parts["unparsed"] - parts["skipped"]
    foot = page.numbers("countries", "tfoot")
    placed = sum(page.numbers("countries").values())
    assert placed == parts["located"]
    assert placed + foot["not located"] + foot.get("other", 0) == foot["= rows"] == rows
    assert foot.get("other", 0) == parts.get("other", 0)
    if "codes" in page.tables:
        codes = page.numbers("codes", "tfoot")
        more = sum(count for name, count in codes.items() if name.endswith("more"))
        assert sum(page.numbers("codes").values()) + more == codes["= located"] == placed
    if "course" in page.tables:
        for _, numbers in page.tables["course"]["tbody"]:
            assert len(numbers) == 1 or sum(numbers[1:]) == numbers[0]
        columns = zip(*(numbers for _, numbers in page.tables["course"]["tbody"]), strict=True)
        assert [sum(column) for column in columns] == page.tables["course"]["tfoot"][0][1]
        assert page.numbers("course", "tfoot")["= rows"] == rows


def test_numbers_are_those_of_the_data() -> None:
    page = Page(html(data()))
    adds_up(page)
    assert statuses(page) == {name: {"located": 844, **STATUS}.get(name, 0) for name in STATUSES} | {
        "unparsed": 9,
        "skipped": 2,
    }
    assert page.numbers("countries") == {
        "United States US": 500,
        "China (mainland) CN": 300,
        "Hong Kong HK": 20,
        "Taiwan TW": 12,
        "Singapore SG": 5,
        "Netherlands Antilles AN": 4,
        "Kosovo XK": 2,
        "Macao MO": 1,
    }
    assert "Not on the map: Netherlands Antilles (AN), 4 rows." in page.words
    assert page.shapes["CN"] == ("China (mainland) (CN): 300 rows, 33.6%", {"s7"})
    assert page.shapes["MO"][0] == "Macao (MO): 1 row, 0.1%"
    assert page.shapes["FR"] == ("France (FR): no rows", {"s0"})
    assert "2026-06-01 00:00:00 UTC to 2026-06-01 00:59:00 UTC" in page.words
    for told in ("country.rft", "2026-06-17", "ab" * 32, "Its maker", "regionfast classify access.log", "combined"):
        assert told in page.words


@pytest.mark.parametrize(
    "counts",
    [{}, {"US": 1}, {code: at + 1 for at, code in enumerate(worldmap().shapes)}],
    ids=["none", "one", "all"],
)
@pytest.mark.parametrize("others", [{}, STATUS])
def test_few_and_many_regions(counts: dict[str, int], others: dict[str, int]) -> None:
    text = html(data(counts, others))
    page = Page(text)
    adds_up(page)
    assert len(page.tables["countries"]["tbody"]) == len(counts)
    assert len(text) < 300_000


def test_nothing_at_all() -> None:
    page = Page(html(data({}, {}, lines=0, unparsed=0, skipped=0)))
    adds_up(page)
    assert "nan" not in page.words.lower()
    assert "The lines have no times" in page.words


def test_three_thousand_subdivisions() -> None:
    regions = {f"{country}-{at}": at + 1 for country in ("US", "FR", "CN") for at in range(1000)} | {"US": 77}
    text = html(data(regions))
    page = Page(text)
    adds_up(page)
    assert len(page.tables["codes"]["tbody"]) == LISTED
    assert page.numbers("countries")["United States US"] == 500_500 + 77
    assert len(text) < 600_000


@pytest.mark.parametrize(
    ("hours", "unit"),
    [
        (1, "hour"),
        (PERIODS, "hour"),
        (PERIODS + 1, "day"),
        (24 * 399, "day"),
        (24 * 401, "week"),
    ],
)
def test_long_series_are_few_periods(hours: int, unit: str) -> None:
    counts = {"US": 3 * hours, "CN": hours, "unknown": hours}
    text = html(data({"US": counts["US"], "CN": hours}, {"unknown": hours}, series=spread(counts, hours)))
    page = Page(text)
    adds_up(page)
    assert 0 < len(page.tables["course"]["tbody"]) <= PERIODS
    assert f"Rows by {unit}, UTC" in page.words
    assert len(text) < 400_000


@pytest.mark.parametrize(("days", "unit"), [(7 * 400, "month"), (40 * 366, "year"), (400_000, "decade")])
def test_longer_series_are_longer_periods(days: int, unit: periods.Unit) -> None:
    assert periods.coarsened(START, START + timedelta(days=days), "hour", PERIODS) == unit


def test_rows_without_a_time_and_far_ones() -> None:
    far = datetime(9999, 12, 31, 23, tzinfo=UTC)
    series = [(datetime(1970, 1, 1, tzinfo=UTC), {"US": 2}), (far, {"US": 1}), (None, {"US": 4, "unknown": 1})]
    page = Page(html(data({"US": 7}, {"unknown": 1}, series=series, undated=5)))
    adds_up(page)
    assert page.numbers("course") == {"1900s": 2, "9900s": 1, "undated": 5}
    only = Page(html(data({"US": 4}, {"unknown": 1}, series=series[2:], first=None, last=None, undated=5)))
    adds_up(only)
    assert only.numbers("course") == {"undated": 5}


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(periods.UNITS))
def test_a_time_is_in_its_period(time: datetime, unit: periods.Unit) -> None:
    period = periods.number(time, unit)
    assert periods.start(period, unit) <= time
    assert periods.number(periods.start(period, unit), unit) == period or unit in {"decade", "century"}
    if time.year < 9800:
        assert time < periods.start(period + 1, unit)
        assert periods.name(period, unit) < periods.name(period + 1, unit)


# What is told where groups are small.


@given(st.dictionaries(st.text("ABC", max_size=3), st.integers(0, 60)), st.integers(1, 40))
def test_other_is_none_or_enough(groups: dict[str, int], least: int) -> None:
    kept, other = pooled(groups, least)
    whole = sum(groups.values())
    assert sum(kept.values()) + other == whole
    assert all(rows >= least for rows in kept.values())
    assert not other or other >= least or not kept
    gone = [rows for name, rows in groups.items() if rows and name not in kept]
    # Nobody is alone in it, unless there is nobody else.
    assert not gone or len(gone) > 1 or not kept
    if all(rows >= least for rows in groups.values() if rows):
        assert not other


CODES = ["US", "US-CA", "US-NY", "CN", "HK", "MO", "SG", "DE", "FR", "GB", "unknown", "private", "relay"]


Cells: TypeAlias = list[tuple[int | None, dict[str, int]]]
CELLS: st.SearchStrategy[Cells] = st.lists(
    st.tuples(st.integers(0, 40) | st.none(), st.dictionaries(st.sampled_from(CODES), st.integers(1, 30), min_size=1)),
    min_size=1,
    max_size=12,
)


@given(CELLS, st.integers(2, 25))
@settings(max_examples=20, deadline=None)
def test_no_small_group_is_told_anywhere(cells: Cells, least: int) -> None:
    check_no_small_group_is_told(cells, least)


@pytest.mark.long
@given(CELLS, st.integers(2, 25))
@settings(max_examples=1000, deadline=None)
def test_no_small_group_is_told_in_many_reports(cells: Cells, least: int) -> None:
    check_no_small_group_is_told(cells, least)


def check_no_small_group_is_told(cells: Cells, least: int) -> None:
    """Nothing in the page is a small group, or gives one where a number is taken from another."""
    totals: dict[str, int] = {}
    for _, counts in cells:
        for name, rows in counts.items():
            totals[name] = totals.get(name, 0) + rows
    regions = {name: rows for name, rows in totals.items() if name.isupper()}
    others = {name: rows for name, rows in totals.items() if name not in regions}
    series = [(None if at is None else START + timedelta(hours=at), counts) for at, counts in cells]
    page = Page(html(data(regions, others, series=series, min_count=least)))
    adds_up(page)
    whole = sum(totals.values())
    if whole >= least:
        told = [rows for table in ("countries", "course") for rows in page.numbers(table).values()]
        told += [rows for name, rows in statuses(page).items() if name not in {"unparsed", "skipped"}]
        undated = page.numbers("course").get("undated", 0)
        assert all(not rows or rows >= least or rows == undated for rows in told)
        assert is_safe((n for _, row in page.tables["course"]["tbody"] for n in row[1:]), least)
        # What is left over where numbers that are told are taken from others is none or enough, too.
        assert not (rest := whole - sum(page.numbers("countries").values())) or rest >= least
    small = {name for name, rows in regions.items() if rows < least}
    for code in {"HK", "MO", "SG", "DE", "FR", "GB"} & small:
        title, drawn = page.shapes[code]
        absent, blank = page.shapes["JP"]
        assert title.partition(": ")[2] == absent.partition(": ")[2]
        assert drawn - {"ring", "dot", "none"} == blank
        assert f" {code}" not in " ".join(page.numbers("countries"))


def test_a_small_subdivision_cannot_be_had_from_its_country() -> None:
    regions = {"US-CA": 100, "US-NY": 3, "US-TX": 4, "DE": 60}
    series = [(START + timedelta(hours=at), {"US-CA": 50, "DE": 30}) for at in (0, 1)]
    series.append((START, {"US-NY": 3, "US-TX": 4}))
    page = Page(html(data(regions, {}, series=series, min_count=5)))
    adds_up(page)
    assert page.numbers("countries") == {"United States US": 100, "Germany DE": 60}
    assert page.numbers("codes") == {"US-CA": 100, "DE": 60}
    heads = [name for name in page.words.splitlines() if "other" in name]
    assert heads
    assert page.tables["course"]["tfoot"][0][1] == [167, 100, 60, 7]


def test_a_lone_small_group_is_not_alone() -> None:
    page = Page(html(data({"US": 900, "DE": 60, "FR": 50, "MC": 3}, {}, min_count=10)))
    assert page.numbers("countries") == {"United States US": 900, "Germany DE": 60}
    assert page.numbers("countries", "tfoot")["other"] == 53


def test_small_hours_are_left_out_with_their_division() -> None:
    series = [
        (START, {"US": 50, "unknown": 20}),
        (START + timedelta(hours=1), {"US": 2}),
        (START + timedelta(hours=2), {"US": 90}),
        (None, {"US": 1}),
    ]
    page = Page(html(data({"US": 143}, {"unknown": 20}, series=series, undated=1, min_count=10)))
    adds_up(page)
    assert page.numbers("course") == {"2026-06-01 02:00": 90, "other": 72, "undated": 1}
    assert "02:00:" not in page.words.replace("2026-06-01 02:00: 90 rows", "")
    assert "2026-06-01 to 2026-06-01 UTC" in page.words
    assert "00:59:00" not in page.words


# What a page must not have.


def test_free_text_is_text() -> None:
    words: dict[str, Any] = dict.fromkeys(
        ("title", "database", "kind", "digest", "attribution", "command", "version"), HOSTILE
    )
    many: dict[str, Any] = {name: [HOSTILE] * 30 for name in ("files", "formats", "warnings")}
    regions = {"US-<script>alert(1)</script>": 2, 'US-" onload="x': 3, "US-\u202eAC": 4}
    page = Page(html(data(regions, **words, **many)))
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert HOSTILE.partition(" \u202e")[0] in page.words
    assert all(char.isprintable() or char == "\n" for char in page.words)
    assert "and 10 more" in page.words
    html(data(regions, **words, **many)).encode("utf-8")


def test_no_address_is_in_a_page() -> None:
    addresses = ["203.0.113.9", "2001:db8::1", "::ffff:10.1.2.3"]
    text = html(
        data(
            title=f"of {addresses[0]}",
            command=f"regionfast classify 203.0.113.9.log --trusted {addresses[1]}/32 --trusted={addresses[2]}",
            files=[f"{addresses[0]}.log", f"face{addresses[0]}"],
            warnings=[f"{addresses[1]} is odd"],
            database=f"{addresses[0]}.mmdb",
            attribution=addresses[2],
        )
    )
    assert "ADDRESS" in text
    assert not any(address in text for address in addresses)
    page = Page(text)
    said = " ".join([page.words, *(value for _, given in page.tags for value in given.values())])
    for token in re.findall(r"[0-9A-Fa-f:.]*[0-9A-Fa-f]", said):
        if "." in token or token.count(":") > 1:
            with pytest.raises(ValueError, match="address"):
                ip_address(token)


def test_nothing_is_loaded() -> None:
    text = html(data())
    page = Page(text)
    loads = {"src", "srcset", "action", "data", "poster", "background", "xlink:href", "ping", "formaction"}
    assert not any(loads & set(attributes) for _, attributes in page.tags)
    links = [attributes["href"] for _, attributes in page.tags if "href" in attributes]
    assert links
    assert all(link.startswith("#") for link in links)
    assert {link[1:] for link in links} <= {attributes.get("id") for _, attributes in page.tags}
    assert not re.search(r"url\((?!#)|@import|https?://|//cdn", text)
    assert not {tag for tag, _ in page.tags} & {"link", "img", "iframe", "object", "embed", "base", "form"}
    policy = next(given["content"] for _, given in page.tags if given.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-")


def test_ids_are_given_once_and_what_names_them_is_there() -> None:
    page = Page(html(data({"US-CA": 5, "CN": 4}, warnings=["one"], min_count=2)))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {name for _, given in page.tags for name in given.get("aria-labelledby", "").split()}
    assert named <= set(ids)
    assert all(given.get("scope") for tag, given in page.tags if tag == "th")
    assert next(given for tag, given in page.tags if tag == "html")["lang"] == "en"
    assert sum(tag == "table" for tag, _ in page.tags) == sum(tag == "caption" for tag, _ in page.tags)


def test_the_same_data_gives_the_same_page() -> None:
    assert html(data()) == html(data())


@pytest.mark.parametrize(
    "wrong",
    [
        {"lines": 5},
        {"rows": 5},
        {"regions": {**REGIONS, "US": 1}},
        {"status": {"located": 1}},
        {"series": [(START, {"US": 1})]},
    ],
)
def test_what_does_not_add_up_is_refused(wrong: dict[str, object]) -> None:
    fields = data()
    given = {name: getattr(fields, name) for name in fields.__dataclass_fields__}
    with pytest.raises(ValueError, match="do not add up"):
        type(fields)(**{**given, **wrong})


@pytest.mark.parametrize(
    ("rows", "whole", "said"),
    [(0, 0, "none"), (0, 9, "0.0%"), (1, 9999, "< 0.1%"), (9998, 9999, "> 99.9%"), (1, 3, "33.3%"), (7, 7, "100.0%")],
)
def test_shares(rows: int, whole: int, said: str) -> None:
    assert share(rows, whole) == said


def test_shades() -> None:
    assert [shade(rows, 10_000) for rows in (0, 1, 9, 10, 30, 100, 300, 1_000, 3_000, 10_000)] == [
        *(0, 1, 1, 2, 3, 4, 5, 6, 7, 7)
    ]


# The outlines.


def test_every_region_of_the_bundled_table_is_on_the_map() -> None:
    codes = {region.country for region in rf.open().regions if region is not None}
    assert {code for code in codes if code not in worldmap()} == {"AN"}  # withdrawn in 2010; a report lists it


def test_the_outlines_are_small_and_within() -> None:
    outlines = worldmap()
    assert OUTLINES.stat().st_size < 150_000
    assert {"HK", "MO", "TW", "CN", "XK"} <= set(outlines.shapes)
    assert {"HK", "MO", "SG", "MC", "VA", "MV", "TV"} <= set(outlines.markers)
    assert "Natural Earth" in outlines.credit
    for code, path in outlines.shapes.items():
        assert re.fullmatch(r"(M\d+[ -]-?\d+l(?:-?\d+[ -]?)+z)+", path), code
        x = y = 0
        for ring in path.split("z")[:-1]:
            start, _, steps = ring[1:].partition("l")
            x, y = (int(number) for number in re.findall(r"-?\d+", start))
            assert 0 <= x <= outlines.width, code
            numbers = [int(number) for number in re.findall(r"-?\d+", steps)]
            assert len(numbers) >= 4, code  # a triangle
            for dx, dy in zip(numbers[::2], numbers[1::2], strict=True):
                x, y = x + dx, y + dy
                assert 0 <= x <= outlines.width, code
                assert y >= 0, code
    for code, (x, y) in outlines.markers.items():
        assert 0 <= x <= outlines.width, code
        assert 0 <= y <= outlines.height, code


def test_neighbours_fit() -> None:
    # A point of a border between two countries is a point of both.
    def points(code: str) -> set[tuple[int, int]]:
        found = set()
        for ring in worldmap().shapes[code].split("z")[:-1]:
            numbers = [int(number) for number in re.findall(r"-?\d+", ring)]
            x, y = numbers[:2]
            found.add((x, y))
            for dx, dy in zip(numbers[2::2], numbers[3::2], strict=True):
                x, y = x + dx, y + dy
                found.add((x, y))
        return found

    for one, other in (("ES", "PT"), ("US", "CA"), ("CN", "MN"), ("DE", "PL"), ("CL", "AR")):
        assert len(points(one) & points(other)) >= 5, (one, other)


def test_the_outlines_are_what_the_script_makes(tmp_path: Path) -> None:
    if not SOURCE.exists():
        pytest.skip(f"needs {SOURCE.name} in ../shared/data: it is too large to be part of the project")
    made = tmp_path / "worldmap.json"
    subprocess.run([sys.executable, str(SCRIPT), str(SOURCE), "--output", str(made)], check=True, capture_output=True)
    assert json.loads(made.read_text("utf-8")) == json.loads(OUTLINES.read_text("utf-8"))
