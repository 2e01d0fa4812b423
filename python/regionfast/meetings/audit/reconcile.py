"""What a meeting server says it did, against what the records say was asked of it: ejections that no plan explains."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from os import PathLike
from typing import Final

from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import check_key
from regionfast.meetings.audit.record import ACTING, Record, records
from regionfast.meetings.audit.serverlog import EFFECT_OF, Event, ServerLog
from regionfast.pseudonym import pseudonym

TOLERANCE: Final = timedelta(minutes=5)
"""How far the clocks of server and records may be apart, and how late a server may do what it was asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """What came of the comparison. Lines are numbers in the log, from 1; it names nobody."""

    lines: int
    """All lines of the log, the heading included."""
    events: int
    """Lines that say `ejected` or `held`."""
    explained: int
    """Of those, what a plan had asked for at that time."""
    unexplained: tuple[int, ...]
    """Of those, the lines that no record can explain: done around the records."""
    undecidable: tuple[int, ...]
    """Of those, lines that may be rows of an order whose key was destroyed: nobody can say it any more."""
    unreadable: tuple[int, ...]
    """Lines that cannot be read: each of them may hide an ejection."""
    unseen: int
    """Results `done`, within the time of the log, that the log does not show."""
    warnings: tuple[str, ...]
    """What a reader should know."""

    @property
    def is_clean(self) -> bool:
        """Whether every ejection is explained or can no longer be, and every line could be read."""
        return not self.unexplained and not self.unreadable

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON."""
        return {
            "lines": self.lines,
            "events": self.events,
            "explained": self.explained,
            "unexplained": list(self.unexplained),
            "undecidable": len(self.undecidable),
            "undecidable_lines": list(self.undecidable),
            "unreadable": list(self.unreadable),
            "unseen": self.unseen,
            "warnings": list(self.warnings),
        }


def reconcile(
    directory: str | PathLike[str],
    keys: str | PathLike[str] | KeyStore,
    log: str | PathLike[str],
    *,
    tolerance: timedelta = TOLERANCE,
) -> Reconciliation:
    """Say which ejections of a server's own log no plan explains.

    An event is explained by a row of a plan with the same effect, for the same connection in the same meeting, which
    was being asked for at that time, give or take the tolerance; and one row explains no more events than it was asked
    for. So an ejection by hand of somebody whom a plan had ejected before is found, too.

    Args:
        directory: The audit directory.
        keys: Its keys, or their directory.
        log: CSV with a heading, or JSON Lines, UTF-8, as it is or in gzip, with `time` (ISO 8601 with offset),
            `meeting`, `connection` and `event`; other columns do not matter, and of events only `ejected` and `held`.
        tolerance: How far clocks may be apart.

    Cost: O(records + lines + meetings of the log times orders); some microseconds a line.

    Raises:
        AuditError: A chain is broken, or the keys are not those of its records.
        DocumentError: The log cannot be read, or none of its lines can; says what is missing.
        ValueError: A tolerance below zero.
    """
    if tolerance < timedelta(0):
        raise ValueError("`tolerance` is below zero")
    asked = _Asked(keys if isinstance(keys, KeyStore) else KeyStore(keys), tolerance)
    for record in records(directory, ACTING):
        asked.take(record)
    asked.finish()
    lines = ServerLog(log)
    explained = 0
    unexplained: list[int] = []
    undecidable: list[int] = []
    for event in lines:
        answer = asked.explains(event)
        if answer:
            explained += 1
        else:
            (unexplained if answer is False else undecidable).append(event.line)
    return Reconciliation(
        lines=lines.count,
        events=explained + len(unexplained) + len(undecidable),
        explained=explained,
        unexplained=tuple(unexplained),
        undecidable=tuple(undecidable),
        unreadable=tuple(lines.unreadable),
        unseen=0 if lines.first is None or lines.last is None else asked.unseen(lines.first, lines.last),
        warnings=tuple(_warnings(lines, explained + len(unexplained) + len(undecidable), asked.lost)),
    )


def _warnings(lines: ServerLog, events: int, lost: int) -> Iterator[str]:
    if lost:
        yield (
            f"the keys of {lost:,} scopes are missing, and no mark says that they were destroyed: "
            "their records explain nothing"
        )
    if not events:
        names = " or ".join(f"`{name}`" for name in EFFECT_OF)
        yield f"no line has the event {names}: is it the right log, and are its events called so?"
    if lines.unreadable:
        yield f"{len(lines.unreadable):,} lines cannot be read: {lines.why}"


@dataclass(slots=True)
class _Row:
    """One row of a plan: when it was asked for."""

    effect: str
    windows: list[tuple[datetime, datetime]] = field(repr=False)
    """From the intent, or the beginning of a later run, until the result, or the last record of a run that crashed."""
    outcome: str = ""
    left: int = 1
    """How many events it can still explain."""
    is_seen: bool = False

    def covers(self, at: datetime, tolerance: timedelta) -> bool:
        """Whether it was being asked for at that time."""
        return any(first - tolerance <= at <= last + tolerance for first, last in self.windows)


class _Asked:
    """All that was asked of servers, by scope and pseudonym of the connection."""

    def __init__(self, keys: KeyStore, tolerance: timedelta) -> None:
        self._keys = keys
        self._tolerance = tolerance
        self._rows: dict[tuple[str, str], list[_Row]] = {}
        self._pending: dict[str, dict[tuple[str, str], _Row]] = {}
        """By plan, the rows without a final outcome."""
        self._last: dict[str, datetime] = {}
        """By plan, the time of its last record."""
        self._by: dict[str, str] = {}
        """By scope, its order or rule."""
        self._orders: tuple[str, ...] = ()
        """All of these, each once."""
        self._key: dict[str, bytes | None] = {}
        """By scope, its key; `None` where it is gone. Asked for once: that looks at the disk."""
        self.lost = 0
        """How many keys are gone without having been destroyed."""
        self._scopes: dict[str, list[str]] = {}
        """By meeting of the log, its scopes."""
        self._erased: dict[tuple[str, str], _Erased] = {}
        """By scope and effect."""

    def take(self, record: Record) -> None:
        """Take the next record, of any kind."""
        plan = record.text("plan")
        if record.kind == "plan":
            for row in self._pending.get(plan, {}).values():
                if not row.outcome:
                    row.windows[-1] = row.windows[-1][0], self._last[plan]
                if row.outcome in {"", "retry"}:
                    row.windows.append((record.at, record.at))
                    row.outcome = ""
        elif record.kind in {"intent", "result"} and record.text("effect") in EFFECT_OF.values():
            name = record.text("scope"), record.text("connection")
            if record.kind == "intent":
                self._intended(plan, name, record)
            else:
                self._settled(plan, name, record)
        if record.kind != "refused":  # by which nothing was asked for
            self._last[plan] = record.at

    def _intended(self, plan: str, name: tuple[str, str], record: Record) -> None:
        row = _Row(record.text("effect"), [(record.at, record.at)])
        self._rows.setdefault(name, []).append(row)
        self._pending.setdefault(plan, {})[name] = row
        self._by[name[0]] = record.text("by")

    def _settled(self, plan: str, name: tuple[str, str], record: Record) -> None:
        row = self._pending.get(plan, {}).get(name)
        if row is None:  # it was left alone, without ever being asked for
            return
        row.windows[-1] = row.windows[-1][0], record.at
        row.outcome = record.text("outcome")
        attempts = record.fields.get("attempts")
        row.left = max(row.left, attempts if isinstance(attempts, int) else 1)

    def finish(self) -> None:
        """After the last record: rows that nothing came of were asked for until the last record of their plan.

        Raises:
            AuditError: None of the keys is there, nor a mark that it was destroyed.
        """
        for plan, rows in self._pending.items():
            for row in rows.values():
                if not row.outcome:
                    row.windows[-1] = row.windows[-1][0], max(row.windows[-1][1], self._last[plan])
        self._orders = tuple(dict.fromkeys(self._by.values()))
        self._key = {scope: self._keys.existing(scope) for scope in self._by}
        lost = [scope for scope, key in self._key.items() if key is None and not self._keys.is_destroyed(scope)]
        self.lost = len(lost)
        if lost and len(lost) == len(self._key):
            # By other keys all ejections would look unexplained.
            check_key(self._keys, lost[0])
        for (scope, _), asked in self._rows.items():
            if self._key[scope] is None:
                for row in asked:
                    self._erased.setdefault((scope, row.effect), _Erased(self._tolerance)).rows.append(row)

    def explains(self, event: Event) -> bool | None:
        """Whether a row explains an event, and is used up by that; `None` where that can no longer be said."""
        scopes = self._scopes.get(event.meeting)
        if scopes is None:
            found = [self._keys.scope(by, event.meeting) for by in self._orders]
            scopes = self._scopes[event.meeting] = [scope for scope in found if scope in self._by]
        for scope in scopes:
            key = self._key[scope]
            if key is None:
                continue
            for row in self._rows.get((scope, pseudonym(key, "connection", event.connection)), ()):
                if row.effect == event.effect and row.left and row.covers(event.at, self._tolerance):
                    row.left -= 1
                    row.is_seen = True
                    return True
        for scope in scopes:
            group = self._erased.get((scope, event.effect))
            if group is not None and group.may_explain(event.at):
                return None
        return False

    def unseen(self, first: datetime, last: datetime) -> int:
        """How many results `done` there are within a time of which no event was seen."""
        return sum(
            row.outcome == "done"
            and not row.is_seen
            and any(begin <= last and first <= end for begin, end in row.windows)
            for (scope, _), rows in self._rows.items()
            if self._key[scope] is not None
            for row in rows
        )


class _Erased:
    """The rows of a scope whose key is gone: when some of them were asked for, but not which."""

    def __init__(self, tolerance: timedelta) -> None:
        self.rows: list[_Row] = []
        self._tolerance = tolerance
        self._left: list[int] = []
        """How many events the rows of each window can still explain."""
        self._starts: list[datetime] = []
        self._ends: list[datetime] = []

    def may_explain(self, at: datetime) -> bool:
        """Whether a row that is not used up was asked for at that time; it is used up then."""
        if not self._left:
            self._join(sorted((*window, row.left) for row in self.rows for window in row.windows))
        place = bisect_right(self._starts, at) - 1
        if place >= 0 and at <= self._ends[place] and self._left[place]:
            self._left[place] -= 1
            return True
        return False

    def _join(self, windows: Iterable[tuple[datetime, datetime, int]]) -> None:
        """Join windows that overlap, so that one is found by bisection."""
        for first, last, left in windows:
            begin, end = first - self._tolerance, last + self._tolerance
            if self._ends and begin <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
                self._left[-1] += left
            else:
                self._starts.append(begin)
                self._ends.append(end)
                self._left.append(left)
