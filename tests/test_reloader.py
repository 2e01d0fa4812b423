"""A table whose file is replaced: swapped whole, or the last good one is kept, with since when."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

import regionfast as rf


def replace(path: Path, content: str | bytes) -> None:
    """Put a file in the place of another, as deployments do."""
    beside = path.with_suffix(".new")
    beside.write_bytes(content.encode() if isinstance(content, str) else content)
    beside.replace(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database that places one network."""
    path = tmp_path / "x.csv"
    path.write_text("8.0.0.0/8,US\n", encoding="utf-8")
    return path


def test_a_new_file_is_a_new_table(path: Path) -> None:
    reloader = rf.Reloader(path)
    before, opened = reloader.table, reloader.loaded_at
    assert reloader.table is before
    where = before.lookup_many(["8.8.8.8"])
    replace(path, "8.0.0.0/8,CN\n")
    assert reloader.table.region("8.8.8.8") == "US", "nothing happens before it is asked for"
    assert reloader.reload() is True
    assert reloader.table.region("8.8.8.8") == "CN"
    assert before.region("8.8.8.8") == "US", "who holds the old table keeps its answers"
    assert before.info.digest != reloader.table.info.digest
    assert (where.to_list(), where.table) == (["US"], before), "what was answered stays answered"
    assert opened.tzinfo is UTC
    assert opened < reloader.loaded_at <= datetime.now(UTC)


def test_the_same_content_is_no_new_table(path: Path) -> None:
    reloader = rf.Reloader(path)
    before = reloader.table
    assert reloader.reload() is False
    replace(path, "# another spelling\n8.0.0.0/9,US\n8.128.0.0/9,US\n")
    assert reloader.reload() is False
    assert reloader.table is before
    assert (reloader.error, reloader.failed_since) == (None, None)


@pytest.mark.parametrize(
    "content",
    [b"", b"8.0.0.0/8,Nowhere\n", b"\0" * 2000, b"rgnfast\x01", None],
    ids=["empty", "row", "zeros", "cut", "gone"],
)
def test_a_failed_reload_keeps_the_last_good_table(path: Path, content: bytes | None) -> None:
    reloader = rf.Reloader(path)
    good, opened = reloader.table, reloader.loaded_at
    path.unlink() if content is None else replace(path, content)
    start = datetime.now(UTC)
    assert reloader.reload() is False
    first = reloader.failed_since
    assert first is not None
    assert start <= first <= datetime.now(UTC)
    assert isinstance(reloader.error, rf.DatabaseError)
    assert path.name in str(reloader.error)
    assert reloader.reload() is False
    assert reloader.failed_since == first, "since when it fails, not when it was last tried"
    assert reloader.table is good
    assert reloader.loaded_at == opened
    assert good.region("8.8.8.8") == "US"
    replace(path, "8.0.0.0/8,US\n")
    assert reloader.reload() is False
    recovered: tuple[object, object] = (reloader.error, reloader.failed_since)
    assert recovered == (None, None)
    assert reloader.table is good


def test_the_first_table_must_be_good(tmp_path: Path) -> None:
    with pytest.raises(rf.DatabaseError, match=r"none\.mmdb"):
        rf.Reloader(tmp_path / "none.mmdb")
    with pytest.raises(ValueError, match="level"):
        rf.Reloader(tmp_path / "none.mmdb", level="city")  # type: ignore[arg-type]


def test_options_and_overrides_are_read_again(path: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("8.8.8.0/24,relay\n", encoding="utf-8")
    path.write_text("8.0.0.0/8,US-CA\n", encoding="utf-8")
    reloader = rf.Reloader(path, level="subdivision", overrides=own, unwrap=False)
    assert reloader.table.lookup("8.8.8.8").status is rf.Status.RELAY
    replace(own, "8.8.8.0/24,DE\n")
    assert reloader.reload() is True
    assert reloader.table.region("8.8.8.8") == "DE"
    assert reloader.table.region("8.8.9.1") == "US-CA"
    assert reloader.table.info.unwrap is False
    replace(own, "8.8.8.0/24,nowhere\n")
    assert reloader.reload() is False
    assert "own.csv" in str(reloader.error)
    assert reloader.table.region("8.8.8.8") == "DE"


def test_a_file_rewritten_in_place_changes_no_answer(path: Path) -> None:
    table = rf.open(path)
    with path.open("r+b") as file:
        file.write(b"8.0.0.0/8,CN\n")
        file.flush()
        os.fsync(file.fileno())
    assert table.region("8.8.8.8") == "US"
    path.write_bytes(b"")
    assert table.lookup_many(["8.8.8.8"] * 1000).counts() == {"US": 1000}


def test_readers_see_one_table_or_the_other(path: Path) -> None:
    """While a thread swaps tables, a batch is answered by one of them alone, and both are whole."""
    contents = {"US": "8.0.0.0/8,US\n9.0.0.0/8,US\n", "CN": "8.0.0.0/8,CN\n9.0.0.0/8,CN\n"}
    replace(path, contents["US"])
    reloader = rf.Reloader(path)
    done = threading.Event()
    seen: set[str] = set()

    def read(_: int) -> None:
        while not done.is_set():
            counts = reloader.table.lookup_many(["8.8.8.8", "9.9.9.9"] * 500).counts()
            assert counts in ({"US": 1000}, {"CN": 1000})
            seen.update(counts)

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read, index) for index in range(3)]
        try:
            for turn in range(30):
                code = ("CN", "US")[turn % 2]
                replace(path, contents[code])
                assert reloader.reload() is True
                assert reloader.table.region("8.8.8.8") == code
        finally:
            done.set()
        for reader in readers:
            reader.result()
    assert seen == {"US", "CN"}, "the readers saw one table only: the test shows nothing"


def test_reloading_from_several_threads_swaps_once(path: Path) -> None:
    reloader = rf.Reloader(path)
    for turn in range(5):
        replace(path, f"8.0.0.0/8,{('CN', 'US')[turn % 2]}\n")
        with ThreadPoolExecutor(4) as pool:
            assert sorted(pool.map(lambda _: reloader.reload(), range(4))) == [False, False, False, True]
