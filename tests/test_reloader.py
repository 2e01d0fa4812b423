"""A table whose file is replaced now and then."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

import regionfast as rf


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database that tests replace."""
    path = tmp_path / "x.csv"
    path.write_text("1.0.0.0/8,CN\n", encoding="utf-8")
    return path


def test_a_new_file_is_swapped_in_whole(path: Path) -> None:
    reloader = rf.Reloader(path)
    before = reloader.table
    where = before.lookup_many(["1.1.1.1"])
    assert not reloader.reload()
    assert reloader.table is before
    path.write_text("1.0.0.0/8,HK\n", encoding="utf-8")
    assert reloader.reload()
    assert reloader.table.region("1.1.1.1") == "HK"
    # What was answered stays answered, by the table that answered it.
    assert where.to_list() == ["CN"]
    assert where.table is before
    assert before.region("1.1.1.1") == "CN"


@pytest.mark.parametrize("damage", ["", "nonsense", None])
def test_a_failed_reload_keeps_the_last_good_table(path: Path, damage: str | None) -> None:
    reloader = rf.Reloader(path)
    good = reloader.table
    assert not reloader.failed_since
    start = datetime.now(UTC)
    if damage is None:
        path.unlink()
    else:
        path.write_text(damage, encoding="utf-8")
    assert not reloader.reload()
    since = reloader.failed_since
    assert since is not None
    assert start <= since <= datetime.now(UTC)
    assert path.name in str(reloader.error)
    assert not reloader.reload()
    assert reloader.failed_since == since, "since the first failure, not the last"
    assert reloader.table is good
    path.write_text("1.0.0.0/8,TW\n", encoding="utf-8")
    assert reloader.reload()
    now: tuple[object, object] = (reloader.failed_since, reloader.error)
    assert now == (None, None)
    assert reloader.loaded_at >= since


def test_the_first_table_must_be_good(tmp_path: Path) -> None:
    with pytest.raises(rf.DatabaseError):
        rf.Reloader(tmp_path / "none.mmdb")


def test_options_are_kept(path: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.csv"
    own.write_text("1.1.0.0/16,DE\n", encoding="utf-8")
    reloader = rf.Reloader(path, overrides=own)
    path.write_text("1.0.0.0/8,HK\n", encoding="utf-8")
    assert reloader.reload()
    assert reloader.table.lookup_many(["1.1.1.1", "1.2.1.1"]).to_list() == ["DE", "HK"]


def test_readers_see_one_table_or_the_other(path: Path) -> None:
    reloader = rf.Reloader(path)
    other = path.with_name("other.csv")
    stop = threading.Event()
    mixed: list[object] = []

    def read() -> None:
        while not stop.is_set():
            codes = set(reloader.table.lookup_many(["1.1.1.1"] * 50).to_list())
            if len(codes) != 1:
                mixed.append(codes)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        other.write_text(f"1.0.0.0/8,{'HK' if turn % 2 else 'CN'}\n", encoding="utf-8")
        other.replace(path)
        reloader.reload()
    stop.set()
    for thread in threads:
        thread.join()
    assert mixed == []
