"""Groups at their dates, and groups of one's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from regionfast import regions
from regionfast.regions import RegionError, RegionSet
from regionfast.regions.data import GROUPS, Group, Membership

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SECOND = timedelta(seconds=1)

SIX = "BE DE FR IT LU NL"
TWELVE = f"{SIX} DK ES GB GR IE PT"
FIFTEEN = f"{TWELVE} AT FI SE"
TWENTY_FIVE = f"{FIFTEEN} CY CZ EE HU LT LV MT PL SI SK"
TODAY = f"{TWENTY_FIVE} BG RO HR".replace("GB ", "")
SCHENGEN_2008 = "BE DE ES FR LU NL PT IT AT GR DK FI IS NO SE CZ EE HU LT LV MT PL SI SK"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("name", "moment", "codes"),
    [
        ("EU", "1958-01-01T00:00:00+01:00", SIX),
        ("EU", "1992-06-01T00:00:00Z", TWELVE),
        ("EU", "2000-01-01T00:00:00Z", FIFTEEN),
        ("EU", "2004-05-01T12:00:00Z", TWENTY_FIVE),
        ("EU", "2020-01-31T22:59:59Z", f"{TWENTY_FIVE} BG RO HR"),
        ("EU", "2020-01-31T23:00:00Z", TODAY),
        ("EU", "2026-11-24T00:00:00Z", TODAY),
        ("EU-TERRITORY", "2026-11-24T00:00:00Z", f"{TODAY} GF GP MQ MF RE YT AX"),
        ("EU-TERRITORY", "2011-06-01T00:00:00Z", f"{TWENTY_FIVE} BG RO GF GP MQ MF RE BL AX GI"),
        ("EEA", "1994-01-01T00:00:00Z", f"{TWELVE} AT FI SE IS NO"),
        ("EEA", "2020-06-01T00:00:00Z", f"{TODAY} GB IS LI NO"),
        ("EEA", "2026-11-24T00:00:00Z", f"{TODAY} IS LI NO"),
        ("SCHENGEN", "2000-01-01T00:00:00Z", "BE DE ES FR LU NL PT IT AT GR"),
        ("SCHENGEN", "2008-12-12T00:00:00Z", f"{SCHENGEN_2008} CH"),
        ("SCHENGEN", "2026-11-24T00:00:00Z", f"{SCHENGEN_2008} CH LI HR BG RO"),
    ],
)
def test_known_answers(name: str, moment: str, codes: str) -> None:
    assert regions.group(name, at(moment)) == RegionSet(codes.split())


CHANGES = [
    # group, region, the first moment of the new state in UTC, whether the region is then inside
    ("EU", "GB", "2020-01-31T23:00:00Z", False),
    ("EU", "HR", "2013-06-30T22:00:00Z", True),
    ("EU", "BG", "2006-12-31T23:00:00Z", True),
    ("EU", "RO", "2006-12-31T23:00:00Z", True),
    ("EU", "PL", "2004-04-30T22:00:00Z", True),
    ("EU", "SE", "1994-12-31T23:00:00Z", True),
    ("EEA", "GB", "2020-12-31T23:00:00Z", False),
    ("EEA", "HR", "2014-04-11T22:00:00Z", True),
    ("EEA", "BG", "2007-07-31T22:00:00Z", True),
    ("EEA", "LI", "1995-04-30T22:00:00Z", True),
    ("SCHENGEN", "HR", "2022-12-31T23:00:00Z", True),
    ("SCHENGEN", "BG", "2024-12-31T23:00:00Z", True),
    ("SCHENGEN", "RO", "2024-12-31T23:00:00Z", True),
    ("SCHENGEN", "CH", "2008-12-11T23:00:00Z", True),
    ("SCHENGEN", "LI", "2011-12-18T23:00:00Z", True),
    ("SCHENGEN", "NO", "2001-03-24T23:00:00Z", True),
    ("EU-TERRITORY", "YT", "2013-12-31T23:00:00Z", True),
    ("EU-TERRITORY", "BL", "2011-12-31T23:00:00Z", False),
    ("EU-TERRITORY", "GI", "2020-01-31T23:00:00Z", False),
    ("EU-TERRITORY", "GB", "2020-01-31T23:00:00Z", False),
    ("EU-TERRITORY", "AX", "1994-12-31T23:00:00Z", True),
]


@pytest.mark.parametrize(("name", "region", "moment", "inside"), CHANGES)
def test_changes_that_matter_happen_at_their_second(name: str, region: str, moment: str, inside: bool) -> None:
    assert (region in regions.group(name, at(moment) - SECOND)) is not inside
    assert (region in regions.group(name, at(moment))) is inside


ROWS = [(group, row) for group in GROUPS.values() for row in group.rows]


@pytest.mark.parametrize(("group", "row"), ROWS, ids=[f"{group.name}-{row.region}" for group, row in ROWS])
def test_each_row_is_probed_a_second_around_its_changes(group: Group, row: Membership) -> None:
    if row.since > group.since:
        assert row.region not in regions.group(group.name, row.since - SECOND)
        assert row.region in regions.group(group.name, row.since)
    else:
        assert row.region in regions.group(group.name, group.since)
    if row.until is None:
        assert row.region in regions.group(group.name, NOW)
    else:
        assert row.region in regions.group(group.name, row.until - SECOND)
        assert row.region not in regions.group(group.name, row.until)


@pytest.mark.parametrize(("group", "row"), ROWS, ids=[f"{group.name}-{row.region}" for group, row in ROWS])
def test_days_begin_in_brussels(group: Group, row: Membership) -> None:
    brussels = ZoneInfo("Europe/Brussels")
    for moment in (group.since, row.since, row.until):
        if moment is not None:
            assert moment.astimezone(brussels).time().isoformat() == "00:00:00"


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_no_answer_before_the_records_begin(name: str) -> None:
    since = GROUPS[name].since
    assert regions.group(name, since)
    with pytest.raises(RegionError, match=f"group `{name}` is recorded from .*Z on"):
        regions.group(name, since - SECOND)


def test_the_territory_holds_the_union_and_the_area_holds_it_but_for_newcomers() -> None:
    for year in range(1994, 2027):
        for month in (6, 12):
            moment = datetime(year, month, 1, tzinfo=UTC)
            union = regions.group("EU", moment)
            assert union <= regions.group("EU-TERRITORY", moment)
            missing = {(2007, 6): {"BG", "RO"}, (2013, 12): {"HR"}}.get((year, month), set[str]())
            assert set(union - regions.group("EEA", moment)) == missing


def test_the_moment_counts_and_not_how_it_is_written() -> None:
    moment = at("2020-02-01T05:00:00+06:00")
    assert "GB" not in regions.group("EU", moment)
    assert "GB" in regions.group("EU", at("2020-01-31T12:59:59-10:00"))
    assert regions.group("EU", moment) == regions.group("EU", moment.astimezone(timezone(timedelta(hours=-3))))


@pytest.mark.parametrize("name", ["EU", "EEA", "SCHENGEN", "EU-TERRITORY"])
def test_a_time_without_offset_is_refused(name: str) -> None:
    naive = datetime(2026, 11, 24)  # noqa: DTZ001
    with pytest.raises(RegionError, match="with its offset"):
        regions.group(name, naive)
    with pytest.raises(RegionError, match="with its offset"):
        regions.expand([name], naive)


@pytest.mark.parametrize(
    ("name", "suggestion"), [("eu", "EU"), ("Eea", "EEA"), ("NATO", None), ("DE", None), ("", None)]
)
def test_unknown_groups(name: str, suggestion: str | None) -> None:
    assert not regions.is_group(name)
    with pytest.raises(RegionError) as caught:
        regions.group(name, NOW)
    assert caught.value.suggestion == suggestion


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_changes_are_the_moments_when_the_answer_is_another(name: str) -> None:
    changes = regions.group_changes(name)
    assert changes[0] == GROUPS[name].since
    assert list(changes) == sorted(set(changes))
    for before, after in zip(changes, [*changes[1:], NOW], strict=True):
        assert regions.group(name, before) == regions.group(name, after - SECOND)
    for moment in changes[1:]:
        assert regions.group(name, moment) != regions.group(name, moment - SECOND)
    told = {row.since for row in GROUPS[name].rows} | {row.until for row in GROUPS[name].rows if row.until}
    assert {moment for moment in told if moment > changes[0]} == set(changes[1:])


def test_known_changes() -> None:
    changes = regions.group_changes("SCHENGEN")
    assert changes[-2:] == (at("2022-12-31T23:00:00Z"), at("2024-12-31T23:00:00Z"))
    with pytest.raises(RegionError, match="did you mean `EU`"):
        regions.group_changes("eu")


# Own groups.


def test_own_groups_expand_with_codes_ours_and_each_other() -> None:
    own = {"office": ["DE", "team"], "team": ["CH", "US-CA", "EU"], "unused": ["HK"]}
    assert regions.expand(["office"], NOW, own) == regions.group("EU", NOW) | RegionSet(["CH", "US-CA"])
    assert regions.expand(["CN-HK", "unused"], NOW, own) == RegionSet(["HK"])
    assert regions.expand([], NOW) == RegionSet()
    assert "GB" in regions.expand(["office"], at("2019-01-01T00:00:00Z"), own)


def test_a_group_reached_twice_is_no_circle() -> None:
    own = {"top": ["left", "right"], "left": ["base"], "right": ["base"], "base": ["JP"]}
    assert regions.expand(["top"], NOW, own) == RegionSet(["JP"])


def test_many_layers_cost_no_more_than_their_names() -> None:
    own: dict[str, list[str]] = {f"layer{n}": [f"layer{n + 1}", f"layer{n + 1}"] for n in range(300)}
    own["layer300"] = ["JP"]
    assert regions.expand(["layer0"], NOW, own) == RegionSet(["JP"])


NO_NAME = "a group of your own needs a name that names no region or group of ours"


@pytest.mark.parametrize(
    "name",
    ["EU", "eu", "CN", "cn", "XX", "China", "korea", "CHN", "usa", "156", "uk", "us-ca", "AN", "de_at", "Schengen"],
)
def test_own_groups_shadow_no_code_and_no_group_of_ours(name: str) -> None:
    (error,) = regions.check_groups({name: ["DE"]})
    assert str(error) == f"{name}: {NO_NAME}"
    with pytest.raises(RegionError, match=NO_NAME):
        regions.expand(["DE"], NOW, {name: ["DE"]})


@pytest.mark.parametrize("name", ["", "1st", "my group", "büro", "a" * 65, "a\n"])
def test_names_of_own_groups_are_plain_words(name: str) -> None:
    (error,) = regions.check_groups({name: ["DE"]})
    assert "starts with a letter" in str(error)


def test_all_errors_at_once_with_their_places() -> None:
    own = {"office": ["DE", "UK", "teem", "China"], "team": [], "eu": ["CH"]}
    assert [str(error) for error in regions.check_groups(own)] == [
        f"eu: {NO_NAME}",
        "office[1]: `UK` is no region code of ISO 3166: did you mean `GB`?",
        "office[2]: `teem` is no region code of ISO 3166",
        "office[3]: `China` is no region code of ISO 3166: did you mean `CN`?",
        "team: a group is a list of at least one region",
    ]
    assert [error.place for error in regions.check_groups({"team": "DE"})] == ["team"]


@pytest.mark.parametrize(
    ("own", "wrong"),
    [
        ({"one": ["one"]}, ["one"]),
        ({"one": ["two"], "two": ["one", "DE"]}, ["one", "two"]),
        ({"one": ["two"], "two": ["three"], "three": ["two"]}, ["two", "three"]),
    ],
)
def test_circles_are_refused(own: dict[str, list[str]], wrong: list[str]) -> None:
    errors = regions.check_groups(own)
    assert [error.place for error in errors] == wrong
    assert all("holds itself" in str(error) for error in errors)
    with pytest.raises(RegionError, match="holds itself"):
        regions.expand(["DE"], NOW, own)


@pytest.mark.parametrize("names", [["UK"], ["offce"], ["AN"], "DE"])
def test_expand_refuses_what_it_does_not_know(names: list[str] | str) -> None:
    with pytest.raises(RegionError):
        regions.expand(names, NOW, {"office": ["DE"]})
