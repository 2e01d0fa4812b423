"""What a pass over logs has counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table
from regionfast.types import RELAY_BY_OVERRIDE, Status, TableInfo

if TYPE_CHECKING:
    import pyarrow as pa

By: TypeAlias = Literal["region", "status", "hour", "day"]
Key: TypeAlias = "str | tuple[datetime | None, str]"

UNDATED: Final = int(np.iinfo(np.int64).min)
"""The bucket of rows without a time, and of all rows where no times are counted by."""
APART: Final = timedelta(days=90)
"""A table this far from a log is warned of: networks change hands every day, and in a quarter enough to matter."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Tally(NamedTuple):
    """Rows by bucket of time and slot: three columns of one length, sorted, no pair twice."""

    buckets: npt.NDArray[np.int64]
    """Seconds since 1970 at which it starts; `UNDATED`."""
    slots: npt.NDArray[np.uint16]
    rows: npt.NDArray[np.uint64]


def tallied(parts: Sequence[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16], npt.NDArray[np.uint64]]]) -> Tally:
    """The sum of several. O(n log n) of the entries."""
    if not parts:
        return Tally(np.empty(0, np.int64), np.empty(0, np.uint16), np.empty(0, np.uint64))
    buckets, slots, rows = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((slots, buckets))
    buckets, slots, rows = buckets[order], slots[order], rows[order]
    differs = np.ones(len(rows), np.bool_)
    differs[1:] = (buckets[1:] != buckets[:-1]) | (slots[1:] != slots[:-1])
    starts = np.flatnonzero(differs)
    return Tally(buckets[starts], slots[starts], np.add.reduceat(rows, starts) if len(starts) else rows)


def thinned(tally: Tally, most: int) -> tuple[Tally, int]:
    """The first entries with a time, those without, and how many rows of the others became undated."""
    beyond = np.flatnonzero(tally.buckets != UNDATED)[most:]
    buckets = tally.buckets.copy()
    buckets[beyond] = UNDATED
    return tallied([(buckets, tally.slots, tally.rows)]), int(tally.rows[beyond].sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCounts:
    """What came of one file."""

    path: str
    """As the caller named it; `-` is stdin."""
    format: str | None = None
    """One of `formats.FORMATS`; `None` where the file could not be opened or recognised."""
    title: str | None = None
    """The format in words, with the field of the client."""
    compression: str | None = None
    """`none`, `gzip` or `zstd`."""
    lines: int = 0
    rows: int = 0
    unparsed: int = 0
    skipped: int = 0
    failure: str | None = None
    """Why it was not read, or not to its end; what came before the end is counted."""


class Moment(NamedTuple):
    """The rows of an hour or a day."""

    start: datetime | None
    """UTC; `None`: of rows without a time."""
    regions: dict[str, int]
    """Rows by region code, those that are not located by status; most first, then by name."""


class Series(Sequence[Moment]):
    """Rows by time: the hours or days that have rows, ascending, rows without a time last.

    Each moment is made when it is asked for. All of them at once would be a hundred times as large as the numbers: of
    a log whose times are noise, `run.MOST_ENTRIES` moments with a mapping each.
    """

    __slots__ = ("_bounds", "_buckets", "_mapping", "_names", "_of", "_rows")

    def __init__(self, table: Table, tally: Tally) -> None:
        """Take the counts of a pass.

        Args:
            table: Whose slots are counted.
            tally: The counts.
        """
        names, name_of_slot = np.unique(names_of(table), return_inverse=True)
        named = tallied([(tally.buckets, name_of_slot[tally.slots].astype(np.uint16), tally.rows)])
        first = -int((named.buckets == UNDATED).sum())  # `UNDATED` sorts first
        self._names: list[str] = names.tolist()
        self._buckets, self._of, self._rows = (np.roll(column, first) for column in named)
        changes = np.flatnonzero(self._buckets[1:] != self._buckets[:-1]) + 1
        self._bounds = np.unique(np.concatenate([[0], changes, [len(self._buckets)]]))
        self._mapping: dict[Key, int] | None = None

    def __len__(self) -> int:
        return len(self._bounds) - 1

    @overload
    def __getitem__(self, index: int) -> Moment: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Moment, ...]: ...
    def __getitem__(self, index: int | slice) -> Moment | tuple[Moment, ...]:
        if isinstance(index, slice):
            return tuple(self[at] for at in range(*index.indices(len(self))))
        at = range(len(self))[index]
        entries = slice(self._bounds[at], self._bounds[at + 1])
        rows = zip(self._of[entries].tolist(), self._rows[entries].tolist(), strict=True)
        return Moment(moment_of(int(self._buckets[entries][0])), ordered({self._names[of]: some for of, some in rows}))

    def by_time(self) -> dict[Key, int]:
        """All of it as one mapping, most first, then the earlier, then by name. It is made once, and kept."""
        if self._mapping is None:
            buckets, positions = np.unique(self._buckets, return_inverse=True)
            starts = [moment_of(bucket) for bucket in buckets.tolist()]
            when = np.where(self._buckets == UNDATED, np.iinfo(np.int64).max, self._buckets)
            order = np.lexsort((self._of, when, -self._rows.astype(np.int64)))
            columns = (column[order].tolist() for column in (positions, self._of, self._rows))
            self._mapping = {(starts[at], self._names[of]): rows for at, of, rows in zip(*columns, strict=True)}
        return self._mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How the table compares with the country that the writer of a log saw, row by row; the four add up."""

    equal: int = 0
    different: int = 0
    not_located: int = 0
    """The log has a country, the table none."""
    not_given: int = 0
    """The log has none: empty, `XX` (unknown) or `T1` (Tor)."""

    def plus(self, other: Agreement) -> Agreement:
        """The sum of two."""
        return Agreement(
            equal=self.equal + other.equal,
            different=self.different + other.different,
            not_located=self.not_located + other.not_located,
            not_given=self.not_given + other.not_given,
        )


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Counts(Mapping[Key, int]):
    """Rows by what was asked for, and everything else that a pass over logs can say.

    As a mapping, `by="region"` has `{"US": 3, "unknown": 2}`, codes of regions and, for rows that are not located,
    statuses; `by="status"` has `{"located": 3, "unknown": 2}`; `by="hour"` and `"day"` have
    `{(datetime(2026, 6, 17, 13, tzinfo=UTC), "US"): 3}` with the start in UTC, `None` for rows without a time. The most
    come first; of equals the earlier, then the first by name. Only what is there is in it.

    `lines` = `rows` + `unparsed` + `skipped`, and the values add up to `rows`.
    """

    _by_name: Mapping[Key, int]
    _: KW_ONLY
    by: By
    lines: int
    """All lines; of a table its rows."""
    rows: int
    """Lines that are rows: each has a status."""
    unparsed: int
    """Lines that have not the form of the format, or are longer than 1 MiB."""
    skipped: int
    """Lines without anything, headings, comments."""
    matched: int | None
    """Rows that `only` and `not_` select; `None` where neither was given. The counts are of all rows."""
    regions: dict[str, int]
    """Rows by code of the region, located ones only; most first, then by name."""
    status: dict[str, int]
    """Rows by status, all seven, in the order of their numbers but `located` first."""
    series: Series | None
    """The hours or days that have rows, ascending, rows without a time last; `None` where not counted by them."""
    first: datetime | None
    """The earliest time of a row, UTC, whole seconds; `None` where no row has one."""
    last: datetime | None
    """The latest."""
    undated: int
    """Rows without a time that can be read, in files that have times."""
    mentions: dict[str, int] | None
    """Of free text: every address of every line, by region and status; `None` where no file is such."""
    agreement: Agreement | None
    """With the column `ClientCountry` of Logpush, of the rows that are selected; `None` where no file has it."""
    files: tuple[FileCounts, ...]
    """One entry a file, in the order given."""
    table: TableInfo
    seconds: float
    """How long the pass took."""
    warnings: tuple[str, ...] = field(default=())
    """What a reader of the counts should know."""

    @property
    def rejected(self) -> int:
        """Lines that are no row of an address: unparsed ones and rows with the status `invalid`."""
        return self.unparsed + self.status["invalid"]

    @property
    def incomplete(self) -> bool:
        """Whether a file was not read, or not to its end."""
        return any(file.failure is not None for file in self.files)

    @property
    def _rows_by(self) -> Mapping[Key, int]:
        return self._by_name if self.series is None else self.series.by_time()

    def __getitem__(self, key: Key) -> int:
        return self._rows_by[key]

    def __iter__(self) -> Iterator[Key]:
        return iter(self._rows_by)

    def __len__(self) -> int:
        return len(self._rows_by)

    def __eq__(self, other: object) -> bool:
        return self._rows_by == (other._rows_by if isinstance(other, Counts) else other)

    __hash__ = None  # type: ignore[assignment]  # like every mapping that compares by what is in it

    def __repr__(self) -> str:
        return f"<Counts of {self.rows:,} rows by {self.by}: {len(self):,} entries>"

    def to_arrow(self) -> pa.Table:
        """The mapping as a table: `time` (`timestamp[s, UTC]`, by hour and day only), `region`, `status`, `rows`.

        `region` is null where a row is not located, and not there where counted by status.

        Raises:
            ImportError: pyarrow is missing; names the extra.
        """
        try:
            import pyarrow as pa
        except ImportError:
            raise ImportError("`to_arrow` needs pyarrow: install `regionfast[all]`") from None
        names = [key if isinstance(key, str) else key[1] for key in self]
        columns: dict[str, pa.Array] = {}
        if self.series is not None:
            times = [None if isinstance(key, str) else key[0] for key in self]
            columns["time"] = pa.array(times, pa.timestamp("s", "UTC"))
        if self.by != "status":
            columns["region"] = pa.array([None if name in STATUSES else name for name in names], pa.string())
        columns["status"] = pa.array([name if name in STATUSES else "located" for name in names], pa.string())
        columns["rows"] = pa.array(self.values(), pa.uint64())
        return pa.table(columns)

    def to_dict(self) -> dict[str, object]:
        """All of it for JSON, times as ISO 8601 in UTC.

        `series`, `matched`, `mentions` and `agreement` are keys only where there is something to say.
        """
        written: dict[str, object] = {
            "lines": self.lines,
            "rows": self.rows,
            "unparsed": self.unparsed,
            "skipped": self.skipped,
            "regions": dict(self.regions),
            "status": dict(self.status),
            "by": self.by,
            "span": {"first": iso(self.first), "last": iso(self.last)},
            "undated": self.undated,
            "files": [asdict(file) for file in self.files],
            "warnings": list(self.warnings),
            "table": asdict(self.table)
            | {
                "built_at": iso(self.table.built_at),
                "nat64": list(self.table.nat64),
                "warnings": list(self.table.warnings),
            },
            "seconds": self.seconds,
        }
        if self.series is not None:
            written["series"] = list(map(moment_object, self.series))
        if self.matched is not None:
            written["matched"] = self.matched
        if self.mentions is not None:
            written["mentions"] = dict(self.mentions)
        if self.agreement is not None:
            written["agreement"] = asdict(self.agreement)
        return written


STATUSES: Final = ("located", *(str(status) for status in Status if status is not Status.LOCATED))
"""In the order in which they are told."""


def moment_object(moment: Moment) -> dict[str, object]:
    """An entry of `series` in `to_dict`."""
    return {"start": iso(moment.start), "regions": moment.regions}


def iso(time: datetime | None) -> str | None:
    """A time as text: `2026-06-17T13:00:00Z`."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment_of(seconds: int) -> datetime | None:
    """A time in UTC; `None` of `UNDATED`."""
    return None if seconds == UNDATED else _EPOCH + timedelta(seconds=seconds)


def names_of(table: Table) -> list[str]:
    """For every slot of a table the code of its region or the name of its status."""
    return [
        str(Status.RELAY if slot == RELAY_BY_OVERRIDE else Status(slot)) if region is None else region.code
        for slot, region in enumerate(table.regions)
    ]


def ordered(rows_by: Mapping[str, int]) -> dict[str, int]:
    """Most first, of equals the first by name; nothing that is zero."""
    return dict(sorted(((name, rows) for name, rows in rows_by.items() if rows), key=lambda item: (-item[1], item[0])))


def by_name(table: Table, by_slot: npt.NDArray[np.uint64]) -> dict[str, int]:
    """Numbers by slot as numbers by region and status: several slots may be of one."""
    found: dict[str, int] = {}
    for name, rows in zip(names_of(table), by_slot.tolist(), strict=True):
        found[name] = found.get(name, 0) + rows
    return ordered(found)


def statuses_of(rows_by: Mapping[str, int]) -> dict[str, int]:
    """Numbers by region and status as numbers by status, all seven."""
    found = dict.fromkeys(STATUSES, 0)
    for name, rows in rows_by.items():
        found[name if name in found else "located"] += rows
    return found


def age_warning(info: TableInfo, first: datetime | None, last: datetime | None) -> str | None:
    """What to know where table and log are more than 90 days apart at either end of the log."""
    if info.built_at is None or first is None or last is None:
        return None
    if abs(first - info.built_at) <= APART and abs(last - info.built_at) <= APART:
        return None
    span = f"of {first:%Y-%m-%d}" if first.date() == last.date() else f"from {first:%Y-%m-%d} to {last:%Y-%m-%d}"
    return (
        f"the table is of {info.built_at:%Y-%m-%d} and the log {span}: more than {APART.days} days apart, and "
        "networks have moved between them"
    )
