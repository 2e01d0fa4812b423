"""What a plan would mean, in numbers: for the people who must decide whether it may be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from regionfast.meetings.check import check_plan
from regionfast.meetings.columns import TextColumn
from regionfast.meetings.explain import why_inert
from regionfast.meetings.reach import reached
from regionfast.policy.model import Order
from regionfast.types import Effect, Reason

if TYPE_CHECKING:
    from regionfast.meetings.plan import Plan

HOST_ROLES: Final = ("host", "co-host", "cohost", "alternative host", "organizer")
"""Roles that can keep a meeting running, in any case of letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """Counts of connections, none of which names a person."""

    by: str
    """The id of the order or rule."""
    hash: str
    """Of the plan."""
    present: int
    """Connections of the roster."""
    inert: str | None
    """Why the order acts on nobody at all: its state or its dates; `None` where it is in force."""
    in_scope: int
    """Of these, in meetings that the order or rule names."""
    affected: int
    """Of these, in the plan."""
    outside: int | None
    """Of these, not verified once more, from the base table, to be inside the order's territory; anything but 0 is
    refused. `None` for a rule, which has no territory."""
    effects: dict[str, int]
    """Of the plan's rows: how many would be ejected and held."""
    regions: dict[str, int]
    """Of the plan's rows, by region as the table claims it, or `not located`, most first."""
    meetings: dict[str, int]
    """The same by meeting."""
    kept: dict[str, int]
    """Connections in scope that stay, by reason, most first; none where the order is inert and reads nobody."""
    hosts: int | None
    """Hosts among the rows; `None`: the roster has no roles."""
    without_host: tuple[str, ...] | None
    """Meetings all of whose hosts are among the rows, sorted; `None`: hosts unknown."""
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """The same as plain values, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def preview(plan: Plan) -> Preview:
    """Count, after the checker has verified the plan of an order once more. O(connections).

    Raises:
        PlanRefused: The plan is no longer the one that was verified.
    """
    roster = plan.roster
    affected = plan.effect != Effect.KEEP
    in_scope = reached(plan.entry, roster)[roster.meetings.codes]
    hosts, without_host = None, None
    if roster.roles is not None:
        names = [code for code, name in enumerate(roster.roles.values) if name and name.lower() in HOST_ROLES]
        is_host = np.isin(roster.roles.codes, names)
        hosts = int(np.count_nonzero(is_host & affected))
        meetings = roster.meetings
        size = len(meetings.values)
        before = np.bincount(meetings.codes[is_host], minlength=size)
        left = np.bincount(meetings.codes[is_host & ~affected], minlength=size)
        codes = np.flatnonzero((before > 0) & (left == 0))
        without_host = tuple(sorted(str(meetings.values[code]) for code in codes))
    kept = in_scope & ~affected & (plan.reason != int(Reason.UNTOUCHED))
    reasons = np.bincount(plan.reason[kept], minlength=len(Reason))
    return Preview(
        by=plan.by,
        hash=plan.hash,
        present=len(roster),
        inert=why_inert(plan.entry, plan.at),
        in_scope=int(np.count_nonzero(in_scope)),
        affected=len(plan),
        outside=len(plan) - check_plan(plan) if isinstance(plan.entry, Order) else None,
        effects=_most_first({str(effect): int(np.count_nonzero(plan.effect == effect)) for effect in _ACTING}),
        regions=_counts(plan.rows.region),
        meetings=_counts(plan.rows.meeting),
        kept=_most_first({str(reason): int(reasons[reason]) for reason in Reason}),
        hosts=hosts,
        without_host=without_host,
        warnings=plan.warnings,
    )


_ACTING: Final = (Effect.EJECT, Effect.HOLD)


def _counts(column: TextColumn) -> dict[str, int]:
    counts: npt.NDArray[np.int64] = np.bincount(column.codes, minlength=len(column.values))
    names = ("not located" if text is None else text for text in column.values)
    return _most_first({name: int(count) for name, count in zip(names, counts, strict=True)})


def _most_first(counts: dict[str, int]) -> dict[str, int]:
    """Those that there are, the most first, equals by name."""
    there = [(name, count) for name, count in counts.items() if count]
    return dict(sorted(there, key=lambda item: (-item[1], item[0])))
