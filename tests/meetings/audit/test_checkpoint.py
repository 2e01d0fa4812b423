"""Checkpoints: what they show, and what is wrong with those that somebody else made."""

from __future__ import annotations

import base64
import errno
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from io import FileIO
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from filelock import FileLock

from meetings.audit.chains import AT, KEY, PUBLIC, beginning, chained, clock, lines, result, stated, write
from regionfast.errors import AuditError, DocumentError
from regionfast.meetings.audit import plainfile
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.checkpoint import Checkpoint, read_checkpoints, sign_checkpoint
from regionfast.meetings.audit.verify import verify

OTHER: Final = Ed25519PrivateKey.from_private_bytes(b"o" * 32)


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """Two chains with a checkpoint in the middle and one at the end, the former kept elsewhere as well."""
    directory = tmp_path / "audit"
    write(directory, 2, "door")
    write(directory)
    first = sign_checkpoint(directory, KEY, at=AT)
    (tmp_path / "kept.json").write_text(first.to_json() + "\n", encoding="ascii")
    with Chain.open(directory, "act", clock=clock) as chain:
        chain.append([result(7)])
    sign_checkpoint(directory, KEY, at=AT + timedelta(days=1))
    return directory


def test_a_checkpoint_is_as_it_is_described(audit: Path) -> None:
    first, second = (json.loads(line) for line in lines(audit / "checkpoints.jsonl"))
    door = stated(lines(audit / "door.jsonl")[-1])
    act = lines(audit / "act.jsonl")
    assert first["heads"] == {"act": [4, stated(act[4])], "door": [3, door]}
    assert second["heads"] == {"act": [5, stated(act[5])], "door": [3, door]}
    assert (first["at"], second["at"]) == ("2026-11-24T12:00:00Z", "2026-11-25T12:00:00Z")
    assert first["previous"] is None
    for found in (first, second):
        signature = base64.b64decode(found.pop("signature"))
        message = json.dumps(found, sort_keys=True, separators=(",", ":")).encode()
        KEY.public_key().verify(signature, b"regionfast checkpoint 1\n" + message)
    kept = read_checkpoints(audit / "checkpoints.jsonl")
    assert kept[1].previous == kept[0].digest
    assert kept[0].heads["act"] == (4, stated(act[4]))
    assert (kept[0].at, kept[1].at) == (AT, AT + timedelta(days=1))
    assert kept[0].is_signed_by(PUBLIC)
    assert not kept[0].is_signed_by(OTHER.public_key().public_bytes_raw())
    assert Checkpoint.from_json(kept[1].to_json()) == kept[1]


def test_it_is_said_which_was_used(audit: Path, tmp_path: Path) -> None:
    used = verify(audit).checkpoint
    assert used is not None
    assert (used.path, used.at) == (audit / "checkpoints.jsonl", AT + timedelta(days=1))
    assert (used.is_beside, used.is_signature_verified) == (True, False)
    assert [warning[:29] for warning in verify(audit).warnings] == [
        "the checkpoint lies beside th",
        "the signature of the checkpoi",
    ]
    kept = verify(audit, checkpoint=tmp_path / "kept.json", checkpoint_key=PUBLIC)
    assert kept.is_sound
    assert kept.warnings == ()
    assert kept.checkpoint is not None
    assert (kept.checkpoint.path, kept.checkpoint.at) == (tmp_path / "kept.json", AT)  # an older state is no problem
    assert (kept.checkpoint.is_beside, kept.checkpoint.is_signature_verified) == (False, True)


def test_time_is_whole_seconds_in_utc(audit: Path) -> None:
    summer = datetime(2027, 6, 1, 12, 0, 0, 999_999, tzinfo=timezone(timedelta(hours=2)))
    assert sign_checkpoint(audit, KEY, at=summer).at == datetime(2027, 6, 1, 10, tzinfo=UTC)
    with pytest.raises(ValueError, match="naive"):
        sign_checkpoint(audit, KEY, at=datetime(2027, 6, 1))  # noqa: DTZ001


# What was done to the chains.


def cut(audit: Path) -> None:
    path = audit / "act.jsonl"
    path.write_bytes(b"".join(lines(path)[:-1]))


def cut_more(audit: Path) -> None:
    path = audit / "act.jsonl"
    path.write_bytes(b"".join(lines(path)[:3]))


def tear(audit: Path) -> None:
    path = audit / "act.jsonl"
    path.write_bytes(path.read_bytes()[:-1])


def cut_and_go_on(audit: Path) -> None:
    cut(audit)
    with Chain.open(audit, "act", clock=clock) as chain:
        chain.append([result(70), result(71)])


def write_anew(audit: Path) -> None:
    path = audit / "act.jsonl"
    path.write_bytes(chained("act", [line[75:-1].replace(b"done", b"gone") for line in lines(path)]))


def delete(audit: Path) -> None:
    (audit / "act.jsonl").unlink()


def exchange(audit: Path) -> None:
    path = audit / "act.jsonl"
    path.write_bytes(chained("act", [line[75:-1] for line in lines(audit / "door.jsonl")] * 2))


@pytest.mark.parametrize("change", [cut, cut_more, tear, cut_and_go_on, write_anew, delete, exchange])
def test_what_was_cut_or_written_anew_is_found(audit: Path, change: Callable[[Path], None]) -> None:
    change(audit)
    found = verify(audit)
    assert any(problem.writer == "act" and "checkpoint of 2026-11-2" in problem.what for problem in found.problems)
    assert len([problem for problem in found.problems if problem.line is None]) == 1
    with pytest.raises(AuditError, match="no checkpoint of what is broken"):
        sign_checkpoint(audit, KEY, at=AT)
    assert len(read_checkpoints(audit / "checkpoints.jsonl")) == 2


@pytest.mark.parametrize("change", [cut_more, write_anew, delete])
def test_where_the_checkpoints_were_cut_as_well_the_kept_one_shows_it(
    audit: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    change(audit)
    (audit / "checkpoints.jsonl").unlink()
    assert verify(audit).is_sound
    found = verify(audit, checkpoint=tmp_path / "kept.json", checkpoint_key=PUBLIC)
    assert [problem.writer for problem in found.problems] == ["act"]


def test_a_cut_after_the_kept_checkpoint_is_not_found(audit: Path, tmp_path: Path) -> None:
    """The limit that the warnings and `docs/threats.md` state: a checkpoint shows what was there when it was signed."""
    cut(audit)
    (audit / "checkpoints.jsonl").unlink()
    assert verify(audit, checkpoint=tmp_path / "kept.json", checkpoint_key=PUBLIC).is_sound


# What was done to the checkpoints.


def test_one_byte_of_a_kept_checkpoint_edited(audit: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    whole = kept.read_bytes()
    for place in range(len(whole) - 1):  # not the end of the line, which means nothing
        for bit in (1, 2, 64, 128):
            kept.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            found = verify(audit, checkpoint=kept, checkpoint_key=PUBLIC)
            assert not found.is_sound, place


def test_one_byte_of_the_checkpoints_edited(audit: Path) -> None:
    path = audit / "checkpoints.jsonl"
    whole = path.read_bytes()
    for place in range(len(whole) - 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert not verify(audit, checkpoint_key=PUBLIC).is_sound, place


def test_lines_of_checkpoints_deleted_or_swapped(audit: Path) -> None:
    path = audit / "checkpoints.jsonl"
    sign_checkpoint(audit, KEY, at=AT + timedelta(days=2))
    one, two, three = lines(path)
    for changed, said in (
        ([two, three], "does not begin with the first checkpoint"),
        ([three], "does not begin with the first checkpoint"),
        ([one, three], "line 2 does not name the checkpoint before it"),
        ([two, one, three], "line 2 does not name the checkpoint before it"),
        ([one, two, two, three], "line 3 does not name the checkpoint before it"),
    ):
        path.write_bytes(b"".join(changed))
        assert said in str(verify(audit, checkpoint_key=PUBLIC).problems[0])
    path.write_bytes(one + two)  # as if the last had not been signed
    assert verify(audit, checkpoint_key=PUBLIC).is_sound


def test_a_checkpoint_by_another_key(audit: Path, tmp_path: Path) -> None:
    cut_more(audit)
    (audit / "checkpoints.jsonl").unlink()
    forged = sign_checkpoint(audit, OTHER, at=AT)
    (tmp_path / "forged.json").write_text(forged.to_json(), encoding="ascii")
    assert verify(audit).is_sound  # nobody said whose key it should be
    found = verify(audit, checkpoint_key=PUBLIC)
    assert [problem.what for problem in found.problems] == [
        "checkpoints.jsonl, line 1 is not signed by the key of checkpoints"
    ]
    assert found.checkpoint is None
    (audit / "checkpoints.jsonl").unlink()
    found = verify(audit, checkpoint=tmp_path / "forged.json", checkpoint_key=PUBLIC)
    assert "forged.json, line 1 is not signed" in found.problems[0].what
    assert not verify(audit, checkpoint=tmp_path / "kept.json", checkpoint_key=b"no key").is_sound


def forged(**changes: object) -> bytes:
    """A checkpoint of no chain with some members changed, signed as it then is."""
    statement: dict[str, object] = {"at": "2026-11-24T12:00:00Z", "heads": {}, "previous": None, **changes}
    message = b"regionfast checkpoint 1\n" + json.dumps(statement, sort_keys=True, separators=(",", ":")).encode()
    signature = base64.b64encode(KEY.sign(message)).decode()
    return json.dumps({**statement, "signature": signature}, sort_keys=True, separators=(",", ":")).encode()


def test_forging_makes_what_signing_makes() -> None:
    assert Checkpoint.from_json(forged().decode()).is_signed_by(PUBLIC)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"{}",
        b"[]",
        b"null",
        b"1",
        b"\xff\n",
        b"\0",
        b"[" * 100_000,
        b"9" * 100_000,
        b"x" * 3_000_000,
        forged()[:-10],
        forged() + b" ",
        b" " + forged(),
        forged().replace(b'"previous":null', b'"previous":null,"previous":null'),
        forged(more=1),
        forged(at="2026-11-24"),
        forged(at="2026-13-24T12:00:00Z"),
        forged(at=1),
        forged(at=None),
        forged(previous="x"),
        forged(previous=1),
        forged(heads=[]),
        forged(heads={"../act": [0, "0" * 64]}),
        forged(heads={"act": [0]}),
        forged(heads={"act": [-1, "0" * 64]}),
        forged(heads={"act": [True, "0" * 64]}),
        forged(heads={"act": [1.5, "0" * 64]}),
        forged(heads={"act": [10**30, "0" * 64]}),
        forged(heads={"act": [0, "0" * 63]}),
        forged(heads={"act": [0, 7]}),
        forged(heads={"act": "ab"}),
    ],
)
def test_what_is_no_checkpoint(audit: Path, tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "given"
    path.write_bytes(text)
    found = verify(audit, checkpoint=path, checkpoint_key=PUBLIC)
    assert [problem.writer for problem in found.problems] == [None]
    assert "given" in found.problems[0].what
    path.write_bytes(lines(audit / "checkpoints.jsonl")[0] + text + b"\n")
    with pytest.raises(DocumentError, match="given, line 2"):
        read_checkpoints(path)


def test_a_checkpoint_that_is_not_there(audit: Path, tmp_path: Path) -> None:
    found = verify(audit, checkpoint=tmp_path / "nothing")
    assert "cannot read" in found.problems[0].what
    with pytest.raises(DocumentError, match="cannot read"):
        read_checkpoints(tmp_path / "nothing")


@pytest.mark.usefixtures("audit")
def test_a_checkpoint_of_another_audit(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", 20)
    found = verify(tmp_path / "elsewhere", checkpoint=tmp_path / "kept.json", checkpoint_key=PUBLIC)
    assert sorted(str(problem)[:30] for problem in found.problems) == ["door.jsonl: the chain is gone,"]
    # The same records make the same chain: what differs is the records.
    write_anew(tmp_path / "elsewhere")
    found = verify(tmp_path / "elsewhere", checkpoint=tmp_path / "kept.json", checkpoint_key=PUBLIC)
    assert len(found.problems) == 2


# Signing.


def test_an_unfinished_checkpoint_is_written_over(audit: Path) -> None:
    path = audit / "checkpoints.jsonl"
    whole = path.read_bytes()
    start = len(lines(path)[0])
    for end in range(start + 1, len(whole)):
        path.write_bytes(whole[:end])
        assert verify(audit, checkpoint_key=PUBLIC).is_sound
        signed = sign_checkpoint(audit, KEY, at=AT + timedelta(days=2))
        assert read_checkpoints(path)[1:] == (signed,)
        assert verify(audit, checkpoint_key=PUBLIC).is_sound


def test_an_unfinished_record_is_not_signed(audit: Path) -> None:
    path = audit / "act.jsonl"
    path.write_bytes(path.read_bytes() + b'{"hash":"')
    assert sign_checkpoint(audit, KEY, at=AT).heads["act"][0] == 5
    assert verify(audit).is_sound


def test_while_a_chain_is_written(audit: Path) -> None:
    with Chain.open(audit, "act", clock=clock) as chain:
        assert sign_checkpoint(audit, KEY, at=AT).heads["act"][0] == 5
        chain.append([result(8)])
        assert sign_checkpoint(audit, KEY, at=AT).heads["act"] == (6, chain.head.hash)
    assert verify(audit, checkpoint_key=PUBLIC).is_sound


def test_a_broken_chain_or_checkpoint_is_not_signed(audit: Path) -> None:
    path = audit / "door.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"done", b"gone"))
    with pytest.raises(AuditError, match=r"door\.jsonl, line 3 does not have the hash"):
        sign_checkpoint(audit, KEY, at=AT)
    path.write_bytes(whole)
    kept = audit / "checkpoints.jsonl"
    kept.write_bytes(b"x\n" + kept.read_bytes())
    before = kept.read_bytes()
    with pytest.raises(DocumentError, match=r"checkpoints\.jsonl, line 1 is no checkpoint"):
        sign_checkpoint(audit, KEY, at=AT)
    assert kept.read_bytes() == before


def test_nothing_to_sign(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="there is no record"):
        sign_checkpoint(tmp_path, KEY, at=AT)
    (tmp_path / "act.jsonl").write_bytes(b'{"hash":')
    with pytest.raises(AuditError, match="there is no record"):
        sign_checkpoint(tmp_path, KEY, at=AT)
    assert not (tmp_path / "checkpoints.jsonl").exists()
    with pytest.raises(AuditError, match="there is no directory"):
        sign_checkpoint(tmp_path / "nowhere", KEY, at=AT)
    assert beginning("act") != beginning("door")


def test_two_who_sign_at_once(audit: Path) -> None:
    with FileLock(audit / "checkpoints.lock"), pytest.raises(AuditError, match="another process writes"):
        sign_checkpoint(audit, KEY, at=AT)
    sign_checkpoint(audit, KEY, at=AT)


@pytest.mark.parametrize("left", [0, 1, 100])
def test_a_full_disk_leaves_no_part(audit: Path, monkeypatch: pytest.MonkeyPatch, left: int) -> None:
    class Full(FileIO):
        left = 0

        def write(self, data: Any, /) -> int:
            if not Full.left:
                raise OSError(errno.ENOSPC, "No space left on device")
            count = super().write(bytes(data)[: Full.left])
            assert count is not None
            Full.left -= count
            return count

    Full.left = left
    monkeypatch.setattr(plainfile, "FileIO", Full)
    before = (audit / "checkpoints.jsonl").read_bytes()
    with pytest.raises(OSError, match="No space left on device"):
        sign_checkpoint(audit, KEY, at=AT)
    assert (audit / "checkpoints.jsonl").read_bytes() == before


def test_without_its_packages(audit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(ImportError, match=r"acting needs cryptography: install `regionfast\[act\]`"):
        verify(audit, checkpoint=tmp_path / "kept.json", checkpoint_key=PUBLIC)
    assert verify(audit, checkpoint=tmp_path / "kept.json").is_sound
    monkeypatch.setitem(sys.modules, "filelock", None)
    with pytest.raises(ImportError, match=r"acting needs filelock: install `regionfast\[act\]`"):
        sign_checkpoint(audit, KEY, at=AT)
