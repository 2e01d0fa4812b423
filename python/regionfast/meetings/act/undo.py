"""Undoing: whom an order kept out may come back, and what it left behind is cleared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from regionfast.errors import PlanRefused
from regionfast.meetings.act.acting import CHUNK, GONE
from regionfast.meetings.act.apply import Applied, now, signed
from regionfast.meetings.act.approval import Approval, stands_against
from regionfast.meetings.act.asking import ATTEMPTS, Asking, answered, longest_wait
from regionfast.meetings.act.control import Answer, MeetingControl, Outcome, Release
from regionfast.meetings.act.ejections import Ejections
from regionfast.meetings.act.journal import Journal
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import Outstanding, outstanding
from regionfast.meetings.audit.receipt import Receipt, Row
from regionfast.policy.deployment import Deployment
from regionfast.policy.model import Order
from regionfast.pseudonym import pseudonym
from regionfast.types import Effect

if TYPE_CHECKING:
    from regionfast.meetings.inverse import Inverse


@dataclass(frozen=True, slots=True, kw_only=True)
class _Undo:
    """One row of an inverse that is outstanding."""

    number: int
    effect: Effect
    receipt: Receipt = field(repr=False)
    row: Outstanding = field(repr=False)
    clears: tuple[Release, ...] = field(repr=False)
    """One for each ejection by this id of a connection: of several persons, or of one who came back from elsewhere."""
    admits: tuple[Release, ...] = field(repr=False)
    """One for who waits at the door."""

    @property
    def size(self) -> int:
        """How many releases it is."""
        return len(self.clears) + len(self.admits)


class _Came(NamedTuple):
    """What came of a release, or of all that one row needs."""

    outcome: Outcome
    attempts: int


def apply_inverse(
    inverse: Inverse,
    control: MeetingControl,
    deployment: Deployment | None,
    *,
    approvals: Sequence[Approval] = (),
    clock: Callable[[], datetime] = now,
    sleep: Callable[[float], None] = time.sleep,
) -> Applied:
    """Let in whom a plan held, and clear what ejecting left behind, of the rows that are outstanding by the audit.

    Rows that nobody acted on, or that were undone before, come out as `already-gone` and are not asked for. `stale` are
    those whom another order or rule keeps out now, though it did not at the moment that the inverse is for, and those
    whom another plan has held since. They stay outstanding.

    An order that is still in force is undone only with approvals over the inverse's hash; afterwards nobody has to
    agree, since what gives a right back must not wait for anybody. Neither caps nor the age of the table count: they
    protect those who would be removed.

    Args:
        inverse: Whom nothing else keeps out.
        control: The system that runs the meetings.
        deployment: The operator's file.
        approvals: Needed only while the order or rule is in force.
        clock: What the time is.
        sleep: Waits for some seconds.

    Raises:
        PlanRefused: It is still in force and too few approve; or there is no audit. Nothing was asked of the control.
        AuditError: The audit cannot be used; nothing more is done.
        ImportError: `cryptography` or `filelock` is not installed.
    """
    approvals = tuple(approvals)  # read twice: to be judged and to be recorded
    if not inverse:
        return Applied(plan=inverse.hash, outcomes=())
    if deployment is None or deployment.audit is None:
        raise PlanRefused("there is no deployment with [audit]: what was done is not known")
    keys = KeyStore(deployment.audit.keys)
    with Journal.open(deployment.audit, keys, plan=inverse.hash, by=inverse.by, clock=clock) as journal:
        is_in_force = inverse.is_in_force(clock())
        author = inverse.entry.author if isinstance(inverse.entry, Order) else None
        against = (
            stands_against(approvals, plan=inverse.hash, seal=None, author=author, deployment=deployment, now=clock())
            if is_in_force
            else []
        )
        if against:
            reasons = [f"{inverse.by} is still in force: to undo it needs approvals", *against]
            journal.refused(reasons)
            raise PlanRefused(*reasons)
        rows, others = _outstanding(inverse, keys, deployment.audit.directory, clock())
        journal.begin(
            "undo",
            {
                "of": list(inverse.of),
                "policy": inverse.policy.revision,
                "reason": "approved" if is_in_force else "ended",
                "counts": {str(effect): sum(row.effect is effect for row in rows) for effect in _EFFECTS},
                "approvals": signed(approvals if is_in_force else ()),
            },
        )
        outcomes = dict.fromkeys(range(len(inverse)), Outcome.ALREADY_GONE)
        outcomes.update((number, Outcome.STALE) for number in others)
        for (meeting, _), group in groupby(rows, lambda row: (row.row.meeting, row.effect)):
            for chunk in _chunks(group):
                outcomes.update(_undo(chunk, meeting, Asking(control, sleep), journal))
        found = Applied(
            plan=inverse.hash,
            outcomes=tuple(outcomes[number] for number in range(len(inverse))),
            was_resumed=journal.has_begun,
        )
        if found.is_finished:
            journal.finish(found.outcomes)
        return found


_EFFECTS = (Effect.ADMIT, Effect.CLEAR)
_WORST_FIRST = (
    Outcome.RETRY,
    Outcome.FAILED,
    Outcome.STALE,
    Outcome.WOULD_END_MEETING,
    Outcome.DONE,
    Outcome.ALREADY_GONE,
)


def _outstanding(inverse: Inverse, keys: KeyStore, directory: str, at: datetime) -> tuple[list[_Undo], list[int]]:
    """The rows of an inverse that are outstanding, by meeting and effect, and the numbers of those that are others.

    Such a one is kept out by something else at the moment `at`. Or he was judged as somebody who was ejected, who may
    be held at the door; another plan has held him since, and to admit him would lead him past what holds.
    """
    stands = inverse.stands(at)
    ejections = Ejections(directory, keys, inverse.by)
    found = {(row.meeting, row.id): row for row in outstanding(directory, keys, inverse.by)}
    rows, others = [], []
    for number, planned in enumerate(inverse.rows):
        row = found.get((planned.meeting, planned.connection or ""))
        if row is None:
            continue
        if not stands[number] or (row.effect == "hold" and planned.effect != "admit"):
            others.append(number)
            continue
        identity = Row(
            meeting=row.meeting,
            connection=row.id,
            participant=row.participant,
            addresses=tuple(sorted(row.addresses)),
        )
        receipt = Receipt.of(keys.key(row.scope), row.scope, row.by, identity, plan=inverse.hash, name=[row.id])
        rows.append(
            _Undo(
                number=number,
                effect=Effect.ADMIT if row.effect == "hold" else Effect.CLEAR,
                receipt=receipt,
                row=row,
                clears=tuple(
                    Release(
                        connection=row.id,
                        participant=ejection.participant,
                        residue=ejection.residue,
                        key=pseudonym(receipt.row_key, "ask", ejection.plan),
                    )
                    for ejection in ejections.of((row.scope, row.connection), row.plan)
                ),
                admits=(
                    Release(
                        connection=row.id,
                        participant=row.participant,
                        residue=row.residue,
                        key=pseudonym(receipt.row_key, "ask"),
                    ),
                )
                if row.effect == "hold"
                else (),
            )
        )
    return sorted(rows, key=lambda undo: (undo.row.meeting, undo.effect, undo.number)), others


def _chunks(rows: Iterable[_Undo]) -> Iterator[list[_Undo]]:
    """Rows that are settled together: at most `CHUNK` releases, or one row that has more of them."""
    chunk: list[_Undo] = []
    size = 0
    for row in rows:
        if chunk and size + row.size > CHUNK:
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += row.size
    if chunk:
        yield chunk


def _undo(rows: Sequence[_Undo], meeting: str, asking: Asking, journal: Journal) -> dict[int, Outcome]:
    """Write what is intended, ask, write what came of it. Nobody is let in before what keeps him out is cleared."""
    journal.intend((row.receipt, row.effect, row.row.region, {"residue": row.row.residue}) for row in rows)
    came: dict[int, _Came] = {}
    for ask, asks in (
        (asking.control.clear, [(row.number, release) for row in rows for release in row.clears]),
        (asking.control.admit, [(row.number, release) for row in rows for release in row.admits]),
    ):
        due = [one for one in asks if one[0] not in came or came[one[0]].outcome in GONE]
        for first in range(0, len(due), CHUNK):
            chunk = due[first : first + CHUNK]
            found = _asked(ask, meeting, [release for _, release in chunk], asking)
            for (number, _), one in zip(chunk, found, strict=True):
                came[number] = min(came.get(number, one), one, key=lambda one: _WORST_FIRST.index(one.outcome))
    journal.settle((row.receipt, row.effect, came[row.number].outcome, came[row.number].attempts, None) for row in rows)
    return {number: one.outcome for number, one in came.items()}


def _asked(
    ask: Callable[[str, Sequence[Release]], Sequence[Answer]], meeting: str, releases: list[Release], asking: Asking
) -> list[_Came]:
    """What came of each; asked again where no answer came, or "not now"."""
    came = [_Came(Outcome.RETRY, 0)] * len(releases)
    waiting = list(range(len(releases)))
    for attempt in range(1, ATTEMPTS + 1):
        answers = answered(ask, meeting, [releases[index] for index in waiting])
        for index, answer in zip(waiting, answers, strict=True):
            came[index] = _Came(Outcome.RETRY if answer is None else answer.outcome, attempt)
        waiting = [index for index in waiting if came[index].outcome is Outcome.RETRY]
        if not waiting:
            break
        if attempt < ATTEMPTS:
            asking.wait(attempt, longest_wait(answers))
    return came
