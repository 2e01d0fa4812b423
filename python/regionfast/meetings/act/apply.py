"""Acting on a plan: refusals, then meeting by meeting and chunk by chunk what is left of it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from regionfast.errors import AuditError, PlanRefused
from regionfast.meetings.act.acting import Acting
from regionfast.meetings.act.approval import Approval
from regionfast.meetings.act.asking import Asking
from regionfast.meetings.act.control import MeetingControl, Outcome
from regionfast.meetings.act.journal import Journal
from regionfast.meetings.act.notice import about
from regionfast.meetings.act.refusals import beyond_share, refusals
from regionfast.meetings.act.targets import Target, targets_of
from regionfast.meetings.audit.document import TIME
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.receipt import Receipt
from regionfast.meetings.explain import why_inert
from regionfast.policy.deployment import Deployment
from regionfast.pseudonym import pseudonym
from regionfast.types import Effect

if TYPE_CHECKING:
    from regionfast.meetings.plan import Plan
    from regionfast.meetings.saved import SavedPlan


def now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What came of a plan. Its `repr` names nobody."""

    plan: str
    """Hash of the plan, or of the saved plan, or of the inverse."""
    outcomes: tuple[Outcome, ...]
    """Of each row, in the order of its rows."""
    handovers: int = 0
    """How many meetings got another host by this call."""
    was_resumed: bool = False
    """Whether it had been begun before."""
    receipts: Mapping[int, Receipt] = field(default_factory=dict, repr=False)
    """By row, of those whom the control was asked for: theirs alone, and never kept."""

    @property
    def counts(self) -> dict[Outcome, int]:
        """How many rows came out how; none that is zero."""
        return dict(Counter(self.outcomes))

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to be tried: otherwise apply it again, and it goes on."""
        return Outcome.RETRY not in self.outcomes


def apply(
    plan: Plan,
    control: MeetingControl,
    deployment: Deployment | None,
    *,
    approvals: Sequence[Approval] = (),
    saved: SavedPlan | None = None,
    clock: Callable[[], datetime] = now,
    sleep: Callable[[float], None] = time.sleep,
) -> Applied:
    """Act on the rows of a plan that are still what was judged, once.

    All that could stand against it is asked first; then who is present in all its meetings; then, in chunks of at most
    100 connections of one meeting, intents are written, the control is asked, and what came of it is written. After a
    crash at any point the same call goes on: a row with a result is never asked for again, and of a row that has an
    intent only it is looked first whether it is gone. When the order ends meanwhile, nothing more is asked for, and
    what is left comes out as `retry`. A plan without rows is a success that asks for nothing.

    Args:
        plan: The plan, made by a policy that was read with the deployment.
        control: The system that runs the meetings.
        deployment: The operator's file.
        approvals: By different persons, over the plan's hash; of a saved plan over the saved one's.
        saved: The saved plan that this one was made for: only rows that are in both are acted on.
        clock: What the time is.
        sleep: Waits for some seconds.

    Cost: O(records of the chain + rows), two syncs of the disk and about three calls a chunk.

    Raises:
        PlanRefused: Something stands against it; nothing was asked of the control, and the attempt is recorded.
        AuditError: The audit cannot be used; nothing more is done.
        ImportError: `cryptography` or `filelock` is not installed.
    """
    approvals = tuple(approvals)  # read twice: to be judged and to be recorded
    approved = plan.hash if saved is None else saved.hash
    if not (plan if saved is None else saved.rows):
        return Applied(plan=approved, outcomes=())
    if deployment is None:
        raise PlanRefused("there is no deployment: who may approve, and how much one plan may do, is not known")
    if deployment.audit is None:
        raise PlanRefused("the deployment has no [audit]: what is not recorded is not done")
    keys = KeyStore(deployment.audit.keys)
    with Journal.open(deployment.audit, keys, plan=approved, by=plan.by, clock=clock) as journal:
        seal = None if saved is None else saved.seal
        against = refusals(plan, deployment, approvals, saved=saved, now=clock())
        if journal.finished_at is not None:
            against.insert(0, f"it was applied at {journal.finished_at.strftime(TIME)}: one plan acts once")
        if against:
            journal.refused(against)
            raise PlanRefused(*against)
        try:
            scopes = None if saved is None else {row.scope for row in saved.rows}
            targets = targets_of(plan, keys, approved, deployment.contact, scopes=scopes)
        except AuditError as error:  # a key that was destroyed
            reason = f"{plan.by} can no longer act in one of its meetings: {error}"
            journal.refused([reason])
            raise PlanRefused(reason) from None
        if saved is not None:
            targets = matched(targets, saved)
            if any(target.region != saved.rows[target.number].region for target in targets):
                reason = "the saved plan claims other regions than the table: it was not made by this table"
                journal.refused([reason])
                raise PlanRefused(reason)
        acting = Acting(journal, Asking(control, sleep), keys, targets, lambda: why_inert(plan.entry, clock()) is None)
        looks = acting.looks()
        beyond = acting.meetings_beyond(deployment.limits.share, looks)
        if beyond:
            reason = beyond_share(beyond, deployment.limits.share)
            journal.refused([reason])
            raise PlanRefused(f"{reason} who are there now")
        if saved is None:
            effects = [Effect(int(effect)) for effect in plan.rows.effect]
        else:
            effects = [row.effect for row in saved.rows]
        journal.begin("plan", _facts(plan, approvals, seal, resumed=journal.has_begun, effects=effects))
        outcomes = acting.outcomes
        if saved is not None:
            outcomes.update(_unmatched(plan, saved, targets, journal, keys))
        acting.run(looks)
        found = Applied(
            plan=approved,
            outcomes=tuple(outcomes[number] for number in range(len(outcomes))),
            handovers=acting.handovers,
            was_resumed=journal.has_begun,
            receipts={row.number: row.receipt for row in targets if journal.was_intended(row.receipt)},
        )
        if found.is_finished:
            journal.finish(found.outcomes)
        return found


def matched(targets: Sequence[Target], saved: SavedPlan) -> list[Target]:
    """The rows of a plan that are rows of a saved one too: same connection, same addresses, same effect."""
    numbers = {(row.connection, row.commitment, row.effect): number for number, row in enumerate(saved.rows)}
    found = []
    for target in targets:
        number = numbers.get((target.receipt.connection, target.receipt.commitment, target.effect))
        if number is not None:
            found.append(replace(target, number=number))
    return found


def _unmatched(
    plan: Plan, saved: SavedPlan, targets: Sequence[Target], journal: Journal, keys: KeyStore
) -> dict[int, Outcome]:
    """What came of the rows of a saved plan that are not planned any more, which is written where it is new.

    A connection that is still in the roster is another by now, or is no longer reached; else it is gone.
    """
    scopes = {row.scope for row in saved.rows}
    present = set()
    assert plan.roster.connections is not None  # refused before
    for meeting, connection in zip(plan.roster.meetings, plan.roster.connections, strict=True):
        assert meeting is not None  # a roster has a meeting in every row
        scope = keys.scope(plan.by, meeting)
        if scope in scopes and connection is not None:
            present.add(pseudonym(keys.key(scope), "connection", connection))
    taken = {target.number for target in targets}
    found, new = {}, []
    for number, row in enumerate(saved.rows):
        if number not in taken:
            before = journal.outcome(row)
            # Who was perhaps removed is not to be forgotten when all is undone, whoever has the connection now.
            is_another = row.connection in present and not journal.was_intended(row)
            found[number] = before or (Outcome.STALE if is_another else Outcome.ALREADY_GONE)
            if before is None:
                new.append((row, row.effect, found[number], 0, None))
    journal.settle(new)
    return found


def _facts(
    plan: Plan, approvals: Sequence[Approval], seal: str | None, *, resumed: bool, effects: Sequence[Effect]
) -> dict[str, object]:
    """What is recorded of a plan as a whole."""
    info = plan.table.info
    return {
        "entry": about(plan.entry),
        "policy": plan.policy.revision,
        "table": {
            "kind": info.kind,
            "digest": info.digest,
            "built_at": None if info.built_at is None else info.built_at.strftime(TIME),
        },
        "planned_at": plan.at.strftime(TIME),
        "counts": {str(effect): effects.count(effect) for effect in (Effect.EJECT, Effect.HOLD)},
        "approvals": signed(approvals),
        "seal": seal,
        "resumed": resumed,
    }


def signed(approvals: Iterable[Approval]) -> list[dict[str, object]]:
    """What is recorded of approvals: whose, until when, and the signature, so that others can verify it."""
    kept = ("approver", "expires", "signature")
    return [{name: approval.to_dict()[name] for name in kept} for approval in approvals]
