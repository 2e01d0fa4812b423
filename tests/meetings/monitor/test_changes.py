"""Who is in the plans when orders, rules, tables, addresses or the time change, and who is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import regionfast as rf
from meetings.monitor.watch import (
    AT,
    CORRECTION,
    EXEMPTION,
    INSIDE,
    NONE,
    ORDER,
    OUTSIDE,
    POLICY,
    RULE,
    Clock,
    join,
    rows,
)
from meetings.scene import write_networks
from meetings.strategies import LEAVES
from regionfast.meetings.monitor import Monitor
from regionfast.policy import Policy
from regionfast.policy.compile import bound


def test_a_new_order_reaches_who_is_there_once(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], NONE, clock=Clock())
    for name, address, meeting in [("a", INSIDE, "m1"), ("b", OUTSIDE, "m1"), ("c", INSIDE, "m2"), ("d", None, "m1")]:
        assert join(monitor, name, address, meeting) is rf.Effect.ADMIT
    changes = monitor.update(policy=ORDER)
    assert rows(changes) == {"cn": ["a"]}
    # The others of the meeting are in the roster: a cap on its share counts them.
    assert len(changes.plans[0].roster) == 3
    assert rows(monitor.changes()) == rows(monitor.update(policy=Policy.from_text(POLICY))) == {}
    assert len(monitor) == 4
    assert join(monitor, "e", INSIDE) is rf.Effect.DENY
    assert ("m1", "e") not in monitor


def test_orders_that_change_their_places_reach_nobody_anew(tables: tuple[rf.Table, rf.Table]) -> None:
    def of(*names: str) -> Policy:
        orders = (
            POLICY.partition("1\n")[2].replace('"cn"', f'"{name}"').replace('"m1"', f'"{name}"') for name in names
        )
        return Policy.from_text("version = 1\n" + "".join(orders))

    monitor = Monitor(tables[0], NONE, clock=Clock())
    for meeting in "abcdef":
        assert join(monitor, meeting, INSIDE, meeting) is rf.Effect.ADMIT

    def moved(*names: str) -> tuple[dict[str, list[str | None]], tuple[str, ...]]:
        changes = monitor.update(policy=of(*names))
        return rows(changes), changes.ended

    assert moved("a", "b", "c") == ({"a": ["a"], "b": ["b"], "c": ["c"]}, ())
    assert moved("c", "a", "b") == moved("c", "b", "a") == ({}, ())
    assert moved("d", "c", "b", "e", "a") == ({"d": ["d"], "e": ["e"]}, ())
    assert moved("c", "f", "a") == ({"f": ["f"]}, ("d", "b", "e"))
    assert moved() == ({}, ("c", "f", "a"))


def test_a_plan_is_of_those_who_were_there(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], NONE, clock=Clock())
    join(monitor, "a", INSIDE)
    join(monitor, "b")
    before = monitor.roster()
    changes = monitor.update(policy=ORDER)
    monitor.leave("m1", "a")
    monitor.leave("m1", "b")
    join(monitor, "c")  # he has the row of one of them by now
    assert rows(changes) == {"cn": ["a"]}
    assert changes.plans[0].roster.digest == before.digest


def test_a_new_table_applies_at_the_door_at_once_and_inside_by_plans_only(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], ORDER, clock=Clock())
    assert join(monitor, "a") is rf.Effect.ADMIT
    changes = monitor.update(table=tables[1])
    assert rows(changes) == {"cn": ["a"]}
    assert ("m1", "a") in monitor
    assert join(monitor, "b") is rf.Effect.DENY
    # Who is known already is left out of the roster, else he would be in the plan again.
    monitor.update(table=tables[0])
    assert join(monitor, "c") is rf.Effect.ADMIT
    assert sorted(rows(monitor.update(table=tables[1]))["cn"], key=str) == ["a", "c"]


HEEDING = POLICY + "exemptions = true\n"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (POLICY, POLICY.replace('"CN"', '"US"'), {"cn": {"b": "eject"}}),
        (POLICY.replace('regions = ["CN"]', 'regions = ["CN-22"]'), POLICY, {"cn": {"a": "eject"}}),
        (POLICY.replace("m1", "m2"), POLICY, {"cn": {"a": "eject"}}),
        (POLICY.replace("eject", "hold"), POLICY, {"cn": {"a": "eject"}}),
        (POLICY.replace("eject", "keep"), POLICY, {"cn": {"a": "eject"}}),
        (POLICY.replace('"active"', '"suspended"'), POLICY, {"cn": {"a": "eject"}}),
        (POLICY + CORRECTION, POLICY, {"cn": {"a": "eject"}}),
        (HEEDING + EXEMPTION, HEEDING, {"cn": {"a": "eject"}}),
        (HEEDING + EXEMPTION, POLICY + EXEMPTION, {"cn": {"a": "eject"}}),
        ("version = 1\n" + RULE, "version = 1\n" + RULE.replace('["US"]', '["CN"]'), {"eu": {"b": "eject"}}),
        ("version = 1\n" + RULE, "version = 1\n" + RULE.replace('"hold"', '"deny"'), {"eu": {"c": "eject"}}),
        ("version = 1\n" + RULE, "version = 1\n" + RULE.replace("allow-only", "deny"), {"eu": {"b": "eject"}}),
        ("version = 1\n" + RULE.replace('"eject"', '"hold"'), "version = 1\n" + RULE, {"eu": {"a": "eject"}}),
        ("version = 1\n" + RULE, "version = 1\n" + RULE.replace('"acme"', '"none"'), {}),
    ],
)
def test_each_part_of_a_policy_counts(
    tables: tuple[rf.Table, rf.Table], before: str, after: str, expected: dict[str, dict[str, str]]
) -> None:
    monitor = Monitor(tables[0], Policy.from_text(before), clock=Clock())
    people = rf.Roster(
        ["u-a", "u-b", "u-c"],
        [INSIDE, OUTSIDE, "10.0.0.1"],
        meetings=["m1"] * 3,
        accounts=["acme"] * 3,
        connections=["a", "b", "c"],
    )
    monitor.enter(people)
    monitor.changes()
    changes = monitor.update(policy=Policy.from_text(after))
    found = {plan.by: {row.connection: row.effect for row in plan.rows} for plan in changes.plans}
    assert found == expected


def test_a_database_and_a_witness_that_change_count(tables: tuple[rf.Table, rf.Table], tmp_path: Path) -> None:
    override = write_networks(tmp_path / "overrides.csv", {"2.0.0.0/8": "CN"})
    layers = [
        rf.open(write_networks(tmp_path / f"{place}.csv", {"2.0.0.0/8": place}), overrides=override)
        for place in ("US", "CN")
    ]
    monitor = Monitor(layers[0], ORDER, clock=Clock())
    join(monitor, "a")
    # The overrides say the same as before; that the database now says it too is what counts.
    assert rows(monitor.update(table=layers[1])) == {"cn": ["a"]}
    monitor = Monitor(tables[1], ORDER, witness=tables[0], clock=Clock())
    join(monitor, "a")
    assert rows(monitor.update(witness=tables[1])) == {"cn": ["a"]}
    assert monitor.witness is tables[1]


def test_a_group_that_becomes_another_counts(tmp_path: Path) -> None:
    table = rf.open(write_networks(tmp_path / "gb.csv", {"2.0.0.0/8": "GB"}))
    clock = Clock(LEAVES - timedelta(seconds=1))
    policy = Policy.from_text("version = 1\n" + RULE.replace('["own"]', '["EU"]'))
    monitor = Monitor(table, policy, clock=clock)
    monitor.join("a", "u-a", OUTSIDE, meeting="m1", account="acme")
    assert not monitor.changes()
    clock.at = LEAVES
    assert monitor.join("b", "u-b", OUTSIDE, meeting="m1", account="acme").effect is rf.Effect.DENY
    assert rows(monitor.changes()) == {"eu": ["a"]}


def test_who_was_reached_before_is_in_no_other_plan(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], ORDER, clock=Clock())
    monitor.enter(rf.Roster(["u"] * 3, [INSIDE, OUTSIDE, OUTSIDE], meetings=["m1"] * 3, connections=["a", "b", "c"]))
    assert rows(monitor.changes()) == {"cn": ["a"]}
    monitor.change("m1", "b", INSIDE)
    changes = monitor.changes()
    assert rows(changes) == {"cn": ["b"]}
    assert sorted(changes.plans[0].roster.connections or (), key=str) == ["b", "c"]


def test_an_order_begins_and_ends_of_itself(tables: tuple[rf.Table, rf.Table]) -> None:
    clock = Clock(datetime(2020, 6, 2, 23, 59, 59, tzinfo=UTC))
    monitor = Monitor(tables[0], ORDER, clock=clock)
    assert join(monitor, "a", INSIDE) is rf.Effect.ADMIT
    assert not monitor.changes()
    clock.at = datetime(2020, 6, 3, tzinfo=UTC)
    assert join(monitor, "b", INSIDE) is rf.Effect.DENY
    changes = monitor.changes()
    assert (rows(changes), changes.ended) == ({"cn": ["a"]}, ())
    clock.at = datetime(2020, 6, 5, tzinfo=UTC)
    assert join(monitor, "b", INSIDE) is rf.Effect.ADMIT
    changes = monitor.changes()
    assert (rows(changes), changes.ended) == ({}, ("cn",))
    # Prolonged: it acts again, on all who are there, whether they were in a plan before or came in between.
    longer = Policy.from_text(POLICY.replace("2020-06-05", "2020-06-09"))
    assert sorted(rows(monitor.update(policy=longer))["cn"], key=str) == ["a", "b"]


def test_who_came_between_the_end_of_an_order_and_its_prolonging_is_reached(tables: tuple[rf.Table, rf.Table]) -> None:
    clock = Clock()
    monitor = Monitor(tables[0], ORDER, clock=clock)
    clock.at = datetime(2020, 6, 5, tzinfo=UTC)
    assert join(monitor, "a", INSIDE) is rf.Effect.ADMIT  # nobody has asked for changes since the order was in force
    longer = Policy.from_text(POLICY.replace("2020-06-05", "2020-06-09"))
    assert rows(monitor.update(policy=longer)) == {"cn": ["a"]}


def test_another_address_does_nothing_until_changes_are_asked_for(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], ORDER, clock=Clock())
    assert join(monitor, "a") is rf.Effect.ADMIT
    decision = monitor.change("m1", "a", [INSIDE, "2400::1"])
    assert (decision.effect, decision.cause, decision.region) == (rf.Effect.DENY, "cn", "CN")
    assert ("m1", "a") in monitor
    assert rows(monitor.changes()) == {"cn": ["a"]}
    assert not monitor.changes()
    monitor.change("m1", "a", INSIDE)
    assert rows(monitor.changes()) == {"cn": ["a"]}  # a plan for his earlier addresses would find him stale


def test_who_was_let_in_is_reached_by_the_next_changes(tables: tuple[rf.Table, rf.Table]) -> None:
    monitor = Monitor(tables[0], ORDER, clock=Clock())
    monitor.enter(rf.Roster(["u", "u"], [INSIDE, OUTSIDE], meetings=["m1", "m1"], connections=["a", "b"]))
    assert len(monitor) == 2
    assert rows(monitor.changes()) == {"cn": ["a"]}
    assert monitor.leaves(["m1", "m1", None, "m1"], ["a", "x", "b", None]) == 1


def test_a_failed_reload_changes_nothing_and_says_since_when(tmp_path: Path) -> None:
    path = write_networks(tmp_path / "database.csv", {"1.0.0.0/8": "CN", "2.0.0.0/8": "US"})
    monitor = Monitor(rf.Reloader(path), ORDER, clock=Clock())
    join(monitor, "a")
    table = monitor.table
    path.write_text("nonsense\n", encoding="utf-8")
    before = datetime.now(UTC)
    assert not monitor.reload()
    since = monitor.failed_since
    assert since is not None
    assert before <= since <= datetime.now(UTC)
    assert isinstance(monitor.error, rf.DatabaseError)
    assert monitor.table is table
    assert not monitor.reload()
    assert monitor.failed_since == since
    assert join(monitor, "b") is rf.Effect.ADMIT
    write_networks(path, {"1.0.0.0/8": "CN", "2.0.0.0/8": "CN"})
    assert sorted(rows(monitor.reload())["cn"], key=str) == ["a", "b"]
    assert [monitor.failed_since, monitor.error] == [None, None]
    assert join(monitor, "c") is rf.Effect.DENY
    assert not monitor.reload()


def test_without_a_file_there_is_nothing_to_reload(tables: tuple[rf.Table, rf.Table]) -> None:
    with pytest.raises(TypeError, match="pass one, or use"):
        Monitor(tables[0], NONE).reload()


def test_what_is_steady_is_what_acts(tables: tuple[rf.Table, rf.Table]) -> None:
    first, last = bound(ORDER, tables[0]).steady(AT)
    assert (first, last) == (
        datetime(2020, 6, 3, tzinfo=UTC).timestamp(),
        datetime(2020, 6, 5, tzinfo=UTC).timestamp(),
    )
