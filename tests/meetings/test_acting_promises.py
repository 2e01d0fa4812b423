"""The promises of the design about acting, 1 and 9 to 12: each test is named after the sentence that it holds us to."""

from __future__ import annotations

import dataclasses
import inspect
import json
import logging
import subprocess
import sys
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import regionfast as rf
from meetings import test_promises
from meetings.model import ACCOUNT, ENTRIES, MEETINGS, START, policy_text
from meetings.model_operator import KEYS, approve, deployment, table
from meetings.model_server import Event, Person, Server
from regionfast.errors import AuditError, PlanRefused
from regionfast.meetings.act import Applied, approval, control, notice
from regionfast.meetings.act.approval import Approval
from regionfast.meetings.act.control import MeetingControl, Outcome
from regionfast.meetings.audit import receipt
from regionfast.meetings.audit.erase import erase
from regionfast.meetings.audit.reconcile import reconcile
from regionfast.meetings.audit.verify import verify
from regionfast.meetings.monitor import Monitor
from regionfast.policy.deployment import Deployment

VIGIL, LECTURE = MEETINGS
MAINLAND, OTHER_MAINLAND, HONG_KONG, CALIFORNIA = "36.20.9.77", "36.20.9.78", "14.0.128.5", "24.3.17.9"
ACTIVE = {entry.id: "active" for entry in ENTRIES}
ENDED = {entry.id: "ended" for entry in ENTRIES}


@dataclass
class Scene:
    """A server, an operator, and the policy of the model."""

    server: Server
    deployment: Deployment
    policy: rf.Policy
    audit: Path
    keys: Path
    removed: list[Event]

    @classmethod
    def of(cls, folder: Path, *, limits: str = "[limits]\npeople = 1000\nshare = 1\n") -> Scene:
        removed: list[Event] = []
        operator = deployment(folder / "audit", folder / "keys", limits=limits)
        return cls(
            server=Server(removed.append),
            deployment=operator,
            policy=rf.Policy.from_text(policy_text(ACTIVE), deployment=operator),
            audit=folder / "audit",
            keys=folder / "keys",
            removed=removed,
        )

    def people(self, *people: tuple[str, str], meeting: str = VIGIL, may_host: bool = True) -> None:
        """The first of a meeting is its host."""
        for name, address in people:
            person = Person(f"connection-{name}-{meeting[8:]}", f"person-{name}", (address,), may_host=may_host)
            self.server.enter(meeting, person)

    def roster(self) -> rf.Roster:
        there = [(name, person) for name, room in self.server.meetings.items() for person in room.present.values()]
        return rf.Roster(
            [person.participant for _, person in there],
            [person.addresses[0] for _, person in there],
            meetings=[name for name, _ in there],
            accounts=[ACCOUNT] * len(there),
            roles=["host" if person.is_host else None for _, person in there],
            connections=[person.connection for _, person in there],
        )

    def plan(self, by: str = "cn-eject") -> rf.Plan:
        return rf.plan_ejections(table(), self.policy, self.roster(), by=by, at=START)

    def apply(self, plan: rf.Plan, approvals: Sequence[Approval] | None = None) -> Any:
        given = approve(plan, START + timedelta(days=1)) if approvals is None else approvals
        return plan.apply(
            self.server, self.deployment, approvals=given, clock=lambda: START, sleep=lambda _seconds: None
        )

    def present(self, meeting: str = VIGIL) -> list[str]:
        return [person.participant[7:] for person in self.server.meetings[meeting].present.values()]

    def at_rest(self) -> Iterator[tuple[str, bytes]]:
        """All files that acting wrote, but for the keys."""
        for path in self.audit.rglob("*"):
            if path.is_file():
                yield path.name, path.read_bytes()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.of(tmp_path)


CROWD = (("host", CALIFORNIA), ("wang", MAINLAND), ("lind", CALIFORNIA), ("chan", HONG_KONG))


# --- 1. One connection ----------------------------------------------------------------------------------------------


def test_promise_1_no_type_field_or_command_of_acting_ends_a_meeting_or_suspends_a_host() -> None:
    from regionfast.cli import audit, plan

    methods = {name for name in vars(MeetingControl) if not name.startswith("_")}
    assert methods == {"present", "handover", "eject", "hold", "admit", "clear"}
    for name in ("eject", "hold"):  # the unit of action is one connection
        (asked,) = list(inspect.signature(getattr(MeetingControl, name)).parameters.values())[2:]
        assert "Sequence[Removal]" in str(asked.annotation)
    assert {field.name for field in dataclasses.fields(control.Removal)} == {
        *("connection", "participant", "addresses", "notice", "receipt", "key")
    }
    names = {*methods, *plan.command.commands, *audit.command.commands}
    kinds = [Applied, *(kind for module in (control, notice, approval, receipt) for kind in vars(module).values())]
    for kind in kinds:
        if isinstance(kind, type) and kind.__module__.startswith("regionfast"):
            names |= {attribute for attribute in dir(kind) if not attribute.startswith("_")}
    assert {"outcomes", "apply", "verify", "region"} <= names  # what is looked through holds what it should
    forbidden = ("end_meeting", "close_meeting", "terminate", "suspend", "shutdown", "kick")
    names.remove("WOULD_END_MEETING")  # says that nothing was done, for that reason
    assert [name for name in names for word in forbidden if word in name.lower()] == []


def test_promise_1_before_a_last_host_leaves_the_role_is_handed_over(scene: Scene) -> None:
    scene.people(("wang", MAINLAND), ("lind", CALIFORNIA))
    applied = scene.apply(scene.plan())
    assert applied.outcomes == (Outcome.DONE,)
    assert applied.handovers == 1
    assert scene.present() == ["lind"]
    assert scene.server.meetings[VIGIL].present["connection-lind-vigil"].is_host
    assert scene.server.ended_by_us == []


@pytest.mark.parametrize("who_stays", [(), (("lind", CALIFORNIA),)], ids=["nobody stays", "nobody may be host"])
def test_promise_1_or_the_row_is_refused(scene: Scene, who_stays: tuple[tuple[str, str], ...]) -> None:
    scene.people(("wang", MAINLAND), ("sato", OTHER_MAINLAND), *who_stays, may_host=False)
    applied = scene.apply(scene.plan())
    assert sorted(applied.outcomes) == [Outcome.DONE, Outcome.WOULD_END_MEETING]
    assert "wang" in scene.present()  # the host
    assert scene.server.ended_by_us == []


# --- 9. One batch, one table ----------------------------------------------------------------------------------------


def test_promise_9_no_new_table_ejects_anybody_a_new_table_yields_a_plan_to_look_at(
    scene: Scene, tmp_path: Path
) -> None:
    moved = tmp_path / "moved.csv"
    moved.write_text("24.0.0.0/8,CN\n", "utf-8")
    monitor = Monitor(table(), scene.policy, clock=lambda: START)
    for name, address in CROWD[2:]:
        decision = monitor.join(f"connection-{name}", f"person-{name}", [address], meeting=VIGIL, account="other")
        assert decision.effect == (rf.Effect.DENY if name == "chan" else rf.Effect.ADMIT)
    changes = monitor.update(table=rf.open(moved, built_at=START - timedelta(days=1)))
    assert [plan.by for plan in changes.plans] == ["cn-eject", "cn-hold"]
    assert [[row.participant for row in plan.rows] for plan in changes.plans] == [["person-lind"]] * 2
    assert len(monitor.roster()) == 1  # still there


def test_promise_9_no_failure_ejects_anybody_and_it_says_since_when(scene: Scene, tmp_path: Path) -> None:
    path = tmp_path / "networks.csv"
    path.write_text("36.0.0.0/8,CN\n", "utf-8")
    monitor = Monitor(rf.Reloader(path), scene.policy, clock=lambda: START)
    assert monitor.join("connection-1", "person-lind", [CALIFORNIA], meeting=VIGIL).effect == rf.Effect.ADMIT
    path.write_text("24.0.0.0/8,China\n", "utf-8")
    changes = monitor.reload()
    assert not (changes and changes.plans)
    assert monitor.failed_since is not None
    assert len(monitor.roster()) == 1
    assert monitor.join("connection-2", "person-wang", [MAINLAND], meeting=VIGIL).effect == rf.Effect.DENY


# --- 10. Planning acts on nothing -----------------------------------------------------------------------------------


def test_promise_10_planning_acts_on_nothing(scene: Scene) -> None:
    scene.people(*CROWD)
    plan = scene.plan()
    assert len(plan) == 1
    assert (plan.preview().affected, len(plan.hash), bool(plan.explain(0))) == (1, 64, True)
    assert scene.present() == ["host", "wang", "lind", "chan"]
    assert not scene.audit.exists()
    assert not scene.keys.exists()


def test_promise_10_acting_is_a_separate_step() -> None:
    """What plans does not even load what acts, nor what it needs."""
    program = (
        "import regionfast as rf, regionfast.meetings, sys\n"
        "from datetime import datetime, UTC\n"
        "roster = rf.Roster(['u'], ['8.8.8.8'], meetings=['m'])\n"
        'text = \'version = 1\\n[[order]]\\nid = "a"\\nissuer = "b"\\nstate = "active"\\nterritory = "US"\\n\'\n'
        'text += \'regions = ["US"]\\nmeetings = "all"\\nfrom = 2026-11-01T00:00:00Z\\n\'\n'
        'text += \'until = 2026-12-01T00:00:00Z\\njoin = "deny"\\npresent = "eject"\\n\'\n'
        "at = datetime(2026, 11, 24, tzinfo=UTC)\n"
        "plan = rf.plan_ejections(rf.open(), rf.Policy.from_text(text), roster, by='a', at=at)\n"
        "plan.hash, plan.preview(), plan.explain(0)\n"
        "print(len(plan), *sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert ran[0] == "1"
    assert not [
        name
        for name in ran
        if name.startswith(("regionfast.meetings.act", "regionfast.meetings.audit", "cryptography", "filelock"))
    ]


def test_promise_10_records_know_nothing_of_plans_and_acting() -> None:
    package = Path(rf.__file__).parent / "meetings"
    sources = {path: path.read_text("utf-8") for path in (package / "audit").glob("*.py")}
    assert any("regionfast.pseudonym" in text for text in sources.values())
    for path, text in sources.items():
        for part in ("act", "plan", "saved", "inverse", "monitor", "decide"):
            assert f"regionfast.meetings.{part}" not in text, path.name


def test_promise_10_bound_to_the_plans_hash(scene: Scene) -> None:
    scene.people(*CROWD)
    plan = scene.plan()
    scene.people(("sato", OTHER_MAINLAND))
    another = scene.plan()
    assert plan.hash != another.hash
    with pytest.raises(PlanRefused, match="is for another plan"):
        scene.apply(another, approve(plan, START + timedelta(days=1)))
    assert "wang" in scene.present()


def test_promise_10_bound_to_the_present_roster(scene: Scene) -> None:
    scene.people(*CROWD, ("sato", OTHER_MAINLAND), ("perez", MAINLAND))
    plan = scene.plan()
    scene.server.leave(VIGIL, "connection-wang-vigil")
    scene.server.meetings[VIGIL].present["connection-sato-vigil"].addresses = (CALIFORNIA,)
    applied = scene.apply(plan)
    outcomes = {row.participant: outcome for row, outcome in zip(plan.rows, applied.outcomes, strict=True)}
    assert outcomes == {
        "person-wang": Outcome.ALREADY_GONE,
        "person-sato": Outcome.STALE,
        "person-perez": Outcome.DONE,
    }
    assert [event.person.participant for event in scene.removed] == ["person-perez"]


@pytest.mark.parametrize(
    ("inside", "outside", "what"), [(101, 900, "101 connections, more than 100"), (2, 5, "more than 25%")]
)
def test_promise_10_a_cap_that_is_on_by_default(tmp_path: Path, inside: int, outside: int, what: str) -> None:
    scene = Scene.of(tmp_path, limits="")
    scene.people(*[(f"outside-{number}", CALIFORNIA) for number in range(outside)])
    scene.people(*[(f"inside-{number}", MAINLAND) for number in range(inside)])
    with pytest.raises(PlanRefused, match=what):
        scene.apply(scene.plan())
    assert not scene.removed
    assert len(scene.present()) == inside + outside


@pytest.mark.parametrize("signed", [[], [0], [0, 0]])
def test_promise_10_approvals_are_on_by_default(scene: Scene, signed: list[int]) -> None:
    scene.people(*CROWD)
    plan = scene.plan()
    assert Deployment().approvals_needed == 2
    both = approve(plan, START + timedelta(days=1))
    with pytest.raises(PlanRefused, match="approv"):
        scene.apply(plan, [both[number] for number in signed])
    assert not scene.removed


# --- 11. Reversible -------------------------------------------------------------------------------------------------


def test_promise_11_when_an_order_ends_everybody_regains_the_right_to_rejoin_and_every_residue_is_cleared(
    scene: Scene,
) -> None:
    scene.people(*CROWD)
    scene.people(("lind", CALIFORNIA), ("okoro", MAINLAND), meeting=LECTURE)
    plans = [scene.plan("cn-eject"), scene.plan("cn-hold"), scene.plan("hk-eject")]
    applied = [scene.apply(plan) for plan in plans]
    assert [list(one.outcomes) for one in applied] == [["done"], ["done", "already-gone"], ["done"]]
    assert len(scene.server.bans) == 2
    assert len(scene.server.meetings[LECTURE].waiting) == 1
    before = verify(scene.audit).chains[0].records
    over = rf.Policy.from_text(policy_text(ENDED), deployment=scene.deployment)
    for plan in plans:
        inverse = plan.inverse(table(), over, at=START)
        assert inverse.apply(scene.server, scene.deployment, clock=lambda: START).is_finished
    assert scene.server.bans == {}
    assert not scene.server.meetings[LECTURE].waiting
    assert scene.present(LECTURE) == ["lind", "okoro"]
    everybody = rf.decide_joins(table(), over, plans[0].roster, at=START)
    assert not everybody.effect.any()
    # The audit record stays.
    after = verify(scene.audit)
    assert after.is_sound
    assert after.chains[0].records > before


def test_promise_11_what_another_order_still_denies_stays_denied(scene: Scene) -> None:
    scene.people(*CROWD)
    plan = scene.plan("hk-eject")
    scene.apply(plan)
    text = policy_text(ENDED).replace('state = "ended"', 'state = "active"', 1)  # that of the mainland
    other = text.replace('territory = "CN"\nregions = ["CN"]', 'territory = "HK"\nregions = ["HK"]', 1)
    still = rf.Policy.from_text(other.replace("authority-cn", "authority-hk", 1), deployment=scene.deployment)
    inverse = plan.inverse(table(), still, at=START)
    assert not inverse
    inverse.apply(scene.server, scene.deployment, clock=lambda: START)
    assert len(scene.server.bans) == 1


# --- 12. Nothing that names people at rest --------------------------------------------------------------------------

NAMES = ("person-", "connection-", "ban-of-server", MAINLAND, CALIFORNIA, HONG_KONG, *MEETINGS)


def test_promise_12_no_raw_address_or_participant_in_a_log_repr_error_or_audit_record(
    scene: Scene, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    scene.people(*CROWD)
    plan = scene.plan()
    saved = plan.save(tmp_path / "plan.json", scene.deployment)
    with pytest.raises(PlanRefused) as refused:
        scene.apply(plan, [])
    scene.server.faults = ["", "lost after"]
    applied = scene.apply(plan)
    inverse = plan.inverse(table(), scene.policy, at=START)
    shown = [
        *map(
            repr, (plan, plan.rows, plan.rows[0], saved, applied, inverse, scene.removed[0].removal, scene.deployment)
        ),
        *map(repr, approve(plan, START + timedelta(days=1))),
        *map(repr, applied.receipts.values()),
        *map(str, refused.value.reasons),
        caplog.text,
        *capfd.readouterr(),
        (tmp_path / "plan.json").read_text("utf-8"),
    ]
    for text in shown:
        for name in ("person-", "connection-", MAINLAND, CALIFORNIA):
            assert name not in text
    at_rest = dict(scene.at_rest())
    assert "act.jsonl" in at_rest
    for content in at_rest.values():
        for name in NAMES:
            assert name.encode() not in content


@pytest.mark.parametrize("limits", ["[limits]\nshare = 0.1\n", "[limits]\npeople = 1\n"])
def test_promise_12_a_refusal_at_rest_names_no_meeting_either(tmp_path: Path, limits: str) -> None:
    scene = Scene.of(tmp_path, limits=limits)
    scene.people(*CROWD, ("sato", OTHER_MAINLAND))
    with pytest.raises(PlanRefused):
        scene.apply(scene.plan())
    at_rest = dict(scene.at_rest())
    assert b'"refused"' in at_rest["act.jsonl"]
    for content in at_rest.values():
        for name in NAMES:
            assert name.encode() not in content


def test_promise_12_pseudonyms_are_keyed_per_order_and_meeting(scene: Scene) -> None:
    """The same connection id, participant and address in two meetings, under two orders."""
    for meeting in MEETINGS:
        scene.people(("host", CALIFORNIA), meeting=meeting)
        person = Person("connection-same", "person-wang", (MAINLAND,))
        scene.server.enter(meeting, person)
    scene.apply(scene.plan("cn-hold"))
    for room in scene.server.meetings.values():
        for name, (person, _) in room.waiting.items():
            room.present[name] = person  # the owner lets them in
        room.waiting.clear()
    scene.apply(scene.plan("cn-eject"))
    lines = [json.loads(line) for line in (scene.audit / "act.jsonl").read_bytes().splitlines()]
    intents = [line for line in lines if line["kind"] == "intent"]
    assert len(intents) == 3
    for what in ("scope", "connection", "commitment"):
        assert len({line[what] for line in intents}) == 3


def test_promise_12_and_the_key_can_be_destroyed(scene: Scene) -> None:
    scene.people(*CROWD)
    plan = scene.plan()
    applied = scene.apply(plan)
    with pytest.raises(AuditError):
        erase(scene.audit, scene.keys, by="cn-eject", reason="too early")
    over = rf.Policy.from_text(policy_text(ENDED), deployment=scene.deployment)
    plan.inverse(table(), over, at=START).apply(scene.server, scene.deployment, clock=lambda: START)
    before = {path.name: path.read_bytes() for path in scene.keys.glob("*.key") if path.name != "index.key"}
    assert before
    erase(scene.audit, scene.keys, by="cn-eject", reason="the time to contest is over")
    left = b"".join(path.read_bytes() for path in scene.keys.iterdir())
    for name, key in before.items():
        assert not (scene.keys / name).exists()
        assert key not in left
    assert verify(scene.audit).is_sound
    opened = receipt.open_receipt(scene.audit, applied.receipts[0])  # his own row, and after the key is gone
    assert (opened.by, opened.outcome) == ("cn-eject", "done")


def test_promise_12_through_regionfast_one_person_alone_cannot_act(scene: Scene) -> None:
    scene.people(*CROWD)
    plan = scene.plan()
    twice = [
        Approval.sign(plan, KEYS[0], approver=name, expires=START + timedelta(days=1))
        for name in ("legal-0", "legal-1")
    ]
    with pytest.raises(PlanRefused):
        scene.apply(plan, twice)
    assert not scene.removed


def test_promise_12_around_it_he_leaves_a_trace_that_audit_reconcile_finds(scene: Scene, tmp_path: Path) -> None:
    scene.people(*CROWD)
    scene.apply(scene.plan())
    path = tmp_path / "server.jsonl"
    lines = [json.loads(line) for line in (scene.audit / "act.jsonl").read_bytes().splitlines()]
    stamps = [line["at"] for line in lines if line["kind"] == "intent"]
    ejected = [
        {"time": stamps[0], "meeting": VIGIL, "connection": "connection-wang-vigil", "event": "ejected"},
        {"time": stamps[0], "meeting": VIGIL, "connection": "connection-lind-vigil", "event": "ejected"},
        {"time": stamps[0], "meeting": LECTURE, "connection": "connection-wang-vigil", "event": "ejected"},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in ejected), "utf-8")
    found = reconcile(scene.audit, scene.keys, path)
    assert list(found.unexplained) == [2, 3]
    assert found.explained == 1
    assert "person-" not in repr(found)
    assert "connection-" not in repr(found)


def test_every_promise_from_1_to_12_has_a_test() -> None:
    here = [name for name, thing in globals().items() if isinstance(thing, types.FunctionType)]
    there = [name for name, thing in vars(test_promises).items() if isinstance(thing, types.FunctionType)]
    found = {int(name.split("_")[2]) for name in [*here, *there] if name.startswith("test_promise_")}
    assert found == set(range(1, 13))
