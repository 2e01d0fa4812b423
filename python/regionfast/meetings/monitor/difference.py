"""Who is reached by an order or rule now, and was not before: at the cost of what changed, where that is possible."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Final

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table
from regionfast.meetings.evaluate import CELLS, Evaluation
from regionfast.meetings.kinds import Integers
from regionfast.meetings.monitor.present import Present
from regionfast.meetings.plan import Effects, Plan, effects_inside, plan_ejections
from regionfast.meetings.reach import reached
from regionfast.meetings.roster import Roster
from regionfast.policy.compile import GROUP_CHANGES
from regionfast.policy.model import Entry
from regionfast.policy.outcome import GRADE_SHIFT, Grade
from regionfast.policy.policy import Policy
from regionfast.types import Effect

_ACTS: Final = np.uint32(Grade.WEAK_HOLD << GRADE_SHIFT)
"""Keys and outcomes from here on act."""
_NO_ROWS: Final[Integers] = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class State:
    """What decides about those who are present."""

    table: Table
    witness: Table | None
    policy: Policy
    at: datetime
    acts: npt.NDArray[np.bool_]
    """Which entries of the policy, by their number, act on who is inside at that moment."""

    @classmethod
    def of(cls, table: Table, witness: Table | None, policy: Policy, at: datetime) -> State:
        """O(entries), a few microseconds for a thousand."""
        return cls(table, witness, policy, at, policy.acting(at))

    def entries(self, numbers: Iterable[int]) -> list[Entry]:
        """Orders and rules by their numbers."""
        entries = self.policy.entries
        return [entries[number] for number in numbers]

    def number(self, name: str) -> int | None:
        """The number of the order or rule of an id; `None` where none that acts has it."""
        number = self.policy.numbers.get(name)
        return number if number is not None and self.acts[number] else None

    def beside(self, other: State | None) -> list[int]:
        """The numbers, ascending, of those that act here, and in another state do not, or otherwise."""
        if other is None:
            found: list[int] = np.flatnonzero(self.acts).tolist()
            return found
        mine, others = self.policy.digests, other.policy.digests
        first, last = _alike(mine, others)
        acted = np.zeros(len(mine), np.bool_)
        acted[:first] = other.acts[:first]
        acted[len(mine) - last :] = other.acts[len(others) - last :]
        between = {others[number].tobytes(): number for number in range(first, len(others) - last)}
        for number in range(first, len(mine) - last):
            place = between.get(mine[number].tobytes())
            acted[number] = place is not None and other.acts[place]
        unlike: list[int] = np.flatnonzero(self.acts & ~acted).tolist()
        return unlike

    def ended(self, after: State) -> tuple[str, ...]:
        """The ids of those that act here and not in a later state, in the order of the policy."""
        names = [entry.id for entry in self.entries(self.beside(after))]
        return tuple(name for name in names if after.number(name) is None)


def _alike(mine: npt.NDArray[np.uint64], others: npt.NDArray[np.uint64]) -> tuple[int, int]:
    """How many digests at the beginning, and of the rest at the end, are the same: most changes are in one place."""
    shorter = min(len(mine), len(others))
    differs = np.flatnonzero((mine[:shorter] != others[:shorter]).any(axis=1))
    first = int(differs[0]) if len(differs) else shorter
    rest = shorter - first
    differs = np.flatnonzero((mine[len(mine) - rest :] != others[len(others) - rest :]).any(axis=1))
    return first, rest - 1 - int(differs[-1]) if len(differs) else rest


def newly_reached(present: Present, before: State, after: State, fresh: Collection[int]) -> tuple[Plan, ...]:
    """A plan for each order or rule that reaches somebody now whom it did not reach before, or otherwise.

    Args:
        present: Who is there.
        before: What was.
        after: What is.
        fresh: Rows of whom nothing was said before.
    """
    # Of an order or rule that is new, or not what it was, everybody in its meetings is asked.
    numbers: Collection[int] = after.beside(None if _is_everything_other(before, after) else before)
    meetings = present.reached_by(after.entries(numbers))
    rows = present.rows_in(meetings) if meetings else _NO_ROWS
    if fresh or before.table is not after.table:
        # Of the others only those who were not there before, or are elsewhere now.
        moved = np.array(list(fresh), np.int64)
        if before.table is not after.table:
            moved = present.united(moved, present.moved(before.table, after.table))
        acting = after.beside(None)
        moved = moved[present.are_in(moved, present.reached_by(after.entries(acting)))]
        if len(moved):
            numbers = acting
            rows = present.united(rows, moved)
    elif len(numbers) == len(meetings) == 1:
        # An order on one meeting that did nothing before: its plan says whom it reaches, and nobody has to ask twice.
        (entry,) = after.entries(numbers)
        if before.number(entry.id) is None:
            plan = _planned(present, after, entry.id, rows)
            return (plan,) if plan else ()
    newly = _newly(present, before, after, fresh, numbers, rows) if len(rows) else {}
    return tuple(_plan(present, after, number, newly[number]) for number in sorted(newly))


def _newly(
    present: Present, before: State, after: State, fresh: Collection[int], numbers: Collection[int], rows: Integers
) -> dict[int, Integers]:
    """By number of an order or rule the rows, of those asked, that it reaches otherwise than before."""
    hits, now = _effects(after, numbers, _nameless(present, after, rows))
    if not now:
        return {}
    rows = rows[hits]
    old = {number: before.number(entry.id) for number, entry in zip(now, after.entries(now), strict=True)}
    then = _effects_of_all(before, [number for number in old.values() if number is not None], present, rows)
    is_fresh = np.isin(rows, np.array(list(fresh), np.int64)) if then else np.zeros(len(rows), np.bool_)
    newly = {}
    for number, effects in now.items():
        known = then.get(old[number])
        is_new = effects != int(Effect.KEEP)
        if known is not None:
            is_new &= is_fresh | (effects != known)
        if is_new.any():
            newly[number] = rows[is_new]
    return newly


def _effects_of_all(
    state: State, numbers: Collection[int], present: Present, rows: Integers
) -> dict[int | None, Effects]:
    """By number what an order or rule does to each of some rows; without those that do nothing."""
    if not numbers:
        return {}
    hits, found = _effects(state, numbers, _nameless(present, state, rows))
    whole: dict[int | None, Effects] = {}
    for number, effects in found.items():
        whole[number] = np.full(len(rows), Effect.KEEP, np.uint8)
        whole[number][hits] = effects
    return whole


def _nameless(present: Present, state: State, rows: Integers) -> Roster:
    """Some connections, without the names that only corrections and exemptions ask for, where there are none."""
    policy = state.policy
    return present.roster(rows, state.at, nameless=not policy.corrections and not policy.exemptions)


def _effects(state: State, numbers: Collection[int], roster: Roster) -> tuple[Integers, dict[int, Effects]]:
    """The connections that one of some orders and rules acts on, and by number what it does to each of these."""
    evaluation = Evaluation(state.table, state.policy, roster, state.at, state.witness)
    compiled = evaluation.bound.compile(sorted(numbers), evaluation.at, for_plan=True)
    # Most connections are reached by nothing, which one pass for all entries together shows.
    keys = evaluation.keys(compiled)
    hits = np.flatnonzero(keys >= _ACTS)
    entries = dict(zip(numbers, state.entries(numbers), strict=True))
    if len(entries) == 1 and len(hits):
        ((number, entry),) = entries.items()
        return hits, {number: effects_inside(entry.present)[keys[hits] >> np.uint32(GRADE_SHIFT)]}
    found: dict[int, Effects] = {}
    step = max(1, CELLS // max(1, len(entries)))
    for first in range(0, len(hits), step):
        some = hits[first : first + step]
        said, of = evaluation.outcomes_of(compiled, some)
        meetings = roster.meetings.codes[some]
        for number, entry in entries.items():
            if not (said[number] >= _ACTS).any():
                continue
            effects = effects_inside(entry.present)[said[number][of] >> np.uint32(GRADE_SHIFT)]
            effects[~reached(entry, roster)[meetings]] = Effect.KEEP
            if (effects != int(Effect.KEEP)).any():
                found.setdefault(number, np.full(len(hits), Effect.KEEP, np.uint8))[first : first + step] = effects
    return hits, found


def _plan(present: Present, state: State, number: int, newly: Integers) -> Plan:
    """The plan of one order or rule over the meetings of those newly reached, without those reached before.

    The others of these meetings are in its roster, since a cap on the share of a meeting counts them.
    """
    rows = present.rows_in(present.meetings_of(newly))
    (entry,) = state.entries([number])
    plan = _planned(present, state, entry.id, rows)
    if len(plan) == len(newly):
        return plan
    known = (plan.effect != int(Effect.KEEP)) & ~np.isin(rows, newly)
    return _planned(present, state, entry.id, rows[~known])


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
