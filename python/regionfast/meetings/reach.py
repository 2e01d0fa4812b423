"""Which meetings of a roster an order or rule names, whether it is in force or not."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from regionfast.meetings.columns import TextColumn
from regionfast.meetings.roster import Roster
from regionfast.policy.model import Entry, Order

Meetings = npt.NDArray[np.bool_]
"""By code of a meeting, whether it is meant."""


def reached(entry: Entry, roster: Roster) -> Meetings:
    """The meetings that an entry names; one that it names by a column which the roster lacks is not among them."""
    count = len(roster.meetings.values)
    if isinstance(entry, Order):
        scope = entry.scope
        if scope.everywhere:
            return np.ones(count, np.bool_)
        own = _named(scope.accounts, roster.accounts, roster.account_of_meeting, count)
        meetings, series = scope.meetings, scope.series
    else:
        own = _named((entry.account,), roster.accounts, roster.account_of_meeting, count)
        meetings, series = entry.meetings, entry.series
        if not meetings and not series:
            return own
    listed = _named(meetings, roster.meetings, None, count)
    listed |= _named(series, roster.series, roster.series_of_meeting, count)
    return listed | own if isinstance(entry, Order) else listed & own


def _named(
    names: Iterable[str], column: TextColumn | None, of_meeting: npt.NDArray[np.int32] | None, count: int
) -> Meetings:
    """The meetings with one of some names in a column; without `of_meeting` the column is that of the meetings."""
    found = np.zeros(count, np.bool_)
    if column is None:
        return found
    codes = [column.index[name] for name in names if name in column.index]
    if of_meeting is None:
        found[codes] = True
        return found
    return np.isin(of_meeting, codes)


def nearly(entry: Entry, roster: Roster) -> list[tuple[str, str]]:
    """Names that no meeting has, each with that of a meeting which differs in blanks, dashes or case only.

    They are what was meant, or are not: nothing is decided by them.
    """
    names = entry.scope.meetings if isinstance(entry, Order) else entry.meetings
    missing = [name for name in names if name not in roster.meetings.index]
    if not missing:
        return []
    alike = {_plain(text): text for text in roster.meetings.values if text is not None}
    return [(name, alike[_plain(name)]) for name in missing if _plain(name) in alike]


def nearly_in(names: Iterable[str], column: TextColumn) -> int:
    """How many names are not in a column, while one that differs in blanks, dashes or case only is."""
    missing = [name for name in names if name not in column.index]
    if not missing:
        return 0
    alike = {_plain(text) for text in column.values if text is not None}
    return sum(_plain(name) in alike for name in missing)


def _plain(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())
