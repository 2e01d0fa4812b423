"""Groups of regions: ours, which have effective dates, and those that the owner of a rule defines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from regionfast.regions.codes import parse
from regionfast.regions.data import GROUPS, Group
from regionfast.regions.error import RegionError, shown
from regionfast.regions.sets import RegionSet
from regionfast.regions.spelling import known

_OWN_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_CODE_LIKE: Final = re.compile(r"[A-Za-z]{2}([-_][A-Za-z0-9]{1,3})?", re.ASCII)


def is_group(name: str) -> bool:
    """Whether a name is one of our groups: `EU`, `EU-TERRITORY`, `EEA`, `SCHENGEN`."""
    return name in GROUPS


def group(name: str, at: datetime) -> RegionSet:
    """The regions that one of our groups has at a moment.

    Raises:
        RegionError: No such group; a time without its offset; a time before the records of the group begin.
    """
    if at.utcoffset() is None:
        raise RegionError("a group is asked for at a time with its offset, such as `2020-02-01T00:00:00Z`")
    found = _found(name)
    moment = at.astimezone(UTC)
    if moment < found.since:
        raise RegionError(f"group `{name}` is recorded from {found.since:%Y-%m-%dT%H:%M:%SZ} on")
    return RegionSet(
        row.region for row in found.rows if row.since <= moment and (row.until is None or moment < row.until)
    )


def group_changes(name: str) -> tuple[datetime, ...]:
    """The moments at which one of our groups changes, ascending, UTC: between two of them `group` is the same.

    For caches: the first is the moment that its records begin, before which `group` refuses.

    Raises:
        RegionError: No such group.
    """
    found = _found(name)
    moments = {moment for row in found.rows for moment in (row.since, row.until) if moment is not None}
    return tuple(sorted({found.since} | {moment for moment in moments if moment > found.since}))


def check_groups(groups: Mapping[str, Sequence[str]]) -> tuple[RegionError, ...]:
    """All that is wrong with own groups, each with its place: names, members, circles. None where they are sound.

    A group may hold codes, our groups and other own groups. Its name may be none of a region or of our groups in any
    spelling, else `china` or `cn` as a group would make policies read a word as a place.
    """
    wrong = [error for name in groups if (error := _bad_name(name)) is not None]
    for name, members in groups.items():
        if isinstance(members, str) or not members:
            wrong.append(RegionError("a group is a list of at least one region", place=name))
            continue
        for index, member in enumerate(members):
            if member in groups or is_group(member):
                continue
            try:
                parse(member)
            except RegionError as error:
                wrong.append(
                    RegionError(error.message, suggestions=error.suggestions, place=f"{name}[{index}]"),
                )
    if not wrong:
        wrong.extend(_circles(groups))
    return tuple(wrong)


def expand(names: Iterable[str], at: datetime, groups: Mapping[str, Sequence[str]] | None = None) -> RegionSet:
    """The places that codes, our groups as of a moment and own groups name together.

    Raises:
        RegionError: Own groups that are not sound, a name that is neither, a time that `group` refuses.
    """
    if isinstance(names, str):
        raise RegionError("regions are a list of names, not one text")
    own = groups or {}
    wrong = check_groups(own)
    if wrong:
        raise wrong[0]
    codes: list[str] = []
    regions = RegionSet()
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name in own:
            if name not in seen:
                seen.add(name)
                waiting.extend(own[name])
        elif is_group(name):
            regions |= group(name, at)
        else:
            codes.append(parse(name))
    return regions | RegionSet(codes)


def _found(name: str) -> Group:
    found = GROUPS.get(name)
    if found is None:
        upper = name.strip().upper()
        raise RegionError(f"{shown(name)} is no group", suggestions=(upper,) if upper in GROUPS else ())
    return found


def _bad_name(name: str) -> RegionError | None:
    if is_group(name) or known(name) or _CODE_LIKE.fullmatch(name):
        return RegionError("a group of your own needs a name that names no region or group of ours", place=name)
    if _OWN_NAME.fullmatch(name) is None:
        return RegionError("the name of a group starts with a letter and has letters, digits, `-` and `_`", place=name)
    return None


def _circles(groups: Mapping[str, Sequence[str]]) -> list[RegionError]:
    """One error for each group that holds itself, by whatever detour."""
    wrong = []
    for name, members in groups.items():
        reached, waiting = set[str](), [member for member in members if member in groups]
        while waiting:
            member = waiting.pop()
            if member not in reached:
                reached.add(member)
                waiting.extend(below for below in groups[member] if below in groups)
        if name in reached:
            wrong.append(RegionError("a group that holds itself: take out one of the names on the way", place=name))
    return wrong
