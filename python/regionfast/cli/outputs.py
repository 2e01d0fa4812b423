"""The files that reading a log writes: enriched rows, what was rejected, a report; and lines on stdout."""

from __future__ import annotations

import csv
import io
import json
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

import click
import numpy as np

from regionfast.cli import claims
from regionfast.cli.exits import INCOMPLETE, Failure, discard_output
from regionfast.whole import refuse_taken, whole_file

if TYPE_CHECKING:
    import pyarrow as pa

    from regionfast import TableInfo
    from regionfast.logs.run import Rejects, Run

LEFT_OUT: Final = frozenset({"offset"})
"""Columns of a batch that are not written: whoever looks a row up goes by its line."""


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


def _text(some: str) -> str:
    """Text that is UTF-8: names of files may be any bytes."""
    return some.encode("utf-8", "backslashreplace").decode()


@contextmanager
def text(path: Path, *, force: bool) -> Iterator[Callable[[str], None]]:
    """A file of text, whole or not at all."""

    def write(some: str) -> None:
        with writing(path):
            file.write(_text(some).encode())

    with writing(path), whole_file(path, replace=force) as file:
        yield write


@contextmanager
def rows(
    path: Path, run: Run, info: TableInfo, key: bytes | None, *, private: bool, force: bool
) -> Iterator[Callable[[int, pa.RecordBatch], None]]:
    """The enriched rows as a file; its suffix says in which form. Of several files, rows say of which they are.

    Args:
        path: The file.
        run: What reads them.
        info: Of the table that is asked, which Parquet and Arrow keep as metadata.
        key: Of the pseudonyms that stand in the place of addresses.
        private: Whether only its owner may read it.
        force: Whether a file that is there is replaced.
    """
    import pyarrow as pa

    from regionfast.logs.pseudonyms import pseudonyms
    from regionfast.logs.write import whole_rows

    taken = [name for name in run.schema.names if name not in LEFT_OUT]
    fields = [run.schema.field(name) for name in taken]
    named = None if key is None else pseudonyms(key)
    if named:
        fields[taken.index("address")] = pa.field("pseudonym", pa.string())
    files = pa.array(map(_text, run.paths)) if len(run.paths) > 1 else None
    if files is not None:
        fields.insert(0, pa.field("file", pa.dictionary(pa.int32(), pa.string())))
    schema = pa.schema(fields, {"regionfast": json.dumps({"table": claims.as_object(info)})})

    def write(number: int, batch: pa.RecordBatch) -> None:
        columns = [batch.column(name) for name in taken]
        if named:
            columns[taken.index("address")] = named(batch.column("address"))
        if files is not None:
            indices = pa.array(np.full(len(batch), number, np.int32))
            columns.insert(0, pa.DictionaryArray.from_arrays(indices, files))
        with writing(path):
            file.write(pa.record_batch(columns, schema))

    with writing(path), whole_rows(path, schema, private=private, force=force) as file:
        yield write


REJECTS: Final = "file,line,reason\n"


def rejects(piece: Rejects, reasons: tuple[str, ...]) -> str:
    """Rejected lines as CSV: where they are and what is wrong, nothing of what stands there."""
    cell = io.StringIO()
    csv.writer(cell, lineterminator=",").writerow([piece.path])
    file = cell.getvalue()
    pairs = zip(piece.lines.tolist(), piece.reasons.tolist(), strict=True)
    return "".join([f"{file}{line},{reasons[reason]}\n" for line, reason in pairs])


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
