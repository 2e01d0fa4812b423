"""Rows in the forms that commands write: a table for people, JSON, CSV, Parquet."""

from __future__ import annotations

import csv
import io
import json
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import click
import numpy as np
import numpy.typing as npt

from regionfast.cli import options, terminal
from regionfast.cli.exits import INCOMPLETE, USAGE, Failure
from regionfast.meetings.columns import TextColumn
from regionfast.types import Effect, Reason
from regionfast.whole import whole_file


class Numbers(tuple[int | None, ...]):
    """Numbers, some of which are not said."""

    __slots__ = ()


Column: TypeAlias = "TextColumn | npt.NDArray[np.int64] | Numbers | Sequence[Sequence[str]]"
"""Texts, numbers, or several texts a row."""

CHUNK: Final = 1 << 12
"""Rows that are written at once."""
WIDEST: Final = 24
"""On a terminal a column is no wider; a longer cell stands on a line of its own, whole."""
SUFFIXES: Final = {".csv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
COLOURS: Final = {"admit": "green", "keep": "green", "hold": "yellow", "deny": "red", "eject": "red"}

as_csv = click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
output = click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=options.FILE,
    help="Write FILE, whole or not at all: .csv, .json, .jsonl, .parquet.",
)


def effects(codes: npt.NDArray[np.uint8]) -> TextColumn:
    """Effects in words."""
    return TextColumn(codes.astype(np.uint32), tuple(map(str, Effect)))


def reasons(codes: npt.NDArray[np.uint8]) -> TextColumn:
    """Reasons in words."""
    return TextColumn(codes.astype(np.uint32), tuple(map(str, Reason)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """In which form rows are written, and where to."""

    kind: str
    """`table`, `json`, `csv` or `parquet`."""
    path: Path | None
    """`None`: stdout."""

    @classmethod
    def of(cls, output: Path | None, given: Mapping[str, object], *, as_json: bool, as_csv: bool) -> Form:
        """What the options ask for. Called first, so that nothing is worked out in vain.

        Args:
            output: The file to write.
            given: All else that the command was given; no file that is read may be the one that is written.
            as_json: Whether `--json` was given.
            as_csv: Whether `--csv` was given.
        """
        if as_json + as_csv + (output is not None) > 1:
            raise click.UsageError("give one of `--json`, `--csv` and `--output`")
        if output is None:
            return cls(kind="json" if as_json else "csv" if as_csv else "table", path=None)
        kind = SUFFIXES.get(output.suffix.lower())
        if kind is None:
            raise click.UsageError(f"the suffix of `--output` says what is written: {', '.join(SUFFIXES)}")
        for name, file in given.items():
            if isinstance(file, Path) and output.exists() and file.exists() and output.samefile(file):
                raise click.UsageError(f"`--output` is the file of the {name}")
        if kind == "parquet":
            try:
                import pyarrow.parquet  # noqa: F401
            except ImportError:
                raise Failure("writing Parquet needs pyarrow: install `regionfast[all]`", USAGE) from None
        return cls(kind=kind, path=output)


def write(
    form: Form, columns: Mapping[str, Column], head: Mapping[str, object], *, as_lines: bool, revealed: str | None
) -> None:
    """Write rows.

    Args:
        form: How and where to.
        columns: The rows, by column.
        head: What they follow from: in JSON beside the rows, in Parquet as metadata of the file.
        as_lines: JSON Lines, without the head.
        revealed: Why they name people.
    """
    if form.kind == "parquet":
        assert form.path is not None  # only a suffix asks for it
        with whole(form.path, private=revealed is not None) as file:
            write_parquet(file, columns, head)
        return
    if form.kind == "table":
        parts = table(columns)
    elif form.kind == "csv":
        parts = csv_lines(columns)
    elif as_lines:
        parts = json_lines(columns, "" if revealed is None else f', "revealed": {json.dumps(revealed)}')
    else:
        parts = json_object(columns, head)
    send(form, parts, private=revealed is not None)


def send(form: Form, parts: Iterable[str], *, private: bool = False) -> None:
    """Write text to stdout or to the file, part by part."""
    if form.path is not None:
        with whole(form.path, private=private) as file:
            file.writelines(part.encode() for part in parts)
        return
    # Data is UTF-8 whatever the locale; a table is for people, whose terminal may know less.
    encoding = sys.stdout.encoding if form.kind == "table" else "utf-8"
    sys.stdout.flush()
    for part in parts:
        sys.stdout.buffer.write(part.encode(encoding, "backslashreplace"))
        sys.stdout.buffer.flush()


@contextmanager
def whole(path: Path, *, private: bool) -> Iterator[BinaryIO]:
    """A file that appears when all of it is there. One that names people can be read by its owner only."""
    try:
        with whole_file(path, private=private) as file:
            yield file
    except OSError as error:
        raise Failure(f"cannot write {path}: {error.strerror or 'it fails'}", INCOMPLETE) from None


def write_parquet(file: BinaryIO, columns: Mapping[str, Column], head: Mapping[str, object]) -> None:
    """One column each, and the head as JSON under `regionfast` in the metadata."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    arrays = {}
    for name, column in columns.items():
        if isinstance(column, TextColumn):
            arrays[name] = pa.array(column, pa.string())
        elif isinstance(column, Numbers):
            arrays[name] = pa.array(column, pa.int64())
        elif isinstance(column, np.ndarray):
            arrays[name] = pa.array(column)
        else:
            arrays[name] = pa.array(column, pa.list_(pa.string()))
    pq.write_table(pa.table(arrays).replace_schema_metadata({"regionfast": json.dumps(head)}), file)


def cells(column: Column, shown: Callable[[object], str]) -> Iterator[str]:
    """The cells of a column as text. Texts that repeat are made once."""
    if isinstance(column, TextColumn):
        texts = [shown(text) for text in column.values]
        for first in range(0, len(column), CHUNK):
            yield from map(texts.__getitem__, column.codes[first : first + CHUNK].tolist())
    elif isinstance(column, np.ndarray):
        for first in range(0, len(column), CHUNK):
            yield from map(str, column[first : first + CHUNK].tolist())
    else:
        yield from map(shown, column)


def joined(lines: Iterator[str]) -> Iterator[str]:
    """Some lines at a time."""
    while some := list(islice(lines, CHUNK)):
        yield "".join(some)


def json_lines(columns: Mapping[str, Column], also: str) -> Iterator[str]:
    """An object a line."""
    return joined(f"{row}\n" for row in json_rows(columns, also))


def json_rows(columns: Mapping[str, Column], also: str = "") -> Iterator[str]:
    """An object a row."""
    row = "{" + ", ".join(f'"{name}": %s' for name in columns) + also.replace("%", "%%") + "}"
    return (row % found for found in zip(*(cells(column, json.dumps) for column in columns.values()), strict=True))


def json_object(columns: Mapping[str, Column], head: Mapping[str, object]) -> Iterator[str]:
    """One object: the head, and the rows in it."""
    yield json.dumps(head)[:-1] + ', "rows": ['
    separated = (f"{', ' * bool(number)}{row}" for number, row in enumerate(json_rows(columns)))
    yield from joined(separated)
    yield "]}\n"


def csv_lines(columns: Mapping[str, Column]) -> Iterator[str]:
    """A heading, then the rows; an empty cell is null, several texts are parted by blanks."""
    rows = zip(*(cells(column, plain) for column in columns.values()), strict=True)
    some: list[tuple[str, ...]] = [tuple(columns)]
    while some:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(some)
        yield text.getvalue()
        some = list(islice(rows, CHUNK))


def plain(value: object) -> str:
    """A cell as it is."""
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value)


def visible(value: object) -> str:
    """A cell for people, which commands no terminal; `-` where there is nothing."""
    return terminal.printable(plain(value)) or "-"


def table(columns: Mapping[str, Column]) -> Iterator[str]:
    """A heading and lines for people. On a terminal a row takes more lines where it is too narrow, and none is cut."""
    limit = terminal.columns()
    colour = terminal.in_colour()
    widths = []
    for name, column in columns.items():
        used = column
        if isinstance(column, TextColumn):  # a part of a column may have texts that none of its rows has
            used = TextColumn(np.unique(column.codes), column.values)
        width = max(map(len, cells(used, visible)), default=0)
        widths.append(max(len(name), width if limit is None else min(width, WIDEST)))
    numbers = [isinstance(column, np.ndarray | Numbers) for column in columns.values()]
    heading = laid_out(list(columns), widths, numbers, limit)
    yield f"{click.style(heading, bold=True) if colour else heading}\n"
    rows = zip(*(cells(column, visible) for column in columns.values()), strict=True)
    effect = list(columns).index("effect") if colour and "effect" in columns else None
    yield from joined(f"{laid_out(row, widths, numbers, limit, effect)}\n" for row in rows)


def laid_out(
    row: Sequence[str], widths: list[int], numbers: list[bool], limit: int | None, coloured: int | None = None
) -> str:
    """One row; a cell that has no room goes to the next line."""
    lines = [""]
    width = 0
    for position, cell in enumerate(row):
        padded = cell.rjust(widths[position]) if numbers[position] else cell.ljust(widths[position])
        if limit is not None and width and width + 2 + len(cell) > limit:
            wrapped = textwrap.wrap(cell, limit - 4, break_long_words=False, break_on_hyphens=False)
            lines.extend(f"    {part}" for part in wrapped)
            width = limit  # what follows has no room beside it either
            continue
        lines[-1] += "  " * bool(width)
        lines[-1] += click.style(padded, fg=COLOURS.get(cell)) if position == coloured else padded
        width += 2 * bool(width) + len(padded)
    return "\n".join(line.rstrip() for line in lines)
