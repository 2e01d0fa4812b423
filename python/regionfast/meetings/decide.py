"""Who may join: one effect for each connection that asks at the door."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table
from regionfast.meetings import explain
from regionfast.meetings.check import check_joins
from regionfast.meetings.columns import TextColumn
from regionfast.meetings.evaluate import Evaluation
from regionfast.meetings.evaluated import Evaluated
from regionfast.meetings.reach import reached
from regionfast.meetings.roster import Roster
from regionfast.policy.compile import Compiled, Keys, entry_numbers, grades, reasons
from regionfast.policy.model import Order
from regionfast.policy.outcome import GRADE_SHIFT, Grade
from regionfast.policy.policy import Policy
from regionfast.types import Effect, Reason

SEMANTICS_VERSION: Final = 1
"""Raised when the same policy, table and roster would be decided otherwise."""

_EFFECT_OF_GRADE: Final = np.array([grade.effect for grade in Grade], np.uint8)


def decide_joins(
    table: Table, policy: Policy, roster: Roster, *, at: datetime, witness: Table | None = None
) -> Decisions:
    """Decide for each connection of a roster whether it may join, must wait or is refused.

    Acts on nothing. Whatever is denied or held is verified by the checker first, of orders from the base table.

    Args:
        table: Where addresses are. An order needs the database itself to say so, see `Table.base`.
        policy: Whose orders and rules are asked.
        roster: Who asks, one person or all meetings of a cluster.
        at: The time that is decided for, with its offset; parts of a second are dropped.
        witness: A second table. What its database does not confirm is `disputed`, and admitted; its overrides are not
            asked.

    Cost: O(addresses), and O(entries x slots) for a policy and table, again whenever an order begins or ends.

    Raises:
        ValueError: A time without offset.
        TypeError: What is no table, policy, roster or time.
        RosterError: The policy asks for a column that the roster lacks.
        RegionError: A rule names a group of ours at a time before there are records of it.
        PlanRefused: The checker disagrees; nothing was decided.
    """
    evaluation = Evaluation(table, policy, roster, at, witness)
    compiled = evaluation.bound.door(evaluation.at)
    decisions = Decisions(evaluation, compiled, evaluation.keys(compiled))
    check_joins(decisions)
    return decisions


class Decisions(Evaluated):
    """One decision a connection, in the order of the roster: columns, worked out when asked for but `effect`."""

    def __init__(self, evaluation: Evaluation, compiled: Compiled, keys: Keys) -> None:
        super().__init__(evaluation)
        self._compiled = compiled
        self._keys = keys
        self._acted_on = np.flatnonzero(keys >= np.uint32(Grade.WEAK_HOLD << GRADE_SHIFT))
        self.effect: npt.NDArray[np.uint8] = np.zeros(len(keys), np.uint8)
        """The `Effect` of each, `uint8`: `ADMIT`, `HOLD` or `DENY`."""
        # Most are admitted, so the few others are looked up, not all.
        self.effect[self._acted_on] = _EFFECT_OF_GRADE[grades(keys[self._acted_on])]
        self.effect.setflags(write=False)  # what was checked stays as it was checked

    @cached_property
    def reason(self) -> npt.NDArray[np.uint8]:
        """The `Reason` of each, `uint8`, seen from the order or rule that explains it."""
        found = reasons(self._keys)
        found.setflags(write=False)
        return found

    @cached_property
    def cause(self) -> TextColumn:
        """The id of the order or rule that holds or denies; `None` for who is admitted."""
        ids = self._evaluation.bound.ids
        codes = np.full(len(self), len(ids) - 1, np.uint32)
        codes[self._acted_on] = entry_numbers(self._keys[self._acted_on])
        return TextColumn(codes, ids)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What a user of the decisions should know."""
        return explain.warnings(self._evaluation, self.policy.entries, self.reason)

    def orders(self, index: int, /) -> tuple[str, ...]:
        """The ids of all orders that deny or hold one connection, by strictness, then as in the file."""
        outcomes = self._evaluation.outcomes(self._compiled, index)
        meeting = self.roster.meetings.codes[index]
        found = []
        for number, outcome in outcomes.items():
            entry = self.policy.entries[number]
            if (
                isinstance(entry, Order)
                and outcome >> GRADE_SHIFT >= Grade.ORDER_HOLD
                and reached(entry, self.roster)[meeting]
            ):
                found.append((-(outcome >> GRADE_SHIFT), number, entry.id))
        return tuple(name for _, _, name in sorted(found))

    def to_arrow(self) -> object:
        """A `pyarrow.Table` of `effect`, `cause`, `reason` and `region`, dictionaries of text, one row a connection.

        It names nobody: join it by row with the columns of the roster. pandas and Polars take it as it is.

        Raises:
            ImportError: pyarrow is not installed.
        """
        import pyarrow as pa

        def words(codes: npt.NDArray[np.uint8], names: Iterable[object]) -> object:
            return pa.DictionaryArray.from_arrays(codes, pa.array(map(str, names)))

        def texts(column: TextColumn) -> object:
            return pa.array(column, pa.string()).dictionary_encode()

        return pa.table(
            {
                "effect": words(self.effect, Effect),
                "cause": texts(self.cause),
                "reason": words(self.reason, Reason),
                "region": texts(self.region),
            }
        )

    def explain(self, index: int, /) -> str:
        """Why one connection has its effect, in one sentence that names neither the person nor an address.

        Raises:
            IndexError: There is no such connection.
        """
        explain.check_index(index, self.roster)
        return explain.sentence(
            self._evaluation,
            index,
            Effect(int(self.effect[index])),
            int(self._keys[index]),
            also=self.orders(index)[1:],
        )

    def __len__(self) -> int:
        return len(self.effect)

    def __repr__(self) -> str:
        counts = np.bincount(self.effect, minlength=3)
        return f"<Decisions: {counts[Effect.ADMIT]} admit, {counts[Effect.HOLD]} hold, {counts[Effect.DENY]} deny>"
