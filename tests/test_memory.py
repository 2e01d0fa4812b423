"""The memory of opening a file is bounded by the size of the file, whatever it holds."""

from __future__ import annotations

import itertools
import random
import string
import subprocess
import sys
from pathlib import Path

import pytest

import regionfast as rf
from databases import raw_mmdb, shared_children
from test_hostile import column, sealed

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="what a process has needed at most is asked of Linux"
)

CODES = [
    first + second
    for first, second in itertools.product(string.ascii_uppercase, repeat=2)
    if first + second not in {"AP", "EU", "XX", "ZZ"}
][:240]

# Not `ru_maxrss`: a process inherits it from the one that started it, here the whole test run.
PROGRAM = r"""
import re, sys
import regionfast as rf
peak = lambda: int(re.search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1]) << 10
rf.Table.from_bytes  # imported before the first look
before = peak()
try:
    rf.open(sys.argv[1])
except rf.DatabaseError:
    pass
print(peak() - before)
"""


def peak(path: Path) -> int:
    """Bytes that opening a file takes at most."""
    ran = subprocess.run([sys.executable, "-c", PROGRAM, path], capture_output=True, text=True, check=True, timeout=60)
    return int(ran.stdout)


def fragmented(networks: int) -> bytes:
    """A compiled table whose every /24 has a row of its own: two bytes in the file, 512 in the index."""
    choose = random.Random(1)
    starts, slots = [0], [0]
    for number in range(networks):
        starts.append((1 << 24) + (number << 8) + 2 * (number // 2000 % 128) + 1)
        slot = choose.randrange(8, 247)
        slots.append(slot + (slot >= slots[-1]))
    return sealed(labels=[(1, code) for code in CODES], v4=column(starts, slots))


def hosts(networks: int) -> bytes:
    """A CSV database of single addresses, one in each /24."""
    rows = (
        f"{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}.{number * 2 % 255 | 1},{CODES[number * 7 % 240]}\n"
        for number in range(networks)
    )
    return "".join(rows).encode()


def test_the_measure_sees_what_is_taken(country_database: Path) -> None:
    taken = peak(country_database)
    assert taken > rf.open(country_database).info.bytes, "the measure is blind"
    assert taken < 6 * country_database.stat().st_size


@pytest.mark.parametrize("depth", [24, 64, 128])
def test_shared_children_take_nothing(tmp_path: Path, depth: int) -> None:
    path = tmp_path / "shared.mmdb"
    path.write_bytes(shared_children(depth))
    assert peak(path) < 4 << 20


def test_a_tree_at_the_edge_of_what_is_read(tmp_path: Path) -> None:
    """Nodes that are shared as often as the budget allows, and whose leaves always change."""
    inner = (1 << 15) - 1  # a full tree, and below each of its 2^15 ends the same three nodes
    nodes = [(min(2 * index + 1, inner), min(2 * index + 2, inner)) for index in range(inner)]
    nodes += [(inner + 1, inner + 2), (-1, -2), (-2, -1)]
    path = tmp_path / "edge.mmdb"
    path.write_bytes(raw_mmdb(nodes, [{"country_code": "US"}, {"country_code": "CN"}]))
    assert peak(path) < (16 << 20) + 64 * path.stat().st_size


@pytest.mark.parametrize("make", [fragmented, hosts])
def test_a_fragmented_space_takes_no_more_than_a_row_a_range(tmp_path: Path, make: object) -> None:
    """The bound that SECURITY.md states: 512 bytes of index a range."""
    assert callable(make)
    path = tmp_path / "fragmented.rft"
    path.write_bytes(make(400_000))
    assert peak(path) < (64 << 20) + 512 * 400_000
