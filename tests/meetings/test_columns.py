"""Columns of text: one answer whatever they come from, and one clear error for what is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from regionfast.errors import RosterError
from regionfast.meetings.columns import Encoder, TextColumn, encode
from regionfast.names import plain

CELLS = st.lists(st.sampled_from(["a", "b", "é", "漢", "x" * 40, "", None]) | st.text(max_size=3) | st.none())


def plainly(cells: list[str | None]) -> tuple[list[int], tuple[str | None, ...]]:
    """Codes and texts, the slow way."""
    texts: list[str | None] = []
    codes = []
    for cell in cells:
        text = plain(cell or "") or None
        if text not in texts:
            texts.append(text)
        codes.append(texts.index(text))
    return codes, tuple(texts)


def chunked(cells: list[str | None], kind: pa.DataType) -> pa.ChunkedArray:
    """The cells in chunks, one of them empty, each a slice of something longer."""
    parts = [pa.array(["pad", *part, None], kind).slice(1, len(part)) for part in (cells[:2], [], cells[2:])]
    return pa.chunked_array(parts, kind)


@given(CELLS)
@settings(max_examples=60, deadline=None)
@example([None, ""])
@example(["a", None, "a"])
def test_every_form_gives_the_same_column(cells: list[str | None]) -> None:
    expected = plainly(cells)
    texts = pa.array(cells, pa.utf8())
    dictionary = texts.dictionary_encode()
    forms: dict[str, Any] = {
        "list": cells,
        "tuple": tuple(cells),
        "generator": (cell for cell in cells),
        "NaN": [float("nan") if cell is None else cell for cell in cells],
        "many kinds of null": [
            [None, np.nan, np.float32("nan"), pd.NA, pd.NaT][row % 5] if cell is None else cell
            for row, cell in enumerate(cells)
        ],
        "NumPy texts": [cell and np.str_(cell) for cell in cells],
        "objects": np.array([*cells, None], object)[:-1],
        "backwards and back": np.array([*cells, None], object)[:-1][::-1][::-1],
        "utf8": texts,
        "large_utf8": texts.cast(pa.large_utf8()),
        "utf8_view": texts.cast(pa.string_view()),
        "chunks": chunked(cells, pa.utf8()),
        "chunks of views": chunked(cells, pa.string_view()),
        "no chunks": pa.chunked_array([], pa.utf8()) if not cells else texts,
        "dictionary": dictionary,
        "dictionary of views": dictionary.cast(pa.dictionary(pa.int32(), pa.string_view())),
        "dictionary of uint64": dictionary.cast(pa.dictionary(pa.uint64(), pa.large_utf8())),
        "sliced dictionary": pa.array(["z", *cells, "y"]).dictionary_encode().slice(1, len(cells)),
        "dictionaries that differ": pa.chunked_array(
            [pa.array(part, pa.utf8()).dictionary_encode() for part in (cells[:1], cells[1:])]
        ),
        "pandas objects": pd.Series(cells, dtype=object),
        "pandas texts": pd.Series(cells, dtype="string"),
        "pandas default": pd.Series(cells, dtype="str"),
        "pandas Arrow": pd.Series(cells, dtype=pd.ArrowDtype(pa.utf8())),
        "pandas categories": pd.Series(cells, dtype="category"),
        "pandas index": pd.Index(cells, dtype=object),
        "polars": pl.Series(cells, dtype=pl.String),
        "polars categories": pl.Series(cells, dtype=pl.Categorical),
        "again": encode(cells, "x"),
    }
    if None not in cells and not any("\0" in (cell or "") for cell in cells):  # NumPy pads with NUL
        forms["U"] = np.array(cells, str) if cells else np.array([], str)
        forms["S"] = np.array([(cell or "").encode() for cell in cells], "S") if cells else np.array([], "S1")
    for name, form in forms.items():
        column = encode(form, "x")
        assert (column.codes.tolist(), column.values) == expected, name
        assert column.codes.dtype == np.uint32, name
        assert column.null_code == (expected[1].index(None) if None in expected[1] else None), name
        assert list(column) == [plain(cell or "") or None for cell in cells], name


@given(CELLS, st.integers(1, 4))
@settings(max_examples=60, deadline=None)
def test_parts_give_the_column_of_the_whole(cells: list[str | None], size: int) -> None:
    encoder = Encoder("x")
    for first in range(0, len(cells), size):
        encoder.add(cells[first : first + size])
    column = encoder.column()
    assert (column.codes.tolist(), column.values) == plainly(cells)


@given(CELLS)
def test_ranks_sort_as_python_does(cells: list[str | None]) -> None:
    column = encode(cells, "x")
    ordered = sorted(column.values, key=lambda text: text or "")
    assert [ordered.index(text) for text in column.values] == column.ranks.tolist()


def test_a_column_is_read_like_a_sequence() -> None:
    column = encode(["b", None, "a", "b"], "x")
    assert (len(column), column[0], column[-1], column[1]) == (4, "b", "b", None)
    assert list(column[1:3]) == [None, "a"]
    assert list(column[np.array([3, 2])]) == ["b", "a"]
    assert list(column[np.array([True, False, False, True])]) == ["b", "b"]
    assert column[1:3].null_code == 1
    assert column.to_numpy().tolist() == ["b", None, "a", "b"]
    assert column.index == {"b": 0, None: 1, "a": 2}
    assert TextColumn(np.zeros(2, np.uint32), ("a",)).null_code is None
    with pytest.raises(IndexError):
        column[4]


def test_a_column_cannot_be_changed_and_names_nobody() -> None:
    for column in (encode(["secret"], "x"), encode(["secret", "other"], "x"), encode(["secret", "x"], "x")[:1]):
        with pytest.raises(ValueError, match="read-only"):
            column.codes[0] = 1
        with pytest.raises(AttributeError):
            column.values = ()  # type: ignore[misc]
        assert "secret" not in repr(column)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["a", 7], "`x`, row 1: a cell of type `int`: write ids as text"),
        ([True], "row 0: a cell of type `bool`"),
        (["a", None, 1.5], "row 2: a cell of type `float`"),
        (["a", b"b"], "row 1: bytes"),
        (["a", ["b"]], "row 1: a cell of type `list`"),
        ([("a", ["b"])], "row 0: a cell of type `tuple`"),
        (np.arange(3), "row 0: a cell of type `int`"),
        (np.array([np.nan, 2.0]), "row 1: a cell of type `float`"),
        (np.array([["a"]]), "has 2 dimensions"),
        (np.array("a"), "has 0 dimensions"),
        (np.array([b"a", b"\xff"]), "row 1: bytes that are no UTF-8"),
        (np.array(["2020-01-01"], "M8[D]"), "row 0: a cell of type `date`"),
        (pa.array([1, 2]), "Arrow column of `int64`: write ids as text"),
        (pa.array([b"a"]), "Arrow column of `binary`"),
        (pa.array([1]).dictionary_encode(), "Arrow column of `int64`"),
        (pl.Series([1, 2]), "Arrow column of `int64`"),
        (pa.table({"a": ["x"]}), "`x` is an Arrow column of `struct"),
        (pd.Series([1, 2]), "row 0: a cell of type `int`"),
        (pd.Series(["a", 2], dtype=object), "row 1: a cell of type `int`"),
        ("abc", "`x` is of type `str`: pass a list"),
        (b"abc", "`x` is of type `bytes`"),
        ({"a"}, "`x` is of type `set`"),
        ({"a": 1}, "`x` is of type `dict`"),
        (7, "`x` is of type `int`"),
    ],
)
def test_what_is_no_text_is_refused(cells: Any, message: str) -> None:
    with pytest.raises(RosterError) as error:
        encode(cells, "x")
    assert message in str(error.value)


def test_arrow_memory_that_lies_is_refused() -> None:
    offsets = pa.py_buffer(np.array([0, 2, 1], np.int32).tobytes())
    lies = pa.Array.from_buffers(pa.utf8(), 2, [None, offsets, pa.py_buffer(b"\xff\xfe")])
    with pytest.raises(RosterError, match="is damaged"):
        encode(lies, "x")
    beyond = pa.DictionaryArray.from_arrays(pa.array([0, 5]), pa.array(["a"]), safe=False)
    with pytest.raises(RosterError, match="is damaged"):
        encode(beyond, "x")


def test_nulls_alone_are_a_column() -> None:
    for cells in ([None, None], pa.nulls(2), pd.Series([np.nan, np.nan]), pl.Series([None, None])):
        assert list(encode(cells, "x")) == [None, None]


def test_a_long_dictionary_of_few_rows_costs_the_rows() -> None:
    names = pa.array([f"name {number}" for number in range(100_000)])
    column = encode(pa.DictionaryArray.from_arrays(pa.array([99_999, 5, 99_999]), names), "x")
    assert column.values == ("name 99999", "name 5")
