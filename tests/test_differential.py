"""The whole country database against the Python reader of `maxminddb`."""

from __future__ import annotations

import bisect
import ipaddress
import random
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import maxminddb
import numpy as np
import numpy.typing as npt
import pytest

import regionfast as rf
from oracle import IPV4_REGISTRY, IPV6_REGISTRY, RELAY_CODES, UNKNOWN_CODES, Oracle

WRAPPED = ("::ffff:0:0/96", "64:ff9b::/96", "2001::/32", "2002::/16")
ORACLE = Oracle({})
MILLION = 1_000_000

Ranges: TypeAlias = dict[int, list[tuple[int, int, rf.Region | rf.Status]]]


def code(record: object) -> str | None:
    """The region that a record names."""
    assert record is None or isinstance(record, dict)
    found = str(record["country_code"]) if record else ""
    assert found not in RELAY_CODES
    return None if found in UNKNOWN_CODES else found


class Special:
    """Where the registries or unwrapping may decide before the database."""

    def __init__(self, family: int) -> None:
        rows = [prefix for prefix, *_ in (*IPV4_REGISTRY, *IPV6_REGISTRY)] + list(WRAPPED)
        networks = [network for network in map(ipaddress.ip_network, rows) if network.version == family]
        self.widest = sorted(
            (int(network.network_address), int(network.broadcast_address))
            for network in networks
            if not any(network != other and network.subnet_of(other) for other in networks)  # type: ignore[arg-type]
        )
        self.firsts = [first for first, _ in self.widest]

    def holds(self, bits: int) -> bool:
        """Whether the oracle has to be asked; it is slow."""
        at = bisect.bisect_right(self.firsts, bits) - 1
        return at >= 0 and bits <= self.widest[at][1]


def packed(numbers: list[int], family: int) -> npt.NDArray[np.generic]:
    """Addresses in the form that NumPy has for them."""
    if family == 4:
        return np.array(numbers, np.uint32)
    return np.frombuffer(b"".join(number.to_bytes(16, "big") for number in numbers), np.uint8).reshape(-1, 16)


def compare(table: rf.Table, reader: maxminddb.Reader, numbers: list[int], family: int) -> tuple[int, int]:
    """The table says what the reader says, but where the oracle says that the database is not asked."""
    kind = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    special = Special(family)
    where = table.lookup_many(packed(numbers, family))
    located = decided = 0
    for number, region, status, unwrapped in zip(
        numbers, where.to_list(), where.status.tolist(), where.unwrapped.tolist(), strict=True
    ):
        address: ipaddress.IPv4Address | ipaddress.IPv6Address = kind(number)
        judged = address
        if special.holds(number):
            answer = ORACLE.answer(address)
            if answer.unwrapped is not None:
                assert str(rf.Unwrapped(unwrapped)) == answer.unwrapped
                inner, _ = ORACLE._unwrapped(ipaddress.IPv6Address(number))
                assert inner is not None
                judged = inner
            if answer.status != "unknown":  # the oracle has an empty database: what is left to it is unknown
                assert (region, str(rf.Status(status))) == (None, answer.status)
                decided += 1
                continue
        assert bool(unwrapped) == (judged != address)
        expected = code(reader.get(judged))
        assert region == expected
        assert status == (rf.Status.UNKNOWN if expected is None else rf.Status.LOCATED)
        located += expected is not None
    return located, decided


@pytest.fixture(scope="module")
def reader(country_database: Path) -> Iterator[maxminddb.Reader]:
    """The reference."""
    with maxminddb.open_database(country_database) as reader:
        yield reader


@pytest.fixture(scope="module")
def compiled(country_database: Path) -> rf.Table:
    """The table of the same database."""
    return rf.open(country_database)


@pytest.fixture(scope="module")
def ranges(table: rf.Table) -> Ranges:
    """The ranges of the bundled table, by family."""
    found: Ranges = {4: [], 6: []}
    for version, family in ((4, socket.AF_INET), (6, socket.AF_INET6)):
        # `ipaddress` would take seconds.
        for first, last, place in table.ranges(4 if version == 4 else 6):
            low, high = (int.from_bytes(socket.inet_pton(family, text), "big") for text in (first, last))
            found[version].append((low, high, place))
    return found


@pytest.fixture(scope="module")
def networks(reader: maxminddb.Reader) -> dict[int, list[tuple[int, int]]]:
    """First and last address of every network of the database, by family."""
    found: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
    for network, _ in reader:
        found[network.version].append((int(network.network_address), int(network.broadcast_address)))
    return found


@pytest.mark.parametrize("family", [4, 6])
def test_some_edges(compiled: rf.Table, reader: maxminddb.Reader, ranges: Ranges, family: int) -> None:
    top = (1 << (32 if family == 4 else 128)) - 1
    kind = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    numbers = set()
    for start, _, _ in random.Random(family).sample(ranges[family], 5000):
        _, length = reader.get_with_prefix_len(kind(start))
        network = ipaddress.ip_network((start, length), strict=False)
        first, last = int(network.network_address), int(network.broadcast_address)
        numbers |= {max(0, min(top, at)) for at in (first - 1, first, last, last + 1)}
    located, _ = compare(compiled, reader, sorted(numbers), family)
    assert located > 8000


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("family", [4, 6])
def test_every_edge_and_a_million_addresses(
    compiled: rf.Table, reader: maxminddb.Reader, networks: dict[int, list[tuple[int, int]]], family: int
) -> None:
    """Half of the million anywhere in public space, half in a network chosen first."""
    width = 32 if family == 4 else 128
    top = (1 << width) - 1
    chosen = random.Random(20261124)
    numbers = {max(0, min(top, at)) for first, last in networks[family] for at in (first - 1, first, last, last + 1)}
    assert len(numbers) > len(networks[family])
    anywhere = [chosen.getrandbits(width) for _ in range(MILLION // 2)]
    if family == 6:  # nearly all other space is reserved or not given out
        anywhere = [number >> 3 | 1 << 125 for number in anywhere]
    inside = [chosen.randint(*network) for network in chosen.choices(networks[family], k=MILLION // 2)]
    located, decided = compare(compiled, reader, [*sorted(numbers), *anywhere, *inside], family)
    assert located > len(numbers) // 2
    assert decided > 0


def test_the_bundled_table_is_what_its_database_gives(table: rf.Table, country_database: Path) -> None:
    fresh = rf.open(country_database, attribution=table.info.attribution)
    assert all(one == other for one, other in zip(fresh.ranges(), table.ranges(), strict=True))
    assert fresh.info.digest == table.info.digest


@pytest.mark.parametrize("family", [4, 6])
def test_every_range_of_the_bundled_table(table: rf.Table, ranges: Ranges, family: int) -> None:
    """Five probes around every range, against a search in the sorted ranges."""
    sought = ranges[family]
    starts = [first for first, _, _ in sought]
    probes: list[int] = []
    expected: list[str | None] = []
    for first, last, _ in sought:
        for probe in {first - 1, first, (first + last) // 2, last, last + 1}:
            at = bisect.bisect_right(starts, probe) - 1
            if at >= 0 and probe <= sought[at][1]:  # else outside the space, or where IPv4 is wrapped
                place = sought[at][2]
                probes.append(probe)
                expected.append(place.code if isinstance(place, rf.Region) else None)
    assert len(probes) > 3 * len(sought)
    assert table.lookup_many(packed(probes, family)).to_list() == expected
