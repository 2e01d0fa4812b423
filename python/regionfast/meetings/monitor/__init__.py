"""The present connections of many meetings, and who becomes reachable when orders, rules or tables change.

`present` holds the connections, `door` decides about one that asks to join, `difference` finds who is newly reached,
`monitor` puts them together.
"""

from regionfast.meetings.monitor.door import Decision
from regionfast.meetings.monitor.monitor import Changes, Monitor

__all__ = ["Changes", "Decision", "Monitor"]
