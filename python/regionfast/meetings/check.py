"""The checker: nobody whom an order or rule does not reach is touched, verified once more by other means.

It shares no code with the evaluator: not its compiled policy, not the lookups of the engine, not its unwrapping, not
its sets of regions. It searches the ranges of the tables itself, the base table's first of all, unwraps IPv4 itself,
and compares texts of codes. Common to both are the policy's plain values, the roster's columns, and the facts of
`regionfast.regions`: which codes are aliases, what a group of ours holds at a time, what is contested.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv6Network, ip_address
from os import PathLike
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from regionfast import regions
from regionfast._lib import Table
from regionfast.errors import PlanRefused
from regionfast.meetings.columns import TextColumn
from regionfast.policy.model import Entry, Order
from regionfast.types import Effect

if TYPE_CHECKING:
    from regionfast.meetings.decide import Decisions
    from regionfast.meetings.plan import Plan
    from regionfast.meetings.roster import Roster

_Integers: TypeAlias = npt.NDArray[np.int64]

V4: Final = 4
V6: Final = 6

NOWHERE: Final = ""
"""What stands for an address that is not located."""
RELAY: Final = "relay"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Some addresses: `family` 4, 6, or less where there is none; each has its row in `v4` and in `v6`."""

    family: npt.NDArray[np.uint8]
    v4: npt.NDArray[np.uint32]
    v6: npt.NDArray[np.uint8]
    """`(n, 16)`, network order; zeros where the family is another."""


class BaseData(Protocol):
    """Where the checker has it from that an address is in a region."""

    def codes(self, addresses: Addresses) -> tuple[Sequence[str], _Integers]:
        """Different codes, or `RELAY` or `NOWHERE`, and for each address the number of its own."""
        ...


class Ranges:
    """The ranges of a table, searched by halving."""

    def __init__(self, table: Table) -> None:
        """Takes the ranges, not the table's ways to find one."""
        self._codes = [NOWHERE if region is None else str(region) for region in table.regions]
        for slot in _RELAYS:
            self._codes[slot] = RELAY
        self._starts4, self._slots4 = table.boundaries(4)
        starts6, self._slots6 = table.boundaries(6)
        self._starts6 = _texts(starts6)
        nat64 = [_nat64(IPv6Network(prefix)) for prefix in (*table.info.nat64, "64:ff9b::/96")]
        self._zones = (*_ZONES, *nat64) if table.info.unwrap else ()

    def codes(self, addresses: Addresses) -> tuple[Sequence[str], _Integers]:
        """See `BaseData`."""
        found = np.zeros(len(addresses.family), np.int64)
        v4 = addresses.v4.copy()
        by_v4 = addresses.family == V4
        v6 = np.flatnonzero(addresses.family == V6)
        if len(v6):
            inside, is_wrapped = self.unwrapped(addresses.v6[v6])
            v4[v6[is_wrapped]] = inside[is_wrapped]
            by_v4[v6[is_wrapped]] = True
            rest = v6[~is_wrapped]
            at = np.searchsorted(self._starts6, _texts(addresses.v6[rest]), "right") - 1
            found[rest] = self._slots6[at]
        rows = np.flatnonzero(by_v4)
        found[rows] = self._slots4[np.searchsorted(self._starts4, v4[rows], "right") - 1]
        return self._codes, found

    def unwrapped(self, v6: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.bool_]]:
        """IPv4 inside IPv6 as RFC 4291, 3056, 4380 and 6052 put it there, and where there is any."""
        inside = np.zeros(len(v6), np.uint32)
        there = np.zeros(len(v6), np.bool_)
        octets = v6.astype(np.uint32)
        for prefix, places, flip in self._zones:
            rows = np.flatnonzero((v6[:, : len(prefix)] == np.frombuffer(prefix, np.uint8)).all(1) & ~there)
            for shift, place in zip((24, 16, 8, 0), places, strict=True):
                inside[rows] |= (octets[rows, place] ^ np.uint32(flip)) << np.uint32(shift)
            there[rows] = True
        return inside, there


_RELAYS: Final = (5, 7)
"""The slots of relays, by the database and by an override, in every table for ever."""

_Zone: TypeAlias = tuple[bytes, tuple[int, ...], int]
"""The octets that it begins with, the places of the octets of the IPv4 address, and what flips the bits of these."""

_ZONES: Final[tuple[_Zone, ...]] = (
    (bytes(10) + b"\xff\xff", (12, 13, 14, 15), 0),
    (b"\x20\x02", (2, 3, 4, 5), 0),
    (b"\x20\x01\0\0", (12, 13, 14, 15), 0xFF),
)
"""Mapped, 6to4, Teredo."""


def _nat64(prefix: IPv6Network) -> _Zone:
    length = prefix.prefixlen // 8
    # Octet 8 is left out, RFC 6052 section 2.2.
    return (
        prefix.network_address.packed[:length],
        tuple(place for place in range(length, 16) if place != _OCTET_U)[:4],
        0,
    )


_OCTET_U: Final = 8


class DatabaseFile:
    """A MaxMind database, read by the `maxminddb` package, address by address."""

    def __init__(self, path: str | PathLike[str]) -> None:
        """Needs `maxminddb`, which regionfast itself does not."""
        import maxminddb

        self._reader = maxminddb.open_database(path)

    def codes(self, addresses: Addresses) -> tuple[Sequence[str], _Integers]:
        """See `BaseData`. Special-purpose addresses are nowhere, whatever the file says."""
        codes: dict[str, int] = {NOWHERE: 0}
        found = [codes.setdefault(self._code(addresses, row), len(codes)) for row in range(len(addresses.family))]
        return tuple(codes), np.array(found, np.int64)

    def _code(self, addresses: Addresses, row: int) -> str:
        family = int(addresses.family[row])
        if family == V4:
            address = ip_address(int(addresses.v4[row]))
        elif family == V6:
            whole = ip_address(addresses.v6[row].tobytes())
            teredo = getattr(whole, "teredo", None)
            inside = whole.ipv4_mapped or whole.sixtofour or (teredo and teredo[1])  # type: ignore[union-attr]
            address = inside or whole
        else:
            return NOWHERE
        if not address.is_global:
            return NOWHERE
        record = self._reader.get(address)
        if not isinstance(record, dict):
            return NOWHERE
        country = record.get("country_code") or _nested(record, "country")
        if not isinstance(country, str):
            return NOWHERE
        part = record.get("subdivisions")
        first = part[0].get("iso_code") if isinstance(part, list) and part and isinstance(part[0], dict) else None
        return f"{country}-{first}" if isinstance(first, str) else country


def _nested(record: dict[str, object], key: str) -> object:
    value = record.get(key)
    return value.get("iso_code") if isinstance(value, dict) else value


Evidence: TypeAlias = "Table | BaseData | str | PathLike[str] | None"
"""What to check against: a table (its base), base data, or the path of an .mmdb; `None`: the base of the table that
decided."""


def check_joins(decisions: Decisions, evidence: Evidence = None) -> int:
    """Verify every connection that is not admitted.

    Of an order: that it is in force, reaches the meeting, asks for no less than the effect, and that the base data
    places at least one address of the connection inside its regions and none elsewhere. Of a rule: that the meeting is
    its account's, and among those it lists.

    Returns:
        How many connections were verified.

    Raises:
        PlanRefused: One that must not be touched; says which connection by its number, and why.
    """
    return _check(decisions, decisions.effect, Effect.ADMIT, decisions.cause, _most_at_door, evidence)


def check_plan(plan: Plan, evidence: Evidence = None) -> int:
    """Verify every row of a plan; as `check_joins`, and that the effect is no more than the entry's `present`."""
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
    used = cause.codes[touched].astype(np.int64)
    entries = checked.policy.entries
    cited = {number: _entry(entries, number, cause.values[number]) for number in _different(used)}
    _check_effects(touched, effect[touched], used, cited, at, most)
    _check_meetings(touched, used, cited, roster)
    is_order = np.zeros(len(cause.values), np.bool_)
    is_order[[number for number, entry in cited.items() if isinstance(entry, Order)]] = True
    by_order = is_order[used]
    rows = touched[by_order]
    if len(rows):
        addresses, starts = _addresses(roster, rows)
        for name, data in _all_data(checked, evidence):
            _check_places(rows, used[by_order], cited, at, addresses, starts, data, name)
        _check_corrections(rows, checked, addresses, starts)
    return len(touched)


def _entry(entries: Sequence[Entry], number: int, name: str | None) -> Entry | None:
    """The entry of a name, `None` where there is none; looked for where it probably is, and then everywhere."""
    if number < len(entries) and entries[number].id == name:
        return entries[number]
    return next((entry for entry in entries if entry.id == name), None)


def _check_effects(
    touched: _Integers,
    effect: npt.NDArray[np.uint8],
    used: _Integers,
    cited: dict[int, Entry | None],
    at: datetime,
    most: _Most,
) -> None:
    pairs = used * len(Effect) + effect
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


def _check_meetings(touched: _Integers, used: _Integers, cited: dict[int, Entry | None], roster: Roster) -> None:
    meetings = roster.meetings
    pairs = used * len(meetings.values) + meetings.codes[touched]
    reached = {number: _Reach(entry, roster) for number, entry in cited.items() if entry is not None}
    for pair in _different(pairs):
        number, meeting = divmod(pair, len(meetings.values))
        if not reached[number].holds(meeting):
            row = int(touched[np.argmax(pairs == pair)])
            raise _refuse(row, f"its meeting is none that {cited[number].id} reaches")  # type: ignore[union-attr]


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
    return frozenset(names)


def _name(column: TextColumn | None, of_meeting: npt.NDArray[np.int32] | None, meeting: int) -> str | None:
    """What a column says of a meeting, by its code."""
    return None if column is None or of_meeting is None else column.values[of_meeting[meeting]]


def _check_places(
    rows: _Integers,
    used: _Integers,
    cited: dict[int, Entry | None],
    at: datetime,
    addresses: Addresses,
    starts: _Integers | None,
    data: BaseData,
    name: str,
) -> None:
    codes, found = data.codes(addresses)
    of_address = used if starts is None else np.repeat(used, np.diff(starts))
    pairs = of_address * len(codes) + found
    different = _different(pairs)
    said = np.zeros(max(different) + 1, np.uint8)
    for pair in different:
        number, code = divmod(pair, len(codes))
        order = cited[number]
        assert isinstance(order, Order)  # the caller sorted the rules out
        said[pair] = (
            _NOTHING if codes[code] == NOWHERE else _INSIDE if is_inside(codes[code], order, at) else _ELSEWHERE
        )
    said_of_address = said[pairs]
    inside = _any(said_of_address == _INSIDE, starts)
    elsewhere = _any(said_of_address == _ELSEWHERE, starts)
    for wrong, why in (
        (~inside, f"{name} places none of its addresses inside"),
        (elsewhere, f"{name} places one of its addresses elsewhere, or it is a relay"),
    ):
        if wrong.any():
            at_row = int(np.argmax(wrong))
            raise _refuse(int(rows[at_row]), f"{why}, and {cited[int(used[at_row])].id} acts on it")  # type: ignore[union-attr]


_NOTHING: Final = 0
_INSIDE: Final = 1
_ELSEWHERE: Final = 2


def is_inside(code: str, order: Order, at: datetime) -> bool:
    """Whether a region, as base data names it, lies whole in what an order reaches at a moment."""
    if code == RELAY:
        return False
    code = regions.canonical(code)
    if not _is_within(code, order.regions, at) or not _is_within(code, (order.territory,), at):
        return False
    conceded = order.regions if order.jurisdiction is None else order.jurisdiction
    if order.jurisdiction is not None and not _is_within(code, order.jurisdiction, at):
        return False
    nearby = _CONTESTED.get(code.partition("-")[0], ())
    return not any(_overlap(code, place) for place in nearby if place not in conceded)


_CONTESTED: Final[dict[str, list[str]]] = {}
"""The contested places by country."""
for _place in regions.contested_places().codes:
    _CONTESTED.setdefault(_place.partition("-")[0], []).append(_place)


def _is_within(code: str, names: Sequence[str], at: datetime) -> bool:
    for name in names:
        if regions.is_group(name):
            members = regions.group(name, at)
            if any(_holds(member, code) for member in members.codes) and not any(
                _overlap(code, hole) for hole in members.holes
            ):
                return True
        elif _holds(name, code):
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
    return not is_code and place.partition("-")[0] == country


def _check_corrections(
    rows: _Integers, checked: Decisions | Plan, addresses: Addresses, starts: _Integers | None
) -> None:
    corrections = checked.policy.corrections
    if not corrections:
        return
    named = {name for correction in corrections for name in correction.participants}
    participants = checked.roster.participants
    codes = [participants.index[name] for name in named if name in participants.index] if named else []
    wrong = np.isin(participants.codes[rows], codes)
    networks = [network for correction in corrections for network in correction.networks]
    if networks:
        inside, is_wrapped = _ranges(checked.table).unwrapped(addresses.v6)
        is_wrapped &= addresses.family == V6
        v4 = np.where(is_wrapped, inside, addresses.v4)
        is_v4 = is_wrapped | (addresses.family == V4)
        of_address = np.zeros(len(v4), np.bool_)
        for network in networks:
            if network.version == V4:
                of_address |= is_v4 & (v4 & np.uint32(int(network.netmask)) == int(network.network_address))
            else:
                mask = np.frombuffer(network.netmask.packed, np.uint8)
                first = np.frombuffer(network.network_address.packed, np.uint8)
                of_address |= (addresses.family == V6) & (addresses.v6 & mask == first).all(1)
        wrong |= _any(of_address, starts)
    if wrong.any():
        raise _refuse(int(rows[np.argmax(wrong)]), "a correction of the policy says that it is not there")


def _addresses(roster: Roster, rows: _Integers) -> tuple[Addresses, _Integers | None]:
    """The addresses of some connections, and where those of each start; `None` where each has one."""
    at, starts = rows, None
    if roster.starts is not None:
        counts = (roster.starts[1:] - roster.starts[:-1])[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        at = np.repeat(roster.starts[rows] - starts[:-1], counts) + np.arange(starts[-1])
    family = roster.families[at]
    v6 = np.zeros((len(at), 16), np.uint8)
    if len(roster.v6):
        six = np.flatnonzero(family == V6)
        v6[six] = roster.v6[np.searchsorted(roster.v6_rows, at[six])]
    return Addresses(family, roster.v4[at], v6), starts


def _any(of_address: npt.NDArray[np.bool_], starts: _Integers | None) -> npt.NDArray[np.bool_]:
    """By connection, whether something is true of any of its addresses."""
    return of_address if starts is None else np.logical_or.reduceat(of_address, starts[:-1])


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


def _different(values: _Integers) -> list[int]:
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


def _texts(packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.bytes_]:
    """Packed IPv6 addresses as texts of 16 bytes, which compare like the numbers that they are."""
    return np.ascontiguousarray(packed).view("S16")[:, 0]


def _refuse(connection: int, why: str) -> PlanRefused:
    return PlanRefused(f"connection {connection} must not be touched: {why}; nothing may be done by these decisions")
