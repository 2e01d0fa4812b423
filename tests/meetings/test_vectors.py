"""The cases of `decisions.toml`, by the reference and by the package."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest

import regionfast as rf
from meetings import reference
from meetings.reference import Connection
from meetings.scene import Scene, roster_of

VECTORS = Path(__file__).parent.parent / "vectors" / "decisions.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One connection and what happens to it."""

    name: str
    connection: Connection
    door: tuple[str, str, str]
    plan: tuple[str, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Cases that show one thing."""

    shows: str
    policy: rf.Policy
    by: str | None
    at: datetime
    networks: dict[str, str]
    overrides: dict[str, str]
    witness: dict[str, str] | None
    cases: tuple[Case, ...]


KNOWN_OF_GROUP = {"shows", "policy", "by", "at", "overrides", "witness", "case"}
KNOWN_OF_CASE = {"name", "addresses", "meeting", "account", "series", "participant", "role", "door", "plan"}


def read() -> list[Group]:
    """The groups of the file; a key that nobody knows fails, since its case would show nothing."""
    document = tomllib.loads(VECTORS.read_text(encoding="utf-8"))
    groups = []
    for row in document["group"]:
        assert row.keys() <= KNOWN_OF_GROUP, row.keys() - KNOWN_OF_GROUP
        cases = []
        for number, case in enumerate(row["case"]):
            assert case.keys() <= KNOWN_OF_CASE, case.keys() - KNOWN_OF_CASE
            connection = Connection(
                participant=case.get("participant"),
                addresses=tuple(address or None for address in case["addresses"]),
                # Each case has a meeting of its own kind; a meeting has one account, so cases are decided apart.
                meeting=case.get("meeting", "public"),
                connection=f"c-{number}",
                account=case.get("account"),
                series=case.get("series"),
                role=case.get("role"),
            )
            effect, cause, reason = case["door"]
            plan = tuple(case["plan"]) if "plan" in case else None
            cases.append(
                Case(name=case["name"], connection=connection, door=(effect, cause, reason), plan=plan),
            )
        groups.append(
            Group(
                shows=row["shows"],
                policy=rf.Policy.from_text(document["policies"][row["policy"]], source=row["policy"]),
                by=row.get("by"),
                at=row.get("at", document["at"]),
                networks=document["networks"],
                overrides=row.get("overrides", {}),
                witness=row.get("witness"),
                cases=tuple(cases),
            )
        )
    return groups


GROUPS = read()
BY_GROUP = pytest.mark.parametrize("group", GROUPS, ids=lambda group: group.shows.replace(" ", "-"))


def test_the_file_shows_something_of_everything() -> None:
    cases = [case for group in GROUPS for case in group.cases]
    assert len(cases) >= 60
    assert len({group.shows for group in GROUPS}) == len(GROUPS)
    for group in GROUPS:
        assert len({case.name for case in group.cases}) == len(group.cases), group.shows
        assert group.by is not None or all(case.plan is None for case in group.cases), group.shows
    assert {case.door[0] for case in cases} == {"admit", "hold", "deny"}
    assert {case.door[2] for case in cases} == {str(reason) for reason in rf.Reason}
    assert {case.plan[0] for case in cases if case.plan} == {"keep", "hold", "eject"}


@BY_GROUP
def test_reference(group: Group, tmp_path: Path) -> None:
    world = Scene.of(tmp_path, group.networks, group.overrides, group.witness).world
    for case in group.cases:
        found = reference.decide(world, group.policy, case.connection, group.at)
        assert (str(found.effect), found.cause or "", str(found.reason)) == case.door, case.name
        if case.plan is not None:
            assert group.by is not None
            plan = reference.plan(world, group.policy, [case.connection], group.by, group.at)
            assert (str(plan.rows.get(0, rf.Effect.KEEP)), str(plan.reasons[0])) == case.plan, case.name


@BY_GROUP
def test_package(group: Group, tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, group.networks, group.overrides, group.witness)
    for case in group.cases:
        roster = roster_of([case.connection])
        found = rf.decide_joins(scene.table, group.policy, roster, at=group.at, witness=scene.witness)
        assert len(found) == 1
        door = (str(rf.Effect(found.effect[0])), found.cause[0] or "", str(rf.Reason(found.reason[0])))
        assert door == case.door, case.name
        if case.plan is not None:
            assert group.by is not None
            plan = rf.plan_ejections(scene.table, group.policy, roster, by=group.by, at=group.at, witness=scene.witness)
            effect, reason = (plan.rows[0].effect if plan else "keep"), str(rf.Reason(plan.reason[0]))
            assert (effect, reason) == case.plan, case.name


@BY_GROUP
def test_package_all_cases_of_a_group_at_once(group: Group, tmp_path: Path) -> None:
    # What one meeting cannot be, two meetings are: cases whose meeting has another account or series go apart.
    scene = Scene.of(tmp_path, group.networks, group.overrides, group.witness)
    batches: dict[int, list[Case]] = {}
    for case in group.cases:
        connection = case.connection
        for number in range(len(group.cases)):
            others = batches.setdefault(number, [])
            if all(
                (other.connection.account, other.connection.series) == (connection.account, connection.series)
                for other in others
                if other.connection.meeting == connection.meeting
            ):
                others.append(case)
                break
    assert sum(map(len, batches.values())) == len(group.cases)
    for cases in batches.values():
        if not cases:
            continue
        roster = roster_of([case.connection for case in cases])
        found = rf.decide_joins(scene.table, group.policy, roster, at=group.at, witness=scene.witness)
        doors = [
            (str(rf.Effect(effect)), cause or "", str(rf.Reason(reason)))
            for effect, cause, reason in zip(found.effect, found.cause, found.reason, strict=True)
        ]
        assert doors == [case.door for case in cases]
