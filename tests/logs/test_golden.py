"""Small logs of every format, counted by hand: what the package says of them, and what the reference says."""

from __future__ import annotations

import gzip
import tomllib
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest

import regionfast as rf
from logs import reference
from oracle import Oracle

GOLDEN: Final = Path(__file__).parent / "golden"
EXPECTED: Final[dict[str, dict[str, Any]]] = tomllib.loads((GOLDEN / "expected.toml").read_text("utf-8"))
OVERRIDES: Final = GOLDEN / "overrides.csv"

ORACLE: Final = Oracle(
    {
        "8.8.8.8/32": "US",
        "77.88.8.8/32": "RU",
        "114.114.114.114/32": "CN",
        "168.95.1.1/32": "TW",
        "202.175.3.3/32": "MO",
        "203.198.7.66/32": "HK",
        "2001:b000:168::1/128": "TW",
        "2400:3200::1/128": "CN",
        "2404:c800::1/128": "HK",
    },
    dict([OVERRIDES.read_text("ascii").strip().split(",")]),
)
"""The bundled table, as far as the files here ask it."""


def in_members(data: bytes) -> bytes:
    """Two members of gzip, as logs have that were appended to; the first ends within a line."""
    half = len(data) // 2
    return gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)


def in_frames(data: bytes) -> bytes:
    """Two frames of Zstandard."""
    half = len(data) // 2
    parts: tuple[bytes, ...] = tuple(pa.compress(part, "zstd", asbytes=True) for part in (data[:half], data[half:]))
    return b"".join(parts)


PACKED: Final[Mapping[str, Callable[[bytes], bytes]]] = {
    "plain": bytes,
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "members": in_members,
    "zstd": in_frames,
}
COMPRESSION: Final = {"plain": "none", "gzip": "gzip", "members": "gzip", "zstd": "zstd"}


@pytest.fixture(scope="module")
def table() -> rf.Table:
    """The bundled table, with a network of relays."""
    return rf.open(overrides=OVERRIDES)


def layout(expected: Mapping[str, Any]) -> reference.Layout:
    """How the reference is to read a file: lists of TOML are tuples."""
    given: dict[str, Any] = expected["layout"]
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return reference.Layout(**given)


def test_every_file_is_counted() -> None:
    counted = {expected["file"] for expected in EXPECTED.values()}
    assert counted == {path.name for path in GOLDEN.iterdir()} - {".gitattributes", "expected.toml", OVERRIDES.name}


@pytest.mark.parametrize("name", EXPECTED)
def test_the_counts_add_up(name: str) -> None:
    expected = EXPECTED[name]
    assert expected["lines"] == expected["rows"] + expected.get("skipped", 0) + expected.get("unparsed", 0)
    assert expected["rows"] == sum(expected["status"].values())
    assert expected["status"].get("located", 0) == sum(expected.get("regions", {}).values())


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("name", EXPECTED)
def test_the_package_counts_what_is_there(
    name: str, packed: str, threads: int, table: rf.Table, tmp_path: Path
) -> None:
    expected = EXPECTED[name]
    path = tmp_path / expected["file"]
    path.write_bytes(PACKED[packed]((GOLDEN / expected["file"]).read_bytes()))
    found = rf.logs.classify(path, table=table, threads=threads, **expected.get("options", {}))
    assert (found.lines, found.rows, found.skipped, found.unparsed) == (
        expected["lines"],
        expected["rows"],
        expected.get("skipped", 0),
        expected.get("unparsed", 0),
    )
    assert {status: rows for status, rows in found.status.items() if rows} == expected["status"]
    assert found.regions == expected["regions"]
    assert found.undated == expected.get("undated", 0)
    assert (found.first, found.last) == (expected.get("first"), expected.get("last"))
    assert found.mentions == expected.get("mentions")
    assert [file.compression for file in found.files] == [COMPRESSION[packed]]
    assert not found.incomplete


@pytest.mark.parametrize("name", EXPECTED)
def test_the_reference_counts_what_is_there(name: str) -> None:
    expected = EXPECTED[name]
    lines = reference.read((GOLDEN / expected["file"]).read_bytes(), layout(expected), ORACLE)
    counted = reference.totals(lines)
    for kind in ("lines", "rows", "skipped", "unparsed"):
        assert counted[kind] == expected.get(kind, 0), kind
    rows = [line for line in lines if line.kind == "row"]
    assert Counter(line.status for line in rows) == expected["status"]
    assert Counter(line.region for line in rows if line.region is not None) == expected["regions"]
    times = [line.time for line in rows if line.time is not None]
    if times:
        assert len(rows) - len(times) == expected.get("undated", 0)
    span = (datetime.fromtimestamp(limit(times), UTC) for limit in (min, max) if times)
    assert list(span) == [expected[limit] for limit in ("first", "last") if limit in expected]
    mentions = Counter(mention for line in rows for mention in line.mentions)
    assert mentions == expected.get("mentions", {})
