"""Who is reached by an order or rule now, and was not before: at the cost of what changed, where that is possible."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from operator import attrgetter
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table
from regionfast.meetings.evaluate import CELLS, Evaluation
from regionfast.meetings.kinds import Integers
from regionfast.meetings.monitor.present import Present
from regionfast.meetings.plan import Plan, plan_ejections
from regionfast.meetings.reach import reached
from regionfast.meetings.roster import Roster
from regionfast.policy.compile import GROUP_CHANGES
from regionfast.policy.model import Entry
from regionfast.policy.outcome import GRADE_SHIFT, Grade
from regionfast.policy.policy import Policy
from regionfast.types import Effect

Effects: TypeAlias = npt.NDArray[np.uint8]

_ACTS: Final = np.uint32(Grade.WEAK_HOLD << GRADE_SHIFT)
"""Keys and outcomes from here on act."""
_NO_ROWS: Final[Integers] = np.zeros(0, np.int64)

# Without `spared`, which follows from the rest, as in the revision of a policy.
_of_order: Final = attrgetter(
    "regions",
    "territory",
    "jurisdiction",
    "scope.everywhere",
    "scope.meetings",
    "scope.series",
    "scope.accounts",
    "present",
    "exemptions",
)
_of_rule: Final = attrgetter("account", "effect", "regions", "meetings", "series", "present")


@dataclass(frozen=True, slots=True)
class State:
    """What decides about those who are present."""

    table: Table
    witness: Table | None
    policy: Policy
    at: datetime
    acting: Mapping[str, tuple[int, Entry]]
    """By id the orders and rules that act on who is inside at that moment, each with its number in the policy."""
    terms: Mapping[str, tuple[object, ...]]
    """By id of these what says on whom they act and how, but for their dates."""

    @classmethod
    def of(cls, table: Table, witness: Table | None, policy: Policy, at: datetime) -> State:
        """O(entries)."""
        acting: dict[str, tuple[int, Entry]] = {
            order.id: (number, order)
            for number, order in enumerate(policy.orders)
            if order.present is not Effect.KEEP and order.is_in_force(at)
        }
        terms = {name: _of_order(order) for name, (_, order) in acting.items()}
        for number, rule in enumerate(policy.rules, len(policy.orders)):
            if rule.present is not Effect.KEEP:
                acting[rule.id] = (number, rule)
                terms[rule.id] = _of_rule(rule)
        return cls(table, witness, policy, at, acting, terms)


def newly_reached(present: Present, before: State, after: State, fresh: Collection[int]) -> tuple[Plan, ...]:
    """A plan for each order or rule that reaches somebody now whom it did not reach before, or otherwise.

    Args:
        present: Who is there.
        before: What was.
        after: What is.
        fresh: Rows of whom nothing was said before.
    """
    # Of an order or rule that is new, or not what it was, everybody in its meetings is asked.
    known = {} if _is_everything_other(before, after) else before.terms
    ids = [name for name, terms in after.terms.items() if known.get(name) != terms]
    rows = present.rows_in(present.reached_by(after.acting[name][1] for name in ids)) if ids else _NO_ROWS
    if len(ids) < len(after.acting) and (fresh or before.table is not after.table):
        # Of the others only those who were not there before, or are elsewhere now.
        moved = np.array(list(fresh), np.int64)
        if before.table is not after.table:
            moved = present.united(moved, present.moved(before.table, after.table))
        others = present.reached_by(entry for _, entry in after.acting.values())
        moved = moved[present.are_in(moved, others)]
        if len(moved):
            ids = list(after.acting)
            rows = present.united(rows, moved)
    newly = _newly(present, before, after, fresh, ids, rows) if len(rows) else {}
    order = sorted(newly, key=lambda name: after.acting[name][0])
    return tuple(_plan(present, after, name, newly[name]) for name in order)


def _newly(
    present: Present, before: State, after: State, fresh: Collection[int], ids: Iterable[str], rows: Integers
) -> dict[str, Integers]:
    """By id of an order or rule the rows, of those asked, that it reaches otherwise than before."""
    hits, now = _effects(after, ids, _nameless(present, after, rows))
    if not now:
        return {}
    rows = rows[hits]
    then = _effects_of_all(before, [name for name in now if name in before.acting], present, rows)
    is_fresh = np.isin(rows, np.array(list(fresh), np.int64)) if then else np.zeros(len(rows), np.bool_)
    newly = {}
    for name, effects in now.items():
        known = then.get(name)
        is_new = effects != int(Effect.KEEP)
        if known is not None:
            is_new &= is_fresh | (effects != known)
        if is_new.any():
            newly[name] = rows[is_new]
    return newly


def _effects_of_all(state: State, ids: Collection[str], present: Present, rows: Integers) -> dict[str, Effects]:
    """By id what an order or rule does to each of some rows; without those that do nothing."""
    if not ids:
        return {}
    hits, found = _effects(state, ids, _nameless(present, state, rows))
    whole = {}
    for name, effects in found.items():
        whole[name] = np.full(len(rows), Effect.KEEP, np.uint8)
        whole[name][hits] = effects
    return whole


def _nameless(present: Present, state: State, rows: Integers) -> Roster:
    """Some connections, without the names that only corrections and exemptions ask for, where there are none."""
    policy = state.policy
    return present.roster(rows, state.at, nameless=not policy.corrections and not policy.exemptions)


def _effects(state: State, ids: Iterable[str], roster: Roster) -> tuple[Integers, dict[str, Effects]]:
    """The connections that one of some orders and rules acts on, and by id what it does to each of these."""
    numbers = {name: state.acting[name][0] for name in ids}
    evaluation = Evaluation(state.table, state.policy, roster, state.at, state.witness)
    compiled = evaluation.bound.compile(sorted(numbers.values()), evaluation.at, for_plan=True)
    # Most connections are reached by nothing, which one pass for all entries together shows.
    keys = evaluation.keys(compiled)
    hits = np.flatnonzero(keys >= _ACTS)
    if len(numbers) == 1 and len(hits):
        ((name, (_, entry)),) = ((name, state.acting[name]) for name in numbers)
        return hits, {name: _inside(entry.present)[keys[hits] >> np.uint32(GRADE_SHIFT)]}
    found: dict[str, Effects] = {}
    step = max(1, CELLS // max(1, len(numbers)))
    for first in range(0, len(hits), step):
        some = hits[first : first + step]
        said, of = evaluation.outcomes_of(compiled, some)
        meetings = roster.meetings.codes[some]
        for name, number in numbers.items():
            if not (said[number] >= _ACTS).any():
                continue
            entry = state.acting[name][1]
            effects = _inside(entry.present)[said[number][of] >> np.uint32(GRADE_SHIFT)]
            effects[~reached(entry, roster)[meetings]] = Effect.KEEP
            if (effects != int(Effect.KEEP)).any():
                found.setdefault(name, np.full(len(hits), Effect.KEEP, np.uint8))[first : first + step] = effects
    return hits, found


def _plan(present: Present, state: State, name: str, newly: Integers) -> Plan:
    """The plan of one order or rule over the meetings of those newly reached, without those reached before.

    The others of these meetings are in its roster, since a cap on the share of a meeting counts them.
    """
    rows = present.rows_in(present.meetings_of(newly))
    plan = _planned(present, state, name, rows)
    if len(plan) == len(newly):
        return plan
    known = (plan.effect != int(Effect.KEEP)) & ~np.isin(rows, newly)
    return _planned(present, state, name, rows[~known])


def _planned(present: Present, state: State, name: str, rows: Integers) -> Plan:
    roster = present.roster(rows, state.at)
    return plan_ejections(state.table, state.policy, roster, by=name, at=state.at, witness=state.witness)


def _is_everything_other(before: State, after: State) -> bool:
    """Whether something changed that any order or rule may depend on, beside where the table has addresses."""
    if before.witness is not after.witness:
        return True
    if bisect_right(GROUP_CHANGES, before.at) != bisect_right(GROUP_CHANGES, after.at):
        return True
    if before.table is not after.table and _unwrapping(before.table) != _unwrapping(after.table):
        return True  # networks of corrections and exemptions are also asked about the wrapped address
    return before.policy is not after.policy and _context(before.policy) != _context(after.policy)


def _unwrapping(table: Table) -> tuple[bool, tuple[str, ...]]:
    return table.info.unwrap, table.info.nat64


_context: Final = attrgetter("corrections", "exemptions", "groups", "defaults")


@cache
def _inside(present: Effect) -> Effects:
    """By grade what it means for somebody who is inside, as `Plan` has it; by what an order or rule asks for."""
    return np.array(
        [
            Effect.KEEP if grade < Grade.WEAK_HOLD else Effect.HOLD if grade.effect is Effect.HOLD else present
            for grade in Grade
        ],
        np.uint8,
    )
