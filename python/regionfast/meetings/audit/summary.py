"""What was done by each order and rule, in numbers: for a transparency report."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any, Final, NamedTuple

from regionfast.meetings.audit.outstanding import Removed
from regionfast.meetings.audit.record import ACTING, Record, records
from regionfast.meetings.census import FEWEST, OTHER, folded

_AFTER: Final = ("admitted", "cleared", "outstanding")
_GROUPS: Final = (
    ("ejected", "held", "already_gone", "retry", "unsettled"),
    ("stale", "would_end_meeting", "failed"),
    ("denied_at_door", "held_at_door"),
    _AFTER,
    ("handovers",),
)
"""Counts of people that are shares of one number: a small one is folded together with others of its group.

The first and `_AFTER` are shares of the same number, of who was or may have been removed. So those who stayed are apart
from the first: else the other would tell how many of what is folded were removed, and that may be few. And all of
`_AFTER` is folded where anything of the two is.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SummaryRow:
    """What one order or rule did. Counts of people are `None` where they were folded."""

    by: str
    """Id of the order or rule."""
    plans: int
    """Different plans that were begun."""
    refused: int
    """Attempts to act, or to undo, that were refused."""
    undoings: int
    """Different inverse plans that were begun."""
    approvals: int
    """Approvals of plans and undoings, one for each approver and plan."""
    approvers: tuple[str, ...]
    """Ids of who approved, sorted."""
    ejected: int | None
    """Rows of plans by what came of them last: ejected, held, or not, for one of the following reasons.

    Who was asked for and then was gone counts as ejected or held, though no answer said so: rather one too many, who
    left by himself in that moment, than some too few."""
    held: int | None
    already_gone: int | None
    """Gone before they were asked for."""
    stale: int | None
    would_end_meeting: int | None
    retry: int | None
    failed: int | None
    unsettled: int | None
    """Rows that were about to be asked for, without a record of what came of it: a crash, or a plan that is running."""
    handovers: int | None
    """Hosts that were made before another one left."""
    denied_at_door: int | None
    """Joins that were denied."""
    held_at_door: int | None
    """Joins that had to wait."""
    admitted: int | None
    """Connections that were let in again after they were held."""
    cleared: int | None
    """Connections of whom nothing is left behind that keeps them out, after they were ejected."""
    outstanding: int | None
    """Connections that are still kept out at the end of the time."""
    first: datetime
    """When the first record of it was written, UTC."""
    last: datetime
    """When the last one was."""
    folded: int | None = None
    """The sum of what is folded of the rows that were, or may have been, removed; `None` where it is below 5, or none
    was folded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What all orders and rules did in some time."""

    since: datetime | None
    until: datetime | None
    rows: tuple[SummaryRow, ...]
    """By id."""
    is_folded: bool = False
    """Whether small counts of people are folded."""

    def folded(self) -> Summary:
        """The same for publication, as a census has it: no count of people from 1 to 4, nor what would give it away.

        Counts that are shares of one number are folded together, the smallest first, until none that is left alone is
        small. Counts of plans, approvals and attempts stay.
        """
        return replace(self, rows=tuple(map(_fold, self.rows)), is_folded=True)

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON; times are UTC as in `2020-06-05T00:00:00.000Z`."""
        rows: list[dict[str, object]] = []
        for row in self.rows:
            plain: dict[str, object] = asdict(row) | {"approvers": list(row.approvers)}
            rows.append(plain | {"first": _written(row.first), "last": _written(row.last)})
        return {
            "since": None if self.since is None else _written(self.since),
            "until": None if self.until is None else _written(self.until),
            "is_folded": self.is_folded,
            "rows": rows,
        }


def summary(directory: str | PathLike[str], *, since: datetime | None = None, until: datetime | None = None) -> Summary:
    """Count what the chains say of each order and rule. No keys are needed, and nobody is named.

    Args:
        directory: The audit directory.
        since: Only what was recorded from then on, with offset. What is outstanding counts all that was before, too.
        until: Only what was recorded before then, with offset.

    Cost: O(records); memory of some ten bytes for each row of plans that are not finished.

    Raises:
        AuditError: A chain is broken.
        ValueError: A time without offset.
    """
    for name, at in (("since", since), ("until", until)):
        if at is not None and at.utcoffset() is None:
            raise ValueError(f"`{name}` has no offset: pass a time such as 2026-01-01T00:00:00+00:00")
    counts: dict[str, _Counts] = {}
    removed = Removed()
    for record in records(Path(directory)):
        by = record.text("by") if record.writer == ACTING or record.kind == "join" else ""
        if not by or (until is not None and record.at >= until):
            continue
        removed.take(record)
        if since is None or record.at >= since:
            if by not in counts:
                counts[by] = _Counts(record.at)
            counts[by].take(record)
    left = Counter(row.intent.text("by") for row in removed.rows.values())
    return Summary(
        since=since, until=until, rows=tuple(counts[by].row(by, outstanding=left[by]) for by in sorted(counts))
    )


class _Row(NamedTuple):
    """What came of a row so far; a later result takes the place of an earlier one."""

    effect: str
    outcome: str
    """Empty before the first result."""
    was_asked: bool = False
    """Whether there was an intent, so that the control may have been asked."""


def _counted(row: _Row) -> tuple[str, str]:
    """As what a row counts."""
    is_done = row.outcome == "already-gone" and row.was_asked and row.effect in {"eject", "hold"}
    return row.effect, "done" if is_done else row.outcome


class _Counts:
    """What is counted of one order or rule."""

    def __init__(self, at: datetime) -> None:
        self._first = self._last = at
        self._plans: set[str] = set()
        self._undoings: set[str] = set()
        self._approvals: set[tuple[str, str]] = set()
        self._kinds: Counter[str] = Counter()
        self._outcomes: Counter[tuple[str, str]] = Counter()
        self._open: dict[str, dict[str, _Row]] = {}
        """By plan and connection, until the plan is finished."""

    def take(self, record: Record) -> None:
        """Take the next record of it."""
        self._first, self._last = min(self._first, record.at), max(self._last, record.at)
        plan, outcome = record.text("plan"), record.text("outcome")
        if record.kind == "intent":
            row = self._open.setdefault(plan, {}).get(record.text("connection"), _Row("", ""))
            self._open[plan][record.text("connection")] = _Row(record.text("effect"), row.outcome, was_asked=True)
        elif record.kind == "result":
            rows = self._open.setdefault(plan, {})
            row = rows.get(record.text("connection"), _Row("", ""))
            rows[record.text("connection")] = _Row(record.text("effect"), outcome, was_asked=row.was_asked)
        elif record.kind == "finished":
            self._outcomes.update(map(_counted, self._open.pop(plan, {}).values()))
        elif record.kind in {"plan", "undo"}:
            (self._plans if record.kind == "plan" else self._undoings).add(plan)
            approvals = record.fields.get("approvals")
            for approval in approvals if isinstance(approvals, list) else ():
                if isinstance(approval, dict):
                    self._approvals.add((plan, str(approval.get("approver"))))
        elif record.kind == "handover":
            self._kinds["handover"] += outcome == "done"
        elif record.kind == "join":
            self._kinds[record.text("effect")] += 1
        elif record.kind == "refused":
            self._kinds["refused"] += 1

    def row(self, by: str, *, outstanding: int) -> SummaryRow:
        """The numbers."""
        outcomes = self._outcomes.copy()
        for rows in self._open.values():
            outcomes.update(map(_counted, rows.values()))
        of = Counter[str]()
        for (effect, outcome), count in outcomes.items():
            if effect in {"eject", "hold"}:
                of[outcome] += count
        return SummaryRow(
            by=by,
            plans=len(self._plans),
            refused=self._kinds["refused"],
            undoings=len(self._undoings),
            approvals=len(self._approvals),
            approvers=tuple(sorted({approver for _, approver in self._approvals})),
            ejected=outcomes["eject", "done"],
            held=outcomes["hold", "done"],
            already_gone=of["already-gone"],
            stale=of["stale"],
            would_end_meeting=of["would-end-meeting"],
            retry=of["retry"],
            failed=of["failed"],
            unsettled=of[""],
            handovers=self._kinds["handover"],
            denied_at_door=self._kinds["deny"],
            held_at_door=self._kinds["hold"],
            admitted=outcomes["admit", "done"],
            cleared=outcomes["clear", "done"],
            outstanding=outstanding,
            first=self._first,
            last=self._last,
        )


def _fold(row: SummaryRow) -> SummaryRow:
    """The row without small counts of people."""
    counts: dict[str, Any] = {}
    others = []
    for group in _GROUPS:
        cells = {name: count for name in group if (count := getattr(row, name))}
        shown = folded(cells, exact=False)
        counts |= {name: shown.get(name) for name in cells}
        others.append(shown.get(OTHER, 0))
    rows_of_plans = others[0]
    if rows_of_plans or others[_GROUPS.index(_AFTER)]:
        # Of each who was ejected something is cleared or outstanding: what is shown of both is subtracted.
        counts |= {name: None for name in _AFTER if getattr(row, name)}
    return replace(row, **counts, folded=rows_of_plans if rows_of_plans >= FEWEST else None)


def _written(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
