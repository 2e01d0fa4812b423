"""A small system that runs meetings: it shares nothing with the package but the words of the protocol.

It is slow and plain. A meeting that loses its last host ends, as in many real ones; an ejection leaves a ban of the
participant; who is held waits at the door. Whatever is asked of it can fail before or after it is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from meetings.model import written
from regionfast.meetings.act.control import Answer, Outcome, Present, Release, Removal

One = TypeVar("One")


@dataclass(slots=True)
class Person:
    """One connection."""

    connection: str
    participant: str
    addresses: tuple[str, ...]
    is_host: bool = False
    may_host: bool = True

    def copy(self) -> Person:
        """As it is now."""
        return replace(self)


@dataclass(frozen=True, slots=True)
class Ban:
    """What an ejection leaves behind."""

    meeting: str
    participant: str
    connection: str
    addresses: tuple[str, ...]
    by: str
    key: str


@dataclass(frozen=True, slots=True)
class Event:
    """What was done to somebody, and what was true of him at that moment."""

    what: str
    meeting: str
    person: Person
    removal: Removal


@dataclass(slots=True)
class Meeting:
    """One meeting; it runs while it has a host."""

    present: dict[str, Person] = field(default_factory=dict)
    waiting: dict[str, tuple[Person, str]] = field(default_factory=dict)
    """At the door, with the id of the order that moved them there."""


class Crashed(BaseException):
    """The process that acts is gone: nothing of it runs any more."""


class Server:
    """Meetings by id. It is asked through the protocol; people come and go through the other methods."""

    def __init__(self, watch: Callable[[Event], None]) -> None:
        self.meetings: dict[str, Meeting] = {}
        self.bans: dict[str, Ban] = {}
        self.log: list[Event] = []
        self.ended_by_us: list[str] = []
        self.faults: list[str] = []
        self.between: Callable[[], None] = lambda: None
        self.crashed = False
        self.compares = False
        """Whether it sees for itself that a connection shows other addresses by now, as some systems do."""
        self.again: Callable[[Removal], None] = lambda _removal: None
        """Called when it is asked for what it has done already."""
        self._watch = watch
        self._done: dict[str, Answer] = {}
        self._bans_made = 0

    # People.

    def is_banned(self, meeting: str, person: Person) -> bool:
        """A ban is of a person and an address, so who comes from elsewhere is back, and can be ejected again."""
        shown = written(person.addresses)
        return any(
            (ban.meeting, ban.participant, ban.addresses) == (meeting, person.participant, shown)
            for ban in self.bans.values()
        )

    def enter(self, meeting: str, person: Person) -> None:
        room = self.meetings.setdefault(meeting, Meeting())
        person.is_host = not any(other.is_host for other in room.present.values())
        room.present[person.connection] = person

    def leave(self, meeting: str, connection: str) -> None:
        room = self.meetings[meeting]
        room.waiting.pop(connection, None)
        if room.present.pop(connection, None) is not None and not any(p.is_host for p in room.present.values()):
            del self.meetings[meeting]

    # The protocol.

    def present(self, meeting: str, /) -> Iterable[Present]:
        fault = self._before()
        room = self.meetings.get(meeting, Meeting())
        found = [
            Present(
                connection=person.connection,
                participant=person.participant,
                addresses=person.addresses,
                is_host=person.is_host,
                may_host=person.may_host,
            )
            for person in room.present.values()
        ]
        self._after(fault)
        return iter(found)

    def handover(self, meeting: str, leaving: str, to: str, /) -> Answer:
        fault = self._before()
        if fault in {"retry", "partly"}:
            return Answer(outcome=Outcome.RETRY)
        room = self.meetings.get(meeting, Meeting())
        if to not in room.present or not room.present[to].may_host:
            answer = Answer(outcome=Outcome.FAILED)
        else:
            assert leaving in room.present
            room.present[to].is_host = True
            answer = Answer(outcome=Outcome.DONE)
        self._after(fault)
        return answer

    def eject(self, meeting: str, removals: Sequence[Removal], /) -> Sequence[Answer]:
        return self._each(removals, lambda one: self._remove("ejected", meeting, one))

    def hold(self, meeting: str, removals: Sequence[Removal], /) -> Sequence[Answer]:
        return self._each(removals, lambda one: self._remove("held", meeting, one))

    def admit(self, meeting: str, releases: Sequence[Release], /) -> Sequence[Answer]:
        return self._each(releases, lambda one: self._admit(meeting, one))

    def clear(self, meeting: str, releases: Sequence[Release], /) -> Sequence[Answer]:
        return self._each(releases, lambda one: self._clear(meeting, one))

    # What happens.

    def _remove(self, what: str, meeting: str, removal: Removal) -> Answer:
        if removal.key in self._done:
            self.again(removal)
            return self._done[removal.key]
        room = self.meetings.get(meeting, Meeting())
        person = room.present.get(removal.connection)
        if person is None:
            return Answer(outcome=Outcome.ALREADY_GONE)
        if self.compares and (person.participant, written(person.addresses)) != (
            removal.participant,
            written(removal.addresses),
        ):
            return Answer(outcome=Outcome.STALE)
        event = Event(what, meeting, person.copy(), removal)
        self._watch(event)
        self.log.append(event)
        del room.present[removal.connection]
        residue = None
        if what == "ejected":
            self._bans_made += 1
            residue = f"ban-of-server-{self._bans_made}"
            self.bans[residue] = Ban(
                meeting=meeting,
                participant=person.participant,
                connection=person.connection,
                addresses=written(person.addresses),
                by=removal.notice.by,
                key=removal.key,
            )
        else:
            room.waiting[removal.connection] = (person, removal.notice.by)
        if not any(other.is_host for other in room.present.values()):
            self.ended_by_us.append(meeting)
        answer = Answer(outcome=Outcome.DONE, residue=residue)
        self._done[removal.key] = answer
        return answer

    def _admit(self, meeting: str, release: Release) -> Answer:
        room = self.meetings.get(meeting, Meeting())
        if release.connection not in room.waiting:
            return Answer(outcome=Outcome.ALREADY_GONE)
        person, _ = room.waiting.pop(release.connection)
        self.enter(meeting, person)
        return Answer(outcome=Outcome.DONE)

    def _clear(self, meeting: str, release: Release) -> Answer:
        if release.residue is not None:
            found = [release.residue] if release.residue in self.bans else []
        else:  # it was never told which, since the answer was lost
            found = [
                name
                for name, ban in self.bans.items()
                if (ban.meeting, ban.connection, ban.participant) == (meeting, release.connection, release.participant)
            ]
        for name in found:
            del self.bans[name]
        return Answer(outcome=Outcome.DONE if found else Outcome.ALREADY_GONE)

    def _each(self, asked: Sequence[One], do: Callable[[One], Answer]) -> Sequence[Answer]:
        assert 0 < len(asked) <= 100
        fault = self._before()
        if fault == "retry":
            return [Answer(outcome=Outcome.RETRY, retry_after=2.0) for _ in asked]
        answers = [
            Answer(outcome=Outcome.RETRY) if fault == "partly" and number % 2 == 0 else do(one)
            for number, one in enumerate(asked)
        ]
        self._after(fault)
        return answers

    def _before(self) -> str:
        if self.crashed:
            raise Crashed
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "change":
            self.between()
        if fault == "crash before":
            self.crashed = True
            raise Crashed
        if fault == "lost before":
            raise TimeoutError
        return fault

    def _after(self, fault: str) -> None:
        if fault == "crash after":
            self.crashed = True
            raise Crashed
        if fault == "lost after":
            raise ConnectionError
