"""Rosters of meetings, what is decided about their connections, and the plans that orders and rules would make.

Nothing here acts. Imported when used: `import regionfast` alone does not load it.
"""

from regionfast.meetings.census import Census, census
from regionfast.meetings.check import check_joins, check_plan
from regionfast.meetings.columns import TextColumn
from regionfast.meetings.decide import SEMANTICS_VERSION, Decisions, decide_joins
from regionfast.meetings.plan import Plan, PlanRow, PlanRows, plan_ejections
from regionfast.meetings.preview import HOST_ROLES, Preview
from regionfast.meetings.roster import Roster

__all__ = [
    "HOST_ROLES",
    "SEMANTICS_VERSION",
    "Census",
    "Decisions",
    "Plan",
    "PlanRow",
    "PlanRows",
    "Preview",
    "Roster",
    "TextColumn",
    "census",
    "check_joins",
    "check_plan",
    "decide_joins",
    "plan_ejections",
]
