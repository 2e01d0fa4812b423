"""The whole country database against the Python reader of `maxminddb`, and small tables against the oracle."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import maxminddb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import regionfast as rf
from oracle import Oracle

UNKNOWN = {"", "A2", "AP", "EU", "O1", "XX", "ZZ", "--"}


def code(record: object) -> str | None:
    """The region that a record names."""
    assert record is None or isinstance(record, dict)
    found = str(record["country_code"]) if record else ""
    return None if found in UNKNOWN else found


@pytest.mark.long
def test_every_network_edge_and_two_million_addresses(country_database: Path) -> None:
    table = rf.open(country_database)
    edges: dict[int, set[int]] = {4: set(), 6: set()}
    with maxminddb.open_database(country_database) as reader:
        for network, _ in reader:
            first, last = int(network.network_address), int(network.broadcast_address)
            top = (1 << network.max_prefixlen) - 1
            edges[network.version].update(max(0, min(top, at)) for at in (first - 1, first, last, last + 1))
        random = np.random.default_rng(20261124)
        v4 = np.concatenate(
            [np.array(sorted(edges[4]), np.uint32), random.integers(0, 1 << 32, 1_000_000, dtype=np.uint32)]
        )
        where = table.lookup_many(v4)
        decided = np.isin(where.status, [rf.Status.PRIVATE, rf.Status.RESERVED])
        compared = 0
        for number, region, special in zip(v4.tolist(), where.to_list(), decided.tolist(), strict=True):
            if not special:
                compared += 1
                assert code(reader.get(ipaddress.IPv4Address(number))) == region
        assert compared > 1_500_000

        base = [int(n) for n in random.integers(0x20000000, 0x40000000, 1_000_000)]
        v6 = sorted(edges[6]) + [n << 96 | int(random.integers(1 << 62)) for n in base]
        packed = np.frombuffer(b"".join(n.to_bytes(16, "big") for n in v6), np.uint8).reshape(-1, 16)
        where = table.lookup_many(packed)
        decided = np.isin(where.status, [rf.Status.PRIVATE, rf.Status.RESERVED]) | (where.unwrapped > 0)
        compared = 0
        for number, region, special in zip(v6, where.to_list(), decided.tolist(), strict=True):
            if not special:
                compared += 1
                assert code(reader.get(ipaddress.IPv6Address(number))) == region
        assert compared > 2_000_000


@pytest.mark.long
def test_the_bundled_table_is_what_its_database_gives(country_database: Path) -> None:
    bundled = rf.open()
    fresh = rf.open(country_database, attribution=bundled.info.attribution)
    assert list(fresh.ranges()) == list(bundled.ranges())
    assert fresh.info.digest == bundled.info.digest


PREFIXES4 = st.builds(
    lambda bits, length: str(ipaddress.ip_network((bits, length), strict=False)),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 1, 8, 9, 13, 14, 16, 18, 20, 23, 24, 25, 29, 30, 31, 32]),
)
PREFIXES6 = st.builds(
    lambda high, low, length: str(ipaddress.ip_network((high << 64 | low, length), strict=False)),
    st.sampled_from([0x2A00 << 48, 0x20010DB8 << 32, (1 << 64) - 1, (1 << 64) - 2, 0x2400 << 48 | 5])
    | st.integers(0, 2**64 - 1),
    st.integers(0, 2**64 - 1),
    st.sampled_from([1, 3, 16, 29, 32, 48, 63, 64, 65, 96, 127, 128]),
)
CODES = st.sampled_from(["CN", "HK", "US", "US-CA", "CN-HK", "XX", "A1", "DE"])
NETWORKS = st.dictionaries(PREFIXES4 | PREFIXES6, CODES, min_size=1, max_size=25)
OWN = st.dictionaries(PREFIXES4 | PREFIXES6, st.sampled_from(["relay", "DE", "JP"]), max_size=6)


@given(NETWORKS, OWN)
@settings(max_examples=150, deadline=None)
def test_small_tables_equal_the_oracle_at_every_edge(
    tmp_path_factory: pytest.TempPathFactory, networks: dict[str, str], own: dict[str, str]
) -> None:
    zones = [ipaddress.IPv6Network(n) for n in ("::ffff:0:0/96", "64:ff9b::/96", "2001::/32", "2002::/16")]
    own = {
        network: region
        for network, region in own.items()
        if not any(":" in network and ipaddress.IPv6Network(network).subnet_of(zone) for zone in zones)
    }
    folder = tmp_path_factory.mktemp("small")
    (folder / "x.csv").write_text("".join(f"{n},{r}\n" for n, r in networks.items()), encoding="utf-8")
    (folder / "own.csv").write_text("".join(f"{n},{r}\n" for n, r in own.items()), encoding="utf-8")
    overrides = folder / "own.csv" if own else None
    table = rf.open(folder / "x.csv", level="subdivision", overrides=overrides)
    oracle, base = Oracle(networks, own), Oracle(networks)
    probes: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = []
    for network in map(ipaddress.ip_network, [*networks, *own]):
        top = (1 << network.max_prefixlen) - 1
        first, last = int(network.network_address), int(network.broadcast_address)
        kind = ipaddress.IPv4Address if network.version == 4 else ipaddress.IPv6Address
        probes += [kind(max(0, min(top, at))) for at in (first - 1, first, first + 1, last - 1, last, last + 1)]
    probes += [ipaddress.IPv6Address(f"::ffff:{p}") for p in probes if p.version == 4]
    for one, reference in ((table, oracle), (table.base, base)):
        where = one.lookup_many(probes)
        rows = zip(
            probes,
            where.to_list(),
            where.status.tolist(),
            where.evidence.tolist(),
            where.unwrapped.tolist(),
            strict=True,
        )
        for probe, region, status, evidence, unwrapped in rows:
            expected = reference.answer(probe)
            got = (region, str(rf.Status(status)), str(rf.Evidence(evidence)), str(rf.Unwrapped(unwrapped)))
            assert got == (expected.region, expected.status, expected.evidence, expected.unwrapped or "no"), probe
            assert one.lookup(probe).status == status
