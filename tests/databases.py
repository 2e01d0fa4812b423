"""Databases made for tests: of MaxMind's shapes by `mmdb_writer`, and broken ones byte by byte."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import netaddr
from mmdb_writer import MMDBWriter

Record: TypeAlias = Mapping[str, object]
Width: TypeAlias = Literal[24, 28, 32]

MARKER = b"\xab\xcd\xefMaxMind.com"


def write_mmdb(
    path: Path,
    records: Mapping[str, Record],
    *,
    ip_version: Literal[4, 6] = 6,
    kind: str = "Test",
    aliases: bool = False,
) -> Path:
    """Write networks with their records. IPv4 networks of an IPv6 tree lie below `::/96`, as the format says."""
    writer = MMDBWriter(
        ip_version=ip_version,
        database_type=kind,
        ipv4_compatible=ip_version == 6,
        languages=["en"],
        description={"en": "made for a test"},
    )
    networks = dict(records)
    if aliases:
        # What writers of MaxMind's own tools do by pointing nodes at the IPv4 subtree.
        for network, record in records.items():
            if ":" not in network:
                address, _, length = network.partition("/")
                networks[f"::ffff:{address}/{96 + int(length)}"] = record
    for network, record in networks.items():
        writer.insert_network(netaddr.IPSet([network]), dict(record))
    writer.to_db_file(str(path))
    return path


def country(code: str, registered: str | None = None, subdivision: str | None = None) -> Record:
    """A record as GeoLite2 has it."""
    record: dict[str, object] = {
        "continent": {"code": "EU", "names": {"en": "Europe"}},
        "country": {"iso_code": code, "geoname_id": 1, "names": {"en": "Somewhere"}},
    }
    if registered:
        record["registered_country"] = {"iso_code": registered}
    if subdivision:
        record["subdivisions"] = [{"iso_code": subdivision, "names": {"en": "Part"}}]
    return record


class U16(int):
    """A number that the format wants in two bytes."""


class U64(int):
    """A number that the format wants in eight."""


def encode(value: object) -> bytes:
    """One value of the data section: texts, unsigned numbers, maps and arrays, all shorter than 29."""
    if isinstance(value, str):
        return bytes([2 << 5 | len(value)]) + value.encode()
    if isinstance(value, int):
        octets = value.to_bytes((value.bit_length() + 7) // 8, "big")
        if isinstance(value, U64):
            return bytes([len(octets), 9 - 7]) + octets
        return bytes([(5 if isinstance(value, U16) else 6) << 5 | len(octets)]) + octets
    if isinstance(value, Mapping):
        return bytes([7 << 5 | len(value)]) + b"".join(encode(k) + encode(v) for k, v in value.items())
    assert isinstance(value, list)
    return bytes([len(value), 11 - 7]) + b"".join(map(encode, value))


def raw_mmdb(
    nodes: Sequence[tuple[int, int]],
    records: Sequence[object],
    *,
    width: Width = 32,
    ip_version: int = 4,
    **lies: object,
) -> bytes:
    """A file of just these nodes. A child `-1 - i` means record `i`; one of `len(nodes)` means empty."""
    data = [encode(record) for record in records]
    starts = [sum(map(len, data[:index])) for index in range(len(data))]

    def pointer(child: int) -> int:
        return child if child >= 0 else len(nodes) + 16 + starts[-1 - child]

    tree = b""
    for left, right in ((pointer(left), pointer(right)) for left, right in nodes):
        if width == 24:
            tree += left.to_bytes(3, "big") + right.to_bytes(3, "big")
        elif width == 28:
            middle = (left >> 24) << 4 | right >> 24
            tree += (left & 0xFFFFFF).to_bytes(3, "big") + bytes([middle]) + (right & 0xFFFFFF).to_bytes(3, "big")
        else:
            tree += struct.pack(">II", left, right)
    metadata: dict[str, object] = {
        "binary_format_major_version": U16(2),
        "binary_format_minor_version": U16(0),
        "build_epoch": U64(1_700_000_000),
        "database_type": "Test",
        "description": {"en": "x"},
        "ip_version": U16(ip_version),
        "languages": [],
        "node_count": len(nodes),
        "record_size": U16(width),
    }
    return tree + bytes(16) + b"".join(data) + MARKER + encode(metadata | lies)


def shared_children(depth: int) -> bytes:
    """A tree whose nodes have the next node on both sides: `depth` nodes spell out 2^`depth` networks."""
    nodes = [(index + 1, index + 1) for index in range(depth - 1)] + [(-1, -2)]
    return raw_mmdb(nodes, [{"country_code": "US"}, {"country_code": "CN"}], ip_version=6)
