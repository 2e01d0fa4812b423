"""How many connections are where, without saying it of so few that they could be known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table
from regionfast.meetings.roster import Roster
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
    """Over all meetings, by `where`, largest first, `other` last; folded as the rows are."""
    connections: int | None
    """All connections; `None` for fewer than `FEWEST`."""
    unlocated: float | None
    """Share of them that the table does not place, which is what it cannot know; `None` where there are too few."""
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
    meetings = roster.meetings.values
    keys = roster.meetings.codes.astype(np.int64) * len(names) + wheres
    found, counts = np.unique(keys, return_counts=True)
    rows: list[CensusRow] = []
    starts = np.searchsorted(found, np.arange(len(meetings) + 1) * len(names))
    for code, meeting in enumerate(meetings):
        assert meeting is not None  # `Roster` has refused it
        here = slice(starts[code], starts[code + 1])
        cells = {names[key % len(names)]: count for key, count in zip(found[here].tolist(), counts[here].tolist())}
        rows += [CensusRow(meeting=meeting, where=w, connections=c) for w, c in _shown(cells, exact=exact).items()]
    return Census(
        rows=tuple(rows),
        totals={},
        connections=len(roster),
        unlocated=None,
        is_exact=exact,
        warnings=_warnings(table.info, roster),
    )
