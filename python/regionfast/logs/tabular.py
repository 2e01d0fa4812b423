"""Logs that are tables: Parquet and Arrow through pyarrow, participants through `regionfast.exports`."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from decimal import Decimal
from ipaddress import IPv4Address, IPv6Address
from os import fstat
from stat import S_ISREG
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from regionfast._lib import RegionArray, Table
from regionfast.errors import LogError, RosterError
from regionfast.exports import Part, read_export
from regionfast.logs import times
from regionfast.logs.counts import UNDATED, Tally, tallied
from regionfast.logs.formats import Layout, found, named, no_client, the_column, usual_client, usual_time
from regionfast.logs.wanted import Wanted
from regionfast.types import Status

if TYPE_CHECKING:
    import pyarrow as pa

STDIN: Final = "-"
BATCH: Final = 1 << 16
"""Rows that are read at once."""
INVALID_ADDRESS: Final = 3
"""Position in `run.REASONS`."""

ACCEPTED: Final = "text, binary (packed, 4 or 16 bytes), uint32, or a dictionary of these"
ACCEPTED_TIMES: Final = "timestamps, numbers since 1970, or text"


class _Batch(NamedTuple):
    """Some rows."""

    lines: npt.NDArray[np.uint64]
    """Where each is in the file, from 1."""
    clients: pa.Array | Sequence[str]
    times: pa.Array | None
    kept: Mapping[str, pa.Array | Sequence[str]]
    """By name in the file."""


class _Columns(NamedTuple):
    """An open table: its columns, and what reads them."""

    layout: Layout
    batches: Iterator[_Batch]
    has_times: bool
    naive: bool = False
    """Whether the times have no zone, so that nobody knows when they were."""


class TableScan:
    """A pass over a table, batch by batch, with the numbers and rows that the engine gives of lines.

    Memory holds one batch, and of Parquet what its reader holds of one row group.

    Raises:
        OSError: The file cannot be opened.
        LogError: It is damaged, has no such column, or one of a type that holds no addresses: names what there is.
        ImportError: pyarrow is missing; names the extra.
    """

    skipped = unparsed = crowded = 0

    def __init__(self, path: str, layout: Layout, table: Table, wanted: Wanted, schema: pa.Schema | None) -> None:
        """Open a table.

        Args:
            path: The file; `-` is stdin.
            layout: What it is.
            table: What resolves the addresses.
            wanted: What is wanted.
            schema: Of the batches; `None` where no rows are wanted.
        """
        if wanted.text:
            raise LogError(f"{layout.title}: has no lines to keep")
        self._table, self._wanted, self._schema = table, wanted, schema
        self._mask = None if wanted.select is None else np.frombuffer(wanted.select, np.bool_)
        self._stack = ExitStack()
        with ExitStack() as stack:
            self._file: BinaryIO = sys.stdin.buffer if path == STDIN else stack.enter_context(open(path, "rb"))  # noqa: PTH123 - `Path.open` is the same
            mode = fstat(self._file.fileno())
            self.size: int | None = mode.st_size if S_ISREG(mode.st_mode) else None
            columns = _OPENED[layout.format](self._file, layout, table, [name for _, name in wanted.keep])
            self._stack = stack.pop_all()
        self.layout = columns.layout
        """With the columns that were found."""
        self.has_times = columns.has_times
        self._batches = columns.batches
        self._tally = tallied([])
        self._rows: list[pa.RecordBatch] = []
        self._rejected: list[npt.NDArray[np.uint64]] = []
        self.lines = self.undated = 0
        self.first: int | None = None
        self.last: int | None = None
        self.failure: str | None = None
        naive = f"{self.layout.title}: its times have no zone, so that nobody knows when they were: they are undated"
        self.warnings: Sequence[str] = (naive,) if columns.naive else ()

    @property
    def position(self) -> int:
        """Where in the file reading is; of a pipe how much of it was read, as far as that is known."""
        if self._file.closed:
            return self.size or 0
        try:
            return self._file.tell()
        except OSError:
            return 0

    def step(self, _size: int, /) -> bool:
        """Read one batch; false when there was none."""
        try:
            batch = next(self._batches, None)
        except LogError as error:
            self.failure = str(error)
            batch = None
        if batch is None:
            self.close()
            return False
        self._count(batch)
        return True

    def close(self) -> None:
        """Close the file; stdin stays open."""
        self._stack.close()

    def _count(self, batch: _Batch) -> None:
        where = self._table.lookup_many(batch.clients, threads=self._wanted.threads)
        self.lines += len(where)
        seconds = None
        if batch.times is not None:
            seconds = _seconds(batch.times)
            dated = seconds[seconds != UNDATED]
            self.undated += len(seconds) - len(dated)
            if len(dated):
                first, last = int(dated.min()), int(dated.max())
                self.first = first if self.first is None else min(self.first, first)
                self.last = last if self.last is None else max(self.last, last)
        self._tally = tallied([self._tally, _tally(where, seconds, self._wanted.bucket)])
        if self._wanted.rejects:
            self._rejected.append(batch.lines[where.status == Status.INVALID])
        if self._schema is not None:
            made = self._made(batch, where, seconds, self._schema)
            self._rows.append(made if self._mask is None else made.filter(self._mask[where.slots]))

    def _made(
        self, batch: _Batch, where: RegionArray, seconds: npt.NDArray[np.int64] | None, schema: pa.Schema
    ) -> pa.RecordBatch:
        import pyarrow as pa

        columns: dict[str, pa.Array] = {
            "line": pa.array(batch.lines),
            "region": where.to_arrow(),
            "status": pa.DictionaryArray.from_arrays(pa.array(where.status), pa.array([str(it) for it in Status])),
        }
        if seconds is not None:
            columns["time"] = pa.array(seconds, mask=seconds == UNDATED).cast(pa.timestamp("s", "UTC"))
        if "address" in schema.names:
            columns["address"] = _texts(batch.clients)
        columns |= {column: _texts(batch.kept[name]) for column, name in self._wanted.keep}
        nothing = {it.name: pa.nulls(len(where), it.type) for it in schema if it.name not in columns}
        return pa.record_batch([(columns | nothing)[name] for name in schema.names], schema=schema)

    def counts(self) -> Tally:
        """Rows by bucket and slot."""
        return self._tally

    def mentions(self) -> npt.NDArray[np.uint64]:
        """Nothing: a table is no free text."""
        return np.empty(0, np.uint64)

    def take_batches(self) -> list[pa.RecordBatch]:
        """The rows since the last call."""
        taken, self._rows = self._rows, []
        return [batch for batch in taken if len(batch)]

    def take_lines(self) -> bytes:
        """Nothing: a table has no lines."""
        return b""

    def take_rejects(self) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.uint8]]:
        """Rows since the last call whose client is no address."""
        lines = np.concatenate(self._rejected) if self._rejected else np.empty(0, np.uint64)
        self._rejected = []
        return lines, np.full(len(lines), INVALID_ADDRESS, np.uint8)


def _tally(where: RegionArray, seconds: npt.NDArray[np.int64] | None, bucket: int) -> Tally:
    """The rows of a batch by bucket and slot."""
    if seconds is None or not bucket:
        rows = np.bincount(where.slots)
        slots = np.flatnonzero(rows)
        return Tally(np.full(len(slots), UNDATED), slots.astype(np.uint16), rows[slots].astype(np.uint64))
    starts = np.where(seconds == UNDATED, UNDATED, seconds // bucket * bucket)
    return tallied([(starts, where.slots, np.ones(len(starts), np.uint64))])


# Opening


def _pyarrow_needed(title: str) -> ImportError:
    return ImportError(f"reading {title} needs pyarrow: install `regionfast[all]`")


@contextmanager
def _sound(otherwise: str) -> Iterator[None]:
    """Say that a file is damaged where pyarrow does, in words that do not quote what is in it.

    It says so in many ways: names that are no UTF-8, and sizes that no memory has, are among them.
    """
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError, MemoryError):
        raise LogError(otherwise) from None


def _parquet(file: BinaryIO, layout: Layout, table: Table, keep: Sequence[str]) -> _Columns:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise _pyarrow_needed(layout.title) from None
    if not file.seekable():
        raise LogError("Parquet cannot be read from a pipe, since its end comes first: save it to a file")
    with _sound(f"no {layout.title} file, or a damaged one"):
        # Without `pre_buffer`, which reads a row group whole; no memory map: a file that shrinks would end the process.
        parquet = pq.ParquetFile(file, pre_buffer=False, buffer_size=1 << 20)
        columns = _chosen(parquet.schema_arrow, layout, table, keep)
    names = _names(columns, keep)
    batches = parquet.iter_batches(batch_size=BATCH, columns=names)
    return columns._replace(batches=_batches(batches, columns.layout, keep))


def _arrow(file: BinaryIO, layout: Layout, table: Table, keep: Sequence[str]) -> _Columns:
    """Files and streams alike: a file is a stream between two marks, and read so needs no end and no seeking."""
    try:
        import pyarrow as pa
    except ImportError:
        raise _pyarrow_needed(layout.title) from None
    start = file.read(len(_FILE_MARK))
    source = _Rest(file, b"" if start == _FILE_MARK else start)
    with _sound(f"no {layout.title} file, or a damaged one"):
        reader = pa.ipc.open_stream(pa.PythonFile(source, "r"))
        columns = _chosen(reader.schema, layout, table, keep)
    return columns._replace(batches=_batches(iter(reader), columns.layout, keep))


_FILE_MARK: Final = b"ARROW1\0\0"


class _Rest:
    """A stream of which the first bytes were read already."""

    closed = False

    def __init__(self, file: BinaryIO, start: bytes) -> None:
        self._file, self._start = file, start

    def read(self, size: int = -1) -> bytes:
        start, self._start = self._start[:size], self._start[size:]
        return start + self._file.read(size - len(start))

    def close(self) -> None:
        """Leave the file to who opened it."""


def _chosen(schema: pa.Schema, layout: Layout, table: Table, keep: Sequence[str]) -> _Columns:
    """Which columns are read."""
    import pyarrow as pa

    title, names = layout.title, schema.names
    client = usual_client(names) if layout.column is None else the_column(names, layout.column, title, found=found)
    if client is None:
        raise no_client(names, title, found=found)
    of_client = schema.field(the_column(names, client, title)).type
    try:
        table.lookup_many(pa.array([], of_client))
    except (TypeError, ValueError):
        raise LogError(f"{title}: column {named(client)} is {_kind(of_client)}; addresses are {ACCEPTED}") from None
    time = (
        usual_time(names) if layout.time_column is None else the_column(names, layout.time_column, title, found=found)
    )
    if time is not None and not _is_time(schema.field(the_column(names, time, title)).type):
        if layout.time_column is not None:
            kind = _kind(schema.field(time).type)
            raise LogError(f"{title}: column {named(time)} is {kind}; times are {ACCEPTED_TIMES}")
        time = None
    for name in keep:
        of_kept = schema.field(the_column(names, name, title, found=found)).type
        if pa.types.is_nested(of_kept):
            raise LogError(f"{title}: column {named(name)} is {_kind(of_kept)}, which is not kept")
    of_time = None if time is None else schema.field(time).type
    return _Columns(
        layout=replace(layout, title=f"{title}, client in {client}", column=client, time_column=time),
        batches=iter(()),
        has_times=time is not None,
        naive=of_time is not None and pa.types.is_timestamp(of_time) and of_time.tz is None,
    )


def _kind(of: pa.DataType) -> str:
    """A type in a word: a struct in full would name all that is in it."""
    return str(of).partition("<")[0]


def _is_time(of: pa.DataType) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(of):
        return _is_text(of.value_type)
    return (
        pa.types.is_timestamp(of)
        or pa.types.is_integer(of)
        or pa.types.is_floating(of)
        or pa.types.is_decimal(of)
        or _is_text(of)
    )


def _is_text(of: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(of) or pa.types.is_large_string(of) or pa.types.is_string_view(of))


def _names(columns: _Columns, keep: Sequence[str]) -> list[str]:
    wanted = (columns.layout.column, columns.layout.time_column, *keep)
    return list(dict.fromkeys(name for name in wanted if name is not None))


def _batches(batches: Iterator[pa.RecordBatch], layout: Layout, keep: Sequence[str]) -> Iterator[_Batch]:
    """Batches with their rows numbered; of large ones, which Arrow may have, a part at a time."""
    assert layout.column is not None  # `_chosen` has found one
    before = 0
    for whole in _undamaged(batches):
        for start in range(0, len(whole), BATCH):
            batch = whole.slice(start, BATCH)
            yield _Batch(
                lines=np.arange(before + 1, before + len(batch) + 1, dtype=np.uint64),
                clients=batch.column(layout.column),
                times=None if layout.time_column is None else batch.column(layout.time_column),
                kept={name: batch.column(the_column(batch.schema.names, name, layout.title)) for name in keep},
            )
            before += len(batch)


def _undamaged(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches that are what they say: pyarrow believes the offsets in an IPC file, and would read beyond its memory."""
    while True:
        with _sound("the data is damaged or incomplete"):
            batch = next(batches, None)
            if batch is None:
                return
            batch.validate(full=True)
        yield batch


def _participants(file: BinaryIO, layout: Layout, _table: Table, keep: Sequence[str]) -> _Columns:
    """Exports have times of somebody's zone: whoever needs them says the zone to `Roster`; here they are not read."""
    try:
        sheet = read_export(file)
    except RosterError as error:
        raise LogError(str(error).removeprefix("the stream: ")) from None
    for name in keep:
        if name not in sheet.columns:
            raise LogError(f"{layout.title}: no column {named(name)}; {found(sheet.columns)}")
    title = f"{layout.title} of {sheet.product}" if sheet.product else layout.title
    return _Columns(replace(layout, title=title), _export_batches(sheet.parts, keep), has_times=False)


def _export_batches(parts: Iterator[Part], keep: Sequence[str]) -> Iterator[_Batch]:
    try:
        for part in parts:
            yield _Batch(
                lines=np.array(part.lines, np.uint64),
                clients=part.cells["addresses"],
                times=None,
                kept={name: part.cells[name] for name in keep},
            )
    except RosterError as error:
        raise LogError(str(error).removeprefix("the stream: ")) from None


_OPENED: Final = {"parquet": _parquet, "arrow": _arrow, "participants": _participants}


# Cells


def _texts(cells: pa.Array | Sequence[str]) -> pa.Array:
    """Cells as text; packed addresses are written out, what is missing is null."""
    import pyarrow as pa

    if not isinstance(cells, pa.Array):
        return pa.array([cell or None for cell in cells], pa.string())
    of = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(of)
    if pa.types.is_uint32(of) or _is_binary(of):
        return pa.array([_written(cell) for cell in cells.to_pylist()], pa.string())
    return cells.cast(pa.string())


def _is_binary(of: pa.DataType) -> bool:
    import pyarrow as pa

    types = pa.types
    return bool(
        types.is_binary(of) or types.is_large_binary(of) or types.is_fixed_size_binary(of) or types.is_binary_view(of)
    )


def _written(cell: object) -> str | None:
    if isinstance(cell, int):
        return str(IPv4Address(cell))
    if isinstance(cell, bytes):
        packed = {4: IPv4Address, 16: IPv6Address}.get(len(cell))
        return cell.decode("utf-8", "replace") if packed is None else str(packed(cell))
    return None


_UNITS: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def _seconds(column: pa.Array) -> npt.NDArray[np.int64]:
    """Times as whole seconds since 1970; `UNDATED` where there is none that can be read."""
    import pyarrow as pa

    if pa.types.is_timestamp(column.type):
        if column.type.tz is None:
            return np.full(len(column), UNDATED)
        raw: npt.NDArray[np.int64] = column.cast(pa.int64()).fill_null(UNDATED).to_numpy(zero_copy_only=False)
        seconds: npt.NDArray[np.int64] = raw // _UNITS[column.type.unit]
        seconds[(raw == UNDATED) | (seconds < 0) | (seconds > times.LAST)] = UNDATED
        return seconds
    # Rows share their times more often than not, at least where these are whole seconds.
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    known = [_second(value) for value in encoded.dictionary.to_pylist()]
    codes: npt.NDArray[np.int64] = encoded.indices.cast(pa.int64()).fill_null(len(known)).to_numpy(zero_copy_only=False)
    by_code = np.array([UNDATED if second is None else second for second in [*known, None]], np.int64)
    return by_code[codes]


def _second(value: str | float | Decimal | None) -> int | None:
    if isinstance(value, str):
        return times.seconds(value)
    if value is None or not math.isfinite(value):
        return None
    return times.by_magnitude(math.floor(value))
