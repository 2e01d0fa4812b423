"""Why a plan may not be acted on: all reasons at once, before anything is asked of a control."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from regionfast import tables
from regionfast._lib import Table
from regionfast.meetings.act.approval import Approval, stands_against
from regionfast.meetings.explain import why_inert
from regionfast.policy.deployment import Deployment
from regionfast.policy.model import Order
from regionfast.types import Evidence

if TYPE_CHECKING:
    from regionfast.meetings.plan import Plan
    from regionfast.meetings.saved import SavedPlan

AHEAD: Final = timedelta(days=1)
"""Databases are dated by the day, and clocks differ."""


def refusals(
    plan: Plan, deployment: Deployment, approvals: Sequence[Approval], *, saved: SavedPlan | None, now: datetime
) -> list[str]:
    """What stands against acting on a plan now; empty where nothing does.

    Args:
        plan: The plan.
        deployment: The operator's file, with an audit.
        approvals: Those that were given.
        saved: The saved plan that it was made for, and that they are for; `None`: they are for the plan itself.
        now: The time.
    """
    author = plan.entry.author if isinstance(plan.entry, Order) else None
    against = stands_against(
        approvals,
        plan=plan.hash if saved is None else saved.hash,
        seal=None if saved is None else saved.seal,
        author=author,
        deployment=deployment,
        now=now,
    )
    return against + objections(plan, deployment, saved=saved, now=now)


def objections(plan: Plan, deployment: Deployment, *, saved: SavedPlan | None = None, now: datetime) -> list[str]:
    """What stands against a plan whoever approves it: what its author can know before others are asked to."""
    found = []
    if plan.policy.deployment != deployment:
        found.append("the policy was not read with this deployment: its issuers are unchecked")
    inert = why_inert(plan.entry, now)
    if inert is not None:
        found.append(f"{plan.by} acts on nobody now: {inert}")
    found.extend(_against_table(plan.table, deployment, now))
    found.extend(_against_roster(plan))
    found.extend(_beyond_limits(plan, saved, deployment))
    return found


def _against_table(table: Table, deployment: Deployment, now: datetime) -> list[str]:
    """A table that is no evidence to act on."""
    # Not by digest: with other zones of wrapped IPv4, or of another release, it is another table of the same data.
    if table.info.attribution == _bundled_attribution():
        return ["the bundled table is for a start, not for acting on: open a database that you keep current"]
    built_at, most = table.info.built_at, deployment.limits.max_table_age
    if built_at is None:
        return ["the table has no date: open it with `built_at`, or build it with `--built-at`"]
    if now - built_at > most:
        return [f"the table is of {built_at:%Y-%m-%d}, older than {most.days} days"]
    if built_at - now > AHEAD:
        return [f"the table is of {built_at:%Y-%m-%d}, which is yet to come"]
    return []


def _against_roster(plan: Plan) -> list[str]:
    """Rows that nothing can be done with, or that rest on too little."""
    found = []
    connections = plan.rows.connection
    if connections is None or None in connections:
        found.append("the roster has no ids of connections, by which alone they can be acted on")
    registered = plan.table.evidence[plan.roster.lookup(plan.table)] == Evidence.REGISTERED
    starts = plan.roster.starts
    if starts is not None and len(plan.roster):
        registered = np.logical_or.reduceat(registered, starts[:-1])
    rest = int(np.count_nonzero(registered[plan.rows.indices]))
    if rest:
        found.append(
            f"{rest:,} rows rest on where a network is registered, which is no place: open without `registered`"
        )
    return found


def _beyond_limits(plan: Plan, saved: SavedPlan | None, deployment: Deployment) -> list[str]:
    """A plan that does more than one plan may. Of those who are present it is asked once more, meeting by meeting."""
    limits, roster = deployment.limits, plan.roster
    found = []
    rows = len(plan) if saved is None else len(saved)
    if rows > limits.people:
        found.append(f"the plan acts on {rows:,} connections, more than {limits.people:,}")
    if saved is not None:
        return found  # the fresh plan may hold people who came since, and who are not acted on
    size = len(roster.meetings.values)
    acted = np.bincount(roster.meetings.codes[plan.rows.indices], minlength=size)
    present = np.bincount(roster.meetings.codes, minlength=size)
    beyond = int(np.count_nonzero(acted > limits.share * present))
    if beyond:
        found.append(beyond_share(beyond, limits.share))
    return found


def beyond_share(meetings: int, share: float) -> str:
    """What is said of a plan that would take too much of some meetings, which are not named."""
    return f"in {meetings:,} meeting{'s' * (meetings != 1)} the plan acts on more than {share:.0%} of the connections"


@cache
def _bundled_attribution() -> str:
    """Which is settled when a table is compiled, so it stays whatever it is opened with."""
    return tables.open().info.attribution
