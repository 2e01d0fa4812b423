"""Destroying keys: what stays, what is gone, and when it is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from meetings.audit.deeds import MEETING, ORDER, OTHER_PLAN, Deeds, names_nobody
from regionfast.errors import AuditError
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.erase import erase
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.receipt import open_receipt
from regionfast.meetings.audit.record import records
from regionfast.meetings.audit.verify import verify

WHY = "the time to contest is over"


@pytest.fixture
def deeds(tmp_path: Path) -> Deeds:
    """Two people were ejected from one meeting, one from another, and one by another order."""
    made = Deeds(tmp_path)
    made.plan()
    made.eject("a", "b")
    made.eject("c", meeting="other")
    made.eject("d", by="hk-1", plan=OTHER_PLAN)
    return made


def destroyed(deeds: Deeds) -> list[object]:
    """The scopes that records call destroyed, one list a record."""
    return [record.fields["scopes"] for record in records(deeds.audit) if record.kind == "destroyed"]


def undo(deeds: Deeds) -> None:
    """All of the order."""
    deeds.undo("a", "b")
    deeds.intend("c", effect="clear", meeting="other")
    deeds.settle("c", effect="clear", meeting="other")


def test_keys_are_destroyed_and_it_is_recorded(deeds: Deeds) -> None:
    undo(deeds)
    scopes = sorted(deeds.keys.scope(ORDER, meeting) for meeting in (MEETING, "other"))
    other = deeds.keys.scope("hk-1", MEETING)
    raw = [deeds.keys.key(scope) for scope in scopes]
    before = verify(deeds.audit).chains[0].records
    erased = erase(deeds.audit, deeds.key_folder, by=ORDER, reason=WHY)
    assert (erased.by, list(erased.scopes), erased.outstanding) == (ORDER, scopes, 0)
    at_rest = b"".join(path.read_bytes() for path in deeds.key_folder.iterdir())
    assert not any(key in at_rest for key in raw)
    fresh = KeyStore(deeds.key_folder)
    assert [fresh.existing(scope) for scope in scopes] == [None, None]
    assert fresh.existing(other) is not None
    assert destroyed(deeds) == [scopes]
    found = verify(deeds.audit)
    assert (found.is_sound, found.chains[0].records) == (True, before + 1)
    names_nobody(repr(erased), (deeds.audit / "act.jsonl").read_text("ascii"))


def test_a_receipt_still_opens_its_row(deeds: Deeds) -> None:
    receipt = deeds.receipt("a")
    erase(deeds.audit, deeds.keys, by=ORDER, reason=WHY, force=True)
    assert open_receipt(deeds.audit, receipt).outcome == "done"


def test_refused_while_somebody_is_kept_out(deeds: Deeds) -> None:
    lines = (deeds.audit / "act.jsonl").read_bytes()
    with pytest.raises(AuditError, match="3 connections that `cn-2020-06-04` removed") as caught:
        erase(deeds.audit, deeds.keys, by=ORDER, reason=WHY)
    names_nobody(str(caught.value))
    assert (deeds.audit / "act.jsonl").read_bytes() == lines
    assert deeds.keys.existing(deeds.keys.scope(ORDER, MEETING)) is not None
    forced = erase(deeds.audit, deeds.keys, by=ORDER, reason=WHY, force=True)
    assert (len(forced.scopes), forced.outstanding) == (2, 3)


def test_one_meeting_alone(deeds: Deeds) -> None:
    deeds.undo("a", "b")
    erased = erase(deeds.audit, deeds.keys, by=ORDER, meeting=f" {MEETING} ", reason=WHY)
    assert erased.scopes == (deeds.keys.scope(ORDER, MEETING),)
    assert deeds.keys.existing(deeds.keys.scope(ORDER, "other")) is not None
    assert erase(deeds.audit, deeds.keys, by=ORDER, meeting="never", reason=WHY).scopes == ()


def test_a_second_time_does_nothing(deeds: Deeds) -> None:
    erase(deeds.audit, deeds.keys, by=ORDER, reason=WHY, force=True)
    again = erase(deeds.audit, deeds.key_folder, by=ORDER, reason=WHY)
    assert (again.scopes, again.outstanding) == ((), 0)
    assert len(destroyed(deeds)) == 1


def test_a_crash_after_the_record_is_mended_by_erasing_again(deeds: Deeds, monkeypatch: pytest.MonkeyPatch) -> None:
    undo(deeds)
    with monkeypatch.context() as patch:
        patch.setattr(deeds.keys, "destroy", lambda scope: (_ for _ in ()).throw(KeyboardInterrupt(scope)))
        with pytest.raises(KeyboardInterrupt):
            erase(deeds.audit, deeds.keys, by=ORDER, reason=WHY)
    assert len(destroyed(deeds)) == 1
    assert len(erase(deeds.audit, deeds.keys, by=ORDER, reason=WHY).scopes) == 2


def test_an_order_without_records_has_nothing_to_erase(deeds: Deeds, tmp_path: Path) -> None:
    lines = (deeds.audit / "act.jsonl").read_bytes()
    assert erase(deeds.audit, deeds.keys, by="nobody", reason=WHY).scopes == ()
    assert (deeds.audit / "act.jsonl").read_bytes() == lines
    empty = tmp_path / "empty"
    empty.mkdir()
    assert erase(empty, deeds.keys, by=ORDER, reason=WHY).scopes == ()
    assert not list(empty.iterdir())


def test_what_was_decided_at_the_door_is_erased_too(deeds: Deeds) -> None:
    deeds.join("e", by="jp-1")
    assert erase(deeds.audit, deeds.keys, by="jp-1", reason=WHY).scopes == (deeds.keys.scope("jp-1", MEETING),)


def test_refused_while_somebody_acts(deeds: Deeds) -> None:
    with Chain.open(deeds.audit, "act"), pytest.raises(AuditError, match="another process"):
        erase(deeds.audit, deeds.keys, by=ORDER, reason=WHY, force=True)


@pytest.mark.parametrize("force", [False, True])
def test_the_wrong_directory_of_keys_gets_no_marks(deeds: Deeds, tmp_path: Path, force: bool) -> None:
    undo(deeds)
    wrong = tmp_path / "wrong"
    for meeting in (None, MEETING):
        with pytest.raises(AuditError, match="give the directory of the keys"):
            erase(deeds.audit, wrong, by=ORDER, meeting=meeting, reason=WHY, force=force)
    assert not wrong.exists()
    assert destroyed(deeds) == []


def test_a_lost_key_is_marked_by_force_only(deeds: Deeds) -> None:
    undo(deeds)
    scope = deeds.keys.scope(ORDER, MEETING)
    (deeds.key_folder / f"{scope}.key").unlink()
    with pytest.raises(AuditError, match=f"the key of scope {scope} is not among the keys"):
        erase(deeds.audit, deeds.key_folder, by=ORDER, reason=WHY)
    assert scope in erase(deeds.audit, deeds.key_folder, by=ORDER, reason=WHY, force=True).scopes
    assert KeyStore(deeds.key_folder).is_destroyed(scope)


def test_a_reason_and_a_directory_are_needed(deeds: Deeds, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`reason` is empty"):
        erase(deeds.audit, deeds.keys, by=ORDER, reason=" ")
    with pytest.raises(AuditError, match="there is no directory"):
        erase(tmp_path / "none", deeds.keys, by=ORDER, reason=WHY)


def test_a_key_that_a_crash_left_behind_its_mark_is_destroyed(deeds: Deeds) -> None:
    before = {path: path.read_bytes() for path in deeds.key_folder.glob("*.key")}
    erase(deeds.audit, deeds.key_folder, by=ORDER, reason=WHY, force=True)
    left = [path for path in before if not path.exists()]
    assert left
    for path in left:
        path.write_bytes(before[path])
    assert erase(deeds.audit, deeds.key_folder, by=ORDER, reason=WHY).scopes == ()
    assert not any(path.exists() for path in left)


def test_records_of_erasures_and_crashes_are_as_their_schema_says(deeds: Deeds) -> None:
    with (deeds.audit / "act.jsonl").open("ab") as file:
        file.write(b'{"hash":"0')
    erase(deeds.audit, deeds.keys, by=ORDER, reason=WHY, force=True)
    schema = Path(__file__).parents[3] / "docs" / "formats" / "audit-record.schema.json"
    check = Draft202012Validator(json.loads(schema.read_text("utf-8")))
    lines = [json.loads(line) for line in (deeds.audit / "act.jsonl").read_bytes().splitlines()]
    assert [line["kind"] for line in lines[-2:]] == ["torn", "destroyed"]
    for line in lines:
        check.validate(line)
