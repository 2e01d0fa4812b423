"""The promises of the design, 1 to 9: each test is named after the sentence that it holds us to."""

from __future__ import annotations

import ast
import dataclasses
import json
import types
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from click.testing import CliRunner

import regionfast as rf
from meetings.reference import Connection
from meetings.scene import Scene, roster_of, write_networks
from regionfast import meetings
from regionfast.cli import NAMES, main
from regionfast.meetings import check, check_joins, check_plan, evidence

AT = datetime(2020, 6, 4, 12, tzinfo=UTC)
NETWORKS = {
    "1.0.0.0/8": "CN",
    "1.1.0.0/16": "CN-HK",
    "1.2.0.0/16": "CN-MO",
    "1.3.0.0/16": "CN-TW",
    "1.4.0.0/16": "HK",
    "2.0.0.0/8": "US",
    "4.0.0.0/16": "A1",
    "2400::/16": "CN",
}
ORDER = """
[[order]]
id = "cn"
issuer = "cn-authority"
state = "active"
territory = "CN"
regions = ["CN"]
meetings = ["public"]
from = 2020-06-03T00:00:00Z
until = 2020-06-05T00:00:00Z
join = "deny"
present = "eject"
"""
RULE = """
[[rule]]
id = "no-us"
account = "acme"
effect = "deny"
regions = ["US"]
present = "eject"
"""
OTHER_ORDER = ORDER.replace('"cn"', '"everywhere"').replace('["public"]', '"all"').replace('"eject"', '"hold"')


def policy(*parts: str) -> rf.Policy:
    return rf.Policy.from_text("version = 1\n" + "".join(parts))


def person(name: str, *addresses: str | None, meeting: str = "public", role: str | None = None) -> Connection:
    return Connection(
        participant=name,
        addresses=addresses,
        meeting=meeting,
        connection=f"{name}@{meeting}",
        account="acme",
        role=role,
    )


def plan(scene: Scene, whole: rf.Policy, roster: rf.Roster, by: str = "cn") -> rf.Plan:
    return rf.plan_ejections(scene.table, whole, roster, by=by, at=AT, witness=scene.witness)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.of(tmp_path, NETWORKS)


# --- 1. One connection ----------------------------------------------------------------------------------------------


def test_promise_1_the_unit_of_action_is_one_connection_of_one_participant_in_one_meeting(scene: Scene) -> None:
    people = [
        person("wang", "1.0.0.1"),
        person("wang", "1.0.0.1", meeting="other"),  # the same person and address elsewhere
        person("li", "2.0.0.1", role="host"),
        person("host", "1.0.0.2", role="host"),
    ]
    found = plan(scene, policy(ORDER), roster_of(people))
    assert [(row.connection, row.participant, row.meeting, row.effect) for row in found.rows] == [
        ("host@public", "host", "public", "eject"),
        ("wang@public", "wang", "public", "eject"),
    ]
    assert {field.name for field in dataclasses.fields(meetings.PlanRow)} == {
        *("index", "connection", "participant", "meeting", "region", "effect")
    }


def test_promise_1_no_type_field_or_command_ends_a_meeting_or_suspends_a_host() -> None:
    assert {effect.name for effect in rf.Effect} == {"ADMIT", "HOLD", "DENY", "KEEP", "EJECT", "CLEAR"}
    names = {*rf.__all__, *meetings.__all__, *NAMES}
    for module in (rf, meetings):
        for name in module.__all__:
            kind = getattr(module, name)
            names |= (
                {attribute for attribute in dir(kind) if not attribute.startswith("_")}
                if isinstance(kind, type)
                else set()
            )
    assert "without_host" in names  # what is looked through holds what it should
    names.remove("WOULD_END_MEETING")  # why a row is refused
    forbidden = ("end_meeting", "endmeeting", "close", "terminate", "suspend", "ban", "kick", "shutdown")
    assert [name for name in names for word in forbidden if word in name.lower()] == []


def test_promise_1_a_meeting_that_would_be_left_without_a_host_is_named_beforehand(scene: Scene) -> None:
    people = [person("host", "1.0.0.1", role="host"), person("guest", "2.0.0.1")]
    found = plan(scene, policy(ORDER), roster_of(people)).preview()
    assert found.hosts == 1
    assert found.without_host == ("public",)
    people.append(person("second", "2.0.0.2", role="co-host"))
    assert plan(scene, policy(ORDER), roster_of(people)).preview().without_host == ()


# --- 2. Evidence only shrinks an order ------------------------------------------------------------------------------

# By address: what the database says of it, and what overrides may say.
BY_DATABASE = {
    "1.0.0.1": "inside",
    "1.1.0.1": "elsewhere",
    "2.0.0.1": "elsewhere",
    "4.0.0.1": "relay",
    "9.0.0.1": "nothing",
    "10.0.0.1": "nothing",
    "192.0.2.1": "nothing",
    "x": "nothing",
    "": "nothing",
}
BY_OVERRIDE = {"CN": "inside", "US": "elsewhere", "relay": "relay", "ZZ": "nothing"}


@pytest.mark.parametrize("override", [None, *BY_OVERRIDE])
@pytest.mark.parametrize("corrected", [None, "", "CN", "HK"], ids=lambda region: f"corrected-{region}")
def test_promise_2_evidence_only_shrinks_an_order(tmp_path: Path, override: str | None, corrected: str | None) -> None:
    """Every pair of addresses, the first of them overridden and corrected, against the sentence of the promise."""
    correction = ""
    if corrected is not None:
        region = f'region = "{corrected}"' if corrected else ""
        correction = (
            f'[[correction]]\nnetworks = ["1.0.0.0/24"]\n{region}\nreason = "x"\nauthor = "x"\ndate = 2020-06-02\n'
        )
    networks = ("1.0.0.0/24", "1.1.0.0/24", "2.0.0.0/24", "4.0.0.0/24", "9.0.0.0/24", "10.0.0.0/24", "192.0.2.0/24")
    changed = dict.fromkeys(networks, override) if override else {}
    scene = Scene.of(tmp_path, NETWORKS, changed)
    people, expected = [], []
    for number, (first, second) in enumerate(product(BY_DATABASE, repeat=2)):
        # The second address lies beside the overridden networks.
        beside = second.replace(".0.1", ".9.1") if BY_DATABASE[second] != "nothing" else second
        people.append(person(f"p{number:03}", first, beside))
        base = (BY_DATABASE[first], BY_DATABASE[second])
        top = (BY_OVERRIDE[override] if override and first not in {"x", ""} else base[0], base[1])
        if second in {"9.0.0.1", "10.0.0.1", "192.0.2.1"} and override:
            top = (top[0], BY_OVERRIDE[override])
        at_least_one_inside = any(pair == ("inside", "inside") for pair in zip(base, top, strict=True))
        none_elsewhere_or_relay = not {"elsewhere", "relay"} & {*base, *top}
        none_corrected = corrected is None or first != "1.0.0.1"
        expected.append(at_least_one_inside and none_elsewhere_or_relay and none_corrected)
    roster = roster_of(people)
    found = rf.decide_joins(scene.table, policy(ORDER, correction), roster, at=AT)
    assert (found.effect == rf.Effect.DENY).tolist() == expected
    rows = {row.index for row in plan(scene, policy(ORDER, correction), roster).rows}
    assert [number in rows for number in range(len(people))] == expected
    assert any(expected) or override in {"US", "relay"} or corrected is not None


def test_promise_2_a_checker_verifies_every_orders_plans_and_join_denials(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[object] = []
    for module, name, real in (("decide", "check_joins", check_joins), ("plan", "check_plan", check_plan)):

        def spy(found: object, real: Callable[[object], int] = real) -> int:  # type: ignore[assignment]
            checked.append((type(found).__name__, real(found)))
            return 0

        monkeypatch.setattr(f"regionfast.meetings.{module}.{name}", spy)
    roster = roster_of([person("a", "1.0.0.1"), person("b", "2.0.0.1"), person("c", "1.0.0.1")])
    rf.decide_joins(scene.table, policy(ORDER), roster, at=AT)
    plan(scene, policy(ORDER), roster)
    assert checked == [("Decisions", 2), ("Plan", 2)]


def test_promise_2_the_checker_shares_no_code_with_the_evaluator() -> None:
    allowed = {
        "regionfast",  # `regions`: facts, of which `regions.sets` is no part
        "regionfast._lib",  # the type of a table
        "regionfast.errors",
        "regionfast.types",
        "regionfast.policy.model",
        "regionfast.meetings.columns",
        "regionfast.meetings.evidence",
    }
    sources = [Path(module.__file__ or "").read_text(encoding="utf-8") for module in (check, evidence)]
    tree = ast.parse("\n".join(source.replace("from __future__ import annotations", "") for source in sources))
    guarded = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and id(node) not in guarded:
            imported.add(node.module or "")
        elif isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
    assert {name for name in imported if name.startswith("regionfast")} <= allowed
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    called = {ast.unparse(call).rpartition(".")[2] for call in calls}
    assert "group" in called  # what is looked through holds what it should
    assert not called & {"places", "is_in_force", "lookup", "lookup_many", "unwrap", "expand", "RegionSet"}


# --- 3. Tables, not bodies ------------------------------------------------------------------------------------------


def first_of(table: rf.Table, code: str) -> str:
    """The first IPv4 address that a table places in a region."""
    return next(first for first, _, where in table.ranges(4) if isinstance(where, rf.Region) and where.code == code)


def test_promise_3_we_claim_what_a_table_of_a_date_says(table: rf.Table) -> None:
    address = first_of(table, "CN")
    whole = policy(ORDER.replace("2020", "2026"))
    at = datetime(2026, 6, 4, 12, tzinfo=UTC)
    roster = roster_of([person("somebody", address)])
    found = rf.decide_joins(table, whole, roster, at=at)
    ejections = rf.plan_ejections(table, whole, roster, by="cn", at=at)
    assert table.info.built_at is not None
    for sentence in (found.explain(0), ejections.explain(0)):
        assert "table" in sentence
        assert f"{table.info.built_at:%Y-%m-%d}" in sentence
        assert "CN" in sentence
        assert "database" in sentence  # its evidence
        assert "cn-authority" in sentence
        for never in (address, "somebody"):
            assert never not in sentence
    assert found.region[0] == ejections.rows[0].region == "CN"
    assert found.table is table


def test_promise_3_rows_that_a_witness_does_not_confirm_are_disputed_and_stay(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, NETWORKS, witness={"1.0.0.0/16": "CN", "1.5.0.0/16": "HK", "1.6.0.0/16": "A1"})
    people = [person(str(third), f"1.{third}.0.1") for third in (0, 5, 6, 7)]
    found = rf.decide_joins(scene.table, policy(ORDER), roster_of(people), at=AT, witness=scene.witness)
    disputed = [rf.Reason.INSIDE, *[rf.Reason.DISPUTED] * 3]
    assert found.reason.tolist() == disputed
    assert found.effect.tolist() == [rf.Effect.DENY, *[rf.Effect.ADMIT] * 3]
    ejections = plan(scene, policy(ORDER), roster_of(people))
    assert [row.index for row in ejections.rows] == [0]
    assert ejections.reason.tolist() == disputed
    assert ejections.preview().kept == {"disputed": 3}


# --- 4. `CN` is mainland China --------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["1.1.0.1", "1.2.0.1", "1.3.0.1", "1.4.0.1"])
def test_promise_4_hk_mo_tw_are_regions_of_their_own_also_where_a_database_nests_them(
    scene: Scene, address: str
) -> None:
    roster = roster_of([person("a", address)])
    found = rf.decide_joins(scene.table, policy(ORDER), roster, at=AT)
    assert found.effect[0] == rf.Effect.ADMIT
    assert found.reason[0] == rf.Reason.ELSEWHERE
    assert found.region[0] in {"HK", "MO", "TW"}
    assert not plan(scene, policy(ORDER), roster)


@pytest.mark.parametrize("written", ["HK", "MO", "TW", "CN-HK", "CN-MO", "CN-TW"])
def test_promise_4_an_order_for_cn_cannot_name_them(written: str) -> None:
    with pytest.raises(rf.PolicyError, match=r"order\[0\].*regions\[1\]"):
        policy(ORDER.replace('["CN"]', f'["CN", "{written}"]'))


def test_promise_4_cn_hk_is_hk(scene: Scene) -> None:
    hong_kong = ORDER.replace('territory = "CN"', 'territory = "HK"').replace('["CN"]', '["CN-HK"]')
    people = [person("nested", "1.1.0.1"), person("own", "1.4.0.1"), person("mainland", "1.0.0.1")]
    rows = plan(scene, policy(hong_kong), roster_of(people)).rows
    assert sorted(str(row.participant) for row in rows) == ["nested", "own"]
    assert {row.region for row in rows} == {"HK"}


# --- 5. One cause a plan --------------------------------------------------------------------------------------------

CROWD = (
    person("cn", "1.0.0.1"),
    person("us", "2.0.0.1"),
    person("both", "1.0.0.1", "2.0.0.1"),
    person("cn-elsewhere", "1.0.0.1", meeting="other"),
    person("nobody knows", "9.0.0.1"),
)


@pytest.mark.parametrize(("by", "alone"), [("cn", ORDER), ("everywhere", OTHER_ORDER), ("no-us", RULE)])
def test_promise_5_a_plan_belongs_to_one_order_or_to_one_rule(scene: Scene, by: str, alone: str) -> None:
    roster = roster_of(CROWD)
    among_others = plan(scene, policy(ORDER, OTHER_ORDER, RULE), roster, by)
    by_itself = plan(scene, policy(alone), roster, by)
    assert among_others.by == by
    assert list(among_others.rows) == list(by_itself.rows) != []
    assert among_others.reason.tolist() == by_itself.reason.tolist()


@pytest.mark.parametrize("by", ["", "cn,no-us", "CN", "acme"])
def test_promise_5_there_is_no_plan_by_anything_else(scene: Scene, by: str) -> None:
    with pytest.raises(rf.PolicyError):
        plan(scene, policy(ORDER, RULE), roster_of(CROWD), by)


def test_promise_5_a_rule_reaches_only_the_owners_meetings(scene: Scene) -> None:
    people = [
        dataclasses.replace(person("a", "2.0.0.1", meeting="own"), account="acme"),
        dataclasses.replace(person("b", "2.0.0.1", meeting="another's"), account="else"),
        dataclasses.replace(person("c", "2.0.0.1", meeting="nobody's"), account=None),
    ]
    found = rf.decide_joins(scene.table, policy(RULE), roster_of(people), at=AT)
    assert found.effect.tolist() == [rf.Effect.DENY, rf.Effect.ADMIT, rf.Effect.ADMIT]
    assert [row.meeting for row in plan(scene, policy(RULE), roster_of(people), "no-us").rows] == ["own"]


def test_promise_5_a_rule_for_all_meetings_cannot_be_written() -> None:
    for changed in (RULE.replace('account = "acme"\n', ""), RULE + 'meetings = "all"\n'):
        with pytest.raises(rf.PolicyError, match="rule\\[0\\]"):
            policy(changed)


# --- 6. Nobody there: nothing done ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "people",
    [
        (),
        (person("us", "2.0.0.1"),),
        (person("hk", "1.1.0.1"), person("unknown", "9.0.0.1"), person("missing", None), person("relay", "4.0.0.1")),
        (person("cn", "1.0.0.1", meeting="other"),),
    ],
    ids=["nobody at all", "nobody inside", "nobody located inside", "nobody in the meeting"],
)
def test_promise_6_an_empty_plan_is_a_success(scene: Scene, people: tuple[Connection, ...]) -> None:
    found = plan(scene, policy(ORDER), roster_of(people))
    assert not found
    assert len(found) == len(found.rows) == 0
    assert list(found.rows) == []
    assert found.preview().affected == 0
    assert found.preview().effects == {}
    assert len(found.hash) == 64
    assert len(found.effect) == len(people)


def test_promise_6_an_order_that_is_not_in_force_gives_an_empty_plan_and_a_warning(scene: Scene) -> None:
    for changed in (ORDER.replace("active", "suspended"), ORDER.replace("2020-06-05", "2020-06-04")):
        found = plan(scene, policy(changed), roster_of([person("cn", "1.0.0.1")]))
        assert not found
        assert any("order cn is inert" in warning for warning in found.warnings), found.warnings


# --- 7. One answer through every door -------------------------------------------------------------------------------

TEXTS = ("1.0.0.1", "1.1.0.1", "2.0.0.1", "4.0.0.1", "9.0.0.1", "10.0.0.1", "255.255.255.255", "1.255.255.255")
NAMES_OF = [f"u{number}" for number in range(len(TEXTS))]
MEETING_OF = ["public"] * len(TEXTS)


def columns(addresses: object, texts: Callable[[list[str]], object] = list) -> rf.Roster:
    return rf.Roster(
        texts(NAMES_OF),  # type: ignore[arg-type]
        addresses,  # type: ignore[arg-type]
        meetings=texts(MEETING_OF),  # type: ignore[arg-type]
        accounts=texts(["acme"] * len(TEXTS)),  # type: ignore[arg-type]
        connections=texts(NAMES_OF),  # type: ignore[arg-type]
    )


PACKED = np.array([int(IPv4Address(text)) for text in TEXTS], np.uint32)
MAPPED = np.zeros((len(TEXTS), 16), np.uint8)
MAPPED[:, 10:12] = 255
MAPPED[:, 12:] = PACKED.astype(">u4").view(np.uint8).reshape(-1, 4)

DOORS: dict[str, Callable[[], rf.Roster]] = {
    "a tuple": lambda: columns(TEXTS, tuple),
    "an iterator": lambda: columns(iter(TEXTS)),
    "objects of ipaddress": lambda: columns([ip_address(text) for text in TEXTS]),
    "NumPy objects": lambda: columns(np.array(TEXTS, object), lambda texts: np.array(texts, object)),
    "NumPy text": lambda: columns(np.array(TEXTS), np.array),
    "NumPy ASCII": lambda: columns(np.array(TEXTS, "S"), lambda texts: np.array(texts, "S")),
    "NumPy numbers": lambda: columns(PACKED),
    "NumPy octets": lambda: columns(PACKED.astype(">u4").view(np.uint8).reshape(-1, 4)),
    "Arrow": lambda: columns(pa.array(TEXTS), pa.array),
    "Arrow, large": lambda: columns(pa.array(TEXTS, pa.large_utf8()), lambda texts: pa.array(texts, pa.large_utf8())),
    "Arrow, dictionary": lambda: columns(
        pa.array(TEXTS).dictionary_encode(), lambda texts: pa.array(texts).dictionary_encode()
    ),
    "Arrow, chunks": lambda: columns(
        pa.chunked_array([TEXTS[:3], TEXTS[3:]]), lambda texts: pa.chunked_array([texts[:5], texts[5:]])
    ),
    "pandas": lambda: columns(pd.Series(TEXTS), pd.Series),
    "pandas, categories": lambda: columns(
        pd.Series(TEXTS, dtype="category"), lambda texts: pd.Series(texts, dtype="category")
    ),
    "Polars": lambda: columns(pl.Series(TEXTS), pl.Series),
}


def outcome(scene: Scene, roster: rf.Roster) -> tuple[object, ...]:
    whole = policy(ORDER, RULE)
    found = rf.decide_joins(scene.table, whole, roster, at=AT)
    ejections = [plan(scene, whole, roster, by) for by in ("cn", "no-us")]
    return (
        found.effect.tobytes(),
        found.reason.tobytes(),
        list(found.cause),
        list(found.region),
        [found.explain(number) for number in range(len(roster))],
        [one.hash for one in ejections],
        [one.effect.tobytes() for one in ejections],
        [list(one.rows) for one in ejections],
        roster.digest,
    )


@pytest.mark.parametrize("door", DOORS)
def test_promise_7_one_answer_through_every_door(scene: Scene, door: str) -> None:
    assert outcome(scene, DOORS[door]()) == outcome(scene, columns(list(TEXTS)))


def test_promise_7_one_answer_from_files_and_frames(scene: Scene, tmp_path: Path) -> None:
    frame = {
        "participant": NAMES_OF,
        "address": list(TEXTS),
        "meeting": MEETING_OF,
        "account": ["acme"] * len(TEXTS),
        "connection": NAMES_OF,
    }
    path = tmp_path / "roster.csv"
    pd.DataFrame(frame).to_csv(path, index=False)
    expected = outcome(scene, columns(list(TEXTS)))
    for roster in (
        rf.Roster.from_csv(path),
        rf.Roster.from_arrow(pa.table(frame)),
        rf.Roster.from_frame(pd.DataFrame(frame)),
        rf.Roster.from_frame(pl.DataFrame(frame)),
    ):
        assert outcome(scene, roster) == expected


def test_promise_7_an_address_that_is_wrapped_decides_alike(scene: Scene) -> None:
    plain, wrapped = columns(list(TEXTS)), columns(MAPPED)
    assert plain.digest != wrapped.digest  # what was shown differs, and a hash covers what was shown
    for whole in (policy(ORDER), policy(RULE)):
        found = [rf.decide_joins(scene.table, whole, roster, at=AT) for roster in (plain, wrapped)]
        assert found[0].effect.tolist() == found[1].effect.tolist()
        assert found[0].reason.tolist() == found[1].reason.tolist()


# --- 8. Bad data is a status ----------------------------------------------------------------------------------------

BAD = {
    "": rf.Reason.MISSING,
    "-": rf.Reason.MISSING,
    "unknown": rf.Reason.INVALID,
    "localhost": rf.Reason.INVALID,
    "999.1.1.1": rf.Reason.INVALID,
    "1.0.0.1, 1.0.0.2": rf.Reason.INVALID,
    "1.0.0.0/8": rf.Reason.INVALID,
    " 1.0.0.1": rf.Reason.INVALID,
    "１.0.0.1": rf.Reason.INVALID,  # noqa: RUF001 - another kind of digit
    "0": rf.Reason.INVALID,
    "CN": rf.Reason.INVALID,
    "1.0.0.1\x00": rf.Reason.INVALID,
}


def test_promise_8_bad_data_is_a_status_never_an_exception_in_a_batch(scene: Scene) -> None:
    people = [person("good", "1.0.0.1"), *(person(repr(text), text) for text in BAD), person("none", None)]
    found = rf.decide_joins(scene.table, policy(ORDER), roster_of(people), at=AT)
    assert found.reason.tolist() == [rf.Reason.INSIDE, *BAD.values(), rf.Reason.MISSING]
    assert found.effect.tolist() == [rf.Effect.DENY, *[rf.Effect.ADMIT] * (len(BAD) + 1)]
    assert list(found.region) == ["CN", *[None] * (len(BAD) + 1)]  # never a made-up value
    assert list(found.cause) == ["cn", *[None] * (len(BAD) + 1)]


def test_promise_8_bad_files_and_bad_calls_are_exceptions_when_they_are_made(scene: Scene) -> None:
    with pytest.raises(rf.PolicyError):
        rf.Policy.from_text("version = 1\n[[order]]\n")
    with pytest.raises(rf.RosterError):
        rf.Roster(["a", "b"], ["1.0.0.1"], meetings=["m"])
    with pytest.raises(rf.RosterError):
        rf.Roster(["a"], ["1.0.0.1"], meetings=[None])
    roster = roster_of([person("a", "1.0.0.1")])
    with pytest.raises(ValueError, match="offset"):
        rf.decide_joins(scene.table, policy(ORDER), roster, at=datetime(2020, 6, 4))  # noqa: DTZ001 - that is wrong
    without_accounts = rf.Roster(["a"], ["2.0.0.1"], meetings=["m"])
    with pytest.raises(rf.RosterError, match="account"):
        rf.decide_joins(scene.table, policy(RULE), without_accounts, at=AT)
    with pytest.raises(rf.RosterError, match="account"):
        rf.plan_ejections(scene.table, policy(RULE), without_accounts, by="no-us", at=AT)


# --- 9. One batch, one table ----------------------------------------------------------------------------------------


def test_promise_9_a_reload_swaps_the_table_whole_and_results_carry_its_digest(tmp_path: Path) -> None:
    path = write_networks(tmp_path / "database.csv", NETWORKS)
    reloader = rf.Reloader(path)
    roster = roster_of([person("a", "1.0.0.1"), person("b", "2.0.0.1")])
    before = rf.decide_joins(reloader.table, policy(ORDER), roster, at=AT)
    hash_before = rf.plan_ejections(reloader.table, policy(ORDER), roster, by="cn", at=AT).hash
    digest = before.table.info.digest
    write_networks(path, {"1.0.0.0/8": "US", "2.0.0.0/8": "CN"})
    assert reloader.reload()
    after = rf.decide_joins(reloader.table, policy(ORDER), roster, at=AT)
    ejections = rf.plan_ejections(reloader.table, policy(ORDER), roster, by="cn", at=AT)
    assert before.table.info.digest == digest != after.table.info.digest
    assert ejections.table.info.digest == after.table.info.digest
    # What was decided stays as it was, explanations included; the same roster asks the new table anew.
    assert before.effect.tolist() == [rf.Effect.DENY, rf.Effect.ADMIT]
    assert "CN" in before.explain(0)
    assert after.effect.tolist() == [rf.Effect.ADMIT, rf.Effect.DENY]
    # A new table yields a plan to look at: one that was approved for another table has another hash.
    assert ejections.hash != hash_before


def test_promise_9_a_failed_reload_keeps_the_last_good_table_and_says_since_when(tmp_path: Path) -> None:
    path = write_networks(tmp_path / "database.csv", NETWORKS)
    reloader = rf.Reloader(path)
    roster = roster_of([person("a", "1.0.0.1"), person("b", "2.0.0.1")])
    before = rf.plan_ejections(reloader.table, policy(ORDER), roster, by="cn", at=AT)
    path.write_text("1.0.0.0/8,China\n", encoding="utf-8")
    assert not reloader.reload()
    assert reloader.failed_since is not None
    assert datetime.now(UTC) - reloader.failed_since < timedelta(minutes=1)
    assert rf.plan_ejections(reloader.table, policy(ORDER), roster, by="cn", at=AT).hash == before.hash


def test_promise_9_without_valid_evidence_orders_do_nothing(tmp_path: Path) -> None:
    """A database that has lost its places, or its IPv6, ejects nobody."""
    roster = roster_of([person("a", "1.0.0.1"), person("b", "2.0.0.1"), person("c", "2400::1")])
    for networks, overrides in (
        ({"200.0.0.0/8": "US"}, {}),
        ({"0.0.0.0/0": "ZZ", "1.0.0.0/8": "ZZ", "200.0.0.0/8": "US"}, {}),
        ({"200.0.0.0/8": "US"}, {"0.0.0.0/0": "CN", "::/0": "CN"}),
    ):
        scene = Scene.of(tmp_path, networks, overrides)
        assert not plan(scene, policy(ORDER), roster)
        assert not rf.decide_joins(scene.table, policy(ORDER), roster, at=AT).effect.any()


# --- the command ----------------------------------------------------------------------------------------------------


def test_promise_6_through_the_command_an_empty_plan_is_a_success_too(tmp_path: Path) -> None:
    database = write_networks(tmp_path / "database.csv", NETWORKS)
    law = tmp_path / "policy.toml"
    law.write_text("version = 1\n" + ORDER, encoding="utf-8")
    people = tmp_path / "roster.csv"
    people.write_text("participant,address,meeting,account\nu,2.0.0.1,public,acme\n", encoding="utf-8")
    words = ["decide", "ejections", str(people), "--policy", str(law), "--by", "cn", "--at", "2020-06-04T12:00:00Z"]
    result = CliRunner().invoke(main, [*words, "--database", str(database), "--json"])
    assert result.exit_code == 0, result.output
    assert "2.0.0" not in result.output
    assert isinstance(json.loads(result.stdout), (dict, list))


def test_every_promise_from_1_to_9_has_a_test() -> None:
    here = [name for name, thing in globals().items() if isinstance(thing, types.FunctionType)]
    assert {int(name.split("_")[2]) for name in here if name.startswith("test_promise_")} == set(range(1, 10))
