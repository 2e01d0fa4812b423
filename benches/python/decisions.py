"""Decisions: a million connections at once, one person at the door, and the effect alone.

The policy is what a large operator might have: 500 orders on two meetings each, 500 rules of accounts with ten meetings
each, a fifth of them allow-only; about a tenth of a million connections in 10,000 meetings is held or denied.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache

import numpy as np
from cases import ROWS, SEED, Case, table

import regionfast as rf
from regionfast.meetings.evaluate import Evaluation

AT = datetime(2026, 11, 24, tzinfo=UTC)
MEETINGS = 10_000
ENTRIES = 500
COUNTRIES = ["US", "CN", "JP", "DE", "GB", "KR", "BR", "FR", "CA", "IT", "IN", "AU", "NL", "RU", "ES", "SE", "MX", "PL"]
"""Those with the most IPv4 addresses."""

ORDER = """
[[order]]
id = "order-{number}"
issuer = "authority-{number}"
reference = "r"
law = "l"
contest = "https://example.org"
state = "active"
territory = "{country}"
regions = ["{country}"]
meetings = ["m{first}", "m{second}"]
from = 2026-01-01T00:00:00Z
until = 2027-01-01T00:00:00Z
join = "deny"
present = "eject"
"""

RULE = """
[[rule]]
id = "rule-{number}"
account = "a{number}"
effect = "{effect}"
regions = ["{country}", "{other}"]
"""


@cache
def policy() -> rf.Policy:
    """A thousand orders and rules."""
    texts = ["version = 1"]
    for number in range(ENTRIES):
        country = COUNTRIES[number % len(COUNTRIES)]
        texts.append(ORDER.format(number=number, country=country, first=2 * number, second=2 * number + 1))
    for number in range(ENTRIES):
        country, other = COUNTRIES[number * 7 % len(COUNTRIES)], COUNTRIES[(number * 3 + 1) % len(COUNTRIES)]
        effect = "allow-only" if number % 5 == 0 else "deny"
        texts.append(RULE.format(number=number, effect=effect, country=country, other=other))
    return rf.Policy.from_text("\n".join([*texts, '[defaults]\nnot-located = "hold"\n']))


@cache
def roster() -> rf.Roster:
    """A million connections, IPv4 over the whole space."""
    random = np.random.default_rng(SEED)
    meeting = random.integers(0, MEETINGS, ROWS)
    return rf.Roster(
        [f"p{number}" for number in range(ROWS)],
        random.integers(0, 1 << 32, ROWS, dtype=np.uint32),
        meetings=[f"m{number}" for number in meeting.tolist()],
        accounts=[f"a{number // 10 if number < 10 * ENTRIES else ENTRIES}" for number in meeting.tolist()],
    )


def effects(found: object) -> list[str | None]:
    """The effects as words, for the digest."""
    return [str(rf.Effect(effect)) for effect in found.effect.tolist()]  # type: ignore[attr-defined]


def decisions() -> Iterator[Case]:
    """The rows of the design: all, one, and the effect alone of a resolved roster."""
    whole, rules, answering = roster(), policy(), table()

    def from_addresses() -> rf.Decisions:
        if whole._found is not None:  # noqa: SLF001 - a roster keeps its slots, and here looking up is to be paid
            whole._found.clear()  # noqa: SLF001
        return rf.decide_joins(answering, rules, whole, at=AT)

    yield Case("decide_joins, 1 M connections", "regionfast", from_addresses, 1, effects, ours=True)

    def one_person() -> rf.Decisions:
        person = rf.Roster(["p"], ["114.114.114.114"], meetings=["m2"], accounts=["a0"])
        return rf.decide_joins(answering, rules, person, at=AT)

    yield Case("decide_joins, one person", "regionfast", one_person, 1, effects, ours=True)

    def resolved() -> rf.Decisions:
        evaluation = Evaluation(answering, rules, whole, AT, None)
        compiled = evaluation.bound.door(AT)
        return rf.Decisions(evaluation, compiled, evaluation.keys(compiled))

    yield Case("effect byte, resolved roster", "regionfast", resolved, ROWS, effects, ours=True)
