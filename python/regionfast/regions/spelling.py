"""Right spellings for what is no region code. They are suggested and never used."""

from __future__ import annotations

import difflib
from typing import Final

from regionfast.regions.data import ASSIGNED, GROUPS, MISTAKEN, WITHDRAWN

_NEAR: Final = 0.75
"""Below it `difflib` takes short words for near that share little more than a letter."""
_LONGEST: Final = 64
"""Longer text is no name of a country; comparing it with all of them would only cost time."""

_SUBDIVISION: Final = 3
"""Longest subdivision of ISO 3166-2."""

_NAMES: Final[dict[str, str]] = {row.name.casefold(): code for code, row in ASSIGNED.items()}
_CODES: Final[dict[str, str]] = {
    text: row.code for row in ASSIGNED.values() for text in (row.code, row.alpha3, row.numeric) if text
} | MISTAKEN
# Names that more than one place answers to, and those that are common and unlike the name in the list.
_COMMON: Final[dict[str, tuple[str, ...]]] = {
    "america": ("US",),
    "britain": ("GB",),
    "burma": ("MM",),
    "cape verde": ("CV",),
    "congo": ("CD", "CG"),
    "czech republic": ("CZ",),
    "east timor": ("TL",),
    "england": ("GB-ENG",),
    "georgia": ("GE", "US-GA"),
    "great britain": ("GB",),
    "holland": ("NL",),
    "ivory coast": ("CI",),
    "korea": ("KP", "KR"),
    "macau": ("MO",),
    "mainland china": ("CN",),
    "northern ireland": ("GB-NIR",),
    "saint martin": ("MF", "SX"),
    "scotland": ("GB-SCT",),
    "swaziland": ("SZ",),
    "turkey": ("TR",),
    "united states of america": ("US",),
    "vatican": ("VA",),
    "vietnam": ("VN",),
    "virgin islands": ("VG", "VI"),
    "wales": ("GB-WLS",),
}


def known(text: str) -> tuple[str, ...]:
    """The codes of what text names in another spelling than ours; none where it names nothing."""
    upper = text.strip().upper().replace("_", "-")
    country, dash, subdivision = upper.partition("-")
    folded = text.strip().casefold()
    if upper in GROUPS:
        return (upper,)
    if upper in WITHDRAWN:
        return WITHDRAWN[upper].successors
    if folded in _COMMON:
        return _COMMON[folded]
    if folded in _NAMES:
        return (_NAMES[folded],)
    if country in _CODES and (
        not dash or (subdivision.isalnum() and subdivision.isascii() and len(subdivision) <= _SUBDIVISION)
    ):
        return (f"{_CODES[country]}{dash}{subdivision}",)
    return ()


def near(text: str) -> tuple[str, ...]:
    """The same, and where it names nothing, the code of the country whose name is written most like it."""
    found = known(text)
    if found or len(text) > _LONGEST:
        return found
    names = difflib.get_close_matches(text.strip().casefold(), [*_NAMES, *_COMMON], n=1, cutoff=_NEAR)
    return tuple(code for name in names for code in (_COMMON.get(name) or (_NAMES[name],)))
