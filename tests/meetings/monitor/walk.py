"""The monitor and a plain dict, taken through the same steps."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import regionfast as rf
from meetings.monitor.watch import Clock
from meetings.reference import Connection
from meetings.scene import Scene, roster_of
from meetings.strategies import LEAVES, Play
from regionfast.meetings import check_plan
from regionfast.meetings.monitor import Changes, Monitor
from regionfast.policy import Order, Policy, State

Key = tuple[str, str]
Reached = dict[str, dict[Key, str]]
PARTS = ("orders", "rules", "corrections", "exemptions", "defaults", "groups")
OF_ORDERS = (
    ("territory", "regions", "jurisdiction", "spared"),
    ("scope",),
    ("present",),
    ("join",),
    ("exemptions",),
    ("state",),
    ("start", "end"),
)
OF_RULES = ("account", "effect", "regions", "meetings", "series", "present")


class Model:
    """What the monitor promises, as slowly as it can be done."""

    def __init__(self, table: rf.Table, witness: rf.Table | None, policy: Policy, at: datetime) -> None:
        self.present: dict[Key, Connection] = {}
        self.fresh: set[Key] = set()
        self.state = (table, witness, policy, at)

    def join(self, connection: Connection, at: datetime, effect: int) -> None:
        key = (connection.meeting, connection.connection)
        self.present.pop(key, None)
        self.fresh.discard(key)
        if effect == rf.Effect.ADMIT:
            self.present[key] = connection
            # Whoever joins is decided by what is in force then; should that be something else than at the last
            # changes, nothing that was found out then is true of him.
            if _in_force(self.state, at) != _in_force(self.state, self.state[3]):
                self.fresh.add(key)

    def enter(self, connection: Connection) -> None:
        self.present[connection.meeting, connection.connection] = connection
        self.fresh.add((connection.meeting, connection.connection))

    def leave(self, key: Key) -> bool:
        self.fresh.discard(key)
        return self.present.pop(key, None) is not None

    def reached(self) -> Reached:
        """By order or rule whom it reaches of all who are present: everybody decided again."""
        table, witness, policy, at = self.state
        roster = roster_of(list(self.present.values()))
        found: Reached = {}
        for entry in policy.entries:
            plan = rf.plan_ejections(table, policy, roster, by=entry.id, at=at, witness=witness)
            rows = {(row.meeting, row.connection or ""): row.effect for row in plan.rows}
            if _acts(entry, at):
                found[entry.id] = rows
            else:
                assert not rows
        return found

    def move(self, state: tuple[rf.Table, rf.Table | None, Policy, datetime]) -> tuple[Reached, tuple[str, ...]]:
        """Whom each order or rule newly reaches in another state, and what ended."""
        before = self.reached()
        self.state = state
        after = self.reached()
        newly: Reached = {}
        for name, rows in after.items():
            known = before.get(name, {})
            new = {key: effect for key, effect in rows.items() if key in self.fresh or known.get(key) != effect}
            if new:
                newly[name] = new
        self.fresh.clear()
        return newly, tuple(name for name in before if name not in after)


def _acts(entry: object, at: datetime) -> bool:
    if isinstance(entry, Order) and not (entry.state is State.ACTIVE and entry.since <= at < entry.end):
        return False
    return entry.present is not rf.Effect.KEEP  # type: ignore[attr-defined]


def _in_force(state: tuple[rf.Table, rf.Table | None, Policy, datetime], at: datetime) -> object:
    """What of a policy acts at a moment: orders by their dates, and groups, of which `EU` changes in these tests."""
    return [order.id for order in state[2].orders if order.is_in_force(at)], at < LEAVES


def assert_same(changes: Changes, expected: tuple[Reached, tuple[str, ...]], policy: Policy) -> None:
    newly, ended = expected
    found = {plan.by: {(row.meeting, row.connection or ""): row.effect for row in plan.rows} for plan in changes.plans}
    assert found == newly
    assert changes.ended == ended
    assert bool(changes) == bool(newly)
    order = [entry.id for entry in policy.entries]
    assert [plan.by for plan in changes.plans] == sorted(found, key=order.index)
    for plan in changes.plans:
        assert check_plan(plan) == len(plan) == len(newly[plan.by])
        assert plan.policy is policy
        assert set(plan.roster.meetings.values) == {meeting for meeting, _ in newly[plan.by]}


class Walk:
    """A monitor and its model, taken through the same steps."""

    def __init__(self, scenes: Sequence[Scene], play: Play, given: Sequence[Policy], seed: int) -> None:
        self.random = random.Random(seed)
        self.scenes = scenes
        self.policies = (play.policy, *given)
        self.pool = play.connections
        self.clock = Clock(play.at - timedelta(days=1))
        scene = scenes[0]
        self.monitor = Monitor(scene.table, play.policy, witness=scene.witness, clock=self.clock)
        self.model = Model(scene.table, scene.witness, play.policy, self.clock.at)

    def run(self, steps: int) -> None:
        doings: list[Callable[[], None]] = [
            *[self.join] * 6,
            *[self.leave, self.change] * 2,
            *[self.joins, self.enter, self.leaves, self.update, self.update, self.changes],
        ]
        for _ in range(steps):
            self.random.choice(doings)()
            if self.random.random() < 0.2:
                self.clock.at += timedelta(seconds=self.random.choice([0.4, 1, 1, 2, 40_000, 86_400]))
            assert len(self.monitor) == len(self.model.present)
            assert self.monitor.roster().digest == roster_of(list(self.model.present.values())).digest
        for key, connection in self.model.present.items():
            assert key in self.monitor
            meeting = self.monitor.roster(connection.meeting)
            assert connection.connection in set(meeting.connections or ())
            assert set(meeting.meetings) == {connection.meeting}

    def some(self, count: int) -> list[Connection]:
        """Connections of the pool, some under the id and with the addresses of another."""
        chosen = []
        for connection in self.random.sample(self.pool, min(count, len(self.pool))):
            named, placed = (
                self.random.choice(self.pool) if self.random.random() < 0.3 else connection for _ in range(2)
            )
            chosen.append(replace(connection, connection=named.connection, addresses=placed.addresses))
        return list({(one.meeting, one.connection): one for one in chosen}.values())

    def decided(self, connections: Sequence[Connection], at: datetime) -> rf.Decisions:
        table, witness, policy, _ = self.model.state
        return rf.decide_joins(table, policy, roster_of(connections), at=at, witness=witness)

    def join(self) -> None:
        for connection in self.some(1):
            found = self.monitor.join(
                connection.connection,
                connection.participant,
                connection.addresses if self.random.random() < 0.5 else list(connection.addresses),
                meeting=connection.meeting,
                account=connection.account,
                series=connection.series,
                role=connection.role,
            )
            expected = self.decided([connection], self.clock.at)
            assert (found.effect, found.cause, found.reason, found.region) == (
                expected.effect[0],
                expected.cause[0],
                expected.reason[0],
                expected.region[0],
            )
            assert found.explain() == expected.explain(0)
            self.model.join(connection, self.clock.at, int(found.effect))

    def joins(self) -> None:
        connections = self.some(6)
        found = self.monitor.joins(roster_of(connections))
        expected = self.decided(connections, self.clock.at)
        assert (found.effect.tolist(), list(found.cause)) == (expected.effect.tolist(), list(expected.cause))
        for connection, effect in zip(connections, found.effect.tolist(), strict=True):
            self.model.join(connection, self.clock.at, effect)

    def enter(self) -> None:
        connections = self.some(4)
        self.monitor.enter(roster_of(connections))
        for connection in connections:
            self.model.enter(connection)

    def leave(self) -> None:
        for connection in self.some(1):
            key = (connection.meeting, connection.connection)
            assert self.monitor.leave(*key) == self.model.leave(key)

    def leaves(self) -> None:
        keys = [(connection.meeting, connection.connection) for connection in self.some(4)]
        gone = self.monitor.leaves([meeting for meeting, _ in keys], [connection for _, connection in keys])
        assert gone == sum(self.model.leave(key) for key in keys)

    def change(self) -> None:
        for connection in self.some(1):
            key = (connection.meeting, connection.connection)
            there = self.model.present.get(key)
            if there is None:
                with pytest.raises(rf.RosterError, match="not present"):
                    self.monitor.change(*key, connection.addresses)
                continue
            there = replace(there, addresses=connection.addresses)
            found = self.monitor.change(*key, connection.addresses)
            assert found.effect == self.decided([there], self.clock.at).effect[0]
            self.model.enter(there)

    def changes(self) -> None:
        self.moved(self.monitor.changes())

    def update(self) -> None:
        table, witness, policy, _ = self.model.state
        what = self.random.choice(["policy", "policy", "table", "both", "witness"])
        if what in {"policy", "both"}:
            policy = self.other_policy(policy)
        if what in {"table", "both"}:
            table = self.random.choice(self.scenes).table
        if what == "witness":
            witness = self.random.choice([scene.witness for scene in self.scenes]) or witness
        given = {"policy": policy, "table": table, "witness": witness}
        self.moved(self.monitor.update(**{what: given[what]} if what != "both" else given), table, witness, policy)  # type: ignore[arg-type]

    def other_policy(self, policy: Policy) -> Policy:
        """Another one, or the same with something taken from another."""
        drawn, other = self.random, self.random.choice(self.policies)
        part = drawn.choice(["all", "order", "order", "order", "rule", "rule", *PARTS])
        if part == "order" and policy.orders and other.orders:
            place, taken = drawn.randrange(len(policy.orders)), drawn.choice(other.orders)
            names = drawn.choice(OF_ORDERS)
            changed = replace(policy.orders[place], **{name: getattr(taken, name) for name in names})
            return replace(policy, orders=(*policy.orders[:place], changed, *policy.orders[place + 1 :]))
        if part == "rule" and policy.rules and other.rules:
            place, taken_rule = drawn.randrange(len(policy.rules)), drawn.choice(other.rules)
            name = drawn.choice(OF_RULES)
            rule = replace(policy.rules[place], **{name: getattr(taken_rule, name)})
            return replace(policy, rules=(*policy.rules[:place], rule, *policy.rules[place + 1 :]))
        return replace(policy, **{part: getattr(other, part)}) if part in PARTS else other

    def moved(
        self,
        changes: Changes,
        table: rf.Table | None = None,
        witness: rf.Table | None = None,
        policy: Policy | None = None,
    ) -> None:
        old = self.model.state
        state = (table or old[0], witness or old[1], policy or old[2], changes.at)
        assert changes.at == self.clock.at.replace(microsecond=0)
        assert_same(changes, self.model.move(state), state[2])


def scenes_of(plays_: Sequence[Play], folder: Path) -> Iterator[Scene]:
    for number, play in enumerate(plays_):
        (folder / str(number)).mkdir()
        yield Scene.of(folder / str(number), play.networks, play.overrides, play.witness)
