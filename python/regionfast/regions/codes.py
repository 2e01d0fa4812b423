"""Region codes: what may be written, which form of it counts, and which region lies in which.

Two readers ask. An author of a policy must write a code that is assigned today, in its right spelling (`parse`).
A table holds what its database says, withdrawn codes and names of subdivisions included, and none of it may stop a
batch (`canonical`). Both end in the same canonical form.
"""

from __future__ import annotations

import re
from typing import Final

from regionfast.regions.data import ALIASES, ALIASES_BY_PART, ASSIGNED, GROUPS, WITHDRAWN
from regionfast.regions.error import RegionError, shown
from regionfast.regions.fold import folded
from regionfast.regions.spelling import near

# ISO 3166-2, clause on code elements: up to three letters or digits after the dash.
_STRICT: Final = re.compile(r"([A-Z]{2})(-[A-Z0-9]{1,3})?", re.ASCII)
# What the engine takes for a region code: a name may stand in the place of the subdivision.
_LOOSE: Final = re.compile(r"[A-Z]{2}(-[^,\"\x00-\x1f\x7f-\x9f]{1,64})?")
_MEANT: Final = frozenset(row.canonical for row in ALIASES.values())


def canonical(code: str) -> str:
    """The one form of a region code that counts: `CN-HK` is `HK`.

    For codes that a table holds: withdrawn codes and unknown subdivisions stay as they are. Databases spell one name
    in many ways, so what follows the first dash is an alias in any case, with or without accents, blanks and dashes:
    `CN-HONG KONG`, `CN-Hong-Kong` and `CN-hk` are `HK` too. What follows a second dash stays where it is no part of a
    name, `CN-HK-KLN` is `HK-KLN`. Calling it twice changes nothing.

    Raises:
        RegionError: Text that has not the shape of a region code.
    """
    alias = ALIASES.get(code)
    if alias is not None:
        return alias.canonical
    if _LOOSE.fullmatch(code) is None:
        raise _refusal(code)
    country, _, rest = code.partition("-")
    aliases = ALIASES_BY_PART.get(country)
    subdivision, dash, detail = rest.partition("-")
    # What is canonical stays, whatever follows: `GE-AB-khazia` would fold like the name of its region.
    if aliases is None or f"{country}-{subdivision}" in _MEANT:
        return code
    alias = aliases.get(folded(rest))
    if alias is not None:
        return alias.canonical
    alias = aliases.get(folded(subdivision)) if dash else None
    return code if alias is None else f"{alias.canonical}-{detail}"


def parse(code: str) -> str:
    """The canonical form of a code that a policy may name.

    The country must be assigned by ISO 3166-1 today, or be `XK`. Of a subdivision only the shape is asked, since
    databases differ in the editions they follow; whether a table tells it is known when a policy is bound to one.

    Raises:
        RegionError: Anything else: names, lower case, alpha-3, numbers, `UK`, groups, withdrawn codes. It suggests
            the right spelling, where there is one.
    """
    alias = ALIASES.get(code)
    if alias is not None and _STRICT.fullmatch(code):
        return alias.canonical
    if not has_form(code):
        raise _refusal(code)
    return code


def has_form(code: str) -> bool:
    """Whether a code is one that a policy may name, canonical or not; `parse` without the cost of its suggestions."""
    match = _STRICT.fullmatch(code)
    return match is not None and match[1] in ASSIGNED


def country(code: str) -> str:
    """The part before the dash of the canonical form: `US` of `US-CA`, `HK` of `CN-HK`."""
    return canonical(code).partition("-")[0]


def contains(outer: str, inner: str) -> bool:
    """Whether a region lies in another or is the same: `US` holds `US-CA`; `CN` holds neither `HK`, `MO` nor `TW`.

    ISO 3166-2 has subdivisions of subdivisions in some countries (`FR-ARA` and `FR-69`), and no code shows which lies
    in which. They count as apart.
    """
    whole, part = canonical(outer), canonical(inner)
    return part == whole or part.startswith(f"{whole}-")


def name(code: str) -> str | None:
    """English short name of a country code, of our own choice; `None` for any other code."""
    row = ASSIGNED.get(canonical(code)) or WITHDRAWN.get(code)
    return None if row is None else row.name


def is_user_assigned(code: str) -> bool:
    """Whether the country of a code is none of ISO's but left to users: `XK`."""
    row = ASSIGNED.get(country(code))
    return row is not None and row.user_assigned


def _refusal(code: str) -> RegionError:
    if code in GROUPS:
        return RegionError(f"`{code}` is a group and stands for several regions: name one region here")
    head = code.partition("-")[0]
    if head in WITHDRAWN:
        row = WITHDRAWN[head]
        return RegionError(f"{shown(code)} is withdrawn, once used for {row.name}", suggestions=row.successors)
    # A name of a database, such as `CN-Hong Kong`, is one alias away from its code.
    form = canonical(code) if _LOOSE.fullmatch(code) else code
    meant = (form,) if form != code and has_form(form) else near(code)
    return RegionError(f"{shown(code)} is no region code of ISO 3166", suggestions=meant)
