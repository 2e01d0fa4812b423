"""The checker: nobody whom an order or rule does not reach is touched, verified once more by other means.

It shares no code with the evaluator: not its compiled policy, not the lookups of the engine, not its unwrapping, not
its sets of regions. It searches the ranges of the tables itself, the base table's first of all, unwraps IPv4 itself,
and compares texts of codes. Common to both are the policy's plain values, the roster's columns, and the facts of
`regionfast.regions`: which codes are aliases, what a group of ours holds at a time, what is contested.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from os import PathLike
from typing import TYPE_CHECKING, Final, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from regionfast import regions
from regionfast._lib import Table
from regionfast.errors import PlanRefused
from regionfast.meetings.columns import TextColumn
from regionfast.meetings.evidence import NOWHERE, RELAY, V4, V6, BaseData, DatabaseFile, Integers, Ranges, addresses_of
from regionfast.policy.model import Entry, Exemption, Network, Order, Rule
from regionfast.types import Effect

if TYPE_CHECKING:
    from regionfast.meetings.decide import Decisions
    from regionfast.meetings.plan import Plan
    from regionfast.meetings.roster import Roster

_Bools: TypeAlias = npt.NDArray[np.bool_]

Evidence: TypeAlias = "Table | BaseData | str | PathLike[str] | None"
"""What orders are checked against: a table (its base), base data, or the path of an .mmdb; `None`: the base of the
table that decided."""


def check_joins(decisions: Decisions, evidence: Evidence = None) -> int:
    """Verify every connection that is not admitted.

    Of all: that the order or rule which is named reaches the meeting, asks for no less than the effect, and is in
    force; that no exemption excuses the connection. Of an order: that the base data, the table with its overrides, and
    the witness where there is one, each place at least one address inside its regions and none elsewhere, and that no
    correction matches. Of a rule: that table and corrections together bear out what it claims.

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
    cited = {number: _entry(entries, number, cause.values[number]) for number in _different(used)}
    _check_effects(touched, effects, used, cited, at, most)
    sound = {number: entry for number, entry in cited.items() if entry is not None}
    _check_meetings(touched, used, sound, roster)
    is_order = np.zeros(len(cause.values), np.bool_)
    is_order[[number for number, entry in sound.items() if isinstance(entry, Order)]] = True
    by_order = is_order[used]
    if by_order.any():
        orders = {number: entry for number, entry in sound.items() if isinstance(entry, Order)}
        _check_orders(_Some(checked, touched[by_order]), used[by_order], orders, evidence)
    if not by_order.all():
        rules = {number: entry for number, entry in sound.items() if isinstance(entry, Rule)}
        _check_rules(_Some(checked, touched[~by_order]), used[~by_order], rules, effects[~by_order])
    return len(touched)


def _entry(entries: Sequence[Entry], number: int, name: str | None) -> Entry | None:
    """The entry of a name, `None` where there is none; looked for where it probably is, and then everywhere."""
    if number < len(entries) and entries[number].id == name:
        return entries[number]
    return next((entry for entry in entries if entry.id == name), None)


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
    if effect is asked or (effect is Effect.HOLD and asked in {Effect.DENY, Effect.EJECT}):
        return None
    return f"{entry.id} asks for less than to {effect}"


def _most_at_door(entry: Entry) -> Effect:
    if isinstance(entry, Order):
        return entry.join
    return Effect.HOLD if entry.effect == "hold" else Effect.DENY


def _most_inside(entry: Entry) -> Effect:
    return entry.present


def _check_meetings(touched: Integers, used: Integers, cited: Mapping[int, Entry], roster: Roster) -> None:
    meetings = roster.meetings
    pairs = used * len(meetings.values) + meetings.codes[touched]
    reached = {number: _Reach(entry, roster) for number, entry in cited.items()}
    for pair in _different(pairs):
        number, meeting = divmod(pair, len(meetings.values))
        if not reached[number].holds(meeting):
            row = int(touched[np.argmax(pairs == pair)])
            raise _refuse(row, f"its meeting is none that {cited[number].id} reaches")


class _Reach:
    """The meetings that an entry names."""

    def __init__(self, entry: Entry, roster: Roster) -> None:
        self._roster = roster
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

    def holds(self, meeting: int) -> bool:
        roster = self._roster
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


INSIDE: Final = 1
ELSEWHERE: Final = 2
UNDECIDED: Final = 4
RELAYED: Final = 8

_Said: TypeAlias = npt.NDArray[np.uint8]
"""By connection, which of these are true of its addresses."""


class _Some:
    """Some connections that would be touched, with their addresses and what corrects these."""

    def __init__(self, checked: Decisions | Plan, rows: Integers) -> None:
        self.checked = checked
        self.rows = rows
        self.addresses, self.starts = addresses_of(checked.roster, rows)
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
            found = np.where(self.correction < len(corrections), len(codes) + self.correction, found)
            codes = (*codes, *(correction.region or NOWHERE for correction in corrections))
        pairs = self.by_address(keys) * len(codes) + found
        different = _different(pairs)
        table = np.zeros(max(different) + 1, np.uint8)
        for pair in different:
            key, code = divmod(pair, len(codes))
            if codes[code] != NOWHERE:
                table[pair] = RELAYED if codes[code] == RELAY else judge(key, codes[code])
        said = table[pairs]
        return said if self.starts is None else np.bitwise_or.reduceat(said, self.starts[:-1])

    def is_in(self, networks: Iterable[Network]) -> _Bools:
        """By address, whether it lies in a network, as it is shown or by the IPv4 address that it wraps."""
        addresses = self.addresses
        inside, is_wrapped = _ranges(self.checked.table).unwrapped(addresses.v6)
        is_wrapped &= addresses.family == V6
        v4 = np.where(is_wrapped, inside, addresses.v4)
        is_v4 = is_wrapped | (addresses.family == V4)
        found = np.zeros(len(v4), np.bool_)
        for network in networks:
            if network.version == V4:
                found |= is_v4 & (v4 & np.uint32(int(network.netmask)) == int(network.network_address))
            else:
                mask = np.frombuffer(network.netmask.packed, np.uint8)
                first = np.frombuffer(network.network_address.packed, np.uint8)
                found |= (addresses.family == V6) & (addresses.v6 & mask == first).all(1)
        return found

    def _corrections(self) -> Integers | None:
        corrections = self.checked.policy.corrections
        participants = self.checked.roster.participants
        found = np.full(len(self.addresses.family), len(corrections))
        for number in reversed(range(len(corrections))):
            correction = corrections[number]
            named = [participants.index[name] for name in correction.participants if name in participants.index]
            if named:
                found[self.by_address(np.isin(participants.codes[self.rows], named).astype(np.int64)) != 0] = number
            if correction.networks:
                found[self.is_in(correction.networks)] = number
        return None if (found == len(corrections)).all() else found

    def exempt(self, exemption: Exemption) -> _Bools:
        """By connection, whether an exemption names it; its regions are another question."""
        roster = self.checked.roster
        found = np.zeros(len(self.rows), np.bool_)
        for name in ("participants", "roles", "meetings", "series", "accounts"):
            column: TextColumn | None = getattr(roster, name)
            if column is not None and getattr(exemption, name):
                codes = [column.index[text] for text in getattr(exemption, name) if text in column.index]
                found |= np.isin(column.codes[self.rows], codes)
        return found | self.any(self.is_in(exemption.networks)) if exemption.networks else found

    def refuse(self, wrong: _Bools, why: Callable[[int], str]) -> None:
        """Refuse all, where anything is wrong with one of them."""
        if wrong.any():
            first = int(np.argmax(wrong))
            raise _refuse(int(self.rows[first]), why(first))


def _check_orders(some: _Some, used: Integers, orders: Mapping[int, Order], evidence: Evidence) -> None:
    at = some.checked.at

    def judge(number: int, code: str) -> int:
        return INSIDE if is_inside(code, orders[number], at) else ELSEWHERE

    for name, data in _all_data(some.checked, evidence):
        said = some.said(data, used, judge)
        for wrong, what in (
            (said & INSIDE == 0, "places none of its addresses inside"),
            (said != INSIDE, "places one of its addresses elsewhere, or it is a relay"),
        ):
            some.refuse(wrong, lambda first: f"{name} {what}, and {orders[int(used[first])].id} acts on it")  # noqa: B023
    if some.correction is not None:
        none = len(some.checked.policy.corrections)
        some.refuse(some.any(some.correction < none), lambda _: "a correction of the policy says that it is not there")
    heeds = np.isin(used, [number for number, order in orders.items() if order.exemptions])
    if heeds.any():
        _check_exemptions(some, heeds, of_orders=True)


def _check_rules(some: _Some, used: Integers, rules: Mapping[int, Rule], effects: npt.NDArray[np.uint8]) -> None:
    at, groups = some.checked.at, some.checked.policy.groups
    named = {number: _Named(rule.regions, groups, at) for number, rule in rules.items()}

    def judge(number: int, code: str) -> int:
        return named[number].relation(code)

    said = some.said(_ranges(some.checked.table), used, judge, corrected=True)
    allows = np.isin(used, [number for number, rule in rules.items() if rule.effect == "allow-only"])
    holds = effects == int(Effect.HOLD)
    claimed = (said == INSIDE) | (holds & (said & UNDECIDED != 0) & (said & (ELSEWHERE | RELAYED) == 0))
    some.refuse(
        np.where(allows, said == INSIDE, ~claimed),
        lambda first: f"the table does not bear out what {rules[int(used[first])].id} says of it",
    )
    if some.checked.witness is not None:
        # What a rule only holds, or leaves to the defaults, claims no region, and needs no witness.
        by_witness = some.said(_ranges(some.checked.witness), used, judge, corrected=True)
        claims = np.where(allows, said == ELSEWHERE, said == INSIDE)
        some.refuse(claims & (said != by_witness), lambda _: "the witness does not confirm it")
    _check_exemptions(some, np.ones(len(used), np.bool_), of_orders=False)


def _check_exemptions(some: _Some, heeds: _Bools, *, of_orders: bool) -> None:
    at, policy, table = some.checked.at, some.checked.policy, some.checked.table
    for exemption in policy.exemptions:
        excused = heeds & some.exempt(exemption)
        if not excused.any():
            continue
        if exemption.regions:
            named = _Named(exemption.regions, policy.groups, at)
            keys = np.zeros(len(some.rows), np.int64)

            def judge(_: int, code: str, named: _Named = named) -> int:
                return named.relation(code)

            inside = some.said(_ranges(table), keys, judge, corrected=True) == INSIDE
            if of_orders:
                inside |= some.said(_ranges(table.base), keys, judge) == INSIDE
            excused &= inside
        some.refuse(excused, lambda _: "an exemption of the policy excuses it")


def is_inside(code: str, order: Order, at: datetime) -> bool:
    """Whether a region, as base data names it, lies whole in what an order reaches at a moment."""
    code = _canonical(code)
    if not _is_within(code, order.regions, at) or not _is_within(code, (order.territory,), at):
        return False
    conceded = order.regions if order.jurisdiction is None else order.jurisdiction
    if order.jurisdiction is not None and not _is_within(code, order.jurisdiction, at):
        return False
    nearby = _CONTESTED.get(_country(code), ())
    return not any(_overlap(code, place) for place in nearby if place not in conceded)


_canonical = lru_cache(maxsize=1 << 14)(regions.canonical)


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
        code = _canonical(code)
        if _country(code) not in self._countries:
            return ELSEWHERE
        if _is_within(code, self._names, self._at):
            return INSIDE
        return UNDECIDED if any(_overlap(code, member) for member in self._members) else ELSEWHERE


def _leaves(names: Sequence[str], groups: Mapping[str, Sequence[str]]) -> list[str]:
    """The names with those of own groups in the place of the groups."""
    found: list[str] = []
    waiting, seen = list(names), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in groups:
            found.append(name)
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
    country, _, part = code.partition("-")
    is_code = re.fullmatch(r"[A-Z0-9]{1,3}|", part) is not None
    return not is_code and _country(place) == country


def _all_data(checked: Decisions | Plan, evidence: Evidence) -> Iterator[tuple[str, BaseData]]:
    """Everything that has to place a connection inside: the base data, overrides where there are any, the witness."""
    table = checked.table
    if evidence is None:
        yield "the base table", _ranges(table.base)
    elif isinstance(evidence, Table):
        yield "the evidence", _ranges(evidence.base)
    elif isinstance(evidence, str | PathLike):
        yield "the database", DatabaseFile(evidence)
    else:
        yield "the evidence", evidence
    if table.base is not table:
        yield "the table with its overrides", _ranges(table)
    if checked.witness is not None:
        yield "the witness", _ranges(checked.witness)


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
