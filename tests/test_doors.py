"""One answer through every door: each form of the same addresses gives the same bytes."""

from __future__ import annotations

import decimal
import hashlib
import ipaddress
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import regionfast as rf

V4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address) | V4.map(lambda a: ipaddress.IPv6Address(f"::ffff:{a}"))
TEXTS = (V4 | V6).map(str) | st.sampled_from(
    ["", "-", "x", "1.2.3", "8.8.8.8:53", "fe80::1%eth0", "٣.3.3.3", "1.2.3.4\0"]
)
MAYBE = TEXTS | st.none()


def digest(where: rf.RegionArray) -> str:
    """SHA-256 of all columns of an answer."""
    whole = hashlib.sha256()
    for column in (where.slots, where.status, where.evidence, where.unwrapped):
        assert column.flags.c_contiguous
        whole.update(column.tobytes())
    whole.update(repr(where.to_list()).encode())
    return whole.hexdigest()


def chunked(values: list[str | None], kind: pa.DataType) -> pa.ChunkedArray:
    """The values in chunks of unequal length, one of them empty, each a slice of something longer."""
    padded = [pa.array(["1.1.1.1", *part, None], kind).slice(1, len(part)) for part in (values[:3], [], values[3:])]
    return pa.chunked_array(padded, kind)


@given(st.lists(MAYBE, max_size=40))
@settings(max_examples=60, deadline=None)
def test_text_gives_one_digest(values: list[str | None]) -> None:
    table = rf.open()
    expected = digest(table.lookup_many(values))
    strings = pa.array(values, pa.utf8())
    doors: dict[str, Any] = {
        "tuple": tuple(values),
        "generator": (value for value in values),
        "objects": np.array(values, dtype=object),
        "utf8": strings,
        "large_utf8": strings.cast(pa.large_utf8()),
        "utf8_view": strings.cast(pa.string_view()),
        "sliced": pa.array(["x", *values, "x"], pa.utf8()).slice(1, len(values)),
        "chunked": chunked(values, pa.utf8()),
        "chunked_view": chunked(values, pa.string_view()),
        "dictionary": strings.dictionary_encode(),
        "dictionary_8": strings.dictionary_encode().cast(pa.dictionary(pa.int8(), pa.utf8())),
        "dictionary_u64": strings.dictionary_encode().cast(pa.dictionary(pa.uint64(), pa.large_utf8())),
        "pandas objects": pd.Series(values, dtype=object),
        "pandas strings": pd.Series(values, dtype="string"),
        "pandas arrow": pd.Series(values, dtype=pd.ArrowDtype(pa.utf8())),
        "pandas categories": pd.Series(values, dtype="category"),
        "pandas index": pd.Index(values, dtype=object),
        "polars": pl.Series(values, dtype=pl.String),
        "polars categories": pl.Series(values, dtype=pl.Categorical),
        "threads": values,
    }
    if None not in values:
        doors["U"] = np.array(values, dtype=str)
        # Trailing NULs of a fixed-width cell are padding to NumPy, so such a text cannot be told from one without.
        if any(str(value).endswith("\0") for value in values):
            del doors["U"]
        ascii_only = all(str(value).isascii() and not str(value).endswith("\0") for value in values)
        if ascii_only:
            doors["S"] = np.array([str(value).encode() for value in values], dtype="S")
    for name, door in doors.items():
        threads = 2 if name == "threads" else None
        assert digest(table.lookup_many(door, threads=threads)) == expected, name


def packed(addresses: list[ipaddress.IPv4Address] | list[ipaddress.IPv6Address], width: int) -> np.ndarray[Any, Any]:
    """Addresses as an array of shape `(n, width)`."""
    return np.frombuffer(b"".join(a.packed for a in addresses), dtype=np.uint8).reshape(-1, width)


@given(st.lists(V4, max_size=30))
@settings(max_examples=60, deadline=None)
def test_ipv4_gives_one_digest(addresses: list[ipaddress.IPv4Address]) -> None:
    table = rf.open()
    expected = digest(table.lookup_many([str(address) for address in addresses]))
    numbers = np.array([int(address) for address in addresses], dtype=np.uint32)
    twice = np.repeat(numbers, 2)
    four = packed(addresses, 4)
    frozen = numbers.copy()
    frozen.flags.writeable = False
    doors: dict[str, Any] = {
        "objects": addresses,
        "uint32": numbers,
        "big-endian": numbers.astype(">u4"),
        "strided": twice[::2],
        "reversed twice": numbers[::-1].copy()[::-1],
        "read-only": frozen,
        "unaligned": np.frombuffer(b"\0" + numbers.tobytes(), dtype=np.uint8)[1:].view(np.uint32)
        if addresses
        else numbers,
        "(n, 4)": four,
        "(n, 4) Fortran": np.asfortranarray(four),
        "(n, 4) strided": np.repeat(four, 2, axis=0)[::2],
        "arrow uint32": pa.array(numbers),
        "arrow sliced": pa.array(np.concatenate([[1], numbers, [2]]).astype(np.uint32)).slice(1, len(numbers)),
        "binary": pa.array([a.packed for a in addresses], pa.binary()),
        "large_binary": pa.array([a.packed for a in addresses], pa.large_binary()),
        "binary_view": pa.array([a.packed for a in addresses], pa.binary_view()),
        "fixed": pa.array([a.packed for a in addresses], pa.binary(4)),
        "pandas": pd.Series(numbers),
        "polars": pl.Series(numbers),
        "polars binary": pl.Series([a.packed for a in addresses], dtype=pl.Binary),
    }
    for name, door in doors.items():
        assert digest(table.lookup_many(door)) == expected, name


@given(st.lists(V6, max_size=30))
@settings(max_examples=60, deadline=None)
def test_ipv6_gives_one_digest(addresses: list[ipaddress.IPv6Address]) -> None:
    table = rf.open()
    expected = digest(table.lookup_many([str(address) for address in addresses]))
    sixteen = packed(addresses, 16)
    doors: dict[str, Any] = {
        "objects": addresses,
        "(n, 16)": sixteen,
        "(n, 16) Fortran": np.asfortranarray(sixteen),
        "(n, 16) strided": np.repeat(sixteen, 3, axis=0)[::3],
        "binary": pa.array([a.packed for a in addresses], pa.binary()),
        "fixed": pa.array([a.packed for a in addresses], pa.binary(16)),
    }
    for name, door in doors.items():
        assert digest(table.lookup_many(door)) == expected, name


def test_nulls_are_missing_in_every_column_type(table: rf.Table) -> None:
    columns: list[Any] = [
        pa.array([None, 134744072], pa.uint32()),
        pa.array([None, b"\x08\x08\x08\x08"], pa.binary(4)),
        pa.array([None, ipaddress.IPv6Address("::ffff:8.8.8.8").packed], pa.binary(16)),
        pa.array([None, b"\x08\x08\x08\x08"], pa.binary_view()),
        pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array([None, "8.8.8.8"])),
        pa.DictionaryArray.from_arrays(pa.array([None, 0], pa.int8()), pa.array(["8.8.8.8"])),
        pl.Series([None, "8.8.8.8"]),
        pl.Series([None, 134744072], dtype=pl.UInt32),
    ]
    for column in columns:
        where = table.lookup_many(column)
        assert where.to_list() == [None, "US"], column
        assert where.status.tolist() == [rf.Status.MISSING, rf.Status.LOCATED], column
    for column in (
        pa.nulls(3),
        pl.Series([None] * 3),
        pa.array([None] * 3, pa.dictionary(pa.int8(), pa.utf8())),
    ):
        assert table.lookup_many(column).status.tolist() == [rf.Status.MISSING] * 3


def test_packed_bytes_of_another_length_are_invalid(table: rf.Table) -> None:
    where = table.lookup_many(pa.array([b"123", b"", b"\x08\x08\x08\x08", b"x" * 15], pa.binary()))
    assert where.status.tolist() == [
        rf.Status.INVALID,
        rf.Status.MISSING,
        rf.Status.LOCATED,
        rf.Status.INVALID,
    ]


def empty() -> Iterator[str]:
    """An iterator of nothing."""
    return iter(())


@pytest.mark.parametrize(
    "nothing",
    [
        [],
        (),
        empty(),
        np.array([], np.uint32),
        np.zeros((0, 4), np.uint8),
        np.zeros((0, 16), np.uint8),
        np.array([], "S4"),
        np.array([], "U4"),
        np.array([], object),
        pa.array([], pa.utf8()),
        pa.chunked_array([], pa.utf8()),
        pd.Series([], dtype=object),
        pl.Series([], dtype=pl.String),
    ],
    ids=lambda value: (
        f"{type(value).__module__}.{type(value).__name__} {getattr(value, 'dtype', getattr(value, 'type', ''))}"
    ),
)
def test_nothing_in_nothing_out(table: rf.Table, nothing: Any) -> None:
    where = table.lookup_many(nothing)
    assert len(where) == 0
    assert where.counts() == {}
    assert where.to_arrow().to_pylist() == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("wrong", "index"),
    [
        (True, "int"),
        (5, "int"),
        (1.5, "float"),
        (b"8888", "bytes"),
        (["1.1.1.1"], "list"),
        (decimal.Decimal("NaN"), "Decimal"),
        (np.uint32(5), "uint32"),
        (object(), "object"),
        ({"ip": 1}, "dict"),
        (ipaddress.ip_network("1.0.0.0/8"), "IPv4Network"),
    ],
    ids=lambda value: "object" if type(value) is object else repr(value),
)
def test_a_wrong_object_is_a_type_error_with_its_index(table: rf.Table, wrong: Any, index: str) -> None:
    for batch in (["8.8.8.8", wrong], ("8.8.8.8", wrong), iter(["8.8.8.8", wrong])):
        with pytest.raises(TypeError, match=r"addresses\[1\]") as raised:
            table.lookup_many(batch)
        assert "bool" in str(raised.value) if wrong is True else index in str(raised.value)


@pytest.mark.parametrize(
    ("batch", "error"),
    [
        ("8.8.8.8", TypeError),
        (b"8.8.8.8", TypeError),
        (bytearray(4), TypeError),
        (5, TypeError),
        (None, TypeError),
        (ipaddress.ip_address("8.8.8.8"), TypeError),
        (np.zeros(3), TypeError),
        (np.zeros(3, np.int64), TypeError),
        (np.zeros(3, np.uint64), TypeError),
        (np.zeros(3, bool), TypeError),
        (np.zeros(3, "M8[s]"), TypeError),
        (np.zeros((3, 5), np.uint8), ValueError),
        (np.zeros(4, np.uint8), ValueError),
        (np.zeros((2, 4, 1), np.uint8), ValueError),
        (np.zeros((2, 2), np.uint32), ValueError),
        (np.array("8.8.8.8"), ValueError),
        (np.array([["8.8.8.8"]]), ValueError),
        (np.ma.array([1, 2], mask=[False, True], dtype=np.uint32), TypeError),
        (pa.array([1, 2]), TypeError),
        (pa.array([1.0]), TypeError),
        (pa.array([b"123"], pa.binary(3)), TypeError),
        (pa.array([["x"]]), TypeError),
        (pa.table({"a": ["8.8.8.8"]}), TypeError),
        (pl.DataFrame({"a": ["8.8.8.8"]}), TypeError),
        (pd.Series([1, 2]), TypeError),
    ],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', getattr(value, 'type', ''))}"[:40],
)
def test_a_wrong_batch_is_refused(table: rf.Table, batch: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        table.lookup_many(batch)


def test_nulls_of_every_kind_are_missing(table: rf.Table) -> None:
    nulls = [None, float("nan"), np.float64("nan"), pd.NA, pd.NaT, "", "-"]
    where = table.lookup_many([*nulls, "8.8.8.8"])
    assert where.status.tolist() == [rf.Status.MISSING] * len(nulls) + [rf.Status.LOCATED]


def test_errors_raise_names_the_first_bad_index(table: rf.Table) -> None:
    batch = ["8.8.8.8", None, "", "bad", "worse"]
    with pytest.raises(rf.AddressError, match=r"addresses\[3\]") as raised:
        table.lookup_many(batch, errors="raise")
    assert raised.value.index == 3
    assert table.lookup_many(batch[:3], errors="raise").to_list() == ["US", None, None]


def test_wrong_options_are_value_errors(table: rf.Table) -> None:
    with pytest.raises(ValueError, match="errors"):
        table.lookup_many([], errors="ignore")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="threads"):
        table.lookup_many([], threads=0)


def test_long_and_odd_texts(table: rf.Table) -> None:
    long = "1" * 10_000_000
    odd = [
        long,
        "1.1.1.1" + " " * 10_000_000,
        "fe80::1%" + long,
        "2400:3200::1%" + "x" * 100,
        "8.8.8.8\0",
        "\ud800",
        "2400:3200::1%\ud800",
        "8.8.8.8\n",
        " 8.8.8.8",
        "[::1]",
        "8.8.8.8/32",
    ]
    where = table.lookup_many(odd)
    assert where.to_list() == [None, None, None, "CN", None, None, "CN", None, None, None, None]
    assert where.status[2] == rf.Status.PRIVATE
    assert table.lookup("\ud800").status is rf.Status.INVALID


@pytest.mark.parametrize("length", [0, 1, 1023, 1024, 1025, 65_535, 65_536, 65_537, 200_000])
@pytest.mark.parametrize("threads", [1, 2, 5, None])
def test_pieces_and_threads_do_not_show(table: rf.Table, length: int, threads: int | None) -> None:
    numbers = np.random.default_rng(length).integers(0, 1 << 32, length, dtype=np.uint32)
    one = table.lookup_many(numbers, threads=1)
    assert np.array_equal(table.lookup_many(numbers, threads=threads).slots, one.slots)
    texts = pa.array(
        [str(ipaddress.IPv4Address(int(n))) if n % 7 else f"::ffff:{n >> 16:x}:{n & 0xFFFF:x}" for n in numbers],
        pa.utf8(),
    )
    where = table.lookup_many(texts, threads=threads)
    assert np.array_equal(where.slots, one.slots)
    assert np.array_equal(where.unwrapped, (numbers % 7 == 0).astype(np.uint8))


def test_objects_beside_texts_in_later_pieces(table: rf.Table) -> None:
    batch: list[Any] = ["8.8.8.8"] * 70_000
    batch[66_000] = ipaddress.ip_address("::ffff:114.114.114.114")
    batch[69_999] = None
    where = table.lookup_many(batch)
    assert where.to_list()[66_000] == "CN"
    assert where.unwrapped[66_000] == rf.Unwrapped.MAPPED
    assert where.unwrapped.sum() == 1
    assert where.status[69_999] == rf.Status.MISSING
    assert where.counts() == {"US": 69_998, "CN": 1, "missing": 1}


class OneStream:
    """What a record batch reader of one column looks like: a stream that is read once, and no length."""

    def __init__(self, chunks: pa.ChunkedArray) -> None:
        self.chunks = chunks

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.chunks.__arrow_c_stream__(requested_schema)


INTEGERS = [pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]
ROWS = ["8.8.8.8", None, "::ffff:114.114.114.114", "x", "", "8.8.8.8", None, "2400:3200::1", "10.0.0.1", None, "-"]


@pytest.mark.parametrize("keys", INTEGERS, ids=str)
@pytest.mark.parametrize("entries", [pa.utf8(), pa.large_utf8(), pa.string_view()], ids=str)
def test_dictionaries_of_every_key(table: rf.Table, keys: pa.DataType, entries: pa.DataType) -> None:
    expected = digest(table.lookup_many(ROWS))
    texts = ["never looked at", *dict.fromkeys(text for text in ROWS if text is not None), None]
    # Some nulls are in the keys, and one is in the entries.
    indices = [None if row is None and at % 2 else texts.index(row) for at, row in enumerate(ROWS)]
    array = pa.DictionaryArray.from_arrays(pa.array(indices, keys), pa.array(texts, entries))
    assert array.to_pylist() == ROWS
    assert digest(table.lookup_many(array)) == expected
    longer = pa.DictionaryArray.from_arrays(pa.array([0, *indices, 0], keys), pa.array(texts, entries))
    assert digest(table.lookup_many(longer.slice(1, len(ROWS)))) == expected


@pytest.mark.parametrize("start", [0, 1, 3, 8, 9])
@pytest.mark.parametrize(
    "kind",
    [
        pa.utf8(),
        pa.large_utf8(),
        pa.string_view(),
        pa.binary(),
        pa.large_binary(),
        pa.binary_view(),
        pa.binary(16),
        pa.uint32(),
    ],
    ids=str,
)
def test_slices_with_nulls_at_every_offset(table: rf.Table, kind: pa.DataType, start: int) -> None:
    addresses = [ipaddress.ip_address(f"8.8.{n}.{n}") if n % 3 else None for n in range(29)]
    expected = table.lookup_many(addresses).to_list()

    def cell(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> object:
        if pa.types.is_uint32(kind):
            return int(address)
        if kind == pa.binary(16):
            return ipaddress.ip_address(f"::ffff:{address}").packed
        return str(address) if kind in {pa.utf8(), pa.large_utf8(), pa.string_view()} else address.packed

    whole = pa.array([None if address is None else cell(address) for address in addresses], kind)
    part = whole.slice(start, 17)
    where = table.lookup_many(part)
    assert where.to_list() == expected[start : start + 17]
    assert (where.status == rf.Status.MISSING).tolist() == [row is None for row in addresses[start : start + 17]]
    wrapped = [row is not None and kind == pa.binary(16) for row in addresses[start : start + 17]]
    assert (where.unwrapped == rf.Unwrapped.MAPPED).tolist() == wrapped
    stream = OneStream(pa.chunked_array([whole.slice(0, start), part, whole.slice(start + 17)]))
    assert table.lookup_many(stream).to_list() == expected


def test_a_dictionary_of_dictionaries_is_read_to_the_bottom(table: rf.Table) -> None:
    """Entries of a wrong type are refused at any depth, and never "missing"."""
    keys = pa.array([1, 0], pa.int8())
    texts = pa.DictionaryArray.from_arrays(keys, pa.array(["8.8.8.8", "114.114.114.114"]))
    assert table.lookup_many(pa.DictionaryArray.from_arrays(keys, texts)).to_list() == ["US", "CN"]
    numbers = pa.DictionaryArray.from_arrays(keys, pa.array([5, 6]))
    for wrong in (numbers, pa.DictionaryArray.from_arrays(keys, numbers)):
        with pytest.raises(TypeError, match="addresses"):
            table.lookup_many(wrong)


def test_the_other_containers_of_pandas_and_polars(table: rf.Table) -> None:
    texts = ["8.8.8.8", None, "x", "8.8.8.8", "::ffff:114.114.114.114"]
    expected = digest(table.lookup_many(texts))
    appended = pl.Series(texts[:2], dtype=pl.String).append(pl.Series(texts[2:], dtype=pl.String))
    assert appended.n_chunks() == 2
    doors: list[Any] = [
        pd.array(texts, dtype="string"),
        pd.array(texts, dtype="str"),
        pd.Categorical(texts),
        pd.CategoricalIndex(texts),
        pd.Index(texts, dtype="string"),
        pd.Series(texts, index=[9, 9, 3, 2, 1]),
        pd.Series([*texts, "y"], dtype="str").iloc[:-1],
        pd.Series(["y", *texts], dtype=object)[1:],
        pd.DataFrame({"dtype": texts, "b": 1})["dtype"],
        appended,
        pl.Series(texts, dtype=pl.Enum(["8.8.8.8", "::ffff:114.114.114.114", "x"])),
        pl.Series(["y", *texts]).slice(1),
        pl.DataFrame({"a": texts})["a"],
    ]
    for door in doors:
        assert digest(table.lookup_many(door)) == expected, door
    numbers = pd.Series([134744072, None], dtype="UInt32")
    assert table.lookup_many(numbers).to_list() == ["US", None]
    assert table.lookup_many(pd.Index(np.array([134744072], np.uint32))).to_list() == ["US"]


def test_the_other_arrays_of_numpy(table: rf.Table, tmp_path: Path) -> None:
    texts = ["8.8.8.8", "2400:3200::1", "::ffff:114.114.114.114", "x"]
    expected = digest(table.lookup_many(texts))
    mapped = np.memmap(tmp_path / "map", dtype="S22", mode="w+", shape=4)
    mapped[:] = [text.encode() for text in texts]
    fields = np.array([(1, text) for text in texts], dtype=[("n", "i8"), ("text", "U22")])
    doors: list[Any] = [
        np.array(texts).astype(">U22"),
        np.array(texts).astype("<U60")[::-1][::-1],
        np.array(texts, dtype="U22").reshape(2, 2).ravel(order="F")[[0, 2, 1, 3]],
        mapped,
        fields["text"],
        np.array([np.str_(text) for text in texts], dtype=object),
        list(np.array(texts)),
    ]
    for door in doors:
        assert digest(table.lookup_many(door)) == expected, door
    nothing = np.zeros(3, dtype=[("a", "S0"), ("b", "U0")])
    for name in ("a", "b"):
        assert table.lookup_many(nothing[name]).status.tolist() == [rf.Status.MISSING] * 3


def test_subclasses_of_what_is_taken_are_taken(table: rf.Table) -> None:
    class Text(str):
        __slots__ = ()

        def __str__(self) -> str:
            raise AssertionError("asked for another text than its own")

    class Own(ipaddress.IPv4Address):
        __slots__ = ()

    where = table.lookup_many([Text("8.8.8.8"), Own("8.8.8.8"), ipaddress.IPv6Address("fe80::1%eth0")])
    assert where.to_list() == ["US", "US", None]
    assert where.status[2] == rf.Status.PRIVATE


def test_an_iterator_that_breaks_off_breaks_the_call(table: rf.Table) -> None:
    def broken(count: int) -> Iterator[str]:
        yield from ["8.8.8.8"] * count
        raise ZeroDivisionError("mine")

    for count in (0, 1, 70_000):
        with pytest.raises(ZeroDivisionError, match="mine"):
            table.lookup_many(broken(count))


def test_an_index_counts_from_the_first_row_of_all(table: rf.Table) -> None:
    """In whichever piece, chunk or thread the row is."""
    texts: list[Any] = ["8.8.8.8"] * 150_000
    texts[140_001] = "bad"
    texts[140_002] = "worse"
    chunks = pa.chunked_array([texts[:100_000], texts[100_000:]])
    for batch in (texts, iter(texts), np.array(texts), np.array(texts, object), chunks, chunks.dictionary_encode()):
        with pytest.raises(rf.AddressError, match=r"addresses\[140001\]") as raised:
            table.lookup_many(batch, errors="raise", threads=2)
        assert raised.value.index == 140_001
        assert "bad" not in str(raised.value)
    texts[140_001] = 5
    for batch in (texts, tuple(texts), iter(texts), np.array(texts, object)):
        with pytest.raises(TypeError, match=r"addresses\[140001\] is int"):
            table.lookup_many(batch)


@pytest.mark.parametrize(
    "wrong",
    [
        np.float32("nan"),
        np.datetime64("NaT"),
        np.bool_(True),
        np.int64(5),
        2**200,
        float("inf"),
        0.0,
        frozenset(),
        range,
    ],
    ids=repr,
)
def test_more_objects_that_are_no_addresses(table: rf.Table, wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"addresses\[1\]"):
        table.lookup_many(["8.8.8.8", wrong])
    for ask in (table.lookup, table.region):
        with pytest.raises(TypeError, match="an address is a text"):
            ask(wrong)


def test_a_thing_that_lies_about_being_arrow_is_refused(table: rf.Table) -> None:
    class Liar:
        def __arrow_c_array__(self, requested_schema: object | None = None) -> tuple[object, object]:
            return "no", "capsules"

    class Breaker:
        def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
            raise ZeroDivisionError("mine")

    with pytest.raises((TypeError, ValueError)):
        table.lookup_many(Liar())
    with pytest.raises(ZeroDivisionError, match="mine"):
        table.lookup_many(Breaker())


def test_pandas_objects_are_objects(table: rf.Table) -> None:
    """A column of Python objects holds what a list may hold, and errors have the index of the row."""
    objects = [ipaddress.ip_address("8.8.8.8"), "114.114.114.114", None, float("nan"), pd.NA, "x"]
    for column in (pd.Series(objects, dtype=object), pd.Index(objects, dtype=object)):
        where = table.lookup_many(column)
        assert where.to_list() == ["US", "CN", None, None, None, None]
        assert where.status.tolist()[2:] == [rf.Status.MISSING] * 3 + [rf.Status.INVALID]
    for wrong in (5, b"8.8.8.8", True, ["8.8.8.8"]):
        for column in (pd.Series(["8.8.8.8", wrong], dtype=object), pd.Index(["8.8.8.8", wrong], dtype=object)):
            with pytest.raises(TypeError, match=r"addresses\[1\] is"):
                table.lookup_many(column)


def test_numbers_and_objects_of_pandas_need_no_pyarrow() -> None:
    program = """
import sys
sys.modules["pyarrow"] = None  # as where it is not installed
import numpy, pandas
import regionfast as rf
table = rf.open()
numbers = numpy.array([0x08080808], numpy.uint32)
for column in (pandas.Series(numbers), pandas.Index(numbers), pandas.Series(["8.8.8.8"], dtype=object)):
    assert table.lookup_many(column).to_list() == ["US"], column
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
