"""What an author should know of a policy that can be read: what does nothing, what ends soon, what meets what.

Nothing here changes a decision. What is said of two entries is said by their own lists: whether a meeting belongs to
an account is known of rosters, not of policies.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

from regionfast import regions
from regionfast.errors import named
from regionfast.policy.document import entry_id
from regionfast.policy.model import Exemption, Order, Rule, State
from regionfast.policy.tells import TellsRegions, Told, half_told, misspelt, some, untold
from regionfast.regions import RegionError, RegionSet
from regionfast.types import Effect

if TYPE_CHECKING:
    from regionfast.policy.policy import Policy

Severity: TypeAlias = Literal["problem", "warning", "note"]

SOON: Final = timedelta(days=14)
"""An order that ends within it is worth a word."""
NOTICE: Final = ("reference", "law", "contest")

_ENTRY: Final = re.compile(r"(order|rule)\[([0-9]+)\]")
_STRENGTH: Final = {Effect.ADMIT: 0, Effect.KEEP: 0, Effect.HOLD: 1, Effect.DENY: 2, Effect.EJECT: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an author should know."""

    severity: Severity
    """`problem`: nobody means it, and a check fails; `warning`: few mean it; `note`: good to know."""
    place: str
    """Path inside the file, `order[0].until`; empty for the policy as a whole."""
    message: str
    entry: str | None = field(default=None, compare=False)
    """Id of the order or rule that the place is in, for people who count no entries."""

    def __str__(self) -> str:
        return f"{named(self.place, self.entry)}: {self.message}" if self.place else self.message


@dataclass(frozen=True, slots=True)
class _Reach:
    """Where one entry acts, to be compared with others of its kind."""

    number: int
    place: str
    names: frozenset[tuple[str, str]]
    """Kinds and ids of what is listed; empty: everywhere, for a rule in its account."""
    places: RegionSet


@dataclass(frozen=True, slots=True)
class _OrderReach(_Reach):
    order: Order


@dataclass(frozen=True, slots=True)
class _RuleReach(_Reach):
    rule: Rule


_R = TypeVar("_R", bound=_Reach)


@dataclass(slots=True)
class _Report:
    policy: Policy
    at: datetime
    found: list[Finding] = field(default_factory=list)

    def say(self, severity: Severity, place: str, message: str) -> None:
        found = _ENTRY.match(place)
        entry = None
        if found is not None:
            entries: Sequence[Order | Rule] = self.policy.orders if found[1] == "order" else self.policy.rules
            entry = entry_id(entries[int(found[2])].id)
        self.found.append(Finding(severity, place, message, entry))


def findings(policy: Policy, at: datetime, table: TellsRegions | None = None) -> tuple[Finding, ...]:
    """All that can be said of a policy at a moment, with a table also what that cannot tell.

    Cost: grows with the pairs of orders that share a meeting, series or account, and of rules that share an account.

    Raises:
        ValueError: A time without its offset.
    """
    if at.utcoffset() is None:
        raise ValueError("a policy is judged at a time with its offset, such as `2020-06-04T00:00:00Z`")
    report = _Report(policy, at.astimezone(UTC))
    _whole(report)
    for index, order in enumerate(policy.orders):
        _order(report, f"order[{index}]", order)
    _orders_together(report)
    _rules_together(report)
    _corrections(report)
    _exemptions(report)
    _unused(report)
    if table is not None:
        _table(report, Told(table.regions))
        _codes(report, table)
    return tuple(report.found)


def _whole(report: _Report) -> None:
    policy = report.policy
    if not policy.entries:
        report.say("note", "", "no order and no rule: everybody is admitted")
    if policy.orders and policy.is_advisory:
        report.say("note", "", "no deployment: nobody has checked the issuers, so what is decided is advisory")


def _order(report: _Report, place: str, order: Order) -> None:
    if order.state is not State.ACTIVE:
        report.say("note", f"{place}.state", f"is {order.state}: the order does nothing")
        return
    _dates(report, place, order)
    if order.scope.everywhere:
        report.say("note", f"{place}.meetings", "reaches every meeting")
    missing = [f"`{key}`" for key in NOTICE if not getattr(order, key)]
    if missing:
        report.say("warning", place, f"has no {', '.join(missing)}: those it acts on are told less than they should be")
    if order.join is Effect.ADMIT and order.present is Effect.KEEP:
        report.say("warning", place, "does nothing: it admits at the door and keeps those who are present")
    deployment = report.policy.deployment
    if deployment and order.author and order.author not in {approver.id for approver in deployment.approvers}:
        report.say("warning", f"{place}.author", "is the id of no approver: it keeps nobody from approving the plans")
    _spared(report, place, order)


def _dates(report: _Report, place: str, order: Order) -> None:
    at, key = report.at, "review-by" if order.is_open else "until"
    if order.reviewed is not None and order.reviewed > at:
        report.say("problem", f"{place}.reviewed", f"is still to come, at {_text(order.reviewed)}")
    if at < order.start:
        report.say("note", f"{place}.from", f"is still to come, at {_text(order.start)}: the order does nothing yet")
    elif at >= order.end:
        how = "lapsed without a review" if order.is_open else "ended"
        report.say("warning", f"{place}.{key}", f"is past: the order {how} at {_text(order.end)}")
    elif order.end - at <= SOON:
        days = (order.end - at).days
        when = "within a day" if days == 0 else f"in {days} day{'' if days == 1 else 's'}"
        how = "lapses unless it is reviewed" if order.is_open else "ends"
        report.say("warning", f"{place}.{key}", f"is near: the order {how} {when}, at {_text(order.end)}")


def _spared(report: _Report, place: str, order: Order) -> None:
    at = _moment(order, report.at)
    if not order.places(at):
        report.say("warning", f"{place}.regions", "reaches nowhere any more: a group has changed since the order began")
    whose = "the order" if order.jurisdiction is None else "the issuer's jurisdiction"
    for index, name in enumerate(order.regions):
        part = regions.expand((name,), at)
        spared = part & order.spared
        where = f"{place}.regions[{index}]"
        if spared and spared == part:
            report.say("warning", where, f"is not reached: it is contested, and {whose} does not name `{name}`")
        elif spared:
            report.say("note", where, f"is reached without {some(spared.codes)}: contested, and not named by {whose}")


def _orders_together(report: _Report) -> None:
    """Orders that add nothing to another one, and orders that share people. All keep their ids in decisions."""
    reaches: list[_OrderReach] = []
    for index, order in enumerate(report.policy.orders):
        if order.state is State.ACTIVE and order.end > report.at:
            scope = order.scope
            names = frozenset(
                (kind, name)
                for kind, listed in (("meeting", scope.meetings), ("series", scope.series), ("account", scope.accounts))
                for name in listed
            )
            places = order.places(_moment(order, report.at))
            reaches.append(_OrderReach(len(reaches), f"order[{index}]", names, places, order))
    sharing = _Sharing(reaches)
    for reach in reaches:
        others = [reaches[number] for number in sharing.with_(reach)]
        covering = _first_covering(reach, others, _order_covers)
        if covering is not None:
            report.say(
                "note", reach.place, f"adds nothing: `{covering.place}` is as strict, as long, and reaches all of it"
            )
            continue
        met = [
            other.place
            for other in others
            if other.number < reach.number
            and _meet_in_time(other.order, reach.order)
            and _meet(other, reach)
            and not _order_covers(reach, other)
        ]
        if met:
            report.say("note", reach.place, f"overlaps with {some(met)}: whom both reach is under both")


class _Sharing:
    """Which reaches have a name in common, without comparing all with all."""

    def __init__(self, reaches: Sequence[_Reach]) -> None:
        self._all = range(len(reaches))
        self._everywhere = [reach.number for reach in reaches if not reach.names]
        self._by_name: dict[tuple[str, str], list[int]] = {}
        for reach in reaches:
            for name in reach.names:
                self._by_name.setdefault(name, []).append(reach.number)

    def with_(self, reach: _Reach) -> list[int]:
        """The numbers of those that share a name with one, in their order, without itself."""
        shared: Iterable[int] = self._all
        if reach.names:
            shared = {number for name in reach.names for number in self._by_name[name]}.union(self._everywhere)
        return sorted(number for number in shared if number != reach.number)


def _first_covering(reach: _R, others: Iterable[_R], covers: Callable[[_R, _R], bool]) -> _R | None:
    """The first that makes one superfluous; of two that are equal the later one is."""
    return next(
        (
            other
            for other in others
            if covers(other, reach) and (other.number < reach.number or not covers(reach, other))
        ),
        None,
    )


def _holds_scope(outer: _Reach, inner: _Reach) -> bool:
    return not outer.names or (bool(inner.names) and inner.names <= outer.names)


def _meet(one: _Reach, other: _Reach) -> bool:
    shared = not one.names or not other.names or not one.names.isdisjoint(other.names)
    return shared and not _apart(one.places, other.places)


def _meet_in_time(one: Order, other: Order) -> bool:
    return one.start < other.end and other.start < one.end


def _order_covers(outer: _OrderReach, inner: _OrderReach) -> bool:
    one, other = outer.order, inner.order
    return (
        _holds_scope(outer, inner)
        and one.start <= other.start
        and other.end <= one.end
        and _STRENGTH[one.join] >= _STRENGTH[other.join]
        and _STRENGTH[one.present] >= _STRENGTH[other.present]
        and (other.exemptions or not one.exemptions)
        and _inside(inner.places, outer.places)
    )


def _rules_together(report: _Report) -> None:
    """Rules that never matter, rules that meet, and those that leave nobody to be let in."""
    by_account: dict[str, list[_RuleReach]] = {}
    for index, rule in enumerate(report.policy.rules):
        if rule.effect == "hold" and rule.present is Effect.EJECT:
            report.say("warning", f"rule[{index}].present", "is more than the rule does: one that holds ejects nobody")
        try:
            places = regions.expand(rule.regions, report.at, report.policy.groups)
        except RegionError as error:  # a group that is not recorded so far back
            report.say("problem", f"rule[{index}].regions", error.message)
            continue
        names = frozenset([*(("meeting", name) for name in rule.meetings), *(("series", name) for name in rule.series)])
        by_account.setdefault(rule.account, []).append(_RuleReach(index, f"rule[{index}]", names, places, rule))
    for reaches in by_account.values():
        held = any(reach.rule.effect == "hold" for reach in reaches)
        held_in_conflict = report.policy.defaults is not None and report.policy.defaults.conflict is Effect.HOLD

        def covers(outer: _RuleReach, inner: _RuleReach, *, held: bool = held, holds: bool = held_in_conflict) -> bool:
            return (
                _holds_scope(outer, inner)
                and _present(outer.rule) >= _present(inner.rule)
                and _refuses_as_strictly(outer, inner, held=held, held_in_conflict=holds)
            )

        for reach in reaches:
            covering = _first_covering(reach, [other for other in reaches if other is not reach], covers)
            if covering is not None:
                report.say("warning", reach.place, f"never matters: `{covering.place}` refuses all of it as strictly")
                continue
            met = [
                other.place
                for other in reaches
                if other.number < reach.number and _both_refuse(other, reach) and not covers(reach, other)
            ]
            if met:
                report.say("note", reach.place, f"overlaps with {some(met)}: the stricter decides, or else the first")
        _nobody_left(report, reaches)


# A policy of a thousand entries names few different sets of regions, and compares them a million times.
@lru_cache(maxsize=1 << 14)
def _inside(one: RegionSet, other: RegionSet) -> bool:
    return one <= other


@lru_cache(maxsize=1 << 14)
def _apart(one: RegionSet, other: RegionSet) -> bool:
    return one.isdisjoint(other)


def _present(rule: Rule) -> int:
    """How strictly a rule acts on those who are present."""
    return min(_STRENGTH[rule.present], 1 if rule.effect == "hold" else 2)


def _refuses_as_strictly(outer: _RuleReach, inner: _RuleReach, *, held: bool, held_in_conflict: bool) -> bool:
    if inner.rule.effect == "allow-only":
        # One of two addresses may be inside one list and undecided or elsewhere in the other: what one list holds is a
        # conflict to the other, so a part is as strict as the whole only where conflicts are held too.
        same = _inside(outer.places, inner.places) if held_in_conflict else outer.places == inner.places
        return outer.rule.effect == "allow-only" and same
    if outer.rule.effect == "allow-only":
        # A rule that holds is stronger than one that lets in only some, and weaker than one that denies.
        return inner.rule.effect == "deny" and not held and _apart(inner.places, outer.places)
    return (inner.rule.effect == "hold" or outer.rule.effect == "deny") and _inside(inner.places, outer.places)


def _both_refuse(one: _RuleReach, other: _RuleReach) -> bool:
    return "allow-only" not in {one.rule.effect, other.rule.effect} and _meet(one, other)


def _nobody_left(report: _Report, reaches: Sequence[_RuleReach]) -> None:
    """Said once of all allow-only rules with the same scope: they admit the same people together."""
    seen: set[frozenset[tuple[str, str]]] = set()
    for reach in reaches:
        if reach.rule.effect != "allow-only" or reach.names in seen:
            continue
        seen.add(reach.names)
        over = [other for other in reaches if other.rule.effect != "hold" and _holds_scope(other, reach)]
        left = reach.places
        for is_list, places in {(other.rule.effect == "allow-only", other.places) for other in over}:
            left = left & places if is_list else left - places
        if not left:
            others = [other.place for other in over if other is not reach]
            report.say("problem", reach.place, f"lets in nobody who is located, together with {some(others)}")


def _corrections(report: _Report) -> None:
    acting = [
        (index, order.places(_moment(order, report.at)))
        for index, order in enumerate(report.policy.orders)
        if order.state is State.ACTIVE and order.end > report.at
    ]
    for index, correction in enumerate(report.policy.corrections):
        if correction.region is not None:
            inside = [f"order[{number}]" for number, places in acting if correction.region in places]
            if inside:
                message = f"lies inside {some(inside)}: a correction protects from every order, wherever it points"
                report.say("note", f"correction[{index}].region", message)


def _exemptions(report: _Report) -> None:
    policy = report.policy
    heeded = bool(policy.rules) or any(order.exemptions for order in policy.orders)
    for index, exemption in enumerate(policy.exemptions):
        try:
            regions.expand(exemption.regions, report.at, policy.groups)
        except RegionError as error:
            report.say("problem", f"exemption[{index}].regions", error.message)
        if not heeded:
            message = "excuses nobody: there is no rule, and no order with `exemptions = true`"
            report.say("warning", f"exemption[{index}]", message)


def _unused(report: _Report) -> None:
    policy = report.policy
    if policy.defaults is not None and not any(rule.effect == "allow-only" for rule in policy.rules):
        report.say("note", "defaults", "does nothing: no rule is allow-only")
    used = {name for rule in policy.rules for name in rule.regions}
    used.update(name for exemption in policy.exemptions for name in exemption.regions)
    used.update(name for members in policy.groups.values() for name in members)
    for name in policy.groups:
        if name not in used:
            report.say("note", f"groups.{name}", "is used by nothing")


def _table(report: _Report, told: Told) -> None:
    policy = report.policy
    entries: list[tuple[str, Order | Rule | Exemption]] = [
        *((f"order[{index}]", order) for index, order in enumerate(policy.orders)),
        *((f"rule[{index}]", rule) for index, rule in enumerate(policy.rules)),
        *((f"exemption[{index}]", exemption) for index, exemption in enumerate(policy.exemptions)),
    ]
    for place, entry in entries:
        at = _moment(entry, report.at) if isinstance(entry, Order) else report.at
        try:
            places = entry.places(at) if isinstance(entry, Order) else regions.expand(entry.regions, at, policy.groups)
        except RegionError:  # said already
            continue
        problems = untold(entry, at, told, policy.groups)
        for problem in problems:
            report.say("problem", f"{place}.{problem.place}", problem.message)
        half = half_told(places, told)
        if half and not problems:
            report.say("note", f"{place}.regions", f"is undecided where the table says no more than {some(half)}")


def _codes(report: _Report, table: TellsRegions) -> None:
    """Codes of a table that no policy can name, where it is plain which is meant: overrides are written by people."""
    for codes, suggestions in misspelt(table.regions):
        which = "which is no code of ISO 3166 and lies in nothing"
        if len(codes) > 1:
            which = "which are no codes of ISO 3166 and lie in nothing"
        meant = " or ".join(f"`{code}`" for code in suggestions)
        report.say("warning", "", f"the table has {some(codes)}, {which}: did you mean {meant}?")


def _moment(order: Order, at: datetime) -> datetime:
    """When the groups of an order are taken: not before it begins, since it was checked for then."""
    return max(at, order.start)


def _text(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
