"""Every kind of tampering is found, and what a crash or a hostile file brings is told from it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meetings.audit.chains import (
    AT,
    KEY,
    PLAN,
    beginning,
    chained,
    clock,
    lines,
    rest_of,
    result,
    sealed,
    stated,
    write,
)
from regionfast.errors import AuditError
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.checkpoint import sign_checkpoint
from regionfast.meetings.audit.examine import OTHER_KINDS
from regionfast.meetings.audit.record import LONGEST, records
from regionfast.meetings.audit.verify import Verification, verify

ONE_FOLDER: Final = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def agreed(directory: Path) -> Verification:
    """What `verify` finds; `records` has to be of the same opinion."""
    found = verify(directory)
    try:
        count = len(list(records(directory)))
    except AuditError:
        assert not found.is_sound
    else:
        assert found.is_sound or any("overwritten" in problem.what for problem in found.problems)
        assert count == sum(state.records for state in found.chains)
    return found


def said(found: Verification) -> list[tuple[int | None, str]]:
    """Lines and the beginnings of what is wrong with them."""
    return [(problem.line, problem.what[:20]) for problem in found.problems]


def test_a_sound_chain(tmp_path: Path) -> None:
    path = write(tmp_path, 500)
    write(tmp_path, 0, "door")
    found = agreed(tmp_path)
    assert (found.is_sound, found.problems, found.unlisted, found.checkpoint) == (True, (), 0, None)
    act, door = found.chains
    assert (act.writer, act.records, act.first, act.last, act.torn_bytes) == ("act", 502, AT, AT, 0)
    assert act.head == stated(lines(path)[-1])
    assert act.kinds == {"open": 1, "plan": 1, "result": 500}
    assert (door.writer, door.records, door.unknown_kinds) == ("door", 2, ())
    assert [warning[:23] for warning in found.warnings] == ["there was no checkpoint"]


def test_times_of_the_first_and_the_last_record(tmp_path: Path) -> None:
    times = [AT + timedelta(seconds=number) for number in (0, 0, 1, 5, 3)]  # a clock may be set back
    later = iter(times)
    with Chain.open(tmp_path, "act", clock=lambda: next(later)) as chain:
        for number in range(4):
            chain.append([result(number)])
    (state,) = verify(tmp_path).chains
    assert (state.first, state.last) == (times[0], times[-1])
    assert [record.at for record in records(tmp_path)] == times


def test_nothing_to_verify_is_said(tmp_path: Path) -> None:
    assert verify(tmp_path).warnings[0] == "there are no chains"
    with pytest.raises(AuditError, match="there is no directory"):
        verify(tmp_path / "nowhere")


# One change.


@ONE_FOLDER
@given(st.data())
def test_one_byte_edited_anywhere(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "act.jsonl"
    if not path.exists():
        write(tmp_path)
    whole = path.read_bytes()
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[place]))
    path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
    try:
        found = agreed(tmp_path)
    finally:
        path.write_bytes(whole)
    assert not found.is_sound
    line = whole[:place].count(b"\n") + 1
    assert found.problems[0].line == line


def test_one_bit_edited_at_every_byte(tmp_path: Path) -> None:
    path = write(tmp_path, 1)
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        found = agreed(tmp_path)
        assert found.problems[0].line == whole[:place].count(b"\n") + 1


@ONE_FOLDER
@given(st.integers(0, 8), st.integers(0, 8))
def test_two_lines_swapped(tmp_path: Path, one: int, other: int) -> None:
    kept = (
        lines(write(tmp_path / "kept", 7)) if not (tmp_path / "kept").exists() else lines(tmp_path / "kept/act.jsonl")
    )
    changed = list(kept)
    changed[one], changed[other] = changed[other], changed[one]
    (tmp_path / "act.jsonl").write_bytes(b"".join(changed))
    found = agreed(tmp_path)
    assert found.is_sound == (one == other)
    if one != other:
        assert (min(one, other) + 1, "has number ") in [(line, what[:11]) for line, what in said(found)]


@pytest.mark.parametrize("line", range(4))
def test_one_line_deleted(tmp_path: Path, line: int) -> None:
    path = write(tmp_path)
    changed = lines(path)
    del changed[line]
    path.write_bytes(b"".join(changed))
    found = agreed(tmp_path)
    # One finding, where it is missing: what comes behind is in order again.
    (problem,) = found.problems
    assert str(problem) == (
        f"act.jsonl, line {line + 1} has number {line + 1} where {line} is due: "
        "lines were deleted, inserted or put in another order"
    )


@pytest.mark.parametrize("line", range(5))
def test_one_line_doubled(tmp_path: Path, line: int) -> None:
    path = write(tmp_path)
    changed = lines(path)
    changed.insert(line, changed[line])
    path.write_bytes(b"".join(changed))
    assert agreed(tmp_path).problems[0].line == line + 2


@pytest.mark.parametrize("line", range(1, 5))
@pytest.mark.parametrize("is_renumbered", [False, True])
def test_one_line_inserted_whose_own_hash_is_right(tmp_path: Path, line: int, is_renumbered: bool) -> None:
    path = write(tmp_path)
    changed = lines(path)
    changed.insert(line, sealed(stated(changed[line - 1]), rest_of(line, result(99))))
    if is_renumbered:
        for number in range(line + 1, len(changed)):
            old = b'"n":%d,' % (number - 1)
            assert old in changed[number]
            changed[number] = changed[number].replace(old, b'"n":%d,' % number, 1)
    path.write_bytes(b"".join(changed))
    # The line itself is in order: the one behind it does not follow.
    assert agreed(tmp_path).problems[0].line == line + 2


@pytest.mark.parametrize("line", range(4))
def test_one_line_edited_whose_own_hash_is_right(tmp_path: Path, line: int) -> None:
    path = write(tmp_path)
    changed = lines(path)
    previous = stated(changed[line - 1]) if line else beginning("act")
    changed[line] = sealed(previous, changed[line][75:-1].replace(b"2026", b"2025", 1))
    path.write_bytes(b"".join(changed))
    assert said(agreed(tmp_path)) == [(line + 2, "does not have the ha")]


def test_several_changes_are_all_found(tmp_path: Path) -> None:
    path = write(tmp_path, 20)
    changed = lines(path)
    changed[5] = changed[5].replace(b"done", b"gone")
    changed[10], changed[11] = changed[11], changed[10]
    del changed[15]
    path.write_bytes(b"".join(changed))
    assert {problem.line for problem in agreed(tmp_path).problems} == {6, 11, 12, 13, 16}


def test_lines_of_another_chain(tmp_path: Path) -> None:
    act, door = lines(write(tmp_path, 5)), lines(write(tmp_path, 5, "door"))
    path = tmp_path / "act.jsonl"
    for line in range(7):
        path.write_bytes(b"".join([*act[:line], door[line], *act[line + 1 :]]))
        assert agreed(tmp_path).problems[0].line == line + 1
    mixed = [line for pair in zip(act, door, strict=True) for line in pair]
    path.write_bytes(b"".join(mixed))
    assert not agreed(tmp_path).is_sound
    # All of it: the name of the writer is in the first hash.
    path.write_bytes(b"".join(door))
    assert said(agreed(tmp_path)) == [(1, "does not have the ha")]


def test_a_chain_that_is_called_otherwise(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.rename(tmp_path / "Other.jsonl")
    found = verify(tmp_path)
    assert [str(problem) for problem in found.problems] == ["`Other.jsonl` is called as no chain is, and was not read"]
    with pytest.raises(AuditError, match="called as no chain is"):
        list(records(tmp_path))


# What a chain alone cannot show.


@pytest.mark.parametrize("left", [0, 1, 3, 4])
def test_a_cut_at_the_end_of_a_line_is_found_against_a_checkpoint_only(tmp_path: Path, left: int) -> None:
    path = write(tmp_path)
    sign_checkpoint(tmp_path, KEY, at=AT)
    (tmp_path / "checkpoints.jsonl").rename(tmp_path / "kept")
    path.write_bytes(b"".join(lines(path)[:left]))
    alone = agreed(tmp_path)
    assert alone.is_sound
    assert "cut at its end" in alone.warnings[0]
    (problem,) = verify(tmp_path, checkpoint=tmp_path / "kept").problems
    assert str(problem) == (
        f"act.jsonl: the chain was cut: it has {left} of the 5 records that the checkpoint of 2026-11-24T12:00:00Z saw"
    )
    path.unlink()
    assert verify(tmp_path).is_sound
    (problem,) = verify(tmp_path, checkpoint=tmp_path / "kept").problems
    assert "the chain is gone, of which 5 records" in problem.what


def test_a_chain_written_anew_is_found_against_a_checkpoint_only(tmp_path: Path) -> None:
    path = write(tmp_path)
    sign_checkpoint(tmp_path, KEY, at=AT)
    (tmp_path / "checkpoints.jsonl").rename(tmp_path / "kept")
    rests = [line[75:-1] for line in lines(path)]
    rests[2] = rests[2].replace(b"done", b"gone")
    path.write_bytes(chained("act", [*rests, rest_of(5, result(5)), rest_of(6, result(6))]))
    alone = agreed(tmp_path)
    assert alone.is_sound
    assert "written anew" in alone.warnings[0]
    (problem,) = verify(tmp_path, checkpoint=tmp_path / "kept").problems
    assert "the chain was written anew: record 4 is not the one that the checkpoint of" in problem.what


# Hostile lines, whose hashes are all right.

OWN: Final = b'"n":1,"at":"2026-11-24T12:00:00.000Z","kind":"result"'
LIKE_OURS: Final = b',"by":"a","share":1}'
"""The rest of a line that has the shape of those before it."""
HOSTILE: Final = {
    "a member twice": OWN + b',"by":"a","by":"b"}',
    "a member of all lines twice": OWN + b',"n":1}',
    "two hashes": OWN + b',"hash":"' + b"0" * 64 + b'"}',
    "a member twice within": OWN + b',"entry":{"law":"a","law":"b"}}',
    "a member twice by an escape": OWN + b',"by":"a","\\u0062y":"b"}',
    "nesting": OWN + b',"by":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nesting of objects": OWN + b',"by":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001,
    "a huge number": OWN + b',"attempts":' + b"9" * 100_000 + b"}",
    "a huge own number": OWN.replace(b":1,", b":1" + b"0" * 4000 + b",") + b"}",
    "a negative number": OWN.replace(b":1,", b":-1,") + b"}",
    "a number with a point": OWN.replace(b":1,", b":1.0,") + b"}",
    "a number with a zero": OWN.replace(b":1,", b":01,") + b"}",
    "a truth as number": OWN.replace(b":1,", b":true,") + b"}",
    "NaN": OWN + b',"share":NaN}',
    "infinity": OWN + b',"share":-Infinity}',
    "NUL": OWN + b',"by":"\0"}',
    "only NUL": b"\0" * 300,
    "no UTF-8": OWN + b',"by":"\xff\xfe"}',
    "UTF-8": OWN + ',"by":"é"}'.encode(),
    "a control": OWN + b',"by":"\x1b[2J"}',
    "no object": b"1]",
    "nothing": b"",
    "more behind": OWN + b"}{}",
    "no end": OWN,
    "another order": b'"at":"2026-11-24T12:00:00.000Z","n":1,"kind":"result"}',
    "no time": OWN.replace(b"2026-11", b"2026-13") + b"}",
    "no day": OWN.replace(b"11-24", b"02-30") + b"}",
    "another time": OWN.replace(b".000Z", b"+00:00") + b"}",
    "time as number": b'"n":1,"at":1,"kind":"result"}',
    "no kind": b'"n":1,"at":"2026-11-24T12:00:00.000Z"}',
    "no word": OWN.replace(b"result", b"RESULT") + b"}",
    "long kind": OWN.replace(b"result", b"r" * 41) + b"}",
    "another number": OWN.replace(b":1,", b":7,") + LIKE_OURS,
    "a zero before a number": OWN + b',"by":"a","share":01}',
    "a day that there is not": OWN.replace(b"11-24", b"02-30") + LIKE_OURS,
    "a time of another form": OWN.replace(b"T12", b"-12") + LIKE_OURS,
    "kind as list": OWN.replace(b'"result"', b"[]") + b"}",
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("is_after_such", [False, True])
def test_hostile_lines_are_findings(tmp_path: Path, what: str, is_after_such: bool) -> None:
    """Also where a pattern was made of a line like it before."""
    ours = [rest_of(n, {"kind": "result", "by": "a", "share": 1}) for n in range(4 if is_after_such else 1)]
    number = len(ours)
    hostile = HOSTILE[what].replace(b'"n":1', b'"n":%d' % number, 1)
    (tmp_path / "act.jsonl").write_bytes(chained("act", [*ours, hostile, rest_of(number + 1, result(1))]))
    found = agreed(tmp_path)
    assert found.problems[0].line == number + 1
    assert found.chains[0].records == number + 2
    assert all(len(str(problem)) < 300 and str(problem).isprintable() for problem in found.problems)


def test_too_long_a_line(tmp_path: Path) -> None:
    own = OWN.replace(b":1,", b":0,")
    spare = LONGEST - 75 - len(own) - len(b',"by":""}') - 1
    for extra, is_sound in ((0, True), (1, False), (2, False), (LONGEST, False)):
        line = own + b',"by":"' + b"x" * (spare + extra) + b'"}'
        (tmp_path / "act.jsonl").write_bytes(chained("act", [line, rest_of(1, result(1))]))
        found = agreed(tmp_path)
        assert found.is_sound == is_sound
        assert found.chains[0].records == 2
        assert is_sound or found.problems[0].what == "is too long for a record"


@pytest.mark.parametrize("end", [b"", b"\n", b"\nx\n"])
def test_a_line_of_a_hundred_megabytes_takes_little_memory(tmp_path: Path, end: bytes) -> None:
    path = write(tmp_path)
    with path.open("ab") as file:
        for _ in range(100):
            file.write(b"[" * 1_000_000)
        file.write(end)
    program = (
        "import resource, sys\n"
        "from regionfast.meetings.audit.verify import verify\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "found = verify(sys.argv[1])\n"
        "print(len(found.problems), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    problems, kilobytes = map(int, done.stdout.split())
    assert problems == 1 + end.count(b"x")
    assert kilobytes * (1 if sys.platform != "darwin" else 1 / 1024) < 30_000


def test_what_is_found_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "act.jsonl").write_bytes(b"x\n" * 1000)
    found = agreed(tmp_path)
    assert (len(found.problems), found.unlisted, found.chains[0].records) == (100, 900, 1000)


def test_kinds_that_are_not_known_are_members(tmp_path: Path) -> None:
    rests = [rest_of(number, {"kind": f"new-{number}"}) for number in range(300)]
    (tmp_path / "act.jsonl").write_bytes(chained("act", rests))
    found = agreed(tmp_path)
    assert found.is_sound
    state = found.chains[0]
    assert (len(state.kinds), state.kinds["new-7"], state.kinds[OTHER_KINDS]) == (101, 1, 200)
    assert "new-7" in state.unknown_kinds
    assert any("kinds that this release does not know: `new-0`" in warning for warning in found.warnings)


def test_many_shapes_of_lines(tmp_path: Path) -> None:
    """More than patterns are kept of, and each is judged as the parser judges it."""
    shapes: list[dict[str, object]] = [
        {"kind": kind, **{"x" + "y" * more: value for more in range(width)}}
        for width in range(25)
        for kind in ("result", "intent", "future")
        for value in (None, 0, "", 'a"\\é', [1], {"a": {"b": 1}}, -3, 10**18, True)
    ]
    shapes += [{"kind": "result", name: 1} for name in ("a.b", ")(", '"', "\\", "é", "", "[", "a" * 50)]
    rests = [rest_of(number, record) for number, record in enumerate(shapes + shapes)]
    (tmp_path / "act.jsonl").write_bytes(chained("act", rests))
    found = agreed(tmp_path)
    assert found.problems == ()
    assert found.chains[0].kinds == {"result": 466, "intent": 450, "future": 450}


@ONE_FOLDER
@given(st.lists(st.binary(max_size=80).filter(lambda line: b"\n" not in line), max_size=8))
def test_any_bytes(tmp_path: Path, content: list[bytes]) -> None:
    (tmp_path / "act.jsonl").write_bytes(b"\n".join(content))
    agreed(tmp_path)
    (tmp_path / "act.jsonl").write_bytes(chained("act", content))
    agreed(tmp_path)


@ONE_FOLDER
@given(st.data())
def test_edits_with_right_hashes_are_judged_as_the_parser_judges_them(tmp_path: Path, data: st.DataObject) -> None:
    rest = rest_of(3, result(3))
    place = data.draw(st.integers(0, len(rest) - 1))
    put = data.draw(st.sampled_from([b"", b'"', b"\\", b",", b":", b"{", b" ", b"0", b"1", b"\0", b"\xe9", b"nul"]))
    edited = rest[:place] + put + rest[place + data.draw(st.integers(0, 3)) :]
    rests = [*(rest_of(number, result(number)) for number in range(3)), edited, rest_of(4, result(4))]
    (tmp_path / "act.jsonl").write_bytes(chained("act", rests))
    found = agreed(tmp_path)
    try:
        pairs = json.loads("{" + edited.decode("ascii"), object_pairs_hook=list)
        names = [name for name, _ in pairs]
        is_record = len(set(names)) == len(names) and names[:3] == ["n", "at", "kind"] and "hash" not in names
    except (ValueError, TypeError):
        is_record = False
    if not is_record:
        assert not found.is_sound


def test_an_unreadable_chain_is_a_finding(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "dir.jsonl").mkdir()
    found = verify(tmp_path)
    assert [problem.writer for problem in found.problems] == ["dir"]
    assert "Is a directory" in found.problems[0].what


def test_a_chain_may_be_verified_while_it_is_written(tmp_path: Path) -> None:
    with Chain.open(tmp_path, "act", clock=clock) as chain:
        for number in range(20):
            chain.append([result(number)])
            assert agreed(tmp_path).chains[0].records == number + 2


def test_nobody_is_named(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"by":"cn-2020-06-04"', b'"by":"192.0.2.77"') + b"192.0.2.77\n")
    found = verify(tmp_path)
    assert "192.0.2.77" not in str(found.problems) + str(found.warnings) + repr(found)
    assert PLAN not in repr(found)
