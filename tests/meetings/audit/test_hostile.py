"""What somebody does who may write to the directories, and what readers make of it."""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meetings.audit.chains import AT, write
from meetings.audit.deeds import MEETING, ORDER, OTHER_PLAN, PLAN, START, Deeds
from regionfast.errors import AuditError
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.checkpoint import sign_checkpoint
from regionfast.meetings.audit.erase import erase
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import outstanding
from regionfast.meetings.audit.receipt import open_receipt
from regionfast.meetings.audit.reconcile import Reconciliation, reconcile
from regionfast.meetings.audit.record import records
from regionfast.meetings.audit.summary import Summary, summary
from regionfast.meetings.audit.verify import verify

posix = pytest.mark.skipif(os.name != "posix", reason="only POSIX has FIFOs and devices in directories")


@pytest.fixture
def deeds(tmp_path: Path) -> Deeds:
    """No records yet."""
    return Deeds(tmp_path)


def log(deeds: Deeds, *events: tuple[str, float], event: str = "ejected") -> Reconciliation:
    """Reconcile with a log of ejections: who, and when in seconds after the start."""
    path = deeds.audit.parent / "server.csv"
    lines = [f"{(START + timedelta(seconds=at)).isoformat()},{MEETING},con-{name},{event}\n" for name, at in events]
    path.write_text("time,meeting,connection,event\n" + "".join(lines), "utf-8")
    return reconcile(deeds.audit, deeds.keys, path)


# Files that are none


@posix
@pytest.mark.parametrize("name", ["act.jsonl", "zzz.jsonl", "checkpoints.jsonl"])
def test_a_fifo_is_found_and_not_waited_for(tmp_path: Path, name: str) -> None:
    if name != "act.jsonl":
        write(tmp_path)
    os.mkfifo(tmp_path / name)
    found = verify(tmp_path)
    assert [str(problem) for problem in found.problems if "no file" in str(problem)], found.problems
    assert found.unlisted == 0


@posix
def test_a_device_without_an_end_is_found(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    assert not verify(tmp_path).is_sound
    with pytest.raises(AuditError, match="no file"):
        list(records(tmp_path))


@posix
def test_a_chain_that_is_a_fifo_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "act.jsonl")
    with pytest.raises(AuditError, match="no file"):
        Chain.open(tmp_path, "act")


@posix
def test_a_checkpoint_file_that_is_a_fifo_is_not_written(tmp_path: Path) -> None:
    write(tmp_path)
    os.mkfifo(tmp_path / "checkpoints.jsonl")
    with pytest.raises(AuditError, match="no file"):
        sign_checkpoint(tmp_path, Ed25519PrivateKey.generate(), at=AT)


@posix
def test_a_key_that_is_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / f"{'a' * 32}.key")
    with pytest.raises(AuditError, match="no file"):
        KeyStore(tmp_path).existing("a" * 32)


def test_a_symbolic_link_to_a_chain_is_a_chain(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "audit").mkdir()
    path = write(tmp_path / "disk")
    (tmp_path / "audit" / "act.jsonl").symlink_to(path)
    assert verify(tmp_path / "audit").is_sound


# Keys


def test_a_lost_index_key_is_not_made_anew(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a")
    erase(deeds.audit, deeds.keys, by=ORDER, reason="over", force=True)
    (deeds.key_folder / "index.key").unlink()
    fresh = KeyStore(deeds.key_folder)
    # Under another index key the order and meeting would be another scope, whose key nobody has destroyed.
    with pytest.raises(AuditError, match=r"index\.key"):
        fresh.scope(ORDER, MEETING)
    assert not (deeds.key_folder / "index.key").exists()


def test_reconciling_without_the_index_key_raises_no_false_alarm(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a")
    (deeds.key_folder / "index.key").unlink()
    deeds.keys = KeyStore(deeds.key_folder)
    with pytest.raises(AuditError, match=r"index\.key"):
        log(deeds, ("a", 0))


def test_a_key_that_is_destroyed_while_it_is_read_is_none(deeds: Deeds, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = deeds.keys.scope(ORDER, MEETING)
    deeds.keys.key(scope)
    reader = KeyStore(deeds.key_folder)
    real = KeyStore.is_destroyed

    def late(store: KeyStore, scope: str) -> bool:
        """The answer, and then another process marks the key and overwrites it, and has not deleted it yet."""
        found = real(store, scope)
        (deeds.key_folder / f"{scope}.destroyed").touch()
        (deeds.key_folder / f"{scope}.key").write_bytes(b"r" * 32)
        return found

    monkeypatch.setattr(KeyStore, "is_destroyed", late)
    assert reader.existing(scope) is None


def test_sealed_texts_of_people_with_other_names_are_of_one_length(deeds: Deeds) -> None:
    scope = deeds.keys.scope(ORDER, MEETING)
    lengths = {
        len(base64.b64decode(deeds.keys.seal(scope, PLAN, "c" * 32, "intent", value)))
        for value in ({"participant": "x"}, {"participant": "x" * 200}, {"residue": None}, {"residue": "ban-7"})
    }
    assert len(lengths) == 1
    sealed = deeds.keys.seal(scope, PLAN, "c" * 32, "intent", {"participant": "é" * 300})
    assert deeds.keys.open(scope, PLAN, "c" * 32, "intent", sealed) == {"participant": "é" * 300}


def test_the_key_of_a_plan_that_was_saved_and_never_applied_is_erased_with_its_meeting(deeds: Deeds) -> None:
    deeds.plan()
    scope = deeds.keys.scope(ORDER, "saved only")
    deeds.keys.key(scope)  # as saving a plan makes it
    assert erase(deeds.audit, deeds.keys, by=ORDER, meeting="saved only", reason="never applied").scopes == (scope,)
    assert deeds.keys.is_destroyed(scope)


def test_keys_that_no_chain_names_are_counted(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a")
    deeds.keys.key(deeds.keys.scope("hk-1", "saved only"))
    deeds.keys.key(deeds.keys.scope(ORDER, "saved only"))
    erased = erase(deeds.audit, deeds.keys, by=ORDER, reason="over", force=True)
    assert (len(erased.scopes), erased.unnamed) == (1, 2)


# Fooling a reconciliation, or making it cry wolf


def test_a_refused_attempt_does_not_prolong_the_time_of_a_crashed_plan(deeds: Deeds) -> None:
    deeds.plan()
    deeds.intend("a")  # and a crash
    deeds.at(86_400)
    deeds.write({"kind": "refused", "plan": PLAN, "by": ORDER, "reasons": ["expired"]})
    assert log(deeds, ("a", 80_000)).unexplained == (2,)


def test_an_ejection_of_a_run_that_crashed_after_a_retry_is_explained(deeds: Deeds) -> None:
    deeds.plan()
    deeds.intend("a", "b")
    deeds.settle("a", "b", outcome="retry", attempts=5)
    deeds.at(3600)
    deeds.plan(resumed=True)
    deeds.at(4200)  # others are asked for first
    deeds.settle("b", outcome="done")  # and a crash before what came of `a` was written
    assert log(deeds, ("a", 4190), ("b", 4195)).is_clean


def test_rows_of_one_day_make_no_ejection_of_another_undecidable(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a", "b", "c")
    deeds.finish()
    deeds.at(86_400)
    deeds.plan(OTHER_PLAN)
    deeds.eject("d", plan=OTHER_PLAN)
    deeds.finish(OTHER_PLAN)
    erase(deeds.audit, deeds.keys, by=ORDER, reason="over", force=True)
    found = log(deeds, ("d", 86_400), ("e", 86_401), ("f", 86_402))
    assert (found.undecidable, found.unexplained) == ((2,), (3, 4))


# Chains that somebody adds who may write the directory, but not the chain of acting


def test_nobody_is_forgotten_by_what_another_chain_says(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a")
    released = Deeds.named("result", deeds.receipt("a"), "clear")
    deeds.write(released | {"outcome": "done", "attempts": 1, "sealed": None}, writer="zzz")
    assert len(outstanding(deeds.audit, deeds.keys)) == 1
    (row,) = summary(deeds.audit).rows
    assert (row.outstanding, row.cleared) == (1, 0)
    assert open_receipt(deeds.audit, deeds.receipt("a")).released_at is None


@pytest.mark.parametrize("writer", ["aaa", "zzz"])
def test_a_copied_intent_hides_no_outcome(deeds: Deeds, writer: str) -> None:
    deeds.plan()
    deeds.eject("a")
    (intent,) = (record for record in records(deeds.audit) if record.kind == "intent")
    deeds.write({"kind": "intent", **intent.fields}, writer=writer)
    assert open_receipt(deeds.audit, deeds.receipt("a")).outcome == "done"


def test_an_ejection_is_not_explained_by_another_chain(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a")
    deeds.write(Deeds.named("intent", deeds.receipt("b"), "eject"), writer="zzz")
    assert log(deeds, ("a", 0), ("b", 0)).unexplained == (3,)


# Counts


@pytest.mark.parametrize(
    "counts",
    [
        {"ejected": 100, "held": 6, "already_gone": 2, "admitted": 6, "cleared": 102},
        {"ejected": 50, "held": 50, "already_gone": 3, "retry": 4, "admitted": 50, "cleared": 53, "outstanding": 4},
        {"ejected": 50, "held": 10, "admitted": 10, "cleared": 48, "outstanding": 2},
    ],
)
def test_no_small_count_is_the_difference_of_two_that_are_shown(deeds: Deeds, counts: dict[str, int]) -> None:
    deeds.plan()
    (row,) = summary(deeds.audit).rows
    (folded,) = Summary(since=None, until=None, rows=(replace(row, **counts),)).folded().rows  # type: ignore[arg-type]
    shown = [getattr(folded, name) for name in counts if getattr(folded, name) is not None]
    assert all(abs(one - other) >= 5 for one, other in combinations(shown, 2) if one != other)


def test_small_counts_of_hosts_are_folded_too(deeds: Deeds) -> None:
    deeds.plan()
    scope = deeds.keys.scope(ORDER, MEETING)
    who = {"scope": scope, "leaving": "a" * 32, "to": "b" * 32}
    deeds.write({"kind": "handover", "plan": PLAN, "by": ORDER, **who, "outcome": "done"})
    (row,) = summary(deeds.audit).rows
    assert row.handovers == 1
    (folded,) = summary(deeds.audit).folded().rows
    assert folded.handovers is None


def test_kinds_of_a_later_release_are_counted_as_nothing_else(deeds: Deeds) -> None:
    deeds.plan()
    deeds.write({"kind": "hold", "by": ORDER}, {"kind": "deny", "by": ORDER}, {"kind": "handover", "by": ORDER})
    (row,) = summary(deeds.audit).rows
    assert (row.held_at_door, row.denied_at_door, row.handovers) == (0, 0, 0)


def test_times_that_go_back_are_said(deeds: Deeds) -> None:
    deeds.at(100)
    deeds.plan()
    deeds.at(0)
    deeds.eject("a")
    deeds.at(50)
    deeds.finish()
    found = verify(deeds.audit)
    assert found.is_sound  # a clock may be put right
    assert [chain.backwards for chain in found.chains] == [1]
    assert any("go back" in warning for warning in found.warnings)


# Paths that the system refuses to look at, as it refuses the directories of others


def test_a_directory_that_cannot_be_looked_at_is_an_error_of_the_audit(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 300)
    for ask in (KeyStore(path).existing, KeyStore(path).is_destroyed, KeyStore(path).key):
        with pytest.raises(AuditError, match="cannot"):
            ask("a" * 32)
    with pytest.raises(AuditError, match="cannot read the audit directory"):
        verify(path)
    with pytest.raises(AuditError, match="cannot read the audit directory"):
        sign_checkpoint(path, Ed25519PrivateKey.generate(), at=AT)
    with pytest.raises(AuditError, match="cannot"):
        erase(path, tmp_path, by=ORDER, reason="over")


def test_the_checkpoints_of_the_directory_are_beside_the_chains_also_when_they_are_given(tmp_path: Path) -> None:
    write(tmp_path)
    sign_checkpoint(tmp_path, Ed25519PrivateKey.generate(), at=AT)
    found = verify(tmp_path, checkpoint=tmp_path / "checkpoints.jsonl").checkpoint
    assert found is not None
    assert found.is_beside
