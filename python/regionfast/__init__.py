"""Addresses to regions at memory speed, and what may be concluded from that."""

from typing import TYPE_CHECKING

from regionfast._lib import Lookup, RegionArray, Table, __version__
from regionfast.errors import (
    AddressError,
    AuditError,
    DatabaseError,
    DeploymentError,
    DocumentError,
    LogError,
    PlanRefused,
    PolicyError,
    RegionfastError,
    RosterError,
)
from regionfast.tables import Reloader, open  # noqa: A004
from regionfast.types import Effect, Evidence, Reason, Region, Status, TableInfo, Unwrapped

if TYPE_CHECKING:
    from regionfast import logs
    from regionfast.compare import Comparison, compare_tables
    from regionfast.meetings import Decisions, Plan, Preview, Roster, decide_joins, plan_ejections
    from regionfast.meetings.act import Applied, Approval, MeetingControl, Outcome
    from regionfast.meetings.census import Census, census
    from regionfast.meetings.inverse import Inverse
    from regionfast.meetings.monitor import Monitor
    from regionfast.meetings.saved import SavedPlan
    from regionfast.policy import Deployment, Policy

__all__ = [
    "AddressError",
    "Applied",
    "Approval",
    "AuditError",
    "Census",
    "Comparison",
    "DatabaseError",
    "Decisions",
    "Deployment",
    "DeploymentError",
    "DocumentError",
    "Effect",
    "Evidence",
    "Inverse",
    "LogError",
    "Lookup",
    "MeetingControl",
    "Monitor",
    "Outcome",
    "Plan",
    "PlanRefused",
    "Policy",
    "PolicyError",
    "Preview",
    "Reason",
    "Region",
    "RegionArray",
    "RegionfastError",
    "Reloader",
    "Roster",
    "RosterError",
    "SavedPlan",
    "Status",
    "Table",
    "TableInfo",
    "Unwrapped",
    "__version__",
    "census",
    "compare_tables",
    "decide_joins",
    "logs",
    "open",
    "plan_ejections",
]

_IMPORTED_WHEN_USED = {
    "logs": "",
    "meetings": "",
    "policy": "",
    "regions": "",
    "Applied": "meetings.act",
    "Approval": "meetings.act",
    "MeetingControl": "meetings.act",
    "Outcome": "meetings.act",
    "Inverse": "meetings.inverse",
    "Monitor": "meetings.monitor",
    "SavedPlan": "meetings.saved",
    "Census": "meetings",
    "Comparison": "compare",
    "Decisions": "meetings",
    "Plan": "meetings",
    "Preview": "meetings",
    "Roster": "meetings",
    "census": "meetings",
    "compare_tables": "compare",
    "decide_joins": "meetings",
    "plan_ejections": "meetings",
    "Deployment": "policy",
    "Policy": "policy",
}
"""Who only looks addresses up does not wait for policies and meetings."""


def __getattr__(name: str) -> object:
    module = _IMPORTED_WHEN_USED.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if not module:
        return import_module(f"regionfast.{name}")
    found = getattr(import_module(f"regionfast.{module}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
