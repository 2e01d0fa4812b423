"""Undoing: whoever was kept out may come back, once, whatever breaks on the way."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import regionfast as rf
from meetings.act.stage import NOW, Died, Stage, order, sign, table
from meetings.act.test_crashes import MOST_STEPS, Death
from regionfast.errors import PlanRefused
from regionfast.meetings.act.control import Answer, Outcome
from regionfast.meetings.act.undo import apply_inverse
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import outstanding
from regionfast.meetings.inverse import Inverse


def acted(folder: Path, present: str = "eject", inside: int = 3) -> tuple[Stage, rf.Plan]:
    """Some were removed, and then the order ends."""
    stage = Stage.of(folder, policy=order(present=f'"{present}"'))
    stage.people(inside=inside)
    plan = stage.plan()
    assert stage.apply(plan).is_finished
    stage.policy = rf.Policy.from_text(order(state='"ended"'), deployment=stage.deployment)
    stage.server.calls.clear()
    return stage, plan


def undo(stage: Stage, inverse: Any, *names: str) -> Any:
    return apply_inverse(
        inverse,
        stage.server,
        stage.deployment,
        approvals=sign(inverse, *names),
        clock=lambda: stage.now,
        sleep=stage.slept.append,
    )


def of_plan(stage: Stage, plan: rf.Plan) -> Any:
    return plan.inverse(table(), stage.policy, at=stage.now)


def of_records(stage: Stage, _plan: rf.Plan) -> Any:
    return Inverse.of_outstanding(stage.deployment, "cn-1", table(), stage.policy, at=stage.now)


def left(stage: Stage) -> int:
    return len(outstanding(stage.folder / "audit", KeyStore(stage.folder / "keys")))


@pytest.mark.parametrize("made", [of_plan, of_records])
@pytest.mark.parametrize(("present", "method"), [("eject", "clear"), ("hold", "admit")])
def test_what_was_done_is_undone_and_only_once(
    tmp_path: Path, made: Callable[[Stage, rf.Plan], Any], present: str, method: str
) -> None:
    stage, plan = acted(tmp_path, present)
    assert left(stage) == 3
    inverse = made(stage, plan)
    applied = undo(stage, inverse)
    assert applied.outcomes == (Outcome.DONE,) * 3
    assert applied.is_finished
    assert not stage.server.residues
    assert not stage.server.waiting
    assert left(stage) == 0
    assert [call[0] for call in stage.server.calls] == [method]
    assert undo(stage, inverse).outcomes == (Outcome.ALREADY_GONE,) * 3
    assert [call[0] for call in stage.server.calls] == [method]
    assert not made(stage, plan) or undo(stage, made(stage, plan)).is_finished
    assert [call[0] for call in stage.server.calls] == [method]
    (record, *_) = stage.lines("undo")
    assert (record["reason"], record["counts"][method], record["approvals"]) == ("ended", 3, [])


@pytest.mark.parametrize(("present", "method"), [("eject", "clear"), ("hold", "admit")])
def test_death_at_every_step_of_undoing(tmp_path: Path, present: str, method: str) -> None:
    for step in range(1, MOST_STEPS):
        stage, plan = acted(tmp_path / f"{step}", present)
        inverse = of_plan(stage, plan)
        with pytest.MonkeyPatch.context() as patch:
            Death(stage, step, patch)
            try:
                undo(stage, inverse)
                break
            except Died:
                pass
        stage.server.before = stage.server.after = lambda _method: None
        again = undo(stage, of_records(stage, plan))
        assert again.is_finished
        assert not stage.server.residues
        assert not stage.server.waiting
        assert left(stage) == 0
        assert {call[0] for call in stage.server.calls} == {method}
    assert step > 5


@pytest.mark.parametrize("names", [(), ("ann",), ("ann", "author")])
def test_while_the_order_is_in_force_undoing_needs_approvals(tmp_path: Path, names: tuple[str, ...]) -> None:
    stage, plan = acted(tmp_path)
    stage.policy = rf.Policy.from_text(order(), deployment=stage.deployment)
    inverse = of_plan(stage, plan)
    with pytest.raises(PlanRefused, match="in force"):
        undo(stage, inverse, *names)
    with pytest.raises(PlanRefused, match="another plan"):
        apply_inverse(inverse, stage.server, stage.deployment, approvals=sign(plan, "ann", "bob"), clock=lambda: NOW)
    assert not stage.server.calls
    assert stage.lines("refused")
    assert undo(stage, inverse, "ann", "bob").outcomes == (Outcome.DONE,) * 3
    assert [record["reason"] for record in stage.lines("undo")] == ["approved"]


def test_when_the_order_has_lapsed_nobody_has_to_agree(tmp_path: Path) -> None:
    stage, plan = acted(tmp_path)
    stage.policy = rf.Policy.from_text(order(), deployment=stage.deployment)
    stage.now = NOW + timedelta(days=300)  # the table is old by now, too
    assert undo(stage, of_plan(stage, plan)).outcomes == (Outcome.DONE,) * 3


def test_it_is_asked_again_as_acting_is(tmp_path: Path) -> None:
    stage, plan = acted(tmp_path)
    count = 0

    def fail(_method: str) -> None:
        nonlocal count
        count += 1
        if count <= 2:
            raise TimeoutError

    stage.server.before = fail
    assert undo(stage, of_plan(stage, plan)).outcomes == (Outcome.DONE,) * 3
    assert len(stage.slept) == 2


def test_a_lost_answer_to_clearing_is_no_harm(tmp_path: Path) -> None:
    stage, plan = acted(tmp_path)
    count = 0

    def fail(_method: str) -> None:
        nonlocal count
        count += 1
        if count == 1:
            raise ConnectionError

    stage.server.after = fail
    assert undo(stage, of_plan(stage, plan)).outcomes == (Outcome.ALREADY_GONE,) * 3
    assert left(stage) == 0


def test_what_is_left_on_retry_is_resumed(tmp_path: Path) -> None:
    stage, plan = acted(tmp_path)
    real = stage.server._clear
    stage.server._clear = lambda _release: Answer(outcome=Outcome.RETRY)  # type: ignore[method-assign,assignment]
    applied = undo(stage, of_plan(stage, plan))
    assert applied.outcomes == (Outcome.RETRY,) * 3
    assert not applied.is_finished
    assert stage.server.count("clear") == 5
    assert left(stage) == 3
    stage.server._clear = real  # type: ignore[method-assign]
    assert undo(stage, of_plan(stage, plan)).outcomes == (Outcome.DONE,) * 3
    assert left(stage) == 0


def test_what_the_control_refuses_to_clear_stays_outstanding(tmp_path: Path) -> None:
    stage, plan = acted(tmp_path)
    stage.server._clear = lambda _release: Answer(outcome=Outcome.FAILED)  # type: ignore[method-assign,assignment]
    assert undo(stage, of_plan(stage, plan)).outcomes == (Outcome.FAILED,) * 3
    assert left(stage) == 3


def test_at_most_a_hundred_at_once(tmp_path: Path) -> None:
    stage, plan = acted(tmp_path, inside=250)
    assert undo(stage, of_plan(stage, plan)).counts == {Outcome.DONE: 250}
    assert [len(call[2]) for call in stage.server.calls] == [100, 100, 50]
    assert not stage.server.residues


def test_who_was_never_acted_on_is_not_asked_for(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path)
    stage.people()
    plan = stage.plan()
    stage.server.rooms["vigil"].pop("in-1")
    assert stage.apply(plan).outcomes[1] == Outcome.ALREADY_GONE
    stage.policy = rf.Policy.from_text(order(state='"ended"'), deployment=stage.deployment)
    stage.server.calls.clear()
    assert undo(stage, of_plan(stage, plan)).outcomes == (Outcome.DONE, Outcome.ALREADY_GONE, Outcome.DONE)
    assert [call[2] for call in stage.server.calls] == [("in-0", "in-2")]


def test_a_residue_survives_a_lost_look_and_a_resumption(tmp_path: Path) -> None:
    """The control names a ban, then falls silent, then the plan is applied again: the ban is cleared by its name."""
    stage = Stage.of(tmp_path)
    stage.people()
    plan = stage.plan()

    def die(method: str) -> None:
        if method == "present" and stage.server.count("eject"):
            raise KeyError

    stage.server.before = die
    with pytest.raises(KeyError):
        stage.apply(plan)
    stage.server.before = lambda _method: None
    assert stage.apply(plan).is_finished
    stage.policy = rf.Policy.from_text(order(state='"ended"'), deployment=stage.deployment)
    asked: list[str | None] = []
    real = stage.server._clear

    def clear(release: Any) -> Answer:
        asked.append(release.residue)
        return real(release)

    stage.server._clear = clear  # type: ignore[method-assign]
    assert undo(stage, of_plan(stage, plan)).is_finished
    assert sorted(map(str, asked)) == ["ban-0", "ban-1", "ban-2"]


# --- ids that come back ---------------------------------------------------------------------------------------------


def come_back(stage: Stage, participant: str, address: str, present: str) -> None:
    """Somebody has the connection `c`, and another plan of the same order is applied."""
    stage.server.enter("c", address, participant=participant)
    stage.policy = rf.Policy.from_text(order(present=f'"{present}"'), deployment=stage.deployment)
    stage.now += timedelta(seconds=5)
    assert stage.apply(stage.plan(at=stage.now)).is_finished


@pytest.mark.parametrize("second", ["alice", "bob"])
@pytest.mark.parametrize("is_lost", [False, True])
@pytest.mark.parametrize("present", ["eject", "hold"])
def test_all_that_was_left_behind_by_one_id_of_a_connection_is_cleared(
    tmp_path: Path, second: str, is_lost: bool, present: str
) -> None:
    stage = Stage.of(tmp_path)
    stage.server.enter("host", "24.3.17.1", is_host=True)
    come_back(stage, "alice", "36.20.9.1", "eject")

    def lose(method: str) -> None:
        if method in {"eject", "hold"} and is_lost:
            raise TimeoutError

    stage.server.after = lose
    come_back(stage, second, "36.20.9.2", present)
    stage.server.after = lambda _method: None
    assert stage.server.removed.total() == 2
    stage.policy = rf.Policy.from_text(order(state='"ended"'), deployment=stage.deployment)
    stage.now += timedelta(minutes=1)
    inverse = Inverse.of_outstanding(stage.deployment, "cn-1", table(), stage.policy, at=stage.now)
    assert undo(stage, inverse).outcomes == (Outcome.DONE,)
    assert not stage.server.residues
    assert not stage.server.waiting
    assert left(stage) == 0


def test_nobody_is_let_in_whose_ban_stands(tmp_path: Path) -> None:
    """What one id of a connection left behind is undone whole, or stays outstanding."""
    stage = Stage.of(tmp_path)
    stage.server.enter("host", "24.3.17.1", is_host=True)
    come_back(stage, "alice", "36.20.9.1", "eject")
    come_back(stage, "alice", "36.20.9.2", "hold")
    stage.server.lie = lambda method, found: (
        [Answer(outcome=Outcome.RETRY)] * len(found) if method == "clear" else found
    )
    stage.policy = rf.Policy.from_text(order(state='"ended"'), deployment=stage.deployment)
    inverse = Inverse.of_outstanding(stage.deployment, "cn-1", table(), stage.policy, at=stage.now)
    assert undo(stage, inverse).outcomes == (Outcome.RETRY,)
    assert stage.server.count("admit") == 0
    assert left(stage) == 1
    stage.server.lie = lambda _method, found: found
    assert undo(stage, inverse).outcomes == (Outcome.DONE,)
    assert not stage.server.residues
    assert not stage.server.waiting


def test_more_ejections_of_one_connection_than_one_call_takes(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path)
    stage.server.enter("host", "24.3.17.1", is_host=True)
    for number in range(103):
        come_back(stage, "alice", f"36.20.9.{number}", "eject")
    stage.policy = rf.Policy.from_text(order(state='"ended"'), deployment=stage.deployment)
    inverse = Inverse.of_outstanding(stage.deployment, "cn-1", table(), stage.policy, at=stage.now)
    assert undo(stage, inverse).outcomes == (Outcome.DONE,)
    assert not stage.server.residues


# --- an inverse for another moment ----------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [-10, 10])
def test_what_another_order_denies_now_stays_whatever_moment_the_inverse_is_for(tmp_path: Path, days: int) -> None:
    other = order(id='"cn-2"', **{"from": "2026-11-23T00:00:00Z", "until": "2026-11-25T00:00:00Z"})
    both = order() + other.removeprefix("version = 1\n")
    stage = Stage.of(tmp_path, policy=both)
    stage.people()
    plan = stage.plan()
    assert stage.apply(plan).is_finished
    stage.policy = rf.Policy.from_text(both.replace('"active"', '"ended"', 1), deployment=stage.deployment)
    assert not of_plan(stage, plan)
    elsewhen = plan.inverse(table(), stage.policy, at=NOW + timedelta(days=days))
    assert undo(stage, elsewhen).outcomes == (Outcome.STALE,) * 3
    assert stage.server.count("clear") == 0
    assert len(stage.server.residues) == left(stage) == 3
    stage.now = NOW + timedelta(days=2)
    assert undo(stage, elsewhen).outcomes == (Outcome.DONE,) * 3
    assert not stage.server.residues
