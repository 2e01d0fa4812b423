"""Acting on a plan: once, by more than one person, on who is there now, and so that it can be undone."""

from regionfast.meetings.act.apply import Applied, apply
from regionfast.meetings.act.approval import Approval
from regionfast.meetings.act.control import Answer, MeetingControl, Outcome, Present, Release, Removal
from regionfast.meetings.act.door import DoorChain, TurnedAway
from regionfast.meetings.act.notice import Notice
from regionfast.meetings.act.undo import apply_inverse

__all__ = [
    "Answer",
    "Applied",
    "Approval",
    "DoorChain",
    "MeetingControl",
    "Notice",
    "Outcome",
    "Present",
    "Release",
    "Removal",
    "TurnedAway",
    "apply",
    "apply_inverse",
]
