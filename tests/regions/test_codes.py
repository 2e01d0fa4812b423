"""Which codes may be written, and which form of them counts."""

from __future__ import annotations

import re
from unicodedata import normalize

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from regionfast import regions
from regionfast.regions.data import (
    ALIASES,
    ALIASES_BY_PART,
    ASSIGNED,
    GROUPS,
    MISTAKEN,
    WITHDRAWN,
    Alias,
    _by_part,
    _mainland,
)
from regionfast.regions.error import RegionError

CANONICAL = {
    "CN-HK": "HK",
    "CN-MO": "MO",
    "CN-TW": "TW",
    "CN-71": "TW",
    "CN-91": "HK",
    "CN-92": "MO",
    "US-PR": "PR",
    "US-GU": "GU",
    "US-VI": "VI",
    "US-AS": "AS",
    "US-MP": "MP",
    "US-UM": "UM",
    "FR-971": "GP",
    "FR-972": "MQ",
    "FR-973": "GF",
    "FR-974": "RE",
    "FR-976": "YT",
    "FR-GP": "GP",
    "FR-MQ": "MQ",
    "FR-GF": "GF",
    "FR-RE": "RE",
    "FR-YT": "YT",
    "FR-PM": "PM",
    "FR-BL": "BL",
    "FR-MF": "MF",
    "FR-NC": "NC",
    "FR-PF": "PF",
    "FR-WF": "WF",
    "FR-TF": "TF",
    "NL-AW": "AW",
    "NL-CW": "CW",
    "NL-SX": "SX",
    "NL-BQ1": "BQ-BO",
    "NL-BQ2": "BQ-SA",
    "NL-BQ3": "BQ-SE",
    "NO-21": "SJ",
    "NO-22": "SJ",
    "FI-01": "AX",
    "GB-JSY": "JE",
}


@pytest.mark.parametrize(("written", "form"), CANONICAL.items())
def test_overlaps_have_one_form(written: str, form: str) -> None:
    assert regions.parse(written) == regions.canonical(written) == form
    parent, own = written.partition("-")[0], form
    assert regions.contains(form, written)
    assert regions.contains(written, form)
    assert not regions.contains(parent, own)
    assert regions.country(written) == form.partition("-")[0]


@pytest.mark.parametrize(
    "code", ["US", "US-CA", "CN", "CN-22", "CN-GD", "HK", "XK", "UA-43", "GB-ENG", "FR-CP", "ES-CN"]
)
def test_other_codes_stay(code: str) -> None:
    assert regions.parse(code) == regions.canonical(code) == code


def test_all_assigned_codes_are_accepted() -> None:
    assert len(ASSIGNED) == 249 + 1
    for code in ASSIGNED:
        assert regions.parse(code) == code
        assert regions.is_user_assigned(code) is (code == "XK")
        assert regions.name(code)
    assert regions.is_user_assigned("XK-01")


REFUSED: dict[str, tuple[str, ...]] = {
    "UK": ("GB",),
    "UK-ENG": ("GB-ENG",),
    "EL": ("GR",),
    "China": ("CN",),
    "CHINA": ("CN",),
    "mainland China": ("CN",),
    "Taiwan": ("TW",),
    "Macau": ("MO",),
    "cn": ("CN",),
    "Cn": ("CN",),
    " CN": ("CN",),
    "us-ca": ("US-CA",),
    "US_CA": ("US-CA",),
    "cn-hk": ("CN-HK",),
    "CHN": ("CN",),
    "USA": ("US",),
    "156": ("CN",),
    "840": ("US",),
    "Korea": ("KP", "KR"),
    "Congo": ("CD", "CG"),
    "Georgia": ("GE", "US-GA"),
    "Germny": ("DE",),
    "Untied States": ("US",),
    "Viet-Nam": ("VN",),
    "AN": ("BQ", "CW", "SX"),
    "AN-BO": ("BQ", "CW", "SX"),
    "TP": ("TL",),
    "FX": ("FR",),
    "eu": ("EU",),
    "EU": (),
    "SCHENGEN": (),
    "XX": (),
    "ZZ": (),
    "QM": (),
    "A1": (),
    "": (),
    "-": (),
    "US-": (),
    "US-CALI": (),
    "US-California": (),
    "CN-Hong Kong": ("HK",),
    "CN-HONG KONG": ("HK",),
    "CN-hk": ("HK",),
    "CN-HK-KLN": ("HK-KLN",),
    "FR-Reunion": ("RE",),
    "UA-Crimea": ("UA-43",),
    "US-C,A": (),
    "US-CA-LA": (),
    "US-ca": ("US-CA",),
    "CN\n": ("CN",),
    "Cñ": (),
    "C٣": (),
    "192.0.2.1": (),
    "x" * 1_000_000: (),
}


@pytest.mark.parametrize(("text", "suggestions"), REFUSED.items(), ids=lambda value: str(value)[:20])
def test_anything_else_is_refused_with_a_suggestion(text: str, suggestions: tuple[str, ...]) -> None:
    with pytest.raises(RegionError) as caught:
        regions.parse(text)
    assert caught.value.suggestions == suggestions
    assert caught.value.suggestion == (suggestions[0] if len(suggestions) == 1 else None)
    for code in suggestions:
        assert code in GROUPS or regions.parse(code)


def test_messages() -> None:
    messages = []
    for text in ("UK", "Korea", "AN", "EU", "XX", "192.0.2.1", "2001:db8::1"):
        with pytest.raises(RegionError) as caught:
            regions.parse(text)
        messages.append(str(caught.value))
    assert messages == [
        "`UK` is no region code of ISO 3166: did you mean `GB`?",
        "`Korea` is no region code of ISO 3166: did you mean `KP` or `KR`?",
        "`AN` is withdrawn, once used for Netherlands Antilles: did you mean `BQ` or `CW` or `SX`?",
        "`EU` is a group and stands for several regions: name one region here",
        "`XX` is no region code of ISO 3166",
        "this text is no region code of ISO 3166",
        "this text is no region code of ISO 3166",
    ]


@given(st.text(max_size=40))
def test_any_text_is_a_code_or_an_error(text: str) -> None:
    for read in (regions.parse, regions.canonical):
        try:
            code = read(text)
        except RegionError as error:
            assert all(found in GROUPS or regions.parse(found) for found in error.suggestions)
        else:
            assert regions.canonical(code) == code


@given(st.sampled_from(sorted(ASSIGNED)), st.from_regex(r"[A-Z0-9]{1,3}", fullmatch=True))
def test_canonical_is_idempotent_and_lies_where_it_should(country: str, subdivision: str) -> None:
    code = f"{country}-{subdivision}"
    form = regions.parse(code)
    assert regions.parse(form) == regions.canonical(form) == form
    assert (form == code) is (code not in ALIASES)
    assert regions.contains(country, code) is (form == code)


@pytest.mark.parametrize("code", sorted(WITHDRAWN))
def test_withdrawn_codes_are_read_from_tables_and_not_from_policies(code: str) -> None:
    assert regions.canonical(code) == code
    assert regions.name(code)
    with pytest.raises(RegionError, match="withdrawn"):
        regions.parse(code)
    for successor in WITHDRAWN[code].successors:
        assert regions.parse(successor) == successor
        assert not regions.contains(successor, code)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("CN-Hong Kong", "HK"),
        ("CN-Taiwan", "TW"),
        ("CN-Macau", "MO"),
        ("CN-HK-KLN", "HK-KLN"),
        ("CN-91-1", "HK-1"),
        ("US-Puerto Rico", "PR"),
        ("FR-Cayenne", "GF"),
        ("FR-Basse-terre", "GP"),
        ("UA-Crimea", "UA-43"),
        ("US-California", "US-California"),
        ("CN-Hong Kong Street", "CN-Hong Kong Street"),
        ("MT-L-Imsida", "MT-L-Imsida"),
        ("US--x", "US--x"),
        ("AN", "AN"),
        ("XX", "XX"),
    ],
)
def test_tables_may_hold_names_and_more_dashes(text: str, form: str) -> None:
    assert regions.canonical(text) == form
    assert regions.contains(text.partition("-")[0], text) is (form.partition("-")[0] == text.partition("-")[0])


SPELT: dict[str, str] = {
    "CN-HONG KONG": "HK",
    "CN-Hongkong": "HK",
    "CN-Hong-Kong": "HK",
    "CN-hk": "HK",
    "CN-HK-": "HK",
    "CN-hk-KLN": "HK-KLN",
    "CN-macau": "MO",
    "CN-TAIWAN": "TW",
    "FR-Reunion": "RE",
    "FR-La Re\N{COMBINING ACUTE ACCENT}union": "RE",
    "FR-La-Reunion": "RE",
    "FR-\N{FULLWIDTH DIGIT NINE}74": "RE",
    "FI-Åland": "AX",
    "FI-A\N{COMBINING RING ABOVE}land": "AX",
    "FI-ALAND": "AX",
    "US-puerto_rico": "PR",
    "UA-CRIMEA": "UA-43",
    "GE-Abkhazia-khazia": "GE-AB-khazia",
}


@pytest.mark.parametrize(("text", "form"), SPELT.items())
def test_names_are_known_in_any_spelling(text: str, form: str) -> None:
    assert regions.canonical(text) == regions.canonical(form) == form


@pytest.mark.parametrize("text", ["cn-Hong Kong", "CN-Hong Kong SAR", "CN-Kowloon", "CN-HKG", "CN-810000", "CN-H"])
def test_what_is_more_than_a_spelling_is_none(text: str) -> None:
    if text[0].isupper():
        assert regions.canonical(text) == text
    else:
        with pytest.raises(RegionError):
            regions.canonical(text)


@given(st.sampled_from(sorted(ALIASES)), st.data())
def test_case_accents_and_blanks_change_no_alias(code: str, data: st.DataObject) -> None:
    country, _, part = code.partition("-")
    change = data.draw(
        st.sampled_from([str.upper, str.lower, str.title, lambda text: normalize("NFD", text), lambda text: text])
    )
    gap = data.draw(st.sampled_from(["", " ", "-", "_", "  "]))
    assert regions.canonical(f"{country}-{change(part).replace(' ', gap)}") == ALIASES[code].canonical


parts = sorted({part for code in ALIASES for part in re.split("[- ]", code.partition("-")[2])} | {"", "x", "khazia"})


@given(
    st.sampled_from(
        sorted({code.partition("-")[0] for code in ALIASES} | {row.canonical[:2] for row in ALIASES.values()})
    ),
    st.lists(st.one_of(st.sampled_from(parts), st.text(max_size=3)), min_size=1, max_size=3),
    st.sampled_from(["-", " "]),
)
@example("GE", ["Abkhazia", "khazia"], "-")
@example("CN", ["HK", ""], "-")
def test_canonical_forms_of_names_stay(country: str, words: list[str], gap: str) -> None:
    try:
        form = regions.canonical(f"{country}-{gap.join(words)}")
    except RegionError:
        return
    assert regions.canonical(form) == form


def test_two_regions_that_are_spelt_alike_are_found_when_the_data_is_read() -> None:
    one = Alias(code="FR-La Réunion", canonical="RE", source="")
    two = Alias(code="FR-la-reunion", canonical="YT", source="")
    with pytest.raises(ValueError, match="`FR-La Réunion` and `FR-la-reunion` are spelt alike"):
        _by_part({row.code: row for row in (one, two)})
    with pytest.raises(ValueError, match="mainland"):
        _mainland([("XG", "99", ["Hongkong"], "")], ALIASES_BY_PART["CN"])


def test_a_code_that_only_begins_alike_lies_elsewhere() -> None:
    assert regions.contains("HK-KLN", "HK-KLN-1")
    assert not regions.contains("HK-K", "HK-KLN")
    assert not regions.contains("US-CA", "US")


@pytest.mark.parametrize("text", ["", "us", "USA", "US-", "US-a,b", 'US-"', "US-\n", "8.8.8.8", f"US-{'x' * 65}"])
def test_text_of_another_shape_is_an_error_from_a_table_too(text: str) -> None:
    with pytest.raises(RegionError):
        regions.canonical(text)


def test_mistaken_codes_are_none() -> None:
    for text, meant in MISTAKEN.items():
        assert text not in ASSIGNED
        assert regions.parse(meant) == meant
        with pytest.raises(RegionError):
            regions.parse(text)
