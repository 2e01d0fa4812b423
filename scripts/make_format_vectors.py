"""Makes the vectors of docs/formats: what acting on one plan and undoing it writes, with fixed keys and a fixed clock.

The same release gives the same bytes, which a test checks. All keys in them are public and good for nothing else.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest import mock

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import regionfast as rf
from regionfast.meetings.act.control import Answer, Outcome, Present, Release, Removal
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.checkpoint import sign_checkpoint
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.receipt import Receipt, Row

VECTORS = Path(__file__).parent.parent / "docs" / "formats" / "vectors"
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
END = datetime(2026, 12, 2, tzinfo=UTC)
MEETING = "604-001"
PEOPLE = (
    ("c01", "u1", "36.1.2.3", "host"),
    ("c02", "u2 李", "2400:c800::7", ""),
    ("c03", "u3", "24.3.17.9", ""),
)
"""Connection, participant, address and role of who is in the meeting."""
NETWORKS = "36.0.0.0/8,CN\n2400:c800::/32,CN\n24.0.0.0/8,US\n"
APPROVERS = ("legal-1", "legal-2")
AUDITOR = "auditor"
ORDER = "cn-1"
POLICY = """
version = 1
[[order]]
id = "cn-1"
issuer = "cn-authority"
reference = "2026/77"
law = "Law on X, article 12"
contest = "https://court.example/contest"
state = "active"
territory = "CN"
regions = ["CN"]
meetings = ["604-001"]
from = 2026-11-24T00:00:00Z
until = 2026-12-01T00:00:00Z
join = "deny"
present = "eject"
"""


def key_of(name: str) -> Ed25519PrivateKey:
    """Always the same one for a name, and known to everybody."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"vector key {name}".encode()).digest())


def public(name: str) -> str:
    """The public half in base64."""
    return base64.b64encode(key_of(name).public_key().public_bytes_raw()).decode("ascii")


def deployment(folder: Path) -> rf.Deployment:
    """The operator's file."""
    lines = ['[[issuer]]\nid = "cn-authority"\njurisdiction = "CN"\n[limits]\nshare = 1\n']
    lines += [f'[[approver]]\nid = "{name}"\nperson = "{name}"\nkey = "{public(name)}"\n' for name in APPROVERS]
    lines.append(f'[audit]\ndirectory = "{folder / "audit"}"\nkeys = "{folder / "keys"}"\n')
    return rf.Deployment.from_text("".join(lines))


class Meeting:
    """One meeting in memory. An ejection leaves a ban, whose id is the residue."""

    def __init__(self) -> None:
        self.there = {
            connection: Present(
                connection=connection, participant=participant, addresses=(address,), is_host=role == "host"
            )
            for connection, participant, address, role in PEOPLE
        }

    def present(self, _meeting: str, /) -> Iterator[Present]:
        """Who is there."""
        return iter(list(self.there.values()))

    def handover(self, _meeting: str, _leaving: str, to: str, /) -> Answer:
        """Somebody becomes a host."""
        who = self.there[to]
        self.there[to] = Present(connection=to, participant=who.participant, addresses=who.addresses, is_host=True)
        return Answer(outcome=Outcome.DONE)

    def eject(self, _meeting: str, removals: Sequence[Removal], /) -> list[Answer]:
        """They leave."""
        for removal in removals:
            del self.there[removal.connection]
        return [Answer(outcome=Outcome.DONE, residue=f"ban of {removal.connection}") for removal in removals]

    def hold(self, _meeting: str, removals: Sequence[Removal], /) -> list[Answer]:
        """The order holds nobody."""
        raise NotImplementedError

    def admit(self, _meeting: str, releases: Sequence[Release], /) -> list[Answer]:
        """They may come in."""
        return [Answer(outcome=Outcome.DONE) for _ in releases]

    clear = admit


def roster(meeting: Meeting) -> rf.Roster:
    """Who is in the meeting, as columns."""
    there = list(meeting.there.values())
    return rf.Roster(
        [who.participant for who in there],
        [who.addresses[0] for who in there],
        connections=[who.connection for who in there],
        roles=["host" if who.is_host else None for who in there],
        meetings=[MEETING] * len(there),
        accounts=["acme"] * len(there),
    )


class Office:
    """An operator's folder, and a clock that stands still."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.audit = folder / "audit"
        self.meeting = Meeting()
        self.deployment = deployment(folder)
        self.policy = rf.Policy.from_text(POLICY, deployment=self.deployment)
        self.keys = KeyStore(folder / "keys")
        networks = folder / "networks.csv"
        networks.write_text(NETWORKS, "utf-8")
        self.table = rf.open(networks, built_at=START - timedelta(days=3))

    def act(self, vectors: Path) -> None:
        """A plan is saved, approved by two, refused to one, and acted on; one of the receipts is kept."""
        plan = rf.plan_ejections(self.table, self.policy, roster(self.meeting), by=ORDER, at=START)
        saved = plan.save(vectors / "plan.json", self.deployment)
        end = START + timedelta(hours=8)
        approvals = [rf.Approval.sign(saved, key_of(name), approver=name, expires=end) for name in APPROVERS]
        for number, approval in enumerate(approvals, 1):
            approval.save(vectors / f"approval-{number}.json")
        try:
            self._apply(saved, approvals[:1])
        except rf.PlanRefused:
            applied = self._apply(saved, approvals)
        else:
            raise AssertionError("one approval was enough")
        (vectors / "receipt.json").write_text(applied.receipts[0].to_json(), "ascii")

    def _apply(self, saved: rf.SavedPlan, approvals: Sequence[rf.Approval]) -> rf.Applied:
        return saved.apply(
            self.meeting,
            self.deployment,
            table=self.table,
            policy=self.policy,
            roster=roster(self.meeting),
            approvals=approvals,
            clock=lambda: START,
        )

    def deny(self, vectors: Path) -> None:
        """Somebody is not let in, whose connection has no id yet: another writer records it."""
        row = Row(meeting=MEETING, connection=None, participant="u4", addresses=("36.9.9.9",))
        scope = self.keys.scope(ORDER, MEETING)
        name = ("", secrets.token_bytes(16).hex())
        receipt = Receipt.of(self.keys.key(scope), scope, ORDER, row, plan=None, name=name)
        record = {"kind": "join", "by": ORDER, "scope": scope, "connection": receipt.connection, "effect": "deny"}
        claim = {"region": "CN", "commitment": receipt.commitment, "table": self.table.info.digest}
        with Chain.open(self.audit, "door", clock=lambda: START) as chain:
            chain.append([record | claim])
        (vectors / "receipt-door.json").write_text(receipt.to_json(), "ascii")

    def undo(self) -> None:
        """The order has ended: everybody may come back."""
        inverse = rf.Inverse.of_outstanding(self.deployment, ORDER, self.table, self.policy, at=END)
        inverse.apply(self.meeting, self.deployment, clock=lambda: END)

    def write_keys(self, vectors: Path) -> None:
        """What verifies signatures, and what elsewhere is secret."""
        public_keys = {"approvers": {name: public(name) for name in APPROVERS}, "auditor": public(AUDITOR)}
        (vectors / "public-keys.json").write_text(json.dumps(public_keys, indent=1) + "\n", "ascii")
        keys = {path.stem: path.read_bytes().hex() for path in sorted((self.folder / "keys").glob("*.key"))}
        (vectors / "keys.json").write_text(json.dumps(keys, indent=1) + "\n", "ascii")


def make(vectors: Path) -> None:
    """Write the vectors into a directory, and whatever else there was in it is gone."""
    numbers = count()

    def known_bytes(length: int) -> bytes:
        return hashlib.sha256(f"vector bytes {next(numbers)}".encode()).digest()[:length]

    shutil.rmtree(vectors, ignore_errors=True)
    (vectors / "audit").mkdir(parents=True)
    with TemporaryDirectory() as folder, mock.patch("secrets.token_bytes", known_bytes):
        office = Office(Path(folder))
        office.act(vectors)
        office.deny(vectors)
        office.undo()
        sign_checkpoint(office.audit, key_of(AUDITOR), at=END)
        office.write_keys(vectors)
        for path in office.audit.glob("*.jsonl"):
            (vectors / "audit" / path.name).write_bytes(path.read_bytes())


def main() -> None:
    """Make them, and say which."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("vectors", type=Path, nargs="?", default=VECTORS, help="default: docs/formats/vectors")
    vectors = parser.parse_args().vectors
    make(vectors)
    for path in sorted(path for path in vectors.rglob("*") if path.is_file()):
        print(f"{path.relative_to(vectors)}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
