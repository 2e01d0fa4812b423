"""Damaged and hostile files: one error that names the file, or a sane table; never a panic or a hang."""

from __future__ import annotations

import hashlib
import itertools
import struct
import time
from pathlib import Path
from typing import Any

import pytest

import regionfast as rf
from databases import MARKER, U16, country, encode, raw_mmdb, shared_children, write_mmdb

BAD = Path(__file__).parent / "bad_tables"
PROBES = ["1.2.3.4", "8.8.8.8", "255.255.255.255", "2400::1", "::ffff:1.2.3.4", "ffff::1"]


def refused(path: Path) -> str:
    """The message with which a file is refused."""
    with pytest.raises(rf.DatabaseError) as raised:
        rf.open(path)
    message = str(raised.value)
    assert path.name in message
    assert "\n" not in message
    return message


def sane(path: Path) -> None:
    """The file is refused, or gives a table that answers."""
    try:
        table = rf.open(path)
    except rf.DatabaseError as error:
        assert path.name in str(error)
    else:
        assert len(table.lookup_many(PROBES).to_list()) == len(PROBES)
        assert all(region is None or len(region.code) >= 2 for region in table.regions)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small sound `.mmdb`."""
    path = tmp_path_factory.mktemp("sound") / "x.mmdb"
    records = {
        "1.0.0.0/8": country("CN", "CN", "BJ"),
        "8.8.8.0/30": country("US"),
        "2400::/20": country("JP"),
    }
    return write_mmdb(path, records).read_bytes()


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small sound compiled table with overrides."""
    folder = tmp_path_factory.mktemp("compiled")
    (folder / "x.csv").write_text("1.0.0.0/8,CN\n8.8.8.0/24,US\n2400::/20,JP\n", encoding="utf-8")
    (folder / "own.csv").write_text("9.0.0.0/8,relay\n2a00::/16,DE\n", encoding="utf-8")
    return rf.open(folder / "x.csv", overrides=folder / "own.csv", nat64=["2a00:64::/96"]).to_bytes()


def test_missing_empty_and_wrong_files(tmp_path: Path) -> None:
    assert "cannot read" in refused(tmp_path / "none.mmdb")
    for name, content in {
        "empty.mmdb": b"",
        "zeros.mmdb": bytes(5000),
        "text.mmdb": b"hello\n",
        "picture.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
        "marker.mmdb": MARKER,
        "marker-and-zeros.mmdb": MARKER + bytes(100),
        "rgnfast.rft": b"rgnfast",
        "future.rft": b"rgnfast\x09" + bytes(100),
    }.items():
        (tmp_path / name).write_bytes(content)
        refused(tmp_path / name)
    with pytest.raises(rf.DatabaseError, match=tmp_path.name):
        rf.open(tmp_path)
    assert "another version" in refused(tmp_path / "future.rft")


def test_truncated_database_at_every_byte(tmp_path: Path, database: bytes) -> None:
    path = tmp_path / "cut.mmdb"
    for length in range(len(database)):
        path.write_bytes(database[:length])
        refused(path)


def test_truncated_table_at_every_byte(tmp_path: Path, compiled: bytes) -> None:
    path = tmp_path / "cut.rft"
    for length in range(len(compiled)):
        path.write_bytes(compiled[:length])
        refused(path)
        with pytest.raises(rf.DatabaseError):
            rf.Table.from_bytes(compiled[:length])


def test_every_flipped_bit_of_a_table_is_refused(compiled: bytes) -> None:
    for index in range(len(compiled)):
        for bit in range(8):
            flipped = bytearray(compiled)
            flipped[index] ^= 1 << bit
            with pytest.raises(rf.DatabaseError):
                rf.Table.from_bytes(bytes(flipped))
    with pytest.raises(rf.DatabaseError):
        rf.Table.from_bytes(compiled + b"\0")


def test_flipped_bits_of_a_database_are_an_error_or_a_sane_table(tmp_path: Path, database: bytes) -> None:
    path = tmp_path / "flip.mmdb"
    # Every bit outside the long run of empty nodes; of those one in eight.
    for index in range(len(database)):
        for bit in range(8) if index > 1200 or index % 8 == 0 else ():
            flipped = bytearray(database)
            flipped[index] ^= 1 << bit
            path.write_bytes(flipped)
            sane(path)


def test_shared_children_are_refused_quickly(tmp_path: Path) -> None:
    path = tmp_path / "shared.mmdb"
    for depth in (24, 64, 100, 128):
        path.write_bytes(shared_children(depth))
        start = time.monotonic()
        assert "shares its" in refused(path)
        assert time.monotonic() - start < 5, "a hundred nodes are no work"


RECORDS = [{"country_code": "US"}, {"country_code": "CN"}]
LIES: dict[str, Any] = {
    "node_count more": {"node_count": 10**6},
    "node_count huge": {"node_count": 2**32 - 1},
    "node_count zero": {"node_count": 0},
    "node_count a text": {"node_count": "x"},
    "record_size odd": {"record_size": U16(25)},
    "record_size zero": {"record_size": U16(0)},
    "ip_version 5": {"ip_version": U16(5)},
    "format 3": {"binary_format_major_version": U16(3)},
    "languages a text": {"languages": "x"},
}


@pytest.mark.parametrize("lie", LIES)
def test_lying_metadata_is_refused(tmp_path: Path, lie: str) -> None:
    path = tmp_path / "lie.mmdb"
    path.write_bytes(raw_mmdb([(-1, -2)], RECORDS, **LIES[lie]))
    refused(path)


@pytest.mark.parametrize(
    "nodes",
    [
        [(0, 0)],
        [(0, -1)],
        [(1, 1), (0, -1)],
        [(5, -1)],
        [(1 + 3, -1)],
        [(2**31, -1)],
        [(index + 1, 200) for index in range(199)] + [(-1, -2)],
    ],
    ids=["self", "self left", "cycle", "into separator", "before data", "far outside", "too deep"],
)
def test_impossible_trees_are_refused(tmp_path: Path, nodes: list[tuple[int, int]]) -> None:
    path = tmp_path / "tree.mmdb"
    path.write_bytes(raw_mmdb(nodes, RECORDS))
    refused(path)


@pytest.mark.parametrize(
    "record",
    [
        "US",
        ["US"],
        5,
        {},
        {"country_code": 5},
        {"country_code": ["US"]},
        {"country": {"iso_code": {"x": "US"}}},
    ],
    ids=repr,
)
def test_records_of_another_type_are_an_error(tmp_path: Path, record: Any) -> None:
    path = tmp_path / "record.mmdb"
    path.write_bytes(raw_mmdb([(-1, -1)], [record]))
    refused(path)


def test_a_record_of_another_type_among_good_ones(tmp_path: Path) -> None:
    path = tmp_path / "mixed.mmdb"
    path.write_bytes(raw_mmdb([(-1, -2)], [{"country_code": "US"}, {"country_code": 7}]))
    refused(path)


def test_pointer_loops_in_records_end(tmp_path: Path) -> None:
    good = raw_mmdb([(-1, -1)], [{"country_code": "US"}])
    at = good.index(encode("US"))
    path = tmp_path / "loop.mmdb"
    # A pointer (type 1, 11 bits) to the map that holds it.
    path.write_bytes(good[:at] + b"\x20\x00" + good[at + 3 :])
    refused(path)


# A compiled file whose digest is right but whose content is not: written here from the description of the format.


def text(value: str) -> bytes:
    return struct.pack("<I", len(value.encode())) + value.encode()


CLAIMS = {
    "kind": "x",
    "description": "",
    "attribution": "",
    "built-at": "5",
    "registry-date": "2025-10-09",
    "ipv6": "true",
    "warnings": "",
    "level": "country",
    "unwrap": "true",
    "nat64": "",
}
ZONES = [  # of ::ffff:0:0/96, 64:ff9b::/96, 2001::/32, 2002::/16
    (0xFFFF << 32, 1 << 48),
    (0x64FF9B << 96, (0x64FF9B << 96) + (1 << 32)),
    (0x20010000 << 96, 0x20010001 << 96),
    (0x2002 << 112, 0x2003 << 112),
]


def distance(number: int) -> bytes:
    exponent = (number & -number).bit_length() - 1
    rest = (number >> exponent) >> 1
    out = [exponent | (0x80 if rest else 0)]
    while rest:
        out.append((rest & 0x7F) | (0x80 if rest > 0x7F else 0))
        rest >>= 7
    return bytes(out)


def column(starts: list[int], slots: list[int]) -> bytes:
    steps = b"".join(distance(after - before) for before, after in itertools.pairwise(starts))
    return struct.pack("<I", len(starts)) + steps + bytes(slots)


V6_STARTS = [0, *(edge for zone in ZONES for edge in zone)]
V6 = column(V6_STARTS, [0, 6, 0, 6, 0, 6, 0, 6, 0])


def sealed(
    claims: dict[str, str] = CLAIMS,
    labels: list[tuple[int, str]] = [(1, "CN"), (1, "US")],  # noqa: B006
    v4: bytes = column([0, 1 << 24, 2 << 24], [0, 8, 9]),
    v6: bytes = V6,
    overrides_v4: bytes = struct.pack("<I", 0),
    overrides_v6: bytes = struct.pack("<I", 0),
    more: bytes = b"",
) -> bytes:
    body = b"rgnfast\x01" + struct.pack("<I", len(claims))
    body += b"".join(text(key) + text(value) for key, value in claims.items())
    body += struct.pack("<I", len(labels)) + b"".join(bytes([e]) + text(code) for e, code in labels)
    body += v4 + v6 + overrides_v4 + overrides_v6 + more
    return body + hashlib.sha256(body).digest()


def test_the_description_of_the_format_is_enough_to_write_one() -> None:
    table = rf.Table.from_bytes(sealed())
    assert table.lookup_many(["1.1.1.1", "2.1.1.1", "::ffff:1.1.1.1"]).to_list() == ["CN", "US", "CN"]


def override(first: int, last: int, slot: int) -> bytes:
    return struct.pack("<IIH", first, last, slot)


HOSTILE = {
    "no level": sealed(claims={key: value for key, value in CLAIMS.items() if key != "level"}),
    "unknown level": sealed(claims=CLAIMS | {"level": "city"}),
    "unknown claim": sealed(claims=CLAIMS | {"colour": "red"}),
    "date not a number": sealed(claims=CLAIMS | {"built-at": "yesterday"}),
    "unwrap not a bool": sealed(claims=CLAIMS | {"unwrap": "maybe"}),
    "zones without unwrap": sealed(claims=CLAIMS | {"unwrap": "false"}),
    "a NAT64 prefix without its zone": sealed(claims=CLAIMS | {"nat64": "2a00:64::/96"}),
    "NAT64 of a wrong length": sealed(claims=CLAIMS | {"nat64": "2a00:64::/97"}),
    "a date with a leading zero": sealed(claims=CLAIMS | {"built-at": "05"}),
    "claims in another order": sealed(claims=dict(reversed(CLAIMS.items()))),
    "a claim too many": sealed(claims=CLAIMS | {"more": ""}),
    "regions out of order": sealed(labels=[(1, "US"), (1, "CN")]),
    "a region twice": sealed(labels=[(1, "CN"), (1, "CN")]),
    "overrides before the database": sealed(labels=[(2, "CN"), (1, "US")]),
    "a distance longer than it has to be": sealed(v4=struct.pack("<I", 2) + b"\x98\x81\x00" + bytes([0, 8])),
    "evidence 4": sealed(labels=[(4, "CN"), (1, "US")]),
    "evidence 0": sealed(labels=[(0, "CN"), (1, "US")]),
    "a status as a region": sealed(labels=[(1, "A1"), (1, "US")]),
    "Hong Kong inside China": sealed(labels=[(1, "CN-HK"), (1, "US")]),
    "a lower-case region": sealed(labels=[(1, "cn"), (1, "US")]),
    "an empty region": sealed(labels=[(1, ""), (1, "US")]),
    "a slot beyond the labels": sealed(v4=column([0, 1 << 24], [0, 10])),
    "slot invalid": sealed(v4=column([0, 1 << 24], [0, 3])),
    "slot missing": sealed(v4=column([0, 1 << 24], [0, 4])),
    "slot relay by override": sealed(v4=column([0, 1 << 24], [0, 7])),
    "a zone in IPv4": sealed(v4=column([0, 1 << 24], [0, 6])),
    "neighbours alike": sealed(v4=column([0, 1 << 24], [8, 8])),
    "beyond the space": sealed(v4=column([0, 1 << 32], [0, 8])),
    "beyond 128 bits": sealed(v6=struct.pack("<I", 2) + b"\x7f" + bytes([0, 8])),
    "an overlong factor": sealed(v4=struct.pack("<I", 2) + b"\x80" + b"\xff" * 30 + b"\x01" + bytes([0, 8])),
    "no ranges": sealed(v4=struct.pack("<I", 0)),
    "more ranges than bytes": sealed(v4=struct.pack("<I", 2**32 - 1)),
    "a zone too few": sealed(v6=column(V6_STARTS[:-2], [0, 6, 0, 6, 0, 6, 0])),
    "a zone moved": sealed(v6=column([0, (0xFFFF << 32) + 1, *V6_STARTS[2:]], [0, 6, 0, 6, 0, 6, 0, 6, 0])),
    "a zone too many": sealed(v6=column([*V6_STARTS, 1 << 127], [0, 6, 0, 6, 0, 6, 0, 6, 0, 6])),
    "an override by the database": sealed(overrides_v4=struct.pack("<I", 1) + override(1, 2, 8)),
    "an override backwards": sealed(
        labels=[(1, "CN"), (2, "US")], overrides_v4=struct.pack("<I", 1) + override(2, 1, 9)
    ),
    "overrides that overlap": sealed(
        labels=[(1, "CN"), (2, "US")],
        overrides_v4=struct.pack("<I", 2) + override(1, 5, 9) + override(5, 6, 9),
    ),
    "more bytes": sealed(more=b"\0"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_sealed_lie_is_refused(name: str) -> None:
    with pytest.raises((rf.DatabaseError, ValueError)):
        rf.Table.from_bytes(HOSTILE[name])


@pytest.mark.parametrize(
    "path", sorted(path for path in BAD.iterdir() if path.suffix != ".md"), ids=lambda path: path.name
)
def test_committed_bad_files_are_refused(path: Path) -> None:
    refused(path)


@pytest.mark.parametrize(
    "content",
    [
        "1.0.0.0/8\n",
        "1.0.0.0/8,China\n",
        "1.0.0.1/8,CN\n",
        "300.0.0.0/8,CN\n",
        "1.0.0.9,1.0.0.1,CN\n",
        "1.0.0.0/8,CN\n1.0.0.0/8,US\n",
        "1.0.0.0,1.0.0.9,CN\n1.0.0.5,1.0.0.15,US\n",
        '1.0.0.0/8,"CN\n2.0.0.0/8,US\n',
        "prefix,region\n",
        "# nothing\n\n",
        "x" * 10_000_000,
        "1.0.0.0/8,\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    ],
    ids=lambda content: repr(content)[:40],
)
def test_wrong_rows_are_refused_with_their_row(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(content, encoding="utf-8")
    message = refused(path)
    assert "1.0.0." not in message
    own = tmp_path / "own.csv"
    own.write_text(content, encoding="utf-8")
    with pytest.raises(rf.DatabaseError, match=r"own\.csv"):
        rf.open(overrides=own)
