"""A meeting server whose every call can be bent, and a plan to act on; for the tests of acting."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import regionfast as rf
from regionfast.meetings.act.approval import Approval
from regionfast.meetings.act.control import Answer, Outcome, Present, Release, Removal
from regionfast.policy.deployment import Deployment

NOW: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
INSIDE: Final = "36.20.9."
OUTSIDE: Final = "24.3.17."
MEETING: Final = "vigil"
KEYS: Final = {
    name: Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
    for number, name in enumerate(("ann", "ann-2", "bob", "cid", "author", "author-2"), 1)
}
PERSONS: Final = {"ann": "A", "ann-2": "A", "bob": "B", "cid": "C", "author": "W", "author-2": "W"}


@cache
def table(built_at: datetime | None = NOW - timedelta(days=3), **options: Any) -> rf.Table:
    """Two countries."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "networks.csv")
        path.write_text("36.0.0.0/8,CN\n24.0.0.0/8,US\n2400:c800::/32,CN\n", "utf-8")
        return rf.open(path, built_at=built_at, **options)


def order(**fields: str) -> str:
    """A policy of one order."""
    values = {
        "id": '"cn-1"',
        "issuer": '"authority"',
        "author": '"author"',
        "reference": '"r"',
        "law": '"l"',
        "contest": '"https://court.example"',
        "state": '"active"',
        "territory": '"CN"',
        "regions": '["CN"]',
        "meetings": '"all"',
        "from": "2026-11-20T00:00:00Z",
        "until": "2026-12-20T00:00:00Z",
        "join": '"deny"',
        "present": '"eject"',
    } | fields
    return "version = 1\n[[order]]\n" + "".join(f"{name} = {value}\n" for name, value in values.items())


def deployment(folder: Path, limits: str = "people = 100000\nshare = 1") -> Deployment:
    """Two of four persons approve; all keys of `KEYS` are enrolled."""
    text = '[[issuer]]\nid = "authority"\njurisdiction = "CN"\n[limits]\n' + limits + "\n"
    for name, key in KEYS.items():
        public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
        text += f'[[approver]]\nid = "{name}"\nperson = "{PERSONS[name]}"\nkey = "{public}"\n'
    return Deployment.from_text(f'{text}[audit]\ndirectory = "{folder}/audit"\nkeys = "{folder}/keys"\n')


def sign(what: Any, *names: str, expires: datetime = NOW + timedelta(hours=8)) -> list[Approval]:
    """Approvals by some keys."""
    return [Approval.sign(what, KEYS[name], approver=name, expires=expires) for name in names]


class Died(BaseException):
    """The process is gone."""


@dataclass
class Server:
    """Meetings in memory. It knows no key again, bans nobody, and does whatever it is asked: the hardest partner."""

    rooms: dict[str, dict[str, Present]] = field(default_factory=dict)
    chain: Path = Path("nowhere")
    waiting: dict[tuple[str, str], Present] = field(default_factory=dict)
    residues: dict[str, str] = field(default_factory=dict)
    """By residue the connection."""
    calls: list[tuple[str, str, tuple[str, ...]]] = field(default_factory=list)
    removed: Counter[tuple[str, str]] = field(default_factory=Counter)
    keys: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    checks_records: bool = True
    """Whether it reads the chain at each call."""
    before: Callable[[str], None] = lambda _method: None
    after: Callable[[str], None] = lambda _method: None
    lie: Callable[[str, list[Any]], list[Any]] = lambda _method, answers: answers
    """What it answers instead; also of `present`."""

    def enter(self, connection: str, address: str, meeting: str = MEETING, **facts: Any) -> None:
        room = self.rooms.setdefault(meeting, {})
        participant = facts.pop("participant", f"person-{connection}")
        room[connection] = Present(connection=connection, participant=participant, addresses=(address,), **facts)

    def change(self, connection: str, meeting: str = MEETING, **facts: Any) -> None:
        self.rooms[meeting][connection] = replace(self.rooms[meeting][connection], **facts)

    def count(self, method: str) -> int:
        return sum(call[0] == method for call in self.calls)

    def roster(self) -> rf.Roster:
        rows = [
            (name, one, text) for name, room in self.rooms.items() for one in room.values() for text in one.addresses
        ]
        return rf.Roster(
            [one.participant for _, one, _ in rows],
            [text for _, _, text in rows],
            meetings=[name for name, _, _ in rows],
            connections=[one.connection for _, one, _ in rows],
        )

    # The protocol.

    def present(self, meeting: str, /) -> Iterable[Present]:
        self.calls.append(("present", meeting, ()))
        self.before("present")
        found = list(self.rooms.get(meeting, {}).values())
        self.after("present")
        return iter(self.lie("present", found))

    def handover(self, meeting: str, leaving: str, to: str, /) -> Answer:
        self.calls.append(("handover", meeting, (leaving, to)))
        self.before("handover")
        answer = Answer(outcome=Outcome.FAILED)
        if to in self.rooms.get(meeting, {}) and self.rooms[meeting][to].may_host:
            self.change(to, meeting, is_host=True)
            answer = Answer(outcome=Outcome.DONE)
        self.after("handover")
        found: Answer = self.lie("handover", [answer])[0]
        return found

    def eject(self, meeting: str, removals: Sequence[Removal], /) -> Sequence[Answer]:
        return self._ask("eject", meeting, removals, lambda one: self._remove(meeting, one, hold=False))

    def hold(self, meeting: str, removals: Sequence[Removal], /) -> Sequence[Answer]:
        return self._ask("hold", meeting, removals, lambda one: self._remove(meeting, one, hold=True))

    def admit(self, meeting: str, releases: Sequence[Release], /) -> Sequence[Answer]:
        return self._ask("admit", meeting, releases, lambda one: self._admit(meeting, one))

    def clear(self, meeting: str, releases: Sequence[Release], /) -> Sequence[Answer]:
        return self._ask("clear", meeting, releases, self._clear)

    def _ask(self, method: str, meeting: str, rows: Sequence[Any], do: Callable[[Any], Answer]) -> Sequence[Answer]:
        assert 0 < len(rows) <= 100
        self.calls.append((method, meeting, tuple(row.connection for row in rows)))
        if self.checks_records and method in {"eject", "hold"}:
            self._check_records(rows)
        self.before(method)
        answers = [do(row) for row in rows]
        self.after(method)
        return self.lie(method, answers)

    def _check_records(self, rows: Sequence[Removal]) -> None:
        """Its intent is on disk, and no result of it but `retry`."""
        by_row: dict[tuple[str, str | None, str], list[Any]] = {}
        for line in lines(self.chain):
            if line["kind"] in {"intent", "result"}:
                by_row.setdefault((line["scope"], line["plan"], line["connection"]), []).append(line)
        for row in rows:
            receipt = row.receipt
            found = by_row.get((receipt.scope, receipt.plan, receipt.connection), [])
            assert [line["commitment"] for line in found if line["kind"] == "intent"] == [receipt.commitment]
            assert {line["outcome"] for line in found if line["kind"] == "result"} <= {"retry"}
            self.keys.setdefault((receipt.row.meeting, row.connection), set()).add(row.key)

    def _remove(self, meeting: str, removal: Removal, *, hold: bool) -> Answer:
        person = self.rooms.get(meeting, {}).pop(removal.connection, None)
        if person is None:
            return Answer(outcome=Outcome.ALREADY_GONE)
        assert (person.participant, person.addresses) == (removal.participant, removal.addresses)
        self.removed[meeting, removal.connection] += 1
        if hold:
            self.waiting[meeting, removal.connection] = person
            return Answer(outcome=Outcome.DONE)
        residue = f"ban-{len(self.residues)}"
        self.residues[residue] = removal.connection
        return Answer(outcome=Outcome.DONE, residue=residue)

    def _admit(self, meeting: str, release: Release) -> Answer:
        person = self.waiting.pop((meeting, release.connection), None)
        if person is None:
            return Answer(outcome=Outcome.ALREADY_GONE)
        self.rooms[meeting][release.connection] = person
        return Answer(outcome=Outcome.DONE)

    def _clear(self, release: Release) -> Answer:
        named = [release.residue] if release.residue in self.residues else []
        found = named or [name for name, one in self.residues.items() if one == release.connection]
        for name in found:
            del self.residues[name]
        return Answer(outcome=Outcome.DONE if found else Outcome.ALREADY_GONE)


def lines(chain: Path) -> list[dict[str, Any]]:
    """All whole lines of a chain."""
    return [json.loads(line) for line in chain.read_bytes().split(b"\n")[:-1]] if chain.exists() else []


@dataclass
class Stage:
    """A server, an operator, and what acting is given."""

    folder: Path
    server: Server
    deployment: Deployment
    policy: rf.Policy
    slept: list[float] = field(default_factory=list)
    now: datetime = NOW

    @classmethod
    def of(cls, folder: Path, *, limits: str = "people = 100000\nshare = 1", policy: str | None = None) -> Stage:
        operator = deployment(folder, limits)
        server = Server(chain=folder / "audit" / "act.jsonl")
        return cls(folder, server, operator, rf.Policy.from_text(policy or order(), deployment=operator))

    def people(self, inside: int = 3, outside: int = 3, meeting: str = MEETING) -> None:
        """Those outside are hosts' guests: the first of them is the host."""
        for number in range(outside):
            self.server.enter(f"out-{number}", f"{OUTSIDE}{number % 250}", meeting, is_host=number == 0)
        for number in range(inside):
            self.server.enter(f"in-{number}", f"{INSIDE}{number % 250}", meeting, is_host=outside == 0 and number == 0)

    def plan(self, *, at: datetime = NOW, source: rf.Table | None = None, roster: rf.Roster | None = None) -> rf.Plan:
        return rf.plan_ejections(source or table(), self.policy, roster or self.server.roster(), by="cn-1", at=at)

    def apply(self, plan: rf.Plan, approvals: Sequence[Approval] | None = None) -> Any:
        from regionfast.meetings.act.apply import apply

        given = sign(plan, "ann", "bob") if approvals is None else approvals
        return apply(
            plan, self.server, self.deployment, approvals=given, clock=lambda: self.now, sleep=self.slept.append
        )

    def lines(self, kind: str | None = None) -> list[dict[str, Any]]:
        return [line for line in lines(self.server.chain) if kind in {None, line["kind"]}]

    def present(self, meeting: str = MEETING) -> list[str]:
        return list(self.server.rooms[meeting])
