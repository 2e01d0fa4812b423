"""What the tests of the monitor have in common: a policy, a clock that stands, and one line for a join."""

from __future__ import annotations

from datetime import UTC, datetime

import regionfast as rf
from regionfast.meetings.monitor import Changes, Monitor
from regionfast.policy import Policy

POLICY = """
version = 1
[[order]]
id = "cn"
issuer = "authority"
reference = "r"
law = "l"
contest = "https://example.org"
state = "active"
territory = "CN"
regions = ["CN"]
meetings = ["m1"]
from = 2020-06-03T00:00:00Z
until = 2020-06-05T00:00:00Z
join = "deny"
present = "eject"
"""
NONE = Policy.from_text("version = 1\n")
ORDER = Policy.from_text(POLICY)
AT = datetime(2020, 6, 4, tzinfo=UTC)
INSIDE, OUTSIDE = "1.0.0.1", "2.0.0.1"
RULE = """
[[rule]]
id = "eu"
account = "acme"
effect = "allow-only"
regions = ["own"]
present = "eject"
[groups]
own = ["US"]
[defaults]
not-located = "hold"
"""
CORRECTION = """
[[correction]]
participants = ["u-a"]
region = "US"
reason = "r"
author = "x"
date = 2020-06-02
"""
EXEMPTION = """
[[exemption]]
participants = ["u-a"]
reason = "r"
"""


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, at: datetime = AT) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def join(monitor: Monitor, connection: str, address: str | None = OUTSIDE, meeting: str = "m1") -> rf.Effect:
    return monitor.join(connection, "u-" + connection, address, meeting=meeting).effect


def rows(changes: Changes) -> dict[str, list[str | None]]:
    return {plan.by: [row.connection for row in plan.rows] for plan in changes.plans}
