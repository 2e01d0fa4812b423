"""Logs: where the clients in them are from, as counts and as rows.

`classify` counts, `scan` gives the rows; the command `regionfast classify` is the same. Formats are recognised by
their first bytes or named, see `formats`; files are read in one pass, in constant memory, see `run`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from regionfast._lib import Table
from regionfast.logs.counts import Agreement, By, Counts, FileCounts, Moment, Series
from regionfast.logs.formats import FORMATS, Reading
from regionfast.logs.run import OnInvalid, Paths, Rows, Run
from regionfast.tables import open as open_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FORMATS", "Agreement", "Counts", "FileCounts", "Moment", "Reading", "Run", "Series", "classify", "scan"]


def classify(
    paths: Paths,
    *,
    table: Table | None = None,
    format: str = "auto",  # noqa: A002 - the name that the command has
    by: By | None = None,
    field_path: str | None = None,
    column: str | None = None,
    separator: str | None = None,
    time: str | None = None,
    forwarded: str | None = None,
    trusted: Sequence[str] = (),
    threads: int | None = None,
) -> Counts:
    """Count the rows of logs by the region of their client.

    One pass in constant memory, the interpreter lock released. Bad data is never an error: it is counted, as
    `unparsed`, as rows of a status, or as the `failure` of a file.

    Args:
        paths: One file or several; `-` is stdin. gzip and zstd are unpacked.
        table: What resolves the addresses; by default the bundled country table.
        format: One of `FORMATS`.
        by: `"region"` (the default), `"status"`, `"hour"` or `"day"` (UTC).
        field_path: JSON lines: the keys on the way to the client's address, `request.remote_ip`.
        column: CSV, TSV, W3C, Parquet, Arrow: the column of the client's address.
        separator: CSV: what stands between cells.
        time: The column or JSON path of the time, where it has none of the usual names.
        forwarded: The column, JSON path or name of the header in which proxies say whom they speak for:
            `X-Forwarded-For` or `Forwarded`. Known formats need no name.
        trusted: Networks of your own proxies. The client is the first address outside of them, from the right; nothing
            to its left is believed.
        threads: How many work; by default as many as the process may use.

    Raises:
        LogError: Options that do not fit; the only file is of no format that is known, or lacks a column.
        OSError: The only file cannot be opened.
        ImportError: Parquet or Arrow, and no pyarrow.
    """
    run = Run(
        paths,
        table=open_table() if table is None else table,
        reading=Reading(
            format=format,
            field_path=field_path,
            column=column,
            separator=separator,
            time=time,
            forwarded=forwarded,
            trusted=trusted,
        ),
        by=by,
        threads=threads,
    )
    for _ in run:
        pass
    return run.counts()


def scan(
    paths: Paths,
    *,
    table: Table | None = None,
    format: str = "auto",  # noqa: A002 - the name that the command has
    field_path: str | None = None,
    column: str | None = None,
    separator: str | None = None,
    time: str | None = None,
    forwarded: str | None = None,
    trusted: Sequence[str] = (),
    keep: Sequence[str] = (),
    only: Sequence[str] = (),
    not_: Sequence[str] = (),
    on_invalid: OnInvalid = "keep",
    threads: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """Give the rows of logs with region and status, in the order of files and lines.

    Columns: `line` (`uint64`, from 1), `offset` (`uint64`, byte in the unpacked file), `time` (`timestamp[s, UTC]`),
    `region` and `status` (dictionaries of text), then what is kept, as text. The rest is as in `classify`; the call is
    checked at once, files are opened as the iterator comes to them.

    Args:
        paths: As in `classify`.
        table: As in `classify`.
        format: As in `classify`.
        field_path: As in `classify`.
        column: As in `classify`.
        separator: As in `classify`.
        time: As in `classify`.
        forwarded: As in `classify`.
        trusted: As in `classify`.
        keep: `address`, `line` (the whole line, column `text`), and fields of the format by name; a field that has the
            name of another column here becomes `log_NAME`.
        only: Regions, groups as of the table's date (`EU`) and statuses: rows of others are left out.
        not_: Rows of these are left out. A row that is not located is in no region.
        on_invalid: What becomes of rows whose client is no address: `"keep"`, `"drop"`, or `"fail"`, which also ends
            at a line that is no row.
        threads: As in `classify`.

    Raises:
        AddressError: `on_invalid="fail"` and such a line; names file and line.
        LogError, OSError, ImportError: As in `classify`; a name in `only` or `not_` that is none.
    """
    run = Run(
        paths,
        table=open_table() if table is None else table,
        reading=Reading(
            format=format,
            field_path=field_path,
            column=column,
            separator=separator,
            time=time,
            forwarded=forwarded,
            trusted=trusted,
        ),
        keep=keep,
        only=only,
        not_=not_,
        on_invalid=on_invalid,
        rows=True,
        threads=threads,
    )
    return (piece.batch for piece in run if isinstance(piece, Rows))
