"""The places that a code of a table may stand for."""

from __future__ import annotations

import pycountry
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regionfast import regions
from regionfast.regions.data import ALIASES, ASSIGNED, MAINLAND, WITHDRAWN
from regionfast.regions.error import RegionError
from regionfast.regions.sets import RegionSet

CHINAS = ["CN", "HK", "MO", "TW"]

STANDS: dict[str, list[str]] = {
    "US": ["US"],
    "US-CA": ["US-CA"],
    "US-CA-Los Angeles": ["US-CA"],
    "US-CA-": ["US-CA"],
    "GB-ENG-LND": ["GB-ENG"],
    "US-California": ["US"],
    "US-California-Los Angeles": ["US"],
    "US--CA": ["US"],
    "UA-Kyiv": ["UA"],
    "UA-Crimea": ["UA-43"],
    "UA-Crimea-Yalta": ["UA-43"],
    "HK-KLN": ["HK-KLN"],
    "HK-Kowloon": ["HK"],
    "CN-HK-KLN": ["HK-KLN"],
    "NL-BQ1": ["BQ-BO"],
    "XK": ["XK"],
    # Aliases, in every spelling.
    "CN-HONG KONG": ["HK"],
    "CN-Hongkong": ["HK"],
    "CN-hk": ["HK"],
    "CN-HK": ["HK"],
    "CN-macao": ["MO"],
    "CN-Taiwan": ["TW"],
    "FR-974": ["RE"],
    "FR-Reunion": ["RE"],
    "FR-La Re\N{COMBINING ACUTE ACCENT}union": ["RE"],
    "FI-Åland": ["AX"],
    "FI-A\N{COMBINING RING ABOVE}land": ["AX"],
    # Mainland China, and what may be.
    "CN": ["CN"],
    "CN-GD": ["CN-GD"],
    "CN-44": ["CN-44"],
    "CN-GD-Shenzhen": ["CN-GD"],
    "CN-Guangdong": ["CN"],
    "CN-guangdong": ["CN"],
    "CN-Guangdong-Shenzhen": ["CN"],
    "CN-Inner Mongolia": ["CN"],
    "CN-Nei-Mongol": ["CN"],
    "CN-Tibet": ["CN"],
    "CN-Ningxia Hui": ["CN"],
    "CN-Guangxi Zhuang": ["CN"],
    "CN-Xinjiang Uyghur": ["CN"],
    "CN-gd": ["CN"],
    "CN-Hong Kong SAR": CHINAS,
    "CN-Taiwan Province": CHINAS,
    "CN-Kowloon": CHINAS,
    "CN-HKG": CHINAS,
    "CN-TWN": CHINAS,
    "CN-810000": CHINAS,
    "CN-83": CHINAS,
    "CN-Shenzhen": CHINAS,
    "CN-\N{CJK UNIFIED IDEOGRAPH-9999}\N{CJK UNIFIED IDEOGRAPH-6E2F}": CHINAS,
    "CN--": CHINAS,
    # No country of today.
    "AN": [],
    "AN-BO": [],
    "XX": [],
    "UK": [],
    "EU": [],
}


@pytest.mark.parametrize(("code", "places"), STANDS.items())
def test_what_a_code_stands_for(code: str, places: list[str]) -> None:
    assert regions.whereabouts(code) == RegionSet(places)


@pytest.mark.parametrize("text", ["", "us", "US-", "China", "192.0.2.1"])
def test_what_is_no_code_stands_for_nothing_and_is_an_error(text: str) -> None:
    for ask in (regions.whereabouts, regions.is_mainland):
        with pytest.raises(RegionError):
            ask(text)


@given(st.sampled_from(sorted(ASSIGNED)), st.from_regex(r"(-[A-Z0-9]{1,3})?", fullmatch=True))
def test_a_code_that_a_policy_may_name_is_its_own_place(country: str, subdivision: str) -> None:
    code = f"{country}{subdivision}"
    own = RegionSet([code])
    if regions.country(code) != "CN" or regions.is_mainland(code):
        assert regions.whereabouts(code) == own
    else:
        assert regions.whereabouts(code) == RegionSet(CHINAS) >= own


@given(st.sampled_from(sorted(ASSIGNED)), st.text(min_size=1, max_size=12))
def test_more_detail_is_never_elsewhere(country: str, detail: str) -> None:
    code = f"{country}-{detail}"
    try:
        places = regions.whereabouts(code)
    except RegionError:
        return
    assert places == regions.whereabouts(regions.canonical(code))
    assert places
    assert places <= RegionSet([regions.country(code)]) or places == RegionSet(CHINAS)


@pytest.mark.parametrize("code", sorted(WITHDRAWN))
def test_withdrawn_codes_are_nowhere(code: str) -> None:
    assert not regions.whereabouts(code)
    assert not regions.whereabouts(f"{code}-1")


def test_the_mainland_is_that_of_the_standard() -> None:
    theirs = {found.code: found.name for found in pycountry.subdivisions if found.country_code == "CN"}
    ours = {code for code in theirs if regions.is_mainland(code)}
    assert len(ours) == 31
    assert theirs.keys() - ours == {"CN-HK", "CN-MO", "CN-TW"}
    assert all(regions.is_mainland(f"CN-{theirs[code]}") for code in ours)
    assert {code for code in theirs if regions.is_mainland(f"CN-{theirs[code]}")} == ours
    # GB/T 2260 numbers by six parts of the country; 7 and 8 are Taiwan, Hong Kong and Macao.
    numbers = sorted(part for part in MAINLAND if part.isdigit())
    assert len(numbers) == 31
    assert {number[0] for number in numbers} == set("123456")
    assert regions.is_mainland("CN")
    assert not any(regions.is_mainland(code) for code in [*ALIASES, "HK", "HK-GD", "US", "US-GD"])
