"""Slow, obviously correct reference for what policies do to connections.

Written from `DESIGN.md` and the text of the semantics alone, one connection and one entry at a time, in the words of
that text. It shares with the package only what a policy is (`regionfast.policy.model`) and sets of regions; where an
address lies is found by `oracle.Oracle`, which is plain `ipaddress` and a dict of networks.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final, Protocol

from oracle import MISSING_TEXTS, Oracle
from regionfast import regions
from regionfast.policy.model import Correction, Defaults, Exemption, Network, Order, Rule, Scope
from regionfast.regions import RegionError, RegionSet
from regionfast.types import Effect, Reason

INSIDE, ELSEWHERE, UNDECIDED, RELAY = "inside", "elsewhere", "undecided", "relay"
# The strongest first: what an entry says of a connection of which no address is located.
STATUSES: Final = ("unknown", "reserved", "private", "invalid", "missing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One presence of a participant in one meeting."""

    participant: str | None
    addresses: tuple[str | None, ...]
    meeting: str
    connection: str = ""
    account: str | None = None
    series: str | None = None
    role: str | None = None


class Policy(Protocol):
    """What the reference reads of a policy."""

    @property
    def orders(self) -> tuple[Order, ...]: ...
    @property
    def rules(self) -> tuple[Rule, ...]: ...
    @property
    def corrections(self) -> tuple[Correction, ...]: ...
    @property
    def exemptions(self) -> tuple[Exemption, ...]: ...
    @property
    def defaults(self) -> Defaults | None: ...
    @property
    def groups(self) -> Mapping[str, tuple[str, ...]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a table says of one address: a region, or else a status."""

    status: str
    region: str | None = None


UNLOCATED: Final = Place(status="unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The tables: the database alone, the database with overrides, and perhaps a second database."""

    base: Oracle
    top: Oracle
    witness: Oracle | None = None

    @classmethod
    def of(
        cls,
        networks: Mapping[str, str],
        overrides: Mapping[str, str] = {},
        witness: Mapping[str, str] | None = None,
        nat64: Sequence[str] = (),
    ) -> World:
        """From networks and their regions, as the files spell them."""
        return cls(
            base=Oracle(networks, nat64=nat64),
            top=Oracle(networks, overrides, nat64=nat64),
            witness=None if witness is None else Oracle(witness, nat64=nat64),
        )

    def as_seen_by_witness(self) -> World:
        """The same world where the witness is asked in the place of both."""
        assert self.witness is not None
        return World(base=self.witness, top=self.witness)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one entry does to one connection."""

    reason: Reason
    effect: Effect | None = None
    """`None`: nothing."""
    weak: bool = False
    """A hold for want of knowledge, or an effect of a default: it claims no region."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What happens to one connection at the door."""

    effect: Effect
    cause: str | None
    reason: Reason
    orders: tuple[str, ...] = ()
    """Ids of all orders that deny or hold it, the strictest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one entry would do inside meetings, by number of the connection."""

    rows: dict[int, Effect] = field(default_factory=dict)
    reasons: dict[int, Reason] = field(default_factory=dict)
    """Of every connection that the entry looked at, those that it keeps included."""


# --- addresses ------------------------------------------------------------------------------------------------------


def place(table: Oracle, address: str | None) -> Place:
    """Where a table places an address."""
    answer = table.answer(address)
    return Place(status=answer.status, region=answer.region)


def forms(table: Oracle, address: str | None) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    """The address as shown and, where it wraps an IPv4 address, that one too."""
    if address is None or address in MISSING_TEXTS:
        return ()
    try:
        shown = ipaddress.ip_address(address)
    except ValueError:
        return ()
    if isinstance(shown, ipaddress.IPv4Address):
        return (shown,)
    inner, _ = table._unwrapped(shown)
    return (shown,) if inner is None else (shown, inner)


def lies_in(table: Oracle, address: str | None, networks: Iterable[Network]) -> bool:
    """Whether one of its forms lies in one of the networks."""
    return any(
        form.version == network.version and form in network for form in forms(table, address) for network in networks
    )


def relation(where: Place, reach: RegionSet) -> str:
    """How a place relates to a set of regions: one of the four words, or the status of what is not located."""
    if where.region is None:
        return where.status
    if where.region in reach:
        return UNDECIDED if _may_be_a_hole(where.region, reach) else INSIDE
    try:
        whole = RegionSet([regions.canonical(where.region)])
    except RegionError:
        # A code that no policy may name: withdrawn, or a name in the place of the subdivision.
        try:
            whole = RegionSet([regions.country(where.region)])
        except RegionError:
            return ELSEWHERE
    return ELSEWHERE if whole.isdisjoint(reach) else UNDECIDED


def _may_be_a_hole(region: str, reach: RegionSet) -> bool:
    """Whether a database says a name, such as `UA-Krym`, and the set lacks some parts of that country.

    No list knows every name, so it may be one of those parts. Codes are taken at their word.
    """
    try:
        RegionSet([regions.canonical(region)])
    except RegionError:
        return any(hole.partition("-")[0] == regions.country(region) for hole in reach.holes)
    return False


def correction_of(policy: Policy, table: Oracle, connection: Connection, address: str | None) -> Correction | None:
    """The first correction of the file that matches."""
    for correction in policy.corrections:
        named = connection.participant is not None and connection.participant in correction.participants
        if named or lies_in(table, address, correction.networks):
            return correction
    return None


def strongest(statuses: Iterable[str]) -> Reason:
    """The reason that the strongest of some statuses is."""
    found = set(statuses)
    for status in STATUSES:
        if status in found:
            return Reason[status.upper()]
    raise AssertionError("a connection of which nothing is known has a status")


# --- orders ---------------------------------------------------------------------------------------------------------


def in_scope(scope: Scope, connection: Connection) -> bool:
    """Whether a scope holds the meeting of a connection."""
    return (
        scope.everywhere
        or connection.meeting in scope.meetings
        or (connection.series is not None and connection.series in scope.series)
        or (connection.account is not None and connection.account in scope.accounts)
    )


def positively_inside(words: Sequence[str]) -> bool:
    """Whether some address is inside and none speaks against it."""
    return INSIDE in words and not {ELSEWHERE, UNDECIDED, RELAY} & set(words)


def reached_by_order(world: World, reach: RegionSet, connection: Connection) -> bool:
    """Whether an order reaches a connection by both tables; corrections and exemptions are not asked."""
    inside = False
    for address in connection.addresses:
        pair = (relation(place(world.base, address), reach), relation(place(world.top, address), reach))
        if {ELSEWHERE, UNDECIDED, RELAY} & set(pair):
            return False
        inside = inside or pair == (INSIDE, INSIDE)
    return inside


def judge_order(world: World, policy: Policy, order: Order, connection: Connection, at: datetime) -> Finding | None:
    """What an order finds; `None` where it is not in force or does not reach the meeting.

    The effect of a hit is `DENY`, as a mark: door and plan put their own in its place.
    """
    if not order.is_in_force(at) or not in_scope(order.scope, connection):
        return None
    reach = order.places(at)
    if reached_by_order(world, reach, connection):
        if any(correction_of(policy, world.base, connection, address) for address in connection.addresses):
            return Finding(reason=Reason.CORRECTED)
        if order.exemptions and is_exempt_from_orders(world, policy, connection, at):
            return Finding(reason=Reason.EXEMPT)
        if world.witness is not None and not reached_by_order(world.as_seen_by_witness(), reach, connection):
            return Finding(reason=Reason.DISPUTED)
        return Finding(reason=Reason.INSIDE, effect=Effect.DENY)
    by_base = [relation(place(world.base, address), reach) for address in connection.addresses]
    by_top = [relation(place(world.top, address), reach) for address in connection.addresses]
    if any(INSIDE in words and ELSEWHERE in words for words in (by_base, by_top)):
        return Finding(reason=Reason.CONFLICT)
    if RELAY in by_base + by_top:
        return Finding(reason=Reason.RELAY)
    if positively_inside(by_base) or positively_inside(by_top):
        return Finding(reason=Reason.OVERRIDE)
    if UNDECIDED in by_base + by_top:
        return Finding(reason=Reason.UNDECIDED)
    if ELSEWHERE in by_base + by_top:
        return Finding(reason=Reason.ELSEWHERE)
    return Finding(reason=strongest(by_base + by_top))


# --- rules ----------------------------------------------------------------------------------------------------------


def corrected_places(world: World, policy: Policy, connection: Connection) -> list[Place]:
    """Where a connection is for a rule: by the table with overrides, a correction in its place."""
    places = []
    for address in connection.addresses:
        correction = correction_of(policy, world.base, connection, address)
        if correction is None:
            places.append(place(world.top, address))
        elif correction.region is None:
            places.append(UNLOCATED)
        else:
            places.append(Place(status="located", region=correction.region))
    return places


def is_exempt(world: World, policy: Policy, connection: Connection, at: datetime) -> bool:
    """Whether an exemption excuses a connection from rules."""
    places = corrected_places(world, policy, connection)
    return any(_excuses(world, policy, exemption, connection, at, places) for exemption in policy.exemptions)


def is_exempt_from_orders(world: World, policy: Policy, connection: Connection, at: datetime) -> bool:
    """Whether an exemption excuses a connection from orders that let it.

    What excuses by the database alone does so too: else an override that takes an address out of the regions of an
    exemption would put it within reach of an order.
    """
    by_base = [place(world.base, address) for address in connection.addresses]
    return is_exempt(world, policy, connection, at) or any(
        _excuses(world, policy, exemption, connection, at, by_base) for exemption in policy.exemptions
    )


def _excuses(
    world: World,
    policy: Policy,
    exemption: Exemption,
    connection: Connection,
    at: datetime,
    places: Sequence[Place],
) -> bool:
    named = (
        any(lies_in(world.base, address, exemption.networks) for address in connection.addresses)
        or (connection.participant is not None and connection.participant in exemption.participants)
        or (connection.role is not None and connection.role in exemption.roles)
        or connection.meeting in exemption.meetings
        or (connection.series is not None and connection.series in exemption.series)
        or (connection.account is not None and connection.account in exemption.accounts)
    )
    if not named or not exemption.regions:
        return named
    reach = regions.expand(exemption.regions, at, policy.groups)
    return positively_inside([relation(where, reach) for where in places])


def rule_reaches(rule: Rule, connection: Connection) -> bool:
    """Whether a rule is about the meeting: the owner's own, and listed where the rule lists any."""
    if connection.account != rule.account:
        return False
    if not rule.meetings and not rule.series:
        return True
    return connection.meeting in rule.meetings or (connection.series is not None and connection.series in rule.series)


def judge_rule(world: World, policy: Policy, rule: Rule, connection: Connection, at: datetime) -> Finding | None:
    """What a rule finds; `None` where it does not reach the meeting."""
    if not rule_reaches(rule, connection):
        return None
    reach = regions.expand(rule.regions, at, policy.groups)
    found = _claim(world, policy, rule, reach, connection)
    if found.effect is None:
        return found
    if is_exempt(world, policy, connection, at):
        return Finding(reason=Reason.EXEMPT)
    if world.witness is not None and not found.weak:
        seen = _claim(world.as_seen_by_witness(), policy, rule, reach, connection)
        if (seen.effect, seen.reason, seen.weak) != (found.effect, found.reason, found.weak):
            return Finding(reason=Reason.DISPUTED)
    return found


def _claim(world: World, policy: Policy, rule: Rule, reach: RegionSet, connection: Connection) -> Finding:
    words = [relation(where, reach) for where in corrected_places(world, policy, connection)]
    if rule.effect == "allow-only":
        return _allow_only(policy, words)
    if positively_inside(words):
        return Finding(reason=Reason.INSIDE, effect=Effect.DENY if rule.effect == "deny" else Effect.HOLD)
    if UNDECIDED in words and ELSEWHERE not in words and RELAY not in words:
        return Finding(reason=Reason.UNDECIDED, effect=Effect.HOLD, weak=True)
    if INSIDE in words and ELSEWHERE in words:
        return Finding(reason=Reason.CONFLICT)
    if RELAY in words:
        return Finding(reason=Reason.RELAY)
    if positively_inside([relation(place(world.top, address), reach) for address in connection.addresses]):
        return Finding(reason=Reason.CORRECTED)
    if ELSEWHERE in words:
        return Finding(reason=Reason.ELSEWHERE)
    return Finding(reason=strongest(words))


def _allow_only(policy: Policy, words: Sequence[str]) -> Finding:
    assert policy.defaults is not None
    if RELAY in words:
        return _by_default(policy.defaults.relay, Reason.RELAY)
    if INSIDE in words and ELSEWHERE in words:
        return _by_default(policy.defaults.conflict, Reason.CONFLICT)
    if UNDECIDED in words:
        return Finding(reason=Reason.UNDECIDED, effect=Effect.HOLD, weak=True)
    if INSIDE in words:
        return Finding(reason=Reason.ELSEWHERE)
    if ELSEWHERE in words:
        return Finding(reason=Reason.OUTSIDE, effect=Effect.DENY)
    reason = strongest(words)
    effect: Effect = getattr(policy.defaults, reason.name.lower())
    return _by_default(effect, reason)


def _by_default(effect: Effect, reason: Reason) -> Finding:
    return Finding(reason=reason, effect=None if effect is Effect.ADMIT else effect, weak=True)


# --- the door and plans ---------------------------------------------------------------------------------------------


def decide(world: World, policy: Policy, connection: Connection, at: datetime) -> Decision:
    """What happens to a connection at the door."""
    # An order that admits has no effect at the door and explains nothing there.
    orders = [order for order in policy.orders if order.join is not Effect.ADMIT]
    by_order = [(order, judge_order(world, policy, order, connection, at)) for order in orders]
    by_rule = [(rule, judge_rule(world, policy, rule, connection, at)) for rule in policy.rules]

    hits: list[tuple[int, str, Finding]] = []
    for order, found in by_order:
        if found is not None and found.effect is not None:
            rank = {Effect.DENY: 1, Effect.HOLD: 2}[order.join]
            hits.append((rank, order.id, replace(found, effect=order.join)))
    for rule, found in by_rule:
        if found is not None and found.effect is not None:
            hits.append((_rank_of_rule(rule, found), rule.id, found))

    if hits:
        hits.sort(key=lambda hit: hit[0])  # stable: among equals the first in the file
        _, cause, first = hits[0]
        assert first.effect is not None
        ids = tuple(id_ for rank, id_, _ in hits if rank <= 2)
        return Decision(effect=first.effect, cause=cause, reason=first.reason, orders=ids)
    missed = [found.reason for _, found in [*by_order, *by_rule] if found is not None]
    telling = [reason for reason in missed if reason is not Reason.ELSEWHERE]
    reason = (telling or missed or [Reason.UNTOUCHED])[0]
    return Decision(effect=Effect.ADMIT, cause=None, reason=reason)


def _rank_of_rule(rule: Rule, found: Finding) -> int:
    if found.weak:
        return 6 if found.effect is Effect.DENY else 7
    return {"deny": 3, "hold": 4, "allow-only": 5}[rule.effect]


def plan(world: World, policy: Policy, connections: Sequence[Connection], by: str, at: datetime) -> Plan:
    """What one order or rule would do inside meetings."""
    made = Plan()
    entries: list[Order | Rule] = [*policy.orders, *policy.rules]
    (entry,) = [entry for entry in entries if entry.id == by]
    for number, connection in enumerate(connections):
        if isinstance(entry, Order):
            found = judge_order(world, policy, entry, connection, at)
            hit = entry.present
        else:
            found = judge_rule(world, policy, entry, connection, at)
            held = found is not None and found.effect is Effect.HOLD
            hit = Effect.HOLD if held and entry.present is Effect.EJECT else entry.present
        if found is None:
            continue
        made.reasons[number] = found.reason
        if found.effect is not None and hit is not Effect.KEEP:
            made.rows[number] = hit
    return made
