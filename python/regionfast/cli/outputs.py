"""The files that reading a log writes: enriched rows, what was rejected, a report; and lines on stdout."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import current_thread, main_thread
from typing import TYPE_CHECKING, Final, TextIO

import click
import numpy as np

from regionfast.cli import claims, terminal
from regionfast.cli.exits import INCOMPLETE, Failure, discard_output
from regionfast.whole import refuse_taken, whole_file

if TYPE_CHECKING:
    import pyarrow as pa

    from regionfast import TableInfo
    from regionfast.logs.run import Rejects, Run

LEFT_OUT: Final = frozenset({"offset"})
"""Columns of a batch that are not written: whoever looks a row up goes by its line."""


TERMINATED: Final = 143
"""What a shell says of a process that SIGTERM ended."""


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the block as Ctrl-C does, so that no half file stays.

    `kill`, systemd and containers that stop send it; by default the process would be gone at once. Whoever has a
    handler of his own, or ignores it, keeps that.
    """

    def end(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the clearing up
        raise SystemExit(TERMINATED)

    is_ours = current_thread() is main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if is_ours:
        signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        if is_ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say of which output an error is. Whoever writes to another one meanwhile says so himself."""
    try:
        yield
    except BrokenPipeError:
        raise
    except FileExistsError:
        raise click.UsageError(f"{path} is there already: give --force to replace it") from None
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror or 'it fails'}", INCOMPLETE) from None


def refuse_clashes(
    outputs: Mapping[str, Path | None], inputs: Sequence[tuple[str, Path | None]], *, force: bool
) -> None:
    """Refuse, before anything is read, outputs that may not be written.

    Args:
        outputs: By option.
        inputs: What is read, each with what it is; `-` is stdin.
        force: Whether files that are there are replaced.
    """
    places: dict[str, str] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        other = places.setdefault(os.path.realpath(path), option)
        if other != option:
            raise click.UsageError(f"{other} and {option} are one file")
        for name, file in inputs:
            if file is not None and _is_same(path, file):
                raise click.UsageError(f"{option} is a file that is read: {name}")
        with writing(path):
            refuse_taken(path, replace=force)


def _is_same(output: Path, file: Path) -> bool:
    try:
        read = os.fstat(0) if str(file) == "-" else file.stat()
        return os.path.samestat(output.stat(), read)
    except OSError:
        return False


def encoded(text: str) -> bytes:
    """Text as UTF-8: names of files may be any bytes, which are escaped."""
    return text.encode("utf-8", "backslashreplace")


@contextmanager
def whole(path: Path, *, force: bool) -> Iterator[Callable[[bytes], None]]:
    """A file, whole or not at all."""

    def write(data: bytes) -> None:
        with writing(path):
            file.write(data)

    with writing(path), whole_file(path, replace=force) as file:
        yield write


@contextmanager
def rows(
    path: Path, run: Run, info: TableInfo, key: bytes | None, *, private: bool, force: bool, quiet: bool
) -> Iterator[Callable[[int, pa.RecordBatch], None]]:
    """The enriched rows as a file; its suffix says in which form. Of several files, rows say of which they are.

    Args:
        path: The file.
        run: What reads them.
        info: Of the table that is asked, which Parquet and Arrow keep as metadata.
        key: Of the pseudonyms that stand in the place of addresses.
        private: Whether only its owner may read it.
        force: Whether a file that is there is replaced.
        quiet: Whether not to say what was left out.
    """
    import pyarrow as pa

    from regionfast.logs.pseudonyms import pseudonyms, without_objects
    from regionfast.logs.run import OURS
    from regionfast.logs.write import whole_rows

    taken = [name for name in run.schema.names if name not in LEFT_OUT]
    fields = [run.schema.field(name) for name in taken]
    named = None if key is None else pseudonyms(key)
    if named:
        fields[taken.index("address")] = pa.field("pseudonym", pa.string())
    kept = [at for at, name in enumerate(taken) if name not in OURS] if named else []
    emptied = 0
    files = pa.array([encoded(name).decode() for name in run.paths]) if len(run.paths) > 1 else None
    if files is not None:
        fields.insert(0, pa.field("file", pa.dictionary(pa.int32(), pa.string())))
    schema = pa.schema(fields, {"regionfast": json.dumps({"table": _about(info)})})

    def write(number: int, batch: pa.RecordBatch) -> None:
        nonlocal emptied
        columns = [batch.column(name) for name in taken]
        if named:
            columns[taken.index("address")] = named(batch.column("address"))
        for at in kept:
            columns[at], nested = without_objects(columns[at])
            emptied += nested
        if files is not None:
            indices = pa.array(np.full(len(batch), number, np.int32))
            columns.insert(0, pa.DictionaryArray.from_arrays(indices, files))
        with writing(path):
            file.write(pa.record_batch(columns, schema))

    with writing(path), whole_rows(path, schema, private=private, force=force) as file:
        yield write
    if emptied:
        cells = f"{emptied:,} cell{'s' * (emptied > 1)}"
        terminal.notes([f"{path}: objects and arrays, in which addresses may be, are left empty: {cells}"], quiet=quiet)


def _about(info: TableInfo) -> dict[str, object]:
    """What rows say of the table. Files are sent around: of where it was, the name says enough."""
    return claims.as_object(info) | {"source": Path(info.source).name if info.source else info.source}


REJECTS: Final = b"file,line,reason\n"
SLICE: Final = 1 << 16
"""Lines that are made into text at once."""


def rejects(piece: Rejects, reasons: Sequence[str]) -> Iterator[bytes]:
    """Rejected lines as CSV: where they are and what is wrong, nothing of what stands there.

    Made column by column: there may be millions, and a text for each would take ten times as long as reading them.
    Rows of a matrix are the lines, and a zero is no character, as names of files cannot hold one.
    """
    cell = io.StringIO()
    csv.writer(cell, lineterminator=",").writerow([piece.path])
    start = np.frombuffer(encoded(cell.getvalue()), np.uint8)
    ends = np.array([f",{reason}\n".encode() for reason in reasons])
    by_reason = ends.view(np.uint8).reshape(len(ends), -1)
    for first in range(0, len(piece.lines), SLICE):
        lines = piece.lines[first : first + SLICE, np.newaxis]
        powers = np.uint64(10) ** np.arange(len(str(lines.max())), dtype=np.uint64)[::-1]
        digits = np.where(lines >= powers, lines // powers % np.uint64(10) + np.uint64(ord("0")), np.uint64(0))
        starts = np.broadcast_to(start, (len(lines), len(start)))
        matrix = np.hstack([starts, digits.astype(np.uint8), by_reason[piece.reasons[first : first + SLICE]]])
        yield matrix[matrix != 0].tobytes()


def is_file(stream: TextIO) -> bool:
    """Whether what is printed goes to a file, where nobody sees it come."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (OSError, ValueError):  # a stream that is no file of the system
        return False


def lines(data: bytes) -> None:
    """Lines of a log on stdout, as they are."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        raise
    except OSError as error:  # told here: on its way out it would be taken for one of a file that is written beside
        discard_output()
        raise Failure(f"cannot write the output: {error.strerror or error}", INCOMPLETE) from None
