"""What decisions say of themselves: sentences, warnings, columns, and errors for what is no input."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import regionfast as rf

AT = datetime(2020, 6, 4, tzinfo=UTC)
POLICY = """
version = 1
[[order]]
id = "order"
issuer = "authority"
reference = "demand 4"
law = "a law"
contest = "https://example.org"
state = "active"
territory = "CN"
regions = ["CN"]
meetings = ["937-221", "other"]
from = 2020-06-01T00:00:00Z
until = 2020-06-30T00:00:00Z
join = "deny"
present = "eject"
[[rule]]
id = "staff"
account = "acme"
effect = "allow-only"
regions = ["US"]
meetings = ["staff"]
[defaults]
not-located = "hold"
"""


@pytest.fixture
def table(tmp_path: Path) -> rf.Table:
    path = tmp_path / "table.csv"
    path.write_text("1.0.0.0/8,CN\n2.0.0.0/8,US\n3.0.0.0/8,HK\n", "utf-8")
    return rf.open(path, built_at=datetime(2020, 5, 1, tzinfo=UTC))


def roster(*addresses: str | None, meeting: str = "937-221") -> rf.Roster:
    count = len(addresses)
    return rf.Roster(["somebody"] * count, addresses, meetings=[meeting] * count, accounts=["acme"] * count)


def decide(table: rf.Table, people: rf.Roster, **options: Any) -> rf.Decisions:
    return rf.decide_joins(table, rf.Policy.from_text(POLICY), people, at=AT, **options)


def test_a_sentence_has_table_evidence_order_and_recourse(table: rf.Table) -> None:
    assert decide(table, roster("1.2.3.4")).explain(0) == (
        "connection 0 of meeting 937-221 may not join: table CSV of 2020-05-01 says of its address: CN (evidence: "
        "database), and order order of authority refuses whom it finds in CN until 2020-06-30T00:00:00Z (law: a law; "
        "reference: demand 4; to contest it: https://example.org)"
    )


def test_whom_a_rule_lets_in(table: rf.Table) -> None:
    sentence = decide(table, roster("2.0.0.1", meeting="staff")).explain(0)
    assert sentence.endswith("and rule staff of acme lets in whom it finds in US")


def test_the_bundled_table_is_called_that() -> None:
    assert "the bundled table of 20" in decide(rf.open(), roster("8.8.8.8")).explain(0)


def test_a_plan_says_that_its_entry_does_not_reach_a_meeting(table: rf.Table) -> None:
    people = roster("1.0.0.1", meeting="staff")
    plan = rf.plan_ejections(table, rf.Policy.from_text(POLICY), people, by="order", at=AT)
    assert plan.explain_connection(0).endswith("and order order of authority does not reach the meeting")
    for index in (0, -1):
        with pytest.raises(IndexError, match="the plan has no row"):
            plan.explain(index)
    for index in (1, -1):
        with pytest.raises(IndexError, match="the roster has no connection"):
            plan.explain_connection(index)
        with pytest.raises(IndexError, match="the roster has no connection"):
            decide(table, people).explain(index)


def test_ids_that_are_nearly_alike_are_said_and_not_matched(table: rf.Table) -> None:
    decisions = decide(table, roster("1.0.0.1", meeting="937 221"))
    assert decisions.effect.tolist() == [rf.Effect.ADMIT]
    (warning,) = [text for text in decisions.warnings if "character by character" in text]
    assert "names meeting `937-221`, which is not in the roster, but `937 221` is" in warning
    assert not [text for text in decide(table, roster("1.0.0.1")).warnings if "character by character" in text]


def test_addresses_that_nobody_can_read_are_counted(table: rf.Table) -> None:
    found = decide(table, roster("1.0.0.1:443", "[2400::1]:1", "1.0.0.1", None)).warnings
    assert [text for text in found if text.startswith("2 of 4 addresses cannot be read")]
    assert not [text for text in decide(table, roster("1.0.0.1", None)).warnings if "cannot be read" in text]


def test_what_a_witness_spares_is_counted(table: rf.Table, tmp_path: Path) -> None:
    other = tmp_path / "witness.csv"
    other.write_text("1.0.0.0/9,CN\n", "utf-8")
    found = decide(table, roster("1.0.0.1", "1.200.0.1"), witness=rf.open(other))
    assert found.effect.tolist() == [rf.Effect.DENY, rf.Effect.ADMIT]
    assert [text for text in found.warnings if text.startswith("1 connection is spared")]


def test_columns_for_frames(table: rf.Table) -> None:
    found = decide(table, roster("1.0.0.1", "2.0.0.1", None)).to_arrow()
    assert isinstance(found, pa.Table)
    assert found.to_pydict() == {
        "effect": ["deny", "admit", "admit"],
        "cause": ["order", None, None],
        "reason": ["inside", "elsewhere", "missing"],
        "region": ["CN", "US", None],
    }
    assert found.to_pandas()["effect"].tolist() == ["deny", "admit", "admit"]
    assert pl.DataFrame(found)["cause"].to_list() == ["order", None, None]


def test_evidence_of_the_caller_is_for_orders(table: rf.Table) -> None:
    plan = rf.plan_ejections(table, rf.Policy.from_text(POLICY), roster("1.0.0.1"), by="staff", at=AT)
    with pytest.raises(ValueError, match="evidence is for orders, and staff is a rule"):
        rf.meetings.check_plan(plan, table)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (0, r"`table` is of type `str`: pass `rf.open\(path\)`"),
        (1, r"`policy` is of type `str`: pass `rf.Policy.load\(path\)`"),
        (2, r"`roster` is of type `str`: pass `rf.Roster\(...\)`"),
        (3, r"`at` is of type `str`: pass a time"),
        (4, r"`witness` is of type `str`: pass `rf.open\(path\)`"),
    ],
)
def test_what_is_no_input_is_named(table: rf.Table, place: int, message: str) -> None:
    given: list[Any] = [table, rf.Policy.from_text(POLICY), roster("1.0.0.1"), AT, None]
    given[place] = "2020-06-04T00:00:00Z"
    first, policy, people, at, witness = given
    with pytest.raises(TypeError, match=message):
        rf.decide_joins(first, policy, people, at=at, witness=witness)


def test_a_time_without_offset_is_refused(table: rf.Table) -> None:
    with pytest.raises(ValueError, match="`at` has no offset"):
        rf.decide_joins(table, rf.Policy.from_text(POLICY), roster("1.0.0.1"), at=AT.replace(tzinfo=None))


def test_parts_of_a_second_and_zones_change_no_hash(table: rf.Table) -> None:
    policy, people = rf.Policy.from_text(POLICY), roster("1.0.0.1")
    moments = [AT, AT + timedelta(microseconds=999_999), AT.astimezone(tz=None)]
    plans = [rf.plan_ejections(table, policy, people, by="order", at=moment) for moment in moments]
    assert len({plan.hash for plan in plans}) == 1
    later = rf.plan_ejections(table, policy, people, by="order", at=AT + timedelta(seconds=1))
    assert later.hash != plans[0].hash


@pytest.mark.parametrize("effect", ["allow-only", "deny", "hold"])
@pytest.mark.parametrize("region", ["HK", "MO", "TW", "CN"])
def test_a_place_that_may_be_any_of_four_is_undecided_for_each(tmp_path: Path, region: str, effect: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text("1.0.0.0/8,CN-Kowloon\n2.0.0.0/8,CN-GD\n3.0.0.0/8,HK\n", "utf-8")
    policy = rf.Policy.from_text(
        f'version = 1\n[[rule]]\nid = "r"\naccount = "acme"\neffect = "{effect}"\nregions = ["{region}"]\n'
        'present = "eject"\n[defaults]\nnot-located = "admit"\n'
    )
    table = rf.open(path, level="subdivision")
    found = rf.decide_joins(table, policy, roster("1.0.0.1"), at=AT)
    assert (found.effect[0], found.reason[0]) == (rf.Effect.HOLD, rf.Reason.UNDECIDED)
    plan = rf.plan_ejections(table, policy, roster("1.0.0.1"), by="r", at=AT)
    assert [row.effect for row in plan.rows] == ["hold"]
