"""Rows of a log as a file: Parquet, CSV, JSON Lines or Arrow, whole or not at all.

Columns of region and status stay dictionaries in Parquet and Arrow. In CSV an absent cell is empty and an empty text is
`""`, so that the two are told apart as RFC 4180 allows; in JSON Lines every row has every key, absent values are null.
Times are ISO 8601 in UTC, `2020-06-04T09:00:00Z`. All is UTF-8.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO, Final, Protocol, TypeAlias

import numpy as np

from regionfast.whole import whole_file

if TYPE_CHECKING:
    import pyarrow as pa

KINDS: Final = MappingProxyType({".arrow": "arrow", ".csv": "csv", ".jsonl": "jsonl", ".parquet": "parquet"})
"""What a suffix says."""
GROUP: Final = 1 << 23
"""Bytes of a row group of Parquet, about: larger ones fill the memory, smaller ones make a large file of headings."""
SLICE: Final = 1 << 13
"""Rows that are text at once."""


class Rows(Protocol):
    """A file of rows that is being written."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Add rows."""

    def close(self) -> None:
        """Write what ends the file."""


def kind_of(path: Path) -> str:
    """`arrow`, `csv`, `jsonl` or `parquet`, by the suffix.

    Raises:
        ValueError: It is none of these.
        ImportError: pyarrow, which writes all of them, is missing.
    """
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        raise ValueError(f"the suffix of the file says what is written: {', '.join(KINDS)}")
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise ImportError("writing rows of a log needs pyarrow: install `regionfast[all]`") from None
    return kind


@contextmanager
def whole_rows(path: Path, schema: pa.Schema, *, private: bool = False, force: bool = False) -> Iterator[Rows]:
    """Write rows to a file that appears when the block ends without an error.

    Args:
        path: The file; its suffix says in which form.
        schema: Of all batches. Its metadata go into Parquet and Arrow.
        private: Whether only its owner may read it.
        force: Whether a file that is there already is replaced.

    Raises:
        ValueError, ImportError: As of `kind_of`.
        FileExistsError, OSError: As of `whole_file`.
    """
    kind = kind_of(path)
    with whole_file(path, private=private, replace=force) as file:
        rows = WRITERS[kind](file, schema)
        try:
            yield rows
        except BaseException:
            # Left open, a writer of pyarrow would close itself later, and complain of a file that is no longer there.
            with suppress(OSError, ValueError):
                rows.close()
            raise
        rows.close()


class ParquetRows:
    """Row groups of a size that any reader can hold, one compressed column after the other."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        # A dictionary of numbers that never repeat costs more than it saves.
        texts = [field.name for field in schema if not _is_number(field.type)]
        self._writer = pq.ParquetWriter(file, schema, use_dictionary=texts, compression="zstd", compression_level=1)
        self._schema = schema
        self._table = pa.Table
        self._waiting: list[pa.RecordBatch] = []
        self._bytes = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Keep rows until there is a group of them."""
        self._waiting.append(batch)
        self._bytes += batch.nbytes
        if self._bytes >= GROUP:
            self._write_group()

    def _write_group(self) -> None:
        table = self._table.from_batches(self._waiting, self._schema)
        self._waiting, self._bytes = [], 0
        self._writer.write_table(table, row_group_size=max(len(table), 1))

    def close(self) -> None:
        """Write the last group and the footer."""
        try:
            if self._waiting:
                self._write_group()
        finally:
            self._writer.close()


class ArrowRows:
    """The Arrow IPC file format; every batch has the same dictionaries, which it demands."""

    def __init__(self, file: BinaryIO, schema: pa.Schema) -> None:
        import pyarrow as pa

        self._writer = pa.ipc.new_file(file, schema)

    def write(self, batch: pa.RecordBatch) -> None:
        """Write rows at once."""
        self._writer.write_batch(batch)

    def close(self) -> None:
        """Write the footer."""
        self._writer.close()


Cells: TypeAlias = "Callable[[pa.Array], pa.Array]"
"""A column as text, without any null."""


class TextRows:
    """Lines of text, made column by column and not row by row: a row at a time is what makes such files slow."""

    def __init__(self, file: BinaryIO, between: list[str], cells: Cells) -> None:
        self._file = file
        self._between = between
        self._cells = cells

    def write(self, batch: pa.RecordBatch) -> None:
        """Write rows at once."""
        import pyarrow.compute as pc

        for first in range(0, len(batch), SLICE):
            parts: list[pa.Array | str] = []
            for text, column in zip(self._between, batch.slice(first, SLICE).columns, strict=False):
                parts += [text, _cells(column, self._cells)]
            lines = pc.binary_join_element_wise(*parts, self._between[-1], "")
            _, offsets, data = lines.buffers()
            ends = np.frombuffer(offsets, np.int32)
            self._file.write(memoryview(data)[ends[lines.offset] : ends[lines.offset + len(lines)]])

    def close(self) -> None:
        """Nothing: the last line is whole."""


def csv_rows(file: BinaryIO, schema: pa.Schema) -> TextRows:
    """A heading, then the rows."""
    import pyarrow as pa

    heading = csv_cells(pa.array(schema.names)).to_pylist()
    file.write(f"{','.join(heading)}\n".encode())
    return TextRows(file, ["", *[","] * (len(schema) - 1), "\n"], csv_cells)


def json_rows(file: BinaryIO, schema: pa.Schema) -> TextRows:
    """An object a line."""
    keys = [f"{json.dumps(name, ensure_ascii=False)}: " for name in schema.names]
    return TextRows(file, ["{" + keys[0], *(f", {key}" for key in keys[1:]), "}\n"], json_cells)


WRITERS: Final[Mapping[str, Callable[[BinaryIO, pa.Schema], Rows]]] = MappingProxyType(
    {"arrow": ArrowRows, "csv": csv_rows, "jsonl": json_rows, "parquet": ParquetRows}
)


def _is_number(type_: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(type_) or pa.types.is_timestamp(type_))


def _cells(column: pa.Array, cells: Cells) -> pa.Array:
    """The cells of a column as text. What repeats, a region or a second of the log, is made into text once."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_timestamp(column.type):
        column = column.dictionary_encode()
        texts = column.dictionary.cast(pa.timestamp("s")).cast(pa.string())  # `strftime` takes ten times as long
        texts = pc.binary_join_element_wise(pc.binary_replace_slice(texts, 10, 11, "T"), "Z", "")
        column = pa.DictionaryArray.from_arrays(column.indices, texts)
    if pa.types.is_dictionary(column.type):
        # The null of a dictionary is in its indices: one more text stands for it.
        texts = pa.concat_arrays([column.dictionary.cast(pa.string()), pa.nulls(1, pa.string())])
        indices = column.indices.cast(pa.int64()).fill_null(len(texts) - 1)
        return cells(texts).take(indices)
    return cells(column)


def csv_cells(column: pa.Array) -> pa.Array:
    """Cells of CSV (RFC 4180): quoted where something in them would end them, or where they are an empty text."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        return column.cast(pa.string()).fill_null("")
    special = pc.match_substring_regex(column, '^$|[",\r\n]').fill_null(False)  # noqa: FBT003
    if pc.any(special).as_py():
        quoted = pc.binary_join_element_wise('"', pc.replace_substring(column, '"', '""'), '"', "")
        column = pc.if_else(special, quoted, column)
    return column.fill_null("")


def json_cells(column: pa.Array) -> pa.Array:
    """Values of JSON (RFC 8259)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_string(column.type):
        return column.cast(pa.string()).fill_null("null")
    escaped = pc.replace_substring(pc.replace_substring(column, "\\", "\\\\"), '"', '\\"')
    texts = pc.binary_join_element_wise('"', escaped, '"', "")
    control = pc.match_substring_regex(column, "[\x00-\x1f]").fill_null(False)  # noqa: FBT003
    if pc.any(control).as_py():  # rare, and of many kinds
        whole = [json.dumps(text, ensure_ascii=False) for text in column.filter(control).to_pylist()]
        texts = pc.replace_with_mask(texts, control, pa.array(whole, pa.string()))
    return texts.fill_null("null")
