"""`Table.boundaries` and `Table.unwrap`: what a checker of its own may search, against `ranges` and `lookup`."""

from __future__ import annotations

import ipaddress
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import regionfast as rf

RESERVED = int(rf.Status.RESERVED)


def packed(*texts: str) -> npt.NDArray[np.uint8]:
    """IPv6 addresses as an array of shape `(n, 16)`."""
    return np.frombuffer(b"".join(ipaddress.IPv6Address(text).packed for text in texts), np.uint8).reshape(-1, 16)


def number(octets: npt.NDArray[np.uint8]) -> int:
    """An address in network order as a number."""
    return int.from_bytes(octets.tobytes(), "big")


def place(table: rf.Table, slot: int) -> rf.Region | rf.Status:
    """What `ranges` says of a slot."""
    return table.regions[slot] or (rf.Status.RELAY if slot == 7 else rf.Status(slot))


@pytest.fixture(scope="module")
def layered(tmp_path_factory: pytest.TempPathFactory) -> rf.Table:
    """A table with overrides of both families, one of them around a zone of wrapped IPv4, and an own prefix."""
    folder = tmp_path_factory.mktemp("layered")
    database, overrides = folder / "database.csv", folder / "overrides.csv"
    database.write_text("1.0.0.0/8,CN\n8.8.0.0/16,US\n8.8.8.0/24,HK\n2400::/12,CN\n2a00::/12,DE\n", "utf-8")
    overrides.write_text("1.2.3.0/24,HK\n9.0.0.0/8,relay\n2a00:1::/32,MO\n2000::/4,FR\n", "utf-8")
    return rf.open(database, overrides=overrides, nat64=["2a00:5::/32"])


@pytest.fixture(params=["bundled", "layered", "base", "wrapped"])
def any_table(request: pytest.FixtureRequest, table: rf.Table, layered: rf.Table, tmp_path: Path) -> rf.Table:
    """Tables with and without overrides and unwrapping."""
    if request.param == "wrapped":
        path = tmp_path / "plain.csv"
        path.write_text("2002::/16,CN\n8.0.0.0/8,US\n", "utf-8")
        return rf.open(path, unwrap=False)
    tables = {"bundled": table, "layered": layered, "base": layered.base}
    return tables[request.param]


def test_ipv4_boundaries_are_the_ranges(any_table: rf.Table) -> None:
    starts, slots = any_table.boundaries(4)
    assert (starts.dtype.name, slots.dtype.name, starts.shape) == ("uint32", "uint16", slots.shape)
    assert starts[0] == 0
    assert np.all(starts[1:] > starts[:-1])
    told = [(int(ipaddress.IPv4Address(first)), answer) for first, _, answer in any_table.ranges(4)]
    assert [
        (start, place(any_table, slot)) for start, slot in zip(starts.tolist(), slots.tolist(), strict=True)
    ] == told
    assert np.array_equal(any_table.lookup_many(starts).slots, slots)
    assert np.array_equal(
        any_table.lookup_many(np.append(starts[1:] - np.uint32(1), np.uint32(2**32 - 1))).slots, slots
    )


def test_ipv6_boundaries_are_the_ranges_and_reserved_where_ipv4_is_wrapped(any_table: rf.Table) -> None:
    starts, slots = any_table.boundaries(6)
    assert (starts.dtype.name, slots.dtype.name) == ("uint8", "uint16")
    assert starts.shape == (len(slots), 16)
    firsts = [number(row) for row in starts]
    assert firsts[0] == 0
    assert all(before < after for before, after in pairwise(firsts))
    assert np.all(slots[1:] != slots[:-1])
    lasts = [after - 1 for after in firsts[1:]] + [2**128 - 1]
    told = [(int(ipaddress.IPv6Address(a)), int(ipaddress.IPv6Address(b)), c) for a, b, c in any_table.ranges(6)]
    ends = np.array(firsts, dtype=object)
    covered = 0
    for first, last, answer in told:
        at = int(np.searchsorted(ends, first, side="right")) - 1
        assert firsts[at] <= first <= last <= lasts[at]
        assert place(any_table, int(slots[at])) == answer
        covered += last - first + 1
    # What `ranges` leaves out is wrapped IPv4, and nothing else.
    gaps = [(a[1] + 1, b[0] - 1) for a, b in pairwise(told) if a[1] + 1 != b[0]]
    assert covered + sum(last - first + 1 for first, last in gaps) == 2**128
    for first, last in gaps:
        at = int(np.searchsorted(ends, first, side="right")) - 1
        assert slots[at] == RESERVED
        assert last <= lasts[at]


def test_a_search_and_an_unwrapping_are_a_lookup(any_table: rf.Table) -> None:
    starts4, slots4 = any_table.boundaries(4)
    starts6, slots6 = any_table.boundaries(6)
    keys6 = np.array([number(row) for row in starts6], dtype=object)
    step = max(1, len(starts6) // 2000)
    random = np.random.default_rng(6)
    probes = np.concatenate(
        [
            starts6[::step],
            packed(
                "::ffff:8.8.8.8", "2002:808:808::1", "64:ff9b::808:808", "2a00:5:808:808::", "2a00:5:808:808:0100::"
            ),
            packed("2001:0:1::f7f7:f7f7", "2001:0:1::", "::", "::1", "ffff::", "2a00:6::"),
            random.integers(0, 256, (500, 16), dtype=np.uint8),
        ]
    )
    unwrapped, inner = any_table.unwrap(probes)
    searched = [int(np.searchsorted(keys6, number(row), side="right")) - 1 for row in probes]
    inside = slots4[np.searchsorted(starts4, inner, side="right") - 1]
    where = any_table.lookup_many(probes)
    assert np.array_equal(unwrapped, where.unwrapped)
    assert np.array_equal(np.where(unwrapped != 0, inside, slots6[searched]), where.slots)


def test_overrides_are_in_the_top_alone(layered: rf.Table) -> None:
    def answer(table: rf.Table, address: str) -> rf.Region | rf.Status:
        starts, slots = table.boundaries(4)
        return place(table, int(slots[np.searchsorted(starts, int(ipaddress.IPv4Address(address)), side="right") - 1]))

    assert answer(layered, "1.2.3.4") == rf.Region("HK")
    assert answer(layered.base, "1.2.3.4") == rf.Region("CN")
    assert answer(layered, "9.9.9.9") == rf.Status.RELAY
    assert answer(layered.base, "9.9.9.9") == rf.Status.UNKNOWN


V6 = st.integers(0, 2**128 - 1) | st.integers(0, 2**32 - 1).map(lambda inner: (0xFFFF << 32) + inner)


@given(st.lists(V6 | st.integers(0, 2**112 - 1).map(lambda rest: (0x2002 << 112) + rest), max_size=40))
@settings(max_examples=80, deadline=None)
def test_what_is_unwrapped_is_what_a_lookup_says(numbers: list[int]) -> None:
    table = rf.open()
    octets = np.frombuffer(b"".join(n.to_bytes(16, "big") for n in numbers), np.uint8).reshape(-1, 16)
    unwrapped, inner = table.unwrap(octets)
    assert (unwrapped.dtype, inner.dtype, unwrapped.shape, inner.shape) == (np.uint8, np.uint32, *[(len(numbers),)] * 2)
    for n, how, v4 in zip(numbers, unwrapped.tolist(), inner.tolist(), strict=True):
        address = ipaddress.IPv6Address(n)
        assert how == table.lookup(address).unwrapped
        known = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if n >> 32 != 0x64FF9B << 64:
            assert v4 == (int(known) if known is not None else 0)
        assert (how == 0) == (known is None and n >> 32 != 0x64FF9B << 64)


def test_known_unwrappings(layered: rf.Table) -> None:
    texts = [
        "::ffff:8.8.8.8",
        "2002:808:808::1",
        "2001:0:1::f7f7:f7f7",
        "64:ff9b::808:808",
        "2a00:5:808:808::",
        "2a00::1",
    ]
    unwrapped, inner = layered.unwrap(packed(*texts, "2a00:5:808:808:0100::"))
    assert unwrapped.tolist() == [1, 2, 3, 4, 4, 0, 0]
    assert inner.tolist() == [0x08080808] * 5 + [0, 0]
    assert layered.unwrap(np.asfortranarray(packed(*texts)))[1].tolist() == [0x08080808] * 5 + [0]
    assert [column.tolist() for column in layered.unwrap(np.zeros((0, 16), np.uint8))] == [[], []]


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (np.zeros(16, np.uint8), ValueError),
        (np.zeros((2, 4), np.uint8), ValueError),
        (np.zeros((2, 16), np.int8), TypeError),
        (np.zeros((2, 16), np.uint32), TypeError),
        (["::1"], TypeError),
    ],
)
def test_unwrap_takes_packed_addresses_alone(table: rf.Table, wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        table.unwrap(wrong)


@pytest.mark.parametrize("family", [0, 5, -1, None, "4"])
def test_there_are_two_families(table: rf.Table, family: Any) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        table.boundaries(family)
