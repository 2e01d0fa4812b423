"""The process dies at every step of acting, and acts again: nobody is acted on twice, nobody is forgotten."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from meetings.act.stage import INSIDE, OUTSIDE, Died, Stage, order
from regionfast.meetings.act.control import Outcome
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.record import records

MOST_STEPS = 200


class Death:
    """Dies at one step; afterwards nothing of the process runs.

    A step is a call before or after its effect, or a group of records before, half or after being written.
    """

    def __init__(self, stage: Stage, step: int | None, patch: pytest.MonkeyPatch) -> None:
        self.step = step
        self.count = 0
        self.is_dead = False
        stage.server.before = lambda method: self.tick(f"before {method}")
        stage.server.after = lambda method: self.tick(f"after {method}")
        real = Chain.append

        def append(chain: Chain, records: Sequence[Mapping[str, object]]) -> None:
            self.tick("before writing")
            size = stage.server.chain.stat().st_size
            real(chain, records)
            try:
                self.tick("half written")
            except Died:
                added = stage.server.chain.stat().st_size - size
                with stage.server.chain.open("r+b") as file:
                    file.truncate(size + added * 2 // 3)
                raise
            self.tick("after writing")

        patch.setattr(Chain, "append", append)

    def tick(self, _where: str) -> None:
        if self.is_dead:
            raise Died
        self.count += 1
        if self.count == self.step:
            self.is_dead = True
            raise Died


def crowd(folder: Path, present: str) -> tuple[Stage, Any]:
    """The hosts of one meeting are all inside, that of the other is not."""
    stage = Stage.of(folder, policy=order(present=f'"{present}"'))
    for number in range(2):
        stage.server.enter(f"in-{number}", f"{INSIDE}{number}", is_host=True)
    stage.server.enter("in-2", f"{INSIDE}2")
    stage.server.enter("out-0", f"{OUTSIDE}0")
    stage.people(inside=2, outside=2, meeting="lecture")
    return stage, stage.plan()


def check_end(stage: Stage, method: str) -> None:
    assert set(stage.present()) == {"out-0"}
    assert set(stage.present("lecture")) == {"out-0", "out-1"}
    assert stage.server.rooms["vigil"]["out-0"].is_host
    assert all(count == 1 for count in stage.server.removed.values())
    assert len(stage.server.removed) == 5
    assert all(len(keys) == 1 for keys in stage.server.keys.values())
    assert {call[0] for call in stage.server.calls} <= {"present", "handover", method}
    assert list(records(stage.folder / "audit"))  # which verifies them
    assert [line["counts"] for line in stage.lines("finished")][-1]


@pytest.mark.parametrize(("present", "method"), [("eject", "eject"), ("hold", "hold")])
def test_death_at_every_step_of_acting(tmp_path: Path, present: str, method: str) -> None:
    steps = 0
    for step in range(1, MOST_STEPS):
        stage, plan = crowd(tmp_path / f"{step}", present)
        with pytest.MonkeyPatch.context() as patch:
            death = Death(stage, step, patch)
            try:
                applied = stage.apply(plan)
            except Died:
                applied = None
        if applied is not None:
            assert death.count < step
            assert applied.outcomes == (Outcome.DONE,) * 5
            assert not applied.was_resumed
            check_end(stage, method)
            break
        steps = step
        stage.server.before = stage.server.after = lambda _method: None
        if any(line["kind"] == "finished" for line in stage.lines()):
            check_end(stage, method)
            continue
        again = stage.apply(plan)
        assert again.is_finished
        assert set(again.outcomes) <= {Outcome.DONE, Outcome.ALREADY_GONE}
        assert again.was_resumed == bool(stage.lines("plan")[1:])
        check_end(stage, method)
        acted = {line["connection"] for line in stage.lines("intent")}
        assert len(acted) == 5
        # Everybody whom it acted on has a receipt, also those of the first attempt.
        assert set(again.receipts) == set(range(5))
    assert steps > 20


@pytest.mark.parametrize("second", [1, 4, 9, 15])
def test_death_at_every_step_and_again_while_it_resumes(tmp_path: Path, second: int) -> None:
    for step in range(1, MOST_STEPS):
        stage, plan = crowd(tmp_path / f"{step}", "eject")
        died = 0
        for at in (step, second):
            with pytest.MonkeyPatch.context() as patch:
                Death(stage, at, patch)
                try:
                    if not stage.lines("finished"):
                        stage.apply(plan)
                except Died:
                    died += 1
        stage.server.before = stage.server.after = lambda _method: None
        if not stage.lines("finished"):
            assert stage.apply(plan).is_finished
        check_end(stage, "eject")
        if not died:
            break
    else:
        pytest.fail("it never came to an end")


@pytest.mark.parametrize("error", [KeyError, RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("method", ["present", "handover", "eject"])
@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_control_that_raises_what_it_must_not_is_as_a_crash(
    tmp_path: Path, error: type[BaseException], when: str, method: str, at: int
) -> None:
    stage, plan = crowd(tmp_path, "eject")
    count = 0

    def fail(called: str) -> None:
        nonlocal count
        count += called == method
        if called == method and count == at:
            raise error

    setattr(stage.server, when, fail)
    try:
        assert stage.apply(plan).is_finished
        assert method == "handover"  # of which there is one
    except error:
        setattr(stage.server, when, lambda _method: None)
        assert stage.apply(plan).is_finished
    check_end(stage, "eject")
