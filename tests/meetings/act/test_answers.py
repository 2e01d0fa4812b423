"""Answers that cannot be: a control passes on what a server says, whatever that is."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from meetings.act.stage import INSIDE, MEETING, Stage
from meetings.act.test_undoing import of_plan, undo
from regionfast.meetings.act.asking import Look
from regionfast.meetings.act.control import Answer, Outcome, Present
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import outstanding


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage.of(tmp_path)
    made.people(inside=3, outside=4)
    return made


def residues(stage: Stage) -> list[str | None]:
    return [row.residue for row in outstanding(stage.folder / "audit", KeyStore(stage.folder / "keys"))]


@pytest.mark.parametrize(
    "said",
    [
        None,
        "done",
        Answer(outcome="person-in-0 is gone"),  # type: ignore[arg-type]
        Answer(outcome=None),  # type: ignore[arg-type]
        Answer(outcome=["done"]),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_outcome_is_no_answer(stage: Stage, said: Any) -> None:
    """It is looked at who is gone; and the text stands in no record."""
    plan = stage.plan()
    stage.server.lie = lambda method, found: [said] * len(found) if method == "eject" else found
    applied = stage.apply(plan)
    assert applied.outcomes == (Outcome.ALREADY_GONE,) * 3
    assert applied.is_finished
    assert residues(stage) == [None] * 3
    assert b"person" not in stage.server.chain.read_bytes()


def test_one_wrong_answer_costs_the_others_nothing(stage: Stage) -> None:
    plan = stage.plan()
    stage.server.lie = lambda method, found: [found[0], None, found[2]] if method == "eject" else found
    assert stage.apply(plan).outcomes == (Outcome.DONE, Outcome.ALREADY_GONE, Outcome.DONE)
    assert residues(stage) == ["ban-0", None, "ban-2"]


@pytest.mark.parametrize("said", [None, 7, iter(())])
def test_no_list_of_answers_is_no_answer(stage: Stage, said: Any) -> None:
    plan = stage.plan()
    stage.server.lie = lambda method, found: said if method == "eject" else found
    assert stage.apply(plan).outcomes == (Outcome.ALREADY_GONE,) * 3


def test_answers_without_end_are_no_answer(stage: Stage) -> None:
    plan = stage.plan()

    def lie(method: str, found: list[Any]) -> Any:
        return (found[0] for _ in count()) if method == "eject" else found

    stage.server.lie = lie
    assert stage.apply(plan).outcomes == (Outcome.ALREADY_GONE,) * 3


@pytest.mark.parametrize("residue", [5, {"ban": 1}, "x" * 3_000_000])
def test_a_residue_that_cannot_be_kept_is_cleared_by_name_of_the_person(stage: Stage, residue: Any) -> None:
    plan = stage.plan()
    stage.server.lie = lambda method, found: (
        [Answer(outcome=one.outcome, residue=residue) for one in found] if method == "eject" else found
    )
    assert stage.apply(plan).outcomes == (Outcome.DONE,) * 3
    assert residues(stage) == [None] * 3


@pytest.mark.parametrize("wait", ["5", float("nan"), float("inf"), -5.0, None, [1]])
@pytest.mark.parametrize("outcome", [Outcome.DONE, Outcome.RETRY])
def test_a_wait_that_cannot_be_loses_no_residue(stage: Stage, wait: Any, outcome: Outcome) -> None:
    """Also with `retry`, by which a server may say that only a part is done."""
    plan = stage.plan()
    stage.server.lie = lambda method, found: (
        [Answer(outcome=outcome, residue=one.residue, retry_after=wait) for one in found]
        if method == "eject"
        else found
    )
    assert stage.apply(plan).is_finished
    assert residues(stage) == ["ban-0", "ban-1", "ban-2"]
    assert all(0 <= seconds <= 60 for seconds in stage.slept)


def somebody(**facts: Any) -> Present:
    given = {"connection": "in-0", "participant": "person-in-0", "addresses": (f"{INSIDE}0",)} | facts
    return Present(**given)


@pytest.mark.parametrize(
    "said",
    [
        None,
        7,
        "in-0",
        [None],
        [somebody(connection=None)],
        [somebody(participant=5)],
        [somebody(addresses=None)],
        [somebody(addresses="36.20.9.0")],
        [somebody(addresses=(b"\x24\x14\x09\x00",))],
    ],
)
def test_what_cannot_be_says_nothing_of_who_is_there(stage: Stage, said: Any) -> None:
    """Above all not that nobody is."""
    plan = stage.plan()
    stage.server.lie = lambda method, found: said if method == "present" else found
    stage.server.present = lambda _meeting: said  # type: ignore[method-assign]
    applied = stage.apply(plan)
    assert applied.outcomes == (Outcome.RETRY,) * 3
    assert not applied.is_finished
    assert not stage.server.removed


def test_presence_without_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regionfast.meetings.act.asking._MOST_PRESENT", 1000)
    plan = stage.plan()

    def everybody(_meeting: str) -> Iterable[Present]:
        return (somebody(connection=f"c-{number}") for number in count())

    stage.server.present = everybody  # type: ignore[method-assign]
    assert stage.apply(plan).outcomes == (Outcome.RETRY,) * 3


def test_clearing_is_asked_for_again_after_what_cannot_be(stage: Stage) -> None:
    plan = stage.plan()
    assert stage.apply(plan).is_finished
    is_first = True

    def lie(method: str, found: list[Any]) -> list[Any]:
        nonlocal is_first
        lies, is_first = is_first and method == "clear", False
        return [Answer(outcome="?")] * len(found) if lies else found  # type: ignore[arg-type]

    stage.server.lie = lie
    assert undo(stage, of_plan(stage, plan), "ann", "bob").outcomes == (Outcome.ALREADY_GONE,) * 3
    assert not stage.server.residues
    assert stage.server.count("clear") == 2


def test_a_look_names_nobody() -> None:
    look = Look({"in-0": somebody()}, frozenset({"in-0"}))
    for text in ("in-0", "person", INSIDE, MEETING):
        assert text not in repr(look)
