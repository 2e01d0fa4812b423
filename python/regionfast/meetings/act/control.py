"""What is asked of a system that runs meetings, and what it may answer.

There is no way here to end a meeting or to suspend a host: the unit of action is one connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from regionfast.meetings.act.notice import Notice
from regionfast.meetings.audit.receipt import Receipt


class Outcome(StrEnum):
    """What came of one row."""

    DONE = "done"
    ALREADY_GONE = "already-gone"
    """Nothing was left to do: the connection is not there, or what was to be cleared is not."""
    STALE = "stale"
    """The connection is not the one that was judged: another participant, other addresses, or no longer reached."""
    WOULD_END_MEETING = "would-end-meeting"
    """Nobody would be left who keeps the meeting running, so the row was refused."""
    RETRY = "retry"
    """Not now. As an answer: ask again. As the outcome of a row: asked often enough, and to be resumed."""
    FAILED = "failed"
    """The control refuses for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """One connection that is in a meeting now. Its `repr` names no person."""

    connection: str = field(repr=False)
    participant: str | None = field(repr=False)
    addresses: tuple[str, ...] = field(repr=False)
    """All that it shows, as text."""
    is_host: bool = False
    """Whether the meeting goes on as long as this connection stays."""
    may_host: bool = True
    """Whether the role of a host can be handed to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """One connection that is to leave or to wait."""

    connection: str = field(repr=False)
    participant: str | None = field(repr=False)
    addresses: tuple[str, ...] = field(repr=False)
    """Those that were judged; a control that can compare answers `stale` where they are others by now."""
    notice: Notice
    """To be shown to the person."""
    receipt: Receipt
    """To be given to the person, and to nobody else."""
    key: str
    """The same whenever this row of this plan is asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One connection that may enter again, or whose residue is to be cleared."""

    connection: str = field(repr=False)
    participant: str | None = field(repr=False)
    residue: str | None = field(repr=False)
    """What the control reported when it acted; `None` where it reported nothing."""
    key: str
    """The same whenever this row of this plan is asked for again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a control says of one row."""

    outcome: Outcome
    residue: str | None = field(default=None, repr=False)
    """What acting left behind that keeps the person out, such as the id of a ban: handed back to `clear`."""
    retry_after: float | None = None
    """Seconds to wait before asking again, with `RETRY`."""


class MeetingControl(Protocol):
    """A system that runs meetings.

    Every method may raise `TimeoutError` or `ConnectionError` where no answer came: what was asked may have been done
    or not, and is looked at before it is asked again. A meeting that is not known, or is over, has nobody present.
    """

    def present(self, meeting: str, /) -> Iterable[Present]:
        """Who is in a meeting now."""
        ...

    def handover(self, meeting: str, leaving: str, to: str, /) -> Answer:
        """Make connection `to` a host, because connection `leaving` is about to leave."""
        ...

    def eject(self, meeting: str, removals: Sequence[Removal], /) -> Sequence[Answer]:
        """Remove at most 100 connections of one meeting; an answer each, in their order."""
        ...

    def hold(self, meeting: str, removals: Sequence[Removal], /) -> Sequence[Answer]:
        """Move them back to the door; as `eject`."""
        ...

    def admit(self, meeting: str, releases: Sequence[Release], /) -> Sequence[Answer]:
        """Let those who wait at the door in again; as `eject`."""
        ...

    def clear(self, meeting: str, releases: Sequence[Release], /) -> Sequence[Answer]:
        """Clear what an ejection left behind, so that the person may join again; as `eject`."""
        ...
