"""Who is turned away at the door has a record, a notice and a receipt; who is admitted leaves no trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import regionfast as rf
from meetings.act.stage import INSIDE, NOW, OUTSIDE, Stage, deployment, lines, order, table
from regionfast.meetings.act.door import DoorChain
from regionfast.meetings.audit.receipt import open_receipt
from regionfast.meetings.audit.verify import verify


def decisions(stage: Stage, **columns: Any) -> rf.Decisions:
    """Two inside, one outside."""
    roster = rf.Roster(["ann", "bo", "cy"], [f"{INSIDE}1", f"{OUTSIDE}1", f"{INSIDE}2"], meetings=["m"] * 3, **columns)
    return rf.decide_joins(table(), stage.policy, roster, at=NOW)


@pytest.mark.parametrize("columns", [{}, {"connections": ["c1", None, None]}])
def test_each_who_is_denied_gets_notice_and_receipt(tmp_path: Path, columns: dict[str, Any]) -> None:
    stage = Stage.of(tmp_path)
    with DoorChain(stage.deployment, clock=lambda: NOW) as door:
        away = door.record(decisions(stage, **columns))
    assert [(one.index, one.effect, one.notice.region) for one in away] == [
        (0, rf.Effect.DENY, "CN"),
        (2, rf.Effect.DENY, "CN"),
    ]
    assert away[0].notice.to_http()[0] == 451
    for one in away:
        opened = open_receipt(tmp_path / "audit", one.receipt)
        assert (opened.effect, opened.by, opened.region) == ("deny", "cn-1", "CN")
    assert verify(tmp_path / "audit").is_sound


def test_each_knock_is_a_row_of_its_own_and_names_nobody(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, policy=order(join='"hold"'))
    with DoorChain(stage.deployment, writer="door-2", clock=lambda: NOW) as door:
        first, second = door.record(decisions(stage)), door.record(decisions(stage))
    rows = [line for line in lines(tmp_path / "audit" / "door-2.jsonl") if line["kind"] == "join"]
    assert [row["effect"] for row in rows] == ["hold"] * 4
    assert len({row["connection"] for row in rows}) == 4
    assert len({row["scope"] for row in rows}) == 1
    text = (tmp_path / "audit" / "door-2.jsonl").read_text("ascii") + repr((first, second))
    assert all(name not in text for name in ("ann", "cy", INSIDE))


def test_nobody_turned_away_writes_nothing(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, policy=order(state='"suspended"'))
    with DoorChain(stage.deployment) as door:
        assert door.record(decisions(stage)) == ()
    assert [line["kind"] for line in lines(tmp_path / "audit" / "door.jsonl")] in ([], ["open"])


def test_what_is_not_recorded_is_not_done(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path)
    with DoorChain(stage.deployment), pytest.raises(rf.AuditError, match="another process writes"):
        DoorChain(stage.deployment)
    bare = rf.Deployment.from_text("")
    with pytest.raises(rf.PlanRefused, match="no \\[audit\\]"):
        DoorChain(bare)
    assert deployment(tmp_path) == stage.deployment
