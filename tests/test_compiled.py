"""Compiled tables: what a file with a right digest may say, and what every table that opens can do."""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import regionfast as rf
from databases import U64, raw_mmdb, write_mmdb
from test_hostile import CLAIMS, column, override, sealed

V4 = column([0, 1 << 24, 2 << 24, 3 << 24], [0, 8, 9, 0])
OWN = "9.0.0.0/8,FR\n"
LATEST = 253402300799
"""The last second that a `datetime` can tell: the end of the year 9999."""


def opened(path: Path, content: bytes, **options: Any) -> rf.Table | None:
    """The table of a file, or None where it is refused with an error that names it."""
    path.write_bytes(content)
    try:
        return rf.open(path, **options)
    except rf.DatabaseError as error:
        assert path.name in str(error)
        return None


ODD: dict[str, Callable[[], bytes]] = {
    "plain": lambda: sealed(v4=V4),
    "claims in another order": lambda: sealed(claims=dict(reversed(CLAIMS.items())), v4=V4),
    "a claim left out": lambda: sealed(claims={k: v for k, v in CLAIMS.items() if k != "description"}, v4=V4),
    "a number that is written long": lambda: sealed(claims=CLAIMS | {"built-at": "+5"}, v4=V4),
    "NAT64 written long": lambda: sealed(claims=CLAIMS | {"nat64": " "}, v4=V4),
    "a label twice": lambda: sealed(labels=[(1, "CN"), (1, "CN"), (1, "US")], v4=V4),
    "labels out of order": lambda: sealed(labels=[(1, "US"), (1, "CN")], v4=V4),
    "a label that no range has": lambda: sealed(labels=[(1, "CN"), (1, "DE"), (1, "US")], v4=V4),
    "registered before database": lambda: sealed(labels=[(3, "CN"), (1, "US")], v4=V4),
    "an override before the database": lambda: sealed(
        labels=[(2, "CN"), (1, "US"), (1, "FR")],
        v4=column([0, 1 << 24, 2 << 24, 3 << 24], [0, 9, 10, 0]),
        overrides_v4=struct.pack("<I", 1) + override(9 << 24, (10 << 24) - 1, 8),
    ),
    "an override in the base": lambda: sealed(labels=[(1, "CN"), (2, "US")], v4=V4),
    "an override in the base, and one above": lambda: sealed(
        labels=[(1, "CN"), (2, "US")],
        v4=V4,
        overrides_v4=struct.pack("<I", 1) + override(9 << 24, (10 << 24) - 1, 9),
    ),
    "subdivisions in a table of countries": lambda: sealed(labels=[(1, "CN"), (1, "US-CA")], v4=V4),
    "overrides side by side": lambda: sealed(
        labels=[(1, "CN"), (2, "US")],
        v4=column([0, 1 << 24], [0, 8]),
        overrides_v4=struct.pack("<I", 2) + override(1, 2, 9) + override(3, 4, 9),
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_what_opens_keeps_its_promises(tmp_path: Path, name: str) -> None:
    """A file is refused, or its table says and does what every table does, saved, sent and overridden."""
    content = ODD[name]()
    table = opened(tmp_path / "t.rft", content)
    if table is None:
        assert name != "plain"
        return
    # One form for one content, so it comes back as it was.
    assert table.to_bytes() == content
    probes = ["1.1.1.1", "2.1.1.1", "9.1.1.1", "3.1.1.1", "10.1.1.1"]
    for again in (rf.Table.from_bytes(table.to_bytes()), pickle.loads(pickle.dumps(table))):  # noqa: S301
        assert again.lookup_many(probes).slots.tolist() == table.lookup_many(probes).slots.tolist()
    # The base answers by the database, and nowhere otherwise than the table does where there is no override.
    base = table.base
    assert base.info.override_ranges == 0
    for probe in probes:
        found = base.lookup(probe)
        assert found.evidence is not rf.Evidence.OVERRIDE
        if table.lookup(probe).evidence is not rf.Evidence.OVERRIDE:
            assert found.region == table.lookup(probe).region
    # Overrides change the answers that they are about, and no other.
    own = tmp_path / "own.csv"
    own.write_text(OWN, encoding="utf-8")
    other = rf.open(tmp_path / "t.rft", overrides=own)
    before = base.lookup_many(probes).to_list()
    assert other.lookup_many(probes).to_list() == [*before[:2], "FR", *before[3:]]
    assert other.base.lookup_many(probes).to_list() == before
    # Whatever a row says, it can be asked for.
    where = table.lookup_many(probes)
    for code in {code for code in where.to_list() if code}:
        assert where.isin([code]).tolist() == [row == code for row in where.to_list()]
    assert table.info.level == "country"


@pytest.mark.parametrize(
    "claims",
    [{"unwrap": "false", "nat64": "2a00:64::/96"}, {"nat64": "2002::/96"}, {"nat64": "2a00:64::/96 2a00:64::/96"}],
    ids=str,
)
def test_claims_that_contradict_each_other_are_the_fault_of_the_file(tmp_path: Path, claims: dict[str, str]) -> None:
    assert opened(tmp_path / "t.rft", sealed(claims=CLAIMS | claims)) is None


@pytest.mark.parametrize("seconds", [LATEST, LATEST + 1, 2**40, 2**62, 2**63, 2**64 - 1])
@pytest.mark.parametrize("form", ["compiled", "mmdb"])
def test_a_date_that_no_calendar_has(tmp_path: Path, form: str, seconds: int) -> None:
    """A table that opens can say what it is; a reloader asks it, too."""
    path = tmp_path / "x.bin"
    if form == "compiled":
        content = sealed(claims=CLAIMS | {"built-at": str(seconds)})
    else:
        content = raw_mmdb([(-1, -2)], [{"country_code": "US"}, {"country_code": "CN"}], build_epoch=U64(seconds))
    table = opened(path, content)
    if table is None:
        assert seconds != LATEST
        return
    built = table.info.built_at
    assert built is None or (built.year == 9999 and seconds == LATEST)
    assert not rf.Reloader(path).reload()


HOSTILE_TEXT = "a\x1b[2J\nb\rc" + "x" * 9


@pytest.mark.parametrize("what", ["key", "kind", "country"])
def test_texts_of_a_hostile_database_are_not_printed_as_they_are(tmp_path: Path, what: str) -> None:
    """What a maker of databases writes does not move the cursor of whoever reads a message or a `repr`."""
    path = tmp_path / "x.mmdb"
    record = {HOSTILE_TEXT: "x"} if what == "key" else {"country_code": HOSTILE_TEXT if what == "country" else "US"}
    path.write_bytes(raw_mmdb([(-1, -1)], [record], database_type=HOSTILE_TEXT if what == "kind" else "x"))
    try:
        shown = repr(rf.open(path))
        assert what == "kind"
    except rf.DatabaseError as error:
        shown = str(error)
        assert what != "kind"
    assert shown.isprintable(), shown


def test_a_message_stays_short(tmp_path: Path) -> None:
    path = write_mmdb(tmp_path / "x.mmdb", {"5.0.0.0/8": {f"{number}{'x' * 20_000}": "y" for number in range(100)}})
    with pytest.raises(rf.DatabaseError, match="no `country`") as raised:
        rf.open(path)
    assert len(str(raised.value)) < 5000


def test_saving_from_several_threads_leaves_one_whole_file(table: rf.Table, tmp_path: Path) -> None:
    """The file appears whole or not at all, also where two save to one place at once."""
    path = tmp_path / "t.rft"

    def save(_: int) -> str:
        table.save(path)
        return rf.open(path).info.digest

    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(save, range(36))) == {table.info.digest}
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.rft"]


def test_saving_replaces_what_was_there(table: rf.Table, small: rf.Table, tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    folder.mkdir()
    path = folder / "t.rft"
    small.save(path)
    first = rf.open(path)
    table.save(path)
    assert rf.open(path).info.digest == table.info.digest
    assert first.info.digest == small.info.digest
    assert [entry.name for entry in folder.iterdir()] == ["t.rft"]
