"""Each thing that stands against acting, alone: nothing is asked of the control, and the attempt is recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

import regionfast as rf
from databases import country, write_mmdb
from meetings.act.stage import INSIDE, KEYS, MEETING, NOW, OUTSIDE, Stage, order, sign, table
from regionfast.errors import DocumentError, PlanRefused
from regionfast.meetings.act.apply import apply
from regionfast.meetings.act.approval import Approval
from regionfast.meetings.act.control import Outcome
from regionfast.meetings.audit.keys import KeyStore
from regionfast.policy.deployment import Deployment


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage.of(tmp_path)
    made.people()
    return made


def refused(stage: Stage, plan: rf.Plan, pattern: str, approvals: Sequence[Approval] | None = None) -> PlanRefused:
    with pytest.raises(PlanRefused, match=pattern) as caught:
        stage.apply(plan, approvals)
    assert not stage.server.removed
    assert not {call[0] for call in stage.server.calls} - {"present"}
    if stage.server.chain.exists():
        assert [line["reasons"] for line in stage.lines("refused")]
        assert not stage.lines("intent")
        for text in ("person-", "in-0", INSIDE, OUTSIDE, MEETING):
            assert text not in stage.server.chain.read_text("ascii")
    for text in ("person-", "in-0", INSIDE):
        assert text not in str(caught.value)
    return caught.value


def one_of(*names: str) -> Callable[[rf.Plan], list[Approval]]:
    return lambda plan: sign(plan, *names)


def forged(plan: rf.Plan) -> list[Approval]:
    good, other = sign(plan, "ann", "bob")
    return [good, replace(other, signature=bytes(64))]


def under_another_name(plan: rf.Plan) -> list[Approval]:
    return [*sign(plan, "ann"), Approval.sign(plan, KEYS["cid"], approver="bob", expires=NOW + timedelta(hours=1))]


def stretched(plan: rf.Plan) -> list[Approval]:
    good, other = sign(plan, "ann", "bob", expires=NOW + timedelta(minutes=1))
    return [good, replace(other, expires=NOW + timedelta(hours=1))]


def for_another_hash(plan: rf.Plan) -> list[Approval]:
    good, other = sign(plan, "ann", "bob")
    return [good, replace(other, plan="0" * 64)]


def of_another_plan(plan: rf.Plan) -> list[Approval]:
    class Other:
        hash = "1" * 64

    return [*sign(plan, "ann"), *sign(Other, "bob")]


def of_an_unknown(plan: rf.Plan) -> list[Approval]:
    return [*sign(plan, "ann"), Approval.sign(plan, KEYS["bob"], approver="eve", expires=NOW + timedelta(hours=1))]


def ending(after: timedelta) -> Callable[[rf.Plan], list[Approval]]:
    return lambda plan: [*sign(plan, "ann"), *sign(plan, "bob", expires=NOW + after)]


@pytest.mark.parametrize(
    ("approvals", "pattern"),
    [
        (lambda _plan: [], "0 of 2"),
        (one_of("ann"), "1 of 2"),
        (one_of("ann", "ann"), "1 of 2"),
        (one_of("ann", "ann-2"), "1 of 2"),
        (one_of("ann", "author"), "author"),
        (one_of("ann", "author-2"), "author"),
        (forged, "signature"),
        (under_another_name, "signature"),
        (stretched, "signature"),
        (for_another_hash, "signature"),
        (of_another_plan, "another plan"),
        (of_an_unknown, "`eve`"),
        (ending(timedelta(0)), "ended"),
        (ending(timedelta(days=-1)), "ended"),
        (ending(timedelta(days=7, seconds=1)), "ahead"),
    ],
)
def test_approvals_that_are_not_enough(
    stage: Stage, approvals: Callable[[rf.Plan], list[Approval]], pattern: str
) -> None:
    plan = stage.plan()
    refused(stage, plan, pattern, approvals(plan))


@pytest.mark.parametrize("names", [("ann", "bob"), ("cid", "ann-2"), ("ann", "ann-2", "bob")])
def test_approvals_that_are_enough(stage: Stage, names: tuple[str, ...]) -> None:
    plan = stage.plan()
    assert stage.apply(plan, sign(plan, *names)).outcomes == (Outcome.DONE,) * 3


def test_an_approval_lasts_seven_days_and_not_a_second_more(stage: Stage) -> None:
    plan = stage.plan()
    assert stage.apply(plan, sign(plan, "ann", "bob", expires=NOW + timedelta(days=7))).is_finished


def test_three_persons_where_three_are_needed(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path)
    stage.deployment = replace(stage.deployment, approvals_needed=3)
    stage.policy = rf.Policy.from_text(order(), deployment=stage.deployment)
    stage.people()
    plan = stage.plan()
    refused(stage, plan, "2 of 3", sign(plan, "ann", "bob"))
    assert stage.apply(plan, sign(plan, "ann", "bob", "cid")).is_finished


def test_an_approval_is_used_once(stage: Stage) -> None:
    """For the same plan: it is finished. For a later plan about the same people: that has another hash."""
    plan = stage.plan()
    approvals = sign(plan, "ann", "bob")
    assert stage.apply(plan, approvals).is_finished
    assert stage.server.removed.total() == 3
    with pytest.raises(PlanRefused, match="was applied at"):
        stage.apply(plan, approvals)
    stage.people(inside=2)
    with pytest.raises(PlanRefused, match="another plan"):
        stage.apply(stage.plan(), approvals)
    assert stage.server.removed.total() == 3


def test_no_deployment(stage: Stage) -> None:
    plan = stage.plan()
    with pytest.raises(PlanRefused, match="no deployment"):
        apply(plan, stage.server, None, approvals=sign(plan, "ann", "bob"))
    assert not stage.server.calls


def test_no_audit(stage: Stage) -> None:
    stage.deployment = replace(stage.deployment, audit=None)
    stage.policy = rf.Policy.from_text(order(), deployment=stage.deployment)
    refused(stage, stage.plan(), "audit")


@pytest.mark.parametrize("given", [None, "another"])
def test_a_policy_of_no_or_another_deployment(stage: Stage, given: str | None) -> None:
    other: Deployment | None = None if given is None else replace(stage.deployment, contact="https://other.example")
    stage.policy = rf.Policy.from_text(order(), deployment=other)
    refused(stage, stage.plan(), "deployment")


@pytest.mark.parametrize("days", [-5, 30])
def test_an_order_that_is_not_in_force_now(stage: Stage, days: int) -> None:
    plan = stage.plan()
    stage.now = NOW + timedelta(days=days)
    refused(stage, plan, "acts on nobody|not in force", sign(plan, "ann", "bob", expires=stage.now + timedelta(days=1)))


def test_a_suspended_order_makes_an_empty_plan(stage: Stage) -> None:
    stage.policy = rf.Policy.from_text(order(state='"suspended"'), deployment=stage.deployment)
    applied = stage.apply(stage.plan(), [])
    assert applied.is_finished
    assert not stage.server.calls


@pytest.mark.parametrize(("people", "is_refused"), [(2, True), (3, False)])
def test_the_cap_on_people(tmp_path: Path, people: int, is_refused: bool) -> None:
    stage = Stage.of(tmp_path, limits=f"people = {people}\nshare = 1")
    stage.people(inside=3)
    if is_refused:
        refused(stage, stage.plan(), "3")
    else:
        assert stage.apply(stage.plan()).is_finished


@pytest.mark.parametrize(("outside", "is_refused"), [(8, True), (9, False)])
def test_the_cap_on_the_share_of_a_meeting(tmp_path: Path, outside: int, is_refused: bool) -> None:
    stage = Stage.of(tmp_path, limits="share = 0.25")
    stage.people(inside=3, outside=outside)
    stage.people(inside=0, outside=50, meeting="lecture")  # other meetings do not thin it
    if is_refused:
        refused(stage, stage.plan(), "25%")
    else:
        assert stage.apply(stage.plan()).is_finished


def test_the_share_is_counted_again_of_those_who_are_there(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, limits="share = 0.25")
    stage.people(inside=3, outside=9)
    stage.people(inside=1, outside=9, meeting="lecture")
    plan = stage.plan()
    del stage.server.rooms[MEETING]["out-8"]
    refused(stage, plan, "25%")
    assert set(stage.server.rooms["lecture"]) >= {"in-0"}  # nothing before all was checked, also not elsewhere


def test_the_bundled_table(stage: Stage) -> None:
    stage.server.rooms.clear()
    stage.server.enter("host", "8.8.8.8", is_host=True)
    stage.server.enter("in-0", "36.112.0.1")
    plan = stage.plan(source=rf.open())
    assert len(plan) == 1
    refused(stage, plan, "bundled")


def test_the_bundled_table_with_overrides(stage: Stage, tmp_path: Path) -> None:
    stage.server.rooms.clear()
    stage.server.enter("host", "8.8.8.8", is_host=True)
    stage.server.enter("in-0", "36.112.0.1")
    path = tmp_path / "overrides.csv"
    path.write_text("24.3.17.0/24,US\n", "utf-8")
    refused(stage, stage.plan(source=rf.open(overrides=path)), "bundled")


@pytest.mark.parametrize("is_saved", [False, True])
def test_the_bundled_table_opened_otherwise(stage: Stage, tmp_path: Path, is_saved: bool) -> None:
    """By its digest it is another table; its data are the same."""
    stage.server.rooms.clear()
    stage.server.enter("host", "8.8.8.8", is_host=True)
    stage.server.enter("in-0", "36.112.0.1")
    found = rf.open(unwrap=False)
    if is_saved:
        found.save(tmp_path / "mine.rft")
        found = rf.open(tmp_path / "mine.rft")
    assert found.info.digest != rf.open().info.digest
    refused(stage, stage.plan(source=found), "bundled")


def test_evidence_that_is_only_registered(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmdb_writer.time.time", (NOW - timedelta(days=1)).timestamp)
    records = {"24.0.0.0/8": country("US"), "36.0.0.0/8": {"registered_country": {"iso_code": "CN"}}}
    path = write_mmdb(tmp_path / "registered.mmdb", records)
    monkeypatch.undo()
    assert not stage.plan(source=rf.open(path))
    plan = stage.plan(source=rf.open(path, registered=True))
    assert len(plan) == 3
    found = refused(stage, plan, "3 rows rest on where a network is registered")
    assert len(found.reasons) == 1


def test_a_key_that_was_destroyed(stage: Stage) -> None:
    """Nothing could be recorded under it, so nothing is done."""
    assert stage.deployment.audit is not None
    keys = KeyStore(stage.deployment.audit.keys)
    plan = stage.plan()
    keys.destroy(keys.scope("cn-1", MEETING))
    refused(stage, plan, "was destroyed")


def test_an_undated_table(stage: Stage) -> None:
    refused(stage, stage.plan(source=table(None)), "date")


@pytest.mark.parametrize(
    ("age", "is_refused"),
    [
        (timedelta(days=30), False),
        (timedelta(days=30, seconds=1), True),
        (timedelta(days=-1), False),
        (timedelta(days=-1, seconds=-1), True),
    ],
)
def test_an_old_table_and_one_from_the_future(stage: Stage, age: timedelta, is_refused: bool) -> None:
    plan = stage.plan(source=table(NOW - age))
    if is_refused:
        refused(stage, plan, "table")
    else:
        assert stage.apply(plan).is_finished


def test_a_roster_without_ids_of_connections(stage: Stage) -> None:
    roster = rf.Roster(["a", "b"], [f"{INSIDE}1", f"{OUTSIDE}1"], meetings=[MEETING] * 2)
    refused(stage, stage.plan(roster=roster), "connection")


def test_a_row_without_an_id_of_its_connection(stage: Stage) -> None:
    roster = rf.Roster(["a", "b"], [f"{INSIDE}1", f"{INSIDE}2"], meetings=[MEETING] * 2, connections=["c", None])
    refused(stage, stage.plan(roster=roster), "connection")


def test_all_reasons_at_once(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, limits="people = 2\nshare = 0.1")
    stage.people()
    plan = stage.plan(source=table(None))
    stage.now = NOW + timedelta(days=40)
    found = refused(stage, plan, "0 of 2", [])
    assert len(found.reasons) >= 5
    assert stage.lines("refused")[0]["reasons"] == list(found.reasons)


def test_a_broken_chain(stage: Stage) -> None:
    plan = stage.plan()
    stage.apply(plan, [*sign(plan, "ann", "bob")])
    content = stage.server.chain.read_bytes()
    stage.server.chain.write_bytes(content.replace(b'"eject":3', b'"eject":2'))
    stage.server.calls.clear()
    stage.people(inside=1)
    with pytest.raises((PlanRefused, rf.RegionfastError), match="chain is broken"):
        stage.apply(stage.plan())
    assert not stage.server.calls


def test_an_empty_plan_needs_nothing(stage: Stage) -> None:
    stage.server.rooms.clear()
    stage.people(inside=0)
    plan = stage.plan()
    applied = apply(plan, stage.server, None)
    assert (applied.outcomes, applied.is_finished, applied.counts) == ((), True, {})
    assert not stage.server.calls


def test_approvals_are_read_as_they_were_written(stage: Stage, tmp_path: Path) -> None:
    plan = stage.plan()
    (one,) = sign(plan, "ann")
    one.save(tmp_path / "a.json")
    again = Approval.load(tmp_path / "a.json")
    assert again == one
    assert again.message == one.message
    assert "ann" in repr(one)
    assert str(one.signature) not in repr(one)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"version": 1', '"version": 2'),
        lambda text: text.replace('"seal": null', '"seal": "x"'),
        lambda text: text.replace('"seal": null', '"seal": null, "more": 1'),
        lambda text: text[: len(text) // 2],
        lambda _text: "[" * 100_000,
        lambda text: text.replace("2026-11-24T", "2026-11-31T"),
        lambda text: text.replace('"approver": "ann"', '"approver": ["ann"]'),
        lambda _text: "",
    ],
)
def test_files_that_are_no_approval(stage: Stage, tmp_path: Path, change: Callable[[str], str]) -> None:
    (one,) = sign(stage.plan(), "ann")
    path = tmp_path / "a.json"
    one.save(path)
    path.write_text(change(path.read_text("ascii")), "utf-8")
    with pytest.raises(DocumentError, match="a.json"):
        Approval.load(path)


@pytest.mark.parametrize(
    "change",
    [
        {"expires": (NOW + timedelta(minutes=1)).replace(tzinfo=timezone(timedelta(hours=-12)))},
        {"expires": (NOW + timedelta(minutes=1)).replace(tzinfo=None)},
        {"expires": NOW + timedelta(minutes=1, microseconds=1)},
        {"approver": "person-in-0, 36.20.9.1"},
        {"approver": "x" * 1_000_000},
        {"plan": "person-in-0"},
        {"seal": "person-in-0"},
        {"signature": b""},
    ],
)
def test_an_approval_is_in_one_form_only(stage: Stage, change: dict[str, Any]) -> None:
    """The same digits in another zone would be later than what was signed; any text would stand in the records."""
    (one,) = sign(stage.plan(), "ann", expires=NOW + timedelta(minutes=1))
    (name,) = change
    with pytest.raises(ValueError, match=f"^`{name}` is not what an approval has there") as caught:
        replace(one, **change)
    assert "person" not in str(caught.value)


def test_approvals_are_recorded_also_where_they_can_be_read_only_once(stage: Stage) -> None:
    plan = stage.plan()
    assert stage.apply(plan, iter(sign(plan, "ann", "bob"))).is_finished  # type: ignore[arg-type]
    (record,) = stage.lines("plan")
    assert [one["approver"] for one in record["approvals"]] == ["ann", "bob"]


def test_a_time_without_offset_is_refused(stage: Stage) -> None:
    with pytest.raises(ValueError, match="offset"):
        sign(stage.plan(), "ann", expires=NOW.replace(tzinfo=None))
