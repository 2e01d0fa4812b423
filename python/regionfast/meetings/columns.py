"""Columns of text that repeats: a small number a row, and each text once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import count
from types import NoneType
from typing import Final, Protocol, TypeAlias, TypeGuard, cast, overload

import numpy as np
import numpy.typing as npt

from regionfast.errors import RosterError
from regionfast.names import plain
from regionfast.types import ArrowArray, ArrowStream

Texts: TypeAlias = "Iterable[str | float | None] | ArrowArray | ArrowStream | npt.NDArray[np.generic]"
"""A column of text: an iterable (a float may only be NaN), a NumPy array of `U`, `S` (UTF-8) or objects, an Arrow
array or stream of text or of dictionaries of text, a pandas or Polars series."""

_CHUNK: Final = 1 << 16
"""Cells of a NumPy array that are Python objects at a time."""
_AS_TEXT: Final = "write ids as text, such as by `astype(str)`"
_UNKNOWN: Final = -2
_NONE: Final = -1


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class TextColumn:
    """A column of texts, each of which is kept once. Iterates as `str` or `None`."""

    codes: npt.NDArray[np.uint32]
    """For each row the position of its text in `values`; the array becomes read-only."""
    values: tuple[str | None, ...]
    """The different texts, in order of first appearance; a part of a column has those of the whole."""
    _null: int = field(default=_UNKNOWN, kw_only=True)
    _index: dict[str | None, int] | None = field(default=None, init=False)
    _ranks: npt.NDArray[np.uint32] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.codes.flags.writeable = False

    @property
    def index(self) -> Mapping[str | None, int]:
        """The position of each text in `values`; made when first asked for, O(texts)."""
        if self._index is None:
            object.__setattr__(self, "_index", dict(zip(self.values, count())))
        assert self._index is not None
        return self._index

    @property
    def null_code(self) -> int | None:
        """The position of `None` in `values`; `None` where no row lacks a text."""
        if self._null == _UNKNOWN:
            object.__setattr__(self, "_null", self.values.index(None) if None in self.values else _NONE)
        return None if self._null == _NONE else self._null

    @property
    def ranks(self) -> npt.NDArray[np.uint32]:
        """For each of `values` its place when they are sorted by code points, `None` first.

        Made when first asked for, O(n log n) of the texts.
        """
        if self._ranks is None:
            texts = [text or "" for text in self.values]
            order = sorted(range(len(texts)), key=texts.__getitem__)
            ranks = np.empty(len(texts), np.uint32)
            ranks[order] = np.arange(len(texts), dtype=np.uint32)
            object.__setattr__(self, "_ranks", ranks)
        assert self._ranks is not None
        return self._ranks

    def to_numpy(self) -> npt.NDArray[np.object_]:
        """The rows as an array of `str` and `None`."""
        values = np.empty(len(self.values), object)
        values[:] = self.values
        return values[self.codes]

    def __reduce__(self) -> tuple[type[TextColumn], tuple[Codes, tuple[str | None, ...]]]:
        """Pickled by what it holds: the rest is made when asked for, and the codes are read-only again."""
        return TextColumn, (self.codes, self.values)

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str | None]:
        for first in range(0, len(self.codes), _CHUNK):
            yield from map(self.values.__getitem__, self.codes[first : first + _CHUNK].tolist())

    @overload
    def __getitem__(self, rows: int, /) -> str | None: ...
    @overload
    def __getitem__(self, rows: slice | npt.NDArray[np.integer | np.bool_], /) -> TextColumn: ...
    def __getitem__(self, rows: int | slice | npt.NDArray[np.integer | np.bool_], /) -> str | TextColumn | None:
        """One text, or a column of some rows that shares `values`."""
        if isinstance(rows, slice | np.ndarray):
            return TextColumn(self.codes[rows], self.values)
        return self.values[int(self.codes[rows])]

    def __repr__(self) -> str:
        return f"<TextColumn of {len(self):,} rows, {len(self.values):,} different>"


def encode(column: Texts, name: str) -> TextColumn:
    """The column with each text once.

    `None`, NaN, null and `""` are all `None`; texts are kept as `names.plain` writes them. O(rows); Python objects are
    touched once, Arrow memory never becomes Python objects but for the different texts.

    Args:
        column: The texts; numbers are refused, because `007` and `7` may be two meetings.
        name: What errors call it.

    Raises:
        RosterError: A cell that is no text, with its row; or something that is no column.
        ImportError: Arrow memory that only pyarrow can read, and it is not installed.
    """
    if type(column) is list and len(column) == 1 and type(column[0]) is str and _is_plain(column[0]):
        # One person at the door: the answer is as good, and costs a tenth.
        return TextColumn(_ONE, (column[0],), _null=_NONE)
    if _is_pandas(column) and (isinstance(column.dtype, np.dtype) or not hasattr(column, "__arrow_c_stream__")):
        column = column.to_numpy(object)
    if isinstance(column, np.ndarray):
        return _encode_numpy(column, name)
    if hasattr(column, "__arrow_c_stream__") or hasattr(column, "__arrow_c_array__"):
        return _encode_arrow(cast("ArrowArray | ArrowStream", column), name)
    if isinstance(column, str | bytes | AbstractSet | Mapping) or not isinstance(column, Iterable):
        raise RosterError(f"`{name}` is of type `{type(column).__name__}`: pass a list, an array or a series")
    encoder = Encoder(name)
    encoder.add(column if isinstance(column, list | tuple) else list(column))
    return encoder.column()


class Encoder:
    """Makes a column part by part, for what is too long to be in memory as objects."""

    def __init__(self, name: str) -> None:
        self._name = name
        # `dict` asks `__missing__` of a missing key, so one loop in C numbers texts in order of first appearance.
        self._numbers: defaultdict[object, int] = defaultdict(count().__next__)
        self._parts: list[Codes] = []

    def add(self, cells: Sequence[object]) -> None:
        """More rows."""
        try:
            self._parts.append(np.fromiter(map(self._numbers.__getitem__, cells), np.uint32, len(cells)))
        except TypeError:
            for row, cell in enumerate(cells, sum(map(len, self._parts))):
                try:
                    hash(cell)
                except TypeError:
                    raise _no_text(self._name, row, cell) from None
            raise

    def column(self, *, decode: bool = False) -> TextColumn:
        """All rows; with `decode` the cells were bytes, and are UTF-8."""
        codes = self._parts[0] if len(self._parts) == 1 else np.concatenate([_EMPTY, *self._parts])
        return _column(codes, self._numbers, self._name, decode=decode)


def distinct(texts: Iterable[str | None], rows: int) -> TextColumn:
    """The column of texts that another column or `name` has made plain already. O(rows)."""
    numbers: defaultdict[str | None, int] = defaultdict(count().__next__)
    codes = np.fromiter(map(numbers.__getitem__, texts), np.uint32, rows)
    return TextColumn(codes, tuple(numbers), _null=numbers.get(None, _NONE))


def name(cell: str | None, column: str) -> str | None:
    """One name as a column would keep it.

    Raises:
        RosterError: It is no text.
    """
    if cell is None:
        return None
    if not isinstance(cell, str):
        raise RosterError(f"`{column}` is of type `{type(cell).__name__}`: {_AS_TEXT}")
    return plain(cell) or None


Codes: TypeAlias = npt.NDArray[np.uint32]

_EMPTY: Final[Codes] = np.zeros(0, np.uint32)
_ONE: Final[Codes] = np.zeros(1, np.uint32)


def _is_pandas(column: object) -> TypeGuard[_PandasColumn]:
    return type(column).__module__.partition(".")[0] == "pandas" and hasattr(column, "to_numpy")


class _PandasColumn(Protocol):
    """A series or an index."""

    dtype: object

    def to_numpy(self, dtype: type = ...) -> npt.NDArray[np.generic]: ...


def _encode_numpy(column: npt.NDArray[np.generic], name: str) -> TextColumn:
    if column.ndim != 1:
        raise RosterError(f"`{name}` has {column.ndim} dimensions: a column has one")
    encoder = Encoder(name)
    for first in range(0, len(column), _CHUNK):
        encoder.add(column[first : first + _CHUNK].tolist())
    return encoder.column(decode=column.dtype.kind == "S")


def _encode_arrow(column: ArrowArray | ArrowStream, name: str) -> TextColumn:
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        chunks = pa.chunked_array(column if hasattr(column, "__arrow_c_stream__") else [pa.array(column)])
        # pyarrow finds fault with an empty chunk of views that it has exported itself.
        chunks = pa.chunked_array([chunk for chunk in chunks.chunks if len(chunk)], chunks.type)
        chunks.validate(full=True)  # whoever exported it may have lied
    except (TypeError, ValueError, NotImplementedError):  # what pyarrow's errors are
        raise RosterError(f"`{name}` is Arrow memory that is no column, or is damaged") from None
    kind = chunks.type.value_type if pa.types.is_dictionary(chunks.type) else chunks.type
    if chunks.null_count == len(chunks):
        return encode([None] * len(chunks), name)  # then the type says nothing: pandas calls such a column float
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
        raise RosterError(f"`{name}` is an Arrow column of `{kind}`: {_AS_TEXT}")
    if pa.types.is_string_view(chunks.type):
        chunks = chunks.cast(pa.large_string())  # pyarrow hashes no views
    chunks = (chunks if pa.types.is_dictionary(chunks.type) else chunks.dictionary_encode()).unify_dictionaries()
    texts = chunks.chunk(0).dictionary if chunks.num_chunks else pa.array([], pa.string())
    texts = texts.cast(pa.large_string())  # it takes from no views either
    parts = [pc.fill_null(part.indices.cast(pa.int64()), len(texts)).to_numpy() for part in chunks.chunks]
    codes, used = in_order(np.concatenate([np.zeros(0, np.int64), *parts]), len(texts) + 1)
    # One more for null. A dictionary may be much longer than the rows that are left of its column.
    used_texts = pa.concat_arrays([texts, pa.nulls(1, texts.type)]).take(pa.array(used)).to_pylist()
    numbers = dict(zip(used_texts, count()))
    return _column(codes, numbers if len(numbers) == len(used_texts) else used_texts, name)


def in_order(codes: npt.NDArray[np.int64], size: int) -> tuple[Codes, npt.NDArray[np.int64]]:
    """Codes below `size`, numbered anew in order of first appearance, and the old code of each new one."""
    rows = len(codes)
    first = np.full(size, rows, np.int64)
    first[codes[::-1]] = np.arange(rows - 1, -1, -1)  # of several assignments the last one stays
    used = np.flatnonzero(first < rows)
    used = used[np.argsort(first[used])]
    new = np.empty(size, np.uint32)
    new[used] = np.arange(len(used), dtype=np.uint32)
    return new[codes], used


def _column(codes: Codes, cells: Mapping[object, int] | list[object], name: str, *, decode: bool = False) -> TextColumn:
    """A column from what rows refer to, in order of first appearance; a list may hold something twice."""
    texts: Sequence[str | None]
    if isinstance(cells, Mapping) and set(map(type, cells)) <= _PLAIN and all(map(_is_plain, cells)):
        texts = cast("Sequence[str | None]", cells)
        null = cells.get(None, _NONE)
    else:
        numbers: dict[str | None, int] = {}
        new = np.empty(len(cells), np.uint32)
        for code, cell in enumerate(cells):
            try:
                text = _text(cell, decode=decode)
            except (TypeError, UnicodeDecodeError):
                raise _no_text(name, int(np.argmax(codes == code)), cell) from None
            new[code] = numbers.setdefault((text and plain(text)) or None, len(numbers))
        codes = new[codes]
        texts = list(numbers)
        null = numbers.get(None, _NONE)
    return TextColumn(codes, tuple(texts), _null=null)


_PLAIN: Final = frozenset((str, NoneType))


def _is_plain(cell: object) -> bool:
    """Whether a cell is a name as it is kept, or `None`."""
    return cell is None or (isinstance(cell, str) and cell != "" and plain(cell) == cell)


def _text(cell: object, *, decode: bool) -> str | None:
    if cell is None:
        return None
    if isinstance(cell, str):
        return str.__str__(cell)  # of NumPy's and other kinds of text the plain one
    if decode and isinstance(cell, bytes):
        return cell.decode()
    if isinstance(cell, float | np.floating) and np.isnan(cell):
        return None
    if type(cell).__name__ in {"NAType", "NaTType"}:
        return None
    raise TypeError


def _no_text(name: str, row: int, cell: object) -> RosterError:
    kind = type(cell).__name__
    if isinstance(cell, bytes):
        return RosterError(f"`{name}`, row {row}: bytes that are no UTF-8, or may be anything: pass text")
    return RosterError(f"`{name}`, row {row}: a cell of type `{kind}`: {_AS_TEXT}")
