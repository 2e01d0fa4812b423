"""Opening: shapes of databases, levels, fields, overrides, compiled files."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import regionfast as rf
from databases import country, raw_mmdb, write_mmdb

GEOLITE = {
    "1.0.0.0/16": country("CN", "CN", "BJ"),
    "1.1.0.0/16": country("CN", "CN", "HK"),
    "1.2.0.0/16": country("HK", "CN"),
    "2.0.0.0/15": country("US", "US", "CA"),
    "2.2.0.0/16": country("US", "US"),
    "3.0.0.0/8": {"continent": {"code": "EU"}, "registered_country": {"iso_code": "DE"}},
    "4.0.0.0/8": {"continent": {"code": "EU"}},
    "2400:1000::/24": country("JP", "JP", "13"),
}
GEOLITE_COUNTRIES = {
    "1.0.1.1": "CN", "1.1.1.1": "HK" , "1.2.1.1": "HK", "2.1.1.1": "US", "2.2.1.1": "US", "3.1.1.1": None,
    "4.1.1.1": None, "5.1.1.1": None, "2400:1001::1": "JP", "2400::1": None,
}  # fmt: skip


@pytest.fixture(params=[False, True], ids=["plain", "aliases"])
def geolite(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database of MaxMind's shape, with and without what aliases leave below `::ffff:0:0/96`."""
    return write_mmdb(tmp_path / "city.mmdb", GEOLITE, kind="GeoLite2-City", aliases=request.param)


def test_maxmind_shape_by_country(geolite: Path) -> None:
    table = rf.open(geolite)
    assert {address: table.region(address) for address in GEOLITE_COUNTRIES} == GEOLITE_COUNTRIES
    assert {f"::ffff:{a}": table.region(f"::ffff:{a}") for a in ("1.0.1.1", "2.1.1.1")} == {
        "::ffff:1.0.1.1": "CN",
        "::ffff:2.1.1.1": "US",
    }
    info = table.info
    assert (info.kind, info.level, info.description) == ("GeoLite2-City", "country", "made for a test")
    assert info.source == str(geolite)


def test_maxmind_shape_by_subdivision(geolite: Path) -> None:
    table = rf.open(geolite, level="subdivision")
    expected = {
        "1.0.1.1": "CN-BJ", "1.1.1.1": "HK", "1.2.1.1": "HK", "2.1.1.1": "US-CA", "2.2.1.1": "US",
        "2400:1001::1": "JP-13",
    }  # fmt: skip
    assert {address: table.region(address) for address in expected} == expected


def test_registered_country_only_on_request_and_marked(geolite: Path) -> None:
    assert rf.open(geolite).lookup("3.1.1.1").status is rf.Status.UNKNOWN
    found = rf.open(geolite, registered=True).lookup("3.1.1.1")
    assert (str(found.region), found.evidence) == ("DE", rf.Evidence.REGISTERED)
    table = rf.open(geolite, registered=True)
    assert table.lookup("1.2.1.1").evidence is rf.Evidence.DATABASE
    assert table.lookup_many(["3.1.1.1", "1.2.1.1"]).evidence.tolist() == [3, 1]


@pytest.mark.parametrize("width", [24, 28, 32])
@pytest.mark.parametrize("ip_version", [4, 6])
def test_every_record_size_and_tree(tmp_path: Path, width: Any, ip_version: int) -> None:
    nodes = [(1, 3), (2, -1), (-2, 3)]
    if ip_version == 6:
        # 96 zeros lead to the IPv4 subtree.
        nodes = [(index + 1, 99) for index in range(96)] + [(97, 99), (98, -1), (-2, 99)]
    path = tmp_path / "raw.mmdb"
    path.write_bytes(
        raw_mmdb(nodes, [{"country_code": "US"}, {"country_code": "CN"}], width=width, ip_version=ip_version)
    )
    table = rf.open(path)
    assert table.lookup_many(["65.0.0.1", "1.2.3.4", "33.0.0.1", "129.0.0.1"]).to_list() == [
        "US",
        "CN",
        None,
        None,
    ]
    assert table.info.built_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    warned = any("IPv6" in warning for warning in table.info.warnings)
    assert warned == (ip_version == 4)
    assert table.lookup("2a00::1").status is rf.Status.UNKNOWN


@pytest.mark.parametrize(
    ("record", "options", "code"),
    [
        ({"country_code": "FR"}, {}, "FR"),
        ({"country": "FR", "country_name": "France"}, {}, "FR"),
        ({"country": "France", "country_code": "FR"}, {}, "FR"),
        (
            {"country_code": "US", "region": "California", "region_code": "CA"},
            {"level": "subdivision"},
            "US-CA",
        ),
        ({"geo": {"cc": "FR"}}, {"field": "geo.cc"}, "FR"),
        ({"where": [{"cc": "FR"}, {"cc": "DE"}]}, {"field": "where.1.cc"}, "DE"),
        (
            {"cc": "US", "state1": "California"},
            {"field": ("cc", "state1"), "level": "subdivision"},
            "US-California",
        ),
        ({"iso": "US-CA"}, {"field": "iso", "level": "subdivision"}, "US-CA"),
        ({"iso": "US-CA"}, {"field": "iso"}, "US"),
    ],
)
def test_other_shapes_and_named_fields(tmp_path: Path, record: Any, options: Any, code: str) -> None:
    path = write_mmdb(tmp_path / "x.mmdb", {"5.0.0.0/8": record})
    assert rf.open(path, **options).region("5.1.1.1") == code


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("A1", "relay"),
        ("T1", "relay"),
        *((code, "unknown") for code in ("A2", "AP", "EU", "O1", "XX", "ZZ", "--")),
    ],
)
def test_pseudo_codes_are_a_status(tmp_path: Path, code: str, status: str) -> None:
    path = write_mmdb(tmp_path / "x.mmdb", {"5.0.0.0/8": {"country_code": code}, "6.0.0.0/8": {"country_code": "DE"}})
    found = rf.open(path).lookup("5.1.1.1")
    assert (found.region, str(found.status)) == (None, status)


@pytest.mark.parametrize("part", ["HK", "MO", "TW"])
def test_three_regions_are_their_own_at_both_levels(tmp_path: Path, part: str) -> None:
    path = write_mmdb(
        tmp_path / "x.mmdb",
        {"5.0.0.0/8": country("CN", None, part), "6.0.0.0/8": {"country": {"iso_code": f"CN-{part}"}}},
    )
    for options in ({}, {"level": "subdivision"}, {"field": "country.iso_code"}):
        table = rf.open(path, **options)  # type: ignore[arg-type]
        assert table.lookup_many(["5.1.1.1", "6.1.1.1"]).to_list() == [part, part], options
        assert not table.lookup_many(["5.1.1.1", "6.1.1.1"]).isin(["CN"]).any()


def test_an_unknown_field_lists_what_there_is(geolite: Path, tmp_path: Path) -> None:
    with pytest.raises(rf.DatabaseError, match=r"no `geo\.cc`.*`country\.iso_code`.*`subdivisions\.0\.iso_code`"):
        rf.open(geolite, field="geo.cc")
    flat = write_mmdb(tmp_path / "flat.mmdb", {"5.0.0.0/8": {"country_code": "US", "state1": "California"}})
    with pytest.raises(rf.DatabaseError, match="no `subdivision`.*`state1`"):
        rf.open(flat, level="subdivision")
    with pytest.raises(rf.DatabaseError, match="no `registered country`"):
        rf.open(flat, registered=True)
    with pytest.raises(rf.DatabaseError, match="no region codes"):
        rf.open(flat, field="state1")
    with pytest.raises(ValueError, match="level `city`"):
        rf.open(flat, level="city")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`field` takes"):
        rf.open(flat, field=("country_code", "state1"))


def test_misshapen_texts_are_a_warning(tmp_path: Path) -> None:
    path = write_mmdb(tmp_path / "x.mmdb", {"5.0.0.0/8": {"country_code": "usa"}, "6.0.0.0/8": {"country_code": "DE"}})
    table = rf.open(path)
    assert table.lookup("5.1.1.1").status is rf.Status.UNKNOWN
    assert any("no region codes" in warning for warning in table.info.warnings)


def test_csv_of_networks_and_of_ranges(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("prefix,region\n1.0.0.0/8,CN\n1.2.0.0/16,US-CA\n2a00::/16,DE\n", encoding="utf-8")
    assert rf.open(path).lookup_many(["1.1.1.1", "1.2.1.1", "2a00::1"]).to_list() == ["CN", "US", "DE"]
    assert rf.open(path, level="subdivision").region("1.2.1.1") == "US-CA"
    path.write_text("1.0.0.0,1.0.0.9,CN\n16777226,16777230,US\n", encoding="utf-8")
    table = rf.open(path)
    assert table.lookup_many(["1.0.0.9", "1.0.0.10", "1.0.0.14", "1.0.0.15"]).to_list() == [
        "CN",
        "US",
        "US",
        None,
    ]
    assert (table.info.kind, table.info.built_at) == ("CSV", None)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Own networks."""
    path = tmp_path / "own.csv"
    path.write_text(
        "network,region\n8.8.8.0/24,relay\n10.20.0.0/16,DE\n114.0.0.0/8,JP\n114.114.0.0/16,HK\n2000::/3,relay\n2400:3200::/32,HK\n",
        encoding="utf-8",
    )
    return path


def test_overrides_beat_all_and_the_base_stays(own: Path) -> None:
    table = rf.open(overrides=own)
    base = table.base
    cases = {
        "8.8.8.8": (None, "relay", "US"),
        "10.20.1.1": ("DE", "located", None),
        "114.114.114.114": ("HK", "located", "CN"),
        "114.1.1.1": ("JP", "located", rf.open().region("114.1.1.1")),
        "::ffff:114.114.114.114": ("HK", "located", "CN"),
        "2002:7272:7272::1": ("HK", "located", "CN"),
        "2400:3200::1": ("HK", "located", "CN"),
        "2a02:6b8::feed:ff": (None, "relay", "RU"),
        "1.1.1.1": (rf.open().region("1.1.1.1"), "located", rf.open().region("1.1.1.1")),
    }
    for address, (region, status, before) in cases.items():
        found = table.lookup(address)
        assert (str(found.region) if found.region else None, str(found.status)) == (region, status), address
        assert base.region(address) == before, address
    assert table.lookup("8.8.8.8").evidence is rf.Evidence.OVERRIDE
    assert table.lookup("1.1.1.1").evidence is rf.Evidence.DATABASE
    assert base.lookup("10.20.1.1").status is rf.Status.PRIVATE
    assert base.base is base
    assert table.base is base
    assert base.info.digest == rf.open().info.digest != table.info.digest
    assert base.info.override_ranges == 0 < table.info.override_ranges
    assert table.regions[: len(base.regions)] == base.regions


def test_overrides_that_could_never_match_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    for network in ("::ffff:8.8.8.0/120", "2002:808::/32", "2001:0:1::/48", "64:ff9b::/96"):
        path.write_text(f"{network},DE\n", encoding="utf-8")
        with pytest.raises(rf.DatabaseError, match=r"own\.csv.*row 1.*IPv4 network instead"):
            rf.open(overrides=path)
    path.write_text("8.8.8.0/24,Germany\n", encoding="utf-8")
    with pytest.raises(rf.DatabaseError, match=r"own\.csv.*row 1.*Germany"):
        rf.open(overrides=path)


def test_a_geofeed_is_an_override_file(tmp_path: Path) -> None:
    feed = tmp_path / "feed.csv"
    feed.write_text("# RFC 8805\n8.8.8.0/24,DE,DE-BE,Berlin,\n2400:3200::/32,JP,,,\n", encoding="utf-8")
    table = rf.open(overrides=feed)
    assert table.lookup_many(["8.8.8.8", "2400:3200::1"]).to_list() == ["DE", "JP"]


def test_compiled_files_give_the_same_table(own: Path, geolite: Path, tmp_path: Path) -> None:
    probes = [
        "8.8.8.8",
        "10.20.1.1",
        "1.1.1.1",
        "2.1.1.1",
        "2400:1001::1",
        "::ffff:2.1.1.1",
        "2001:db8::1",
        "x",
        None,
    ]
    for table in (
        rf.open(overrides=own),
        rf.open(geolite, level="subdivision", overrides=own),
        rf.open(geolite, registered=True, unwrap=False, attribution="someone"),
        rf.open(geolite, nat64=["2a00:64::/96"]),
    ):
        path = tmp_path / "t.rft"
        table.save(path)
        again = [rf.open(path), rf.Table.from_bytes(table.to_bytes()), pickle.loads(pickle.dumps(table))]  # noqa: S301
        for other in again:
            assert other.info.digest == table.info.digest
            assert other.lookup_many(probes).slots.tolist() == table.lookup_many(probes).slots.tolist()
            assert other.base.lookup_many(probes).to_list() == table.base.lookup_many(probes).to_list()
            assert list(other.regions) == list(table.regions)
            fields = (
                "kind",
                "level",
                "built_at",
                "attribution",
                "unwrap",
                "nat64",
                "ipv4_ranges",
                "ipv6_ranges",
                "bytes",
                "warnings",
            )
            for field in fields:
                assert getattr(other.info, field) == getattr(table.info, field), field
        assert path.read_bytes() == table.to_bytes()
        assert [entry.name for entry in tmp_path.iterdir() if entry.name.endswith(".part")] == []


def test_a_compiled_table_keeps_what_it_was_compiled_with(geolite: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.rft"
    rf.open(geolite, level="subdivision").save(path)
    assert rf.open(path, level="subdivision", unwrap=True, nat64=[]).info.level == "subdivision"
    for options in ({"level": "country"}, {"field": "x"}, {"registered": True}, {"attribution": "me"}):
        with pytest.raises(ValueError, match="when the table was compiled"):
            rf.open(path, **options)


def test_a_digest_can_be_asked_for(table: rf.Table) -> None:
    data = table.to_bytes()
    assert rf.Table.from_bytes(data, digest=table.info.digest).info.digest == table.info.digest
    with pytest.raises(ValueError, match="another"):
        rf.Table.from_bytes(data, digest="0" * 64)


def test_unwrapping_can_change_after_compiling(geolite: Path, tmp_path: Path) -> None:
    path = tmp_path / "t.rft"
    rf.open(geolite).save(path)
    forms = [{"unwrap": False}, {"nat64": ["2a00:64::/96"]}, {"unwrap": True, "nat64": []}]
    for options in forms:
        fresh, changed = rf.open(geolite, **options), rf.open(path, **options)  # type: ignore[arg-type]
        assert changed.info.digest == fresh.info.digest, options
    probes = ["::ffff:2.1.1.1", "2a00:64::201:101", "64:ff9b::201:101", "2.1.1.1"]
    assert rf.open(path, unwrap=False).lookup_many(probes).to_list() == [None, None, None, "US"]
    assert rf.open(path, nat64=["2a00:64::/96"]).lookup_many(probes).to_list() == ["US"] * 4
    own = tmp_path / "own.csv"
    own.write_text("2a00:64::/112,DE\n", encoding="utf-8")
    rf.open(path, overrides=own).save(path)
    with pytest.raises(ValueError, match="never match"):
        rf.open(path, nat64=["2a00:64::/96"])


def test_own_nat64_prefixes() -> None:
    table = rf.open(nat64=["2a00:64::/96", "64:ff9b:1::/48"])
    assert table.region("2a00:64::808:808") == "US"
    assert table.lookup("2a00:64::808:808").unwrapped is rf.Unwrapped.NAT64
    assert rf.open().lookup("64:ff9b:1::808:808").status is rf.Status.PRIVATE
    for wrong in ("2a00:64::/97", "8.8.8.0/24", "2a00:64::1/96", "::ffff:0:0/96", "x"):
        with pytest.raises(ValueError, match="nat64"):
            rf.open(nat64=[wrong])


def test_ranges_cover_both_spaces(small: rf.Table) -> None:
    import ipaddress

    for family, last in ((4, 2**32 - 1), (6, 2**128 - 1)):
        ranges = list(small.ranges(family))  # type: ignore[arg-type]
        assert int(ipaddress.ip_address(ranges[-1][1])) == last
        after = 0
        gaps = []
        for first, end, place in ranges:
            start = int(ipaddress.ip_address(first))
            if start != after:
                gaps.append((after, start - 1))
            after = int(ipaddress.ip_address(end)) + 1
            found = small.lookup(first)
            assert place == (found.region or found.status)
        if family == 6:  # only what wraps IPv4 is left out
            assert all(small.lookup(ipaddress.IPv6Address(low)).unwrapped for low, _ in gaps)
            assert len(gaps) == 4
        else:
            assert gaps == []
    assert len(list(small.ranges())) == len(list(small.ranges(4))) + len(list(small.ranges(6)))
    with pytest.raises(ValueError, match="family"):
        small.ranges(5)  # type: ignore[arg-type]


def test_a_kernel_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REGIONFAST_KERNEL", "scalar")
    assert rf.open().info.kernel == "scalar"
    monkeypatch.setenv("REGIONFAST_KERNEL", "avx1024")
    with pytest.raises(ValueError, match="avx1024.*scalar"):
        rf.open()


def test_saving_where_nothing_can_be_written(table: rf.Table, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot be written"):
        table.save(tmp_path / "no" / "such" / "folder.rft")
    assert list(tmp_path.iterdir()) == []


def test_a_date_for_a_database_that_has_none(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1.0.0.0/8,CN\n", "utf-8")
    assert rf.open(path).info.built_at is None
    built = datetime(2020, 6, 1, 2, tzinfo=timezone(timedelta(hours=2)))
    table = rf.open(path, built_at=built.replace(microsecond=999_999))
    assert table.info.built_at == built
    assert table.info.digest != rf.open(path).info.digest
    table.save(tmp_path / "a.rft")
    assert rf.open(tmp_path / "a.rft").info.built_at == built
    for wrong, message in (
        (built.replace(tzinfo=None), "has no offset"),
        (datetime(1969, 12, 31, tzinfo=UTC), "before 1970"),
    ):
        with pytest.raises(ValueError, match=message):
            rf.open(path, built_at=wrong)
    with pytest.raises(ValueError, match="was settled when the table was compiled"):
        rf.open(built_at=built)
