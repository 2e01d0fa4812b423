"""Undoing: whom an order kept out may come back, and what it left behind is cleared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

from regionfast.errors import PlanRefused
from regionfast.meetings.act.acting import CHUNK
from regionfast.meetings.act.apply import Applied, now, signed
from regionfast.meetings.act.approval import Approval, stands_against
from regionfast.meetings.act.asking import ATTEMPTS, Asking, answered
from regionfast.meetings.act.control import MeetingControl, Outcome, Release
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
    release: Release = field(repr=False)


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

    Rows that nobody acted on, or that were undone before, come out as `already-gone` and are not asked for; `stale` are
    those whom another plan has held since they were judged. An order
    that is still in force is undone only with approvals over the inverse's hash; afterwards nobody has to agree, since
    what gives a right back must not wait for anybody. Neither caps nor the age of the table count: they protect
    those who would be removed.

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
        rows, others = _outstanding(inverse, keys, deployment.audit.directory)
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
        for (meeting, effect), group in groupby(rows, lambda row: (row.row.meeting, row.effect)):
            together = list(group)
            for first in range(0, len(together), CHUNK):
                chunk = together[first : first + CHUNK]
                outcomes.update(_undo(chunk, meeting, effect, Asking(control, sleep), journal))
        found = Applied(
            plan=inverse.hash,
            outcomes=tuple(outcomes[number] for number in range(len(inverse))),
            was_resumed=journal.has_begun,
        )
        if found.is_finished:
            journal.finish(found.outcomes)
        return found


_EFFECTS = (Effect.ADMIT, Effect.CLEAR)


def _outstanding(inverse: Inverse, keys: KeyStore, directory: str) -> tuple[list[_Undo], list[int]]:
    """The rows of an inverse that are outstanding, by meeting and effect, and the numbers of those that are others.

    Such a one was judged as somebody who was ejected, who may be held at the door; another plan has held him since, and
    to admit him would lead him past what holds.
    """
    found = {(row.meeting, row.id): row for row in outstanding(directory, keys, inverse.by)}
    rows, others = [], []
    for number, planned in enumerate(inverse.rows):
        row = found.get((planned.meeting, planned.connection or ""))
        if row is None:
            continue
        if row.effect == "hold" and planned.effect != "admit":
            others.append(number)
            continue
        identity = Row(
            meeting=row.meeting,
            connection=row.id,
            participant=row.participant,
            addresses=tuple(sorted(row.addresses)),
        )
        receipt = Receipt.of(keys.key(row.scope), row.scope, row.by, identity, plan=inverse.hash, name=[row.id])
        release = Release(
            connection=row.id,
            participant=row.participant,
            residue=row.residue,
            key=pseudonym(receipt.row_key, "ask"),
        )
        effect = Effect.ADMIT if row.effect == "hold" else Effect.CLEAR
        rows.append(_Undo(number=number, effect=effect, receipt=receipt, row=row, release=release))
    return sorted(rows, key=lambda undo: (undo.row.meeting, undo.effect, undo.number)), others


def _undo(rows: Iterable[_Undo], meeting: str, effect: Effect, asking: Asking, journal: Journal) -> dict[int, Outcome]:
    """Write what is intended, ask, write what came of it; again where no answer came, or "not now"."""
    waiting = list(rows)
    outcomes: dict[int, Outcome] = {}
    ask = asking.control.admit if effect is Effect.ADMIT else asking.control.clear
    journal.intend((row.receipt, effect, row.row.region, {"residue": row.row.residue}) for row in waiting)
    for attempt in range(1, ATTEMPTS + 1):
        answers = answered(ask, meeting, [row.release for row in waiting])
        if answers is not None:
            final = [pair for pair in zip(waiting, answers, strict=True) if pair[1].outcome != Outcome.RETRY]
            journal.settle((row.receipt, effect, answer.outcome, attempt, None) for row, answer in final)
            outcomes.update((row.number, answer.outcome) for row, answer in final)
            waiting = [row for row in waiting if row.number not in outcomes]
        if not waiting:
            return outcomes
        if attempt < ATTEMPTS:
            asking.wait(attempt, max((answer.retry_after or 0.0 for answer in answers or ()), default=None))
    journal.settle((row.receipt, effect, Outcome.RETRY, ATTEMPTS, None) for row in waiting)
    return outcomes | {row.number: Outcome.RETRY for row in waiting}
