"""Asking again: how often, how long it is waited, and what is left for another time. Nothing sleeps here."""

from __future__ import annotations

import math
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from meetings.act.stage import INSIDE, MEETING, NOW, OUTSIDE, Stage, order, sign
from regionfast.errors import PlanRefused
from regionfast.meetings.act.asking import ATTEMPTS
from regionfast.meetings.act.control import Answer, Outcome


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage.of(tmp_path)
    made.people(inside=4, outside=4)
    return made


def busy(stage: Stage, times: int, retry_after: float | None = None, only: str = "in-") -> None:
    """The server does not remove some people for a while."""
    real, count = stage.server._remove, dict[str, int]()

    def remove(meeting: str, removal: Any, *, hold: bool) -> Answer:
        count[removal.connection] = count.get(removal.connection, 0) + 1
        if removal.connection.startswith(only) and count[removal.connection] <= times:
            return Answer(outcome=Outcome.RETRY, retry_after=retry_after)
        return real(meeting, removal, hold=hold)

    stage.server._remove = remove  # type: ignore[method-assign]


@pytest.mark.parametrize("times", range(5))
def test_it_is_asked_again_until_it_is_done(stage: Stage, times: int) -> None:
    busy(stage, times)
    applied = stage.apply(stage.plan())
    assert applied.outcomes == (Outcome.DONE,) * 4
    assert stage.server.count("eject") == times + 1
    assert len(stage.slept) == times
    assert [line["attempts"] for line in stage.lines("result")] == [times + 1] * 4


def test_only_those_are_asked_for_again_who_were_not_done(stage: Stage) -> None:
    busy(stage, 2, only="in-2")
    assert stage.apply(stage.plan()).outcomes == (Outcome.DONE,) * 4
    assert [call[2] for call in stage.server.calls if call[0] == "eject"] == [
        ("in-0", "in-1", "in-2", "in-3"),
        ("in-2",),
        ("in-2",),
    ]


def test_after_five_attempts_it_is_left_for_another_time(stage: Stage) -> None:
    busy(stage, 7, only="in-2")
    plan = stage.plan()
    applied = stage.apply(plan)
    assert applied.outcomes == (Outcome.DONE, Outcome.DONE, Outcome.RETRY, Outcome.DONE)
    assert not applied.is_finished
    assert stage.server.count("eject") == ATTEMPTS == 5
    assert not stage.lines("finished")
    again = stage.apply(plan)
    assert again.was_resumed
    assert again.outcomes == (Outcome.DONE,) * 4
    assert again.is_finished
    assert all(count == 1 for count in stage.server.removed.values())
    assert len(stage.lines("intent")) == 4


def test_it_waits_longer_each_time_and_never_the_same(stage: Stage, tmp_path: Path) -> None:
    busy(stage, 5)
    stage.apply(stage.plan())
    assert all(0 < seconds <= 60 for seconds in stage.slept)
    assert all(later > earlier / 1.01 for earlier, later in zip(stage.slept, stage.slept[1:], strict=False))
    other = Stage.of(tmp_path / "other")
    other.people(inside=4, outside=4)
    busy(other, 5)
    other.apply(other.plan())
    assert other.slept != stage.slept


@pytest.mark.parametrize("wanted", [7.5, 30.0])
def test_what_the_control_asks_for_is_waited(stage: Stage, wanted: float) -> None:
    busy(stage, 2, retry_after=wanted)
    stage.apply(stage.plan())
    assert len(stage.slept) == 2
    assert min(stage.slept) >= wanted


@pytest.mark.parametrize("wanted", [math.nan, math.inf, -5.0, 1e300, 0.0])
def test_what_nobody_can_wait_for_is_not_waited(stage: Stage, wanted: float) -> None:
    busy(stage, 2, retry_after=wanted)
    assert stage.apply(stage.plan()).is_finished
    assert all(0 < seconds <= 3600 for seconds in stage.slept)


def test_who_leaves_or_moves_while_it_waits_is_not_asked_for_again(stage: Stage) -> None:
    busy(stage, 1)

    def sleep(_seconds: float) -> None:
        del stage.server.rooms[MEETING]["in-0"]
        stage.server.change("in-1", addresses=(f"{OUTSIDE}200",))

    stage.slept = type("Sleep", (), {"append": staticmethod(sleep)})()
    assert stage.apply(stage.plan()).outcomes == (Outcome.ALREADY_GONE, Outcome.STALE, Outcome.DONE, Outcome.DONE)
    assert [call[2] for call in stage.server.calls if call[0] == "eject"][1:] == [("in-2", "in-3")]


def test_the_last_host_leaves_by_himself_while_it_waits(stage: Stage) -> None:
    """Of the meeting's hosts one stays and one is in the plan; the first is gone when the second is asked for again."""
    stage.server.change("in-0", is_host=True)
    busy(stage, 1, only="in-0")
    slept = 0

    def sleep(_seconds: float) -> None:
        nonlocal slept
        slept += 1
        stage.server.rooms[MEETING].pop("out-0", None)

    stage.slept = type("Sleep", (), {"append": staticmethod(sleep)})()
    assert stage.apply(stage.plan()).outcomes == (Outcome.DONE,) * 4
    assert slept
    assert any(one.is_host for one in stage.server.rooms[MEETING].values())


@pytest.mark.parametrize("present", ["eject", "hold"])
@pytest.mark.parametrize("people", [1, 99, 100, 101, 250])
def test_at_most_a_hundred_at_once(tmp_path: Path, people: int, present: str) -> None:
    stage = Stage.of(tmp_path, policy=order(present=f'"{present}"'))
    stage.people(inside=people)
    assert stage.apply(stage.plan()).outcomes == (Outcome.DONE,) * people
    sizes = [len(call[2]) for call in stage.server.calls if call[0] == present]
    assert sum(sizes) == people
    assert max(sizes) <= 100
    assert len(sizes) == -(-people // 100)


def test_ten_thousand_rows_take_seconds(tmp_path: Path) -> None:
    """Pseudonyms, seals and commitments are made once a row. The bound is loose: machines differ."""
    stage = Stage.of(tmp_path)
    for number in range(10_000):
        stage.server.enter(f"in-{number:05}", f"36.1.{number // 250}.{number % 250}", f"m-{number % 20}")
    for number in range(20):
        stage.server.enter("host", f"{OUTSIDE}{number}", f"m-{number}", is_host=True)
    plan = stage.plan()
    stage.server.checks_records = False
    began = perf_counter()
    applied = stage.apply(plan)
    seconds = perf_counter() - began
    assert applied.counts == {Outcome.DONE: 10_000}
    assert seconds < 30


def test_presence_is_asked_again_when_it_does_not_come(stage: Stage) -> None:
    count = 0

    def fail(method: str) -> None:
        nonlocal count
        count += method == "present"
        if method == "present" and count <= 4:
            raise ConnectionError

    stage.server.before = fail
    assert stage.apply(stage.plan()).outcomes == (Outcome.DONE,) * 4
    assert len(stage.slept) == 4
    assert stage.slept == sorted(stage.slept)


def test_a_mixed_order_of_addresses_is_one_connection(tmp_path: Path) -> None:
    """The same participant with several connections, one of which is elsewhere: each connection for itself."""
    stage = Stage.of(tmp_path)
    stage.people(inside=0)
    stage.server.enter("in-a", f"{INSIDE}1", participant="p")
    stage.server.enter("in-b", f"{INSIDE}2", participant="p")
    stage.server.enter("out-b", f"{OUTSIDE}2", participant="p")
    applied = stage.apply(stage.plan())
    assert applied.outcomes == (Outcome.DONE,) * 2
    assert "out-b" in stage.present()
    assert len({receipt.connection for receipt in applied.receipts.values()}) == 2


@pytest.mark.parametrize("method", ["eject", "present"])
def test_nothing_is_asked_for_when_the_order_has_ended_meanwhile(tmp_path: Path, method: str) -> None:
    """Acting can take hours. What is left stays to be done, and is not done."""
    stage = Stage.of(tmp_path, policy=order(until="2026-11-24T12:00:30Z"))
    stage.people(inside=250, outside=300)
    plan = stage.plan()
    approvals = sign(plan, "ann", "bob")

    def end(called: str) -> None:
        if called == method and stage.server.count(method) > 1 - (method == "eject"):
            stage.now = NOW + timedelta(seconds=30)

    stage.server.after = end
    applied = stage.apply(plan, approvals)
    done = 100 if method == "eject" else 0
    assert stage.server.removed.total() == done
    assert applied.counts == {Outcome.RETRY: 250 - done} | ({Outcome.DONE: done} if done else {})
    assert not applied.is_finished
    assert not stage.lines("finished")
    with pytest.raises(PlanRefused, match="acts on nobody now"):
        stage.apply(plan, approvals)


def test_nobody_is_made_host_or_asked_for_again_when_the_order_has_ended(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, policy=order(until="2026-11-24T12:00:30Z"))
    stage.server.enter("in-0", f"{INSIDE}1", is_host=True)
    stage.server.enter("out-0", "24.3.17.1")
    plan = stage.plan()
    approvals = sign(plan, "ann", "bob")

    def end(method: str) -> None:
        if method == "handover":
            stage.now = NOW + timedelta(minutes=1)

    stage.server.after = end
    assert stage.apply(plan, approvals).outcomes == (Outcome.RETRY,)
    assert stage.server.count("eject") == 0
    (result,) = stage.lines("result")
    assert result["attempts"] == 0
