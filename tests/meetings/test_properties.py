"""Whatever the tables, the policy and the people: what never happens, and that the fast way is the slow way."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import regionfast as rf
from meetings import reference
from meetings.reference import Connection
from meetings.scene import Scene, roster_of
from meetings.strategies import MEETINGS, NETWORKS, Play, corrections, overrides, plays, witnesses
from oracle import Oracle
from regionfast.policy import Exemption

NO_DATABASE = Oracle({})
# To explain a failure opens thousands of tables, and the time limit ends it before anything is shown.
PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
# What a database says and no policy calls `CN` or `US`: they have codes of their own.
OF_THEIR_OWN = {"CN-HK", "CN-MO", "CN-TW", "US-PR"}


def doors(scene: Scene, play: Play, connections: Sequence[Connection]) -> list[tuple[str, str | None, str]]:
    """Effect, cause and reason of each connection."""
    found = rf.decide_joins(scene.table, play.policy, roster_of(connections), at=play.at, witness=scene.witness)
    assert len(found) == len(found.effect) == len(found.cause) == len(found.reason) == len(connections)
    return [
        (str(rf.Effect(effect)), cause, str(rf.Reason(reason)))
        for effect, cause, reason in zip(found.effect.tolist(), found.cause, found.reason.tolist(), strict=True)
    ]


def planned(scene: Scene, play: Play, by: str) -> rf.Plan:
    return rf.plan_ejections(
        scene.table, play.policy, roster_of(play.connections), by=by, at=play.at, witness=scene.witness
    )


def refused_by_orders(play: Play) -> set[str]:
    """Ids of the connections that some order denies or holds at the door."""
    with play.scene() as scene:
        roster = roster_of(play.connections)
        found = rf.decide_joins(scene.table, play.policy, roster, at=play.at, witness=scene.witness)
        ids = {order.id for order in play.policy.orders}
        refused = set()
        for number, connection in enumerate(play.connections):
            matching = found.orders(number)
            assert set(matching) <= ids
            assert bool(matching) == (found.cause[number] in ids)
            if matching:
                assert found.effect[number] != rf.Effect.ADMIT
                refused.add(connection.connection)
        return refused


def ejected(play: Play, by: str) -> set[str]:
    with play.scene() as scene:
        return {play.connections[row.index].connection for row in planned(scene, play, by).rows}


# --- the fast way is the slow way -----------------------------------------------------------------------------------


def check_doors(play: Play) -> None:
    with play.scene() as scene:
        roster = roster_of(play.connections)
        found = rf.decide_joins(scene.table, play.policy, roster, at=play.at, witness=scene.witness)
        for number, connection in enumerate(play.connections):
            expected = reference.decide(scene.world, play.policy, connection, play.at)
            effect, reason = rf.Effect(int(found.effect[number])), rf.Reason(int(found.reason[number]))
            assert (effect, found.cause[number], reason) == (expected.effect, expected.cause, expected.reason), (
                connection
            )
            assert found.orders(number) == expected.orders


def check_plans(play: Play) -> None:
    with play.scene() as scene:
        for entry in play.policy.entries:
            expected = reference.plan(scene.world, play.policy, play.connections, entry.id, play.at)
            found = planned(scene, play, entry.id)
            assert {row.index: row.effect for row in found.rows} == {
                number: str(effect) for number, effect in expected.rows.items()
            }
            reasons = {number: rf.Reason(int(reason)) for number, reason in enumerate(found.reason)}
            assert {
                number: reason for number, reason in reasons.items() if reason is not rf.Reason.UNTOUCHED
            } == expected.reasons
            assert len(found) == len(found.rows) == len(expected.rows)
            assert bool(found) == bool(expected.rows)


@settings(max_examples=150, deadline=None, phases=PHASES)
@given(play=plays())
def test_doors_are_those_of_the_reference(play: Play) -> None:
    check_doors(play)


@settings(max_examples=100, deadline=None, phases=PHASES)
@given(play=plays())
def test_plans_are_those_of_the_reference(play: Play) -> None:
    check_plans(play)


@pytest.mark.long
@pytest.mark.timeout(1800)
@settings(max_examples=10_000, deadline=None, phases=PHASES)
@given(play=plays())
def test_doors_and_plans_are_those_of_the_reference_at_length(play: Play) -> None:
    check_doors(play)
    check_plans(play)


@settings(max_examples=100, deadline=None, phases=PHASES)
@given(play=plays())
def test_a_batch_is_decided_as_its_connections_one_by_one(play: Play) -> None:
    with play.scene() as scene:
        batch = doors(scene, play, play.connections)
        single = [door for connection in play.connections for door in doors(scene, play, [connection])]
        assert batch == single


@settings(max_examples=100, deadline=None, phases=PHASES)
@given(play=plays(), seed=st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(play: Play, seed: random.Random) -> None:
    row_count = sum(len(connection.addresses) for connection in play.connections)
    shuffled = list(range(row_count))
    seed.shuffle(shuffled)
    with play.scene() as scene:
        straight, mixed = roster_of(play.connections), roster_of(play.connections, shuffled)
        assert straight.digest == mixed.digest
        first = rf.decide_joins(scene.table, play.policy, straight, at=play.at, witness=scene.witness)
        second = rf.decide_joins(scene.table, play.policy, mixed, at=play.at, witness=scene.witness)
        assert straight.connections is not None
        assert mixed.connections is not None
        numbers = dict(zip(mixed.connections, range(len(mixed)), strict=True))
        order = [numbers[connection] for connection in straight.connections]
        assert first.effect.tolist() == second.effect[order].tolist()
        assert first.reason.tolist() == second.reason[order].tolist()
        assert list(first.cause) == [second.cause[number] for number in order]
        assert list(first.region) == [second.region[number] for number in order]
        for entry in play.policy.entries:
            plans = [
                rf.plan_ejections(scene.table, play.policy, roster, by=entry.id, at=play.at, witness=scene.witness)
                for roster in (straight, mixed)
            ]
            assert plans[0].hash == plans[1].hash
            rows = [
                [(row.connection, row.participant, row.meeting, row.region, row.effect) for row in plan.rows]
                for plan in plans
            ]
            assert rows[0] == rows[1]
            assert [row[2:3] + row[:1] for row in rows[0]] == sorted(row[2:3] + row[:1] for row in rows[0])


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(play=plays())
def test_the_same_input_gives_the_same_bytes(play: Play) -> None:
    made = []
    for _ in range(2):
        again = replace(play.policy)  # compiled anew: nothing is remembered
        with play.scene() as scene:
            roster = roster_of(play.connections)
            found = rf.decide_joins(scene.table, again, roster, at=play.at, witness=scene.witness)
            plans = [planned(scene, replace(play, policy=again), entry.id) for entry in again.entries]
            made.append(
                (
                    found.effect.tobytes(),
                    found.reason.tobytes(),
                    tuple(found.cause),
                    tuple(found.region),
                    found.warnings,
                    tuple(found.explain(number) for number in range(len(found))),
                    tuple(plan.hash for plan in plans),
                    tuple(plan.effect.tobytes() for plan in plans),
                    tuple(plan.preview() for plan in plans),
                )
            )
    assert made[0] == made[1]


# --- zero rows outside ----------------------------------------------------------------------------------------------


def carried(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that counts; of Python's own unwrapping."""
    address = ipaddress.ip_address(text)
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.packed[:12] == b"\x00\x64\xff\x9b" + bytes(8):
        return ipaddress.IPv4Address(address.packed[12:])
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else address)


def said(networks: dict[str, str], text: str | None) -> str | None:
    """What a database says of an address, by looking at each of its networks; `None` where it says no place."""
    if NO_DATABASE.answer(text).status != "unknown":
        return None  # not an address of the public Internet, or none at all
    assert text is not None
    address = carried(text)
    around = [
        network
        for network in map(ipaddress.ip_network, networks)
        if address.version == network.version and address in network
    ]
    if not around:
        return None
    code = networks[str(max(around, key=lambda network: network.prefixlen))]
    return None if code == "ZZ" else code


def is_of(code: str, country: str) -> bool:
    return code not in OF_THEIR_OWN and (code == country or code.startswith(f"{country}-"))


def only_country(play: Play, country: str) -> Play:
    """The same where every order is about one country."""
    return replace(
        play,
        policy=replace(
            play.policy,
            orders=tuple(
                replace(order, territory=country, regions=(country,), jurisdiction=None) for order in play.policy.orders
            ),
        ),
    )


@settings(max_examples=100, deadline=None, phases=PHASES)
@given(play=plays(least_orders=1), country=st.sampled_from(["CN", "US"]))
def test_zero_rows_outside_by_the_networks_of_the_database(play: Play, country: str) -> None:
    play = only_country(play, country)
    with play.scene() as scene:
        found = rf.decide_joins(
            scene.table, play.policy, roster_of(play.connections), at=play.at, witness=scene.witness
        )
        touched = {number for number in range(len(play.connections)) if found.orders(number)}
        for order in play.policy.orders:
            touched |= {row.index for row in planned(scene, play, order.id).rows}
    for number in touched:
        codes = [said(play.networks, address) for address in play.connections[number].addresses]
        assert any(code is not None and is_of(code, country) for code in codes)
        assert all(code is None or is_of(code, country) for code in codes)


@settings(max_examples=150, deadline=None, phases=PHASES)
@given(play=plays(least_orders=1), country=st.sampled_from(["CN", "US"]))
def test_nobody_inside_gives_an_empty_plan(play: Play, country: str) -> None:
    play = only_country(play, country)
    outside = tuple(
        connection
        for connection in play.connections
        if not any(
            code is not None and is_of(code, country)
            for code in (said(play.networks, address) for address in connection.addresses)
        )
    )
    play = replace(play, connections=outside)
    assert refused_by_orders(play) == set()
    with play.scene() as scene:
        for order in play.policy.orders:
            plan = planned(scene, play, order.id)
            assert not plan
            assert list(plan.rows) == []
            assert plan.preview().affected == 0


@settings(max_examples=100, deadline=None, phases=PHASES)
@given(play=plays())
def test_a_rule_touches_nobody_but_in_its_owners_meetings(play: Play) -> None:
    with play.scene() as scene:
        found = rf.decide_joins(
            scene.table, play.policy, roster_of(play.connections), at=play.at, witness=scene.witness
        )
        accounts = {rule.id: rule.account for rule in play.policy.rules}
        for connection, cause in zip(play.connections, found.cause, strict=True):
            if cause in accounts:
                assert connection.account == accounts[cause]
        for rule in play.policy.rules:
            for row in planned(scene, play, rule.id).rows:
                assert play.connections[row.index].account == rule.account


# --- more evidence only shrinks -------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None, phases=PHASES)
@given(play=plays(least_orders=1), more=overrides)
def test_overrides_never_enlarge_whom_an_order_reaches(play: Play, more: dict[str, str]) -> None:
    play = replace(play, overrides={})
    overridden = replace(play, overrides=more)
    assert refused_by_orders(overridden) <= refused_by_orders(play)
    for order in play.policy.orders:
        assert ejected(overridden, order.id) <= ejected(play, order.id)


STATES = ("US", "US-CA", "US-NY")


@settings(max_examples=150, deadline=None, phases=PHASES)
@given(
    play=plays(least_orders=1),
    networks=st.dictionaries(st.sampled_from(NETWORKS), st.sampled_from(STATES), min_size=2, max_size=5),
    more=st.dictionaries(st.sampled_from(NETWORKS), st.sampled_from(STATES), min_size=1, max_size=3),
)
def test_overrides_never_take_anybody_out_of_an_exemption(
    play: Play, networks: dict[str, str], more: dict[str, str]
) -> None:
    # Everybody is in the country of the order, and those in one state are exempt: what random plays seldom are.
    orders = tuple(
        replace(order, territory="US", regions=("US",), jurisdiction=None, exemptions=True)
        for order in play.policy.orders
    )
    exemption = Exemption(meetings=MEETINGS, regions=("US-CA",), reason="drawn")
    policy = replace(play.policy, orders=orders, exemptions=(exemption,), corrections=())
    play = replace(play, networks=networks, overrides={}, witness=None, policy=policy)
    overridden = replace(play, overrides=more)
    assert refused_by_orders(overridden) <= refused_by_orders(play)
    for order in orders:
        assert ejected(overridden, order.id) <= ejected(play, order.id)
    check_doors(overridden)


@settings(max_examples=100, deadline=None, phases=PHASES)
@given(play=plays(least_orders=1), more=st.lists(corrections(), min_size=1, max_size=2))
def test_corrections_never_enlarge_whom_an_order_reaches(play: Play, more: list[rf.policy.Correction]) -> None:
    corrected = replace(play, policy=replace(play.policy, corrections=(*play.policy.corrections, *more)))
    assert refused_by_orders(corrected) <= refused_by_orders(play)
    for order in play.policy.orders:
        assert ejected(corrected, order.id) <= ejected(play, order.id)


@settings(max_examples=100, deadline=None, phases=PHASES)
@given(play=plays(), data=st.data())
def test_a_witness_never_enlarges_whom_anything_reaches(play: Play, data: st.DataObject) -> None:
    witnessed = replace(play, witness=data.draw(witnesses(play.networks)))
    play = replace(play, witness=None)
    assert refused_by_orders(witnessed) <= refused_by_orders(play)
    for entry in play.policy.entries:
        assert ejected(witnessed, entry.id) <= ejected(play, entry.id)


@settings(max_examples=60, deadline=None, phases=PHASES)
@given(play=plays(least_orders=1))
def test_one_more_unlocated_address_changes_nothing_for_an_order(play: Play) -> None:
    more = replace(
        play,
        connections=tuple(
            replace(connection, addresses=(*connection.addresses, None, "x")) for connection in play.connections
        ),
    )
    # A correction of a participant speaks of all addresses, so these would count as corrected; they are anyway.
    assert refused_by_orders(more) == refused_by_orders(play)
