"""Who may come back: a fresh evaluation without the order or rule that kept them out."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table
from regionfast.errors import PlanRefused
from regionfast.meetings.act.apply import Applied, now
from regionfast.meetings.act.undo import apply_inverse
from regionfast.meetings.audit.outstanding import outstanding
from regionfast.meetings.columns import TextColumn
from regionfast.meetings.decide import Decisions, decide_joins
from regionfast.meetings.plan import PlanRows, covered
from regionfast.meetings.roster import Roster
from regionfast.policy.deployment import Deployment
from regionfast.policy.model import Entry, Order
from regionfast.policy.policy import Policy
from regionfast.pseudonym import canonical
from regionfast.types import Effect

if TYPE_CHECKING:
    from regionfast.meetings.act.approval import Approval
    from regionfast.meetings.act.control import MeetingControl
    from regionfast.meetings.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class _Removed:
    """One connection that was removed, or was to be."""

    meeting: str = field(repr=False)
    connection: str = field(repr=False)
    participant: str | None = field(repr=False)
    account: str | None = field(repr=False)
    series: str | None = field(repr=False)
    role: str | None = field(repr=False)
    addresses: tuple[str, ...] = field(repr=False)
    effect: Effect


class Inverse:
    """What undoes a plan: whom nothing else keeps out, with what has to be done for each. False where that is nobody.

    Each row of the plan is decided again, for the door, by the policy without the plan's order or rule. Who was ejected
    may rejoin unless another order or rule denies it, so what the ejection left behind is to be cleared (`clear`);
    that another one would only hold him at the door is no reason to keep it. Who was held is let in (`admit`) where
    nothing holds or denies him. The others stay as they are: they remain outstanding in the audit, and the inverse
    that is made when the other order has ended reaches them. So once all orders have ended everybody may rejoin.

    The rows are those of the plan whether they were acted on or not; `apply` does what the audit shows as outstanding,
    so applying it twice, or two inverses of one plan, does nothing twice.

    An order or rule that asks for an account or a series reaches nobody of whose meeting none is known. What decides
    at the door has the meeting before it and denies whatever is undone here.
    """

    def __init__(
        self,
        decisions: Decisions,
        policy: Policy,
        entry: Entry | None,
        by: str,
        of: Sequence[str],
        was: Sequence[Effect],
        unreadable: int = 0,
    ) -> None:
        """Made by `of_plan` and `of_outstanding`."""
        self._decisions = decisions
        self.policy = policy
        """The policy that was asked, which may hold the order or rule."""
        self.entry = entry
        """The order or rule as that policy has it; `None` where it does not."""
        self.by = by
        """Its id."""
        self.of = tuple(of)
        """Hashes of the plans that are undone."""
        self.unreadable = unreadable
        """Connections that the audit shows as kept out, and that cannot be undone: their keys were destroyed."""
        self._held = np.array([effect is Effect.HOLD for effect in was], np.bool_)
        self._effects = self._meant(decisions)

    @classmethod
    def of_plan(
        cls,
        plan: Plan,
        table: Table,
        policy: Policy,
        roster: Roster | None,
        *,
        at: datetime,
        witness: Table | None = None,
    ) -> Self:
        """The inverse of a plan; see `Plan.inverse`."""
        now = _Now(roster, plan)
        then = plan.roster
        removed = []
        for number, row in enumerate(plan.rows):
            if row.connection is None:
                raise PlanRefused("the roster has no ids of connections, by which alone they can be acted on")
            known, index = now.of(row.meeting, row.connection, row.participant) or (then, row.index)
            removed.append(
                _Removed(
                    meeting=row.meeting,
                    connection=row.connection,
                    participant=row.participant or known.participants[index],
                    account=now.account(row.meeting) or _text(then.accounts, row.index),
                    series=now.series(row.meeting) or _text(then.series, row.index),
                    role=_text(then.roles, row.index) if known.roles is None else known.roles[index],
                    addresses=known.addresses(index),
                    effect=Effect(int(plan.rows.effect[number])),
                )
            )
        return cls._of(removed, plan.by, [plan.hash], table, policy, at, witness)

    @classmethod
    def of_outstanding(
        cls,
        deployment: Deployment,
        by: str,
        table: Table,
        policy: Policy,
        *,
        at: datetime,
        witness: Table | None = None,
    ) -> Self:
        """The inverse of all plans by an order or rule, from the audit alone: after a restart, or years later.

        Args:
            deployment: Whose audit is read, with its keys.
            by: Id of the order or rule.
            table: As `Plan.inverse`.
            policy: As `Plan.inverse`.
            at: As `Plan.inverse`.
            witness: As `Plan.inverse`.

        Raises:
            PlanRefused: The deployment has no [audit].
            AuditError: A chain is broken, or a key does not fit.
        """
        if deployment.audit is None:
            raise PlanRefused("the deployment has no [audit]: what was done is not known")
        found = outstanding(deployment.audit.directory, deployment.audit.keys, by)
        accounts = {row.meeting: row.account for row in found if row.account is not None}
        series = {row.meeting: row.series for row in found if row.series is not None}
        removed = [
            _Removed(
                meeting=row.meeting,
                connection=row.id,
                participant=row.participant,
                # The last plan that knew it: a roster wants one account a meeting.
                account=accounts.get(row.meeting),
                series=series.get(row.meeting),
                role=row.role,
                addresses=row.addresses,
                effect=Effect.HOLD if row.effect == "hold" else Effect.EJECT,
            )
            for row in found
        ]
        of = dict.fromkeys(row.plan for row in found)
        return cls._of(removed, by, list(of), table, policy, at, witness, unreadable=found.unreadable)

    @classmethod
    def _of(
        cls,
        removed: Sequence[_Removed],
        by: str,
        of: Sequence[str],
        table: Table,
        policy: Policy,
        at: datetime,
        witness: Table | None,
        unreadable: int = 0,
    ) -> Self:
        rows = [(one, address) for one in removed for address in one.addresses or (None,)]
        roster = Roster(
            [one.participant for one, _ in rows],
            [address for _, address in rows],
            meetings=[one.meeting for one, _ in rows],
            accounts=[one.account for one, _ in rows],
            series=[one.series for one, _ in rows],
            roles=[one.role for one, _ in rows],
            connections=[one.connection for one, _ in rows],
        )
        decisions = decide_joins(table, policy.without(by), roster, at=at, witness=witness)
        entry = next((entry for entry in policy.entries if entry.id == by), None)
        return cls(decisions, policy, entry, by, of, [one.effect for one in removed], unreadable)

    @cached_property
    def rows(self) -> PlanRows:
        """Whom it is about, by meeting and then connection, with the effect `admit` or `clear`."""
        order = self.roster.canonical_order
        index = order[self._effects[order] != Effect.KEEP]
        return PlanRows(self.roster, self._decisions.region, index, self._effects[index])

    @cached_property
    def kept(self) -> dict[str, int]:
        """How many stay kept out, by the id of the order or rule that does it now."""
        stays = np.flatnonzero(self._effects == Effect.KEEP)
        return dict(Counter(str(cause) for cause in self._decisions.cause[stays]))

    @property
    def roster(self) -> Roster:
        """The connections that were removed, or were to be."""
        return self._decisions.roster

    @property
    def at(self) -> datetime:
        """The moment that it is for, UTC, in whole seconds."""
        return self._decisions.at

    def stands(self, at: datetime) -> npt.NDArray[np.bool_]:
        """Of each row whether nothing else keeps the connection out at another moment too, decided anew for it."""
        asked = self._decisions
        anew = decide_joins(asked.table, self.policy.without(self.by), self.roster, at=at, witness=asked.witness)
        found: npt.NDArray[np.bool_] = self._meant(anew)[self.rows.indices] == self.rows.effect
        return found

    def _meant(self, decisions: Decisions) -> npt.NDArray[np.uint8]:
        """What is to be done with each connection, by what the door says of it."""
        door, held = decisions.effect, self._held
        effects = np.full(len(door), Effect.KEEP, np.uint8)
        effects[~held & (door != Effect.DENY)] = Effect.CLEAR
        effects[held & (door == Effect.ADMIT)] = Effect.ADMIT
        return effects

    def is_in_force(self, at: datetime) -> bool:
        """Whether the order or rule still acts at a moment, by the policy that was asked."""
        if isinstance(self.entry, Order):
            return self.entry.is_in_force(at)
        return self.entry is not None

    @cached_property
    def hash(self) -> str:
        """SHA-256, hexadecimal, over all that it follows from and its rows: same input, same hash.

        Over the canonical JSON of what `Plan.hash` covers, with the roster of those who were removed and the policy
        that was asked, and of `undoes`, the hashes of the plans, sorted.
        """
        found = covered(self._decisions, self.policy, self.by, self._effects)
        return hashlib.sha256(canonical(found | {"undoes": sorted(self.of)})).hexdigest()

    def apply(
        self,
        control: MeetingControl,
        deployment: Deployment | None,
        *,
        approvals: Sequence[Approval] = (),
        clock: Callable[[], datetime] = now,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Applied:
        """Do of it what is outstanding by the audit; see `act.undo.apply_inverse`.

        Raises:
            PlanRefused: The order or rule is still in force and too few approve, or there is no audit.
            AuditError: The audit cannot be used.
            ImportError: `cryptography` or `filelock` is not installed.
        """
        return apply_inverse(self, control, deployment, approvals=approvals, clock=clock, sleep=sleep)

    def __len__(self) -> int:
        return int(np.count_nonzero(self._effects != Effect.KEEP))

    def __bool__(self) -> bool:
        return len(self) > 0

    def __repr__(self) -> str:
        return f"<Inverse of {self.by}: {len(self)} of {len(self.roster)} connections>"


class _Now:
    """What a roster says now of the meetings and connections of a plan. O(connections in these meetings)."""

    def __init__(self, roster: Roster | None, plan: Plan) -> None:
        self._roster = roster
        self._meetings: dict[str, int] = {}
        """Some connection of each, all of which have its account and series."""
        self._connections: dict[tuple[str, str], int] = {}
        if roster is None:
            return
        meetings = roster.meetings
        codes = [meetings.index[name] for name in set(plan.rows.meeting) if name in meetings.index]
        for index in np.flatnonzero(np.isin(meetings.codes, codes)).tolist():
            meeting, connection = meetings[index], _text(roster.connections, index)
            assert meeting is not None  # a roster has a meeting in every row
            self._meetings[meeting] = index
            if connection is not None:
                self._connections[meeting, connection] = index

    def of(self, meeting: str, connection: str, participant: str | None) -> tuple[Roster, int] | None:
        """Where a connection is; `None` where it is not, or where its id has become somebody else's."""
        index = self._connections.get((meeting, connection))
        if self._roster is None or index is None:
            return None
        found = self._roster.participants[index]
        return (self._roster, index) if None in {found, participant} or found == participant else None

    def account(self, meeting: str) -> str | None:
        """Whose meeting it is."""
        return None if self._roster is None else self._of(self._roster.accounts, meeting)

    def series(self, meeting: str) -> str | None:
        """What it is an occurrence of."""
        return None if self._roster is None else self._of(self._roster.series, meeting)

    def _of(self, column: TextColumn | None, meeting: str) -> str | None:
        index = self._meetings.get(meeting)
        return None if index is None else _text(column, index)


def _text(column: TextColumn | None, index: int) -> str | None:
    return None if column is None else column[index]
