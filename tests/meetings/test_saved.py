"""Plans in files: what they say, whom they name, what is refused when they are read, and when they are acted on."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import regionfast as rf
from meetings.act.stage import INSIDE, KEYS, MEETING, NOW, OUTSIDE, Died, Stage, order, sign, table
from regionfast.errors import AuditError, DocumentError, PlanRefused
from regionfast.meetings import saved as module
from regionfast.meetings.act.approval import Approval
from regionfast.meetings.act.control import Outcome, Present
from regionfast.meetings.act.targets import receipt_of
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.saved import SavedPlan

DONE, GONE, STALE = Outcome.DONE, Outcome.ALREADY_GONE, Outcome.STALE


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage.of(tmp_path)
    made.people()
    return made


def save(stage: Stage, plan: rf.Plan | None = None, name: str = "cn-1.plan") -> SavedPlan:
    return (stage.plan() if plan is None else plan).save(stage.folder / name, stage.deployment)


def apply(stage: Stage, saved: SavedPlan, approvals: list[Approval] | None = None, **given: Any) -> Any:
    arguments: dict[str, Any] = {"table": table(), "policy": stage.policy, "roster": stage.server.roster()} | given
    return saved.apply(
        stage.server,
        stage.deployment,
        approvals=sign(saved, "ann", "bob") if approvals is None else approvals,
        clock=lambda: stage.now,
        sleep=stage.slept.append,
        **arguments,
    )


def row_of(plan: rf.Plan, saved: SavedPlan, connection: str) -> int:
    """The number of a connection's row, which the file does not tell."""
    numbers = [number for number, row in enumerate(plan.rows) if row.connection == connection]
    assert len(numbers) == 1
    assert len(saved) == len(plan)
    return numbers[0]


# --- what a file says -----------------------------------------------------------------------------------------------


def test_a_plan_is_read_as_it_was_saved(stage: Stage) -> None:
    plan = stage.plan()
    saved = save(stage, plan)
    again = SavedPlan.load(stage.folder / "cn-1.plan")
    assert again == saved
    assert pickle.loads(pickle.dumps(saved)) == saved  # noqa: S301 - our own bytes
    assert SavedPlan.from_json(json.dumps(json.loads(saved.to_json()))) == saved  # the form of the text does not matter
    assert (again.hash, again.by, again.at, len(again), bool(again)) == (plan.hash, "cn-1", NOW, 3, True)
    assert [row.effect for row in again.rows] == [rf.Effect.EJECT] * 3
    assert {row.region for row in again.rows} == {"CN"}
    assert dict(again.entry) == {
        "type": "order",
        "issuer": "authority",
        "reference": "r",
        "law": "l",
        "contest": "https://court.example",
        "until": "2026-12-20T00:00:00Z",
    }


def test_hash_and_seal_can_be_computed_by_others(stage: Stage) -> None:
    plan = stage.plan()
    save(stage, plan)
    found = json.loads((stage.folder / "cn-1.plan").read_bytes())

    def digest(value: object) -> str:
        return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")).hexdigest()

    assert digest(found["covered"]) == found["hash"] == plan.hash
    assert digest({name: value for name, value in found.items() if name != "seal"}) == found["seal"]
    assert found["covered"] == plan.covered


def test_a_file_names_nobody(stage: Stage) -> None:
    saved = save(stage)
    for text in ((stage.folder / "cn-1.plan").read_text("ascii"), repr(saved), repr(saved.rows)):
        for name in ("person-", "in-0", INSIDE, OUTSIDE, MEETING):
            assert name not in text


def test_pseudonyms_of_two_orders_or_two_plans_tell_little(stage: Stage) -> None:
    """By two orders nothing is the same; by one the connection is, which applying needs, and the commitment is not."""
    text = order() + order(id='"cn-2"').partition("\n")[2]
    stage.policy = rf.Policy.from_text(text, deployment=stage.deployment)
    first = save(stage)
    other = rf.plan_ejections(table(), stage.policy, stage.server.roster(), by="cn-2", at=NOW)
    second = save(stage, other, "cn-2.plan")
    third = save(stage, stage.plan(at=NOW + timedelta(seconds=1)), "later.plan")

    def pseudonyms(saved: SavedPlan) -> set[str]:
        return {text for row in saved.rows for text in (row.scope, row.connection, row.commitment)}

    assert not pseudonyms(first) & pseudonyms(second)
    assert [row.connection for row in first.rows] == [row.connection for row in third.rows]
    assert not {row.commitment for row in first.rows} & {row.commitment for row in third.rows}


def test_a_rule_says_whose_it_is(stage: Stage) -> None:
    text = 'version = 1\n[[rule]]\nid = "own"\naccount = "acme"\neffect = "deny"\nregions = ["CN"]\nreason = "mine"\n'
    policy = rf.Policy.from_text(f'{text}present = "hold"\n', deployment=stage.deployment)
    roster = rf.Roster(["a"], [f"{INSIDE}1"], meetings=["m"], accounts=["acme"], connections=["c"])
    saved = save(stage, rf.plan_ejections(table(), policy, roster, by="own", at=NOW))
    assert SavedPlan.load(stage.folder / "cn-1.plan") == saved
    assert [saved.entry[name] for name in ("type", "issuer", "reference", "law", "contest", "until")] == [
        *("rule", "acme", "mine", "", "", None)
    ]
    assert [row.effect for row in saved.rows] == [rf.Effect.HOLD]


def test_what_cannot_be_saved(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    plan, path = stage.plan(), stage.folder / "cn-1.plan"
    with pytest.raises(PlanRefused, match=r"\[audit\]"):
        plan.save(path, replace(stage.deployment, audit=None))
    roster = rf.Roster(["a", "b"], [f"{INSIDE}1"] * 2, meetings=[MEETING] * 2, connections=["c", None])
    with pytest.raises(PlanRefused, match="ids of connections"):
        stage.plan(roster=roster).save(path, stage.deployment)
    with pytest.raises(DocumentError, match=r"nowhere.*x\.plan"):
        plan.save(stage.folder / "nowhere" / "x.plan", stage.deployment)
    monkeypatch.setattr(module, "_LARGEST", 1000)
    with pytest.raises(DocumentError, match="3 rows are more"):
        plan.save(path, stage.deployment)
    assert not path.exists()


def test_a_key_that_was_destroyed_saves_nothing(stage: Stage) -> None:
    saved = save(stage)
    assert stage.deployment.audit is not None
    KeyStore(stage.deployment.audit.keys).destroy(saved.rows[0].scope)
    with pytest.raises(AuditError, match="destroyed"):
        save(stage, name="again.plan")
    assert not (stage.folder / "again.plan").exists()


# --- what is refused when a file is read ----------------------------------------------------------------------------


def swap(found: dict[str, Any]) -> None:
    first, second = found["rows"][:2]
    first["connection"], second["connection"] = second["connection"], first["connection"]


def hold(found: dict[str, Any]) -> None:
    found["rows"][1]["effect"] = "hold"


def add(found: dict[str, Any]) -> None:
    found["rows"].append(found["rows"][0] | {"connection": "0" * 32})


def remove(found: dict[str, Any]) -> None:
    del found["rows"][2]


def reorder(found: dict[str, Any]) -> None:
    found["rows"].reverse()


def other_region(found: dict[str, Any]) -> None:
    found["rows"][0]["region"] = "US"


def other_law(found: dict[str, Any]) -> None:
    found["entry"]["law"] = "another law"


CHANGES_OF_ROWS = (swap, hold, add, remove, reorder, other_region, other_law)


@pytest.mark.parametrize("change", CHANGES_OF_ROWS)
def test_a_changed_file_is_refused(stage: Stage, change: Callable[[dict[str, Any]], None]) -> None:
    found = json.loads(save(stage).to_json())
    change(found)
    path = stage.folder / "changed.plan"
    path.write_text(json.dumps(found), "ascii")
    with pytest.raises(DocumentError, match=r"changed\.plan: `seal` is not that of the rest"):
        SavedPlan.load(path)


COVERED = {
    "at": "2026-11-25T12:00:00Z",
    "by": "cn-2",
    "policy": "0" * 64,
    "regions": "2027.1",
    "roster": "0" * 64,
    "rows": "0" * 64,
    "semantics": 2,
    "table": "0" * 64,
    "witness": "0" * 64,
}


@pytest.mark.parametrize("name", COVERED)
def test_what_the_hash_covers_cannot_be_changed(stage: Stage, name: str) -> None:
    found = json.loads(save(stage).to_json())
    assert set(found["covered"]) == set(COVERED)
    assert found["covered"][name] != COVERED[name]
    found["covered"][name] = COVERED[name]
    with pytest.raises(DocumentError, match="`hash` is not that of `covered`"):
        SavedPlan.from_json(json.dumps(found))


def put(*path: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(found: Any) -> None:
        for part in path[:-1]:
            found = found[part]
        found[path[-1]] = value

    return change


def drop(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(found: Any) -> None:
        for part in path[:-1]:
            found = found[part]
        del found[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (put("version", value=2), "version 1"),
        (put("version", value=True), "version 1"),
        (put("version", value=1.0), "version 1"),
        (put("version", value="1"), "version 1"),
        (drop("version"), "version 1"),
        (put("note", value=1), "key too many, `note`"),
        (put("36.20.9.0", value=1), "key too many, this text"),
        (drop("rows"), "`rows` is missing"),
        (put("hash", value=None), "`hash` is not what"),
        (put("hash", value="0" * 63), "`hash` is not what"),
        (put("hash", value="A" * 64), "`hash` is not what"),
        (put("seal", value=None), "`seal` is not that"),
        (put("seal", value="0" * 64), "`seal` is not that"),
        (put("covered", value=[]), "`covered` is no object"),
        (put("covered", "more", value=1), "`covered` has a key too many, `more`"),
        (drop("covered", "witness"), r"`covered\.witness` is missing"),
        (put("covered", "witness", value=""), r"`covered\.witness` is not what"),
        (put("covered", "table", value=7), r"`covered\.table` is not what"),
        (put("covered", "by", value="cn 1"), r"`covered\.by` is not what"),
        (put("covered", "by", value="c" * 129), r"`covered\.by` is not what"),
        (put("covered", "at", value="2026-11-24"), r"`covered\.at` is not what"),
        (put("covered", "at", value="2026-11-31T12:00:00Z"), r"`covered\.at` is a time"),
        (put("covered", "semantics", value=True), r"`covered\.semantics` is no whole"),
        (put("covered", "semantics", value=1.0), r"`covered\.semantics` is no whole"),
        (put("entry", value=None), "`entry` is no object"),
        (put("entry", "type", value="wish"), r"`entry\.type` is not what"),
        (put("entry", "law", value=None), r"`entry\.law` is not what"),
        (put("entry", "until", value="soon"), r"`entry\.until` is not what"),
        (put("entry", "person", value="x"), "`entry` has a key too many"),
        (put("rows", value={}), "`rows` is no list"),
        (put("rows", 1, value=[]), r"`rows\[1\]` is no object"),
        (put("rows", 1, "participant", value="x"), r"`rows\[1\]` has a key too many"),
        (drop("rows", 2, "commitment"), r"`rows\[2\]\.commitment` is missing"),
        (put("rows", 0, "commitment", value="0" * 32), r"`rows\[0\]\.commitment` is not what"),
        (put("rows", 0, "scope", value="../keys"), r"`rows\[0\]\.scope` is not what"),
        (put("rows", 0, "connection", value=["0" * 32]), r"`rows\[0\]\.connection` is not what"),
        (put("rows", 0, "effect", value="deny"), r"`rows\[0\]\.effect` is not what"),
        (put("rows", 0, "effect", value=4), r"`rows\[0\]\.effect` is not what"),
        (put("rows", 0, "region", value=86), r"`rows\[0\]\.region` is not what"),
    ],
)
def test_strict_reading(stage: Stage, change: Callable[[dict[str, Any]], None], pattern: str) -> None:
    found = json.loads(save(stage).to_json())
    change(found)
    path = stage.folder / "x.plan"
    path.write_text(json.dumps(found), "ascii")
    with pytest.raises(DocumentError, match=rf"x\.plan: .*{pattern}") as caught:
        SavedPlan.load(path)
    assert "36.20" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_connection_has_one_row(stage: Stage) -> None:
    """Sealed anew, so that nothing but the second row is wrong: of two rows one would hide what came of the other."""
    saved = save(stage)
    twice = replace(saved, rows=(*saved.rows, replace(saved.rows[0], effect=rf.Effect.HOLD)))
    with pytest.raises(DocumentError, match=r"`rows\[3\]\.connection` stands in `rows\[0\]` already"):
        SavedPlan.from_json(twice.to_json())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        "\x00",
        '{"version": NaN}',
        "\ud800".encode("utf-8", "surrogatepass"),
        b"\xff",
    ],
)
def test_what_is_no_saved_plan(text: str | bytes) -> None:
    with pytest.raises(DocumentError, match="^saved plan: is no "):
        SavedPlan.from_json(text)


@pytest.mark.parametrize("constant", ["NaN", "1e400", "-Infinity"])
def test_numbers_that_json_does_not_have(stage: Stage, constant: str) -> None:
    text = save(stage).to_json().replace('"semantics": 1', f'"semantics": {constant}')
    with pytest.raises(DocumentError, match=r"is no JSON|is no whole number"):
        SavedPlan.from_json(text)


def test_a_key_twice_is_refused(stage: Stage) -> None:
    """Readers of JSON do not agree on which one counts, so two of them could show two plans under one seal."""
    text = save(stage).to_json()
    with pytest.raises(DocumentError, match="twice"):
        SavedPlan.from_json(text.replace('"version": 1,', '"version": 1, "rows": [],', 1))


def test_a_file_that_is_too_large_is_not_read(stage: Stage) -> None:
    path = stage.folder / "large.plan"
    with path.open("wb") as file:
        file.truncate((1 << 26) + 1)
    with pytest.raises(DocumentError, match=r"large\.plan: is larger than 67,108,864 bytes"):
        SavedPlan.load(path)
    with pytest.raises(DocumentError, match=r"cannot read .*none\.plan"):
        SavedPlan.load(stage.folder / "none.plan")


# --- what is done with it -------------------------------------------------------------------------------------------


def test_it_acts_on_those_who_are_still_reached_and_as_they_were(stage: Stage) -> None:
    stage.people(inside=7)
    plan = stage.plan()
    save(stage, plan)
    saved = SavedPlan.load(stage.folder / "cn-1.plan")
    number = {name: row_of(plan, saved, name) for name in (f"in-{n}" for n in range(7))}
    del stage.server.rooms[MEETING]["in-1"]
    stage.server.change("in-2", addresses=(f"{OUTSIDE}9",))
    stage.server.change("in-3", addresses=(f"{INSIDE}99",))
    stage.server.change("in-4", participant="person-else")
    stage.server.enter("in-5", f"{INSIDE}5", "lecture", is_host=True)  # the id is one of a meeting
    stage.server.enter("late", f"{INSIDE}50")
    stage.server.enter("host", f"{OUTSIDE}50", "lecture", is_host=True)
    applied = apply(stage, saved)
    expected = {"in-0": DONE, "in-1": GONE, "in-2": STALE, "in-3": STALE, "in-4": STALE, "in-5": DONE, "in-6": DONE}
    assert {name: applied.outcomes[place] for name, place in number.items()} == expected
    assert applied.plan == saved.hash
    assert set(stage.server.removed) == {(MEETING, name) for name in ("in-0", "in-5", "in-6")}
    assert "late" in stage.present()
    assert stage.present("lecture") == ["in-5", "host"]
    (begun,) = stage.lines("plan")
    assert (begun["plan"], begun["seal"], begun["counts"]["eject"]) == (saved.hash, saved.seal, 7)


def test_it_is_applied_once(stage: Stage) -> None:
    saved = save(stage)
    assert apply(stage, saved).outcomes == (DONE,) * 3
    stage.people()
    with pytest.raises(PlanRefused, match="was applied at"):
        apply(stage, saved)
    assert stage.server.removed.total() == 3


def test_a_saved_plan_and_the_plan_in_memory_are_one(stage: Stage) -> None:
    """They have one hash, so whichever comes second is refused."""
    plan = stage.plan()
    saved = save(stage, plan)
    apply(stage, saved)
    stage.people()
    with pytest.raises(PlanRefused, match="was applied at"):
        stage.apply(plan, sign(saved, "ann", "bob"))


def test_after_a_crash_it_goes_on(stage: Stage) -> None:
    stage.people(inside=150)
    saved = save(stage)
    calls = 0

    def die(method: str) -> None:
        nonlocal calls
        calls += method == "eject"
        if calls == 2:
            raise Died

    stage.server.after = die
    with pytest.raises(Died):
        apply(stage, saved)
    assert stage.server.removed.total() == 150  # done, and the answer of the second chunk was never heard
    stage.server.after = lambda _method: None
    applied = apply(stage, SavedPlan.load(stage.folder / "cn-1.plan"))
    assert (applied.counts, applied.was_resumed) == ({DONE: 100, GONE: 50}, True)
    assert stage.server.removed.total() == 150


def refused(stage: Stage, saved: SavedPlan, pattern: str, **given: Any) -> None:
    with pytest.raises(PlanRefused, match=pattern) as caught:
        apply(stage, saved, **given)
    assert not stage.server.calls
    assert [line["reasons"] for line in stage.lines("refused")][-1] == list(caught.value.reasons)
    assert not stage.lines("intent")


@pytest.mark.parametrize("change", CHANGES_OF_ROWS)
def test_what_was_changed_and_sealed_anew_is_not_what_was_approved(
    stage: Stage, change: Callable[[dict[str, Any]], None]
) -> None:
    saved = save(stage)
    approvals = sign(saved, "ann", "bob")
    found = json.loads(saved.to_json())
    change(found)
    del found["seal"]
    text = json.dumps(found, sort_keys=True, separators=(",", ":"))
    forged = SavedPlan.from_json(json.dumps(found | {"seal": hashlib.sha256(text.encode("ascii")).hexdigest()}))
    assert forged.hash == saved.hash
    why = "not what the policy says" if change is other_law else "sign the file"
    refused(stage, forged, why, approvals=approvals)


def test_an_approval_of_the_plan_in_memory_is_not_one_of_the_file(stage: Stage) -> None:
    plan = stage.plan()
    refused(stage, save(stage, plan), "sign the file", approvals=sign(plan, "ann", "bob"))


def test_what_nobody_is_reached_by_is_not_done_even_if_all_sign(stage: Stage) -> None:
    """Two persons who agree on a row that the order does not reach, or on more than it does."""
    plan = stage.plan()
    saved = save(stage, plan)
    assert stage.deployment.audit is not None
    roster = stage.server.roster()
    assert roster.connections is not None
    outside = list(roster.connections).index("out-1")
    receipt = receipt_of(roster, outside, KeyStore(stage.deployment.audit.keys), "cn-1", plan.hash)
    guest = replace(saved.rows[0], connection=receipt.connection, commitment=receipt.commitment)
    held = replace(saved.rows[0], effect=rf.Effect.HOLD)
    applied = apply(stage, replace(saved, rows=(guest, held, saved.rows[1])))
    assert applied.outcomes == (STALE, STALE, DONE)
    assert stage.server.removed.total() == 1
    assert "out-1" in stage.present()


def test_another_policy(stage: Stage) -> None:
    saved = save(stage)
    policy = rf.Policy.from_text(order(law='"m"'), deployment=stage.deployment)
    refused(stage, saved, "policy is not that of the saved plan", policy=policy)


def test_a_policy_without_the_order(stage: Stage) -> None:
    saved = save(stage)
    policy = rf.Policy.from_text(order(id='"cn-2"'), deployment=stage.deployment)
    refused(stage, saved, "policy is not that of the saved plan", policy=policy)


def test_another_table_or_witness_all_at_once(stage: Stage) -> None:
    saved = save(stage)
    other = table(NOW - timedelta(days=2))
    refused(stage, saved, "table is not.*\n.*witness is not", table=other, witness=table())


@pytest.mark.parametrize(("name", "value"), [("DATA_VERSION", "2027.1"), ("SEMANTICS_VERSION", 2)])
def test_another_release(stage: Stage, monkeypatch: pytest.MonkeyPatch, name: str, value: object) -> None:
    saved = save(stage)
    monkeypatch.setattr(module, name, value)
    refused(stage, saved, "of this release are not that of the saved plan")


def test_with_its_witness(stage: Stage) -> None:
    witness = table(NOW - timedelta(days=9))
    plan = rf.plan_ejections(table(), stage.policy, stage.server.roster(), by="cn-1", at=NOW, witness=witness)
    saved = save(stage, plan)
    refused(stage, saved, "witness is not")
    assert apply(stage, saved, witness=witness).outcomes == (DONE,) * 3


@pytest.mark.parametrize("days", [8, 30])
def test_applied_late(stage: Stage, days: int) -> None:
    saved = save(stage)
    approvals = sign(saved, "ann", "bob", expires=NOW + timedelta(days=7))
    stage.now = NOW + timedelta(days=days)
    refused(stage, saved, "ended at" if days == 8 else "acts on nobody now", approvals=approvals)


def test_no_deployment_or_audit(stage: Stage) -> None:
    saved = save(stage)
    for deployment in (None, replace(stage.deployment, audit=None)):
        for policy in (stage.policy, rf.Policy.from_text(order(law='"m"'))):
            with pytest.raises(PlanRefused):
                saved.apply(
                    stage.server,
                    deployment,
                    table=table(),
                    policy=policy,
                    roster=stage.server.roster(),
                    approvals=sign(saved, "ann", "bob"),
                    clock=lambda: NOW,
                )
    assert not stage.server.calls


def test_the_present_roster_needs_ids_of_connections(stage: Stage) -> None:
    saved = save(stage)
    roster = rf.Roster(["a"], [f"{INSIDE}1"], meetings=[MEETING])
    refused(stage, saved, "ids of connections", roster=roster)


def test_nobody_there_any_more(stage: Stage) -> None:
    saved = save(stage)
    stage.server.rooms[MEETING] = {
        name: one for name, one in stage.server.rooms[MEETING].items() if name.startswith("out")
    }
    applied = apply(stage, saved)
    assert (applied.outcomes, applied.is_finished) == ((GONE,) * 3, True)
    assert not {call[0] for call in stage.server.calls} - {"present"}


def test_a_plan_without_rows_is_a_success_that_needs_nothing(stage: Stage) -> None:
    stage.server.rooms = {MEETING: {"out": Present(connection="out", participant="p", addresses=(f"{OUTSIDE}1",))}}
    saved = save(stage)
    assert (len(saved), bool(saved)) == (0, False)
    assert SavedPlan.load(stage.folder / "cn-1.plan") == saved
    other = rf.Policy.from_text(order(id='"cn-2"'), deployment=stage.deployment)
    applied = apply(stage, saved, [], policy=other)
    assert (applied.plan, applied.outcomes, applied.is_finished) == (saved.hash, (), True)
    assert not stage.server.calls


def test_what_is_signed_is_the_seal(stage: Stage) -> None:
    saved = save(stage)
    (one,) = sign(saved, "ann")
    assert (one.plan, one.seal) == (saved.hash, saved.seal)
    KEYS["ann"].public_key().verify(one.signature, one.message)
    assert saved.seal.encode() in one.message


def test_a_file_that_says_something_false_of_the_order_is_refused_though_it_is_signed(stage: Stage) -> None:
    plan = save(stage)
    for name, value in (("issuer", "somebody else"), ("law", "another law"), ("until", "2030-01-01T00:00:00Z")):
        false = replace(plan, entry={**plan.entry, name: value})
        with pytest.raises(rf.PlanRefused, match="not what the policy says"):
            apply(stage, false)
    assert stage.lines("refused")
    assert stage.server.calls == []


def test_a_file_that_claims_another_region_is_refused_though_it_is_signed(stage: Stage) -> None:
    plan = save(stage)
    false = replace(plan, rows=(replace(plan.rows[0], region="US"), *plan.rows[1:]))
    with pytest.raises(rf.PlanRefused, match="claims other regions"):
        apply(stage, false)
    assert stage.server.calls == []
    assert "other regions" in stage.lines("refused")[-1]["reasons"][0]
