"""Kinds of connections: those that no order or rule can tell apart by what tables and corrections say of them.

A connection with one address, alike in base and overrides, not corrected and not exempt, is of the kind of its slot.
Of the others there are many connections and few kinds, so what entries say is worked out once a kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
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
            exempt: By regions of exemptions, whether one with these matches a connection, `(regions, connections)`;
                `None` where none does.
        """
        self.columns = columns
        self._slots = slots
        places = self._sort_places(top, base, corrected, witness)
        of = places
        if starts is not None:
            if len(starts) > 1 and int(np.diff(starts).max()) > _LONG:
                places, starts = _without_repetition(places, starts)
            of = self._sort_combinations(places, starts)
        if exempt is not None and len(of):
            of = self._add_exemptions(of, exempt)
        self.of = self._keep_members(of, places, starts, exempt)
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
        return places

    def _sort_combinations(self, places: Integers, starts: Integers) -> Integers:
        """A number for each different list of places; that of one place is the place itself."""
        counts = np.diff(starts)
        kinds = places[starts[:-1]]
        there = self.columns + len(self._top)
        for level in range(1, int(counts.max()) if len(counts) else 0):
            longer = np.flatnonzero(counts > level)
            # A number of less than 2^32 and a place of less than 2^31: 63 bits.
            found, numbers = dense(kinds[longer] << 31 | places[starts[longer] + level])
            kinds[longer] = there + numbers
            there += len(found)
        return kinds

    def _add_exemptions(self, kinds: Integers, exempt: npt.NDArray[np.bool_]) -> Integers:
        rows = np.flatnonzero(exempt.any(axis=0))
        sets = np.zeros(len(rows), np.int64)
        for matches in exempt:
            _, sets = dense(sets * 2 + matches[rows])
        size = int(kinds.max()) + 1
        _, numbers = dense(sets * size + kinds[rows])
        kinds = kinds.copy()
        kinds[rows] = max(size, self.columns) + numbers
        return kinds

    def _keep_members(
        self, kinds: Integers, places: Integers, starts: Integers | None, exempt: npt.NDArray[np.bool_] | None
    ) -> Integers:
        """Number the kinds that are no slots without gaps, and keep of each what one connection of it has."""
        special = np.flatnonzero(kinds >= self.columns)
        found, numbers = dense(kinds[special] - self.columns)
        some = np.empty(len(found), np.int64)
        some[numbers] = special
        kinds = kinds.copy()
        kinds[special] = self.columns + numbers
        self._exempt = None if exempt is None else exempt[:, some]
        if starts is None:
            self._members = places[some]
            self._starts = np.arange(len(some) + 1)
        else:
            counts = starts[some + 1] - starts[some]
            self._starts = np.concatenate([[0], np.cumsum(counts)])
            of = np.arange(self._starts[-1]) + np.repeat(starts[some] - self._starts[:-1], counts)
            self._members = places[of]
        return kinds

    def __len__(self) -> int:
        """Number of kinds that are no slots."""
        return len(self._starts) - 1

    def blocks(self, most: int) -> Iterator[tuple[int, int]]:
        """The kinds in blocks, first and last behind, whose addresses together are `most` or a single kind's."""
        first = 0
        while first < len(self):
            fit = int(np.searchsorted(self._starts, self._starts[first] + most, "right")) - 1
            yield first, (last := max(fit, first + 1))
            first = last

    def members(self) -> list[list[int]]:
        """The slots of each kind that is none, where only slots were given."""
        flat, starts = self._members.tolist(), self._starts.tolist()
        return [flat[first:last] for first, last in pairwise(starts)]

    def flags(self, first: int, last: int, set_flags: Flags, exempting: Flags | None = None) -> tuple[Flags, Flags]:
        """Flags of some kinds by orders and by rules, `(sets, last - first)` each.

        Args:
            first: Counted from `columns` on.
            last: The kind behind the last.
            set_flags: The flag of each column for each set of regions.
            exempting: The flag of each column for the regions of exemptions; inside everywhere, where these are none.
        """
        top, base = set_flags[:, self._top], set_flags[:, self._base] & np.uint16(outcome.LOCATING)
        said = np.where(self._is_corrected, set_flags[:, self._corrected], top)
        corrected = np.where(self._is_corrected, np.uint16(outcome.CORRECTED), np.uint16(0))
        both = (top & base & np.uint16(outcome.INSIDE)) * np.uint16(outcome.BOTH)
        again = (top & np.uint16(outcome.LOCATING)) << np.uint16(outcome.SECOND)
        of_slots = flags_of_slots(set_flags)
        by_order = np.concatenate([of_slots[0], top | base << np.uint16(outcome.SECOND) | both | corrected], axis=1)
        by_rule = np.concatenate([of_slots[1], said | again | corrected], axis=1)
        members, starts = self._of_block(first, last)
        order_flags = np.bitwise_or.reduceat(by_order[:, members], starts, axis=1)
        rule_flags = np.bitwise_or.reduceat(by_rule[:, members], starts, axis=1)
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
        members, starts = self._of_block(first, last)
        members = members - self.columns  # with a witness all places differ from slots
        return (
            np.bitwise_or.reduceat(by_order[:, members], starts, axis=1),
            np.bitwise_or.reduceat(said[:, members], starts, axis=1),
        )

    def _of_block(self, first: int, last: int) -> tuple[Integers, Integers]:
        """The places of some kinds, and where those of each start; none is without one."""
        starts = self._starts[first : last + 1]
        return self._members[starts[0] : starts[-1]], starts[:-1] - starts[0]


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
