"""The connections that are present in meetings: columns, not objects."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Protocol, Self, TypeAlias, cast
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table, parse_many
from regionfast.errors import RosterError
from regionfast.exports import File, Sheet, ignored, own_columns, read_csv, read_export
from regionfast.meetings.columns import Encoder, TextColumn, Texts, encode
from regionfast.types import Addresses, ArrowArray, ArrowStream, Status

Integers: TypeAlias = npt.NDArray[np.int64]
Parsed: TypeAlias = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32], npt.NDArray[np.uint8]]
"""What `parse_many` gives: families, IPv4 addresses, IPv6 addresses."""


class Frame(Protocol):
    """A pandas or Polars frame."""

    @property
    def columns(self) -> Iterable[str]:
        """Its headings."""

    def __getitem__(self, column: str, /) -> object: ...


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Grouped:
    """Addresses of connections, those of one after those of another."""

    families: npt.NDArray[np.uint8]
    v4: npt.NDArray[np.uint32]
    v6: npt.NDArray[np.uint8]
    """Of the IPv6 ones only, `(n, 16)`."""
    starts: Integers | None
    """See `Roster.starts`."""


@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class Roster:
    """The connections that are present in meetings, with the addresses that each shows.

    All columns but those of addresses have one row a connection, in order of first appearance. Addresses are stored
    grouped by connection. Arrays are read-only.
    """

    participants: TextColumn
    """Who it is; `None` where that is not known. The same participant may have several connections."""
    meetings: TextColumn
    """The meeting, never `None`."""
    accounts: TextColumn | None
    """The account that owns the meeting; the whole column is `None` where the roster does not say."""
    series: TextColumn | None
    """The recurring meeting that the meeting is an occurrence of."""
    roles: TextColumn | None
    """The participant's role: `host`, `interpreter`."""
    connections: TextColumn | None
    """The id of the connection."""
    starts: Integers | None
    """Where the addresses of each connection start, and their number at the end: `(connections + 1,)`. `None` where
    each has exactly one."""
    families: npt.NDArray[np.uint8]
    """For each address 4 or 6; 0 where it is missing, 1 where the text was no address."""
    v4: npt.NDArray[np.uint32]
    """For each address the IPv4 one in host byte order; 0 where it is none."""
    v6: npt.NDArray[np.uint8]
    """The IPv6 addresses, `(n, 16)` in network byte order."""
    v6_rows: Integers
    """Which of all addresses each of them is."""
    account_of_meeting: npt.NDArray[np.int32] | None
    """By code of a meeting the code of its account in `accounts`."""
    series_of_meeting: npt.NDArray[np.int32] | None
    """By code of a meeting the code of its series in `series`."""
    at: datetime | None
    """The moment that it shows, where that is known."""
    warnings: tuple[str, ...]
    """What was ignored when it was read from a file or frame."""

    _source_rows: Integers | None
    _found: WeakKeyDictionary[Table, npt.NDArray[np.uint16]] | None
    _canonical: Integers | None
    _digest: str | None

    def __init__(
        self,
        participants: Texts,
        addresses: Addresses,
        *,
        meetings: Texts,
        accounts: Texts | None = None,
        series: Texts | None = None,
        roles: Texts | None = None,
        connections: Texts | None = None,
        at: datetime | None = None,
    ) -> None:
        """Put columns of equal length together. O(rows).

        Args:
            participants: Who it is.
            addresses: One address a row, in any form that `Table.lookup_many` takes.
            meetings: The meeting; every row needs one.
            accounts: The account that owns the meeting, the same in all rows of it.
            series: The recurring meeting, the same in all rows of the meeting.
            roles: The participant's role.
            connections: Rows of one meeting with an equal id are addresses of one connection. A row without an id,
                and every row where the column is left out, is a connection of its own.
            at: The moment that the roster shows, with its offset.

        Raises:
            RosterError: Columns of different length, a row without a meeting, a meeting of two accounts or series, a
                connection of two participants or roles. Names rows, counted from 0, never people.
            TypeError: Addresses in a form that is refused.
        """
        self._fill(
            {
                "participants": encode(participants, "participants"),
                "meetings": encode(meetings, "meetings"),
                "accounts": None if accounts is None else encode(accounts, "accounts"),
                "series": None if series is None else encode(series, "series"),
                "roles": None if roles is None else encode(roles, "roles"),
                "connections": None if connections is None else encode(connections, "connections"),
            },
            _parsed(addresses),
            at,
        )

    @classmethod
    def from_csv(cls, file: File, *, at: datetime | None = None) -> Self:
        """Read our own CSV: a heading, then one address a row.

        Headings, in any case: `participant`, `address` (or `ip`), `meeting`, and, where wanted, `account`, `series`,
        `role`, `connection`; `ip_address`, `meeting_id` and plurals will do too. Other columns are ignored, which
        `warnings` says. An empty cell is `None`. UTF-8, or UTF-16 with its mark; comma, semicolon or tab; gzip by
        content. Read in parts: what is kept is all that is in memory.

        Args:
            file: A path, or a stream of bytes, which is read to its end and left open.
            at: The moment that the roster shows, with its offset.

        Raises:
            RosterError: The file cannot be read, or the roster is wrong; names lines, the first being 1.
        """
        return cls._of_sheet(read_csv(file), at)

    @classmethod
    def from_export(cls, file: File, *, at: datetime | None = None, zone: tzinfo | None = None) -> Self:
        """Read the participants that a conferencing product exports: Zoom, Google Meet, Webex; see `exports`.

        Args:
            file: As `from_csv`.
            at: Take only who was there at this moment, with its offset. All rows without it.
            zone: The zone of the file's times, where neither they nor their heading say it.

        Raises:
            RosterError: As `from_csv`; also where `at` is given and times have no known zone or form.
        """
        return cls._of_sheet(read_export(file, at=at, zone=zone), at)

    @classmethod
    def from_arrow(cls, table: ArrowStream | ArrowArray, *, at: datetime | None = None) -> Self:
        """Take the columns of an Arrow table, record batch or stream; headings as `from_csv`. Needs pyarrow.

        Raises:
            RosterError: A column is missing or there twice, or the roster is wrong; names rows, counted from 0.
        """
        import pyarrow as pa

        whole = pa.table(table)
        return cls._of_columns(whole.column_names, whole.column, at)

    @classmethod
    def from_frame(cls, frame: Frame, *, at: datetime | None = None) -> Self:
        """Take the columns of a pandas or Polars frame; headings as `from_csv`.

        Raises:
            RosterError: A column is missing or there twice, or the roster is wrong; names rows, counted from 0.
        """
        labels = list(frame.columns)
        return cls._of_columns(list(map(str, labels)), lambda position: frame[labels[position]], at)

    @classmethod
    def _of_sheet(cls, sheet: Sheet, at: datetime | None) -> Self:
        encoders = {name: Encoder(name) for name in sheet.columns if name != "addresses"}
        lines: list[Integers] = [_NO_ROWS]
        parsed: list[Parsed] = [parse_many([])]
        for part in sheet.parts:
            lines.append(np.array(part.lines, np.int64))
            parsed.append(parse_many(part.cells["addresses"]))
            for name, encoder in encoders.items():
                encoder.add(part.cells[name])
        families, v4, v6 = (np.concatenate(arrays) for arrays in zip(*parsed, strict=True))
        columns = {name: encoders[name].column() if name in encoders else None for name in _COLUMNS}
        roster = cls.__new__(cls)
        try:
            cls._fill(
                roster, columns, (families, v4, v6), at, lines=np.concatenate(lines), warnings=tuple(sheet.warnings)
            )
        except RosterError as error:
            raise RosterError(f"{sheet.source}: {error}") from None
        return roster

    @classmethod
    def _of_columns(cls, headings: list[str], column: Callable[[int], object], at: datetime | None) -> Self:
        found = own_columns(headings, "the frame")
        columns = {
            name: encode(cast("Texts", column(found[name])), name) if name in found else None for name in _COLUMNS
        }
        roster = cls.__new__(cls)
        parsed = _parsed(cast("Addresses", column(found["addresses"])))
        cls._fill(roster, columns, parsed, at, warnings=tuple(ignored(headings, found)))
        return roster

    @classmethod
    def assembled(
        cls,
        columns: Mapping[str, TextColumn],
        of_meeting: Mapping[str, npt.NDArray[np.int32]],
        addresses: Grouped,
        at: datetime,
    ) -> Self:
        """Columns that are known to fit together, one row a connection, each with its id. Checks nothing.

        Args:
            columns: All six.
            of_meeting: By `account` and `series` the code of each meeting's.
            addresses: Those of the connections.
            at: The moment that the roster shows, with its offset.
        """
        roster = cls.__new__(cls)
        arrays: dict[str, npt.NDArray[np.generic] | None] = {
            "starts": addresses.starts,
            "families": addresses.families,
            "v4": addresses.v4,
            "v6": addresses.v6,
            "v6_rows": np.flatnonzero(addresses.families == V6) if len(addresses.v6) else _NO_ROWS,
            **{f"{name}_of_meeting": codes for name, codes in of_meeting.items()},
        }
        for array in arrays.values():
            if array is not None:
                array.flags.writeable = False
        rest = {"at": at, "warnings": (), "_source_rows": None, "_found": None, "_canonical": None, "_digest": None}
        for name, value in {**columns, **arrays, **rest}.items():
            object.__setattr__(roster, name, value)
        return roster

    def _fill(
        self,
        columns: dict[str, TextColumn | None],
        parsed: Parsed,
        at: datetime | None,
        *,
        lines: Integers | None = None,
        warnings: tuple[str, ...] = (),
    ) -> None:
        """Check encoded columns, one row an address, and keep them; `lines` are those of a file, for errors."""
        if at is not None and at.utcoffset() is None:
            raise RosterError("`at` has no offset: pass a time such as `datetime.now(UTC)`")
        families, v4, v6 = parsed
        for name, column in columns.items():
            if column is not None and len(column) != len(families):
                raise RosterError(f"`{name}` has {len(column):,} rows and `addresses` {len(families):,}")
        meetings, connections = columns["meetings"], columns["connections"]
        assert meetings is not None
        if meetings.null_code is not None:
            raise RosterError(f"`meetings`, {_at(meetings.codes == meetings.null_code, lines)}: no meeting")
        put = object.__setattr__
        for name in ("account", "series"):
            column = columns["accounts" if name == "account" else name]
            put(self, f"{name}_of_meeting", None if column is None else _of_meeting(meetings, column, name, lines))
        v6_rows = np.flatnonzero(families == V6) if len(v6) else _NO_ROWS
        starts = rows = None
        of = None if connections is None else _connection_of(meetings, connections)
        if of is not None:
            starts, rows = _grouped(of)
            first = rows[starts[:-1]]
            for name in ("participants", "roles"):
                _check_agreement(columns[name], of, first, name, lines)
            columns = {name: None if column is None else column[first] for name, column in columns.items()}
            families, v4 = families[rows], v4[rows]
            if len(v6):
                position = np.empty(len(families), np.int64)
                position[v6_rows] = np.arange(len(v6))
                v6_rows = np.flatnonzero(families == V6)
                v6 = v6[position[rows[v6_rows]]]
        for name, column in columns.items():
            put(self, name, column)
        for array in (starts, rows, families, v4, v6, v6_rows):
            if array is not None:
                array.flags.writeable = False
        put(self, "starts", starts)
        put(self, "families", families)
        put(self, "v4", v4)
        put(self, "v6", v6)
        put(self, "v6_rows", v6_rows)
        put(self, "at", at)
        put(self, "warnings", warnings)
        put(self, "_source_rows", rows)
        put(self, "_found", None)
        put(self, "_canonical", None)
        put(self, "_digest", None)

    def __getstate__(self) -> dict[str, object]:
        """Without the slots that it keeps: they are of tables in this process."""
        return {name: getattr(self, name) for name in self.__slots__ if name != "_found"}

    def __setstate__(self, state: dict[str, object]) -> None:
        for name, value in (state | {"_found": None}).items():
            if isinstance(value, np.ndarray):
                value.flags.writeable = False
            object.__setattr__(self, name, value)

    @property
    def row_count(self) -> int:
        """How many addresses there are, missing and invalid ones included."""
        return len(self.families)

    @property
    def source_rows(self) -> Integers:
        """For each address the row of the input that it was in."""
        if self._source_rows is None:
            rows = np.arange(len(self.families))
            rows.flags.writeable = False
            object.__setattr__(self, "_source_rows", rows)
        assert self._source_rows is not None
        return self._source_rows

    def lookup(self, table: Table) -> npt.NDArray[np.uint16]:
        """The slot of each address by a table. Kept as long as the table lives, 2 bytes an address."""
        if self._found is None:
            object.__setattr__(self, "_found", WeakKeyDictionary())
        assert self._found is not None
        slots = self._found.get(table)
        if slots is None:
            # A copy, since what the table returns keeps the table alive.
            slots = table.lookup_many(self.v4).slots.copy()
            if self.v6_rows.size:
                slots[self.v6_rows] = table.lookup_many(self.v6).slots
            slots[self.families == MISSING] = Status.MISSING
            slots[self.families == INVALID] = Status.INVALID
            slots.flags.writeable = False
            self._found[table] = slots
        return slots

    def addresses(self, connection: int, /) -> tuple[str, ...]:
        """The addresses of one connection, by its index, as `ipaddress` writes them; what is none is left out."""
        first, last = connection, connection + 1
        if self.starts is not None:
            first, last = self.starts[connection : connection + 2].tolist()
        found = []
        for row in range(first, last):
            if self.families[row] == V4:
                found.append(str(IPv4Address(int(self.v4[row]))))
            elif self.families[row] == V6:
                found.append(_v6_text(IPv6Address(self.v6[np.searchsorted(self.v6_rows, row)].tobytes())))
        return tuple(found)

    @property
    def canonical_order(self) -> Integers:
        """The connections sorted by meeting, connection, participant, role and addresses.

        Text sorts by code points, what is missing first; equal ones stay in the order of the input. O(n log n); kept.
        """
        if self._canonical is None:
            order = _canonical_order(self)
            order.flags.writeable = False
            object.__setattr__(self, "_canonical", order)
        assert self._canonical is not None
        return self._canonical

    @property
    def digest(self) -> str:
        """SHA-256 over the connections in canonical order, hexadecimal.

        Independent of the order of rows and of the form of the input. It covers every column, and whether there is
        one, but not `at`. O(n log n); kept.
        """
        if self._digest is None:
            object.__setattr__(self, "_digest", _digest(self))
        assert self._digest is not None
        return self._digest

    def __len__(self) -> int:
        return len(self.meetings)

    def __repr__(self) -> str:
        connections, meetings = len(self), len(self.meetings.values)
        return (
            f"<Roster of {connections:,} connection{'s' * (connections != 1)} "
            f"in {meetings:,} meeting{'s' * (meetings != 1)}>"
        )


_COLUMNS: Final = ("participants", "meetings", "accounts", "series", "roles", "connections")

MISSING: Final = 0
INVALID: Final = 1
V4: Final = 4
V6: Final = 6

_HOLDS_LISTS: Final = re.compile(r"\bis (list|tuple|set|ndarray|Series)\b|column of \w*List")
"""What the engine says of a row that has several addresses."""
_CHUNK: Final = 1 << 16
"""Texts that are hashed together."""
_NO_ROWS: Final[Integers] = np.zeros(0, np.int64)
_FIRST: Final[npt.NDArray[np.int32]] = np.zeros(1, np.int32)
_FIRST.flags.writeable = False


def _v6_text(address: IPv6Address) -> str:
    """As RFC 5952 has it without dotted quads, which newer releases of Python write and commitments must not see."""
    mapped = address.ipv4_mapped
    if mapped is None:
        return str(address)
    return f"::ffff:{int(mapped) >> 16:x}:{int(mapped) & 0xFFFF:x}"


def _parsed(addresses: Addresses) -> Parsed:
    """The addresses, one a row."""
    try:
        return parse_many(addresses)
    except TypeError as error:
        if _HOLDS_LISTS.search(str(error)):
            raise TypeError(f"{error}: repeat the row for each address, with the same `connections`") from None
        raise


def _at(wrong: npt.NDArray[np.bool_], lines: Integers | None) -> str:
    """The first row where something is wrong, in words."""
    return _row(int(np.argmax(wrong)), lines)


def _row(row: int, lines: Integers | None) -> str:
    return f"row {row}" if lines is None else f"line {lines[row]}"


def _of_meeting(meetings: TextColumn, column: TextColumn, name: str, lines: Integers | None) -> npt.NDArray[np.int32]:
    """By code of a meeting what a column says of it, the same in all rows."""
    if len(column) == 1:
        return _FIRST  # one person at the door
    of = np.empty(len(meetings.values), np.int32)
    of[meetings.codes] = column.codes
    differs = of[meetings.codes] != column.codes
    if differs.any():
        row = int(np.argmax(differs))
        other = int(np.argmax((meetings.codes == meetings.codes[row]) & (column.codes != column.codes[row])))
        first, second = sorted((row, other))
        raise RosterError(
            f"{_row(first, lines)} and {_row(second, lines)}: one meeting with two values of `{name}` (none is one "
            "too): a meeting has one"
        )
    of.flags.writeable = False
    return of


def _connection_of(meetings: TextColumn, connections: TextColumn) -> Integers | None:
    """The connection of each row, numbered in order of first appearance; `None` where each row is its own."""
    rows, ids, null = len(connections), len(connections.values), connections.null_code
    if ids == rows:
        return None
    if null is None:
        meeting_of = np.empty(ids, np.uint32)
        meeting_of[connections.codes] = meetings.codes
        if (meeting_of[connections.codes] == meetings.codes).all():
            return connections.codes.astype(np.int64)  # no id is in two meetings: the common case needs no sort
    keys = connections.codes.astype(np.int64) * len(meetings.values) + meetings.codes
    if null is not None:
        alone = np.flatnonzero(connections.codes == null)
        keys[alone] = ids * len(meetings.values) + alone
    _, first, of = np.unique(keys, return_index=True, return_inverse=True)
    if len(first) == rows:
        return None
    number = np.empty(len(first), np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return number[of]


def _grouped(of: Integers) -> tuple[Integers, Integers]:
    """Where the rows of each connection start, and the rows in that order."""
    starts = np.zeros(int(of.max()) + 2, np.int64)
    np.cumsum(np.bincount(of), out=starts[1:])
    if (of[1:] >= of[:-1]).all():
        return starts, np.arange(len(of))
    return starts, np.argsort(of, kind="stable")


def _check_agreement(
    column: TextColumn | None, of: Integers, first: Integers, name: str, lines: Integers | None
) -> None:
    if column is None:
        return
    differs = column.codes[first][of] != column.codes
    if differs.any():
        row = int(np.argmax(differs))
        raise RosterError(
            f"{_row(int(first[of[row]]), lines)} and {_row(row, lines)}: one connection with two values of "
            f"`{name}` (none is one too): a connection has one"
        )


def _canonical_order(roster: Roster) -> Integers:
    columns = [roster.meetings, roster.connections, roster.participants, roster.roles]
    if roster.connections is not None and roster.connections.null_code is None:
        del columns[2:]  # the first two are unique, and sorting a million participants takes half a second
    keys = [np.zeros(len(roster), np.int64)]
    size = 1
    for column in columns:
        if column is not None:
            ranks = column.ranks[column.codes]
            if size * len(column.values) >= 1 << 63:
                keys.append(np.zeros(len(roster), np.int64))
                size = 1
            keys[-1] = keys[-1] * len(column.values) + ranks
            size *= len(column.values)
    order = np.argsort(keys[0], kind="stable") if len(keys) == 1 else np.lexsort(keys[::-1])
    same = np.ones(max(len(roster) - 1, 0), np.bool_)
    for key in keys:
        ordered = key[order]
        same &= ordered[1:] == ordered[:-1]
    if same.any():
        # A tie is between connections without an id, and each of those has one address.
        group = np.zeros(len(roster), np.int64)
        np.cumsum(~same, out=group[1:])
        tied = np.zeros(len(roster), np.bool_)
        tied[1:] |= same
        tied[:-1] |= same
        places = np.flatnonzero(tied)
        rows = order[places]
        addresses = rows if roster.starts is None else roster.starts[rows]
        order[places] = rows[np.lexsort((*_address_keys(roster, addresses), group[places]))]
    return order


def _address_keys(roster: Roster, rows: Integers) -> tuple[npt.NDArray[np.uint64], ...]:
    """What some addresses are sorted by, the least significant first."""
    families = roster.families[rows]
    low = roster.v4[rows].astype(np.uint64)
    high = np.zeros(len(rows), np.uint64)
    of_v6 = np.flatnonzero(families == V6)
    words = roster.v6.view(">u8")[np.searchsorted(roster.v6_rows, rows[of_v6])]
    high[of_v6], low[of_v6] = words[:, 0], words[:, 1]
    return low, high, families.astype(np.uint64)


def _digest(roster: Roster) -> str:
    order = roster.canonical_order
    whole = hashlib.sha256(b"regionfast roster 1")
    whole.update(np.int64(len(order)).astype("<i8").tobytes())
    for column in (roster.meetings, roster.roles, roster.accounts, roster.series):
        # The different texts, sorted, and of each row the place among them: neither depends on the order of rows.
        whole.update(b"\0" if column is None else b"\1")
        if column is not None:
            _add_texts(whole, column, np.argsort(column.ranks))
            whole.update(column.ranks[column.codes[order]].astype("<u4").tobytes())
    for column in (roster.connections, roster.participants):
        # Nearly all differ, so there is nothing to be saved by sorting them.
        whole.update(b"\0" if column is None else b"\1")
        if column is not None:
            _add_texts(whole, column, column.codes[order])
    rows, counts = _address_order(roster, order)
    whole.update(counts.astype("<i8").tobytes())
    families = roster.families[rows]
    whole.update(families.tobytes())
    whole.update(roster.v4[rows].astype("<u4").tobytes())
    whole.update(roster.v6[np.searchsorted(roster.v6_rows, rows[families == V6])].tobytes())
    return whole.hexdigest()


def _add_texts(whole: hashlib._Hash, column: TextColumn, codes: npt.NDArray[np.integer]) -> None:
    """Their number, their lengths in characters, then all of them; `None` is `""`, which no column holds."""
    whole.update(np.int64(len(codes)).astype("<i8").tobytes())
    for first in range(0, len(codes), _CHUNK):
        texts = [column.values[code] or "" for code in codes[first : first + _CHUNK].tolist()]
        whole.update(np.array([*map(len, texts)], "<i8").tobytes())
        whole.update("".join(texts).encode("utf-8", "surrogatepass"))


def _address_order(roster: Roster, order: Integers) -> tuple[Integers, Integers]:
    """The addresses of connections in an order, those of each sorted; and how many each has."""
    starts = roster.starts
    if starts is None:
        return order, np.ones(len(order), np.int64)
    counts = np.diff(starts)
    connection = np.repeat(np.arange(len(counts)), counts)
    rows = np.lexsort((*_address_keys(roster, np.arange(len(roster.families))), connection))
    counts = counts[order]
    ends = np.cumsum(counts)
    return rows[np.arange(len(rows)) + np.repeat(starts[order] - ends + counts, counts)], counts
