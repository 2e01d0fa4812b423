"""Acting on the rows of one plan: what is done with a meeting, and with a chunk of its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from regionfast.meetings.act.asking import ATTEMPTS, Asking, Look, answered, longest_wait
from regionfast.meetings.act.control import Answer, Outcome, Present
from regionfast.meetings.act.hosts import kept, running
from regionfast.meetings.act.journal import Journal
from regionfast.meetings.act.targets import Target
from regionfast.meetings.audit.keys import KeyStore
from regionfast.names import plain
from regionfast.pseudonym import pseudonym
from regionfast.types import Effect

CHUNK: Final = 100
"""Connections that a control is asked for at once: what a crash can leave undecided."""
GONE: Final = (Outcome.DONE, Outcome.ALREADY_GONE)
_STAYS: Final = (Outcome.STALE, Outcome.WOULD_END_MEETING)
_UNCERTAIN: Final = {Outcome.STALE: Outcome.ALREADY_GONE, Outcome.WOULD_END_MEETING: Outcome.RETRY}
"""What they come out as of who may have been removed."""
_LOOKS: Final = 3
"""How often it is looked whether somebody is gone whom the control says it removed."""


class _Part(NamedTuple):
    """Rows of one meeting that are asked for together."""

    meeting: str
    effect: Effect


class Acting:
    """The rows of a plan, and what came of them so far."""

    def __init__(
        self,
        journal: Journal,
        asking: Asking,
        keys: KeyStore,
        targets: Sequence[Target],
        is_in_force: Callable[[], bool],
    ) -> None:
        """Take the rows; those that the journal has a final outcome of are not asked for.

        Args:
            journal: What was done before, and where what is done now is written.
            asking: The control.
            keys: Those of the audit.
            targets: The rows.
            is_in_force: Whether the order or rule still acts. Acting can take hours, and nothing is asked for when
                it has ended.
        """
        self._journal = journal
        self._asking = asking
        self._keys = keys
        self._is_in_force = is_in_force
        self.handovers = 0
        """How many meetings got another host."""
        self.outcomes: dict[int, Outcome] = {}
        """By number of the row; a row that is not in it is still to be done."""
        self._unanswered: set[int] = set()
        """Numbers of rows that were asked for, in this run or before, without an answer: it may have been done."""
        self._rows: dict[str, list[Target]] = {}
        for target in targets:
            self._rows.setdefault(target.meeting, []).append(target)
            if journal.was_intended(target.receipt):
                self._unanswered.add(target.number)
            found = journal.outcome(target.receipt)
            if found is not None:
                self.outcomes[target.number] = found

    def looks(self) -> dict[str, Look | None]:
        """Who is present in each meeting with rows to be done; `None` where the control does not say."""
        return {meeting: self._asking.look(meeting) for meeting, rows in self._rows.items() if self._pending(rows)}

    def meetings_beyond(self, share: float, looks: Mapping[str, Look | None]) -> int:
        """In how many meetings more than a share of those present would be acted on, by this plan as a whole."""
        count = 0
        for meeting, look in looks.items():
            if look is not None:
                rows = self._rows[meeting]
                acted = sum(self.outcomes.get(row.number) in GONE for row in rows)
                there = sum(row.removal.connection in look.present for row in self._pending(rows))
                count += there > 0 and acted + there > share * (acted + len(look.present))
        return count

    def run(self, looks: Mapping[str, Look | None]) -> None:
        """Do what is left to be done in all meetings that could be looked at. Hosts come last in each."""
        for meeting, look in looks.items():
            rows = self._pending(self._rows[meeting])
            if look is None:
                self._settle(rows, Outcome.RETRY, 0)
                continue
            rank = _rank(look)
            for (_, effect), same in groupby(sorted(rows, key=rank), rank):
                together = list(same)
                for first in range(0, len(together), CHUNK):
                    self._chunk(_Part(meeting, effect), together[first : first + CHUNK])

    def _pending(self, rows: Iterable[Target]) -> list[Target]:
        return [row for row in rows if row.number not in self.outcomes]

    def _planned(self, meeting: str) -> set[str]:
        """The connections of a meeting that the plan acts on. Who was left alone stays, and may be made a host."""
        return {row.removal.connection for row in self._rows[meeting] if self.outcomes.get(row.number) not in _STAYS}

    def _late(self, meeting: str) -> set[str]:
        """Who was asked to leave in vain, and may yet do so: a server may do late what it did not answer."""
        return {
            row.removal.connection
            for row in self._rows[meeting]
            if (found := self.outcomes.get(row.number)) is Outcome.RETRY
            or (found is Outcome.FAILED and row.number in self._unanswered)
        }

    def _chunk(self, part: _Part, rows: list[Target]) -> None:
        """Look, write what is intended, ask, write what came of it; again where no answer came, or "not now"."""
        control = self._asking.control
        ask = control.eject if part.effect is Effect.EJECT else control.hold
        waiting, asked = rows, 0
        for attempt in range(1, ATTEMPTS + 1):
            look = self._asking.look(part.meeting)
            if look is None or not self._is_in_force():
                break
            waiting = self._ready(part, waiting, look, asked)
            if not waiting:
                return
            if not self._is_in_force():  # a handover can take minutes
                break
            self._journal.intend((row.receipt, row.effect, row.region, row.sealed) for row in waiting)
            answers = answered(ask, part.meeting, [row.removal for row in waiting])
            asked = attempt
            waiting = self._answered(part, waiting, answers, asked)
            if not waiting:
                return
            if attempt < ATTEMPTS:
                self._asking.wait(attempt, longest_wait(answers))
        self._give_up(part, waiting, asked)

    def _ready(self, part: _Part, rows: Iterable[Target], look: Look, attempts: int) -> list[Target]:
        """Those of some rows that may be asked for now, after handing over where a meeting would lose its last host."""
        while True:
            there = self._still_there(rows, look, attempts)
            late = self._late(part.meeting)
            last = kept(there, look, late=late)
            change = running(there, look, late=late, planned=self._planned(part.meeting))
            if last is None and change.leaving is None:
                return there
            outcome = Outcome.WOULD_END_MEETING
            if last is None and change.leaving is not None:
                after = self._handed_over(part.meeting, change.leaving, change.candidates)
                if isinstance(after, Look):
                    rows, look = there, after
                    continue
                last, outcome = change.leaving, after
            assert last is not None
            self._settle([last], outcome, attempts)
            rows = [row for row in there if row is not last]

    def _still_there(self, rows: Iterable[Target], look: Look, attempts: int) -> list[Target]:
        """The rows that are present as they were judged; what came of the others is written."""
        there: list[Target] = []
        gone: list[Target] = []
        stale: list[Target] = []
        for row in rows:
            present = look.present.get(row.removal.connection)
            if present is None:
                gone.append(row)
            elif row.removal.connection in look.doubtful or not row.is_same(present):
                stale.append(row)
            else:
                there.append(row)
        self._settle(gone, Outcome.ALREADY_GONE, attempts)
        self._settle(stale, Outcome.STALE, attempts)
        return there

    def _handed_over(self, meeting: str, leaving: Target, candidates: Sequence[Present]) -> Look | Outcome:
        """Make somebody who stays a host; who is there afterwards, or the outcome of the last host's row.

        That is `retry` where the control could not say for somebody: another time he may be made host.
        """
        key = self._keys.key(leaving.receipt.scope)
        outcome = Outcome.WOULD_END_MEETING
        for candidate in candidates:
            to = pseudonym(key, "connection", candidate.connection)
            self._journal.hand_over(leaving.receipt, to, "asked")
            found = self._made_host(meeting, leaving, candidate)
            is_host = isinstance(found, Look)
            self._journal.hand_over(leaving.receipt, to, str(Outcome.DONE if is_host else Outcome.FAILED))
            if is_host:
                self.handovers += 1
                return found
            if found is Outcome.RETRY:
                outcome = Outcome.RETRY
        return outcome

    def _made_host(self, meeting: str, leaving: Target, candidate: Present) -> Look | Outcome:
        """Who is there once somebody is a host; else `failed`, or `retry` where there was no answer for good."""
        name = plain(candidate.connection)
        for attempt in range(1, ATTEMPTS + 1):
            answer = self._asking.hand_over(meeting, leaving.removal.connection, candidate.connection)
            look = self._asking.look(meeting)
            found = None if look is None else look.present.get(name)
            if look is not None and found is not None and found.is_host and name not in look.doubtful:
                return look
            is_final = answer is not None and answer.outcome is not Outcome.RETRY
            if look is not None and (found is None or is_final):
                return Outcome.FAILED
            if attempt < ATTEMPTS:
                self._asking.wait(attempt, None if answer is None else answer.retry_after)
        return Outcome.RETRY

    def _answered(
        self, part: _Part, rows: Sequence[Target], answers: Sequence[Answer | None], attempt: int
    ) -> list[Target]:
        """Write what was answered, and look whether it is so; the rows that are to be asked for again."""
        pairs = list(zip(rows, answers, strict=True))
        # What the control reports as residue is written before anything else can go wrong, also of who is asked again.
        self._journal.settle(
            (row.receipt, row.effect, self._certain(row, answer.outcome), attempt, answer.residue)
            for row, answer in pairs
            if answer is not None and (answer.outcome is not Outcome.RETRY or answer.residue is not None)
        )
        said = []
        for row, answer in pairs:
            if answer is None:
                self._unanswered.add(row.number)
            elif answer.outcome is not Outcome.RETRY:
                self.outcomes[row.number] = self._certain(row, answer.outcome)
                if answer.outcome in GONE:
                    said.append(row)
        # Not asked again: who is back after he was removed would be removed twice.
        lingering = self._lingering(part.meeting, said)
        self._unanswered.update(row.number for row in lingering)
        self._settle(lingering, Outcome.FAILED, attempt)
        return self._pending(rows)

    def _lingering(self, meeting: str, rows: list[Target]) -> list[Target]:
        """Those who are still there although the control says that they are gone."""
        left = rows
        for look_number in range(1, _LOOKS + 1):
            look = self._asking.look(meeting) if left else None
            if look is None:
                return []
            left = [row for row in left if row.removal.connection in look.present]
            if left and look_number < _LOOKS:
                self._asking.wait(look_number)
        return left

    def _give_up(self, part: _Part, rows: list[Target], attempts: int) -> None:
        """After the last attempt: who is gone meanwhile is done with, the rest is for another time."""
        look = self._asking.look(part.meeting)
        if look is not None:
            rows = self._still_there(rows, look, attempts)
        self._settle(rows, Outcome.RETRY, attempts)

    def _settle(self, rows: Sequence[Target], outcome: Outcome, attempts: int) -> None:
        outcomes = {row.number: self._certain(row, outcome) for row in rows}
        self._journal.settle((row.receipt, row.effect, outcomes[row.number], attempts, None) for row in rows)
        self.outcomes.update(outcomes)

    def _certain(self, row: Target, outcome: Outcome) -> Outcome:
        """The outcome, where it is certain: of who was asked for without an answer nobody knows that he was left alone.

        Such a one must not be forgotten when all is undone, nor counted as somebody who stays.
        """
        return _UNCERTAIN.get(outcome, outcome) if row.number in self._unanswered else outcome


def _rank(look: Look) -> Callable[[Target], tuple[bool, Effect]]:
    """Hosts behind all others, and what is asked for together side by side."""

    def rank(row: Target) -> tuple[bool, Effect]:
        present = look.present.get(row.removal.connection)
        return present is not None and present.is_host, row.effect

    return rank
