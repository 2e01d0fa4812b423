"""What the entries of a policy say of each connection of a roster: one key a connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from regionfast import regions
from regionfast._lib import Table, gather
from regionfast.errors import RosterError
from regionfast.meetings.columns import Codes, TextColumn
from regionfast.meetings.kinds import Integers, Kinds, dense
from regionfast.meetings.roster import V4, Roster
from regionfast.policy import outcome
from regionfast.policy.compile import Bound, Compiled, Keys, bound
from regionfast.policy.model import Correction
from regionfast.policy.networks import Networks
from regionfast.policy.outcome import Flags
from regionfast.policy.policy import Policy
from regionfast.types import Evidence

CELLS: Final = 1 << 24
"""Keys of meetings and kinds that are in memory at a time."""


class Evaluation:
    """A table, a policy and a roster, put together once; entries are asked afterwards."""

    def __init__(self, table: Table, policy: Policy, roster: Roster, at: datetime, witness: Table | None) -> None:
        for value, name, kind, instead in (
            (table, "table", Table, "`rf.open(path)`"),
            (policy, "policy", Policy, "`rf.Policy.load(path)`"),
            (roster, "roster", Roster, "`rf.Roster(...)`"),
            (at, "at", datetime, "a time such as `datetime.now(UTC)`"),
            (table if witness is None else witness, "witness", Table, "`rf.open(path)`"),
        ):
            if not isinstance(value, kind):
                raise TypeError(f"`{name}` is of type `{type(value).__name__}`: pass {instead}")
        if at.utcoffset() is None:
            raise ValueError("`at` has no offset: pass a time such as `datetime.now(UTC)`")
        self.table = table
        self.policy = policy
        self.roster = roster
        self.at = at.astimezone(UTC).replace(microsecond=0)
        # Only what its database says confirms: an override is a word of the same house.
        self.witness = None if witness is None else witness.base
        self.bound: Bound = bound(policy, table)
        self.slots = roster.lookup(table)
        """The slot of each address."""
        self._base = self._base_slots()
        self._correction = self._corrections()
        self._corrected = self._correction_columns()
        self._exempt = self._exemptions()

    def keys(self, compiled: Compiled) -> Keys:
        """The key of each connection by the compiled entries, `uint32`; 0 where none reaches the meeting.

        O(addresses) for the most part, and O(entries x kinds of connections).
        """
        roster = self.roster
        for column in compiled.columns_needed:
            if getattr(roster, column) is None:
                raise RosterError(f"the roster has no column `{column}`, which orders or rules of the policy ask for")
        under = meeting_vectors(compiled, roster)
        meetings = roster.meetings.codes
        if self._are_slots:
            keys = _gathered(under, compiled.slot_keys, meetings, self.slots)
        else:
            keys = self._by_kind(compiled, self.kinds(None), under, meetings, None)
        if self.witness is not None:
            rows = np.flatnonzero(keys >= np.uint32(outcome.CLAIMS_A_REGION << outcome.GRADE_SHIFT))
            if len(rows):
                keys[rows] = self._by_kind(
                    compiled, self.kinds(rows), under, meetings[rows], self._confirming(compiled)
                )
        return keys

    def outcomes(self, compiled: Compiled, row: int) -> dict[int, int]:
        """What each compiled entry says of one connection, by the entry's number, wherever it may reach."""
        said, of = self.outcomes_of(compiled, np.array([row]))
        return {number: int(outcomes[of[0]]) for number, outcomes in said.items()}

    def outcomes_of(self, compiled: Compiled, rows: Integers) -> tuple[dict[int, outcome.Outcomes], Integers]:
        """The same for some connections: by the entry's number what it says of each kind; and the kind of each.

        The memory is that of kinds times claims, so it is the caller who keeps `rows` small.
        """
        kinds = self.kinds(rows)
        flags = self._flags(compiled, kinds, 0, len(kinds), self._confirming(compiled))
        return compiled.outcomes(*flags), kinds.of - kinds.columns

    @property
    def _are_slots(self) -> bool:
        """Whether each connection is of the kind of its slot."""
        return all(what is None for what in (self.roster.starts, self._base, self._corrected, self._exempt))

    def kinds(self, rows: Integers | None) -> Kinds:
        """The kinds of all connections, or of some, and these never as slots."""
        roster, starts = self.roster, self.roster.starts
        if rows is None:
            addresses: slice | Integers = slice(None)
            of_rows: slice | Integers = slice(None)
            witness = None
        else:
            of_rows = rows
            addresses, starts = (rows, None) if starts is None else _addresses_of(rows, starts)
            witness = (self.slots if self.witness is None else roster.lookup(self.witness))[addresses]
        return Kinds(
            self.bound.slots,
            self.bound.columns,
            self.slots[addresses],
            base=None if self._base is None else self._base[addresses],
            corrected=None if self._corrected is None else self._corrected[addresses],
            witness=witness,
            starts=starts,
            exempt=None if self._exempt is None else self._exempt[:, of_rows],
        )

    def _by_kind(
        self,
        compiled: Compiled,
        kinds: Kinds,
        under: Under,
        meetings: Codes,
        confirming: Flags | None,
    ) -> Keys:
        """The keys of connections by kind, in pieces, so that no matrix of kinds and entries becomes large."""
        keys = np.empty(len(kinds.of), np.uint32)
        rows = np.flatnonzero(kinds.of < kinds.columns)
        keys[rows] = _gathered(under, compiled.slot_keys, meetings[rows], kinds.of[rows].astype(np.uint32))
        for first, last in kinds.blocks(max(1, CELLS // max(len(compiled.sets), len(compiled.slot_keys)))):
            rows = np.flatnonzero((kinds.of >= kinds.columns + first) & (kinds.of < kinds.columns + last))
            said = compiled.keys(*self._flags(compiled, kinds, first, last, confirming))
            keys[rows] = _gathered(
                under, said, meetings[rows], (kinds.of[rows] - (kinds.columns + first)).astype(np.uint32)
            )
        return keys

    def _flags(
        self, compiled: Compiled, kinds: Kinds, first: int, last: int, confirming: Flags | None
    ) -> tuple[Flags, Flags, tuple[Flags, Flags] | None]:
        """What `Compiled.keys` takes, for some kinds."""
        by_order, by_rule = kinds.flags(first, last, compiled.set_flags, self._exempting())
        if confirming is None:
            return by_order, by_rule, None
        return by_order, by_rule, kinds.witness_flags(first, last, compiled.set_flags, confirming)

    def base_slot(self, address: int) -> int | None:
        """The slot of an address without overrides, where it is another one."""
        if self._base is None or self._base[address] == self.slots[address]:
            return None
        return int(self._base[address])

    def correction(self, address: int) -> Correction | None:
        """The correction that stands for an address."""
        if self._correction is None or self._correction[address] == len(self.policy.corrections):
            return None
        return self.policy.corrections[int(self._correction[address])]

    def is_registered(self) -> npt.NDArray[np.bool_]:
        """Which addresses the table locates only by where their network is registered."""
        by_slot: npt.NDArray[np.bool_] = self.table.evidence == Evidence.REGISTERED
        return by_slot[self.slots]

    def _base_slots(self) -> npt.NDArray[np.uint16] | None:
        """The slots without overrides, `None` where that makes no difference to any row."""
        base = self.table.base
        if base is self.table:
            return None
        # All rows are looked up: no slot shows that an override is behind it, since one may also say `unknown`.
        slots = self.roster.lookup(base)
        return None if np.array_equal(slots, self.slots) else slots

    def _correction_columns(self) -> Integers | None:
        """By address the column of what its correction says, see `Kinds`."""
        if self._correction is None:
            return None
        columns = [self.bound.correction_columns[correction.region] for correction in self.policy.corrections]
        said = np.array([*(column - self.bound.slots + 1 for column in columns), 0], np.int64)
        return said[self._correction]

    def _corrections(self) -> Integers | None:
        """By address the first matching correction, or how many there are; `None` where none matches any."""
        corrections = self.policy.corrections
        if not corrections:
            return None
        roster = self.roster
        none = len(corrections)
        first = self._networks(self.bound.corrected_networks)
        named = _in_both(self.bound.corrected_participants, roster.participants.index)
        if named:
            by_code = np.full(len(roster.participants.values), none, np.int64)
            for name in named:
                by_code[roster.participants.index[name]] = self.bound.corrected_participants[name]
            of_address = by_code[roster.participants.codes]
            if roster.starts is not None:
                of_address = np.repeat(of_address, np.diff(roster.starts))
            first = np.minimum(first, of_address)
        return None if (first == none).all() else first

    def _exemptions(self) -> npt.NDArray[np.bool_] | None:
        """By regions of exemptions, whether one with these matches a connection; the regions are asked later."""
        roster = self.roster
        matching: dict[int, npt.NDArray[np.bool_]] = {}
        for name_of_column, names in self.bound.exempt_names.items():
            column = getattr(roster, name_of_column)
            if column is None:
                raise RosterError(
                    f"the roster has no column `{name_of_column}`, which an exemption of the policy asks for"
                )
            codes: dict[int, list[int]] = {}
            for name in _in_both(names, column.index):
                for number in names[name]:
                    codes.setdefault(number, []).append(column.index[name])
            for number, listed in codes.items():
                matching[number] = np.isin(column.codes, listed) | matching.get(number, False)
        for number, networks in self.bound.exempt_networks:
            of_address = self._networks(networks) == 0
            if roster.starts is not None and len(roster):
                of_address = np.logical_or.reduceat(of_address, roster.starts[:-1])
            if of_address.any():
                matching[number] = of_address | matching.get(number, False)
        if not matching:
            return None
        found = np.zeros((len(self.bound.exempt_regions), len(roster)), np.bool_)
        for number, matches in matching.items():
            found[number] = matches
        return found

    def _networks(self, networks: Networks) -> Integers:
        """The first list of networks that holds each address, as it is shown or as the one that it wraps."""
        roster = self.roster
        found = np.where(roster.families == V4, networks.of_v4(roster.v4), networks.none)
        if len(roster.v6):
            how, inside = self.table.unwrap(roster.v6)
            wrapped = np.where(how != 0, networks.of_v4(inside), networks.none)
            found[roster.v6_rows] = np.minimum(networks.of_v6(roster.v6), wrapped)
        return found

    def _confirming(self, compiled: Compiled) -> Flags | None:
        """The flag of each column of the witness for each set of regions."""
        return None if self.witness is None else bound(self.policy, self.witness).flags_of_sets(compiled.sets)

    def _exempting(self) -> npt.NDArray[np.uint16] | None:
        """For the regions of exemptions the flag of each column."""
        if self._exempt is None:
            return None
        anywhere = np.full(self.bound.columns, outcome.INSIDE, np.uint16)
        flags = [
            self.bound.flags(regions.expand(names, self.at, self.policy.groups)) if names else anywhere
            for names in self.bound.exempt_regions
        ]
        return np.stack(flags)


@dataclass(frozen=True, slots=True)
class Under:
    """Which entries meetings are under."""

    vectors: Integers
    """For each different set of entries the vectors of `Compiled` that it is made of, a column each."""
    set_of: Codes
    """For each meeting, by its code, the set that it is under."""


Columns: TypeAlias = npt.NDArray[np.uint16] | npt.NDArray[np.uint32]


def meeting_vectors(compiled: Compiled, roster: Roster) -> Under:
    """Which entries the meetings of a roster are under."""
    scopes = compiled.scopes
    meetings = roster.meetings
    count = len(meetings.values)
    parts = [_by_name(scopes.meetings, meetings, None)]
    if scopes.everywhere:
        parts.append(np.full(count, scopes.everywhere))
    accounts, account_of = roster.accounts, roster.account_of_meeting
    series, series_of = roster.series, roster.series_of_meeting
    if series is not None:
        parts.append(_by_name(scopes.series, series, series_of))
    if accounts is not None and account_of is not None:
        parts.append(_by_name(scopes.accounts, accounts, account_of))
        parts.append(_by_account(scopes.meetings_of, meetings, None, accounts, account_of))
        if series is not None:
            parts.append(_by_account(scopes.series_of, series, series_of, accounts, account_of))
    there = [part for part in parts if part is not None]
    if not there or not count:
        return Under(np.zeros((1, 1), np.int64), np.zeros(count, np.uint32))
    sets = there[0]
    for part in there[1:]:
        _, sets = dense(sets * (int(part.max()) + 1) + part)
    _, sets = dense(sets)
    some_meeting = np.zeros(int(sets.max()) + 1, np.int64)
    some_meeting[sets] = np.arange(count)
    return Under(np.stack([part[some_meeting] for part in there], axis=1), sets.astype(np.uint32))


def _by_name(
    vectors: Mapping[str, int], column: TextColumn, of_meeting: npt.NDArray[np.int32] | None
) -> Integers | None:
    """The vector of each meeting by its name in a column, or the meeting's own; `None` where none has any."""
    names = _in_both(vectors, column.index)
    if not names:
        return None
    found = np.zeros(len(column.values), np.int64)
    for name in names:
        found[column.index[name]] = vectors[name]
    return found if of_meeting is None else found[of_meeting]


def _by_account(
    vectors: Mapping[str, Mapping[str, int]],
    column: TextColumn,
    of_meeting: npt.NDArray[np.int32] | None,
    accounts: TextColumn,
    account_of: npt.NDArray[np.int32],
) -> Integers | None:
    """The same for rules, which name a meeting or series and reach it only where the account is their own."""
    names = _in_both(vectors, column.index)
    if not names:
        return None
    found = np.zeros(len(account_of), np.int64)
    for name in names:
        code = column.index[name]
        here = np.array([code]) if of_meeting is None else np.flatnonzero(of_meeting == code)
        for account, vector in vectors[name].items():
            found[here[account_of[here] == accounts.index.get(account, -1)]] = vector
    return found


def _in_both(names: Mapping[str, object], index: Mapping[str | None, object]) -> list[str]:
    """The names that both have; looks up those of the smaller one."""
    if len(names) <= len(index):
        return [name for name in names if name in index]
    return [name for name in index if name is not None and name in names]


def _gathered(under: Under, keys: Keys, meetings: Codes, columns: Columns) -> Keys:
    """The greatest key that the entries over a meeting have in a column, for each pair of both."""
    step = max(1, CELLS // max(1, keys.shape[1]))
    if len(under.vectors) <= step:
        return gather(_greatest(under.vectors, keys), under.set_of, meetings, columns)
    found = np.empty(len(meetings), np.uint32)
    sets = under.set_of[meetings]
    itself = np.arange(step, dtype=np.uint32)
    for first in range(0, len(under.vectors), step):
        here = np.flatnonzero((sets >= first) & (sets < first + step))
        some = _greatest(under.vectors[first : first + step], keys)
        found[here] = gather(some, itself, sets[here] - np.uint32(first), columns[here])
    return found


def _greatest(vectors: Integers, keys: Keys) -> Keys:
    greatest: Keys = keys[vectors[:, 0]]
    for column in range(1, vectors.shape[1]):
        np.maximum(greatest, keys[vectors[:, column]], out=greatest)
    return greatest


def _addresses_of(rows: Integers, starts: Integers) -> tuple[Integers, Integers]:
    """The addresses of some connections, and where those of each start among them."""
    counts = starts[rows + 1] - starts[rows]
    own_starts = np.concatenate([[0], np.cumsum(counts)])
    return np.arange(own_starts[-1]) + np.repeat(starts[rows] - own_starts[:-1], counts), own_starts
