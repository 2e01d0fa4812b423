"""A system that runs meetings, in memory: what examples and tests act on, with the faults that real ones have.

It implements `MeetingControl`. Like many products it ends a meeting that loses its last host, and keeps a ban of each
participant who was ejected until that is cleared. `http_api.py` puts it behind HTTP, `http_control.py` asks it there:

    python examples/meeting_server.py --port 8080 --faults lost-answer=0.2,rate-limit=0.1
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import secrets
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final, Self, TypeVar

import regionfast as rf
from regionfast.meetings.act.control import Answer, Outcome, Present, Release, Removal
from regionfast.meetings.act.notice import Notice
from regionfast.meetings.audit.receipt import Receipt

T = TypeVar("T")
One = TypeVar("One", Removal, Release)


class Fault(StrEnum):
    """What goes wrong with a call."""

    TIME_OUT = "time-out"
    """Nothing is done, and no answer comes."""
    LOST_ANSWER = "lost-answer"
    """It is done, and no answer comes."""
    RATE_LIMIT = "rate-limit"
    """Nothing is done: ask again later."""
    UNAVAILABLE = "unavailable"
    """Nothing is done: ask again, nobody says when."""
    REFUSAL = "refusal"
    """Nothing is done, and never will be."""
    LIE = "lie"
    """The answer is "done" and nothing is; those who left are said to be present."""
    SHORT = "short"
    """It is done, and an answer is missing."""


class Faults:
    """Which calls go wrong: the same ones for the same seed and calls."""

    def __init__(self, rates: Mapping[Fault, float] | None = None, *, seed: int = 0) -> None:
        """Take how often each fault is to happen, from 0 to 1, at most 1 together; the others never happen.

        Raises:
            ValueError: Rates that are no such parts.
        """
        self.rates = dict(rates or {})
        if any(not 0 <= rate <= 1 for rate in self.rates.values()) or sum(self.rates.values()) > 1:
            raise ValueError("the rates of faults are parts of all calls: from 0 to 1, and at most 1 together")
        self.drawn: list[Fault] = []
        """Those that happened."""
        self.calls = 0
        """How often one could have happened."""
        self._random = random.Random(seed)  # noqa: S311 - repeatable is what is wanted

    @classmethod
    def parse(cls, text: str, *, seed: int = 0) -> Self:
        """Read rates as a command takes them: `lost-answer=0.2,rate-limit=0.1`.

        Raises:
            ValueError: No such fault, or no number.
        """
        rates = {}
        for part in filter(None, text.split(",")):
            name, _, rate = part.partition("=")
            if name not in list(Fault):
                raise ValueError(f"`{name}` is no fault: there are {', '.join(Fault)}")
            rates[Fault(name)] = float(rate)
        return cls(rates, seed=seed)

    def draw(self) -> Fault | None:
        """What goes wrong with the next call."""
        self.calls += 1
        if not self.rates:
            return None
        (found,) = self._random.choices(
            [*self.rates, None], [*self.rates.values(), max(0.0, 1 - sum(self.rates.values()))]
        )
        if found is not None:
            self.drawn.append(found)
        return found


@dataclass(slots=True)
class Person:
    """One connection that is in a meeting, or waits at its door."""

    connection: str = field(repr=False)
    participant: str | None = field(repr=False)
    addresses: tuple[str, ...] = field(repr=False)
    is_host: bool = False
    may_host: bool = True


@dataclass(frozen=True, slots=True)
class Ban:
    """What an ejection leaves behind: the participant may not join, by any connection."""

    meeting: str
    connection: str = field(repr=False)
    participant: str | None = field(repr=False)
    notice: Notice | None
    """What they are told; `None` where an administrator ejected them by hand."""


class Door(StrEnum):
    """What becomes of somebody who wants to join."""

    IN = "in"
    WAITING = "waiting"
    BANNED = "banned"
    UNKNOWN = "unknown"
    """There is no such meeting."""
    OVER = "over"
    """The meeting has ended."""
    TAKEN = "taken"
    """Somebody else is there by this id."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The answer at the door."""

    door: Door
    notice: Notice | None = None
    """Why, where an order or a rule is why."""


@dataclass(slots=True)
class Meeting:
    """One meeting."""

    present: dict[str, Person] = field(default_factory=dict, repr=False)
    waiting: dict[str, tuple[Person, Notice]] = field(default_factory=dict, repr=False)
    left: dict[str, Person] = field(default_factory=dict, repr=False)
    """Those who are gone: whom a lie about presence names."""
    is_over: bool = False

    @property
    def host(self) -> Person | None:
        """One of its hosts."""
        return next((person for person in self.present.values() if person.is_host), None)


class MeetingServer:
    """Meetings by id. Safe to use from several threads."""

    retry_after: Final = 2.0
    """Seconds, with a rate limit."""

    def __init__(
        self,
        *,
        faults: Faults | None = None,
        log: str | os.PathLike[str] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Begin without meetings.

        Args:
            faults: What goes wrong when it is asked as a control.
            log: Where events are appended, JSON Lines of `time`, `meeting`, `connection`, `participant`, `event`.
            clock: What time it is, with offset.
        """
        self.faults = faults or Faults()
        self.meetings: dict[str, Meeting] = {}
        self.bans: dict[str, Ban] = {}
        """By the id that is reported as residue."""
        self.letters: dict[tuple[str, str], tuple[Notice, Receipt]] = {}
        """What each person was given who was acted on, by meeting and connection."""
        self._log = None if log is None else Path(log)
        self._clock = clock
        self._done: dict[tuple[type, str], Answer] = {}
        self._lock = threading.RLock()

    # What people do, and their administrators.

    def open_meeting(self, meeting: str) -> None:
        """Begin a meeting, without anybody."""
        with self._lock:
            self.meetings.setdefault(meeting, Meeting())

    def seat(self, roster: rf.Roster) -> None:
        """Let everybody of a roster in, those with the role `host` as hosts. Without ids of connections nobody."""
        connections, roles = roster.connections, roster.roles
        if connections is None:
            return
        for index, (meeting, connection) in enumerate(zip(roster.meetings, connections, strict=True)):
            assert meeting is not None
            if connection is not None:
                self.open_meeting(meeting)
                is_host = roles is not None and roles[index] == "host"
                self.join(meeting, connection, roster.participants[index], roster.addresses(index), is_host=is_host)

    def join(
        self,
        meeting: str,
        connection: str,
        participant: str | None,
        addresses: Sequence[str],
        *,
        is_host: bool = False,
        may_host: bool = True,
    ) -> Entry:
        """Somebody wants in, or is in and comes from another network now.

        A ban is of a participant, or of a connection where nobody knows whose it is.
        """
        with self._lock:
            room = self.meetings.get(meeting)
            if room is None or room.is_over:
                return Entry(Door.UNKNOWN if room is None else Door.OVER)
            for ban in self.bans.values():
                same = ban.connection == connection or (participant is not None and ban.participant == participant)
                if ban.meeting == meeting and same:
                    self._write("refused", meeting, connection, participant)
                    return Entry(Door.BANNED, ban.notice)
            for other, notice in room.waiting.values():
                if other.connection == connection or (participant is not None and other.participant == participant):
                    return Entry(Door.WAITING, notice)
            there = room.present.get(connection)
            if there is not None:
                if there.participant != participant:
                    return Entry(Door.TAKEN)
                there.addresses = tuple(addresses)  # from another network now, and a host still
                return Entry(Door.IN)
            room.present[connection] = Person(connection, participant, tuple(addresses), is_host, may_host)
            room.left.pop(connection, None)
            self._write("joined", meeting, connection, participant)
            return Entry(Door.IN)

    def leave(self, meeting: str, connection: str) -> None:
        """Somebody goes; nothing happens where they are not there."""
        self._remove_from(meeting, connection, "left")

    def eject_by_hand(self, meeting: str, connection: str) -> str | None:
        """An administrator throws somebody out; the id of the ban, `None` where they are not there."""
        with self._lock:
            person = self._remove_from(meeting, connection, "ejected")
            return None if person is None else self._ban(meeting, person, None)

    # What a control is asked for.

    def present(self, meeting: str, /) -> list[Present]:
        """Who is there; nobody where there is no such meeting, or no more."""
        with self._lock:
            fault = self._fault()
            if fault in {Fault.RATE_LIMIT, Fault.UNAVAILABLE}:
                raise ConnectionError("the server says later")
            room = self.meetings.get(meeting, Meeting())
            people = [*room.present.values(), *(room.left.values() if fault is Fault.LIE else ())]
            found = [
                Present(
                    connection=person.connection,
                    participant=person.participant,
                    addresses=person.addresses,
                    is_host=person.is_host,
                    may_host=person.may_host,
                )
                for person in people
            ]
            self._lose(fault)
            return found

    def handover(self, meeting: str, leaving: str, to: str, /) -> Answer:
        """Make `to` a host, who must be there and allowed to be one."""

        def work(_: str) -> Answer:
            room = self.meetings.get(meeting, Meeting())
            person = room.present.get(to)
            if person is None or not person.may_host or leaving not in room.present:
                return Answer(outcome=Outcome.FAILED)
            person.is_host = True
            self._write("host", meeting, to, person.participant)
            return Answer(outcome=Outcome.DONE)

        return (self._asked([to], work) or [Answer(outcome=Outcome.RETRY)])[0]

    def eject(self, meeting: str, removals: Sequence[Removal], /) -> list[Answer]:
        """Remove them and ban them."""
        return self._asked(removals, lambda one: self._once(one, lambda: self._eject(meeting, one)))

    def hold(self, meeting: str, removals: Sequence[Removal], /) -> list[Answer]:
        """Move them to the waiting room."""
        return self._asked(removals, lambda one: self._once(one, lambda: self._hold(meeting, one)))

    def admit(self, meeting: str, releases: Sequence[Release], /) -> list[Answer]:
        """Let them in from the waiting room."""
        return self._asked(releases, lambda one: self._once(one, lambda: self._admit(meeting, one)))

    def clear(self, meeting: str, releases: Sequence[Release], /) -> list[Answer]:
        """Clear their bans."""
        return self._asked(releases, lambda one: self._once(one, lambda: self._clear(meeting, one)))

    # How it is done. Everything below is called with the lock held.

    def _eject(self, meeting: str, removal: Removal) -> Answer:
        stale = self._stale(meeting, removal)
        if stale is not None:
            return stale
        person = self._remove_from(meeting, removal.connection, "ejected")
        assert person is not None
        self.letters[meeting, removal.connection] = (removal.notice, removal.receipt)
        return Answer(outcome=Outcome.DONE, residue=self._ban(meeting, person, removal.notice))

    def _hold(self, meeting: str, removal: Removal) -> Answer:
        stale = self._stale(meeting, removal)
        if stale is not None:
            return stale
        person = self._remove_from(meeting, removal.connection, "held")
        assert person is not None
        self.letters[meeting, removal.connection] = (removal.notice, removal.receipt)
        self.meetings[meeting].waiting[removal.connection] = (person, removal.notice)
        return Answer(outcome=Outcome.DONE)

    def _admit(self, meeting: str, release: Release) -> Answer:
        room = self.meetings.get(meeting, Meeting())
        if release.connection not in room.waiting:
            return Answer(outcome=Outcome.ALREADY_GONE)
        person, _ = room.waiting.pop(release.connection)
        if not room.is_over:
            # The meeting has had a host all the time: whoever comes back is a guest of that host.
            person.is_host = False
            room.present[person.connection] = person
            room.left.pop(person.connection, None)
            self._write("admitted", meeting, person.connection, person.participant)
        return Answer(outcome=Outcome.DONE)

    def _clear(self, meeting: str, release: Release) -> Answer:
        """Clear the ban of that id; where an answer was lost nobody knows the id, and those of the connection go.

        What an administrator did by hand is left to administrators.
        """
        found = [
            ban
            for ban, about in self.bans.items()
            if about.meeting == meeting
            and about.notice is not None
            and (ban == release.residue if release.residue else about.connection == release.connection)
        ]
        for ban in found:
            about = self.bans.pop(ban)
            self._write("cleared", meeting, about.connection, about.participant)
        return Answer(outcome=Outcome.DONE if found else Outcome.ALREADY_GONE)

    def _stale(self, meeting: str, removal: Removal) -> Answer | None:
        """Why nothing is done: nobody is there, or not who was judged."""
        room = self.meetings.get(meeting, Meeting())
        person = room.present.get(removal.connection)
        if person is None:
            return Answer(outcome=Outcome.ALREADY_GONE)
        return None if person.participant == removal.participant else Answer(outcome=Outcome.STALE)

    def _ban(self, meeting: str, person: Person, notice: Notice | None) -> str:
        ban = f"ban-{secrets.token_hex(8)}"
        self.bans[ban] = Ban(meeting, person.connection, person.participant, notice)
        return ban

    def _remove_from(self, meeting: str, connection: str, event: str) -> Person | None:
        with self._lock:
            room = self.meetings.get(meeting, Meeting())
            person = room.present.pop(connection, None)
            if person is None:
                return None
            room.left[connection] = person
            self._write(event, meeting, connection, person.participant)
            if not room.present or (person.is_host and room.host is None):
                for other in room.present.values():
                    self._write("ended", meeting, other.connection, other.participant)
                room.left.update(room.present)
                room.present.clear()
                room.is_over = True
            return person

    def _once(self, one: One, work: Callable[[], Answer]) -> Answer:
        """The same answer to the same key, and nothing done a second time."""
        key = type(one), one.key
        if key not in self._done:
            answer = work()
            if answer.outcome is not Outcome.DONE:
                return answer  # it may go better next time
            self._done[key] = answer
        return self._done[key]

    def _asked(self, rows: Sequence[T], work: Callable[[T], Answer]) -> list[Answer]:
        """Do something with each row, unless it goes wrong."""
        with self._lock:
            fault = self._fault()
            if fault is Fault.RATE_LIMIT:
                return [Answer(outcome=Outcome.RETRY, retry_after=self.retry_after)] * len(rows)
            if fault is Fault.UNAVAILABLE:
                return [Answer(outcome=Outcome.RETRY)] * len(rows)
            if fault is Fault.REFUSAL:
                return [Answer(outcome=Outcome.FAILED)] * len(rows)
            if fault is Fault.LIE:
                return [Answer(outcome=Outcome.DONE)] * len(rows)
            answers = [work(row) for row in rows]
            self._lose(fault)
            return answers[:-1] if fault is Fault.SHORT else answers

    def _fault(self) -> Fault | None:
        fault = self.faults.draw()
        if fault is Fault.TIME_OUT:
            raise TimeoutError("no answer, and nothing was done")
        return fault

    def _lose(self, fault: Fault | None) -> None:
        if fault is Fault.LOST_ANSWER:
            raise ConnectionResetError("the answer was lost")

    def _write(self, event: str, meeting: str, connection: str, participant: str | None) -> None:
        if self._log is None:
            return
        line = {
            "time": self._clock().astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "meeting": meeting,
            "connection": connection,
            "participant": participant,
            "event": event,
        }
        with self._log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the meetings of a roster over HTTP until interrupted."""
    import http_api

    parser = argparse.ArgumentParser(description="An example of a system that runs meetings, over HTTP.")
    parser.add_argument("--port", type=int, default=8080, help="0 for any that is free (default: 8080)")
    parser.add_argument("--roster", type=Path, help="CSV of who is present")
    parser.add_argument("--log", type=Path, help="where events are appended, JSON Lines")
    parser.add_argument("--faults", default="", help=f"such as lost-answer=0.2; there are {', '.join(Fault)}")
    parser.add_argument("--seed", type=int, default=0, help="of the faults (default: 0)")
    given = parser.parse_args(arguments)
    try:
        server = MeetingServer(faults=Faults.parse(given.faults, seed=given.seed), log=given.log)
        if given.roster is not None:
            server.seat(rf.Roster.from_csv(given.roster))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    token = os.environ.get("MEETING_TOKEN") or secrets.token_urlsafe()
    with http_api.serve(server, token, port=given.port) as api:
        print(api.url, flush=True)
        if "MEETING_TOKEN" not in os.environ:
            print(f"MEETING_TOKEN={token}", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
