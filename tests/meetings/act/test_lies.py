"""Controls that lie, lose answers, or are overtaken by what happens in the meeting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from meetings.act.stage import INSIDE, MEETING, OUTSIDE, Stage, order
from regionfast.meetings.act.control import Answer, Outcome, Present
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import outstanding


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage.of(tmp_path)
    made.people(inside=3, outside=4)
    return made


def once(method: str, do: Callable[[], None], at: int = 1) -> Callable[[str], None]:
    """Does something the first time that a method is called."""
    count = 0

    def hook(called: str) -> None:
        nonlocal count
        count += called == method
        if called == method and count == at:
            do()

    return hook


def nobody_outside(stage: Stage) -> None:
    assert all(connection.startswith("in-") for _, connection in stage.server.removed)
    assert all(count == 1 for count in stage.server.removed.values())


# --- what changes in between ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("looks", [1, 2])
@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        (lambda stage: stage.server.rooms[MEETING].pop("in-1"), Outcome.ALREADY_GONE),
        (lambda stage: stage.server.change("in-1", addresses=(f"{OUTSIDE}9",)), Outcome.STALE),
        (lambda stage: stage.server.change("in-1", addresses=(f"{INSIDE}1", f"{OUTSIDE}9")), Outcome.STALE),
        (lambda stage: stage.server.change("in-1", addresses=(f"{INSIDE}99",)), Outcome.STALE),
        (lambda stage: stage.server.change("in-1", addresses=()), Outcome.STALE),
        (lambda stage: stage.server.change("in-1", participant="somebody-else"), Outcome.STALE),
        (lambda stage: stage.server.change("in-1", participant=None), Outcome.STALE),
    ],
)
def test_who_left_or_is_another_by_now_is_left_alone(
    stage: Stage, change: Callable[[Stage], Any], outcome: Outcome, looks: int
) -> None:
    plan = stage.plan()
    stage.server.before = once("present", lambda: change(stage), looks)
    applied = stage.apply(plan)
    assert applied.outcomes == (Outcome.DONE, outcome, Outcome.DONE)
    assert applied.is_finished
    assert (MEETING, "in-1") not in stage.server.removed
    assert not any("in-1" in call[2] for call in stage.server.calls if call[0] == "eject")
    nobody_outside(stage)
    assert 1 not in applied.receipts


def test_who_comes_meanwhile_is_in_no_row(stage: Stage) -> None:
    plan = stage.plan()
    stage.server.before = once("eject", lambda: stage.server.enter("late", f"{INSIDE}77"))
    assert stage.apply(plan).outcomes == (Outcome.DONE,) * 3
    assert "late" in stage.present()


def test_the_meeting_is_over(stage: Stage) -> None:
    plan = stage.plan()
    stage.server.rooms.clear()
    assert stage.apply(plan).outcomes == (Outcome.ALREADY_GONE,) * 3
    assert stage.server.count("eject") == 0


def test_addresses_are_compared_as_addresses(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path)
    stage.people(inside=0)
    stage.server.enter("in-6", "2400:c800::7")
    plan = stage.plan()
    stage.server.change("in-6", addresses=("2400:C800:0::7", "no-address"))
    stage.server._remove = lambda *_args, **_options: Answer(outcome=Outcome.DONE)  # type: ignore[method-assign]
    applied = stage.apply(plan)
    assert stage.server.count("eject") == 1
    assert applied.outcomes == (Outcome.FAILED,)  # it lies: he is still there


# --- lost answers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [TimeoutError, ConnectionError, ConnectionResetError])
def test_an_answer_is_lost_and_it_was_done(stage: Stage, error: type[OSError]) -> None:
    plan = stage.plan()

    def fail() -> None:
        raise error

    stage.server.after = once("eject", fail)
    applied = stage.apply(plan)
    assert applied.outcomes == (Outcome.ALREADY_GONE,) * 3
    assert stage.server.count("eject") == 1
    nobody_outside(stage)
    assert len(stage.slept) == 1
    found = outstanding(stage.folder / "audit", KeyStore(stage.folder / "keys"))
    assert [row.id for row in found] == ["in-0", "in-1", "in-2"]  # what it left behind can be cleared


def test_an_answer_is_lost_and_it_was_not_done(stage: Stage) -> None:
    plan = stage.plan()

    def fail() -> None:
        raise TimeoutError

    stage.server.before = once("eject", fail)
    assert stage.apply(plan).outcomes == (Outcome.DONE,) * 3
    assert stage.server.count("eject") == 2
    assert all(len(keys) == 1 for keys in stage.server.keys.values())
    assert len(stage.lines("intent")) == 3
    nobody_outside(stage)


@pytest.mark.parametrize("wrong", [lambda found: found[:-1], lambda found: [*found, found[0]], lambda _found: []])
def test_a_wrong_number_of_answers_tells_nothing(stage: Stage, wrong: Callable[[list[Any]], list[Any]]) -> None:
    plan = stage.plan()
    stage.server.lie = lambda method, found: wrong(found) if method == "eject" else found
    assert stage.apply(plan).outcomes == (Outcome.ALREADY_GONE,) * 3
    assert stage.server.count("eject") == 1
    nobody_outside(stage)


def test_nobody_says_who_is_there(stage: Stage) -> None:
    plan = stage.plan()

    def fail(method: str) -> None:
        if method == "present":
            raise TimeoutError

    stage.server.before = fail
    applied = stage.apply(plan)
    assert applied.outcomes == (Outcome.RETRY,) * 3
    assert not applied.is_finished
    assert not stage.server.removed
    assert stage.server.count("eject") == 0
    stage.server.before = lambda _method: None
    again = stage.apply(plan)
    assert again.outcomes == (Outcome.DONE,) * 3
    assert again.was_resumed


def test_presence_is_lost_right_after_acting(stage: Stage) -> None:
    """What was answered before stands; what the control left behind is not lost."""
    plan = stage.plan()
    is_silent = False

    def fail(method: str) -> None:
        nonlocal is_silent
        if method == "present" and is_silent:
            raise TimeoutError
        is_silent = is_silent or method == "eject"

    stage.server.before = fail
    applied = stage.apply(plan)
    assert set(applied.outcomes) <= {Outcome.DONE, Outcome.RETRY}
    found = outstanding(stage.folder / "audit", KeyStore(stage.folder / "keys"))
    assert sorted(str(row.residue) for row in found) == ["ban-0", "ban-1", "ban-2"]
    nobody_outside(stage)


# --- lies -----------------------------------------------------------------------------------------------------------


def test_said_done_and_still_there(stage: Stage) -> None:
    plan = stage.plan()
    stage.server._remove = (  # type: ignore[method-assign]
        lambda _meeting, _removal, **_options: Answer(outcome=Outcome.DONE, residue="ban-x")
    )
    applied = stage.apply(plan)
    assert applied.outcomes == (Outcome.FAILED,) * 3
    assert applied.is_finished
    assert stage.server.count("eject") <= 2
    found = outstanding(stage.folder / "audit", KeyStore(stage.folder / "keys"))
    assert {row.residue for row in found} == {"ban-x"}  # it may have banned them all the same


def test_said_gone_and_still_there(stage: Stage) -> None:
    plan = stage.plan()
    stage.server._remove = (  # type: ignore[method-assign]
        lambda _meeting, _removal, **_options: Answer(outcome=Outcome.ALREADY_GONE)
    )
    assert stage.apply(plan).outcomes == (Outcome.FAILED,) * 3
    assert stage.server.count("eject") <= 2


def test_says_that_somebody_is_not_there_who_is(stage: Stage) -> None:
    plan = stage.plan()
    stage.server.lie = lambda method, found: (
        found if method != "present" else [one for one in found if one.connection != "in-1"]
    )
    assert stage.apply(plan).outcomes == (Outcome.DONE, Outcome.ALREADY_GONE, Outcome.DONE)
    assert (MEETING, "in-1") not in stage.server.removed


def doubled(found: list[Present]) -> list[Present]:
    return [*found, *found]


def contradicted(found: list[Present]) -> list[Present]:
    twin = Present(connection="in-1", participant="another", addresses=(f"{OUTSIDE}1",), is_host=True)
    return [*found, twin] if any(one.connection == "in-1" for one in found) else found


@pytest.mark.parametrize("swap", [False, True])
def test_somebody_is_there_twice(stage: Stage, swap: bool) -> None:
    plan = stage.plan()
    stage.server.lie = lambda method, found: doubled(found)[:: -1 if swap else 1] if method == "present" else found
    assert stage.apply(plan).outcomes == (Outcome.DONE,) * 3
    nobody_outside(stage)


@pytest.mark.parametrize("swap", [False, True])
def test_somebody_is_there_as_two(stage: Stage, swap: bool) -> None:
    plan = stage.plan()
    stage.server.lie = lambda method, found: contradicted(found)[:: -1 if swap else 1] if method == "present" else found
    assert stage.apply(plan).outcomes == (Outcome.DONE, Outcome.STALE, Outcome.DONE)
    assert (MEETING, "in-1") not in stage.server.removed


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.STALE, Outcome.WOULD_END_MEETING])
def test_what_the_control_refuses_for_good_is_not_asked_again(stage: Stage, outcome: Outcome) -> None:
    plan = stage.plan()
    stage.server._remove = lambda _meeting, _removal, **_options: Answer(outcome=outcome)  # type: ignore[method-assign]
    applied = stage.apply(plan)
    assert applied.outcomes == (outcome,) * 3
    assert applied.is_finished
    assert stage.server.count("eject") == 1
    assert not outstanding(stage.folder / "audit", KeyStore(stage.folder / "keys"))


# --- what is known after a crash ------------------------------------------------------------------------------------


def die_after_the_deed(stage: Stage, plan: Any) -> None:
    def fail() -> None:
        raise KeyError

    stage.server.after = once("eject", fail)
    with pytest.raises(KeyError):
        stage.apply(plan)
    stage.server.after = lambda _method: None
    assert stage.server.removed.total() == 3


def test_another_person_has_the_connection_of_who_was_removed_before_the_crash(stage: Stage) -> None:
    """He is left alone; and the ban of who was removed is not forgotten."""
    plan = stage.plan()
    die_after_the_deed(stage, plan)
    stage.server.enter("in-1", f"{OUTSIDE}1", participant="somebody-else")
    again = stage.apply(plan)
    assert again.is_finished
    assert stage.server.removed.total() == 3
    found = outstanding(stage.folder / "audit", KeyStore(stage.folder / "keys"))
    assert [row.id for row in found] == ["in-0", "in-1", "in-2"]


def test_who_was_let_in_again_is_not_removed_by_what_is_left_of_the_plan(stage: Stage) -> None:
    """A crash after the deed, an undoing by the records, and the old plan is applied once more."""
    import regionfast as rf
    from meetings.act.stage import NOW, sign, table
    from regionfast.meetings.inverse import Inverse

    plan = stage.plan()
    people = dict(stage.server.rooms[MEETING])
    die_after_the_deed(stage, plan)
    over = rf.Policy.from_text(order(state='"ended"'), deployment=stage.deployment)
    inverse = Inverse.of_outstanding(stage.deployment, "cn-1", table(), over, at=NOW)
    assert inverse.apply(stage.server, stage.deployment, clock=lambda: NOW, sleep=stage.slept.append).is_finished
    assert not stage.server.residues
    stage.server.rooms[MEETING] = people
    assert stage.apply(plan, sign(plan, "ann", "bob")).is_finished
    nobody_outside(stage)
    assert not stage.server.residues


def test_who_was_perhaps_removed_and_is_another_by_now_is_not_forgotten(stage: Stage) -> None:
    """The answer is lost, and before the next look the connection belongs to somebody else."""
    plan = stage.plan()

    def swap() -> None:
        stage.server.enter("in-1", f"{OUTSIDE}1", participant="somebody-else")
        raise TimeoutError

    stage.server.after = once("eject", swap)
    applied = stage.apply(plan)
    assert applied.is_finished
    assert stage.server.removed.total() == 3
    assert "in-1" in stage.present()
    found = outstanding(stage.folder / "audit", KeyStore(stage.folder / "keys"))
    assert [row.id for row in found] == ["in-0", "in-1", "in-2"]


def test_said_stale_of_who_was_perhaps_removed(stage: Stage) -> None:
    """The answer is lost, he is back by the same id, and the control now says that he is another."""
    plan = stage.plan()
    people = dict(stage.server.rooms[MEETING])

    def back() -> None:
        stage.server.rooms[MEETING] = people
        raise TimeoutError

    stage.server.after = once("eject", back)
    real = stage.server._remove
    stage.server._remove = (  # type: ignore[method-assign]
        lambda meeting, removal, **options: (
            Answer(outcome=Outcome.STALE) if stage.server.count("eject") > 1 else real(meeting, removal, **options)
        )
    )
    assert stage.apply(plan).outcomes == (Outcome.ALREADY_GONE,) * 3
    found = outstanding(stage.folder / "audit", KeyStore(stage.folder / "keys"))
    assert [row.id for row in found] == ["in-0", "in-1", "in-2"]
