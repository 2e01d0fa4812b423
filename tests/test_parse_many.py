"""`parse_many`: the addresses of a batch, the same through every door and the same that `lookup_many` judges."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import regionfast as rf
from regionfast._lib import parse_many

MISSING, INVALID = 0, 1

V4 = st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address)
V6 = st.integers(0, 2**128 - 1).map(ipaddress.IPv6Address)
ODD = st.sampled_from(
    ["", "-", "x", "1.2.3", "01.2.3.4", "8.8.8.8:53", "[::1]", "fe80::1%eth0", "::1%", "٣.3.3.3", " "]
)
ROWS = st.lists((V4 | V6).map(str) | ODD | st.none() | st.text("0123456789.:abf", max_size=16), max_size=40)


def expected(values: Sequence[str | None]) -> tuple[list[int], list[int], list[bytes]]:
    """What `ipaddress` makes of each text."""
    families, v4, v6 = [], [], []
    for value in values:
        family, number = INVALID, 0
        if value is None or value in {"", "-"}:
            family = MISSING
        else:
            try:
                address = ipaddress.ip_address(value)
            except ValueError:
                pass
            else:
                family = address.version
                if isinstance(address, ipaddress.IPv4Address):
                    number = int(address)
                else:
                    v6.append(address.packed)
        families.append(family)
        v4.append(number)
    return families, v4, v6


def parsed(addresses: Any) -> tuple[list[int], list[int], list[bytes]]:
    """The three columns as lists, their forms checked."""
    families, v4, v6 = parse_many(addresses)
    assert (families.dtype.name, v4.dtype.name, v6.dtype.name) == ("uint8", "uint32", "uint8")
    assert families.shape == v4.shape
    assert v6.shape == (np.count_nonzero(families == 6), 16)
    assert families.flags.c_contiguous
    assert v4.flags.c_contiguous
    assert v6.flags.c_contiguous
    return families.tolist(), v4.tolist(), [row.tobytes() for row in v6]


@given(ROWS)
@settings(max_examples=150, deadline=None)
def test_text_is_what_ipaddress_says_through_every_door(values: list[str | None]) -> None:
    strings = pa.array(values, pa.utf8())
    split = [strings.slice(0, 3), strings.slice(3, 0), strings.slice(3)]
    doors: dict[str, Any] = {
        "list": values,
        "tuple": tuple(values),
        "generator": iter(values),
        "objects": np.array(values, dtype=object),
        "utf8": strings,
        "large_utf8": strings.cast(pa.large_utf8()),
        "utf8_view": strings.cast(pa.string_view()),
        "sliced": pa.array(["x", *values, "::1"], pa.utf8()).slice(1, len(values)),
        "chunked": pa.chunked_array(split, pa.utf8()),
        "dictionary": strings.dictionary_encode(),
        "pandas objects": pd.Series(values, dtype=object),
        "pandas strings": pd.Series(values, dtype="string"),
        "pandas categories": pd.Series(values, dtype="category"),
        "polars": pl.Series(values, dtype=pl.String),
        "polars categories": pl.Series(values, dtype=pl.Categorical),
    }
    if None not in values:
        doors["U"] = np.array(values, dtype=str)
        if all(str(value).isascii() for value in values):
            doors["S"] = np.array([str(value).encode() for value in values], dtype="S")
    answer = expected(values)
    for name, door in doors.items():
        assert parsed(door) == answer, name


@given(st.lists(V4, max_size=30))
@settings(max_examples=50, deadline=None)
def test_ipv4_through_every_door(addresses: list[ipaddress.IPv4Address]) -> None:
    numbers = np.array([int(address) for address in addresses], dtype=np.uint32)
    four = np.frombuffer(b"".join(a.packed for a in addresses), dtype=np.uint8).reshape(-1, 4)
    binary = [a.packed for a in addresses]
    doors: dict[str, Any] = {
        "objects": addresses,
        "uint32": numbers,
        "big-endian": numbers.astype(">u4"),
        "strided": np.repeat(numbers, 2)[::2],
        "(n, 4)": four,
        "(n, 4) Fortran": np.asfortranarray(four),
        "arrow uint32": pa.array(numbers),
        "binary": pa.array(binary, pa.binary()),
        "binary_view": pa.array(binary, pa.binary_view()),
        "fixed": pa.array(binary, pa.binary(4)),
        "pandas": pd.Series(numbers),
        "polars": pl.Series(numbers, dtype=pl.UInt32),
    }
    for name, door in doors.items():
        assert parsed(door) == ([4] * len(addresses), numbers.tolist(), []), name


@given(st.lists(V6, max_size=30))
@settings(max_examples=50, deadline=None)
def test_ipv6_through_every_door(addresses: list[ipaddress.IPv6Address]) -> None:
    binary = [address.packed for address in addresses]
    sixteen = np.frombuffer(b"".join(binary), dtype=np.uint8).reshape(-1, 16)
    doors: dict[str, Any] = {
        "objects": addresses,
        "(n, 16)": sixteen,
        "(n, 16) Fortran": np.asfortranarray(sixteen),
        "(n, 16) strided": np.repeat(sixteen, 3, axis=0)[::3],
        "binary": pa.array(binary, pa.binary()),
        "fixed": pa.array(binary, pa.binary(16)),
    }
    for name, door in doors.items():
        assert parsed(door) == ([6] * len(addresses), [0] * len(addresses), binary), name


@given(st.lists(V4 | V6 | st.none() | st.just("x"), max_size=40))
@settings(max_examples=50, deadline=None)
def test_objects_among_texts(values: list[Any]) -> None:
    texts = [None if value is None else str(value) for value in values]
    mixed = [value if row % 2 else text for row, (value, text) in enumerate(zip(values, texts, strict=True))]
    assert parsed(mixed) == expected(texts)


@given(st.lists(st.none() | V6, max_size=40))
@settings(max_examples=50, deadline=None)
def test_nulls_of_packed_columns_leave_the_others_in_place(values: list[ipaddress.IPv6Address | None]) -> None:
    packed = [None if value is None else value.packed for value in values]
    answer = expected([None if value is None else str(value) for value in values])
    for kind in (pa.binary(16), pa.binary(), pa.binary_view(), pa.large_binary()):
        assert parsed(pa.array(packed, kind)) == answer, kind


def test_a_null_over_an_address_is_missing() -> None:
    texts = pa.array(["1.2.3.4", "2001:db8::1", "2001:db8::2"])
    _, offsets, data = texts.buffers()
    masked = pa.StringArray.from_buffers(3, offsets, data, pa.py_buffer(b"\x05"))
    assert parsed(masked) == expected(["1.2.3.4", None, "2001:db8::2"])
    numbers = pa.Array.from_buffers(pa.uint32(), 2, [pa.py_buffer(b"\x02"), pa.array([1, 2], pa.uint32()).buffers()[1]])
    assert parsed(numbers) == ([0, 4], [0, 2], [])


@given(ROWS)
@settings(max_examples=100, deadline=None)
def test_lookup_many_judges_the_same_addresses(values: list[str | None]) -> None:
    table = rf.open()
    where = table.lookup_many(values)
    families, v4, v6 = parse_many(values)
    assert np.array_equal(families == MISSING, where.status == rf.Status.MISSING)
    assert np.array_equal(families == INVALID, where.status == rf.Status.INVALID)
    slots = np.where(families == MISSING, int(rf.Status.MISSING), int(rf.Status.INVALID)).astype(np.uint16)
    slots[families == 4] = table.lookup_many(v4[families == 4]).slots
    slots[families == 6] = table.lookup_many(v6).slots
    assert np.array_equal(slots, where.slots)


def test_nothing_and_nulls() -> None:
    nothing: Any
    nulls: Any
    for nothing in ([], (), iter(()), np.zeros(0, np.uint32), np.zeros((0, 16), np.uint8), pa.array([], pa.utf8())):
        assert parsed(nothing) == ([], [], [])
    for nulls in (
        [None] * 3,
        pa.nulls(3),
        pl.Series([None] * 3),
        np.full(3, np.nan),
        pd.Series([None] * 3, dtype=object),
    ):
        assert parsed(nulls) == ([0] * 3, [0] * 3, []), nulls


def test_more_rows_than_any_piece() -> None:
    values = [f"{row % 223 + 1}.{row // 256 % 256}.{row % 256}.1" for row in range(200_000)]
    values[::7] = [f"2001:db8::{row:x}" for row in range(len(values[::7]))]
    values[5::11] = ["-"] * len(values[5::11])
    answer = expected(values)
    assert parsed(values) == answer
    assert parsed(pa.array(values)) == answer
    assert parsed(np.array(values)) == answer
    assert parsed([None if value == "-" else ipaddress.ip_address(value) for value in values]) == answer


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ("1.2.3.4", TypeError),
        (b"1234", TypeError),
        (1, TypeError),
        ([1], TypeError),
        ([1.5], TypeError),
        (np.zeros(3, np.int64), TypeError),
        (np.zeros((3, 5), np.uint8), ValueError),
        (pa.array([1.5]), TypeError),
    ],
)
def test_wrong_calls_raise_as_lookup_many_does(table: rf.Table, wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error) as ours:
        parse_many(wrong)
    with pytest.raises(error) as theirs:
        table.lookup_many(wrong)
    assert str(ours.value) == str(theirs.value)
