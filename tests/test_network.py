"""`Lookup.network`: the largest prefix around the judged address whose addresses all answer alike."""

from __future__ import annotations

import bisect
import ipaddress
import random
from pathlib import Path
from typing import TypeAlias

import pytest

import regionfast as rf

Family: TypeAlias = type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]
FAMILIES: list[Family] = [ipaddress.IPv4Address, ipaddress.IPv6Address]


class Cover:
    """The ranges of one family as a table iterates over them."""

    def __init__(self, table: rf.Table, family: Family) -> None:
        self.family = family
        ranges = [(int(family(first)), int(family(last))) for first, last, _ in table.ranges(family(0).version)]
        self.starts = [first for first, _ in ranges]
        self.lasts = [last for _, last in ranges]

    def around(self, bits: int) -> tuple[int, int]:
        """First and last address of the range that holds the address."""
        at = bisect.bisect_right(self.starts, bits) - 1
        assert bits <= self.lasts[at], "an address that no range holds"
        return self.starts[at], self.lasts[at]

    def largest(self, bits: int) -> str:
        """The network, found by trying one length after the other."""
        first, last = self.around(bits)
        width = self.family(0).max_prefixlen
        for length in range(width + 1):
            host = (1 << (width - length)) - 1
            if first <= bits & ~host and bits | host <= last:
                return f"{self.family(bits & ~host)}/{length}"
        raise AssertionError("a range holds at least the address itself")


@pytest.fixture(scope="module", params=["bundled", "overridden"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> rf.Table:
    """A table without and one with overrides."""
    if request.param == "bundled":
        return rf.open()
    folder = tmp_path_factory.mktemp("own")
    choose = random.Random(9)
    database = {
        str(ipaddress.ip_network((choose.getrandbits(width), choose.randint(8, width)), strict=False))
        for width in (32, 128)
        for _ in range(1500)
    }
    (folder / "x.csv").write_text("".join(f"{network},US\n" for network in sorted(database)), encoding="utf-8")
    (folder / "own.csv").write_text(
        "8.8.8.8/32,DE\n10.0.0.0/9,US\n2000::/3,relay\n2a00:1::/33,FR\n2a00:1::5/128,HK\n", encoding="utf-8"
    )
    return rf.open(folder / "x.csv", overrides=folder / "own.csv")


@pytest.mark.parametrize("family", FAMILIES, ids=["IPv4", "IPv6"])
def test_no_network_is_too_large_or_too_small(either: rf.Table, family: Family) -> None:
    cover = Cover(either, family)
    chosen = random.Random(7)
    indices = chosen.sample(range(len(cover.starts)), min(1500, len(cover.starts)))
    for index in [0, len(cover.starts) - 1, *indices]:
        first, last = cover.starts[index], cover.lasts[index]
        for bits in {first, chosen.randint(first, last), last}:
            assert either.lookup(family(bits)).network == cover.largest(bits), index


def test_networks_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("8.8.0.0,8.8.255.255,US\n8.8.8.0,8.8.8.255,HK\n9.0.0.1,9.0.0.6,CN\n2a00::,2a00::8,DE\n", "utf-8")
    table = rf.open(path)
    expected = {
        "8.8.8.8": "8.8.8.0/24",
        "8.8.9.1": "8.8.9.0/24",
        "8.8.128.1": "8.8.128.0/17",
        "9.0.0.1": "9.0.0.1/32",
        "9.0.0.3": "9.0.0.2/31",
        "9.0.0.5": "9.0.0.4/31",
        "9.0.0.6": "9.0.0.6/32",
        "9.0.0.7": "9.0.0.7/32",
        "9.0.0.0": "9.0.0.0/32",
        "10.1.2.3": "10.0.0.0/8",
        "255.255.255.255": "224.0.0.0/3",
        "::ffff:8.8.8.8": "8.8.8.0/24",
        "2002:808:808::1": "8.8.8.0/24",
        "2a00::1": "2a00::/125",
        "2a00::8": "2a00::8/128",
        "2a00::9": "2a00::9/128",
        "::1": "::1/128",
        "fe80::1%eth0": "fe80::/10",
        "ff02::1": "ff00::/8",
    }
    assert {address: table.lookup(address).network for address in expected} == expected


def test_there_is_no_network_without_an_address(table: rf.Table) -> None:
    assert [table.lookup(text).network for text in ("x", "", "-", None)] == [None] * 4


@pytest.mark.parametrize("prefix", ["2a00:64::/32", "2a00:64::/40", "2a00:64::/48", "2a00:64::/56", "2a00:64::/64"])
def test_what_no_translator_made_has_a_network_of_its_own(prefix: str, tmp_path: Path) -> None:
    """An address of an own NAT64 prefix whose octet 8 is not zero is reserved; those beside it are unwrapped.

    The network of the first must not hold any of the others.
    """
    path = tmp_path / "x.csv"
    path.write_text("8.0.0.0/8,US\n2a00::/12,DE\n", encoding="utf-8")
    table = rf.open(path, nat64=[prefix])
    zone = ipaddress.IPv6Network(prefix)
    for octet in (1, 2, 0x80, 0xFF):
        found = table.lookup(zone.network_address + (octet << 56) + 5)
        assert (found.status, found.unwrapped) == (rf.Status.RESERVED, rf.Unwrapped.NO)
        assert found.network is not None
        network = ipaddress.IPv6Network(found.network)
        assert network.subnet_of(zone)
        # The smallest address of the network with octet 8 zero, if there is one.
        inside = ipaddress.IPv6Address(int(network.network_address) & ~(0xFF << 56))
        assert table.lookup(inside).unwrapped is rf.Unwrapped.NAT64
        assert inside not in network, "a network whose addresses answer in two ways"
