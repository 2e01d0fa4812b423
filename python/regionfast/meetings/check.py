"""The checker: nobody whom an order or rule does not reach is touched, verified once more by other means.

It shares no code with the evaluator: not its compiled policy, not the lookups of the engine, not its unwrapping, not
its sets of regions. It searches the ranges of the tables itself, the base table's first of all, unwraps IPv4 itself,
and compares texts of codes. Common to both are the policy's plain values, the roster's columns, and the facts of
`regionfast.regions`: which codes are aliases, what a group of ours holds at a time, what is contested, what is known
to be of mainland China.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from os import PathLike
from typing import TYPE_CHECKING, Final, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from regionfast import regions
from regionfast._lib import Table
from regionfast.errors import PlanRefused
from regionfast.meetings.columns import TextColumn
from regionfast.meetings.evidence import (
    NOWHERE,
    RELAY,
    STATUSES,
    V6,
    BaseData,
    DatabaseFile,
    Integers,
    Networks,
    Ranges,
    addresses_of,
)
from regionfast.policy.model import Defaults, Entry, Exemption, Order, Rule
from regionfast.types import Effect

if TYPE_CHECKING:
    from regionfast.meetings.decide import Decisions
    from regionfast.meetings.plan import Plan
    from regionfast.meetings.roster import Roster
    from regionfast.policy.policy import Policy

_Bools: TypeAlias = npt.NDArray[np.bool_]

Evidence: TypeAlias = "Table | BaseData | str | PathLike[str] | None"
"""What orders are checked against: a table (its base), base data, or the path of an .mmdb; `None`: the base of the
table that decided."""


def check_joins(decisions: Decisions, evidence: Evidence = None) -> int:
    """Verify every connection that is not admitted.

    Of all: that the order or rule which is named reaches the meeting, asks for no less than the effect, and is in
    force; that no exemption excuses the connection. Of an order: that the base data, the table with its overrides, and
    the witness where there is one, with overrides and without, each place at least one address inside its regions and
    none elsewhere, and that no correction matches. Of a rule: that table and corrections together bear out what it
    claims, or the defaults what it does with whom they cannot place.

    Returns:
        How many connections were verified.

    Raises:
        PlanRefused: One that must not be touched; says which connection by its number, and why.
    """
    return _check(decisions, decisions.effect, Effect.ADMIT, decisions.cause, _most_at_door, evidence)


def check_plan(plan: Plan, evidence: Evidence = None) -> int:
    """Verify every row of a plan; as `check_joins`, and that the effect is no more than the entry's `present`.

    Raises:
        ValueError: Evidence for a plan by a rule: rules are their owner's choice by the table that he uses.
    """
    if evidence is not None and not isinstance(plan.entry, Order):
        raise ValueError(f"evidence is for orders, and {plan.by} is a rule")
    cause = TextColumn(np.zeros(len(plan.roster), np.uint32), (plan.by,))
    return _check(plan, plan.effect, Effect.KEEP, cause, _most_inside, evidence)


_Most: TypeAlias = Callable[[Entry], Effect]
"""The strictest effect that an entry asks for."""


def _check(
    checked: Decisions | Plan,
    effect: npt.NDArray[np.uint8],
    untouched: Effect,
    cause: TextColumn,
    most: _Most,
    evidence: Evidence,
) -> int:
    roster, at = checked.roster, checked.at
    if len(effect) != len(roster) or len(cause) != len(roster):
        raise PlanRefused("the decisions are not as long as the roster that they are of")
    touched = np.flatnonzero(effect != int(untouched))  # NumPy is slow with an `IntEnum`
    if not len(touched):
        return 0
    effects, used = effect[touched], cause.codes[touched].astype(np.int64)
    entries = checked.policy.entries
    numbers = checked.policy.numbers
    cited = {number: _entry(entries, numbers, cause.values[number]) for number in _different(used)}
    _check_effects(touched, effects, used, cited, at, most)
    sound = {number: entry for number, entry in cited.items() if entry is not None}
    _check_meetings(touched, used, sound, roster, _prepared(checked.policy))
    orders = {number: entry for number, entry in sound.items() if isinstance(entry, Order)}
    rules = {number: entry for number, entry in sound.items() if isinstance(entry, Rule)}
    if orders:
        rows: slice | _Bools = slice(None) if not rules else _of(orders, used, len(cause.values))
        _check_orders(_Some(checked, touched[rows]), used[rows], orders, evidence)
    if rules:
        rows = slice(None) if not orders else _of(rules, used, len(cause.values))
        _check_rules(_Some(checked, touched[rows]), used[rows], rules, effects[rows])
    return len(touched)


def _of(entries: Mapping[int, Entry], used: Integers, count: int) -> _Bools:
    """Which rows name one of some entries."""
    is_one = np.zeros(count, np.bool_)
    is_one[list(entries)] = True
    return is_one[used]


def _entry(entries: Sequence[Entry], numbers: Mapping[str, int], name: str | None) -> Entry | None:
    """The entry of a name; `None` where there is none."""
    number = None if name is None else numbers.get(name)
    return None if number is None or entries[number].id != name else entries[number]


def _check_effects(
    touched: Integers,
    effects: npt.NDArray[np.uint8],
    used: Integers,
    cited: Mapping[int, Entry | None],
    at: datetime,
    most: _Most,
) -> None:
    pairs = used * len(Effect) + effects
    for pair in _different(pairs):
        number, what = divmod(pair, len(Effect))
        why = _no_cause(cited[number], Effect(what), at, most)
        if why:
            raise _refuse(int(touched[np.argmax(pairs == pair)]), why)


def _no_cause(entry: Entry | None, effect: Effect, at: datetime, most: _Most) -> str | None:
    """Why an order or rule is no cause of an effect, whomever it is about."""
    if entry is None:
        return "no order and no rule is named as the cause"
    if isinstance(entry, Order):
        is_early = at < entry.start or (entry.reviewed is not None and at < entry.reviewed)
        if entry.state != "active" or is_early or at >= entry.end:
            return f"order {entry.id} is not in force"
    asked = most(entry)
    # A rule holds whom it cannot decide about; an order touches nobody in such a case.
    is_held = effect is Effect.HOLD and asked in {Effect.DENY, Effect.EJECT} and not isinstance(entry, Order)
    return None if effect is asked or is_held else f"{entry.id} does not ask to {effect}"


def _most_at_door(entry: Entry) -> Effect:
    if isinstance(entry, Order):
        return entry.join
    return Effect.HOLD if entry.effect == "hold" else Effect.DENY


def _most_inside(entry: Entry) -> Effect:
    return entry.present


def _check_meetings(
    touched: Integers, used: Integers, cited: Mapping[int, Entry], roster: Roster, prepared: _Prepared
) -> None:
    meetings = roster.meetings
    pairs = used * len(meetings.values) + meetings.codes[touched]
    reached = {number: prepared.reach(entry) for number, entry in cited.items()}
    for pair in _different(pairs):
        number, meeting = divmod(pair, len(meetings.values))
        if not reached[number].holds(meeting, roster):
            row = int(touched[np.argmax(pairs == pair)])
            raise _refuse(row, f"its meeting is none that {cited[number].id} reaches")


class _Reach:
    """The meetings that an entry names."""

    def __init__(self, entry: Entry) -> None:
        self._is_rule = not isinstance(entry, Order)
        if isinstance(entry, Order):
            scope = entry.scope
            self._everywhere = scope.everywhere
            self._meetings, self._series = _names(scope.meetings), _names(scope.series)
            self._accounts = _names(scope.accounts)
        else:
            self._everywhere = not entry.meetings and not entry.series
            self._meetings, self._series = _names(entry.meetings), _names(entry.series)
            self._accounts = _names([entry.account])

    def holds(self, meeting: int, roster: Roster) -> bool:
        account = _name(roster.accounts, roster.account_of_meeting, meeting)
        if self._is_rule and account not in self._accounts:
            return False
        if self._everywhere or roster.meetings.values[meeting] in self._meetings:
            return True
        if _name(roster.series, roster.series_of_meeting, meeting) in self._series:
            return True
        return not self._is_rule and account in self._accounts


def _names(names: Iterable[str]) -> frozenset[str | None]:
    """A set that can be asked about `None`, which it never holds."""
    return frozenset(names) if names else _NONE


_NONE: Final[frozenset[str | None]] = frozenset()


def _name(column: TextColumn | None, of_meeting: npt.NDArray[np.int32] | None, meeting: int) -> str | None:
    """What a column says of a meeting, by its code."""
    return None if column is None or of_meeting is None else column.values[of_meeting[meeting]]


@dataclass(frozen=True, slots=True)
class _Excuse:
    """The exemptions that ask for the same regions, as one."""

    regions: tuple[str, ...]
    networks: Networks
    names: Mapping[str, frozenset[str]]
    """By column of a roster."""


class _Prepared:
    """What takes long to make of a policy."""

    def __init__(self, policy: Policy) -> None:
        corrections = policy.corrections
        self.none = len(corrections)
        """What stands for no correction."""
        self.corrected_networks = Networks(
            ((number, correction.networks) for number, correction in enumerate(corrections)), self.none
        )
        self.corrected_participants: dict[str, int] = {}
        """The first correction of each."""
        for number, correction in enumerate(corrections):
            for name in correction.participants:
                self.corrected_participants.setdefault(name, number)
        alike: dict[tuple[str, ...], list[Exemption]] = {}
        for exemption in policy.exemptions:
            alike.setdefault(exemption.regions, []).append(exemption)
        self.excuses = [_excuse(names, exemptions) for names, exemptions in alike.items()]
        self._reach: dict[str, _Reach] = {}

    def reach(self, entry: Entry) -> _Reach:
        """The meetings of an entry of the policy; no two have the same id."""
        found = self._reach.get(entry.id)
        return self._reach.setdefault(entry.id, _Reach(entry)) if found is None else found


def _excuse(names: tuple[str, ...], exemptions: Sequence[Exemption]) -> _Excuse:
    networks = Networks([(0, (network for exemption in exemptions for network in exemption.networks))], 1)
    by_column = {
        column: frozenset(name for exemption in exemptions for name in getattr(exemption, column))
        for column in ("participants", "roles", "meetings", "series", "accounts")
    }
    return _Excuse(names, networks, by_column)


# A few, since somebody may decide by an old and a new policy in turn; equal policies have equal revisions.
_prepared = lru_cache(maxsize=4)(_Prepared)

INSIDE: Final = 1
ELSEWHERE: Final = 2
UNDECIDED: Final = 4
RELAYED: Final = 8
LOCATED: Final = INSIDE | ELSEWHERE | UNDECIDED | RELAYED
_STATUS_BITS: Final = {status: 16 << number for number, status in enumerate(STATUSES)} | {NOWHERE: 16}

_Said: TypeAlias = npt.NDArray[np.uint16]
"""By connection, which of these are true of its addresses."""


class _Some:
    """Some connections that would be touched, with their addresses and what corrects these."""

    def __init__(self, checked: Decisions | Plan, rows: Integers) -> None:
        self.checked = checked
        self.rows = rows
        self.addresses, self.starts = addresses_of(checked.roster, rows)
        self.prepared = _prepared(checked.policy)
        self.correction = self._corrections()
        """By address the first matching correction; `None` where none matches any."""

    def by_address(self, of_connection: Integers) -> Integers:
        """What is true of a connection, for each of its addresses."""
        return of_connection if self.starts is None else np.repeat(of_connection, np.diff(self.starts))

    def any(self, of_address: _Bools) -> _Bools:
        """By connection, whether something is true of any of its addresses."""
        return of_address if self.starts is None else np.logical_or.reduceat(of_address, self.starts[:-1])

    def said(
        self, data: BaseData, keys: Integers, judge: Callable[[int, str], int], *, corrected: bool = False
    ) -> _Said:
        """What data says of each connection, as an entry sees it.

        Args:
            data: Where addresses are.
            keys: By connection the number of the entry.
            judge: What a code is to the entry of a number.
            corrected: Whether corrections take the place of what the data says.
        """
        codes, found = data.codes(self.addresses)
        if corrected and self.correction is not None:
            corrections = self.checked.policy.corrections
            found = np.where(self.correction < self.prepared.none, len(codes) + self.correction, found)
            codes = (*codes, *(correction.region or NOWHERE for correction in corrections))
        pairs = self.by_address(keys) * len(codes) + found
        different = _different(pairs)
        table = np.zeros(max(different) + 1, np.uint16)
        for pair in different:
            key, number = divmod(pair, len(codes))
            code = codes[number]
            table[pair] = RELAYED if code == RELAY else _STATUS_BITS.get(code) or judge(key, code)
        said = table[pairs]
        return said if self.starts is None else np.bitwise_or.reduceat(said, self.starts[:-1])

    @cached_property
    def unwrapped(self) -> tuple[npt.NDArray[np.uint32], _Bools]:
        """By address the IPv4 address that it wraps, and whether it wraps any."""
        inside, is_wrapped, _ = _ranges(self.checked.table).unwrapped(self.addresses.v6)
        return inside, is_wrapped & (self.addresses.family == V6)

    def _corrections(self) -> Integers | None:
        prepared, participants = self.prepared, self.checked.roster.participants
        if not prepared.none:
            return None
        found = np.full(len(self.addresses.family), prepared.none)
        if prepared.corrected_networks:
            found = prepared.corrected_networks.of(self.addresses, self.unwrapped)
        named = _in_both(prepared.corrected_participants, participants)
        if named:
            by_code = np.full(len(participants.values), prepared.none)
            by_code[list(named)] = [prepared.corrected_participants[name] for name in named.values()]
            found = np.minimum(found, self.by_address(by_code[participants.codes[self.rows]]))
        return None if (found == prepared.none).all() else found

    def excused(self, excuse: _Excuse) -> _Bools:
        """By connection, whether exemptions name it; their regions are another question."""
        roster = self.checked.roster
        found = np.zeros(len(self.rows), np.bool_)
        for name, names in excuse.names.items():
            column: TextColumn | None = getattr(roster, name)
            named = {} if column is None else _in_both(names, column)
            if column is not None and named:
                is_named = np.zeros(len(column.values), np.bool_)
                is_named[list(named)] = True
                found |= is_named[column.codes[self.rows]]
        if excuse.networks:
            found |= self.any(excuse.networks.of(self.addresses, self.unwrapped) == 0)
        return found

    def refuse(self, wrong: _Bools, why: Callable[[int], str]) -> None:
        """Refuse all, where anything is wrong with one of them."""
        if wrong.any():
            first = int(np.argmax(wrong))
            raise _refuse(int(self.rows[first]), why(first))


def _in_both(names: Mapping[str, int] | frozenset[str], column: TextColumn) -> dict[int, str]:
    """The names that a column has, by their codes there."""
    index = column.index
    if len(names) <= len(index):
        return {index[name]: name for name in names if name in index}
    return {code: name for name, code in index.items() if name is not None and name in names}


def _check_orders(some: _Some, used: Integers, orders: Mapping[int, Order], evidence: Evidence) -> None:
    at = some.checked.at

    def judge(number: int, code: str) -> int:
        return INSIDE if is_inside(code, orders[number], at) else ELSEWHERE

    for name, data in _all_data(some.checked, evidence):
        said = some.said(data, used, judge)
        for wrong, what in (
            (said & INSIDE == 0, "places none of its addresses inside"),
            (said & LOCATED != INSIDE, "places one of its addresses elsewhere, or it is a relay"),
        ):
            some.refuse(wrong, lambda first: f"{name} {what}, and {orders[int(used[first])].id} acts on it")  # noqa: B023
    if some.correction is not None:
        some.refuse(
            some.any(some.correction < some.prepared.none),
            lambda _: "a correction of the policy says that it is not there",
        )
    heeding = [number for number, order in orders.items() if order.exemptions]
    if heeding and some.prepared.excuses:
        _check_exemptions(some, np.isin(used, heeding), of_orders=True)


def _check_rules(some: _Some, used: Integers, rules: Mapping[int, Rule], effects: npt.NDArray[np.uint8]) -> None:
    at, groups = some.checked.at, some.checked.policy.groups
    named = {number: _Named(rule.regions, groups, at) for number, rule in rules.items()}

    def judge(number: int, code: str) -> int:
        return named[number].relation(code)

    whole = some.said(_ranges(some.checked.table), used, judge, corrected=True)
    said = whole & LOCATED
    allows = np.isin(used, [number for number, rule in rules.items() if rule.effect == "allow-only"])
    holds = effects == int(Effect.HOLD)
    claimed = (said == INSIDE) | (holds & (said & UNDECIDED != 0) & (said & (ELSEWHERE | RELAYED) == 0))
    some.refuse(
        np.where(allows, said == INSIDE, ~claimed),
        lambda first: f"the table does not bear out what {rules[int(used[first])].id} says of it",
    )
    if allows.any():
        some.refuse(
            allows & ~holds & (said != ELSEWHERE) & ~_is_asked(whole, some.checked.policy.defaults, _STRICT),
            lambda _: "it is located neither inside nor outside, and the defaults do not ask to turn it away",
        )
        some.refuse(
            allows & holds & (said != ELSEWHERE) & ~_is_asked(whole, some.checked.policy.defaults, _ANY),
            lambda _: "it is located neither inside nor outside, and the defaults let it in",
        )
    if some.checked.witness is not None:
        # What a rule only holds, or leaves to the defaults, claims no region, and needs no witness.
        by_witness = some.said(_ranges(some.checked.witness), used, judge, corrected=True) & LOCATED
        claims = np.where(allows, said == ELSEWHERE, said == INSIDE)
        some.refuse(claims & (said != by_witness), lambda _: "the witness does not confirm it")
    _check_exemptions(some, np.ones(len(used), np.bool_), of_orders=False)


_STRICT: Final = frozenset({Effect.DENY})
_ANY: Final = frozenset({Effect.DENY, Effect.HOLD})


def _is_asked(said: _Said, defaults: Defaults | None, effects: frozenset[Effect]) -> _Bools:
    """Whether, of whom no list of allowed regions can place, the defaults ask for one of some effects."""
    if defaults is None:
        return np.zeros(len(said), np.bool_)

    def asks(name: str) -> bool:
        return getattr(defaults, name) in effects

    conflict = INSIDE | ELSEWHERE
    # Which part of its region somebody is in, no default says: such a one is held.
    cases: list[tuple[_Bools, bool]] = [
        (said & RELAYED != 0, asks("relay")),
        (said & conflict == conflict, asks("conflict")),
        (said & UNDECIDED != 0, Effect.HOLD in effects),
        *((said & _STATUS_BITS[status] != 0, asks(status)) for status in _STRONGEST_FIRST),
    ]
    found = np.zeros(len(said), np.bool_)
    for case, is_asked in reversed(cases):
        found[case] = is_asked
    return found


_STRONGEST_FIRST: Final = ("unknown", "reserved", "private", "invalid", "missing")
"""What counts of somebody with several addresses, none of which is located."""


def _check_exemptions(some: _Some, heeds: _Bools, *, of_orders: bool) -> None:
    at, policy, table = some.checked.at, some.checked.policy, some.checked.table
    for excuse in some.prepared.excuses:
        excused = heeds & some.excused(excuse)
        if not excused.any():
            continue
        if excuse.regions:
            named = _Named(excuse.regions, policy.groups, at)
            keys = np.zeros(len(some.rows), np.int64)

            def judge(_: int, code: str, named: _Named = named) -> int:
                return named.relation(code)

            inside = some.said(_ranges(table), keys, judge, corrected=True) & LOCATED == INSIDE
            if of_orders:
                inside |= some.said(_ranges(table.base), keys, judge) & LOCATED == INSIDE
            excused &= inside
        some.refuse(excused, lambda _: "an exemption of the policy excuses it")


def is_inside(code: str, order: Order, at: datetime) -> bool:
    """Whether a region, as base data names it, lies whole in what an order reaches at a moment."""
    return all(_is_place_inside(place, order, at) for place in _places(code))


def _is_place_inside(code: str, order: Order, at: datetime) -> bool:
    if not _is_within(code, order.regions, at) or not _is_within(code, (order.territory,), at):
        return False
    conceded = order.regions if order.jurisdiction is None else order.jurisdiction
    if order.jurisdiction is not None and not _is_within(code, order.jurisdiction, at):
        return False
    nearby = _CONTESTED.get(_country(code), ())
    return not any(_overlap(code, place) and not _is_conceded(code, place, conceded) for place in nearby)


def _is_conceded(code: str, place: str, names: Sequence[str]) -> bool:
    """Whether a contested place is named, or a part of it that a region lies in."""
    return place in names or any(_holds(place, name) and _holds(name, code) for name in names)


@lru_cache(maxsize=1 << 14)
def _places(code: str) -> tuple[str, ...]:
    """The places that base data may mean by a code.

    Several, where it has under China what is not known to be of the mainland: it may lie in Hong Kong, Macao or
    Taiwan.
    """
    whole = regions.canonical(code)
    return (whole,) if _country(whole) != "CN" or regions.is_mainland(whole) else ("CN", "HK", "MO", "TW")


def _country(code: str) -> str:
    return code.partition("-")[0]


_CONTESTED: Final[dict[str, list[str]]] = {}
"""The contested places by country."""
for _place in regions.contested_places().codes:
    _CONTESTED.setdefault(_country(_place), []).append(_place)


class _Named:
    """The regions that a rule or an exemption names, as of a moment."""

    def __init__(self, names: Sequence[str], groups: Mapping[str, Sequence[str]], at: datetime) -> None:
        self._names = _leaves(names, groups)
        self._at = at
        self._members = [member for name in self._names for member in _members(name, at)]
        self._countries = {_country(member) for member in self._members}

    def relation(self, code: str) -> int:
        """What a region is to them."""
        places = _places(code)
        near = [place for place in places if _country(place) in self._countries]
        if len(near) == len(places) and all(_is_within(place, self._names, self._at) for place in near):
            return INSIDE
        return UNDECIDED if any(_overlap(place, member) for place in near for member in self._members) else ELSEWHERE


def _leaves(names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The names, canonical, with those of own groups in the place of the groups."""
    found: list[str] = []
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in groups:
            found.append(name if regions.is_group(name) else regions.canonical(name))
        elif name not in seen:
            seen.add(name)
            waiting.extend(groups[name])
    return found


def _members(name: str, at: datetime) -> Sequence[str]:
    return regions.group(name, at).codes if regions.is_group(name) else (name,)


def _is_within(code: str, names: Sequence[str], at: datetime) -> bool:
    for name in names:
        holes = regions.group(name, at).holes if regions.is_group(name) else ()
        if any(_holds(member, code) for member in _members(name, at)) and not any(
            _overlap(code, hole) for hole in holes
        ):
            return True
    return False


def _holds(outer: str, inner: str) -> bool:
    return inner == outer or inner.startswith(outer + "-")


def _overlap(code: str, place: str) -> bool:
    """Whether a region and a place share anything, as far as codes can tell: names of subdivisions tell nothing."""
    if _holds(code, place) or _holds(place, code):
        return True
    country, _, rest = code.partition("-")
    part = rest.partition("-")[0]  # more detail than a code has, as in `US-CA-Los Angeles`, lies within the code
    return re.fullmatch(r"[A-Z0-9]{1,3}|", part) is None and _country(place) == country


def _all_data(checked: Decisions | Plan, evidence: Evidence) -> Iterator[tuple[str, BaseData]]:
    """All that has to place a connection inside: base data and witness, and both with overrides where they have any."""
    table = checked.table
    if evidence is None:
        yield "the base table", _ranges(table.base)
    elif isinstance(evidence, Table):
        yield "the evidence", _ranges(evidence.base)
    elif isinstance(evidence, str | PathLike):
        yield "the database", DatabaseFile(evidence, _ranges(table.base))
    else:
        yield "the evidence", evidence
    if table.base is not table:
        yield "the table with its overrides", _ranges(table)
    if checked.witness is not None:
        yield "the witness", _ranges(checked.witness)
        if checked.witness.base is not checked.witness:
            yield "the base of the witness", _ranges(checked.witness.base)


def _ranges(table: Table) -> Ranges:
    found = _RANGES.get(table)
    return _RANGES.setdefault(table, Ranges(table)) if found is None else found


_RANGES: WeakKeyDictionary[Table, Ranges] = WeakKeyDictionary()


def _different(values: Integers) -> list[int]:
    """The different values, sorted; none is negative."""
    if len(values) <= _HANDFUL:
        return sorted(set(values.tolist()))
    size = int(values.max()) + 1
    if size > _FEW:
        found: list[int] = np.unique(values).tolist()
        return found
    is_there = np.zeros(size, np.bool_)
    is_there[values] = True
    return np.flatnonzero(is_there).tolist()


_HANDFUL: Final = 16
_FEW: Final = 1 << 24
"""Up to so many possible values, marking those that occur takes less time than sorting."""


def _refuse(connection: int, why: str) -> PlanRefused:
    return PlanRefused(f"connection {connection} must not be touched: {why}; nothing may be done by these decisions")
