"""Undoing a plan: everybody may come back whom nothing else keeps out, and nobody else."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings

import regionfast as rf
from meetings import reference
from meetings.act.stage import INSIDE, NOW, Stage, order, sign, table
from meetings.reference import Connection
from meetings.scene import Scene, roster_of
from meetings.strategies import Play, plays
from regionfast.errors import PlanRefused
from regionfast.meetings.act.control import Outcome
from regionfast.meetings.audit.outstanding import outstanding
from regionfast.meetings.decide import SEMANTICS_VERSION
from regionfast.meetings.inverse import Inverse

AT = datetime(2020, 6, 4, 12, tzinfo=UTC)
AFTER = AT + timedelta(days=30)
NETWORKS = {"1.0.0.0/8": "CN", "1.4.0.0/16": "HK", "2.0.0.0/8": "US"}
MAINLAND, OTHER_MAINLAND, HONG_KONG, ABROAD = "1.0.0.1", "1.0.7.2", "1.4.0.1", "2.0.0.1"


def entry(name: str, **fields: str) -> str:
    """An order over the mainland; fields as TOML writes them."""
    values = {
        "id": f'"{name}"',
        "issuer": '"cn-authority"',
        "state": '"active"',
        "territory": '"CN"',
        "regions": '["CN"]',
        "meetings": '["public"]',
        "from": "2020-06-03T00:00:00Z",
        "until": "2020-06-20T00:00:00Z",
        "join": '"deny"',
        "present": '"eject"',
    } | fields
    return "[[order]]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def rule(name: str, effect: str) -> str:
    return f'[[rule]]\nid = "{name}"\naccount = "acme"\neffect = "{effect}"\nregions = ["CN"]\npresent = "eject"\n'


EJECT = entry("first")
HOLD = entry("first", join='"hold"', present='"hold"')
ENDED = entry("first", state='"ended"')


def policy(*parts: str) -> rf.Policy:
    return rf.Policy.from_text("version = 1\n" + "".join(parts))


def person(name: str, *addresses: str, meeting: str = "public", role: str | None = None) -> Connection:
    return Connection(
        participant=name,
        addresses=addresses,
        meeting=meeting,
        connection=f"{name}@{meeting}",
        account="acme",
        role=role,
    )


PEOPLE = (person("wang", MAINLAND), person("li", OTHER_MAINLAND), person("lind", ABROAD), person("chan", HONG_KONG))


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.of(tmp_path, NETWORKS)


def plan(scene: Scene, *parts: str, people: tuple[Connection, ...] = PEOPLE, by: str = "first") -> rf.Plan:
    return rf.plan_ejections(scene.table, policy(*parts), roster_of(people), by=by, at=AT)


def undo(scene: Scene, of: rf.Plan, *parts: str, roster: rf.Roster | None = None, at: datetime = AT) -> Inverse:
    return of.inverse(scene.table, policy(*parts), roster, at=at)


def rows(inverse: Inverse) -> list[tuple[str | None, str]]:
    return [(row.participant, row.effect) for row in inverse.rows]


# --- who may come back ----------------------------------------------------------------------------------------------


def test_when_an_order_has_ended_everybody_may_come_back(scene: Scene) -> None:
    assert rows(undo(scene, plan(scene, EJECT), ENDED)) == [("li", "clear"), ("wang", "clear")]
    assert rows(undo(scene, plan(scene, HOLD), ENDED)) == [("li", "admit"), ("wang", "admit")]


def test_when_its_time_is_over_too(scene: Scene) -> None:
    inverse = undo(scene, plan(scene, EJECT), EJECT, at=AFTER)
    assert rows(inverse) == [("li", "clear"), ("wang", "clear")]
    assert (inverse.is_in_force(AT), inverse.is_in_force(AFTER), inverse.at) == (True, False, AFTER)


def test_while_it_is_in_force_it_is_left_out_all_the_same(scene: Scene) -> None:
    """That undoing needs approvals then is a matter of applying."""
    inverse = undo(scene, plan(scene, EJECT), EJECT)
    assert rows(inverse) == [("li", "clear"), ("wang", "clear")]
    assert inverse.is_in_force(AT)
    assert inverse.entry == inverse.policy.entry("first")


def test_an_order_that_is_in_the_policy_no_more(scene: Scene) -> None:
    inverse = undo(scene, plan(scene, EJECT), entry("second", meetings='["other"]'))
    assert rows(inverse) == [("li", "clear"), ("wang", "clear")]
    assert (inverse.entry, inverse.by, inverse.is_in_force(AT)) == (None, "first", False)


def test_a_rule_is_in_force_as_long_as_it_is_there(scene: Scene) -> None:
    found = plan(scene, rule("own", "deny"), by="own")
    assert undo(scene, found, rule("own", "deny")).is_in_force(AFTER)
    assert not undo(scene, found).is_in_force(AT)
    assert rows(undo(scene, found)) == [("li", "clear"), ("wang", "clear")]


def test_of_two_orders_over_a_meeting_the_other_one_still_denies(scene: Scene) -> None:
    second = entry("second", meetings='"all"')
    people = (*PEOPLE, person("wang", MAINLAND, meeting="side"))
    both = entry("first", meetings='"all"')
    found = plan(scene, both, second, people=people)
    assert len(found) == 3
    inverse = undo(scene, found, entry("first", meetings='"all"', state='"ended"'), second)
    assert (len(inverse), bool(inverse), rows(inverse), inverse.kept) == (0, False, [], {"second": 3})
    narrower = entry("second", meetings='["side"]')
    inverse = undo(scene, found, narrower)
    assert ([(row.meeting, row.effect) for row in inverse.rows], inverse.kept) == (
        [("public", "clear"), ("public", "clear")],
        {"second": 1},
    )
    # It was outstanding until now, and the inverse that is made when the last order has ended reaches all.
    inverse = undo(scene, found, ENDED, entry("second", meetings='"all"', state='"ended"'))
    assert (len(inverse), inverse.kept) == (3, {})


@pytest.mark.parametrize("other", [entry("second", join='"hold"', present='"hold"'), rule("own", "hold")])
def test_what_only_holds_at_the_door_keeps_no_ban_and_keeps_the_door(scene: Scene, other: str) -> None:
    assert rows(undo(scene, plan(scene, EJECT), ENDED, other)) == [("li", "clear"), ("wang", "clear")]
    held = undo(scene, plan(scene, HOLD), ENDED, other)
    assert (rows(held), sum(held.kept.values()), len(held.kept)) == ([], 2, 1)


def test_a_rule_that_denies_keeps(scene: Scene) -> None:
    for found in (plan(scene, EJECT), plan(scene, HOLD)):
        assert undo(scene, found, ENDED, rule("own", "deny")).kept == {"own": 2}


def test_an_order_that_only_ejects_who_is_present_denies_nobody(scene: Scene) -> None:
    second = entry("second", join='"admit"')
    assert len(undo(scene, plan(scene, EJECT), ENDED, second)) == 2


def test_a_correction_that_came_later(scene: Scene) -> None:
    second = entry("second")
    found = plan(scene, EJECT, second)
    correction = '[[correction]]\nparticipants = ["wang"]\nreason = "x"\nauthor = "x"\ndate = 2020-06-04\n'
    inverse = undo(scene, found, ENDED, second, correction)
    assert (rows(inverse), inverse.kept) == ([("wang", "clear")], {"second": 1})


def test_an_exemption_that_came_or_went(scene: Scene) -> None:
    second = entry("second", exemptions="true")
    people = (*PEOPLE, person("interpreter", MAINLAND, role="interpreter"))
    exemption = '[[exemption]]\nroles = ["interpreter"]\nreason = "x"\n'
    found = plan(scene, EJECT, second, people=people)
    inverse = undo(scene, found, ENDED, second, exemption)
    assert (rows(inverse), inverse.kept) == ([("interpreter", "clear")], {"second": 2})
    found = plan(scene, EJECT, second, exemption, people=people)
    assert len(found) == 3  # the first order excuses nobody
    assert undo(scene, found, ENDED, second).kept == {"second": 3}


def test_a_new_table(scene: Scene, tmp_path: Path) -> None:
    second = entry("second")
    found = plan(scene, EJECT, second)
    (tmp_path / "new").mkdir()
    new = Scene.of(tmp_path / "new", NETWORKS | {"1.0.7.0/24": "US"})
    assert undo(scene, found, ENDED, second).kept == {"second": 2}
    assert rows(undo(new, found, ENDED, second)) == [("li", "clear")]


def test_a_witness_that_does_not_confirm(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "witness").mkdir()
    witness = Scene.of(tmp_path / "witness", {"1.0.7.0/24": "CN", "1.0.0.0/24": "US"}).table
    found = plan(scene, EJECT)
    inverse = found.inverse(scene.table, policy(ENDED, entry("second")), at=AT, witness=witness)
    assert (rows(inverse), inverse.kept) == ([("wang", "clear")], {"second": 1})


# --- by what it is decided ------------------------------------------------------------------------------------------


def test_addresses_are_those_of_now_where_the_connection_is_there(scene: Scene) -> None:
    second = entry("second")
    found = plan(scene, EJECT, second)
    now = roster_of((person("wang", ABROAD), person("li", HONG_KONG, meeting="other"), person("new", ABROAD)))
    inverse = undo(scene, found, ENDED, second, roster=now)
    assert (rows(inverse), inverse.kept) == ([("wang", "clear")], {"second": 1})
    assert [inverse.roster.addresses(index) for index in range(2)] == [(OTHER_MAINLAND,), (ABROAD,)]


def test_all_addresses_of_now(scene: Scene) -> None:
    found = plan(scene, EJECT, entry("second"))
    now = roster_of((person("wang", MAINLAND, ABROAD, "no address"), person("li", "no address")))
    assert len(undo(scene, found, ENDED, entry("second"), roster=now)) == 2  # conflict, and nothing that is inside


def test_an_id_that_is_somebody_elses_by_now(scene: Scene) -> None:
    second = entry("second")
    found = plan(scene, EJECT, second)
    other = replace(person("wang", ABROAD), participant="other")
    assert undo(scene, found, ENDED, second, roster=roster_of((other,))).kept == {"second": 2}
    unnamed = replace(person("wang", ABROAD), participant=None)
    assert rows(undo(scene, found, ENDED, second, roster=roster_of((unnamed,)))) == [("wang", "clear")]


def test_a_roster_of_now_without_ids(scene: Scene) -> None:
    second = entry("second")
    now = rf.Roster(["wang"], [ABROAD], meetings=["public"])
    assert undo(scene, plan(scene, EJECT, second), ENDED, second, roster=now).kept == {"second": 2}


def test_a_role_of_now(scene: Scene) -> None:
    second = entry("second", exemptions="true")
    exemption = '[[exemption]]\nroles = ["interpreter"]\nreason = "x"\n'
    found = plan(scene, EJECT, second, exemption)
    now = roster_of((person("wang", MAINLAND, role="interpreter"),))
    assert rows(undo(scene, found, ENDED, second, exemption, roster=now)) == [("wang", "clear")]


def test_whose_a_meeting_is(scene: Scene) -> None:
    """The plan's roster did not say it; that of now may, by anybody who is there."""
    bare = rf.Roster(["wang", "li"], [MAINLAND, OTHER_MAINLAND], meetings=["public"] * 2, connections=["a", "b"])
    found = rf.plan_ejections(scene.table, policy(EJECT), bare, by="first", at=AT)
    own = rule("own", "deny")
    assert len(undo(scene, found, ENDED, own)) == 2
    inverse = undo(scene, found, ENDED, own, roster=roster_of((person("lind", ABROAD),)))
    assert inverse.kept == {"own": 2}


def test_what_is_left_of_a_roster_that_was_taken_apart(scene: Scene) -> None:
    """Many rows, in no order, with several addresses each."""
    people = tuple(
        person(f"p{number:03}", MAINLAND if number % 3 else ABROAD, f"1.0.9.{number % 250}", meeting=f"m{number % 7}")
        for number in reversed(range(200))
    )
    found = plan(scene, entry("first", meetings='"all"'), people=people)
    inverse = undo(scene, found, entry("second", meetings='["m3"]'))
    expected = sorted(
        (one.meeting, one.connection) for one in people if one.addresses[0] == MAINLAND and one.meeting != "m3"
    )
    assert [(row.meeting, row.connection) for row in inverse.rows] == expected
    assert inverse.kept == {"second": len(found) - len(expected)}
    assert len(inverse) == len(expected) > 100


def test_a_plan_without_ids_cannot_be_undone(scene: Scene) -> None:
    bare = rf.Roster(["wang"], [MAINLAND], meetings=["public"])
    found = rf.plan_ejections(scene.table, policy(EJECT), bare, by="first", at=AT)
    with pytest.raises(PlanRefused, match="ids of connections"):
        undo(scene, found, ENDED)


def test_an_empty_plan_has_an_empty_inverse(scene: Scene) -> None:
    inverse = undo(scene, plan(scene, EJECT, people=PEOPLE[2:]), ENDED)
    assert (len(inverse), bool(inverse), rows(inverse), inverse.kept, len(inverse.hash)) == (0, False, [], {}, 64)


def test_it_names_nobody(scene: Scene) -> None:
    inverse = undo(scene, plan(scene, EJECT), ENDED)
    for text in (repr(inverse), repr(inverse.rows), repr(list(inverse.rows)), repr(inverse.roster)):
        assert not [name for name in ("wang", "li@", MAINLAND, OTHER_MAINLAND) if name in text]


def test_a_time_without_offset_is_refused(scene: Scene) -> None:
    with pytest.raises(ValueError, match="offset"):
        undo(scene, plan(scene, EJECT), ENDED, at=AT.replace(tzinfo=None))


# --- its hash -------------------------------------------------------------------------------------------------------


def test_the_same_input_gives_the_same_hash(scene: Scene) -> None:
    found = plan(scene, EJECT)
    again = plan(scene, EJECT, people=tuple(reversed(PEOPLE)))
    assert undo(scene, found, ENDED).hash == undo(scene, again, ENDED).hash
    assert undo(scene, found, ENDED).hash == undo(scene, found, ENDED, at=AT + timedelta(milliseconds=9)).hash


def test_another_input_gives_another_hash(scene: Scene, tmp_path: Path) -> None:
    found = plan(scene, EJECT)
    (tmp_path / "new").mkdir()
    new = Scene.of(tmp_path / "new", NETWORKS | {"3.0.0.0/8": "US"})
    hashes = [
        undo(scene, found, ENDED).hash,
        undo(scene, found, ENDED, at=AT + timedelta(seconds=1)).hash,
        undo(scene, found, EJECT).hash,
        undo(new, found, ENDED).hash,
        found.inverse(scene.table, policy(ENDED), at=AT, witness=new.table).hash,
        undo(scene, found, ENDED, roster=roster_of((person("wang", ABROAD),))).hash,
        undo(scene, plan(scene, HOLD), ENDED).hash,
        undo(scene, plan(scene, EJECT, people=PEOPLE[:3]), ENDED).hash,
        undo(scene, plan(scene, entry("other"), by="other"), ENDED).hash,
        found.hash,
    ]
    assert len(set(hashes)) == len(hashes)


def test_the_hash_can_be_computed_by_others(scene: Scene) -> None:
    found = plan(scene, EJECT)
    inverse = undo(scene, found, ENDED, rule("own", "hold"))
    rows_digest = hashlib.sha256(np.array([0, 1], "<i8").tobytes() + bytes([rf.Effect.CLEAR] * 2)).hexdigest()
    covered = {
        "at": "2020-06-04T12:00:00Z",
        "by": "first",
        "policy": policy(ENDED, rule("own", "hold")).revision,
        "regions": rf.regions.DATA_VERSION,
        "roster": inverse.roster.digest,
        "rows": rows_digest,
        "semantics": SEMANTICS_VERSION,
        "table": scene.table.info.digest,
        "undoes": [found.hash],
        "witness": None,
    }
    text = json.dumps(covered, sort_keys=True, separators=(",", ":"))
    assert inverse.hash == hashlib.sha256(text.encode("ascii")).hexdigest()


# --- whatever the tables, the policy and the people -----------------------------------------------------------------


@settings(max_examples=120, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink))
@given(play=plays(least_orders=1))
def test_it_is_what_the_reference_says_of_the_door(play: Play) -> None:
    """Of what was shown only addresses count: what is none is not kept."""
    with play.scene() as scene:
        roster = roster_of(play.connections)
        for one in play.policy.entries:
            found = rf.plan_ejections(scene.table, play.policy, roster, by=one.id, at=play.at, witness=scene.witness)
            inverse = found.inverse(scene.table, play.policy, at=play.at, witness=scene.witness)
            rest = replace(
                play.policy,
                orders=tuple(order for order in play.policy.orders if order.id != one.id),
                rules=tuple(rule for rule in play.policy.rules if rule.id != one.id),
            )
            expected: dict[str | None, str] = {}
            kept: dict[str, int] = {}
            for row in found.rows:
                shown = replace(play.connections[row.index], addresses=roster.addresses(row.index) or (None,))
                door = reference.decide(scene.world, rest, shown, play.at)
                if row.effect == "eject" and door.effect != rf.Effect.DENY:
                    expected[row.connection] = "clear"
                elif row.effect == "hold" and door.effect == rf.Effect.ADMIT:
                    expected[row.connection] = "admit"
                else:
                    assert door.cause is not None
                    kept[door.cause] = kept.get(door.cause, 0) + 1
            assert {row.connection: row.effect for row in inverse.rows} == expected
            assert inverse.kept == kept
            assert len(inverse) + sum(kept.values()) == len(found)


# --- applied, and from the audit alone ------------------------------------------------------------------------------


def two_orders(first: str = "active", second: str = "active") -> str:
    other = order(id='"cn-2"', state=f'"{second}"').partition("\n")[2]
    return order(state=f'"{first}"') + other


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    made = Stage.of(tmp_path, policy=two_orders())
    made.people()
    return made


def ended(stage: Stage, *states: str) -> rf.Policy:
    return rf.Policy.from_text(two_orders(*states), deployment=stage.deployment)


def apply(stage: Stage, inverse: Inverse, *names: str) -> Any:
    return inverse.apply(
        stage.server,
        stage.deployment,
        approvals=sign(inverse, *names),
        clock=lambda: stage.now,
        sleep=stage.slept.append,
    )


def left(stage: Stage) -> int:
    """Rows that are outstanding."""
    audit = stage.deployment.audit
    assert audit is not None
    return len(outstanding(audit.directory, audit.keys, "cn-1"))


def from_audit(stage: Stage, whole: rf.Policy) -> Inverse:
    return Inverse.of_outstanding(stage.deployment, "cn-1", table(), whole, at=NOW)


def test_what_another_order_denies_remains_outstanding_until_a_later_inverse(stage: Stage) -> None:
    plan_of_all = stage.plan()
    stage.apply(plan_of_all)
    assert (len(stage.server.residues), left(stage)) == (3, 3)
    whole = ended(stage, "ended", "active")
    for inverse in (plan_of_all.inverse(table(), whole, at=NOW), from_audit(stage, whole)):
        assert (len(inverse), inverse.kept) == (0, {"cn-2": 3})
        assert apply(stage, inverse).outcomes == ()
    assert (len(stage.server.residues), left(stage)) == (3, 3)
    inverse = from_audit(stage, ended(stage, "ended", "ended"))
    assert (len(inverse), inverse.kept, inverse.of) == (3, {}, (plan_of_all.hash,))
    assert apply(stage, inverse).outcomes == (Outcome.DONE,) * 3
    assert (len(stage.server.residues), left(stage)) == (0, 0)
    assert not from_audit(stage, ended(stage, "ended", "ended"))


def test_who_was_held_is_let_in_after_a_restart_too(tmp_path: Path) -> None:
    stage = Stage.of(tmp_path, policy=order(join='"hold"', present='"hold"'))
    stage.people()
    stage.apply(stage.plan())
    assert (len(stage.server.waiting), left(stage)) == (3, 3)
    held = order(id='"cn-2"', join='"hold"').partition("\n")[2]
    over = order(join='"hold"', present='"hold"', state='"ended"')
    waiting = from_audit(stage, rf.Policy.from_text(over + held, deployment=stage.deployment))
    assert (rows(waiting), waiting.kept) == ([], {"cn-2": 3})
    inverse = from_audit(stage, rf.Policy.from_text(over, deployment=stage.deployment))
    assert [row.effect for row in inverse.rows] == ["admit"] * 3
    assert apply(stage, inverse).outcomes == (Outcome.DONE,) * 3
    assert (len(stage.server.waiting), len(stage.present()), left(stage)) == (0, 6, 0)


def test_several_plans_at_once_in_the_order_of_rows(stage: Stage) -> None:
    """The records have them in the order in which they were acted on."""
    first = stage.plan()
    stage.apply(first)
    stage.server.enter("a", f"{INSIDE}20", "lecture")
    stage.server.enter("out", "24.3.17.1", "lecture", is_host=True)
    stage.now += timedelta(minutes=1)
    second = stage.plan(at=stage.now)
    stage.apply(second)
    inverse = from_audit(stage, ended(stage, "ended", "ended"))
    assert [(row.meeting, row.connection) for row in inverse.rows] == [
        *(("lecture", "a"), ("vigil", "in-0"), ("vigil", "in-1"), ("vigil", "in-2"))
    ]
    assert set(inverse.of) == {first.hash, second.hash}
    assert apply(stage, inverse).counts == {Outcome.DONE: 4}


def test_rows_that_nobody_acted_on_are_not_asked_for(stage: Stage) -> None:
    found = stage.plan()
    del stage.server.rooms["vigil"]["in-1"]
    stage.server.change("in-2", addresses=(f"{INSIDE}77",))
    stage.apply(found)
    inverse = found.inverse(table(), ended(stage, "ended", "ended"), at=NOW)
    assert len(inverse) == 3
    applied = apply(stage, inverse)
    by_connection = dict(zip((row.connection for row in inverse.rows), applied.outcomes, strict=True))
    assert by_connection["in-0"] is Outcome.DONE
    assert [call for call in stage.server.calls if call[0] in {"clear", "admit"}] == [("clear", "vigil", ("in-0",))]
    assert set(by_connection.values()) == {Outcome.DONE, Outcome.ALREADY_GONE}
    assert left(stage) == 0


def test_an_inverse_of_nothing_that_was_done(stage: Stage) -> None:
    inverse = stage.plan().inverse(table(), ended(stage, "ended", "ended"), at=NOW)
    assert apply(stage, inverse).outcomes == (Outcome.ALREADY_GONE,) * 3
    assert not stage.server.calls


def test_applied_twice_or_by_two_inverses_it_does_nothing_twice(stage: Stage) -> None:
    found = stage.plan()
    stage.apply(found)
    over = ended(stage, "ended", "ended")
    first, second = found.inverse(table(), over, at=NOW), from_audit(stage, over)
    assert first.hash == second.hash  # the same people, evidence and policy
    assert apply(stage, first).counts == {Outcome.DONE: 3}
    for inverse in (first, second, found.inverse(table(), over, at=NOW + timedelta(hours=1))):
        assert apply(stage, inverse).counts == {Outcome.ALREADY_GONE: 3}
    assert stage.server.count("clear") == 1


def test_while_the_order_is_in_force_it_needs_approvals(stage: Stage) -> None:
    found = stage.plan()
    stage.apply(found)
    stage.policy = rf.Policy.from_text(order(), deployment=stage.deployment)
    inverse = found.inverse(table(), stage.policy, at=NOW)
    for names in ((), ("ann",), ("ann", "author")):
        with pytest.raises(PlanRefused, match="still in force"):
            apply(stage, inverse, *names)
    assert len(stage.server.residues) == 3
    assert apply(stage, inverse, "ann", "bob").is_finished
    assert not stage.server.residues


def test_no_deployment_or_audit(stage: Stage) -> None:
    inverse = stage.plan().inverse(table(), ended(stage, "ended", "ended"), at=NOW)
    with pytest.raises(PlanRefused, match="audit"):
        inverse.apply(stage.server, None)
    with pytest.raises(PlanRefused, match="audit"):
        Inverse.of_outstanding(replace(stage.deployment, audit=None), "cn-1", table(), stage.policy, at=NOW)


def test_what_was_sealed_is_what_is_asked_again(tmp_path: Path) -> None:
    """After a restart account, series and role come from the records: a rule of the owner still denies."""
    own = '[[rule]]\nid = "own"\naccount = "acme"\nseries = ["weekly"]\neffect = "deny"\nregions = ["CN"]\n'
    excused = '[[exemption]]\nroles = ["interpreter"]\nreason = "x"\n'
    stage = Stage.of(tmp_path, policy=order() + own + excused)
    stage.people()
    people = [("vigil", one) for one in stage.server.rooms["vigil"].values()]
    roster = rf.Roster(
        [one.participant for _, one in people],
        [one.addresses[0] for _, one in people],
        meetings=[meeting for meeting, _ in people],
        accounts=["acme"] * len(people),
        series=["weekly"] * len(people),
        roles=["interpreter" if one.connection == "in-2" else None for _, one in people],
        connections=[one.connection for _, one in people],
    )
    stage.apply(stage.plan(roster=roster))
    over = rf.Policy.from_text(order(state='"ended"') + own + excused, deployment=stage.deployment)
    inverse = from_audit(stage, over)
    assert ([row.connection for row in inverse.rows], inverse.kept) == (["in-2"], {"own": 2})
    assert apply(stage, inverse).outcomes == (Outcome.DONE,)
    assert left(stage) == 2
