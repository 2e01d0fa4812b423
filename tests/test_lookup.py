"""Small tables made at random against the oracle, at every edge, bare and wrapped."""

from __future__ import annotations

import ipaddress
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import regionfast as rf
from databases import write_mmdb
from oracle import IPV4_REGISTRY, IPV6_REGISTRY, RENAMED, Address, Answer, Oracle

Networks: TypeAlias = dict[str, str]

ZONES = [ipaddress.ip_network(zone) for zone in ("::ffff:0:0/96", "64:ff9b::/96", "2001::/32", "2002::/16")]
OWN_NAT64 = ("2a00:64::/32", "64:ff9b:1::/48", "2a00:65:0:100::/56", "2a00:66::/96")
CODES = st.sampled_from(
    ["US", "CN", "HK", "FR", "CN-HK", "CN-TW", "CN-22", "US-CA", "A1", "T1", "EU", "XX", "ZZ", "--", "AN"]
)
OVERRIDES = st.sampled_from(["US", "US-CA", "CN", "HK", "CN-MO", "relay", "ZZ"])


def network(bits: int, length: int, family: type[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> str:
    """The network of this length around an address."""
    return str(family((bits, length), strict=False))


V4 = st.builds(network, st.integers(0, 2**32 - 1), st.integers(0, 32), st.just(ipaddress.IPv4Network))
# Long prefixes around few addresses, so that networks nest, and boundaries lie below /64.
V6 = st.builds(
    network,
    st.sampled_from([0x2A00 << 112, (0x2A00 << 112) + 5, 0x2001_0DB8 << 96, 0xFE80 << 112, 0x20 << 120]),
    st.integers(4, 128),
    st.just(ipaddress.IPv6Network),
)
REGISTERED = st.sampled_from([prefix for prefix, *_ in (*IPV4_REGISTRY, *IPV6_REGISTRY)])


def at_level(networks: Networks, level: str) -> Networks:
    """What a table of this level has of the codes: a country table knows no subdivisions."""
    if level == "subdivision":
        return networks
    kept = {*RENAMED, "--"}
    return {text: code if code in kept else code.partition("-")[0] for text, code in networks.items()}


def is_wrapped(text: str, nat64: tuple[str, ...]) -> bool:
    """Whether a network lies in a zone of wrapped IPv4, where an override is refused."""
    inner = ipaddress.ip_network(text)
    zones = [*ZONES, *map(ipaddress.ip_network, nat64)]
    return any(inner.version == 6 and inner.subnet_of(zone) for zone in zones)  # type: ignore[arg-type]


def wrappings(address: ipaddress.IPv4Address, nat64: tuple[str, ...]) -> Iterator[ipaddress.IPv6Address]:
    """Every form of an IPv4 address inside IPv6."""
    bits = int(address)
    yield ipaddress.IPv6Address(0xFFFF << 32 | bits)
    yield ipaddress.IPv6Address(0x2002 << 112 | bits << 80 | 7)
    yield ipaddress.IPv6Address(0x20010000 << 96 | 0x1234 << 80 | bits ^ 0xFFFFFFFF)
    for prefix in map(ipaddress.IPv6Network, ("64:ff9b::/96", *nat64)):
        octets = bytearray(prefix.network_address.packed)
        places = [at for at in range(prefix.prefixlen // 8, 16) if at != 8 or prefix.prefixlen == 96][:4]
        for at, octet in zip(places, address.packed, strict=True):
            octets[at] = octet
        yield ipaddress.IPv6Address(bytes(octets))
        if prefix.prefixlen < 96:
            octets[8] = 0x80  # no translator writes this
            yield ipaddress.IPv6Address(bytes(octets))


def probes(networks: Mapping[str, str], nat64: tuple[str, ...]) -> Iterator[Address]:
    """Five addresses around each network, those of IPv4 also wrapped."""
    for text in networks:
        around = ipaddress.ip_network(text)
        first, last = int(around.network_address), int(around.broadcast_address)
        for bits in {first - 1, first, (first + last) // 2, last, last + 1}:
            if 0 <= bits < 2**around.max_prefixlen:
                address = type(around.network_address)(bits)
                yield address
                if isinstance(address, ipaddress.IPv4Address):
                    yield from wrappings(address, nat64)


def said(found: rf.Lookup) -> Answer:
    """A lookup in the words of the oracle."""
    return Answer(
        status=str(found.status),
        region=str(found.region) if found.region else None,
        evidence=str(found.evidence),
        unwrapped=str(found.unwrapped) if found.unwrapped else None,
    )


def check(table: rf.Table, oracle: Oracle, addresses: list[Address]) -> None:
    """One address at a time, and all together, by object and by text, the table answers like the oracle."""
    expected = [oracle.answer(address) for address in addresses]
    for address, answer in zip(addresses, expected, strict=True):
        assert said(table.lookup(address)) == answer, address
        assert said(table.lookup(str(address))) == answer, address
        assert table.region(address) == answer.region, address
    for batch in (addresses, [str(address) for address in addresses]):
        where = table.lookup_many(batch)
        columns = zip(where.status, where.to_list(), where.evidence, where.unwrapped, strict=True)
        batched = [
            Answer(
                status=str(rf.Status(status)),
                region=region,
                evidence=str(rf.Evidence(evidence)),
                unwrapped=str(rf.Unwrapped(unwrapped)) if unwrapped else None,
            )
            for status, region, evidence, unwrapped in columns
        ]
        assert batched == expected


@given(
    networks=st.dictionaries(V4 | V6 | REGISTERED, CODES, min_size=1, max_size=12),
    overrides=st.dictionaries(V4 | V6 | REGISTERED, OVERRIDES, max_size=6),
    unwrap=st.booleans(),
    nat64=st.lists(st.sampled_from(OWN_NAT64), unique=True, max_size=4).map(tuple),
    level=st.sampled_from(["country", "subdivision"]),
)
@settings(max_examples=150, deadline=None)
def test_random_csv_answers_like_the_oracle(
    networks: Networks,
    overrides: Networks,
    unwrap: bool,
    nat64: tuple[str, ...],
    level: Literal["country", "subdivision"],
) -> None:
    nat64 = nat64 if unwrap else ()
    if unwrap:
        overrides = {text: code for text, code in overrides.items() if not is_wrapped(text, nat64)}
    with tempfile.TemporaryDirectory() as folder:
        database, own = Path(folder, "database.csv"), Path(folder, "own.csv")
        database.write_text("".join(f"{text},{code}\n" for text, code in networks.items()), encoding="utf-8")
        own.write_text("".join(f"{text},{code}\n" for text, code in overrides.items()), encoding="utf-8")
        table = rf.open(database, level=level, overrides=own if overrides else None, unwrap=unwrap, nat64=nat64)
    networks, overrides = at_level(networks, level), at_level(overrides, level)
    addresses = list(probes(networks | overrides, nat64))
    check(table, Oracle(networks, overrides, unwrap, nat64), addresses)
    check(table.base, Oracle(networks, {}, unwrap, nat64), addresses)
    again = rf.Table.from_bytes(table.to_bytes(), digest=table.info.digest)
    assert again.lookup_many(addresses).slots.tolist() == table.lookup_many(addresses).slots.tolist()


# A network around `::/96` would hold IPv4 in the tree of such a file, and does not by the oracle.
GLOBAL = ipaddress.IPv6Network("2000::/3")
PUBLIC_V6 = V6.filter(lambda text: ipaddress.IPv6Network(text).subnet_of(GLOBAL))


@given(networks=st.dictionaries(V4 | PUBLIC_V6, CODES, min_size=1, max_size=10), aliases=st.booleans())
@settings(max_examples=80, deadline=None)
def test_random_mmdb_answers_like_the_oracle(networks: Networks, aliases: bool) -> None:
    # The writer lets a later network replace what it covers, so the widest comes first.
    ordered = dict(sorted(networks.items(), key=lambda item: ipaddress.ip_network(item[0]).prefixlen))
    with tempfile.TemporaryDirectory() as folder:
        records = {text: {"country": {"iso_code": code}} for text, code in ordered.items()}
        path = write_mmdb(Path(folder, "x.mmdb"), records, aliases=aliases)
        table = rf.open(path)
    check(table, Oracle(at_level(networks, "country")), list(probes(networks, ())))


def test_overrides_in_a_zone_are_for_tables_that_do_not_unwrap(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("8.0.0.0/8,US\n", encoding="utf-8")
    (tmp_path / "own.csv").write_text("2002:808::/32,DE\n::ffff:9.0.0.0/104,relay\n", encoding="utf-8")
    table = rf.open(tmp_path / "x.csv", overrides=tmp_path / "own.csv", unwrap=False)
    assert table.region("2002:808::1") == "DE"
    assert table.lookup("::ffff:9.1.1.1").status is rf.Status.RELAY
    assert table.lookup("::ffff:8.8.8.8").status is rf.Status.RESERVED
    with pytest.raises(rf.DatabaseError, match=r"own\.csv.*row 1"):
        rf.open(tmp_path / "x.csv", overrides=tmp_path / "own.csv")
