"""Who is present, in columns: rows are used again, and grow by doubling.

A connection has a row, and each of its addresses another one in a second set of columns, where they are a list: the
row holds the first, each address the next. So nothing has to be moved when somebody shows one address more, and all
addresses lie side by side for a table to answer. Texts are the callers' own objects, and go with the row that they
are of: a table of all texts would have to be searched now and then for those that nobody has any more.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Final, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table
from regionfast.errors import RosterError
from regionfast.meetings.columns import TextColumn, distinct, in_order
from regionfast.meetings.kinds import Integers
from regionfast.meetings.monitor.door import Joiner
from regionfast.meetings.roster import V6, Grouped, Parsed, Roster
from regionfast.policy.model import Entry, Order

_LEAST: Final = 64
"""Rows that there is room for from the start."""
_NOBODY: Final = (1 << 32) - 1
"""The meeting of a row that is free."""
_END: Final = -1
"""The row that follows the last one, and that a free address is of; smaller than any row."""

_Column = TypeVar("_Column", bound=np.generic)
_Bools: TypeAlias = npt.NDArray[np.bool_]


class _Later(TextColumn):
    """A column whose texts are numbered when they are first asked for.

    Most plans are asked who is in them by those only who act on them, and to compare all texts of the meetings takes
    longer than to decide about everybody in them.
    """

    __slots__ = ("_column", "_texts")
    _column: TextColumn | None
    _texts: npt.NDArray[np.object_]

    def __init__(self, texts: npt.NDArray[np.object_]) -> None:
        object.__setattr__(self, "_texts", texts)
        object.__setattr__(self, "_column", None)
        object.__setattr__(self, "_index", None)
        object.__setattr__(self, "_ranks", None)

    @property
    def codes(self) -> npt.NDArray[np.uint32]:
        return self._numbered.codes

    @property
    def values(self) -> tuple[str | None, ...]:
        return self._numbered.values

    @property
    def null_code(self) -> int | None:
        return self._numbered.null_code

    @property
    def _numbered(self) -> TextColumn:
        column = self._column
        if column is None:
            column = distinct(self._texts.tolist(), len(self._texts))
            object.__setattr__(self, "_column", column)
        return column

    def __len__(self) -> int:
        return len(self._texts)


class Meeting:
    """A meeting in which somebody is present."""

    __slots__ = ("account", "code", "name", "rows", "series")

    def __init__(self, code: int, name: str, account: str | None, series: str | None) -> None:
        self.code = code
        self.name = name
        self.account = account
        self.series = series
        self.rows: dict[str, int] = {}
        """By the id of a connection."""


class Present:
    """The connections that are present."""

    def __init__(self) -> None:
        self._numbers = _Numbers()
        self._meeting = np.full(_LEAST, _NOBODY, np.uint32)
        self._first = np.full(_LEAST, _END, np.int64)
        self._connections = np.full(_LEAST, None, np.object_)
        self._participants = np.full(_LEAST, None, np.object_)
        self._roles = np.full(_LEAST, None, np.object_)
        self._addresses = _Addresses()
        self._meetings: dict[str, Meeting] = {}
        self._by_code: list[Meeting | None] = []
        self._codes = _Numbers()

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def meeting_count(self) -> int:
        """Meetings in which somebody is."""
        return len(self._meetings)

    def check(self, meeting: str, account: str | None, series: str | None) -> None:
        """Refuse another account or series than the meeting has by those who are present."""
        there = self._meetings.get(meeting)
        if there is None or (there.account == account and there.series == series):
            return
        name = "account" if there.account != account else "series"
        raise RosterError(
            f"meeting `{meeting}` has another `{name}` by those who are present (none is one too): a meeting has one"
        )

    def find(self, meeting: str, connection: str) -> int | None:
        """The row of a connection; `None` where it is not present."""
        there = self._meetings.get(meeting)
        return None if there is None else there.rows.get(connection)

    def person(self, row: int) -> tuple[Meeting, str | None, str | None]:
        """The meeting, participant and role of a row."""
        there = self._by_code[self._meeting[row]]
        assert there is not None  # the row is of somebody
        return there, self._participants[row], self._roles[row]

    def add(self, joiner: Joiner) -> int:
        """Hold one connection that is not there yet; gives its row."""
        there = self._meetings.get(joiner.meeting) or self._open(joiner.meeting, joiner.account, joiner.series)
        row = self._numbers.one()
        if row >= len(self._meeting):
            self._grow(row + 1)
        there.rows[joiner.connection] = row
        self._meeting[row] = there.code
        self._connections[row] = joiner.connection
        self._participants[row] = joiner.participant
        self._roles[row] = joiner.role
        self._first[row] = self._addresses.add(row, joiner.addresses)
        return row

    def add_all(self, roster: Roster, chosen: Integers) -> Integers:
        """Hold some connections of a roster that are not there yet; gives their rows."""
        rows = self._numbers.many(len(chosen))
        if self._numbers.end > len(self._meeting):
            self._grow(self._numbers.end)
        numbers = rows.tolist()
        assert roster.connections is not None  # the monitor refuses a roster without ids
        connections = roster.connections[chosen].to_numpy()
        codes = roster.meetings.codes[chosen]
        meetings: dict[int, Meeting] = {}
        for code in _marked(codes.astype(np.int64), len(roster.meetings.values)).tolist():
            name, account, series = meeting_of(roster, code)
            meetings[code] = self._meetings.get(name) or self._open(name, account, series)
        for code, connection, row in zip(codes.tolist(), connections.tolist(), numbers, strict=True):
            meetings[code].rows[connection] = row
        new_codes = np.zeros(len(roster.meetings.values), np.uint32)
        new_codes[list(meetings)] = [there.code for there in meetings.values()]
        self._meeting[rows] = new_codes[codes]
        self._connections[rows] = connections
        self._participants[rows] = roster.participants[chosen].to_numpy()
        self._roles[rows] = None if roster.roles is None else roster.roles[chosen].to_numpy()
        self._first[rows] = self._addresses.add_all(rows, roster, chosen)
        return rows

    def remove(self, meeting: str, connection: str) -> int | None:
        """Forget a connection; gives the row that it had, `None` where it was not there."""
        there = self._meetings.get(meeting)
        row = None if there is None else there.rows.pop(connection, None)
        if there is None or row is None:
            return None
        self._addresses.remove(int(self._first[row]))
        self._meeting[row] = _NOBODY
        self._connections[row] = self._participants[row] = self._roles[row] = None
        self._numbers.give_back(row)
        if not there.rows:
            del self._meetings[meeting]
            self._by_code[there.code] = None
            self._codes.give_back(there.code)
        return row

    def readdress(self, row: int, addresses: Parsed) -> None:
        """Give a connection other addresses."""
        self._addresses.remove(int(self._first[row]))
        self._first[row] = self._addresses.add(row, addresses)

    def rows(self) -> Integers:
        """All rows, ascending."""
        return np.flatnonzero(self._meeting[: self._numbers.end] != _NOBODY)

    def rows_in(self, meetings: Sequence[Meeting]) -> Integers:
        """The rows of some meetings, those of one after those of another."""
        if 4 * len(meetings) > len(self._meetings):
            rows = self.rows()  # one pass over all takes less time than many small ones
            return rows[self.are_in(rows, meetings)]
        count = sum(len(there.rows) for there in meetings)
        return np.fromiter(chain.from_iterable(there.rows.values() for there in meetings), np.int64, count)

    def are_in(self, rows: Integers, meetings: Sequence[Meeting]) -> _Bools:
        """Which rows are in one of some meetings."""
        if len(meetings) == len(self._meetings):
            return np.ones(len(rows), np.bool_)
        chosen = np.zeros(self._codes.end, np.bool_)
        chosen[[there.code for there in meetings]] = True
        return chosen[self._meeting[rows]]

    def meetings_of(self, rows: Integers) -> list[Meeting]:
        """The meetings that some rows are in."""
        codes = _marked(self._meeting[rows].astype(np.int64), self._codes.end).tolist()
        return [there for code in codes if (there := self._by_code[code]) is not None]

    def meeting(self, name: str) -> Meeting | None:
        """A meeting; `None` where nobody is in it."""
        return self._meetings.get(name)

    def reached_by(self, entries: Iterable[Entry]) -> list[Meeting]:
        """The meetings that one of some orders and rules names. O(meetings) where one names them by account or series.

        Compare `reach.reached`, which asks the same of a roster.
        """
        names: dict[str, None] = {}
        accounts: set[str] = set()
        series: set[str] = set()
        own: list[tuple[str, frozenset[str], frozenset[str]]] = []
        for entry in entries:
            if not isinstance(entry, Order):
                own.append((entry.account, frozenset(entry.meetings), frozenset(entry.series)))
            elif entry.scope.everywhere:
                return list(self._meetings.values())
            else:
                names.update(dict.fromkeys(entry.scope.meetings))
                accounts.update(entry.scope.accounts)
                series.update(entry.scope.series)
        found = {name: there for name in names if (there := self._meetings.get(name)) is not None}
        if accounts or series:
            found.update((there.name, there) for there in self._meetings.values() if there.account in accounts)
            found.update((there.name, there) for there in self._meetings.values() if there.series in series)
        if own:
            found.update(_of_rules(own, self._meetings.values()))
        return list(found.values())

    def moved(self, before: Table, after: Table) -> Integers:
        """The rows of which some address is elsewhere by another table, or by its database alone. O(addresses)."""
        differs = self._addresses.differ(before, after)
        if before.base is not before or after.base is not after:
            differs |= self._addresses.differ(before.base, after.base)
        return _marked(self._addresses.owners(differs), self._numbers.end)

    def united(self, rows: Integers, others: Integers) -> Integers:
        """The rows that are among some or others, ascending."""
        if not len(rows) or not len(others):
            return rows if len(rows) else others
        return _marked(np.concatenate([rows, others]), self._numbers.end)

    def roster(self, rows: Integers, at: datetime, *, nameless: bool = False) -> Roster:
        """Some connections with all that is known of them, or without participants, roles and ids. O(rows)."""
        codes, used = in_order(self._meeting[rows].astype(np.int64), self._codes.end)
        meetings = [there for code in used.tolist() if (there := self._by_code[code]) is not None]
        accounts = distinct([there.account for there in meetings], len(meetings))
        series = distinct([there.series for there in meetings], len(meetings))

        def texts(column: npt.NDArray[np.object_]) -> TextColumn:
            return TextColumn(np.zeros(len(rows), np.uint32), (None,)) if nameless else _Later(column[rows])

        return Roster.assembled(
            {
                "participants": texts(self._participants),
                "meetings": TextColumn(codes, tuple(there.name for there in meetings)),
                "accounts": accounts[codes],
                "series": series[codes],
                "roles": texts(self._roles),
                "connections": texts(self._connections),
            },
            {"account": accounts.codes.astype(np.int32), "series": series.codes.astype(np.int32)},
            self._addresses.of(self._first[rows]),
            at,
        )

    def _open(self, name: str, account: str | None, series: str | None) -> Meeting:
        there = Meeting(self._codes.one(), name, account, series)
        if there.code == len(self._by_code):
            self._by_code.append(there)
        else:
            self._by_code[there.code] = there
        self._meetings[name] = there
        return there

    def _grow(self, least: int) -> None:
        self._meeting = _grown(self._meeting, least, _NOBODY)
        self._first = _grown(self._first, least, _END)
        self._connections = _grown(self._connections, least, None)
        self._participants = _grown(self._participants, least, None)
        self._roles = _grown(self._roles, least, None)


def meeting_of(roster: Roster, code: int) -> tuple[str, str | None, str | None]:
    """A meeting of a roster by its code: name, account, series."""
    name = roster.meetings.values[code]
    assert name is not None  # a roster has a meeting in every row
    account = series = None
    if roster.accounts is not None and roster.account_of_meeting is not None:
        account = roster.accounts.values[roster.account_of_meeting[code]]
    if roster.series is not None and roster.series_of_meeting is not None:
        series = roster.series.values[roster.series_of_meeting[code]]
    return name, account, series


def _of_rules(
    own: Sequence[tuple[str, frozenset[str], frozenset[str]]], meetings: Iterable[Meeting]
) -> Iterator[tuple[str, Meeting]]:
    """The meetings that rules name: only those of their own account."""
    by_account: dict[str, list[tuple[frozenset[str], frozenset[str]]]] = {}
    for account, names, series in own:
        by_account.setdefault(account, []).append((names, series))
    for there in meetings:
        for names, series in by_account.get(there.account or "", ()):
            if (not names and not series) or there.name in names or there.series in series:
                yield there.name, there


class _Addresses:
    """The addresses of all rows."""

    def __init__(self) -> None:
        self._numbers = _Numbers()
        self._families = np.zeros(_LEAST, np.uint8)
        self._v4 = np.zeros(_LEAST, np.uint32)
        # Most servers see no IPv6 for a long time, or ever, and it takes four times the memory of all the rest.
        self._v6 = np.zeros((0, 16), np.uint8)
        self._owner = np.full(_LEAST, _END, np.int64)
        self._next = np.full(_LEAST, _END, np.int64)

    def add(self, owner: int, addresses: Parsed) -> int:
        """Keep the addresses of a row; gives the first."""
        families, v4, v6 = addresses
        following = _END
        at_v6 = len(v6)
        for index in range(len(families) - 1, -1, -1):
            number = self._numbers.one()
            if number >= len(self._families):
                self._grow(number + 1)
            self._families[number] = families[index]
            self._v4[number] = v4[index]
            if families[index] == V6:
                at_v6 -= 1
                self._has_v6()[number] = v6[at_v6]
            self._owner[number] = owner
            self._next[number] = following
            following = number
        return following

    def add_all(self, owners: Integers, roster: Roster, chosen: Integers) -> Integers:
        """Keep the addresses of some connections of a roster; gives the first of each."""
        starts = np.arange(len(roster) + 1) if roster.starts is None else roster.starts
        counts = starts[chosen + 1] - starts[chosen]
        firsts = np.cumsum(counts) - counts
        given = np.arange(int(counts.sum())) + np.repeat(starts[chosen] - firsts, counts)
        numbers = self._numbers.many(len(given))
        if self._numbers.end > len(self._families):
            self._grow(self._numbers.end)
        families = roster.families[given]
        self._families[numbers] = families
        self._v4[numbers] = roster.v4[given]
        six = np.flatnonzero(families == V6)
        if len(six):
            self._has_v6()[numbers[six]] = roster.v6[np.searchsorted(roster.v6_rows, given[six])]
        self._owner[numbers] = np.repeat(owners, counts)
        following = np.full(len(numbers), _END, np.int64)
        following[:-1] = numbers[1:]
        following[firsts + counts - 1] = _END
        self._next[numbers] = following
        first: Integers = numbers[firsts]
        return first

    def remove(self, number: int) -> None:
        """Forget an address and all that follow it."""
        while number != _END:
            following = int(self._next[number])
            self._owner[number] = _END
            self._families[number] = 0
            self._v4[number] = 0
            if len(self._v6):
                self._v6[number] = 0  # nothing is kept of who is gone
            self._numbers.give_back(number)
            number = following

    def of(self, firsts: Integers) -> Grouped:
        """The addresses of some rows, given by the first of each."""
        of, numbers = np.arange(len(firsts)), firsts
        whose, found = [of], [numbers]
        while True:
            following = self._next[numbers]
            more = following != _END
            if not more.any():
                break
            of, numbers = of[more], following[more]
            whose.append(of)
            found.append(numbers)
        starts = None
        numbers = found[0]
        if len(found) > 1:
            of = np.concatenate(whose)
            numbers = np.concatenate(found)[np.argsort(of, kind="stable")]
            starts = np.zeros(len(firsts) + 1, np.int64)
            np.cumsum(np.bincount(of), out=starts[1:])
        families = self._families[numbers]
        v6 = self._v6[numbers[families == V6]] if len(self._v6) else self._v6
        return Grouped(families, self._v4[numbers], v6, starts)

    def differ(self, before: Table, after: Table) -> _Bools:
        """Which addresses are elsewhere by another table; free ones too."""
        slots: dict[str, int] = {}
        for slot, region in enumerate(after.regions):
            slots.setdefault(str(region) if region is not None else f"{slot}", slot)
        was = _translated(before, slots)[self._slots(before)]
        now = _translated(after, slots)[self._slots(after)]
        differs: _Bools = was != now
        return differs

    def owners(self, chosen: _Bools) -> Integers:
        """The row of each of some addresses, but of the free ones."""
        owners = self._owner[: self._numbers.end]
        found: Integers = owners[chosen & (owners != _END)]
        return found

    def _slots(self, table: Table) -> npt.NDArray[np.uint16]:
        """The slot of each address; of what is no address that of 0.0.0.0, which no entry is asked about."""
        end = self._numbers.end
        slots = table.lookup_many(self._v4[:end]).slots
        six = np.flatnonzero(self._families[:end] == V6) if len(self._v6) else ()
        if len(six):
            slots = slots.copy()
            slots[six] = table.lookup_many(self._v6[six]).slots
        return slots

    def _has_v6(self) -> npt.NDArray[np.uint8]:
        if not len(self._v6):
            self._v6 = np.zeros((len(self._families), 16), np.uint8)
        return self._v6

    def _grow(self, least: int) -> None:
        self._families = _grown(self._families, least, 0)
        self._v4 = _grown(self._v4, least, 0)
        self._owner = _grown(self._owner, least, _END)
        self._next = _grown(self._next, least, _END)
        if len(self._v6):
            self._v6 = _grown(self._v6, least, 0)


def _translated(table: Table, slots: Mapping[str, int]) -> npt.NDArray[np.uint16]:
    """For each slot that of another table which says the same; regions by their code, and statuses by their number.

    A code may have several slots, one for each evidence, which is nothing that is decided by.
    """
    texts = [f"{slot}" if region is None else str(region) for slot, region in enumerate(table.regions)]
    return np.array([slots.get(text, _NOWHERE) for text in texts], np.uint16)


_NOWHERE: Final = (1 << 16) - 1
"""What stands for a region that the other table has not; no table has so many slots."""


class _Numbers:
    """Which numbers are in use, all of them below `end`; those given back are used first."""

    __slots__ = ("_free", "end")

    def __init__(self) -> None:
        self.end = 0
        self._free = array("q")

    def one(self) -> int:
        if self._free:
            return self._free.pop()
        self.end += 1
        return self.end - 1

    def many(self, count: int) -> Integers:
        used = min(count, len(self._free))
        first = len(self._free) - used
        again = np.array(self._free[first:], np.int64)
        del self._free[first:]
        fresh = np.arange(self.end, self.end + count - used)
        self.end += count - used
        return np.concatenate([again, fresh])

    def give_back(self, number: int) -> None:
        self._free.append(number)

    def __len__(self) -> int:
        return self.end - len(self._free)


def _marked(numbers: Integers, size: int) -> Integers:
    """The different numbers, ascending; one pass over all that there might be: sorting takes ten times as long."""
    there = np.zeros(size, np.bool_)
    there[numbers] = True
    return np.flatnonzero(there)


def _grown(column: npt.NDArray[_Column], least: int, fill: int | None) -> npt.NDArray[_Column]:
    """A longer copy, at least twice as long, with something in all new rows."""
    longer = np.full((max(2 * len(column), least), *column.shape[1:]), fill, column.dtype)
    longer[: len(column)] = column
    return longer
