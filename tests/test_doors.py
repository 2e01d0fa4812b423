"""One answer through every door: each form of the same addresses gives the same bytes."""

from __future__ import annotations

import decimal
import hashlib
import ipaddress
from collections.abc import Iterator
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
    ids=repr,
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
