"""The monitor against a plain dict and against everybody decided again: what it holds, answers and plans."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import regionfast as rf
from meetings.monitor.walk import Walk, scenes_of
from meetings.reference import Connection
from meetings.strategies import LEAVES, Play, plays, policies, rosters
from regionfast import regions
from regionfast.policy import Correction, Defaults, Exemption, Order, Policy, Rule, Scope, State
from regionfast.policy.model import NOT_LOCATED

PHASES = (Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink)
NETWORKS = ("1.0.0.0/8", "1.0.0.0/16", "2.0.0.0/8", "3.0.0.0/8", "2400::/12")
ADDRESSES = ("1.0.0.1", "1.1.0.1", "2.0.0.1", "3.0.0.1", "2400::1", "::ffff:1.0.0.1", "10.0.0.1", None, "x")
PLACES = ("CN", "CN", "US", "GB", "DE")
LISTED = [ip_network(text) for text in ("1.0.0.0/24", "2.0.0.0/8", "2400::/16")]


@settings(max_examples=20, deadline=None, phases=PHASES)
@given(play=plays(), others=st.lists(plays(), min_size=2, max_size=2), data=st.data(), seed=st.integers(0, 1 << 32))
def test_held_answered_and_planned_as_by_a_dict(play: Play, others: list[Play], data: st.DataObject, seed: int) -> None:
    near = (*play.networks, *play.overrides, *others[0].networks)
    play = replace(play, connections=data.draw(rosters(near)))
    # One more without a witness, so that the way of a single slot is taken too.
    scenes = [play, replace(others[0], networks=play.networks | others[0].networks), replace(play, witness=None)]
    given = [other.policy for other in others] + [data.draw(policies(tuple(play.networks.values()), least_orders=2))]
    with TemporaryDirectory() as folder:
        Walk(list(scenes_of(scenes, Path(folder))), play, given, seed).run(30)


def busy_world(drawn: random.Random) -> dict[str, str]:
    return {network: drawn.choice(PLACES) for network in NETWORKS}


def busy_policy(drawn: random.Random) -> Policy:
    """Orders and rules that mostly act, about the few places, people and meetings that there are."""

    def some(*names: str) -> tuple[str, ...]:
        return tuple(drawn.sample(names, 1)) if drawn.random() < 0.4 else ()

    def order(number: int) -> Order:
        territory = drawn.choice(["CN", "CN", "EU", "US"])
        everywhere = drawn.random() < 0.5
        named = {} if everywhere else {"meetings": some("m1", "m2"), "series": some("s1"), "accounts": some("a1")}
        start = LEAVES + timedelta(seconds=drawn.choice([-(10**6), -(10**6), -1, 0, 2]))
        return Order(
            id=f"order-{number}",
            issuer="authority",
            state=State.ENDED if drawn.random() < 0.1 else State.ACTIVE,
            territory=territory,
            regions=(territory,),
            scope=Scope(everywhere=everywhere, **named),
            start=start,
            end=start + timedelta(seconds=drawn.choice([10**6 + 1, 10**6 + 3, 10**7])),
            join=drawn.choice([rf.Effect.DENY, rf.Effect.HOLD, rf.Effect.ADMIT]),
            present=drawn.choice([rf.Effect.EJECT, rf.Effect.EJECT, rf.Effect.HOLD, rf.Effect.KEEP]),
            exemptions=drawn.random() < 0.5,
            spared=regions.contested_places(),
        )

    def rule(number: int) -> Rule:
        return Rule(
            id=f"rule-{number}",
            account=drawn.choice(["a1", "a2"]),
            effect=drawn.choice(["deny", "hold", "allow-only"]),
            regions=(drawn.choice(["CN", "US", "EU", "own"]),),
            meetings=some("m1", "m2"),
            series=some("s1"),
            present=drawn.choice([rf.Effect.EJECT, rf.Effect.EJECT, rf.Effect.HOLD, rf.Effect.KEEP]),
        )

    def excused(number: int) -> Exemption:
        lists = {
            "participants": ("u1",),
            "roles": ("host",),
            "meetings": ("m2",),
            "series": ("s1",),
            "accounts": ("a1",),
        }
        name = drawn.choice([*lists, "networks"])
        networks = (drawn.choice(LISTED),) if name == "networks" else ()
        named = {name: lists[name]} if name in lists else {}
        return Exemption(networks=networks, regions=some("CN", "US"), reason=f"drawn {number}", **named)

    def corrected() -> Correction:
        by_name = drawn.random() < 0.5
        return Correction(
            networks=() if by_name else (drawn.choice(LISTED),),
            participants=("u2",) if by_name else (),
            region=drawn.choice([None, "CN", "US"]),
            reason="drawn",
            author="drawn",
            dated=LEAVES.date(),
        )

    waits = Defaults(**dict.fromkeys(NOT_LOCATED, drawn.choice([rf.Effect.ADMIT, rf.Effect.HOLD, rf.Effect.DENY])))
    return Policy(
        orders=tuple(order(number) for number in range(drawn.randint(0, 3))),
        rules=tuple(rule(number) for number in range(drawn.randint(0, 2))),
        corrections=tuple(corrected() for _ in range(drawn.choice([0, 0, 1]))),
        exemptions=tuple(excused(number) for number in range(drawn.choice([0, 0, 1]))),
        defaults=waits,
        groups={"own": (drawn.choice(["CN", "US"]),)},
    )


def busy_connections(drawn: random.Random) -> tuple[Connection, ...]:
    of = {"m1": ("a1", None), "m2": ("a2", "s1"), "m3": ("a1", "s1")}
    return tuple(
        Connection(
            participant=drawn.choice(["u1", "u2", "u3", "u4", None]),
            addresses=tuple(drawn.choice(ADDRESSES) for _ in range(drawn.choice([1, 1, 1, 2, 3]))),
            meeting=meeting,
            connection=f"c{number}",
            account=of[meeting][0],
            series=of[meeting][1],
            role=drawn.choice(["host", None, None]),
        )
        for number in range(25)
        for meeting in [drawn.choice(list(of))]
    )


@pytest.mark.parametrize("seed", [0, 1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 12))])
def test_all_the_same_in_a_small_world(seed: int, tmp_path: Path) -> None:
    for number in range(15):
        drawn = random.Random(seed * 1000 + number)
        world = busy_world(drawn)
        play = Play(
            networks=world,
            overrides=drawn.choice([{}, {}, {"1.0.0.0/16": "US"}]),
            witness=drawn.choice([None, None, world | {"2.0.0.0/8": drawn.choice(PLACES)}]),
            policy=busy_policy(drawn),
            connections=busy_connections(drawn),
            at=LEAVES + timedelta(seconds=86_400 + drawn.choice([-3, -1, 0])),
        )
        others = [
            replace(
                play,
                networks=world | {drawn.choice(NETWORKS): drawn.choice(PLACES)},
                witness=drawn.choice([None, world]),
                overrides=drawn.choice([{}, {"1.0.0.0/16": "CN"}, {"2.0.0.0/8": "DE"}]),
            )
            for _ in range(2)
        ]
        folder = tmp_path / str(number)
        folder.mkdir()
        scenes = list(scenes_of([play, *others], folder))
        Walk(scenes, play, [busy_policy(drawn) for _ in range(3)], drawn.randrange(1 << 32)).run(40)
