"""Writing chains: groups, crashes, other writers, full disks; and reading them back."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from meetings.audit.chains import AT, PLAN, beginning, chained, clock, lines, plan, rest_of, result, write
from regionfast.errors import AuditError
from regionfast.meetings.audit import plainfile
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.record import LONGEST, records
from regionfast.meetings.audit.verify import verify


def test_a_chain_is_as_it_is_described(tmp_path: Path) -> None:
    previous = beginning("act")
    for number, line in enumerate(lines(write(tmp_path))):
        previous = hashlib.sha256(previous.encode() + line[75:-1]).hexdigest()
        assert line.startswith(b'{"hash":"' + previous.encode() + b'","n":%d,"at":"2026-11-24T12:00:00.000Z",' % number)
        assert line.isascii()
        assert b" " not in line or json.loads(line)["kind"] in {"plan", "open"}
    kinds = [record.kind for record in records(tmp_path)]
    assert kinds == ["open", "plan", "result", "result", "result"]


def test_records_come_back_as_they_were_given(tmp_path: Path) -> None:
    write(tmp_path)
    _, made, *results = records(tmp_path, "act")
    assert {"kind": made.kind, **made.fields} == plan()
    assert [{"kind": record.kind, **record.fields} for record in results] == [result(n) for n in range(3)]
    assert (made.n, made.at, made.writer, made.text("by"), made.text("counts")) == (1, AT, "act", "cn-2020-06-04", "")


def test_records_of_one_plan_and_of_one_writer(tmp_path: Path) -> None:
    write(tmp_path)
    write(tmp_path, 1, "door")
    with Chain.open(tmp_path, "act", clock=clock) as chain:
        other = {"kind": "finished", "plan": "d" * 64, "by": "x"}
        # The text of the first plan stands inside a record of another one.
        chain.append([other, {**other, "counts": {"plan": PLAN}}])
    assert [record.n for record in records(tmp_path, "act", plan=PLAN)] == [1, 2, 3, 4]
    assert [record.n for record in records(tmp_path, "act", plan="d" * 64)] == [5, 6]
    assert [(record.writer, record.n) for record in records(tmp_path, plan=PLAN)][4:] == [("door", 1), ("door", 2)]
    assert not list(records(tmp_path, "nobody"))
    assert not list(records(tmp_path / "nowhere"))


def test_reading_stops_where_a_chain_is_broken(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"eject":2', b'"eject":3'))
    found = records(tmp_path)
    assert next(found).kind == "open"
    with pytest.raises(AuditError, match=r"act\.jsonl, line 2 does not have the hash that it says"):
        next(found)


def test_opening_again_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path)
    before = path.read_bytes()
    with Chain.open(tmp_path, "act", clock=clock) as chain:
        assert (chain.head.n, chain.head.hash) == (4, lines(path)[-1][9:73].decode())
        assert path.read_bytes() == before  # nothing is said of an opening in good order
        chain.append([result(9)])
        assert chain.head.n == 5
        assert repr(chain) == "<Chain of act: 6 records>"
    assert path.read_bytes().startswith(before)
    assert verify(tmp_path).is_sound


def test_a_closed_chain_takes_nothing(tmp_path: Path) -> None:
    chain = Chain.open(tmp_path, "act", clock=clock)
    chain.close()
    chain.close()
    with pytest.raises(AuditError, match="is closed"):
        chain.append([result(0)])


@pytest.mark.parametrize("writer", ["", "Act", "a/b", "..", "a" * 41, "ä", "act\n", "checkpoints"])
def test_names_of_writers(tmp_path: Path, writer: str) -> None:
    with pytest.raises(AuditError, match="the name of a writer"):
        Chain.open(tmp_path, writer)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="other systems have no modes of files")
def test_only_the_owner_may_read(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        path = write(tmp_path / "new")
    finally:
        os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


# What may be written.


@pytest.mark.parametrize(
    "record",
    [
        {"plan": PLAN},
        {"kind": "result", "n": 1},
        {"kind": "result", "at": "x"},
        {"kind": "result", "hash": "x"},
        {"kind": "Result"},
        {"kind": ""},
        {"kind": None},
        {"kind": "result", "share": float("nan")},
        {"kind": "result", "by": object()},
    ],
)
def test_what_is_no_record_is_not_written(tmp_path: Path, record: dict[str, object]) -> None:
    path = write(tmp_path)
    before = path.read_bytes()
    with Chain.open(tmp_path, "act", clock=clock) as chain:
        with pytest.raises((ValueError, TypeError, KeyError)):
            chain.append([result(0), record])
        assert path.read_bytes() == before
        chain.append([result(0)])
    assert verify(tmp_path).is_sound


def test_a_record_that_is_too_long_is_not_written(tmp_path: Path) -> None:
    with Chain.open(tmp_path, "act", clock=clock) as chain:
        spare = LONGEST - len(lines(tmp_path / "act.jsonl")[0])
        with pytest.raises(AuditError, match="write several"):
            chain.append([{"kind": "destroyed", "reason": "x" * LONGEST}])
        chain.append([{"kind": "destroyed", "reason": "x" * (spare - 100)}])
        chain.append([{"kind": "destroyed", "reason": "x" * (spare - 100)}])
    with Chain.open(tmp_path, "act", clock=clock) as chain:
        assert chain.head.n == 2
    assert verify(tmp_path).is_sound


def test_a_naive_clock_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="naive"):
        Chain.open(tmp_path, "act", clock=lambda: datetime(2026, 11, 24))  # noqa: DTZ001
    write(tmp_path)  # the lock is free again


# Other writers.


def test_two_in_one_process(tmp_path: Path) -> None:
    with Chain.open(tmp_path, "act"), pytest.raises(AuditError, match=r"another process writes .*act\.jsonl now"):
        Chain.open(tmp_path, "act")
    Chain.open(tmp_path, "act").close()


def test_two_processes(tmp_path: Path) -> None:
    program = (
        "import sys; from regionfast.meetings.audit.chain import Chain\n"
        "chain = Chain.open(sys.argv[1], 'act'); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(AuditError, match="another process writes"):
            Chain.open(tmp_path, "act")
        Chain.open(tmp_path, "door").close()  # another chain is no matter of theirs
        other.kill()  # a lock does not outlive its process
    Chain.open(tmp_path, "act").close()
    assert verify(tmp_path).is_sound


@pytest.mark.parametrize("what", ["longer", "shorter", "gone", "replaced"])
def test_who_writes_without_the_lock_is_noticed(tmp_path: Path, what: str) -> None:
    path = write(tmp_path)
    before = path.read_bytes()
    with Chain.open(tmp_path, "act", clock=clock) as chain:
        if what == "longer":
            path.write_bytes(before + b"x\n")
        elif what == "shorter":
            path.write_bytes(before[:-1])
        else:
            path.unlink()
            if what == "replaced":
                path.write_bytes(before)
        with pytest.raises(AuditError, match="was changed by somebody else"):
            chain.append([result(0)])


# Crashes.


def test_a_torn_line_at_every_byte(tmp_path: Path) -> None:
    path = write(tmp_path)
    whole = path.read_bytes()
    start = len(whole) - len(lines(path)[-1])
    for end in range(start + 1, len(whole)):
        path.write_bytes(whole[:end])
        found = verify(tmp_path)
        assert found.is_sound
        assert [(state.records, state.torn_bytes) for state in found.chains] == [(4, end - start)]
        assert any("unfinished record" in warning for warning in found.warnings)
        assert len(list(records(tmp_path))) == 4
        with Chain.open(tmp_path, "act", clock=clock) as chain:
            assert chain.head.n == 4
        torn = list(records(tmp_path))[-1]
        digest = hashlib.sha256(whole[start:end]).hexdigest()
        assert (torn.kind, torn.fields) == ("torn", {"bytes": end - start, "digest": digest})
        found = verify(tmp_path)
        assert (found.is_sound, found.chains[0].records, found.chains[0].torn_bytes) == (True, 5, 0)
        assert path.read_bytes().startswith(whole[:start])


def test_a_torn_first_line_at_every_byte(tmp_path: Path) -> None:
    path = write(tmp_path)
    first = lines(path)[0]
    for end in range(len(first)):
        path.write_bytes(first[:end])
        assert verify(tmp_path).is_sound
        Chain.open(tmp_path, "act", clock=clock).close()
        kinds = [record.kind for record in records(tmp_path)]
        assert kinds == (["open", "torn"] if end else ["open"])
        assert verify(tmp_path).is_sound


@pytest.mark.parametrize("torn", [b"\0" * 10_000, b"x" * 5_000, b"\xff"])
def test_what_a_crash_left_may_be_anything(tmp_path: Path, torn: bytes) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes() + torn)
    assert verify(tmp_path).is_sound
    Chain.open(tmp_path, "act", clock=clock).close()
    assert [record.kind for record in records(tmp_path)][-1] == "torn"


def test_a_crash_while_the_tear_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes() + b"x" * 1000)

    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", crash)
        with pytest.raises(KeyboardInterrupt):
            Chain.open(tmp_path, "act", clock=clock)
    assert verify(tmp_path).chains[0].torn_bytes > 0
    Chain.open(tmp_path, "act", clock=clock).close()
    assert [record.kind for record in records(tmp_path)][-2:] == ["torn", "torn"]
    assert verify(tmp_path).chains[0].torn_bytes == 0


# Disks.


@pytest.fixture(params=[0, 1, 100, 375, 376, 377, 700])
def full(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Call it, and the disk takes so many bytes more."""

    class Full(FileIO):
        left = request.param

        def write(self, data: Any, /) -> int:
            if not self.left:
                raise OSError(errno.ENOSPC, "No space left on device")
            count = super().write(bytes(data)[: self.left])
            assert count is not None
            Full.left -= count
            return count

    def fill() -> None:
        monkeypatch.setattr(plainfile, "FileIO", Full)

    return fill


def test_a_full_disk_leaves_no_part_of_a_group(tmp_path: Path, full: Callable[[], None]) -> None:
    path = write(tmp_path)
    before = path.read_bytes()
    full()
    chain = Chain.open(tmp_path, "act", clock=clock)
    with pytest.raises(AuditError, match="No space left on device"):
        chain.append([result(7), result(8)])
    assert path.read_bytes() == before
    with pytest.raises(AuditError, match="could not be written before"):
        chain.append([result(7)])
    chain.close()


def test_a_full_disk_that_cannot_even_be_cut(
    tmp_path: Path, full: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    path = write(tmp_path)
    before = path.read_bytes()
    full()
    chain = Chain.open(tmp_path, "act", clock=clock)
    monkeypatch.setattr(os, "ftruncate", broken)
    with pytest.raises(AuditError, match="No space left on device"):
        chain.append([result(7), result(8)])
    monkeypatch.undo()
    assert path.read_bytes().startswith(before)
    assert verify(tmp_path).is_sound
    Chain.open(tmp_path, "act", clock=clock).close()
    found = verify(tmp_path)
    assert found.is_sound
    assert found.chains[0].torn_bytes == 0


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()])
def test_a_sync_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    path = write(tmp_path)
    before = path.read_bytes()
    chain = Chain.open(tmp_path, "act", clock=clock)
    real = os.fsync

    def fails(_: int) -> None:
        monkeypatch.setattr(os, "fsync", real)
        raise error

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(KeyboardInterrupt if isinstance(error, KeyboardInterrupt) else AuditError):
        chain.append([result(0)])
    assert path.read_bytes() == before
    with pytest.raises(AuditError, match="could not be written before"):
        chain.append([result(0)])
    write(tmp_path)


def test_places_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(AuditError, match="cannot open"):
        Chain.open(tmp_path / "file", "act")
    (tmp_path / "act.jsonl").mkdir()
    with pytest.raises(AuditError, match="Is a directory"):
        Chain.open(tmp_path, "act")


# Ends that somebody else made.


@pytest.mark.parametrize("what", ["edited", "inserted", "other chain", "garbage", "empty line", "number", "too long"])
def test_a_broken_end_is_not_gone_on_with(tmp_path: Path, what: str) -> None:
    path = write(tmp_path)
    before = path.read_bytes()
    last = lines(path)[-1]
    changed = {
        "edited": before[:-3] + b"1}\n",
        "inserted": before + last,
        "other chain": before + lines(write(tmp_path, 4, "door"))[-1],
        "garbage": before + b"\xff\n",
        "empty line": before + b"\n",
        "number": chained("act", [rest_of(1, {"kind": "open"})]),
        "too long": before + b"x" * (4 * LONGEST) + b"\n",
    }[what]
    path.write_bytes(changed)
    with pytest.raises(AuditError, match=r"act\.jsonl: .* see `audit verify`"):
        Chain.open(tmp_path, "act")
    assert path.read_bytes() == changed


def test_an_endless_unfinished_line(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes() + b"x" * (2 * LONGEST))
    with pytest.raises(AuditError, match="too long for a record"):
        Chain.open(tmp_path, "act")
    with pytest.raises(AuditError, match="too long for a record"):
        list(records(tmp_path))
    assert not verify(tmp_path).is_sound


def test_without_filelock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(ImportError, match=r"acting needs filelock: install `regionfast\[act\]`"):
        Chain.open(tmp_path, "act")
