"""Who would have to leave: the rows that one order or one rule would act on. Making a plan acts on nothing."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from os import PathLike
from typing import TYPE_CHECKING, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table
from regionfast.meetings import explain
from regionfast.meetings.check import check_plan
from regionfast.meetings.columns import TextColumn
from regionfast.meetings.decide import SEMANTICS_VERSION
from regionfast.meetings.evaluate import Evaluation
from regionfast.meetings.evaluated import Evaluated
from regionfast.meetings.kinds import Integers
from regionfast.meetings.preview import Preview, preview
from regionfast.meetings.roster import Roster
from regionfast.policy.compile import Keys, reasons
from regionfast.policy.model import Entry, Order
from regionfast.policy.outcome import GRADE_SHIFT, Grade
from regionfast.policy.policy import Policy
from regionfast.pseudonym import canonical
from regionfast.regions import DATA_VERSION
from regionfast.types import Effect

Effects: TypeAlias = npt.NDArray[np.uint8]

if TYPE_CHECKING:
    from regionfast.meetings.act.apply import Applied
    from regionfast.meetings.act.approval import Approval
    from regionfast.meetings.act.control import MeetingControl
    from regionfast.meetings.inverse import Inverse
    from regionfast.meetings.saved import SavedPlan
    from regionfast.policy.deployment import Deployment


def plan_ejections(
    table: Table, policy: Policy, roster: Roster, *, by: str, at: datetime, witness: Table | None = None
) -> Plan:
    """Say whom one order or one rule reaches of those who are present. Acts on nothing.

    Nothing is refused for age or dates: an order that is not in force gives an empty plan and a warning. The checker
    verifies every row from the base table before this returns. Arguments, cost and errors are those of
    `decide_joins`, and:

    Args:
        table: See there.
        policy: See there.
        roster: Who is present.
        by: The id of the order or rule.
        at: See there.
        witness: See there; what it does not confirm stays.

    Raises:
        PolicyError: No order and no rule has the id.
    """
    entry = policy.entry(by)
    evaluation = Evaluation(table, policy, roster, at, witness)
    acts = not isinstance(entry, Order) or entry.is_in_force(evaluation.at)
    compiled = evaluation.bound.compile([policy.numbers[by]] if acts else [], evaluation.at, for_plan=True)
    plan = Plan(evaluation, entry, evaluation.keys(compiled))
    check_plan(plan)
    return plan


@dataclass(frozen=True, slots=True)
class PlanRow:
    """What would be done with one connection. Its `repr` names no person."""

    index: int
    """Of the connection in the roster."""
    connection: str | None = field(repr=False)
    participant: str | None = field(repr=False)
    meeting: str
    region: str | None
    """As the table claims it."""
    effect: str
    """`eject` or `hold`; of an inverse `admit` or `clear`."""


class PlanRows(Sequence[PlanRow]):
    """The rows of a plan, by meeting and then connection. Columns; the rows are made when asked for."""

    def __init__(self, roster: Roster, regions: TextColumn, indices: Integers, effect: npt.NDArray[np.uint8]) -> None:
        indices.setflags(write=False)
        effect.setflags(write=False)
        self._roster = roster
        self._regions = regions
        self.indices = indices
        """Of the connections in the roster, `int64`."""
        self.effect = effect
        """The `Effect` of each, `uint8`: `EJECT` or `HOLD`; of an inverse `ADMIT` or `CLEAR`."""

    @property
    def connection(self) -> TextColumn | None:
        """The connections' ids; `None` where the roster has none."""
        connections = self._roster.connections
        return None if connections is None else connections[self.indices]

    @property
    def participant(self) -> TextColumn:
        """The participants."""
        return self._roster.participants[self.indices]

    @property
    def meeting(self) -> TextColumn:
        """The meetings."""
        return self._roster.meetings[self.indices]

    @property
    def region(self) -> TextColumn:
        """The regions as the table claims them."""
        return self._regions[self.indices]

    def __len__(self) -> int:
        return len(self.indices)

    @overload
    def __getitem__(self, index: int, /) -> PlanRow: ...
    @overload
    def __getitem__(self, index: slice, /) -> PlanRows: ...
    def __getitem__(self, index: int | slice, /) -> PlanRow | PlanRows:
        if isinstance(index, slice):
            return PlanRows(self._roster, self._regions, self.indices[index], self.effect[index])
        at = int(self.indices[index])
        roster = self._roster
        meeting = roster.meetings[at]
        assert meeting is not None  # a roster has a meeting in every row
        return PlanRow(
            index=at,
            connection=None if roster.connections is None else roster.connections[at],
            participant=roster.participants[at],
            meeting=meeting,
            region=self._regions[at],
            effect=str(Effect(int(self.effect[index]))),
        )

    def __iter__(self) -> Iterator[PlanRow]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"<PlanRows: {len(self)}>"


class Plan(Evaluated):
    """What one order or rule would do with those present. False where nobody would be touched, which is a success."""

    def __init__(self, evaluation: Evaluation, entry: Entry, keys: Keys) -> None:
        super().__init__(evaluation)
        self._keys = keys
        self.entry = entry
        """The order or rule."""
        self._effect: Effects = effects_inside(entry.present)[keys >> np.uint32(GRADE_SHIFT)]
        self._effect.setflags(write=False)  # what was checked, and signed, stays as it was

    @property
    def by(self) -> str:
        """The id of the order or rule."""
        return self.entry.id

    @cached_property
    def rows(self) -> PlanRows:
        """Whom it would act on, by meeting and then connection."""
        order = self.roster.canonical_order
        index = order[self._effect[order] != Effect.KEEP]
        return PlanRows(self.roster, self.region, index, self._effect[index])

    @property
    def effect(self) -> npt.NDArray[np.uint8]:
        """The `Effect` of each connection of the roster, `uint8`: `KEEP`, `HOLD` or `EJECT`."""
        return self._effect

    @cached_property
    def reason(self) -> npt.NDArray[np.uint8]:
        """The `Reason` of each connection of the roster, `uint8`; `UNTOUCHED` where its meeting is not reached."""
        found = reasons(self._keys)
        found.setflags(write=False)
        return found

    @cached_property
    def covered(self) -> dict[str, str | int | None]:
        """What the hash covers: all that the plan follows from, and its rows.

        `by`, `policy` (its revision), `table` and `witness` (their digests), `regions` (version of the region data),
        `semantics`, `roster` (its digest), `at` and `rows` (SHA-256 of the positions of the rows in the sorted roster,
        eight bytes each, least first, and their effects, one byte each).
        """
        return covered(self, self.policy, self.by, self._effect)

    @cached_property
    def hash(self) -> str:
        """SHA-256, hexadecimal, over the JSON of `covered`, keys sorted, without blanks: same input, same hash."""
        return hashlib.sha256(canonical(self.covered)).hexdigest()

    def save(self, path: str | PathLike[str], deployment: Deployment) -> SavedPlan:
        """Write the plan to a file that names nobody, for other persons to approve; see `SavedPlan`.

        Raises:
            PlanRefused: The deployment has no [audit], or the roster no ids of connections.
            AuditError: A key was destroyed, or cannot be made.
            DocumentError: The file cannot be written.
        """
        from regionfast.meetings.saved import SavedPlan

        saved = SavedPlan.of(self, deployment)
        saved.save(path)
        return saved

    def apply(
        self,
        control: MeetingControl,
        deployment: Deployment | None,
        *,
        approvals: Sequence[Approval] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
    ) -> Applied:
        """Act on the rows that are still what was judged, once, if enough persons approve; see `act.apply`.

        Raises:
            PlanRefused: Something stands against it; nothing was done.
            AuditError: The audit cannot be used.
            ImportError: `cryptography` or `filelock` is not installed.
        """
        from regionfast.meetings.act.apply import apply

        return apply(self, control, deployment, approvals=approvals, clock=clock, sleep=sleep)

    def inverse(
        self,
        table: Table,
        policy: Policy,
        roster: Roster | None = None,
        *,
        at: datetime,
        witness: Table | None = None,
    ) -> Inverse:
        """Who of the plan's rows may come back: decided anew without the plan's order or rule; see `Inverse`.

        Args:
            table: Where addresses are, as of now.
            policy: The present policy.
            roster: What connections show now, and whose their meetings are; for what is not in it, or is somebody
                else's by now, the plan's roster stands.
            at: The time that is decided for, with its offset.
            witness: A second table.

        Raises:
            PlanRefused: The plan's roster has no ids of connections; or as `decide_joins`.
            ValueError: As `decide_joins`.
            TypeError: As `decide_joins`.
            RegionError: As `decide_joins`.
        """
        from regionfast.meetings.inverse import Inverse

        return Inverse.of_plan(self, table, policy, roster, at=at, witness=witness)

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """What a reader of the plan should know."""
        return explain.warnings(self._evaluation, (self.entry,), self.reason)

    def preview(self) -> Preview:
        """What the plan would mean, in numbers."""
        return preview(self)

    def explain(self, index: int, /) -> str:
        """Why one row of the plan is in it, in one sentence that names neither the person nor an address.

        Raises:
            IndexError: There is no such row.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"the plan has no row {index}, it has {len(self):,}")
        return self.explain_connection(int(self.rows.indices[index]))

    def explain_connection(self, index: int, /) -> str:
        """The same for any connection of the roster, also one that stays.

        Raises:
            IndexError: There is no such connection.
        """
        explain.check_index(index, self.roster)
        return explain.sentence(
            self._evaluation,
            index,
            Effect(int(self._effect[index])),
            int(self._keys[index]),
            untouched=explain.untouched_by(self.entry, self.at),
        )

    def __len__(self) -> int:
        return int(np.count_nonzero(self._effect != Effect.KEEP))

    def __bool__(self) -> bool:
        return len(self) > 0

    def __repr__(self) -> str:
        return f"<Plan by {self.by}: {len(self)} of {len(self.roster)} connections>"


@cache
def effects_inside(present: Effect) -> Effects:
    """By `Grade` what an outcome means for somebody who is inside, where an entry's `present` is the most it may do."""

    def meant(grade: Grade) -> Effect:
        if grade < Grade.WEAK_HOLD or present is Effect.KEEP:
            return Effect.KEEP
        return Effect.HOLD if grade.effect is Effect.HOLD else present

    effects = np.array([meant(grade) for grade in Grade], np.uint8)
    effects.setflags(write=False)
    return effects


def covered(
    evaluated: Evaluated, policy: Policy, by: str, effects: npt.NDArray[np.uint8]
) -> dict[str, str | int | None]:
    """What a hash covers of rows: who they are in the sorted roster, and all that their effects follow from."""
    order = evaluated.roster.canonical_order
    position = np.flatnonzero(effects[order] != Effect.KEEP)
    rows = hashlib.sha256(position.astype("<i8").tobytes() + effects[order[position]].tobytes())
    return {
        "at": evaluated.at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "by": by,
        "policy": policy.revision,
        "regions": DATA_VERSION,
        "roster": evaluated.roster.digest,
        "rows": rows.hexdigest(),
        "semantics": SEMANTICS_VERSION,
        "table": evaluated.table.info.digest,
        "witness": None if evaluated.witness is None else evaluated.witness.info.digest,
    }
