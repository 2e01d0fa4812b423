"""Kinds of connections: those that no order or rule can tell apart by what tables and corrections say of them.

A connection with one address, alike in base and overrides, not corrected and not exempt, is of the kind of its slot.
Of the others there are many connections and few kinds, so what entries say is worked out once a kind.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from regionfast.policy import outcome
from regionfast.policy.compile import flags_of_slots
from regionfast.policy.outcome import Flags

Integers = npt.NDArray[np.int64]

_LONG: Final = 8
"""Connections with more addresses are first rid of those that say the same as another."""


class Kinds:
    """The kind of each connection of a roster, and what is known of the kinds that are no slots."""

    def __init__(
        self,
        slots: int,
        columns: int,
        top: npt.NDArray[np.uint16],
        *,
        base: npt.NDArray[np.uint16] | None = None,
        corrected: Integers | None = None,
        witness: npt.NDArray[np.uint16] | None = None,
        starts: Integers | None = None,
        exempt: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Sort connections into kinds.

        Args:
            slots: Slots of the table.
            columns: These, and from there on what corrections say: the columns of the flags that entries are read from.
            top: Slot of each address by the table with its overrides.
            base: The same without overrides; `None` where no row differs.
            corrected: 1 for the first column of what corrections say, and so on; 0 where none says anything of an
                address; `None` where none does of any.
            witness: Slot of each address by the witness's table.
            starts: Where the addresses of each connection start; `None` where each has one.
            exempt: Which exemptions match which connection, `(exemptions, connections)`; `None` where none does.
        """
        self.columns = columns
        self._slots = slots
        places = self._sort_places(top, base, corrected, witness)
        of = places if starts is None else self._sort_combinations(places, starts)
        if exempt is not None:
            of = self._add_exemptions(of, exempt)
        self.of = of
        """The kind of each connection: below `columns` its slot, from there on a kind that is none."""

    def _sort_places(
        self,
        top: npt.NDArray[np.uint16],
        base: npt.NDArray[np.uint16] | None,
        corrected: Integers | None,
        witness: npt.NDArray[np.uint16] | None,
    ) -> Integers:
        """The place of each address: its slot, or beyond `columns` a number of what differs from a slot."""
        places = top.astype(np.int64)
        differs = np.zeros(len(top), np.bool_)
        if base is not None:
            differs |= base != top
        if corrected is not None:
            differs |= corrected != 0
        if witness is not None:
            differs[:] = True  # then nothing is as good as its slot
        rows = np.flatnonzero(differs)
        # Three slots of 16 bits each, and at most 2^15 corrected regions: 63 bits together.
        what = places[rows]
        for other in (base, witness):
            what = what << 16 | (places[rows] if other is None else other[rows])
        what = what << 15 | (0 if corrected is None else corrected[rows])
        found, numbers = dense(what)
        places[rows] = self.columns + numbers
        corrections = found & 0x7FFF
        self._is_corrected = corrections != 0
        self._corrected = np.where(self._is_corrected, self._slots - 1 + corrections, 0)
        self._witness = found >> 15 & 0xFFFF
        self._base = found >> 31 & 0xFFFF
        self._top = found >> 47
        special = np.arange(len(found), dtype=np.int64)[:, None]
        self._members = self.columns + special
        self._exempt: npt.NDArray[np.bool_] | None = None
        return places

    def _sort_combinations(self, places: Integers, starts: Integers) -> Integers:
        counts = np.diff(starts)
        if len(counts) and int(counts.max()) > _LONG:
            places, starts = _without_repetition(places, starts)
            counts = np.diff(starts)
        kinds = places[starts[:-1]]
        pad = self.columns + len(self._top)
        for level in range(1, int(counts.max()) if len(counts) else 0):
            longer = np.flatnonzero(counts > level)
            there = self.columns + len(self._members)
            found, numbers = dense(kinds[longer] * (pad + 1) + places[starts[longer] + level])
            parents, added = np.divmod(found, pad + 1)
            members = np.full((len(found), level + 1), pad, np.int64)
            members[:, : self._members.shape[1]] = self._members_of(parents)
            members[:, level] = added
            grown = np.full((len(self._members), level + 1), pad, np.int64)
            grown[:, : self._members.shape[1]] = self._members
            self._members = np.concatenate([grown, members])
            kinds[longer] = there + numbers
        return kinds

    def _members_of(self, kinds: Integers) -> Integers:
        """The places of some kinds, one column an address; a slot is its own."""
        pad = self.columns + len(self._top)
        members = np.full((len(kinds), self._members.shape[1]), pad, np.int64)
        members[:, 0] = kinds
        special = kinds >= self.columns
        members[special] = self._members[kinds[special] - self.columns]
        return members

    def _add_exemptions(self, kinds: Integers, exempt: npt.NDArray[np.bool_]) -> Integers:
        rows = np.flatnonzero(exempt.any(axis=0))
        sets = np.zeros(len(rows), np.int64)
        known = np.zeros((0, 1), np.bool_)  # which exemptions are in which set
        for matches in exempt:
            found, sets = dense(sets * 2 + matches[rows])
            known = np.vstack([known[:, found >> 1], found & 1 == 1])
        size = int(kinds.max()) + 1 if len(kinds) else 1
        found, numbers = dense(sets * size + kinds[rows])
        of_set, parents = np.divmod(found, size)
        there = self.columns + len(self._members)
        untouched = np.zeros((len(exempt), len(self._members)), np.bool_)
        self._members = np.concatenate([self._members, self._members_of(parents)])
        self._exempt = np.concatenate([untouched, known[:, of_set]], axis=1)
        kinds = kinds.copy()
        kinds[rows] = there + numbers
        return kinds

    def __len__(self) -> int:
        """Number of kinds that are no slots."""
        return len(self._members)

    def members(self) -> list[list[int]]:
        """The slots of each kind that is none, where only slots were given."""
        return [[int(slot) for slot in row if slot < self.columns] for row in self._members]

    def flags(self, first: int, last: int, set_flags: Flags, exempting: Flags | None = None) -> tuple[Flags, Flags]:
        """Flags of some kinds by orders and by rules, `(sets, last - first)` each.

        Args:
            first: Counted from `columns` on.
            last: The kind behind the last.
            set_flags: The flag of each column for each set of regions.
            exempting: The flag of each column for the regions of each exemption; inside all, where it names none.
        """
        top, base = set_flags[:, self._top], set_flags[:, self._base] & np.uint16(outcome.LOCATING)
        said = np.where(self._is_corrected, set_flags[:, self._corrected], top)
        corrected = np.where(self._is_corrected, np.uint16(outcome.CORRECTED), np.uint16(0))
        both = (top & base & np.uint16(outcome.INSIDE)) * np.uint16(outcome.BOTH)
        again = (top & np.uint16(outcome.LOCATING)) << np.uint16(outcome.SECOND)
        of_slots = flags_of_slots(set_flags)
        nothing = np.zeros((len(set_flags), 1), np.uint16)
        by_order = np.concatenate(
            [of_slots[0], top | base << np.uint16(outcome.SECOND) | both | corrected, nothing], axis=1
        )
        by_rule = np.concatenate([of_slots[1], said | again | corrected, nothing], axis=1)
        members = self._members[first:last]
        order_flags = np.bitwise_or.reduce(by_order[:, members], axis=2)
        rule_flags = np.bitwise_or.reduce(by_rule[:, members], axis=2)
        if self._exempt is not None and exempting is not None:
            exempt = self._exempt[:, first:last]
            by_order, by_rule = self.flags(first, last, exempting)
            inside = by_rule & np.uint16(outcome.LOCATING) == outcome.INSIDE
            rule_flags |= (exempt & inside).any(axis=0) * np.uint16(outcome.EXEMPT)
            # By the base alone is enough for an order: an override takes nobody out of an exemption into its reach.
            inside |= by_order >> np.uint16(outcome.SECOND) & np.uint16(outcome.LOCATING) == outcome.INSIDE
            order_flags |= (exempt & inside).any(axis=0) * np.uint16(outcome.EXEMPT)
        return order_flags, rule_flags

    def witness_flags(self, first: int, last: int, set_flags: Flags, witness_flags: Flags) -> tuple[Flags, Flags]:
        """The same by the witness's table in the place of base and overrides; corrections stand."""
        by_order, by_rule = flags_of_slots(witness_flags[:, self._witness])
        said = np.where(self._is_corrected, set_flags[:, self._corrected], by_rule)
        members = self._members[first:last] - self.columns  # with a witness all places differ from slots
        nothing = np.zeros((len(set_flags), 1), np.uint16)
        return (
            np.bitwise_or.reduce(np.concatenate([by_order, nothing], axis=1)[:, members], axis=2),
            np.bitwise_or.reduce(np.concatenate([said, nothing], axis=1)[:, members], axis=2),
        )


def dense(values: Integers) -> tuple[Integers, Integers]:
    """The different values, sorted, and the number of each row's value among them.

    `numpy.unique` sorts; where the values are small, one pass over a table of all that there might be is faster.
    """
    if len(values) <= 1:
        return values, np.zeros(len(values), np.int64)
    highest = int(values.max())
    if highest > max(4 * len(values), 1 << 12):
        found, numbers = np.unique(values, return_inverse=True)
        return found, numbers
    there = np.zeros(highest + 1, np.bool_)
    there[values] = True
    found = np.flatnonzero(there)
    numbers = np.empty(highest + 1, np.int64)
    numbers[found] = np.arange(len(found))
    return found, numbers[values]


def _without_repetition(places: Integers, starts: Integers) -> tuple[Integers, Integers]:
    """The places of each connection, each once."""
    size = int(places.max()) + 1
    connection = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    connection, places = np.divmod(np.unique(connection * size + places), size)
    return places, np.searchsorted(connection, np.arange(len(starts)))
