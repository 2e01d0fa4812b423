"""A meeting keeps a host and a connection, whatever is asked, refused, lost or changed on the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meetings.act.stage import INSIDE, MEETING, OUTSIDE, Stage, order
from regionfast.meetings.act.control import Answer, Outcome
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import outstanding


def hosted(folder: Path, hosts: int = 1, guests: int = 2, inside: int = 1, **facts: Any) -> Stage:
    """All hosts are inside; `facts` are of the guests, who are not."""
    stage = Stage.of(folder)
    for number in range(hosts):
        stage.server.enter(f"in-host-{number}", f"36.2.{number // 250}.{number % 250}", is_host=True)
    for number in range(inside):
        stage.server.enter(f"in-{number}", f"{INSIDE}{number}")
    for number in range(guests):
        stage.server.enter(f"out-{number}", f"{OUTSIDE}{number}", **facts)
    watch(stage)
    return stage


def watch(stage: Stage) -> None:
    """After each removal there is somebody, and a host if there was one."""
    real = stage.server._remove

    def remove(meeting: str, removal: Any, *, hold: bool) -> Answer:
        had_host = any(one.is_host for one in stage.server.rooms[meeting].values())
        answer = real(meeting, removal, hold=hold)
        assert stage.server.rooms[meeting], "nobody is left"
        assert not had_host or any(one.is_host for one in stage.server.rooms[meeting].values()), "no host is left"
        return answer

    stage.server._remove = remove  # type: ignore[method-assign]


def handovers(stage: Stage) -> list[tuple[str, ...]]:
    return [call[2] for call in stage.server.calls if call[0] == "handover"]


@pytest.mark.parametrize("hosts", [1, 2, 3, 100, 101, 205])
def test_hosts_leave_last_and_hand_over_once(tmp_path: Path, hosts: int) -> None:
    stage = hosted(tmp_path, hosts)
    applied = stage.apply(stage.plan())
    assert set(applied.outcomes) == {Outcome.DONE}
    assert len(handovers(stage)) == 1
    assert handovers(stage)[0][1] == "out-0"
    order_of = [connection for call in stage.server.calls if call[0] == "eject" for connection in call[2]]
    assert order_of[0] == "in-0"
    assert stage.present() == ["out-0", "out-1"]
    (record,) = [line for line in stage.lines("handover") if line["outcome"] == "done"]
    assert record["leaving"] != record["to"]


@pytest.mark.parametrize("hosts", [1, 2, 150])
def test_nobody_else_may_be_host(tmp_path: Path, hosts: int) -> None:
    stage = hosted(tmp_path, hosts, may_host=False)
    applied = stage.apply(stage.plan())
    assert applied.counts == {Outcome.DONE: hosts, Outcome.WOULD_END_MEETING: 1}
    assert applied.is_finished
    assert not handovers(stage)
    assert sum(one.is_host for one in stage.server.rooms[MEETING].values()) == 1


@pytest.mark.parametrize(("hosts", "inside"), [(1, 0), (1, 3), (2, 3), (0, 1), (0, 4), (101, 101)])
def test_everybody_in_the_meeting_is_in_the_plan(tmp_path: Path, hosts: int, inside: int) -> None:
    stage = hosted(tmp_path, hosts, guests=0, inside=inside)
    applied = stage.apply(stage.plan())
    assert applied.counts.get(Outcome.WOULD_END_MEETING) == 1
    assert applied.counts.get(Outcome.DONE, 0) == hosts + inside - 1
    (left,) = stage.server.rooms[MEETING].values()
    assert left.is_host == (hosts > 0)


def test_a_host_who_stays_needs_no_handover(tmp_path: Path) -> None:
    stage = hosted(tmp_path)
    stage.server.change("out-1", is_host=True)
    assert set(stage.apply(stage.plan()).outcomes) == {Outcome.DONE}
    assert not handovers(stage)


@pytest.mark.parametrize("refuse", [1, 2, 3, 4])
def test_up_to_three_are_tried(tmp_path: Path, refuse: int) -> None:
    stage = hosted(tmp_path, guests=6)
    real = stage.server.handover

    def handover(meeting: str, leaving: str, to: str, /) -> Answer:
        if len(handovers(stage)) < refuse:
            stage.server.calls.append(("handover", meeting, (leaving, to)))
            return Answer(outcome=Outcome.FAILED)
        return real(meeting, leaving, to)

    stage.server.handover = handover  # type: ignore[method-assign]
    applied = stage.apply(stage.plan())
    if refuse < 3:
        assert set(applied.outcomes) == {Outcome.DONE}
        assert len(handovers(stage)) == refuse + 1
    else:
        assert applied.counts == {Outcome.DONE: 1, Outcome.WOULD_END_MEETING: 1}
        assert [to for _, to in handovers(stage)] == ["out-0", "out-1", "out-2"]


def test_a_handover_is_believed_only_when_it_is_seen(tmp_path: Path) -> None:
    stage = hosted(tmp_path, guests=5)

    def handover(meeting: str, leaving: str, to: str, /) -> Answer:
        stage.server.calls.append(("handover", meeting, (leaving, to)))
        return Answer(outcome=Outcome.DONE)

    stage.server.handover = handover  # type: ignore[method-assign]
    applied = stage.apply(stage.plan())
    assert applied.counts == {Outcome.DONE: 1, Outcome.WOULD_END_MEETING: 1}
    assert not [line for line in stage.lines("handover") if line["outcome"] == "done"]


def test_a_handover_whose_answer_is_lost_is_seen(tmp_path: Path) -> None:
    stage = hosted(tmp_path)

    def fail(method: str) -> None:
        if method == "handover":
            raise TimeoutError

    stage.server.after = fail
    assert set(stage.apply(stage.plan()).outcomes) == {Outcome.DONE}
    assert len(handovers(stage)) == 1


def test_a_candidate_leaves_during_the_handover(tmp_path: Path) -> None:
    stage = hosted(tmp_path)

    def leave(method: str) -> None:
        if method == "handover":
            stage.server.rooms[MEETING].pop("out-0", None)

    stage.server.after = leave
    assert set(stage.apply(stage.plan()).outcomes) == {Outcome.DONE}
    assert [to for _, to in handovers(stage)] == ["out-0", "out-1"]


def test_the_leaving_host_leaves_by_himself_during_the_handover(tmp_path: Path) -> None:
    stage = hosted(tmp_path)

    def leave(method: str) -> None:
        if method == "handover":
            stage.server.rooms[MEETING].pop("in-host-0", None)

    stage.server.after = leave
    applied = stage.apply(stage.plan())
    assert sorted(applied.outcomes) == [Outcome.ALREADY_GONE, Outcome.DONE]
    assert stage.server.rooms[MEETING]["out-0"].is_host


def test_a_host_who_was_refused_may_still_leave_by_himself(tmp_path: Path) -> None:
    """Two hosts in two chunks and nobody who may be host: exactly one of them stays."""
    stage = hosted(tmp_path, hosts=101, guests=1, inside=0, may_host=False)
    applied = stage.apply(stage.plan())
    assert applied.counts == {Outcome.DONE: 100, Outcome.WOULD_END_MEETING: 1}


def test_who_is_stale_stays_and_may_be_host(tmp_path: Path) -> None:
    """He is in a row but another by now: the plan does not reach him any more."""
    stage = hosted(tmp_path, guests=1, inside=1, may_host=False)
    plan = stage.plan()
    stage.server.change("in-0", addresses=(f"{OUTSIDE}99",))
    applied = stage.apply(plan)
    assert sorted(applied.outcomes) == [Outcome.DONE, Outcome.STALE]
    assert stage.server.rooms[MEETING]["in-0"].is_host


def test_a_meeting_without_hosts_goes_on(tmp_path: Path) -> None:
    stage = hosted(tmp_path, hosts=0, inside=3)
    assert set(stage.apply(stage.plan()).outcomes) == {Outcome.DONE}
    assert not handovers(stage)


def test_being_held_is_leaving_too(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, policy=order(present='"hold"'))
    stage.server.enter("in-host", f"{INSIDE}1", is_host=True)
    stage.server.enter("out-0", f"{OUTSIDE}1")
    watch(stage)
    assert stage.apply(stage.plan()).outcomes == (Outcome.DONE,)
    assert len(handovers(stage)) == 1


@pytest.mark.parametrize("hosts", [2, 101])
@pytest.mark.parametrize("says", [Outcome.RETRY, Outcome.DONE])
@pytest.mark.parametrize("may_host", [True, False])
def test_a_host_asked_for_in_vain_is_no_host_who_stays(
    tmp_path: Path, hosts: int, says: Outcome, may_host: bool
) -> None:
    """His removal may only be late: the next host leaves no sooner than somebody else is one."""
    stage = hosted(tmp_path, hosts=hosts, guests=1, inside=0, may_host=may_host)
    late: list[Any] = []
    real = stage.server._remove

    def remove(meeting: str, removal: Any, *, hold: bool) -> Answer:
        if removal.connection == "in-host-0":
            late.append(removal)
            return Answer(outcome=says)
        return real(meeting, removal, hold=hold)

    stage.server._remove = remove  # type: ignore[method-assign]
    applied = stage.apply(stage.plan())
    kept = 0 if may_host else 1
    assert applied.counts.get(Outcome.WOULD_END_MEETING, 0) == kept
    assert applied.counts.get(Outcome.DONE, 0) == hosts - 1 - kept
    assert applied.outcomes[0] == (Outcome.RETRY if says is Outcome.RETRY else Outcome.FAILED)
    real(MEETING, late[0], hold=False)  # what it was asked for is done after all


def test_everybody_else_was_asked_for_in_vain(tmp_path: Path) -> None:
    """No hosts, nobody outside, two chunks: those of the first may yet go, so the last one stays."""
    stage = hosted(tmp_path, hosts=0, guests=0, inside=101)
    late: list[Any] = []
    real = stage.server._remove

    def remove(meeting: str, removal: Any, *, hold: bool) -> Answer:
        if removal.connection != "in-99":  # the last in the order of rows
            late.append(removal)
            return Answer(outcome=Outcome.RETRY)
        return real(meeting, removal, hold=hold)

    stage.server._remove = remove  # type: ignore[method-assign]
    applied = stage.apply(stage.plan())
    assert applied.counts == {Outcome.RETRY: 100, Outcome.WOULD_END_MEETING: 1}
    for removal in {one.connection: one for one in late}.values():
        real(MEETING, removal, hold=False)


def test_who_is_to_leave_is_never_made_host(tmp_path: Path) -> None:
    """Also where the server refuses for good to remove him: the plan still wants him out."""
    stage = hosted(tmp_path, guests=1, may_host=False)
    real = stage.server._remove

    def remove(meeting: str, removal: Any, *, hold: bool) -> Answer:
        if removal.connection == "in-0":
            return Answer(outcome=Outcome.FAILED)
        return real(meeting, removal, hold=hold)

    stage.server._remove = remove  # type: ignore[method-assign]
    assert stage.apply(stage.plan()).outcomes == (Outcome.FAILED, Outcome.WOULD_END_MEETING)
    assert not handovers(stage)


def test_of_whom_two_things_are_said_is_no_host_who_stays(tmp_path: Path) -> None:
    """Once as a host and once not: the host leaves no sooner than somebody surely is one."""
    stage = hosted(tmp_path, guests=1, inside=0)

    def lie(method: str, found: list[Any]) -> list[Any]:
        doubles = [replace(one, is_host=True) for one in found if method == "present" and one.connection == "out-0"]
        return doubles + found

    stage.server.lie = lie
    assert stage.apply(stage.plan()).outcomes == (Outcome.WOULD_END_MEETING,)


def test_who_is_doubtful_after_a_handover_is_no_host(tmp_path: Path) -> None:
    stage = hosted(tmp_path, guests=2, inside=0)

    def lie(method: str, found: list[Any]) -> list[Any]:
        hosts = [one for one in found if method == "present" and one.connection == "out-0" and one.is_host]
        return found + [replace(one, is_host=False) for one in hosts]

    stage.server.lie = lie
    assert stage.apply(stage.plan()).outcomes == (Outcome.DONE,)
    assert [to for _, to in handovers(stage)] == ["out-0", "out-1"]
    assert stage.server.rooms[MEETING]["out-1"].is_host


def test_a_last_host_who_was_asked_for_without_an_answer_is_not_said_to_stay(tmp_path: Path) -> None:
    """A slow server may remove him yet: what that leaves behind is not forgotten."""
    stage = hosted(tmp_path, guests=1, inside=0, may_host=False)
    stage.server.enter("out-host", f"{OUTSIDE}9", is_host=True)
    late: list[Any] = []

    def eject(meeting: str, removals: Any, /) -> Any:
        late.extend(removals)
        stage.server.rooms[meeting].pop("out-host", None)
        raise TimeoutError

    stage.server.eject = eject  # type: ignore[method-assign]
    applied = stage.apply(stage.plan())
    assert applied.outcomes == (Outcome.RETRY,)
    assert len(late) == 1
    found = outstanding(stage.folder / "audit", KeyStore(stage.folder / "keys"))
    assert [row.id for row in found] == ["in-host-0"]


@pytest.mark.parametrize("trouble", ["lost", "retry"])
@pytest.mark.parametrize("lasts", [True, False])
def test_a_handover_that_nobody_answers_is_asked_again_and_is_not_the_end(
    tmp_path: Path, trouble: str, lasts: bool
) -> None:
    stage = Stage.of(tmp_path)
    stage.server.enter("host", f"{INSIDE}1", is_host=True)
    stage.server.enter("guest", f"{OUTSIDE}1")
    left = [10**6 if lasts else 2]

    def before(method: str) -> None:
        if method == "handover" and trouble == "lost" and left[0] > 0:
            left[0] -= 1
            raise TimeoutError

    def lie(method: str, answers: list[Any]) -> list[Any]:
        if method == "handover" and trouble == "retry" and left[0] > 0:
            left[0] -= 1
            stage.server.change("guest", is_host=False)
            return [Answer(outcome=Outcome.RETRY, retry_after=1.0)]
        return answers

    stage.server.before, stage.server.lie = before, lie
    plan = stage.plan()
    done = stage.apply(plan)
    assert done.outcomes == (Outcome.RETRY if lasts else Outcome.DONE,)
    if lasts:
        assert stage.present() == ["host", "guest"]
        left[0] = 0
        done = stage.apply(plan)
    assert done.outcomes == (Outcome.DONE,)
    assert stage.present() == ["guest"]
    assert stage.server.rooms[MEETING]["guest"].is_host
