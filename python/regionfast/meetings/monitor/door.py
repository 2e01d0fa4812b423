"""One connection at the door: most are admitted by a table's slot alone, all others by the decisions of a roster."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from regionfast._lib import Table
from regionfast.meetings.columns import TextColumn
from regionfast.meetings.decide import Decisions, decide_joins
from regionfast.meetings.roster import INVALID, MISSING, V4, Grouped, Parsed, Roster
from regionfast.policy.compile import Bound, Compiled, Scopes, bound
from regionfast.policy.outcome import GRADE_SHIFT, REASON_BITS, Grade
from regionfast.policy.policy import Policy
from regionfast.types import Effect, Reason, Status

_ACTS: Final = Grade.WEAK_HOLD << GRADE_SHIFT
"""Keys from here on hold or deny."""
_REASON: Final = (1 << REASON_BITS) - 1


class Joiner:
    """Who asks, with names as a roster keeps them."""

    __slots__ = ("account", "addresses", "connection", "meeting", "participant", "role", "series")

    def __init__(
        self,
        connection: str,
        participant: str | None,
        addresses: Parsed,
        meeting: str,
        account: str | None,
        series: str | None,
        role: str | None,
    ) -> None:
        self.connection = connection
        self.participant = participant
        self.addresses = addresses
        self.meeting = meeting
        self.account = account
        self.series = series
        self.role = role

    def roster(self, at: datetime) -> Roster:
        """The roster of this one connection."""
        families, v4, v6 = self.addresses
        starts = None if len(families) == 1 else np.array([0, len(families)], np.int64)
        return Roster.assembled(
            {
                "participants": _one(self.participant),
                "meetings": _one(self.meeting),
                "accounts": _one(self.account),
                "series": _one(self.series),
                "roles": _one(self.role),
                "connections": _one(self.connection),
            },
            {"account": np.zeros(1, np.int32), "series": np.zeros(1, np.int32)},
            Grouped(families, v4, v6, starts),
            at,
        )


def _one(text: str | None) -> TextColumn:
    return TextColumn(np.zeros(1, np.uint32), (text,))


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is decided of one connection. Its `repr` names nobody."""

    effect: Effect
    """`ADMIT`, `HOLD` or `DENY`."""
    cause: str | None
    """The id of the order or rule that holds or denies; `None` for who is admitted."""
    reason: Reason
    """Seen from the order or rule that explains it."""
    region: str | None
    """As the table claims it; see `Decisions.region`."""
    _door: Door = field(repr=False, compare=False)
    _joiner: Joiner = field(repr=False, compare=False)
    _at: datetime = field(repr=False, compare=False)

    def explain(self) -> str:
        """Why, in one sentence that names neither the person nor an address. Decides once more, by the same table."""
        return self._door.decisions(self._joiner, self._at).explain(0)


class Door:
    """A table and a policy, ready for whoever asks."""

    def __init__(self, table: Table, policy: Policy, witness: Table | None) -> None:
        self._table = table
        self._base = None if table.base is table else table.base
        self._policy = policy
        self._witness = witness
        self._bound: Bound = bound(policy, table)
        self._compiled: tuple[tuple[float, float], Compiled] | None = None

    def decide(self, joiner: Joiner, at: datetime) -> Decision:
        """Decide about one connection, as `decide_joins` would; `at` is in whole seconds.

        Whatever holds or denies is decided by `decide_joins` itself, so that the checker verifies it.
        """
        slot = self._slot(joiner)
        if slot is not None:
            compiled = self._compiled_at(at)
            key = _key(compiled.scopes, compiled.slot_keys, joiner, slot)
            if key < _ACTS:
                return Decision(
                    effect=Effect.ADMIT,
                    cause=None,
                    reason=_REASONS[key & _REASON],
                    region=self._codes[slot],
                    _door=self,
                    _joiner=joiner,
                    _at=at,
                )
        found = self.decisions(joiner, at)
        return Decision(
            effect=Effect(int(found.effect[0])),
            cause=found.cause[0],
            reason=Reason(int(found.reason[0])),
            region=found.region[0],
            _door=self,
            _joiner=joiner,
            _at=at,
        )

    def decisions(self, joiner: Joiner, at: datetime) -> Decisions:
        """The decisions of the roster of one connection, verified."""
        return decide_joins(self._table, self._policy, joiner.roster(at), at=at, witness=self._witness)

    def _slot(self, joiner: Joiner) -> int | None:
        """The slot that a connection is as good as; `None` where more than that has to be asked.

        Exemptions are not asked: they change what is said of those only whom an order or rule would act on.
        """
        families, v4, v6 = joiner.addresses
        if len(families) != 1 or joiner.participant in self._bound.corrected_participants:
            return None
        family = int(families[0])
        if family in _NO_ADDRESS:
            return _NO_ADDRESS[family]
        address: npt.NDArray[np.uint32] | npt.NDArray[np.uint8] = v4 if family == V4 else v6
        # An IPv6 address may wrap another one, which networks of corrections hold as well.
        if self._corrects_networks and (family != V4 or self._is_corrected(v4)):
            return None
        slot = int(self._table.lookup_many(address).slots[0])
        if self._base is not None and int(self._base.lookup_many(address).slots[0]) != slot:
            return None
        return slot

    @cached_property
    def _corrects_networks(self) -> bool:
        return any(correction.networks for correction in self._policy.corrections)

    def _is_corrected(self, v4: npt.NDArray[np.uint32]) -> bool:
        networks = self._bound.corrected_networks
        return int(networks.of_v4(v4)[0]) != networks.none

    @cached_property
    def _codes(self) -> list[str | None]:
        return [None if region is None else str(region) for region in self._table.regions]

    def _compiled_at(self, at: datetime) -> Compiled:
        """What acts at a moment; asked again only when something may have begun or ended."""
        moment = at.timestamp()
        known = self._compiled
        if known is None or not known[0][0] <= moment < known[0][1]:
            known = (self._bound.steady(at), self._bound.door(at))
            self._compiled = known
        return known[1]


_REASONS: Final = {int(reason): reason for reason in Reason}
_NO_ADDRESS: Final = {MISSING: int(Status.MISSING), INVALID: int(Status.INVALID)}
"""The slot of each family below 4."""


def _key(scopes: Scopes, keys: npt.NDArray[np.uint32], joiner: Joiner, slot: int) -> int:
    """The greatest key that the entries over a meeting have for a slot; compare `evaluate.meeting_vectors`."""
    vectors = {
        scopes.everywhere,
        scopes.meetings.get(joiner.meeting, 0),
        scopes.meetings_of.get(joiner.meeting, {}).get(joiner.account or "", 0),
    }
    if joiner.account is not None:
        vectors.add(scopes.accounts.get(joiner.account, 0))
    if joiner.series is not None:
        vectors.add(scopes.series.get(joiner.series, 0))
        vectors.add(scopes.series_of.get(joiner.series, {}).get(joiner.account or "", 0))
    return max(keys.item(vector, slot) for vector in vectors)
