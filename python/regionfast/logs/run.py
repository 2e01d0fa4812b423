"""One pass over many logs: what `classify`, `scan` and the command are made of."""

from __future__ import annotations

import difflib
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from os import PathLike
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from regionfast._lib import LogScan, LogSource, Table
from regionfast.errors import AddressError, LogError
from regionfast.logs import counts
from regionfast.logs.counts import Agreement, By, Counts, FileCounts, Key, Series
from regionfast.logs.formats import PEEK, SAID, TABLES, Field, Layout, Reading, check_text, named, recognise
from regionfast.logs.tabular import TableScan
from regionfast.logs.wanted import Wanted
from regionfast.regions import RegionError, RegionSet, group, is_group, parse
from regionfast.types import Status

if TYPE_CHECKING:
    import pyarrow as pa

Paths: TypeAlias = "str | PathLike[str] | Iterable[str | PathLike[str]]"
"""One file or several; `-` is stdin."""
OnInvalid: TypeAlias = Literal["keep", "drop", "fail"]
"""Rows whose client is no address: they are rows like others, are left out, or end the pass."""

REASONS: Final = ("too-long", "no-match", "no-header", "invalid-address", "cut-off")
"""Why a line is rejected: longer than 1 MiB; not of the form of the format; of a W3C log before any `#Fields:`; a row
whose client is no address; the rest of a line where the file could not be read further."""

STDIN: Final = "-"
STEP: Final = 1 << 26
"""Bytes, unpacked, after which Python is asked whether to go on."""
ROWS_STEP: Final = 1 << 22
"""The same where rows, lines or rejects of them wait in memory until they are taken."""
MOST_ENTRIES: Final = 1 << 18
"""Pairs of bucket and slot that are kept, of all files together as of one: times that are noise must not fill the
memory."""
BUCKETS: Final[Mapping[str, int]] = {"hour": 3_600, "day": 86_400}
OURS: Final = ("line", "offset", "time", "region", "status", "address", "text")
"""Names of our own columns; a field that is kept and named so is called `log_status`."""
NO_COUNTRY: Final = ("", "XX", "T1")
"""What Cloudflare writes for no country and for Tor."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file is open and its format known."""

    file: int
    """Position in `Run.paths`."""
    path: str
    layout: Layout
    compression: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a file is read."""

    file: int
    path: str
    position: int
    """Bytes of the file as it is stored."""
    size: int | None
    """All of them; `None` for a pipe."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows that were selected."""

    file: int
    batch: pa.RecordBatch = field(repr=False)
    """With the columns of `Run.schema`."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Original lines of rows that were selected."""

    file: int
    data: bytes = field(repr=False)
    """Byte for byte, each with LF."""


@dataclass(frozen=True, slots=True)
class Rejects:
    """Lines that are no rows, and rows whose client is no address."""

    file: int
    path: str
    lines: npt.NDArray[np.uint64]
    """Their numbers, from 1."""
    reasons: npt.NDArray[np.uint8]
    """Positions in `REASONS`."""


@dataclass(frozen=True, slots=True)
class Closed:
    """A file is read to its end, or could not be."""

    file: int
    counts: FileCounts


Piece: TypeAlias = Opened | Progress | Rows | Lines | Rejects | Closed


Scan: TypeAlias = LogScan | TableScan
"""What counts one file, step by step: the engine of lines, or its like for tables."""
Source: TypeAlias = LogSource | TableScan
"""Where a scan is in its file."""


class Run:
    """One pass over many logs: iterate over it once, then ask for `counts`.

    Files are read one after another, each in the format that it is recognised to be. One that cannot be read or
    recognised is told in its `FileCounts`, and the others are read; where it is the only one, the error is raised.
    Constant memory; the interpreter lock is released while lines are scanned, and a step takes a moment, so that a
    `KeyboardInterrupt` comes through.

    Raises:
        LogError: Options that contradict each other; a name in `only` or `not_` that is no region, group or status.
        ImportError: `rows` and no pyarrow; names the extra.
    """

    def __init__(
        self,
        paths: Paths,
        /,
        *,
        table: Table,
        reading: Reading | None = None,
        by: By | None = None,
        keep: Sequence[str] = (),
        only: Sequence[str] = (),
        not_: Sequence[str] = (),
        on_invalid: OnInvalid = "keep",
        rows: bool = False,
        lines: bool = False,
        rejects: bool = False,
        times: bool = False,
        threads: int | None = None,
    ) -> None:
        """Check what is asked; nothing is opened yet.

        Args:
            paths: The files; `-`, once, is stdin.
            table: What resolves the addresses.
            reading: How the files are to be read.
            by: What counts are by, `"region"` where not said.
            keep: What rows have beside region and status: `address`, `line` (the whole line, column `text`), or
                fields of the format by name.
            only: Regions, groups as of the table's date, and statuses: other rows are in no `Rows` and `Lines`.
            not_: Likewise: rows of these are in none.
            on_invalid: What becomes of rows whose client is no address. `"fail"` also ends at an unparsed line.
            rows: Whether to yield `Rows`.
            lines: Whether to yield `Lines`.
            rejects: Whether to yield `Rejects`.
            times: Whether rows are counted by time for `series` as well, whatever counts are by; not an error where
                no file has times.
            threads: How many work; by default as many as the process may use.
        """
        if hasattr(paths, "read"):
            raise TypeError("name files, not open ones: their lines would be taken for names; `-` is stdin")
        if isinstance(paths, str | PathLike):
            paths = (paths,)
        self.paths: Final = tuple(os.fspath(path) for path in paths)
        """The files, as named."""
        if not self.paths:
            raise LogError("no file: name one, or `-` for stdin")
        if self.paths.count(STDIN) > 1:
            raise LogError("`-`, which is stdin, can be given once")
        if by is not None and by not in get_args(By):
            raise LogError(f"`by` is one of {', '.join(get_args(By))}")
        if on_invalid not in get_args(OnInvalid):
            raise LogError(f"`on_invalid` is one of {', '.join(get_args(OnInvalid))}")
        self._table = table
        self._reading = reading or Reading()
        self._by: By = by or "region"
        self._on_invalid = on_invalid
        self._yields_rows, self._yields_rejects = rows, rejects
        if isinstance(keep, str):
            raise LogError("`keep` is a list of names, not one text")
        for name in keep:
            check_text(name, "keep")
        fields = [name for name in dict.fromkeys(keep) if name not in {"address", "line"}]
        columns = tuple((f"log_{name}" if name in OURS else name, name) for name in fields)
        for column, _ in columns:
            if [name for name, _ in columns].count(column) > 1 or column == COUNTRY:
                raise LogError(f"two columns would be named {named(column)}: leave one out of what is kept")
        if rows:
            _need_pyarrow("giving rows of a log")
        self._selected = selected(table, only, not_) if only or not_ else None
        mask = None if self._selected is None else self._selected.copy()
        if on_invalid == "drop":
            mask = np.ones(len(table.regions), np.uint8) if mask is None else mask
            mask[Status.INVALID] = 0
        self._wanted = Wanted(
            bucket=BUCKETS.get(self._by, BUCKETS["hour"] if times else 0),
            select=None if mask is None else mask.tobytes(),
            rows=rows,
            lines=lines,
            rejects=rejects or on_invalid == "fail",
            address=rows and "address" in keep,
            text=rows and "line" in keep,
            keep=columns if rows else (),
            threads=threads,
        )
        self._files: list[FileCounts] = []
        self._parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.uint16], npt.NDArray[np.uint64]]] = []
        self._mentions: npt.NDArray[np.uint64] | None = None
        self._agreement: Agreement | None = None
        self._undated = self._crowded = 0
        self._span: tuple[int, int] | None = None
        self._warnings: list[str] = []
        self._scan: Scan | None = None
        self._started: float | None = None
        self._seconds = 0.0

    @property
    def schema(self) -> pa.Schema:
        """The columns of every batch.

        `line` and `offset` (`uint64`), `time` (`timestamp[s, UTC]`), `region` and `status` (dictionaries of text), then
        as text, where asked for, `address`, the fields that are kept, and `text`. `line` counts from 1; `offset` is the
        byte of the unpacked file at which it starts. Null: `offset` in tables, `time` where a row has none, `region`
        where it is not located, the others where they are missing.
        """
        import pyarrow as pa

        columns = [
            ("line", pa.uint64()),
            ("offset", pa.uint64()),
            ("time", pa.timestamp("s", "UTC")),
            ("region", pa.dictionary(pa.uint16(), pa.string())),
            ("status", pa.dictionary(pa.uint8(), pa.string())),
        ]
        texts = [name for name, _ in self._wanted.keep]
        if self._wanted.address:
            texts.insert(0, "address")
        if self._wanted.text:
            texts.append("text")
        return pa.schema(columns + [(name, pa.string()) for name in texts])

    @property
    def lines(self) -> int:
        """Lines so far."""
        return sum(file.lines for file in self._files) + (0 if self._scan is None else self._scan.lines)

    def __iter__(self) -> Iterator[Piece]:
        """The pass.

        Raises:
            OSError, LogError: The only file cannot be opened or recognised.
            AddressError: With `on_invalid="fail"`, the first line that is no row of an address; names file and line.
            ImportError: A table, and no pyarrow; names the extra.
        """
        if self._started is not None:
            raise LogError("a run is one pass: make another one")
        self._started = time.perf_counter()
        for number, path in enumerate(self.paths):
            try:
                opened, source, scan = self._opened(number, path)
            except (OSError, LogError) as error:
                if len(self.paths) == 1:
                    raise _placed(path, error) from None
                self._files.append(FileCounts(path=path, failure=_why(error)))
                yield Closed(number, self._files[-1])
                continue
            self._scan = scan
            try:
                yield opened
                while scan.step(ROWS_STEP if self._wanted.waits else STEP):
                    yield from self._taken(opened, scan)
                    yield Progress(number, path, source.position, source.size)
                yield from self._taken(opened, scan)
                yield Progress(number, path, source.position, source.size)
            finally:
                if isinstance(scan, TableScan):
                    scan.close()
            self._scan = None
            self._add(scan, opened.layout)
            counted = FileCounts(
                path=path,
                format=opened.layout.format,
                title=opened.layout.title,
                compression=opened.compression,
                lines=scan.lines,
                rows=scan.lines - scan.unparsed - scan.skipped,
                unparsed=scan.unparsed,
                skipped=scan.skipped,
                failure=scan.failure,
            )
            self._files.append(counted)
            yield Closed(number, counted)
        self._seconds = time.perf_counter() - self._started

    def _opened(self, number: int, path: str) -> tuple[Opened, Source, Scan]:
        """A file with what is to read it."""
        reading = self._reading
        if reading.format not in TABLES:
            source = LogSource(0 if path == STDIN else path)
            if source.size is None and reading.format in SAID:
                # Nothing is to be found out, and a pipe may give its first lines before it gives all that is looked at.
                layout = recognise(b"", whole=False, reading=reading)
            else:
                data = source.peek(PEEK)
                layout = recognise(data, whole=len(data) < PEEK, reading=reading)
                if layout.is_empty and source.failure is not None:
                    layout = replace(layout, title="nothing that can be read")
            if layout.format not in TABLES:
                return Opened(number, path, layout, source.compression), source, self._line_scan(source, layout)
            if source.size is None:
                raise LogError(f"{layout.title} from a pipe is not recognised: name it with `format`")
            if source.compression not in _UNPACKED[layout.format]:
                raise LogError(f"{layout.title} within {source.compression}: unpack it")
        else:
            layout = recognise(b"", whole=False, reading=reading)
        if self._wanted.lines:
            raise LogError(f"{layout.title}: has no lines that could be written as they are")
        scan = TableScan(path, layout, self._table, self._wanted, self.schema if self._wanted.rows else None)
        try:
            self._check_times(scan.layout, has_times=scan.has_times)
        except LogError:
            scan.close()
            raise
        return Opened(number, path, scan.layout, "none"), scan, scan

    def _line_scan(self, source: LogSource, layout: Layout) -> LogScan:
        wanted = self._wanted
        self._check_times(layout, has_times=layout.time_form is not None)
        keep: list[tuple[str, Field]] = [(name, layout.field(of)) for name, of in wanted.keep if not layout.is_empty]
        compares = layout.country is not None and self._can_compare()
        if layout.country is not None and compares:
            keep.append((COUNTRY, layout.country))
        return LogScan(
            source,
            self._table,
            shape=layout.shape,
            client=layout.client,
            strip_port=layout.strip_port,
            forwarded=layout.forwarded,
            header=layout.header,
            trusted=self._reading.trusted if layout.forwarded is not None else (),
            time=layout.time,
            time_form=layout.time_form,
            keep=keep,
            separator=layout.separator,
            width=layout.width,
            skip=layout.skip,
            bucket=wanted.bucket,
            select=wanted.select,
            rows=wanted.rows or compares,
            address=wanted.address,
            line=wanted.text,
            raw=wanted.lines,
            rejects=wanted.rejects,
            threads=wanted.threads,
        )

    def _check_times(self, layout: Layout, *, has_times: bool) -> None:
        if self._by in BUCKETS and not has_times:
            mend = "" if layout.format == "participants" else ": name their field with `time`"
            raise LogError(f"{layout.title}: no times to count by {self._by}{mend}")

    def _can_compare(self) -> bool:
        try:
            _need_pyarrow("comparing with the countries in the log")
        except ImportError as error:
            self._warn(str(error))
            return False
        return True

    def _taken(self, opened: Opened, scan: Scan) -> Iterator[Piece]:
        """What a step has left behind."""
        wanted = self._wanted
        if wanted.rejects:
            lines, reasons = scan.take_rejects()
            if len(lines) and self._on_invalid == "fail":
                reason = REASONS[reasons[0]]
                raise AddressError(f"{opened.path}: line {lines[0]:,}: {_REFUSED[reason]}", int(lines[0]))
            if len(lines) and self._yields_rejects:
                yield Rejects(opened.file, opened.path, lines, reasons)
        if wanted.lines and (data := scan.take_lines()):
            yield Lines(opened.file, data)
        for taken in scan.take_batches():
            import pyarrow as pa

            batch: pa.RecordBatch = pa.record_batch(taken)
            if COUNTRY in batch.schema.names:
                self._agreement = compared(batch).plus(self._agreement or Agreement())
            if wanted.rows:
                yield Rows(opened.file, _shaped(batch, self.schema))

    def _add(self, scan: Scan, layout: Layout) -> None:
        """Adds what a scan has counted."""
        tally = counts.tallied([*self._parts, scan.counts()])
        if len(tally.rows) > MOST_ENTRIES:
            tally, crowded = counts.thinned(tally, MOST_ENTRIES)
            self._crowded += crowded
        self._parts = [tally]
        mentions = scan.mentions()
        if len(mentions):
            self._mentions = mentions if self._mentions is None else self._mentions + mentions
        # Text is not expected to have times; where no line begins with one, it has none.
        if layout.shape != "text" or scan.first is not None or self._by in BUCKETS:
            self._undated += scan.undated
        self._crowded += scan.crowded
        if scan.first is not None and scan.last is not None:
            first, last = self._span or (scan.first, scan.last)
            self._span = (min(first, scan.first), max(last, scan.last))
        for warning in scan.warnings if isinstance(scan, TableScan) else ():
            self._warn(warning)

    def _warn(self, warning: str) -> None:
        if warning not in self._warnings:
            self._warnings.append(warning)

    def series(self) -> Series | None:
        """The rows of the files that are done by day where counted by it, else by hour; `None` where by neither."""
        return Series(self._table, counts.tallied(self._parts)) if self._wanted.bucket else None

    def counts(self) -> Counts:
        """What was counted in the files that are done."""
        table, tally = self._table, counts.tallied(self._parts)
        by_slot = np.zeros(len(table.regions), np.uint64)
        np.add.at(by_slot, tally.slots, tally.rows)
        by_name = counts.by_name(table, by_slot)
        status = counts.statuses_of(by_name)
        rows_by: dict[Key, int] = {}
        rows_by.update(counts.ordered(status) if self._by == "status" else by_name)
        first, last = (None, None) if self._span is None else map(counts.moment_of, self._span)
        return Counts(
            rows_by,
            by=self._by,
            lines=sum(file.lines for file in self._files),
            rows=sum(file.rows for file in self._files),
            unparsed=sum(file.unparsed for file in self._files),
            skipped=sum(file.skipped for file in self._files),
            matched=None if self._selected is None else int(by_slot[self._selected != 0].sum()),
            regions={name: rows for name, rows in by_name.items() if name not in status},
            status=status,
            series=Series(table, tally) if self._by in BUCKETS else None,
            first=first,
            last=last,
            undated=self._undated,
            mentions=None if self._mentions is None else counts.by_name(table, self._mentions),
            agreement=self._agreement,
            files=tuple(self._files),
            table=table.info,
            seconds=self._seconds,
            warnings=(*self._warnings, *self._told(first, last)),
        )

    def _told(self, first: datetime | None, last: datetime | None) -> Iterator[str]:
        age = counts.age_warning(self._table.info, first, last)
        if age is not None:
            yield age
        if self._undated:
            have = f"{self._undated:,} rows have" if self._undated > 1 else "a row has"
            yield f"{have} no time that can be read: of no known form, or without its zone"
        if self._crowded:
            yield f"{self._crowded:,} of the rows are counted as undated: there are too many hours or days to count by"


COUNTRY: Final = "the log's country"
"""Column in which the country that the log names comes with the rows; no field can be kept under this name."""
_UNPACKED: Final = {"parquet": ("none",), "arrow": ("none",), "participants": ("none", "gzip")}
"""How tables may be packed."""
_REFUSED: Final[Mapping[str, str]] = {
    "too-long": "is longer than 1 MiB",
    "no-match": "has not the form of the format",
    "no-header": "comes before any `#Fields:`",
    "invalid-address": "the client is no address",
    "cut-off": "is not whole, since the file cannot be read further",
}


def compared(batch: pa.RecordBatch) -> Agreement:
    """How the regions of rows compare with the countries that the log names. A subdivision counts as its country."""
    import pyarrow as pa
    import pyarrow.compute as pc

    ours = pc.utf8_slice_codeunits(batch.column("region").cast(pa.string()), 0, 2)
    theirs = pc.utf8_upper(pc.utf8_trim_whitespace(batch.column(COUNTRY).cast(pa.string())))
    given = pc.invert(pc.is_in(pc.fill_null(theirs, ""), pa.array(NO_COUNTRY)))
    placed = pc.and_(given, ours.is_valid())
    equal = pc.and_(placed, pc.fill_null(pc.equal(ours, theirs), False))  # noqa: FBT003 - a value, not a switch
    known, both, same = (int(pc.sum(mask).as_py() or 0) for mask in (given, placed, equal))
    return Agreement(equal=same, different=both - same, not_located=known - both, not_given=len(batch) - known)


def selected(table: Table, only: Sequence[str], not_: Sequence[str]) -> npt.NDArray[np.uint8]:
    """A byte a slot: 1 where its region or status is named in `only` and not in `not_`.

    Groups are taken as of the table's date.

    Raises:
        LogError: A name that is neither; says the nearest. A group, and a table without a date. A subdivision, and a
            table of countries.
    """
    wanted = _named(table, only, "only") if only else np.ones(len(table.regions), np.uint8)
    if not_:
        wanted[_named(table, not_, "not_") != 0] = 0
    return wanted


def _named(table: Table, names: Sequence[str], option: str) -> npt.NDArray[np.uint8]:
    if isinstance(names, str):
        raise LogError(f"`{option}` is a list of names, not one text")
    regions = RegionSet()
    statuses = set[str]()
    for name in names:
        if name.lower() in counts.STATUSES:
            statuses.add(name.lower())
        else:
            regions |= _region_set(table, name, option)
    by_slot = [
        name in statuses or (region is not None and ("located" in statuses or region.code in regions))
        for name, region in zip(counts.names_of(table), table.regions, strict=True)
    ]
    return np.array(by_slot, np.uint8)


def _region_set(table: Table, name: str, option: str) -> RegionSet:
    built_at = table.info.built_at
    try:
        if not is_group(name):
            code = parse(name)
        elif built_at is None:
            raise LogError(f"`{option}`: `{name}` has other members at other times, and this table has no date")
        else:
            return group(name, built_at)
    except RegionError as error:
        near = difflib.get_close_matches(name.lower(), counts.STATUSES, n=1)
        hint = f": did you mean `{near[0]}`?" if near and not error.suggestions else ""
        raise LogError(f"`{option}`: {error}{hint}") from None
    if "-" in code and table.info.level == "country":
        raise LogError(f"`{option}`: the table tells no subdivisions such as `{code}`: open one with level subdivision")
    return RegionSet([code])


def _need_pyarrow(what: str) -> None:
    try:
        import pyarrow as pa  # noqa: F401
    except ImportError:
        raise ImportError(f"{what} needs pyarrow: install `regionfast[all]`") from None


def _shaped(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The same with all columns of a run, whatever its file has."""
    import pyarrow as pa

    if batch.schema.equals(schema):
        return batch
    there = set(batch.schema.names)
    columns = [batch.column(it.name) if it.name in there else pa.nulls(len(batch), it.type) for it in schema]
    return pa.record_batch(columns, schema=schema)


def _placed(path: str, error: OSError | LogError) -> OSError | LogError:
    """The error with the file that it is of."""
    path = "stdin" if path == STDIN else path
    if isinstance(error, LogError):
        return LogError(f"{path}: {error}")
    if error.errno is None:
        return type(error)(f"{path}: {_why(error)}")
    return OSError(error.errno, _why(error), path)


def _why(error: OSError | LogError) -> str:
    """The error in words."""
    if isinstance(error, IsADirectoryError):
        return "is a directory: name the files in it"
    if isinstance(error, LogError):
        return str(error)
    return error.strerror or str(error) or "cannot be read"
