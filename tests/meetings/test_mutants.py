"""Evaluators that are broken on purpose, each in one way: the checker must refuse every one of them.

Three kinds. *Readers* get slots from a table as no table gives them; *laws* misread what an order says; *files* are
evaluated with another policy than the one that is checked, as after a mistake in parsing, compiling or caching. All
run the package's own evaluator, on people whom only the mistake reaches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pytest

import regionfast as rf
from meetings.reference import Connection
from meetings.scene import Scene, roster_of
from regionfast import regions
from regionfast.meetings import Decisions, Plan, TextColumn, check_joins, check_plan
from regionfast.policy import Correction, Defaults, Order, Policy, Rule, Scope, State
from regionfast.regions import RegionSet

AT = datetime(2020, 6, 4, 12, tzinfo=UTC)
DAY = timedelta(days=1)
NETWORKS = {
    "1.0.0.0/8": "CN",
    "1.1.0.0/16": "CN-HK",
    "2.0.0.0/8": "US",
    "3.0.0.0/16": "GB",
    "3.1.0.0/16": "DE",
    "4.0.0.0/16": "A1",
    "5.0.0.0/16": "UA",
    "5.1.0.0/16": "UA-43",
    "5.2.0.0/16": "UA-30",
    "2400::/16": "CN",
    "2401::/16": "HK",
}
OVERRIDES = {"9.0.0.0/16": "CN", "2.9.0.0/16": "CN", "1.9.0.0/16": "HK", "1.8.0.0/16": "relay", "1.7.0.0/16": "ZZ"}
WITNESS = {"1.0.0.0/8": "CN", "1.6.0.0/16": "HK", "1.5.0.0/16": "ZZ"}

Slots: TypeAlias = npt.NDArray[np.uint16]
Reader: TypeAlias = Callable[[rf.Roster, rf.Table, Slots], Slots]
Law: TypeAlias = Callable[[RegionSet, Order, datetime], RegionSet]


def order(**changes: object) -> Order:
    made = Order(
        id="order",
        issuer="authority",
        state=State.ACTIVE,
        territory="CN",
        regions=("CN",),
        scope=Scope(meetings=("public",)),
        start=AT - DAY,
        end=AT + DAY,
        join=rf.Effect.DENY,
        present=rf.Effect.EJECT,
        spared=regions.contested_places(),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def rule(**changes: object) -> Rule:
    made = Rule(id="rule", account="acme", effect="deny", regions=("US",), present=rf.Effect.EJECT)
    return replace(made, **changes)  # type: ignore[arg-type]


def policy(*entries: Order | Rule, corrections: tuple[Correction, ...] = ()) -> Policy:
    hold = rf.Effect.HOLD
    return Policy(
        orders=tuple(entry for entry in entries if isinstance(entry, Order)),
        rules=tuple(entry for entry in entries if isinstance(entry, Rule)),
        corrections=corrections,
        defaults=Defaults(
            unknown=hold, private=hold, reserved=hold, invalid=hold, missing=hold, relay=hold, conflict=hold
        ),
    )


def person(*addresses: str | None, meeting: str = "public", account: str | None = None, name: str = "u") -> Connection:
    return Connection(
        participant=name, addresses=addresses, meeting=meeting, connection=f"{meeting}-{addresses}", account=account
    )


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene.of(tmp_path, NETWORKS, OVERRIDES, WITNESS)


@contextmanager
def reading(change: Reader) -> Iterator[None]:
    """Let rosters get other slots than the table's."""
    lookup = rf.Roster.lookup

    def broken(self: rf.Roster, table: rf.Table) -> Slots:
        return change(self, table, lookup(self, table).copy())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rf.Roster, "lookup", broken)
        yield


@contextmanager
def law(change: Law) -> Iterator[None]:
    """Let orders reach other places; `change` gets the right ones, the order and the time."""
    right = Order.places
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Order, "places", lambda self, at: change(right(self, at), self, at))
        yield


def slot(table: rf.Table, code: str) -> int:
    """A slot of a region, as the database says it where it does."""
    return next(number for number, region in enumerate(table.regions) if region is not None and str(region) == code)


def status_is_inside(status: rf.Status) -> Reader:
    return lambda _, table, slots: np.where(slots == status, slot(table, "CN"), slots).astype(np.uint16)


def elsewhere_is_nothing(_: rf.Roster, table: rf.Table, slots: Slots) -> Slots:
    places = [number for number, region in enumerate(table.regions) if region is not None and region.country != "CN"]
    return np.where(np.isin(slots, places), rf.Status.UNKNOWN, slots).astype(np.uint16)


def relay_is_nothing(_: rf.Roster, _table: rf.Table, slots: Slots) -> Slots:
    return np.where(slots == rf.Status.RELAY, rf.Status.UNKNOWN, slots).astype(np.uint16)


def override_counts_as_database(roster: rf.Roster, table: rf.Table, slots: Slots) -> Slots:
    """Both tables say `CN` where the overrides do."""
    return wherever(lambda code: code == "CN", roster, table, slots)


def override_that_takes_out_is_ignored(roster: rf.Roster, table: rf.Table, slots: Slots) -> Slots:
    """Both tables say `CN` where the overrides say something else."""
    return wherever(lambda code: code != "CN", roster, table, slots)


def wherever(overridden: Callable[[str], bool], roster: rf.Roster, table: rf.Table, slots: Slots) -> Slots:
    for network in (ip_network(text) for text, code in OVERRIDES.items() if overridden(code)):
        mask, first = np.uint32(int(network.netmask)), int(network.network_address)
        slots[(roster.families == 4) & (roster.v4 & mask == first)] = slot(table, "CN")
    return slots


def off_by_one(roster: rf.Roster, table: rf.Table, slots: Slots) -> Slots:
    """Ranges are taken to reach one address further."""
    before = table.lookup_many(roster.v4 - np.uint32(1)).slots
    return np.where(roster.families == 4, before, slots).astype(np.uint16)


def off_by_one_at_the_start(roster: rf.Roster, table: rf.Table, slots: Slots) -> Slots:
    """Ranges are taken to start one address earlier."""
    after = table.lookup_many(roster.v4 + np.uint32(1)).slots
    return np.where(roster.families == 4, after, slots).astype(np.uint16)


def rows_shifted(_: rf.Roster, _table: rf.Table, slots: Slots) -> Slots:
    return np.roll(slots, 1)


def nested_regions_are_the_country(_: rf.Roster, table: rf.Table, slots: Slots) -> Slots:
    return np.where(slots == slot(table, "HK"), slot(table, "CN"), slots).astype(np.uint16)


def teredo_client_is_not_inverted(roster: rf.Roster, table: rf.Table, slots: Slots) -> Slots:
    teredo = (roster.v6[:, :4] == np.array([0x20, 0x01, 0, 0], np.uint8)).all(1)
    plain = np.ascontiguousarray(roster.v6[:, 12:]).view(">u4")[:, 0].astype(np.uint32)
    slots[roster.v6_rows[teredo]] = table.lookup_many(plain).slots[teredo]
    return slots


READERS: dict[str, tuple[Reader, tuple[Connection, ...]]] = {
    "unknown counts as inside": (status_is_inside(rf.Status.UNKNOWN), (person("8.0.0.1"),)),
    "private counts as inside": (status_is_inside(rf.Status.PRIVATE), (person("10.0.0.1"),)),
    "reserved counts as inside": (status_is_inside(rf.Status.RESERVED), (person("192.0.2.1"),)),
    "invalid counts as inside": (status_is_inside(rf.Status.INVALID), (person("x"),)),
    "missing counts as inside": (status_is_inside(rf.Status.MISSING), (person(None),)),
    "a relay counts as inside": (status_is_inside(rf.Status.RELAY), (person("4.0.0.1"),)),
    "relay is ignored": (relay_is_nothing, (person("1.0.0.1", "4.0.0.1"),)),
    "conflict is ignored": (elsewhere_is_nothing, (person("1.0.0.1", "2.0.0.1"),)),
    "override puts an unknown address in": (override_counts_as_database, (person("9.0.0.1"),)),
    "override puts an address of elsewhere in": (override_counts_as_database, (person("2.9.0.1"),)),
    "override to another region is ignored": (override_that_takes_out_is_ignored, (person("1.9.0.1"),)),
    "override to a relay is ignored": (override_that_takes_out_is_ignored, (person("1.8.0.1"),)),
    "override to nowhere is ignored": (override_that_takes_out_is_ignored, (person("1.7.0.1"),)),
    "override of one of two addresses is ignored": (
        override_that_takes_out_is_ignored,
        (person("1.0.0.1", "1.9.0.1"),),
    ),
    "off by one at the end of a range": (off_by_one, (person("2.0.0.0"),)),
    "off by one at the start of a range": (off_by_one_at_the_start, (person("0.255.255.255"),)),
    "off by one at the start of a nested range": (off_by_one, (person("1.1.0.0"),)),
    "rows shifted by one": (rows_shifted, (person("1.0.0.1", name="inside"), person("2.0.0.1", name="outside"))),
    "Hong Kong is read as the country that it is nested in": (nested_regions_are_the_country, (person("1.1.0.1"),)),
    "Hong Kong by IPv6 is read as the country": (nested_regions_are_the_country, (person("2401::1"),)),
    "a Teredo address is not inverted": (teredo_client_is_not_inverted, (person("2001::100:1"),)),
}

LAWS: dict[str, tuple[Law, Order, Connection]] = {
    "CN holds HK": (lambda reach, _of, _at: reach | RegionSet(["HK"]), order(), person("1.1.0.1")),
    "CN holds HK that lies in IPv6": (
        lambda reach, _of, _at: reach | RegionSet(["HK"]),
        order(),
        person("2401::1"),
    ),
    "contested place included": (
        lambda _reach, of, at: regions.expand(of.regions, at),
        order(territory="UA", regions=("UA",)),
        person("5.1.0.1"),
    ),
    "a country with a contested place included whole": (
        lambda _reach, of, at: regions.expand(of.regions, at),
        order(territory="UA", regions=("UA",)),
        person("5.0.0.1"),
    ),
    "the territory is forgotten": (
        lambda _reach, of, at: regions.expand(of.regions, at),
        order(territory="CN", regions=("CN", "US")),
        person("2.0.0.1"),
    ),
    "the jurisdiction is forgotten": (
        lambda _reach, of, at: regions.expand(of.regions, at),
        order(territory="UA", regions=("UA",), jurisdiction=("UA-30",)),
        person("5.0.0.1"),
    ),
    "a group has no dates": (
        lambda reach, _of, _at: reach | RegionSet(["GB"]),
        order(territory="EU", regions=("EU",)),
        person("3.0.0.1"),
    ),
    "the world is inside": (lambda _reach, _of, _at: RegionSet(["CN", "US"]), order(), person("2.0.0.1")),
}

CORRECTION = Correction(reason="moved", author="ops-1", dated=date(2020, 6, 2))
CORRECTED_NETWORK = replace(CORRECTION, networks=(ip_network("1.0.0.0/24"),))

# What is evaluated, what the file says, and a person whom only the first reaches.
FILES: dict[str, tuple[Policy, Policy, Connection]] = {
    "correction of a network is forgotten": (
        policy(order()),
        policy(order(), corrections=(CORRECTED_NETWORK,)),
        person("1.0.0.1"),
    ),
    "correction of one of two addresses is forgotten": (
        policy(order()),
        policy(order(), corrections=(CORRECTED_NETWORK,)),
        person("1.2.0.1", "1.0.0.1"),
    ),
    "correction is not applied to wrapped addresses": (
        policy(order()),
        policy(order(), corrections=(CORRECTED_NETWORK,)),
        person("::ffff:1.0.0.1"),
    ),
    "correction of IPv6 is forgotten": (
        policy(order()),
        policy(order(), corrections=(replace(CORRECTION, networks=(ip_network("2400:1::/32"),)),)),
        person("2400:1::1"),
    ),
    "correction of the whole Internet is forgotten": (
        policy(order()),
        policy(order(), corrections=(replace(CORRECTION, networks=(ip_network("::/0"),)),)),
        person("2400:1::1"),
    ),
    "correction of a participant is forgotten": (
        policy(order()),
        policy(order(), corrections=(replace(CORRECTION, participants=("u",)),)),
        person("1.0.0.1"),
    ),
    "correction into the territory puts somebody in": (
        policy(order()),
        policy(order(), corrections=(replace(CORRECTED_NETWORK, region="CN"),)),
        person("1.0.0.1"),
    ),
    "order acts on another meeting": (
        policy(order(scope=Scope(everywhere=True))),
        policy(order()),
        person("1.0.0.1", meeting="other"),
    ),
    "order acts on a meeting of the account's name": (
        policy(order(scope=Scope(meetings=("acme",)))),
        policy(order(scope=Scope(accounts=("acme",)))),
        person("1.0.0.1", meeting="acme", account="else"),
    ),
    "order acts on a meeting without an account": (
        policy(order(scope=Scope(everywhere=True))),
        policy(order(scope=Scope(accounts=("acme",)))),
        person("1.0.0.1"),
    ),
    "rule acts on another account": (
        policy(rule(account="else")),
        policy(rule()),
        person("2.0.0.1", account="else"),
    ),
    "rule acts on a meeting that it does not list": (
        policy(rule()),
        policy(rule(meetings=("listed",))),
        person("2.0.0.1", account="acme"),
    ),
    "order acts after its end": (policy(order()), policy(order(end=AT)), person("1.0.0.1")),
    "order acts before its beginning": (
        policy(order()),
        policy(order(start=AT + timedelta(seconds=1))),
        person("1.0.0.1"),
    ),
    **{
        f"{state} order acts": (policy(order()), policy(order(state=state)), person("1.0.0.1"))
        for state in State
        if state is not State.ACTIVE
    },
    "door effect stricter than the order's": (
        policy(order(join=rf.Effect.DENY)),
        policy(order(join=rf.Effect.HOLD, present=rf.Effect.HOLD)),
        person("1.0.0.1"),
    ),
    "order that admits denies": (
        policy(order()),
        policy(order(join=rf.Effect.ADMIT, present=rf.Effect.KEEP)),
        person("1.0.0.1"),
    ),
    "order that keeps ejects": (
        policy(order()),
        policy(order(join=rf.Effect.HOLD, present=rf.Effect.KEEP)),
        person("1.0.0.1"),
    ),
    "rule that holds denies": (
        policy(rule()),
        policy(rule(effect="hold", present=rf.Effect.HOLD)),
        person("2.0.0.1", account="acme"),
    ),
    "order of another region": (
        policy(order(territory="US", regions=("US",))),
        policy(order()),
        person("2.0.0.1"),
    ),
    "an entry that the policy has not": (
        policy(order(id="stale")),
        policy(order()),
        person("1.0.0.1"),
    ),
    "an order under the name of a rule": (
        policy(replace(order(territory="US", regions=("US",), scope=Scope(everywhere=True)), id="rule")),
        policy(rule()),
        person("2.0.0.1", account="else"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """What an evaluator claims, as far as the checker reads it."""

    table: rf.Table
    witness: rf.Table | None = None
    policy: Policy
    roster: rf.Roster
    at: datetime
    effect: npt.NDArray[np.uint8]
    cause: TextColumn
    by: str

    def check_as_decisions(self) -> int:
        return check_joins(cast("Decisions", self))

    def check_as_plan(self) -> int:
        return check_plan(cast("Plan", self))


def claims(scene: Scene, people: Policy, roster: rf.Roster) -> tuple[Claimed, Claimed]:
    """What the package decides at the door and plans by the first entry."""
    found = rf.decide_joins(scene.table, people, roster, at=AT)
    plan = rf.plan_ejections(scene.table, people, roster, by=people.entries[0].id, at=AT)
    at_door = Claimed(
        table=scene.table, policy=people, roster=roster, at=AT, effect=found.effect, cause=found.cause, by=plan.by
    )
    return at_door, replace(at_door, effect=plan.effect)


# --- what is right passes -------------------------------------------------------------------------------------------

INSIDE = (
    *(person(address, name=f"inside {address}") for address in ("1.0.0.0", "1.255.255.255", "1.0.255.255", "1.2.0.0")),
    *(person(address, name=f"inside {address}") for address in ("2400::", "2400:ffff::1", "2400::1%eth0")),
    *(person(address, name=f"wrapped {address}") for address in ("::ffff:1.0.0.1", "2002:100:1::1", "64:ff9b::100:1")),
    person("2001::feff:fffe", name="Teredo"),
    person("1.0.0.1", "9.9.9.9", "10.0.0.1", "x", None, name="several"),
)
OTHERS = tuple(other for _, others in READERS.values() for other in others if other.participant != "inside")


def test_the_unbroken_evaluator_passes(scene: Scene) -> None:
    right = policy(order(), rule())
    at_door, inside = claims(scene, right, roster_of((*INSIDE, *OTHERS)))
    assert at_door.check_as_decisions() == len(INSIDE)
    assert inside.check_as_plan() == len(INSIDE)


def test_the_unbroken_evaluator_passes_for_all_people_of_all_mutants(scene: Scene) -> None:
    people = [*(person for _, _, person in FILES.values()), *(person for _, _, person in LAWS.values())]
    for _, true, _ in FILES.values():
        for person in people:
            for claimed, check in zip(
                claims(scene, true, roster_of([person])),
                (Claimed.check_as_decisions, Claimed.check_as_plan),
                strict=True,
            ):
                check(claimed)


# --- what is broken does not ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", READERS)
def test_a_broken_reader_is_refused(scene: Scene, name: str) -> None:
    change, people = READERS[name]
    whole = policy(order())
    assert reached(scene, whole, people) <= {"inside"}
    with reading(change):
        assert_refused_everywhere(scene, whole, people)


@pytest.mark.parametrize("name", LAWS)
def test_a_broken_law_is_refused(scene: Scene, name: str) -> None:
    change, broken, somebody = LAWS[name]
    whole = policy(broken)
    # Another revision of the same, since what was compiled of a policy is kept.
    assert reached(scene, policy(replace(broken, reference="before")), [somebody]) == set()
    with law(change):
        assert_refused_everywhere(scene, whole, [somebody])


def reached(scene: Scene, whole: Policy, people: Sequence[Connection]) -> set[str | None]:
    """Who is rightly touched, at the door or inside."""
    roster = roster_of(people)
    found = rf.decide_joins(scene.table, whole, roster, at=AT)
    plan = rf.plan_ejections(scene.table, whole, roster, by=whole.entries[0].id, at=AT)
    at_door = np.flatnonzero(found.effect != rf.Effect.ADMIT).tolist()
    return {roster.participants[number] for number in (*at_door, *(row.index for row in plan.rows))}


def assert_refused_everywhere(scene: Scene, whole: Policy, people: Sequence[Connection]) -> None:
    """The functions themselves must raise: nobody has to remember to call the checker."""
    roster = roster_of(people)
    with pytest.raises(rf.PlanRefused):
        rf.decide_joins(scene.table, whole, roster, at=AT)
    with pytest.raises(rf.PlanRefused):
        rf.plan_ejections(scene.table, whole, roster, by=whole.entries[0].id, at=AT)


@pytest.mark.parametrize("name", FILES)
def test_decisions_of_another_policy_are_refused(scene: Scene, name: str) -> None:
    evaluated, true, somebody = FILES[name]
    at_door, inside = claims(scene, evaluated, roster_of([somebody]))
    assert at_door.effect.tolist() == [rf.Effect.DENY]
    assert inside.effect.tolist() == [rf.Effect.EJECT]
    at_door.check_as_decisions()  # right by the policy that was evaluated
    inside.check_as_plan()
    with pytest.raises(rf.PlanRefused):
        replace(at_door, policy=true).check_as_decisions()
    with pytest.raises(rf.PlanRefused):
        replace(inside, policy=true).check_as_plan()


@pytest.mark.parametrize("address", ["1.6.0.1", "1.5.0.1", "2400::1"])
def test_decisions_that_forget_the_witness_are_refused(scene: Scene, address: str) -> None:
    at_door, inside = claims(scene, policy(order()), roster_of([person(address)]))
    for claimed, check in ((at_door, Claimed.check_as_decisions), (inside, Claimed.check_as_plan)):
        assert check(claimed) == 1
        with pytest.raises(rf.PlanRefused):
            check(replace(claimed, witness=scene.witness))


def test_decisions_that_the_witness_confirms_pass(scene: Scene) -> None:
    at_door, inside = claims(scene, policy(order()), roster_of([person("1.0.0.1")]))
    assert replace(at_door, witness=scene.witness).check_as_decisions() == 1
    assert replace(inside, witness=scene.witness).check_as_plan() == 1


def test_results_that_moved_by_one_row_are_refused(scene: Scene) -> None:
    roster = roster_of([person("1.0.0.1"), person("2.0.0.1"), person("1.0.0.2")])
    at_door, inside = claims(scene, policy(order()), roster)
    for claimed, check in ((at_door, Claimed.check_as_decisions), (inside, Claimed.check_as_plan)):
        assert check(claimed) == 2
        with pytest.raises(rf.PlanRefused, match="connection 1 "):
            check(replace(claimed, effect=np.roll(claimed.effect, 1), cause=claimed.cause[np.array([2, 0, 1])]))


def test_a_result_that_is_too_short_is_refused(scene: Scene) -> None:
    at_door, inside = claims(scene, policy(order()), roster_of([person("1.0.0.1"), person("1.0.0.2")]))
    with pytest.raises(rf.PlanRefused):
        replace(at_door, effect=at_door.effect[:1], cause=at_door.cause[:1]).check_as_decisions()
    with pytest.raises(rf.PlanRefused):
        replace(inside, effect=inside.effect[:1]).check_as_plan()


def test_a_refusal_of_nobodys_making_is_refused(scene: Scene) -> None:
    at_door, _ = claims(scene, policy(order()), roster_of([person("1.0.0.1"), person("2.0.0.1")]))
    assert at_door.cause[1] is None
    with pytest.raises(rf.PlanRefused):
        replace(at_door, effect=np.array([rf.Effect.DENY, rf.Effect.DENY], np.uint8)).check_as_decisions()


def test_the_message_names_nobody(scene: Scene) -> None:
    with reading(status_is_inside(rf.Status.UNKNOWN)), pytest.raises(rf.PlanRefused) as caught:
        rf.decide_joins(scene.table, policy(order()), roster_of([person("8.0.0.1", name="somebody")]), at=AT)
    assert "somebody" not in str(caught.value)
    assert "8.0.0" not in str(caught.value)
    assert "connection 0" in str(caught.value)
