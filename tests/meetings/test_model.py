"""Meetings, people, orders, crashes and resumptions in any order, against a model that shares nothing with the package.

What must hold after every step stands in the invariants; what a step must do stands beside it.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import regionfast as rf
from meetings.model import (
    ACCOUNT,
    ENTRIES,
    LAST,
    MEETINGS,
    PEOPLE,
    REGION_OF,
    START,
    UNTIL,
    Entry,
    policy_text,
    reaches,
    written,
)
from meetings.model_operator import KEYS, approve, deployment, table
from meetings.model_server import Ban, Crashed, Event, Person, Server
from regionfast.errors import AuditError, PlanRefused
from regionfast.meetings.act.control import Outcome, Removal
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.checkpoint import sign_checkpoint
from regionfast.meetings.audit.erase import erase
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import outstanding
from regionfast.meetings.audit.verify import verify
from regionfast.meetings.inverse import Inverse
from regionfast.meetings.saved import SavedPlan

FAULTS: Final = ("", "", "", "change", "retry", "partly", "lost before", "lost after", "crash before", "crash after")


@dataclass(slots=True)
class Book:
    """A plan that was made, with what it was made from."""

    plan: Any
    entry: Entry
    state: Mapping[str, str]
    policy: rf.Policy
    rows: list[tuple[str, Person]]
    approvals: list[Any]
    expires: datetime
    saved: Path | None = None
    hashes: set[str] = field(default_factory=set)
    """Under which it is recorded."""


addresses = st.lists(st.sampled_from(sorted(REGION_OF)), min_size=1, max_size=2, unique=True).map(tuple)
often_one = st.sampled_from([("36.20.9.77",), ("36.20.9.78",), ("14.0.128.5",), ("24.3.17.9",)])
shows = st.one_of(often_one, addresses)
faults = st.lists(st.sampled_from(FAULTS), max_size=12)
tears = st.one_of(
    st.none(),
    st.tuples(st.integers(1, 8), st.sampled_from(["before", "after", "torn"]), st.floats(0, 1, exclude_max=True)),
)


class Meetings(RuleBasedStateMachine):
    """One server, one audit directory, one operator."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = TemporaryDirectory()
        root = Path(self.folder.name)
        self.audit, self.key_folder, self.files = root / "audit", root / "keys", root / "files"
        self.files.mkdir()
        self.deployment = deployment(self.audit, self.key_folder)
        self.table = table()
        self.now = START
        self.states = {entry.id: "active" for entry in ENTRIES}
        self.server = Server(self.watch)
        self.server.again = self.watch_again
        self.books: list[Book] = []
        self.acted: Counter[tuple[str, str, str]] = Counter()
        self.violations: list[str] = []
        self.finished: set[str] = set()
        self.started: set[str] = set()
        self.book: Book | None = None
        self.is_checkpointed = False
        self.changes: list[tuple[int, tuple[str, ...]]] = []

    def teardown(self) -> None:
        try:
            self.end_of_all_orders()
        finally:
            self.folder.cleanup()

    # --- the model --------------------------------------------------------------------------------------------------

    @property
    def policy(self) -> rf.Policy:
        return rf.Policy.from_text(policy_text(self.states), deployment=self.deployment)

    def in_force(self, entry: Entry, states: Mapping[str, str] | None = None) -> bool:
        state = (self.states if states is None else states)[entry.id]
        return state == "active" and (entry.is_rule or self.now < UNTIL.get(entry.id, LAST))

    def at_the_door(self, meeting: str, person: Person, *, without: str | None = None) -> str:
        """What the model says of somebody who asks to enter."""
        found = {
            entry.join
            for entry in ENTRIES
            if entry.id != without
            and self.in_force(entry)
            and reaches(entry, meeting, person.participant, person.addresses)
        }
        return "deny" if "deny" in found else "hold" if "hold" in found else "admit"

    def watch(self, event: Event) -> None:
        """Called by the server just before it removes somebody."""
        book, person, receipt = self.book, event.person, event.removal.receipt
        if book is None:
            self.violations.append("somebody is removed while no plan is applied")
            return
        entry = book.entry
        self.acted[(str(receipt.plan), event.meeting, person.connection)] += 1
        if not reaches(entry, event.meeting, person.participant, person.addresses):
            self.violations.append(f"{entry.id} reaches somebody outside: {person}")
        if {"eject": "ejected", "hold": "held"}[entry.present] != event.what:
            self.violations.append(f"{entry.id} is not an order to do this: {event.what}")
        if not any(meeting == event.meeting and one.connection == person.connection for meeting, one in book.rows):
            self.violations.append("somebody is removed who is in no row")
        if receipt.plan not in book.hashes or receipt.by != entry.id or event.removal.notice.by != entry.id:
            self.violations.append("the receipt or notice is of another plan")
        intents = [
            line
            for line in self.lines()
            if line["kind"] == "intent"
            and (line["plan"], line["connection"], line["scope"]) == (receipt.plan, receipt.connection, receipt.scope)
        ]
        if not any(line["commitment"] == receipt.commitment for line in intents):
            self.violations.append("somebody is removed without an intent that is written before")

    def watch_again(self, removal: Removal) -> None:
        """Called by the server when it is asked for what it did before: never where the result is written."""
        name = (removal.receipt.plan, removal.receipt.connection, "done")
        if name in {(line.get("plan"), line.get("connection"), line.get("outcome")) for line in self.lines()}:
            self.violations.append("somebody is asked for again whose result is written")

    def lines(self) -> list[dict[str, Any]]:
        """All whole lines of the chains, read by the test itself."""
        found = []
        for path in sorted(self.audit.glob("*.jsonl")):
            if path.name != "checkpoints.jsonl":
                found += [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
        return found

    # --- people -----------------------------------------------------------------------------------------------------

    @initialize(
        crowd=st.lists(
            st.tuples(st.sampled_from(MEETINGS), st.sampled_from(PEOPLE), shows, st.booleans()),
            min_size=3,
            max_size=10,
        )
    )
    def people_are_there(self, crowd: list[tuple[str, str, tuple[str, ...], bool]]) -> None:
        """Before any order arrived."""
        for meeting, participant, shown, may_host in crowd:
            person = self.person(meeting, participant, shown, may_host=may_host)
            if person.connection not in self.room(meeting):
                self.server.enter(meeting, person)

    def person(self, meeting: str, participant: str, shown: tuple[str, ...], *, may_host: bool) -> Person:
        # The same connection id whenever the same person comes back: many systems do so, and it is the harder case.
        return Person(f"connection-{participant[7:]}-{meeting[8:]}", participant, shown, may_host=may_host)

    def room(self, meeting: str) -> dict[str, Person]:
        room = self.server.meetings.get(meeting)
        return {} if room is None else room.present | {name: person for name, (person, _) in room.waiting.items()}

    @rule(
        meeting=st.sampled_from(MEETINGS),
        participant=st.sampled_from(PEOPLE),
        shown=shows,
        may_host=st.booleans(),
    )
    def asks_to_enter(self, meeting: str, participant: str, shown: tuple[str, ...], may_host: bool) -> None:
        person = self.person(meeting, participant, shown, may_host=may_host)
        if person.connection in self.room(meeting):
            return
        roster = self.roster_of([(meeting, person)])
        found = rf.decide_joins(self.table, self.policy, roster, at=self.now)
        effect = str(rf.Effect(int(found.effect[0])))
        assert effect == self.at_the_door(meeting, person)
        if effect == "admit" and not self.server.is_banned(meeting, person):
            self.server.enter(meeting, person)

    def anybody(self, number: int) -> tuple[str, Person] | None:
        there = [(name, person) for name, room in self.server.meetings.items() for person in room.present.values()]
        return there[number % len(there)] if there else None

    @rule(number=st.integers(0, 19))
    def leaves(self, number: int) -> None:
        if found := self.anybody(number):
            self.server.leave(found[0], found[1].connection)

    @rule(number=st.integers(0, 19), shown=shows)
    def changes_address(self, number: int, shown: tuple[str, ...]) -> None:
        if found := self.anybody(number):
            found[1].addresses = shown

    @rule(number=st.integers(0, 19))
    def owner_lets_in(self, number: int) -> None:
        """Who waits at the door may be let in by the owner of the meeting: that is what waiting is."""
        waiting = [(room, name) for room in self.server.meetings.values() for name in room.waiting]
        if waiting:
            room, name = waiting[number % len(waiting)]
            person, _ = room.waiting.pop(name)
            person.is_host = False
            room.present[name] = person

    @precondition(lambda self: self.server.bans)
    @rule(number=st.integers(0, 19), shown=shows)
    def comes_back_from_elsewhere(self, number: int, shown: tuple[str, ...]) -> None:
        """Who was ejected enters from another network, by the same connection id, and moves on to a third one."""
        ban = list(self.server.bans.values())[number % len(self.server.bans)]
        person = Person(ban.connection, ban.participant, ("45.45.45.45",))
        if ban.connection not in self.room(ban.meeting):
            self.server.enter(ban.meeting, person)
            person.addresses = shown

    def change_in_between(self) -> None:
        """While a plan is applied somebody comes, goes, or moves to another network; hosts stay where they are."""
        if not self.changes:
            return
        number, shown = self.changes.pop()
        found = self.anybody(number)
        if found is None:
            return
        meeting, person = found
        if number % 3 == 0 and not person.is_host:
            self.server.leave(meeting, person.connection)
        elif number % 3 == 1:
            person.addresses = shown
        else:
            new = self.person(meeting, PEOPLE[number % len(PEOPLE)], shown, may_host=True)
            if new.connection not in self.room(meeting) and not self.server.is_banned(meeting, new):
                self.server.enter(meeting, new)
                new.is_host = False

    # --- orders and time --------------------------------------------------------------------------------------------

    @rule(entry=st.sampled_from(ENTRIES), state=st.sampled_from(["active", "active", "suspended", "ended"]))
    def order_changes(self, entry: Entry, state: str) -> None:
        self.states[entry.id] = state

    @rule(hours=st.sampled_from([1, 12, 30]))
    def time_passes(self, hours: int) -> None:
        if self.now < START + timedelta(days=12):  # the table stays young enough
            self.now += timedelta(hours=hours)

    # --- plans ------------------------------------------------------------------------------------------------------

    def roster_of(self, people: Sequence[tuple[str, Person]]) -> rf.Roster:
        rows = [(meeting, person, address) for meeting, person in people for address in person.addresses]
        return rf.Roster(
            [person.participant for _, person, _ in rows],
            [address for _, _, address in rows],
            meetings=[meeting for meeting, _, _ in rows],
            accounts=[ACCOUNT for _ in rows],
            roles=["host" if person.is_host else None for _, person, _ in rows],
            connections=[person.connection for _, person, _ in rows],
            at=self.now,
        )

    def present(self) -> list[tuple[str, Person]]:
        return [(name, person) for name, room in self.server.meetings.items() for person in room.present.values()]

    @rule(entry=st.sampled_from(ENTRIES), save=st.booleans())
    def plan_is_made(self, entry: Entry, save: bool) -> None:
        if entry.is_rule and self.states[entry.id] != "active":
            return
        people = self.present()
        policy = self.policy
        plan = rf.plan_ejections(self.table, policy, self.roster_of(people), by=entry.id, at=self.now)
        expected = [
            (meeting, person.copy())
            for meeting, person in people
            if self.in_force(entry) and reaches(entry, meeting, person.participant, person.addresses)
        ]
        expected.sort(key=lambda pair: (pair[0], pair[1].connection))
        assert [(row.meeting, row.connection) for row in plan.rows] == [(m, p.connection) for m, p in expected]
        expires = self.now + timedelta(days=2, minutes=30)
        book = Book(plan, entry, dict(self.states), policy, expected, [], expires, hashes={plan.hash})
        what: Any = plan
        if save and plan:
            book.saved = self.files / f"plan-{len(self.books)}.json"
            plan.save(book.saved, self.deployment)
            what = SavedPlan.load(book.saved)
            book.hashes.add(what.hash)
            self.no_names(book.saved.read_bytes())
        book.approvals = approve(what, expires)
        self.books.append(book)

    @precondition(lambda self: self.books)
    @rule(
        number=st.integers(0, 50),
        script=faults,
        tear=tears,
        changes=st.lists(st.tuples(st.integers(0, 19), shows), max_size=3),
    )
    def plan_is_applied(
        self,
        number: int,
        script: list[str],
        tear: tuple[int, str, float] | None,
        changes: list[tuple[int, tuple[str, ...]]],
    ) -> None:
        """At once or late, the first time or again, whole or until something breaks."""
        book = self.books[-1 - number % min(len(self.books), 4)]
        self.changes = changes
        for meeting, person in book.rows[: len(changes) % 2]:  # or is somewhere else since it was planned
            there = self.room(meeting).get(person.connection)
            if there is not None and changes[0][0] % 2:
                there.addresses = changes[0][1]
                changes.clear()
        is_fair = not script and tear is None
        before = {(m, p.connection): p.copy() for m, p in self.present()}
        one_hash = book.plan.hash if book.saved is None else SavedPlan.load(book.saved).hash

        def act() -> Any:
            if book.saved is None:
                return book.plan.apply(
                    self.server, self.deployment, approvals=book.approvals, clock=lambda: self.now, sleep=self.sleep
                )
            return SavedPlan.load(book.saved).apply(
                self.server,
                self.deployment,
                table=self.table,
                policy=self.policy,
                roster=self.roster_of(self.present()),
                approvals=book.approvals,
                clock=lambda: self.now,
                sleep=self.sleep,
            )

        may = not book.rows or (
            self.in_force(book.entry, book.state)
            and self.now < book.expires
            and one_hash not in self.finished
            and (book.saved is None or self.states == book.state)
        )
        self.book = book
        removed_before = len(self.server.log)
        try:
            with self.trouble(script, tear):
                applied = act()
        except PlanRefused as refused:
            assert refused.reasons
            assert len(self.server.log) == removed_before
            assert not may, refused.reasons
            return
        except Crashed:
            if not may:  # while the refusal was recorded
                assert len(self.server.log) == removed_before
                return
            self.started.add(one_hash)
            if any(line["kind"] == "finished" and line["plan"] == one_hash for line in self.lines()):
                self.finished.add(one_hash)  # it was, and only its caller did not hear of it
            return
        finally:
            self.book = None
        assert may, "what must be refused was done"
        if not book.rows:
            assert applied.is_finished
            return
        assert applied.plan == one_hash
        self.no_names(repr(applied).encode())
        assert len(applied.outcomes) == len(book.rows)
        assert applied.is_finished == (Outcome.RETRY not in applied.outcomes)
        if applied.is_finished:
            self.finished.add(one_hash)
        if is_fair and not changes and one_hash not in self.started:
            self.fair_outcomes(book, applied.outcomes, before)
        self.started.add(one_hash)

    def fair_outcomes(self, book: Book, outcomes: Sequence[Outcome], before: Mapping[tuple[str, str], Person]) -> None:
        """Where nothing went wrong, each row came out as the model says."""
        by_meeting: dict[str, list[tuple[Outcome, Person]]] = {}
        for (meeting, person), outcome in zip(book.rows, outcomes, strict=True):
            there = before.get((meeting, person.connection))
            if there is None:
                assert outcome is Outcome.ALREADY_GONE, outcome
            elif written(there.addresses) != written(person.addresses):
                assert outcome is Outcome.STALE, outcome
            else:
                by_meeting.setdefault(meeting, []).append((outcome, there))
        for meeting, rows in by_meeting.items():
            leaving = {person.connection for _, person in rows}
            staying = [p for (m, _), p in before.items() if m == meeting and p.connection not in leaving]
            kept = [person for outcome, person in rows if outcome is Outcome.WOULD_END_MEETING]
            assert {outcome for outcome, _ in rows} <= {Outcome.DONE, Outcome.WOULD_END_MEETING}
            if any(person.is_host or person.may_host for person in staying):
                assert not kept, "the role could have been handed over"
            elif any(person.is_host for _, person in rows):
                assert len(kept) == 1, "one host is enough"
                assert kept[0].is_host

    # --- undoing ----------------------------------------------------------------------------------------------------

    @rule(entry=st.sampled_from(ENTRIES), way=st.sampled_from(["records", "plan"]), script=faults, tear=tears)
    def order_is_undone(self, entry: Entry, way: str, script: list[str], tear: tuple[int, str, float] | None) -> None:
        policy = self.policy
        if way == "plan":
            books = [book for book in self.books if book.entry is entry and book.rows]
            if not books:
                return
            inverse = books[-1].plan.inverse(self.table, policy, at=self.now)
        else:
            if not self.audit.exists():
                return
            inverse = Inverse.of_outstanding(self.deployment, entry.id, self.table, policy, at=self.now)
        self.undo(inverse, entry, script, tear, everything=way == "records")

    def undo(
        self, inverse: Any, entry: Entry, script: list[str], tear: tuple[int, str, float] | None, *, everything: bool
    ) -> None:
        still = {
            name for name, ban in self.server.bans.items() if ban.by == entry.id and self.stays_denied(ban, entry.id)
        }
        approvals = approve(inverse, self.now + timedelta(days=1)) if self.in_force(entry) else []
        if self.in_force(entry) and inverse:
            with pytest.raises(PlanRefused):
                inverse.apply(self.server, self.deployment, clock=lambda: self.now, sleep=self.sleep)
        try:
            with self.trouble(script, tear):
                applied = inverse.apply(
                    self.server, self.deployment, approvals=approvals, clock=lambda: self.now, sleep=self.sleep
                )
        except Crashed:
            return
        if everything and applied.is_finished:
            assert {name for name, ban in self.server.bans.items() if ban.by == entry.id} <= still

    def stays_denied(self, ban: Ban, without: str) -> bool:
        """Whether another entry keeps out who was banned, by what the person showed then."""
        person = next(
            event.person
            for event in reversed(self.server.log)
            if (event.meeting, event.removal.key) == (ban.meeting, ban.key)
        )
        return self.at_the_door(ban.meeting, person, without=without) == "deny"

    @rule(entry=st.sampled_from(ENTRIES))
    def key_stays(self, entry: Entry) -> None:
        """While somebody is kept out, the key by which that can be undone is not destroyed."""
        if any(ban.by == entry.id for ban in self.server.bans.values()):
            with pytest.raises(AuditError):
                erase(self.audit, self.key_folder, by=entry.id, reason="the time is over")

    @rule()
    def checkpoint_is_signed(self) -> None:
        if self.audit.exists():
            sign_checkpoint(self.audit, KEYS[2], at=self.now)
            self.is_checkpointed = True

    # --- trouble ----------------------------------------------------------------------------------------------------

    def sleep(self, seconds: float) -> None:
        assert 0 <= seconds <= 3600
        if self.server.crashed:
            raise Crashed

    @contextmanager
    def trouble(self, script: Sequence[str], tear: tuple[int, str, float] | None) -> Iterator[None]:
        """Faults of the server, and a crash while the chain is written: from then on nothing of the process runs."""
        server, real, count = self.server, Chain.append, 0
        server.faults, server.between, server.crashed = list(script), self.change_in_between, False
        server.compares = "change" in script

        def append(chain: Chain, records: Sequence[Mapping[str, object]]) -> None:
            nonlocal count
            if server.crashed:
                raise Crashed
            count += 1
            if tear is None or count != tear[0]:
                real(chain, records)
                return
            server.crashed = True
            if tear[1] != "before":
                sizes = {path: path.stat().st_size for path in self.audit.glob("*.jsonl")}
                real(chain, records)
                if tear[1] == "torn":
                    cut(sizes, tear[2])
            raise Crashed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Chain, "append", append)
            try:
                yield
            finally:
                server.faults, server.crashed = [], False

    # --- what holds after every step --------------------------------------------------------------------------------

    @invariant()
    def nothing_happened_that_must_not(self) -> None:
        assert not self.violations
        assert not self.server.ended_by_us, "a meeting ended through us"
        assert all(count == 1 for count in self.acted.values()), "somebody was acted on twice for one plan"

    @invariant()
    def chains_verify(self) -> None:
        if not self.audit.exists():
            return
        for path in self.audit.glob("*.jsonl"):
            if path.name != "checkpoints.jsonl":
                head = hashlib.sha256(f"regionfast chain 1 {path.stem}".encode()).hexdigest()
                for number, line in enumerate(path.read_bytes().split(b"\n")[:-1]):
                    head = hashlib.sha256(head.encode() + line[75:]).hexdigest()
                    assert line.startswith(b'{"hash":"' + head.encode() + b'",')
                    assert json.loads(line)["n"] == number
        found = verify(self.audit)
        assert found.is_sound, found.problems
        if self.is_checkpointed:
            path = self.audit / "checkpoints.jsonl"
            against = verify(self.audit, checkpoint=path, checkpoint_key=KEYS[2].public_key().public_bytes_raw())
            assert against.is_sound, against.problems
            assert against.checkpoint is not None

    @invariant()
    def records_name_nobody(self) -> None:
        if self.audit.exists():
            for path in self.audit.rglob("*"):
                if path.is_file():
                    self.no_names(path.read_bytes())

    def no_names(self, content: bytes) -> None:
        for text in ("person-", "connection-", "meeting-", "ban-of-server", *filter(None, REGION_OF), "2400:c800"):
            assert text.encode() not in content, "a record names somebody"

    def end_of_all_orders(self) -> None:
        """All orders end, and what they did is undone: everybody may enter, and nothing is left."""
        self.states = {entry.id: "ended" for entry in ENTRIES}
        if self.audit.exists():
            for entry in ENTRIES:
                inverse = Inverse.of_outstanding(self.deployment, entry.id, self.table, self.policy, at=self.now)
                applied = inverse.apply(self.server, self.deployment, clock=lambda: self.now, sleep=self.sleep)
                assert applied.is_finished
            assert not outstanding(self.audit, KeyStore(self.key_folder))
        assert not self.server.bans, "a residue is left"
        assert not [room for room in self.server.meetings.values() if room.waiting], "somebody is left at the door"
        everybody = [(m, self.person(m, name, ("36.20.9.77",), may_host=True)) for m in MEETINGS for name in PEOPLE]
        found = rf.decide_joins(self.table, self.policy, self.roster_of(everybody), at=self.now)
        assert not found.effect.any()
        if not self.audit.exists():
            return
        # Only now may the keys go; the chains verify without them.
        for entry in ENTRIES:
            erase(self.audit, self.key_folder, by=entry.id, reason="the time is over")
        self.nothing_happened_that_must_not()
        self.chains_verify()
        self.records_name_nobody()
        scopes = {line["scope"] for line in self.lines() if "scope" in line}
        assert not [path for path in self.key_folder.glob("*.key") if path.stem in scopes]


def cut(sizes: Mapping[Path, int], part: float) -> None:
    """Leave a part of what was just appended, as a crash of the machine does."""
    for path, size in sizes.items():
        added = path.stat().st_size - size
        if added:
            with path.open("r+b") as file:
                file.truncate(size + int(part * added))


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Meetings,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_nobody_twice_nobody_outside_no_meeting_ends_and_everybody_may_come_back() -> None:
    run(150, 25)


@pytest.mark.long
@pytest.mark.timeout(0)
def test_the_same_for_long() -> None:
    run(3000, 50)
