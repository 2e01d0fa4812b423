"""What a preview counts, and when it counts nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

import regionfast as rf

POLICY = """
version = 1
[[order]]
id = "order"
issuer = "authority"
reference = "r"
law = "l"
contest = "c"
state = "active"
territory = "CN"
regions = ["CN"]
meetings = ["public"]
from = 2020-06-01T00:00:00Z
until = 2020-06-30T00:00:00Z
join = "deny"
present = "eject"
[[rule]]
id = "rule"
account = "acme"
effect = "allow-only"
regions = ["US"]
present = "eject"
[defaults]
not-located = "hold"
"""
AT = datetime(2020, 6, 4, tzinfo=UTC)


def plan(folder: Path, by: str) -> rf.Plan:
    """By the order or the rule, of a meeting that both reach."""
    database = folder / "database.csv"
    database.write_text("1.0.0.0/8,CN\n2.0.0.0/8,US\n", encoding="utf-8")
    people = ("1.0.0.1", "1.0.0.2", "2.0.0.1", "192.168.0.1", None)
    roster = rf.Roster(
        [f"u-{number}" for number in range(len(people))],
        people,
        meetings=["public"] * len(people),
        accounts=["acme"] * len(people),
    )
    return rf.plan_ejections(rf.open(database), rf.Policy.from_text(POLICY), roster, by=by, at=AT)


def test_outside_is_of_a_territory(tmp_path: Path) -> None:
    order, rule = plan(tmp_path, "order").preview(), plan(tmp_path, "rule").preview()
    assert (order.affected, order.outside) == (2, 0)
    assert (rule.affected, rule.outside) == (4, None)


def test_whom_no_table_places_is_not_located(tmp_path: Path) -> None:
    assert plan(tmp_path, "order").preview().regions == {"CN": 2}
    assert plan(tmp_path, "rule").preview().regions == {"CN": 2, "not located": 2}


@pytest.mark.parametrize("row", [2, 3, 4])
def test_a_plan_that_was_changed_is_refused(tmp_path: Path, row: int) -> None:
    changed = plan(tmp_path, "order")
    with pytest.raises(ValueError, match="read-only"):
        changed.effect[row] = rf.Effect.EJECT
    changed._effect = changed.effect.copy()
    changed._effect[row] = rf.Effect.EJECT
    with pytest.raises(rf.PlanRefused, match=f"^connection {row} must not be touched"):
        changed.preview()


def test_an_order_that_is_not_in_force_names_its_meetings_all_the_same(tmp_path: Path) -> None:
    late = rf.plan_ejections(
        rf.open(), rf.Policy.from_text(POLICY), plan(tmp_path, "order").roster, by="order", at=AT.replace(month=7)
    )
    counts = late.preview()
    assert counts.inert == "it ended at 2020-06-30T00:00:00Z"
    assert (counts.in_scope, counts.affected, counts.kept, counts.outside) == (5, 0, {}, 0)
    assert plan(tmp_path, "order").preview().inert is None
    assert late.explain_connection(0).endswith(
        "order order of authority is not in force: it ended at 2020-06-30T00:00:00Z"
    )
