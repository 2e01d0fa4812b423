"""Counts by order and rule: what is counted once, from when to when, and which counts are folded."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meetings.audit.deeds import INVERSE, ORDER, OTHER_PLAN, PLAN, START, Deeds, names_nobody
from regionfast.errors import AuditError
from regionfast.meetings.audit.summary import Summary, SummaryRow, summary
from regionfast.meetings.census import FEWEST


@pytest.fixture
def deeds(tmp_path: Path) -> Deeds:
    return Deeds(tmp_path)


def only(found: Summary) -> SummaryRow:
    (row,) = found.rows
    return row


def test_nothing_recorded_is_nothing_to_report(deeds: Deeds) -> None:
    assert summary(deeds.audit).rows == ()
    deeds.write({"kind": "torn", "bytes": 1, "digest": "a" * 64})
    assert summary(deeds.audit).to_dict() == {"since": None, "until": None, "is_folded": False, "rows": []}


def test_all_that_is_counted(deeds: Deeds) -> None:
    deeds.write({"kind": "refused", "plan": PLAN, "by": ORDER, "reasons": ["one", "two"]})
    deeds.at(1)
    deeds.plan()
    deeds.eject("a", "b", "c")
    deeds.intend("d", effect="hold")
    deeds.settle("d", effect="hold")
    for number, outcome in enumerate(("already-gone", "stale", "would-end-meeting", "retry", "failed")):
        deeds.settle(f"x{number}", outcome=outcome, attempts=0)
    deeds.intend("e")
    for outcome in ("asked", "done", "asked", "failed"):
        deeds.write(
            {"kind": "handover", "plan": PLAN, "by": ORDER, "scope": "a" * 32, "leaving": "b" * 32, "to": "c" * 32}
            | {"outcome": outcome}
        )
    deeds.join("f")
    deeds.join("g", "hold")
    deeds.join("g", "hold")
    deeds.at(60)
    deeds.undo("a", "b")
    deeds.undo("d", effect="admit")
    row = only(summary(deeds.audit))
    assert row == SummaryRow(
        by=ORDER,
        plans=1,
        refused=1,
        undoings=1,
        approvals=2,
        approvers=("ops-1", "ops-2"),
        ejected=3,
        held=1,
        already_gone=1,
        stale=1,
        would_end_meeting=1,
        retry=1,
        failed=1,
        unsettled=1,
        handovers=1,
        denied_at_door=1,
        held_at_door=2,
        admitted=1,
        cleared=2,
        outstanding=2,  # `c`, and `e` of whom nobody knows
        first=START,
        last=START + timedelta(seconds=60),
    )
    plain = summary(deeds.audit).to_dict()
    assert json.loads(json.dumps(plain)) == plain
    names_nobody(json.dumps(plain), repr(row))


def test_a_row_counts_by_what_came_of_it_last(deeds: Deeds) -> None:
    deeds.plan()
    deeds.intend("a", "b")
    deeds.settle("a", "b", outcome="retry")
    deeds.plan(resumed=True, approvers=("ops-2", "ops-3"))
    deeds.settle("a")
    deeds.finish(done=1)
    row = only(summary(deeds.audit))
    assert (row.plans, row.approvals, row.approvers) == (1, 3, ("ops-1", "ops-2", "ops-3"))
    assert (row.ejected, row.retry) == (1, 1)
    deeds.settle("b")
    deeds.settle("b", outcome="failed")
    assert (only(summary(deeds.audit)).ejected, only(summary(deeds.audit)).failed) == (1, 1)


def test_who_was_asked_for_and_then_was_gone_counts_as_ejected(deeds: Deeds) -> None:
    deeds.plan()
    deeds.intend("a")
    deeds.settle("a", outcome="already-gone")  # the answer was lost
    deeds.settle("b", outcome="already-gone", attempts=0)  # left before anybody asked
    row = only(summary(deeds.audit))
    assert (row.ejected, row.already_gone, row.outstanding) == (1, 1, 1)


def test_plans_and_orders_are_apart(deeds: Deeds) -> None:
    deeds.plan()
    deeds.eject("a")
    deeds.plan(OTHER_PLAN)
    deeds.eject("a", plan=OTHER_PLAN)
    deeds.plan("f" * 64, by="hk-1")
    rows = summary(deeds.audit).rows
    assert [(row.by, row.plans, row.ejected, row.outstanding) for row in rows] == [(ORDER, 2, 2, 1), ("hk-1", 1, 0, 0)]


def test_only_some_time(deeds: Deeds) -> None:
    for hours, name, plan in ((0, "a", PLAN), (1, "b", OTHER_PLAN), (2, "c", INVERSE)):
        deeds.at(3600 * hours)
        deeds.plan(plan)
        deeds.eject(name, plan=plan)

    def counted(since: datetime | None, until: datetime | None) -> Sequence[tuple[int, int | None, int | None]]:
        rows = summary(deeds.audit, since=since, until=until).rows
        return [(row.plans, row.ejected, row.outstanding) for row in rows]

    one, two = START + timedelta(hours=1), START + timedelta(hours=2)
    assert counted(None, None) == [(3, 3, 3)]
    assert counted(one, None) == [(2, 2, 3)]
    assert counted(one, two) == [(1, 1, 2)]
    assert counted(None, one) == [(1, 1, 1)]
    assert counted(START, START) == []
    assert counted(two + timedelta(seconds=1), None) == []
    for name in ("since", "until"):
        with pytest.raises(ValueError, match=f"`{name}` has no offset"):
            summary(deeds.audit, **{name: datetime(2026, 1, 1)})  # noqa: DTZ001 - naive on purpose


def row_of(**counts: int) -> SummaryRow:
    """A row with some counts of people; the others are 0."""
    names = ["ejected", "held", "already_gone", "stale", "would_end_meeting", "retry", "failed", "denied_at_door"]
    names += ["held_at_door", "admitted", "cleared", "outstanding", "unsettled"]
    people = dict.fromkeys(names, 0) | counts
    facts = dict.fromkeys(("plans", "refused", "undoings", "approvals", "handovers"), 2)
    return SummaryRow(by=ORDER, approvers=(), first=START, last=START, **facts, **people)


def folded(**counts: int) -> dict[str, object]:
    """What is left of the counts, and of the sum of those that are not shown."""
    found = Summary(since=None, until=None, rows=(row_of(**counts),)).folded()
    assert found.is_folded
    row = only(found)
    return {name: getattr(row, name) for name in (*counts, "folded")}


def test_small_counts_of_people_are_folded_as_a_census_has_it() -> None:
    assert folded(ejected=9, stale=8) == {"ejected": 9, "stale": 8, "folded": None}
    assert folded(ejected=4) == {"ejected": None, "folded": None}
    assert folded(ejected=9, held=7, retry=2) == {"ejected": 9, "held": None, "retry": None, "folded": 9}
    assert folded(ejected=9, held=3, unsettled=2) == {"ejected": 9, "held": None, "unsettled": None, "folded": 5}
    assert folded(stale=9, would_end_meeting=8, failed=1)["stale"] == 9
    # 22 are outstanding: had `retry` been folded with `stale` alone, 22 - 20 would tell it. Nor is that sum told.
    assert folded(ejected=20, retry=2, stale=6, outstanding=22) == {
        "ejected": None,
        "retry": None,
        "stale": 6,
        "outstanding": None,
        "folded": 22,
    }
    # Two out of ten are cleared: the eight that are outstanding would tell it.
    assert folded(ejected=10, cleared=2, outstanding=8) == {
        "ejected": 10,
        "cleared": None,
        "outstanding": None,
        "folded": None,
    }
    # As many are outstanding as were ejected: a sum of both would tell how many.
    assert folded(ejected=4, outstanding=4)["folded"] is None
    row = only(Summary(since=None, until=None, rows=(row_of(ejected=3),)).folded())
    assert (row.plans, row.held, row.outstanding) == (2, 0, 0)


@given(st.dictionaries(st.sampled_from(["ejected", "held", "retry", "stale", "failed", "cleared"]), st.integers(0, 30)))
def test_no_small_count_is_shown_or_follows_from_what_is(counts: dict[str, int]) -> None:
    removed = sum(counts.get(name, 0) for name in ("ejected", "held", "retry"))
    counts["cleared"] = min(counts.get("cleared", 0), removed)
    counts["outstanding"] = removed - counts["cleared"]
    found = folded(**counts)
    total = found.pop("folded")
    assert total is None or (isinstance(total, int) and total >= FEWEST)
    for name, count in found.items():
        assert count in {None, counts[name]}
        assert count not in range(1, FEWEST)
    for group in (("ejected", "held", "retry"), ("stale", "failed"), ("cleared", "outstanding")):
        hidden = [counts[name] for name in group if name in counts and found[name] is None]
        # Who knows the sum of the group, by another one, learns the sum of what is hidden, which is no small count.
        assert not hidden or sum(hidden) >= FEWEST or len(hidden) == sum(counts.get(name, 0) > 0 for name in group)


def test_a_broken_chain_is_not_counted(deeds: Deeds) -> None:
    deeds.plan()
    path = deeds.audit / "act.jsonl"
    path.write_bytes(path.read_bytes().replace(b"ops-1", b"ops-7"))
    with pytest.raises(AuditError, match="broken"):
        summary(deeds.audit)
