"""Orders and rules against the labels of one table: one number for each slot and each set of entries.

A connection with one address, no correction and no exemption is as good as its slot, so what all entries say of it
is compiled once for all such connections. `Compiled.keys` does the same for any other kind of connection, by the
flags that its addresses have together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final, Protocol, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from regionfast import regions
from regionfast.errors import PolicyError, Problem
from regionfast.policy import outcome
from regionfast.policy.model import Defaults, Entry, Exemption, Order, Rule
from regionfast.policy.networks import Networks
from regionfast.policy.outcome import Flags, Grade, Outcomes
from regionfast.policy.policy import Policy
from regionfast.regions import RegionSet
from regionfast.regions.data import GROUPS
from regionfast.types import Effect, Region

Keys: TypeAlias = npt.NDArray[np.uint32]
"""Outcome and entry in one number: grade, then the entry, then the reason. Of two keys the greater one wins; zero
stands for no entry at all."""

ENTRIES: Final = 1 << (outcome.GRADE_SHIFT - outcome.REASON_BITS)
"""Entries of a policy have smaller numbers than this."""

CORRECTED: Final = 1 << 14
"""Corrections name at most so many different regions; there are fewer codes in all of ISO 3166."""

STATUS_FLAGS: Final = (
    outcome.UNKNOWN,
    outcome.PRIVATE,
    outcome.RESERVED,
    outcome.INVALID,
    outcome.MISSING,
    outcome.RELAY,
    0,  # no row has this slot
    outcome.RELAY,  # by an override
)
"""What the slots below the regions say, whatever the regions of an entry."""


class Table(Protocol):
    """What is asked of a table: the region of each slot."""

    @property
    def regions(self) -> tuple[Region | None, ...]:
        """By slot; `None` for a status."""
        ...


@dataclass(frozen=True, slots=True)
class Scopes:
    """Which vector of keys a meeting has by each of its names; 0 is the vector of nothing."""

    everywhere: int
    accounts: Mapping[str, int]
    series: Mapping[str, int]
    meetings: Mapping[str, int]
    series_of: Mapping[str, Mapping[str, int]]
    """By series and account: a rule reaches no series of another account."""
    meetings_of: Mapping[str, Mapping[str, int]]
    """By meeting and account."""


_Form: TypeAlias = tuple[str, Grade, bool]
"""How an entry reads flags: as order, rule or allow-only; the grade of its hit; whether it heeds exemptions."""


class _Labels:
    """The labels of a table, seen from regions, whatever the policy."""

    def __init__(self, table: Table) -> None:
        self._resting = np.full(len(table.regions), outcome.ELSEWHERE, np.uint16)
        self._resting[: len(STATUS_FLAGS)] = STATUS_FLAGS
        # By each country that a label may be in, which is more than the one that it is written with: see `whereabouts`.
        self._by_country: dict[str, list[tuple[int, RegionSet]]] = {}
        for slot, region in enumerate(table.regions):
            if region is not None:
                where = regions.whereabouts(str(region))
                for country in _countries(where):
                    self._by_country.setdefault(country, []).append((slot, where))
        self._flags: dict[RegionSet, Flags] = {}

    def flags(self, places: RegionSet) -> Flags:
        """The flag of each slot relative to some regions, `uint16`; made once for equal regions."""
        flags = self._flags.get(places)
        if flags is None:
            flags = self._resting.copy()
            for country in _countries(places):
                for slot, where in self._by_country.get(country, ()):
                    flags[slot] = located(where, places)
            if len(self._flags) >= _SETS:
                self._flags.clear()  # a table may see many policies come and go
            self._flags[places] = flags
        return flags


_SETS: Final = 1 << 12
"""Different sets of regions that are kept for one table."""
_LABELS: WeakKeyDictionary[Table, _Labels] = WeakKeyDictionary()


def _countries(places: RegionSet) -> set[str]:
    return {code.partition("-")[0] for code in places.codes}


class Bound:
    """The labels of a table, seen from the regions that a policy names.

    What only the door needs is made when the door is first asked, so that a new policy costs little until then.
    """

    def __init__(self, policy: Policy, table: Table) -> None:
        labels = _LABELS.get(table)
        self._labels = _LABELS.setdefault(table, _Labels(table)) if labels is None else labels
        self.slots = len(table.regions)
        """Slots of the table; columns from here on are what corrections say."""
        corrected = {correction.region: None for correction in policy.corrections}
        if len(corrected) > CORRECTED:
            raise PolicyError([Problem("correction", f"names more than {CORRECTED:,} different regions")])
        self.correction_columns = {region: self.slots + index for index, region in enumerate(corrected)}
        """The column of what a correction says."""
        self._corrected = [None if region is None else regions.whereabouts(region) for region in corrected]
        self.corrected_networks = Networks([correction.networks for correction in policy.corrections])
        self.corrected_participants: dict[str, int] = {}
        """The first correction that names each."""
        for number, correction in enumerate(policy.corrections):
            for participant in correction.participants:
                self.corrected_participants.setdefault(participant, number)
        # Exemptions differ only in their regions once somebody is named, and most have none: few groups of many.
        grouped: dict[tuple[str, ...], list[Exemption]] = {}
        for exemption in policy.exemptions:
            grouped.setdefault(exemption.regions, []).append(exemption)
        self.exempt_regions = tuple(grouped)
        """The different regions of exemptions, as they are written; empty for those without."""
        networks = [[network for exemption in group for network in exemption.networks] for group in grouped.values()]
        self.exempt_networks = [(number, Networks([listed])) for number, listed in enumerate(networks) if listed]
        """By the number of the regions."""
        self.exempt_names = _exempt_names(grouped.values())
        """By column of a roster and name in it, the numbers of the regions of exemptions that list it."""
        self.columns = self.slots + len(corrected)
        self._flags: dict[RegionSet, Flags] = {}
        self._places: dict[object, RegionSet] = {}
        self.slot_outcomes: dict[tuple[_Form, RegionSet], Outcomes] = {}
        """What was found for each column of what entries of one form say that name the same regions."""
        self._door: tuple[object, Compiled] | None = None
        self._last: tuple[object, Compiled] | None = None
        self._orders = policy.orders
        self._entries = policy.entries
        self._defaults = policy.defaults
        self._groups = policy.groups

    @cached_property
    def ids(self) -> tuple[str | None, ...]:
        """The id of each entry by its number, and at the end none."""
        return (*(entry.id for entry in self._entries), None)

    @cached_property
    def _active(self) -> list[int]:
        """The orders that act while their dates are on."""
        return [number for number, order in enumerate(self._orders) if order.state == "active"]

    @cached_property
    def _dates(self) -> npt.NDArray[np.float64]:
        """Where each of them begins and ends, `(2, active orders)`."""
        dates = [(_seconds(self._orders[number].since), _seconds(self._orders[number].end)) for number in self._active]
        return np.array(dates, np.float64).reshape(-1, 2).T

    @cached_property
    def _moments(self) -> npt.NDArray[np.float64]:
        """All moments at which an order begins or ends or a group becomes another, ascending."""
        return np.unique(np.concatenate([self._dates.ravel(), [_seconds(moment) for moment in GROUP_CHANGES]]))

    def steady(self, at: datetime) -> tuple[float, float]:
        """From when, and until before when, nothing begins or ends of itself, in seconds since 1970."""
        place = int(np.searchsorted(self._moments, _seconds(at), "right"))
        first = float(self._moments[place - 1]) if place else -np.inf
        return first, float(self._moments[place]) if place < len(self._moments) else np.inf

    def flags(self, places: RegionSet) -> Flags:
        """The flag of each column relative to some regions, `uint16`; made once for equal regions."""
        flags = self._flags.get(places)
        if flags is None:
            said = [outcome.UNKNOWN if where is None else located(where, places) for where in self._corrected]
            flags = np.concatenate([self._labels.flags(places), np.array(said, np.uint16)])
            flags.setflags(write=False)
            self._flags[places] = flags
        return flags

    def places(self, entry: Entry, at: datetime) -> RegionSet:
        """Where an entry reaches at a moment; many entries name the same regions."""
        named: object = (bisect_right(GROUP_CHANGES, at), entry.regions)
        if isinstance(entry, Order):
            named = (named, entry.territory, entry.jurisdiction, entry.spared)
        found = self._places.get(named)
        if found is None:
            found = entry.places(at) if isinstance(entry, Order) else regions.expand(entry.regions, at, self._groups)
            self._places[named] = found
        return found

    def flags_of_sets(self, sets: Sequence[RegionSet]) -> Flags:
        """The same for several, `(sets, columns)`."""
        return np.array([self.flags(places) for places in sets], np.uint16).reshape(len(sets), self.columns)

    def door(self, at: datetime) -> Compiled:
        """All entries that act at the door at a moment; the same object while nothing changes."""
        moment = _seconds(at)
        in_force = (self._dates[0] <= moment) & (moment < self._dates[1])
        epoch = (in_force.tobytes(), bisect_right(GROUP_CHANGES, at))
        door = self._door  # another thread may replace it meanwhile
        if door is None or door[0] != epoch:
            numbers = [number for number, acts in zip(self._active, in_force.tolist(), strict=True) if acts]
            numbers = [number for number in numbers if self._orders[number].join is not Effect.ADMIT]
            numbers.extend(range(len(self._orders), len(self._entries)))
            door = (epoch, self.compile(numbers, at))
            self._door = door
        return door[1]

    def compile(self, numbers: Sequence[int], at: datetime, *, for_plan: bool = False) -> Compiled:
        """Some entries by their numbers in the policy, with their regions as of a moment.

        For a plan an order's effect at the door does not matter: it hits whom it finds inside.
        """
        asked = (tuple(numbers), at, for_plan)
        last = self._last
        if last is None or last[0] != asked:
            entries = [(number, self._entries[number]) for number in numbers]
            last = (asked, Compiled(self, entries, at, self._defaults, for_plan=for_plan))
            self._last = last  # one order is asked about more than once in a row
        return last[1]


class Compiled:
    """Entries, their regions and scopes, and what they say of connections."""

    def __init__(
        self,
        bound: Bound,
        entries: Iterable[tuple[int, Entry]],
        at: datetime,
        defaults: Defaults | None,
        *,
        for_plan: bool,
    ) -> None:
        self._defaults = defaults
        self.sets: list[RegionSet] = []
        """The different sets of regions that the entries name."""
        set_numbers: dict[RegionSet, int] = {}
        claims: dict[tuple[_Form, int], int] = {}
        self._numbers: list[int] = []
        self._claim_of: list[int] = []
        scoped: dict[tuple[str, ...], list[int]] = {}
        for number, entry in entries:
            places = bound.places(entry, at)
            at_set = set_numbers.setdefault(places, len(set_numbers))
            if at_set == len(self.sets):
                self.sets.append(places)
            claim = claims.setdefault((_form(entry, for_plan=for_plan), at_set), len(claims))
            for scope in _scopes(entry):
                scoped.setdefault(scope, []).append(len(self._numbers))
            self._numbers.append(number)
            self._claim_of.append(claim)
        self._claims = list(claims)
        self.columns_needed = _columns_needed(scoped)
        """Columns of a roster that the entries ask for."""
        self._fill_scopes(scoped)
        self.set_flags = bound.flags_of_sets(self.sets)
        """The flag of each column of `Bound` for each of `sets`, `uint16`."""
        self.slot_keys = self._keys(self._outcomes_of_slots(bound.slot_outcomes))
        """What each set of entries says of a connection that is as good as its slot, `(vectors, columns)`."""

    def _fill_scopes(self, scoped: Mapping[tuple[str, ...], list[int]]) -> None:
        # Equal lists of entries are one vector: an order on a thousand meetings is not compiled a thousand times.
        vectors: dict[tuple[int, ...], int] = {}
        names: dict[str, dict[tuple[str, ...], int]] = {}
        for (kind, *name), members in scoped.items():
            names.setdefault(kind, {})[tuple(name)] = 1 + vectors.setdefault(tuple(members), len(vectors))

        def one(kind: str) -> dict[str, int]:
            return {name: vector for (name,), vector in names.get(kind, {}).items()}

        def two(kind: str) -> dict[str, dict[str, int]]:
            by_account: dict[str, dict[str, int]] = {}
            for (name, account), vector in names.get(kind, {}).items():
                by_account.setdefault(name, {})[account] = vector
            return by_account

        everywhere = names.get("everywhere", {}).get((), 0)
        self.scopes = Scopes(
            everywhere, one("account"), one("series"), one("meeting"), two("series of"), two("meeting of")
        )
        self._members = np.array([member for members in vectors for member in members], np.intp)
        lengths = [len(members) for members in vectors]
        self._starts = np.cumsum([0, *lengths[:-1]], dtype=np.intp) if lengths else np.zeros(0, np.intp)

    def keys(self, order_flags: Flags, rule_flags: Flags, witness: tuple[Flags, Flags] | None = None) -> Keys:
        """What each set of entries says of some kinds of connections, `uint32 (vectors, kinds)`.

        Args:
            order_flags: Flags as `of_order` reads them, `(sets, kinds)`.
            rule_flags: Flags as rules read them.
            witness: The same two by the table of the witness alone.
        """
        return self._keys(self._outcomes(self._claims, order_flags, rule_flags, witness))

    def _keys(self, outcomes: Outcomes) -> Keys:
        """The same from what each claim says, `(claims, kinds)`."""
        kinds = outcomes.shape[1]
        if not self._claims or not kinds:
            return np.zeros((1 + len(self._starts), kinds), np.uint32)
        keys = np.empty((1 + len(self._starts), kinds), np.uint32)
        keys[0] = 0
        claim_of = np.array(self._claim_of, np.intp)
        # The first entry explains, so a smaller number is a greater key.
        numbers = np.uint32(ENTRIES - 1) - np.array(self._numbers, np.uint32) << np.uint32(outcome.REASON_BITS)
        bounds = [*self._starts.tolist(), len(self._members)]
        step = max(1, _CELLS // kinds)
        first = 0
        while first < len(self._starts):
            # As many vectors at a time as keep the memory for their entries small.
            last = max(first + 1, bisect_right(bounds, bounds[first] + step) - 1)
            members = self._members[bounds[first] : bounds[last]]
            each = outcomes[claim_of[members]]
            each |= np.where(each != 0, numbers[members][:, None], np.uint32(0))
            np.maximum.reduceat(each, self._starts[first:last] - bounds[first], axis=0, out=keys[1 + first : 1 + last])
            first = last
        return keys

    def outcomes(
        self, order_flags: Flags, rule_flags: Flags, witness: tuple[Flags, Flags] | None = None
    ) -> dict[int, Outcomes]:
        """What each entry by its number says of some kinds of connections, wherever it may reach."""
        outcomes = self._outcomes(self._claims, order_flags, rule_flags, witness)
        return {number: outcomes[claim] for number, claim in zip(self._numbers, self._claim_of, strict=True)}

    def _outcomes_of_slots(self, known: dict[tuple[_Form, RegionSet], Outcomes]) -> Outcomes:
        """What each claim says of each column, `(claims, columns)`; plans of many orders ask for few different ones."""
        claims = [(form, self.sets[at_set]) for form, at_set in self._claims]
        missing = [claim for claim, whole in zip(self._claims, claims, strict=True) if whole not in known]
        if missing:
            found = self._outcomes(missing, *flags_of_slots(self.set_flags), None)
            known.update(((form, self.sets[at_set]), said) for (form, at_set), said in zip(missing, found, strict=True))
        return np.stack([known[claim] for claim in claims]) if claims else np.zeros(self.set_flags.shape, np.uint32)

    def _outcomes(
        self,
        claims: Sequence[tuple[_Form, int]],
        order_flags: Flags,
        rule_flags: Flags,
        witness: tuple[Flags, Flags] | None,
    ) -> Outcomes:
        """What each of some claims says, `(claims, kinds)`."""
        outcomes = np.empty((len(claims), order_flags.shape[1]), np.uint32)
        for form in {form for form, _ in claims}:
            rows = [row for row, (other, _) in enumerate(claims) if other == form]
            sets = [claims[row][1] for row in rows]
            said = self._said(form, order_flags[sets], rule_flags[sets])
            if witness is not None:
                said = outcome.witnessed(said, self._said(form, witness[0][sets], witness[1][sets]))
            outcomes[rows] = said
        return outcomes

    def _said(self, form: _Form, order_flags: Flags, rule_flags: Flags) -> Outcomes:
        kind, grade, heeds_exemptions = form
        if kind == "order":
            return outcome.of_order(order_flags, grade, heeds_exemptions=heeds_exemptions)
        if kind == "rule":
            return outcome.of_rule(rule_flags, grade)
        assert self._defaults is not None  # `parse` refuses an allow-only rule without them
        return outcome.of_allow_only(rule_flags, self._defaults)


_CELLS: Final = 1 << 22
"""Numbers that are worked on at a time."""


def located(where: RegionSet, places: RegionSet) -> int:
    """The flag, relative to some regions, of an address that may be in certain places."""
    if where.isdisjoint(places):
        return outcome.ELSEWHERE
    return outcome.INSIDE if where <= places else outcome.UNDECIDED


def flags_of_slots(flags: Flags) -> tuple[Flags, Flags]:
    """Flags of addresses by orders and by rules where base, overrides and corrections all say the same."""
    again = (flags & np.uint16(outcome.LOCATING)) << np.uint16(outcome.SECOND)
    both = (flags & np.uint16(outcome.INSIDE)) * np.uint16(outcome.BOTH)
    return flags | again | both, flags | again


def bound(policy: Policy, table: Table) -> Bound:
    """The labels of a table for a policy; kept as long as the table lives, for the last few policies."""
    by_revision = _BOUND.get(table)
    if by_revision is None:
        by_revision = _BOUND.setdefault(table, {})
    found = by_revision.get(policy.revision)
    if found is None:
        found = Bound(policy, table)
        for old in list(by_revision)[: 1 - _POLICIES]:
            by_revision.pop(old, None)
        by_revision[policy.revision] = found
    return found


_POLICIES: Final = 8
# By revision, since equal revisions decide alike, and a policy itself takes long to hash.
_BOUND: WeakKeyDictionary[Table, dict[str, Bound]] = WeakKeyDictionary()


def entry_numbers(keys: Keys) -> npt.NDArray[np.uint32]:
    """The number of the entry in each key; meaningless where the key is 0."""
    numbers = keys >> np.uint32(outcome.REASON_BITS) & np.uint32(ENTRIES - 1)
    return np.uint32(ENTRIES - 1) - numbers


def reasons(keys: Keys) -> npt.NDArray[np.uint8]:
    """The `Reason` in each key."""
    return (keys & np.uint32((1 << outcome.REASON_BITS) - 1)).astype(np.uint8)


def grades(keys: Keys) -> npt.NDArray[np.uint8]:
    """The `Grade` in each key."""
    return (keys >> np.uint32(outcome.GRADE_SHIFT)).astype(np.uint8)


def _form(entry: Entry, *, for_plan: bool) -> _Form:
    if isinstance(entry, Order):
        deny = for_plan or entry.join is Effect.DENY
        return ("order", Grade.ORDER_DENY if deny else Grade.ORDER_HOLD, entry.exemptions)
    if entry.effect == "allow-only":
        return ("allow-only", Grade.ALLOW_ONLY, True)
    return ("rule", Grade.RULE_DENY if entry.effect == "deny" else Grade.RULE_HOLD, True)


def _scopes(entry: Entry) -> Iterable[tuple[str, ...]]:
    """The names by which meetings are reached. Those of a rule hold its account, so that it reaches no other's."""
    if isinstance(entry, Rule):
        if not entry.meetings and not entry.series:
            return [("account", entry.account)]
        return [
            *(("meeting of", name, entry.account) for name in dict.fromkeys(entry.meetings)),
            *(("series of", name, entry.account) for name in dict.fromkeys(entry.series)),
        ]
    scope = entry.scope
    return [
        *([("everywhere",)] if scope.everywhere else ()),
        *(("account", name) for name in dict.fromkeys(scope.accounts)),
        *(("series", name) for name in dict.fromkeys(scope.series)),
        *(("meeting", name) for name in dict.fromkeys(scope.meetings)),
    ]


def _columns_needed(scopes: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    kinds = {kind for kind, *_ in scopes}
    accounts = kinds & {"account", "series of", "meeting of"}
    series = kinds & {"series", "series of"}
    return (*(["accounts"] if accounts else ()), *(["series"] if series else ()))


def _exempt_names(grouped: Iterable[Sequence[Exemption]]) -> dict[str, dict[str, list[int]]]:
    names: dict[str, dict[str, list[int]]] = {}
    for number, group in enumerate(grouped):
        for column in ("participants", "roles", "meetings", "series", "accounts"):
            for name in dict.fromkeys(name for exemption in group for name in getattr(exemption, column)):
                names.setdefault(column, {}).setdefault(name, []).append(number)
    return names


def _seconds(moment: datetime) -> float:
    return moment.timestamp()


GROUP_CHANGES: Final = sorted({moment for name in GROUPS for moment in regions.group_changes(name)})
"""The moments at which some group of ours becomes another; there are few, so nobody asks which group it is."""
