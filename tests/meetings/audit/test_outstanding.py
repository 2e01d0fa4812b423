"""Who is still kept out, by what the chains say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from meetings.audit.deeds import INVERSE, MEETING, ORDER, OTHER_PLAN, PLAN, Deeds, names_nobody
from regionfast.errors import AuditError
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import outstanding


@pytest.fixture
def deeds(tmp_path: Path) -> Deeds:
    return Deeds(tmp_path)


def left(deeds: Deeds, by: str | None = None) -> list[tuple[str, str | None]]:
    """Connection and residue of what is outstanding."""
    return [(row.id, row.residue) for row in outstanding(deeds.audit, deeds.key_folder, by)]


def test_nothing_is_outstanding_where_nothing_was_done(deeds: Deeds) -> None:
    assert not outstanding(deeds.audit, deeds.key_folder)
    deeds.plan()
    assert not outstanding(deeds.audit, deeds.key_folder)
    assert not list(deeds.key_folder.glob("*")), "looking makes no key"


def test_what_was_done_is_outstanding_with_all_that_undoing_needs(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a")
    (row,) = outstanding(deeds.audit, deeds.keys)
    receipt = deeds.receipt("a")
    assert (row.plan, row.by, row.scope, row.connection) == (PLAN, ORDER, receipt.scope, receipt.connection)
    assert (row.effect, row.meeting, row.id, row.participant) == ("eject", MEETING, "con-a", "person-a")
    assert (row.account, row.series, row.role, row.region) == ("z", None, None, "CN")
    assert (row.addresses, row.residue) == (("36.1.2.3",), "ban-a")
    names_nobody(repr(row), repr(outstanding(deeds.audit, deeds.keys)))


@pytest.mark.parametrize("outcome", ["done", "already-gone", "retry", None])
def test_what_may_have_been_done_is_outstanding(deeds: Deeds, outcome: str | None) -> None:
    deeds.plan()
    deeds.intend("a")
    if outcome is not None:
        deeds.settle("a", outcome=outcome)
    assert left(deeds) == [("con-a", None)]


@pytest.mark.parametrize("outcome", ["stale", "would-end-meeting", "failed"])
def test_what_was_not_done_is_not(deeds: Deeds, outcome: str) -> None:
    deeds.plan()
    deeds.intend("a")
    deeds.settle("a", outcome=outcome)
    assert left(deeds) == []


def test_a_row_that_was_never_asked_for_is_not(deeds: Deeds) -> None:
    deeds.plan()
    deeds.settle("a", outcome="already-gone", attempts=0)
    assert left(deeds) == []


def test_done_and_yet_failed_may_have_left_something(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a")
    deeds.settle("a", outcome="failed")
    deeds.intend("b", "c")
    deeds.settle("b", outcome="failed", residue="ban-b")
    deeds.settle("c", outcome="failed", attempts=2)
    assert left(deeds) == [("con-a", "ban-a"), ("con-b", "ban-b"), ("con-c", None)]


def test_after_a_crash_a_look_does_not_tell_what_came_of_it(deeds: Deeds) -> None:
    deeds.plan()
    deeds.intend("a")
    deeds.plan(resumed=True)
    deeds.settle("a", outcome="stale", attempts=0)
    deeds.intend("b")
    deeds.settle("b", outcome="stale")
    assert left(deeds) == [("con-a", None)]


@pytest.mark.parametrize("outcome", ["done", "already-gone"])
def test_what_was_undone_is_not(deeds: Deeds, outcome: str) -> None:
    deeds.plan()
    deeds.eject("a", "b")
    deeds.undo("a", outcome=outcome)
    assert left(deeds) == [("con-b", "ban-b")]


@pytest.mark.parametrize("outcome", ["retry", "failed", "stale"])
def test_an_undoing_that_came_to_nothing_leaves_it(deeds: Deeds, outcome: str) -> None:
    deeds.plan()
    deeds.eject("a")
    deeds.undo("a", outcome=outcome)
    assert left(deeds) == [("con-a", "ban-a")]


def test_an_undoing_that_crashed_leaves_it(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a")
    deeds.intend("a", effect="clear", plan=INVERSE)
    assert left(deeds) == [("con-a", "ban-a")]


def test_held_and_admitted(deeds: Deeds) -> None:
    deeds.plan()
    deeds.intend("a", "b", effect="hold")
    deeds.settle("a", "b", effect="hold")
    deeds.undo("b", effect="admit")
    assert [(row.effect, row.id) for row in outstanding(deeds.audit, deeds.keys)] == [("hold", "con-a")]


def test_removed_again_after_it_was_undone(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a")
    deeds.undo("a")
    deeds.plan(OTHER_PLAN)
    deeds.intend("a", plan=OTHER_PLAN)
    deeds.settle("a", plan=OTHER_PLAN)
    (row,) = outstanding(deeds.audit, deeds.keys)
    assert (row.plan, row.residue) == (OTHER_PLAN, None)


@pytest.mark.parametrize("outcome", ["failed", "stale"])
def test_a_second_plan_that_did_nothing_takes_nothing_back(deeds: Deeds, outcome: str) -> None:
    deeds.plan()
    deeds.eject("a")
    deeds.plan(OTHER_PLAN)
    deeds.intend("a", plan=OTHER_PLAN)
    (row,) = outstanding(deeds.audit, deeds.keys)
    assert (row.plan, row.residue) == (OTHER_PLAN, "ban-a")
    deeds.settle("a", outcome=outcome, plan=OTHER_PLAN)
    (row,) = outstanding(deeds.audit, deeds.keys)
    assert (row.plan, row.residue) == (PLAN, "ban-a")


def test_orders_and_meetings_are_apart(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a")
    deeds.eject("a", meeting="other")
    deeds.eject("a", by="hk-1", plan=OTHER_PLAN)
    deeds.undo("a")
    rows = outstanding(deeds.audit, deeds.keys)
    assert {(row.by, row.meeting) for row in rows} == {(ORDER, "other"), ("hk-1", MEETING)}
    assert [row.by for row in outstanding(deeds.audit, deeds.keys, "hk-1")] == ["hk-1"]


def test_rows_whose_key_was_destroyed_are_counted_apart(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a", "b")
    deeds.eject("c", meeting="other")
    deeds.keys.destroy(deeds.keys.scope(ORDER, MEETING))
    found = outstanding(deeds.audit, KeyStore(deeds.key_folder))
    assert (len(found), found.unreadable) == (1, 2)
    assert [row.id for row in found] == ["con-c"]


def test_other_keys_are_refused(deeds: Deeds, tmp_path: Path) -> None:
    deeds.plan()
    deeds.eject("a")
    with pytest.raises(AuditError, match="give the directory of the keys"):
        outstanding(deeds.audit, tmp_path / "elsewhere")
    name = f"{deeds.keys.scope(ORDER, MEETING)}.key"
    other = tmp_path / "other"
    other.mkdir()
    (other / name).write_bytes(b"x" * 32)
    with pytest.raises(AuditError, match="cannot be opened"):
        outstanding(deeds.audit, other)


def test_a_broken_chain_is_not_believed(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a")
    path = deeds.audit / "act.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"outcome":"done"', b'"outcome":"fail"'))
    with pytest.raises(AuditError, match="broken"):
        outstanding(deeds.audit, deeds.keys)
    shutil.rmtree(deeds.audit)
    assert not outstanding(deeds.audit, deeds.keys)
