"""The data file: its version, its sources, its alias rows, and how it differs from another list of the same codes."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pycountry

from regionfast import regions
from regionfast.regions.data import ALIASES, ASSIGNED, CONTESTED, GROUPS, WITHDRAWN

FILE = Path(regions.__file__).parent / "regions.toml"
DATA: dict[str, Any] = tomllib.loads(FILE.read_text("utf-8"))

# Version → SHA-256 of the file with LF line ends. Data that changes gets a new version and replaces this line.
RELEASED = {"2026.2": "a0d67d1d47423b22125a5dac9b186e695c0fa1c804cf64a8391e85f14d3c433d"}


def test_data_and_version_change_together() -> None:
    digest = hashlib.sha256(FILE.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
    assert {regions.DATA_VERSION: digest} == RELEASED
    assert regions.ACTS_SEEN_UNTIL == "2025-11-30"


def rows() -> list[list[Any]]:
    """All rows of the file."""
    lists = [
        *(DATA["codes"][part] for part in ("assigned", "user-assigned", "withdrawn", "mistaken")),
        DATA["aliases"]["rows"],
        DATA["aliases"]["names"],
        DATA["mainland"]["rows"],
        *(group["rows"] for group in DATA["groups"].values()),
        DATA["contested"]["rows"],
    ]
    return [row for part in lists for row in part]


def test_each_row_has_a_source_and_each_source_a_row() -> None:
    assert len(rows()) > 500
    assert {row[-1] for row in rows()} == set(DATA["sources"])
    assert all(len(text) > 20 for text in DATA["sources"].values())


def test_no_row_is_written_twice() -> None:
    for part in ("assigned", "withdrawn", "mistaken"):
        codes = [row[0] for row in DATA["codes"][part]]
        assert len(codes) == len(set(codes)), part
    aliases = [row[0] for row in DATA["aliases"]["rows"] + DATA["aliases"]["names"]]
    assert len(aliases) == len(set(aliases))
    parts = [part for code, number, names, _ in DATA["mainland"]["rows"] for part in (code, number, *names)]
    assert len(parts) == len({part.casefold() for part in parts})
    for name, group in GROUPS.items():
        members = [row.region for row in group.rows]
        assert len(members) == len(set(members)), name
    codes = [row[0] for row in DATA["contested"]["rows"]]
    assert codes == sorted(set(codes))


def test_aliases_lead_to_a_code_in_one_step_and_out_of_their_country_for_good() -> None:
    parents = {code.partition("-")[0] for code in ALIASES}
    for code, row in ALIASES.items():
        assert row.canonical not in ALIASES, code
        assert regions.parse(row.canonical) == row.canonical
        assert regions.canonical(code) == row.canonical
        country = row.canonical.partition("-")[0]
        # `CN-HK-KLN` becomes `HK-KLN`, which must be no alias again.
        assert country not in parents or country == code.partition("-")[0], code


def test_codes_and_groups_are_apart() -> None:
    assert not ASSIGNED.keys() & WITHDRAWN.keys()
    assert not GROUPS.keys() & (ASSIGNED.keys() | WITHDRAWN.keys())
    for group in GROUPS.values():
        for row in group.rows:
            assert regions.parse(row.region) == row.region
            assert row.until is None or row.since < row.until
    for code in CONTESTED:
        assert regions.parse(code) == code


def modules_after(program: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a program."""
    program = f"{program}\nimport sys; print(*sys.modules)"
    return set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )


def test_regions_are_loaded_when_asked_for_and_load_the_standard_library_alone() -> None:
    before = modules_after("import regionfast")
    assert not {name for name in before if name.startswith("regionfast.regions")}
    loaded = {name.partition(".")[0] for name in modules_after("import regionfast.regions") - before}
    assert loaded - sys.stdlib_module_names == {"regionfast"}


# Against pycountry, which packages the iso-codes lists. A difference that is not listed here, or is no longer there,
# fails.

ONLY_OURS = {"XK": "user-assigned: ISO 3166-1 does not have it"}

REUSED = {  # in their list of historic codes, and not withdrawn here
    "AI": "French Afars and Issas until 1977, Anguilla today",
    "BQ": "British Antarctic Territory until 1979, Bonaire, Sint Eustatius and Saba today",
    "BY": "Byelorussian SSR until 1992 in the list; Belarus has the same code",
    "GE": "Gilbert and Ellice Islands until 1979, Georgia today",
    "SK": "Sikkim until 1975, Slovakia today",
}

OVERLAPS = {  # subdivisions in their list that are another region here
    "a region with a country code of its own": (
        "CN-HK CN-MO CN-TW FI-01 FR-971 FR-972 FR-973 FR-974 FR-976 FR-BL FR-MF FR-NC FR-PF FR-PM FR-TF FR-WF "
        "NL-AW NL-CW NL-SX NO-21 NO-22 US-AS US-GU US-MP US-PR US-UM US-VI"
    ),
    "listed under BQ too": "NL-BQ1 NL-BQ2 NL-BQ3",
}

OLD_ALIASES = {  # aliases here that are not in their list
    "numeric codes of ISO 3166-2:CN until 2017": "CN-71 CN-91 CN-92",
    "GB/T 2260, never ISO's": "CN-81 CN-82",
    "letters of ISO 3166-2:FR, since replaced": "FR-GP FR-MQ FR-GF FR-RE FR-YT FR-GUA FR-LRE FR-MAY",
    "ISO 3166-2:FI until 2011": "FI-AL",
    "ISO 3166-2:GB until 2007": "GB-GSY GB-IOM GB-JSY",
}

NAMES = {  # our short name is no part of any of theirs
    "CD": "they write `Congo, The Democratic Republic of the`",
    "VI": "they write `Virgin Islands, U.S.`",
}


def test_countries_against_pycountry() -> None:
    theirs = {country.alpha_2: country for country in pycountry.countries}
    assert ASSIGNED.keys() - theirs.keys() == ONLY_OURS.keys()
    assert theirs.keys() <= ASSIGNED.keys()
    for code, country in theirs.items():
        assert (ASSIGNED[code].alpha3, ASSIGNED[code].numeric) == (country.alpha_3, country.numeric), code


def test_names_against_pycountry() -> None:
    different = set()
    for country in pycountry.countries:
        ours = ASSIGNED[country.alpha_2].name.casefold()
        theirs = [getattr(country, field, "").casefold() for field in ("name", "common_name", "official_name")]
        if not any(ours in name for name in theirs):
            different.add(country.alpha_2)
    assert different == NAMES.keys()


def test_withdrawn_codes_against_pycountry() -> None:
    theirs = {country.alpha_2 for country in pycountry.historic_countries}
    assert theirs - WITHDRAWN.keys() == REUSED.keys()
    assert theirs >= WITHDRAWN.keys()
    assert REUSED.keys() <= ASSIGNED.keys()


def test_subdivisions_against_pycountry() -> None:
    theirs = {subdivision.code for subdivision in pycountry.subdivisions}
    overlaps = {code for codes in OVERLAPS.values() for code in codes.split()}
    assert {code for code in theirs if regions.parse(code) != code} == overlaps
    old = {code for codes in OLD_ALIASES.values() for code in codes.split()}
    assert {row[0] for row in DATA["aliases"]["rows"]} - theirs == old
    assert {code for code in CONTESTED if "-" in code} <= theirs
    for code in overlaps:
        target = regions.parse(code)
        assert target in theirs or target in ASSIGNED


def test_no_name_of_a_subdivision_is_spelt_like_another_region() -> None:
    for found in pycountry.subdivisions:
        named = f"{found.country_code}-{found.name.replace(',', '')}"
        if len(named) <= len("XX-") + 64:
            assert regions.canonical(named) in {named, regions.canonical(found.code)}


def test_contested_parts_of_western_sahara_are_those_that_the_standard_marks() -> None:
    marked = {found.code for found in pycountry.subdivisions if re.search(r"\(EH(-partial)?\)", found.name)}
    assert {code for code in CONTESTED if code.startswith("MA-")} == marked
