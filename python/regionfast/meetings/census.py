"""How many connections are where, without saying it of so few that they could be known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from typing import Final

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table
from regionfast.meetings.roster import Integers, Roster
from regionfast.types import Status, TableInfo

FEWEST: Final = 5
"""A smaller number is not shown: in a meeting of ten, one connection of a region is a person."""
APART: Final = timedelta(days=90)
"""From here on table and roster are called apart: networks change hands, in a quarter enough to matter."""

_STRENGTH: Final = (Status.RELAY, Status.UNKNOWN, Status.RESERVED, Status.PRIVATE, Status.INVALID, Status.MISSING)
"""Which status a connection has whose addresses, none of them located, have several: the first of these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusRow:
    """A cell of the census."""

    meeting: str
    where: str | None
    """A region code, a status, `conflict` where addresses of one connection are in several regions, `other` for cells
    that are too small to be shown; `None` in the only row of a meeting that is too small itself."""
    connections: int | None
    """How many; `None` for fewer than `FEWEST` in the whole meeting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """How many connections are where, by a table; never who."""

    rows: tuple[CensusRow, ...]
    """By meeting in order of first appearance, largest cells first, `other` last."""
    totals: dict[str, int]
    """Over all meetings, by `where`, largest first, `other` last: the sums of the rows. Meetings that are too small
    count together, as if they were one; where they are too few even so, they are not in it."""
    connections: int
    """The sum of `totals`."""
    unlocated: float | None
    """Share of `connections` with a status instead of a region: what the table does not know. Without `exact` at least
    that, since `other` may hold more. `None` where there are none, or all of them are in `other`."""
    is_exact: bool
    """Whether small cells are shown."""
    warnings: tuple[str, ...]
    """What a reader should know."""

    def to_dict(self) -> dict[str, object]:
        """The same as plain values, for JSON."""
        return asdict(self)


def census(table: Table, roster: Roster, *, exact: bool = False) -> Census:
    """Count connections by meeting and region.

    A connection whose located addresses are all in one region is there, whatever the others are. Where they are in
    several it is `conflict`, and where none is located it has the strongest status of `relay`, `unknown`,
    `reserved`, `private`, `invalid`, `missing`. O(addresses).

    Args:
        table: What places the addresses, overrides included.
        roster: The connections.
        exact: Show every cell. Otherwise cells below 5 are folded into `other`; where `other` would then be below 5
            itself, the next smallest cell joins it, so that it cannot be computed from the meeting's total; and a
            meeting of fewer than 5 has one row without a number.
    """
    names, wheres = _wheres(table, roster)
    meetings = roster.meetings
    size = np.bincount(meetings.codes, minlength=len(meetings.values))
    is_small = (size < (0 if exact else FEWEST))[meetings.codes]
    rows: list[CensusRow] = []
    totals: dict[str, int] = {}
    shown = dict(_cells(meetings.codes[~is_small], wheres[~is_small], names))
    pooled = dict(_cells(np.zeros(int(is_small.sum()), np.uint32), wheres[is_small], names)).get(0, {})
    for code, meeting in enumerate(meetings.values):
        assert meeting is not None  # `Roster` refuses it
        if code not in shown:
            rows.append(CensusRow(meeting=meeting, where=None, connections=None))
            continue
        cells = folded(shown[code], exact=exact)
        rows += [CensusRow(meeting=meeting, where=where, connections=count) for where, count in cells.items()]
        _add(totals, cells)
    # Totals are sums of what is shown, never of what is behind it: a difference would give the folded cells away.
    if sum(pooled.values()) >= FEWEST:
        _add(totals, folded(pooled, exact=exact))
    connections = sum(totals.values())
    statuses = {str(status) for status in _STRENGTH}
    unlocated = sum(count for where, count in totals.items() if where in statuses)
    is_said = exact or not totals.keys() <= {OTHER}
    return Census(
        rows=tuple(rows),
        totals=dict(sorted(totals.items(), key=_largest_first)),
        connections=connections,
        unlocated=unlocated / connections if connections and is_said else None,
        is_exact=exact,
        warnings=tuple(_warnings(table.info, roster)),
    )


CONFLICT: Final = "conflict"
OTHER: Final = "other"


def _wheres(table: Table, roster: Roster) -> tuple[list[str], Integers]:
    """The different texts of `where`, and which of them each connection has."""
    names = [*map(str, _STRENGTH), CONFLICT]
    first = len(names)
    numbers: dict[str, int] = {}
    of_slot = np.empty(len(table.regions), np.int64)
    for slot, region in enumerate(table.regions):
        if region is None:
            # The slots beyond the statuses' own are for a relay that an override names.
            of_slot[slot] = _STRENGTH.index(Status(slot) if slot in _STRENGTH else Status.RELAY)
        else:
            of_slot[slot] = first + numbers.setdefault(region.code, len(numbers))  # an override has slots of its own
    names += numbers
    wheres = of_slot[roster.lookup(table)]
    if roster.starts is not None:
        starts = roster.starts[:-1]
        last = np.maximum.reduceat(wheres, starts)
        nearest = np.minimum.reduceat(np.where(wheres >= first, wheres, len(names)), starts)
        strongest = np.minimum.reduceat(wheres, starts)
        wheres = np.where(last < first, strongest, np.where(nearest == last, last, first - 1))
    return names, wheres


def _cells(
    meetings: npt.NDArray[np.uint32], wheres: Integers, names: list[str]
) -> Iterator[tuple[int, dict[str, int]]]:
    """By code of a meeting how many connections are where."""
    found, counts = np.unique(meetings.astype(np.int64) * len(names) + wheres, return_counts=True)
    of_meeting = zip((found // len(names)).tolist(), (found % len(names)).tolist(), counts.tolist(), strict=True)
    for meeting, cells in groupby(of_meeting, key=itemgetter(0)):
        yield meeting, {names[where]: count for _, where, count in cells}


def folded(cells: dict[str, int], *, exact: bool) -> dict[str, int]:
    """The cells that may be shown, largest first."""
    ordered = sorted(cells.items(), key=_largest_first)
    other = 0
    while not exact and ordered and (ordered[-1][1] < FEWEST or 0 < other < FEWEST):
        other += ordered.pop()[1]
    return dict(ordered) | ({OTHER: other} if other else {})


def _add(totals: dict[str, int], cells: dict[str, int]) -> None:
    for where, count in cells.items():
        totals[where] = totals.get(where, 0) + count


def _largest_first(cell: tuple[str, int]) -> tuple[bool, int, str]:
    where, count = cell
    return where == OTHER, -count, where


def _warnings(info: TableInfo, roster: Roster) -> Iterator[str]:
    if info.built_at is None:
        yield "the table has no date, so nobody knows how old it is"
    if roster.at is None:
        yield "the roster has no date (`at`), so nobody knows whether the table fits it"
    if info.built_at is not None and roster.at is not None and abs(roster.at - info.built_at) > APART:
        days = abs(roster.at - info.built_at).days
        yield f"table and roster are {days} days apart: networks have moved between them"
