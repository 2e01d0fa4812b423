"""Acting on a saved plan after a crash, over another roster: only rows that are in both plans, and nobody twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meetings.act.stage import INSIDE, MEETING, OUTSIDE, Died, Stage, sign, table
from meetings.act.test_crashes import MOST_STEPS, Death
from regionfast.errors import PlanRefused
from regionfast.meetings.act.control import Outcome
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import outstanding
from regionfast.meetings.saved import SavedPlan


def saved(folder: Path) -> tuple[Stage, SavedPlan]:
    stage = Stage.of(folder)
    stage.people(inside=4, outside=2)
    return stage, stage.plan().save(folder / "plan.json", stage.deployment)


def act(stage: Stage, plan: SavedPlan, *names: str, what: Any = None) -> Any:
    return plan.apply(
        stage.server,
        stage.deployment,
        table=table(),
        policy=stage.policy,
        roster=stage.server.roster(),
        approvals=sign(what or plan, *(names or ("ann", "bob"))),
        clock=lambda: stage.now,
        sleep=stage.slept.append,
    )


def test_rows_that_are_in_both(tmp_path: Path) -> None:
    stage, plan = saved(tmp_path)
    stage.server.rooms[MEETING].pop("in-0")
    stage.server.change("in-1", addresses=(f"{OUTSIDE}9",))
    stage.server.change("in-2", addresses=(f"{INSIDE}9",))
    stage.server.enter("late", f"{INSIDE}77")
    applied = act(stage, plan)
    assert applied.plan == plan.hash
    assert applied.outcomes == (Outcome.ALREADY_GONE, Outcome.STALE, Outcome.STALE, Outcome.DONE)
    assert set(stage.server.removed) == {(MEETING, "in-3")}
    assert list(applied.receipts) == [3]
    with pytest.raises(PlanRefused, match="was applied at"):
        act(stage, plan)


def test_approvals_of_the_plan_in_memory_do_not_cover_the_file(tmp_path: Path) -> None:
    stage, plan = saved(tmp_path)
    with pytest.raises(PlanRefused, match="saved plan"):
        act(stage, plan, what=stage.plan())
    assert not stage.server.removed


def test_death_at_every_step(tmp_path: Path) -> None:
    for step in range(1, MOST_STEPS):
        stage, plan = saved(tmp_path / f"{step}")
        with pytest.MonkeyPatch.context() as patch:
            Death(stage, step, patch)
            try:
                act(stage, plan)
                break
            except Died:
                pass
        stage.server.before = stage.server.after = lambda _method: None
        if not stage.lines("finished"):
            again = act(stage, plan)
            assert again.is_finished
            assert set(again.outcomes) <= {Outcome.DONE, Outcome.ALREADY_GONE}
        assert stage.present() == ["out-0", "out-1"]
        assert all(count == 1 for count in stage.server.removed.values())
        found = outstanding(stage.folder / "audit", KeyStore(stage.folder / "keys"))
        assert [row.id for row in found] == ["in-0", "in-1", "in-2", "in-3"]
    assert step > 10


@pytest.mark.parametrize(
    "change",
    [
        lambda stage: stage.server.enter("in-1", f"{OUTSIDE}1", participant="somebody-else"),
        lambda stage: stage.server.enter("in-1", f"{INSIDE}1", participant="somebody-else"),
        lambda stage: stage.server.enter("in-1", f"{OUTSIDE}1"),
    ],
)
def test_another_is_there_in_the_place_of_who_was_removed_before_the_crash(
    tmp_path: Path, change: Callable[[Stage], None]
) -> None:
    stage, plan = saved(tmp_path)

    def die(method: str) -> None:
        if method == "eject":
            raise KeyError

    stage.server.after = die
    with pytest.raises(KeyError):
        act(stage, plan)
    stage.server.after = lambda _method: None
    change(stage)
    assert act(stage, plan).is_finished
    assert stage.server.removed.total() == 4
    found = outstanding(stage.folder / "audit", KeyStore(stage.folder / "keys"))
    assert [row.id for row in found] == ["in-0", "in-1", "in-2", "in-3"]


def test_other_meetings_are_none_of_its_business(tmp_path: Path) -> None:
    """Over a roster of many meetings: a key that was destroyed elsewhere refuses nothing, and none is made."""
    stage = Stage.of(tmp_path)
    stage.people(inside=2, outside=3)
    plan = stage.plan().save(tmp_path / "plan.json", stage.deployment)
    stage.people(inside=2, outside=3, meeting="lecture")
    stage.people(inside=2, outside=3, meeting="choir")
    keys = KeyStore(tmp_path / "keys")
    keys.destroy(keys.scope("cn-1", "lecture"))
    assert act(stage, plan).outcomes == (Outcome.DONE,) * 2
    assert {meeting for meeting, _ in stage.server.removed} == {MEETING}
    assert keys.existing(keys.scope("cn-1", "choir")) is None
