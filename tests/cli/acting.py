"""A system that runs meetings, an operator's folder and two approvers: what the tests of acting commands act on."""

from __future__ import annotations

import base64
import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from click.testing import Result
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import regionfast as rf
from cli.calls import run
from regionfast.cli.plan import control as controls
from regionfast.meetings.act.control import Answer, Outcome, Present, Release, Removal

PEOPLE: Final = ("alice", "bob", "carol", "dave", "erin", "frank")
ADDRESSES: Final = ("36.1.2.3", "24.5.6.7", "36.9.9.9", "14.8.8.8", "2400:c800::7", "24.0.0.9")
ROSTER: Final = """connection,participant,address,meeting,account,role
con-1,alice,36.1.2.3,m1,z,host
con-2,bob,24.5.6.7,m1,z,
con-3,carol,36.9.9.9,m1,z,
con-4,dave,14.8.8.8,m1,z,
con-5,erin,2400:c800::7,m2,z,
con-6,frank,24.0.0.9,m2,z,host
"""
ROWS: Final = tuple(csv.DictReader(ROSTER.splitlines()))
DATABASE: Final = "36.0.0.0/8,CN\n24.0.0.0/8,US\n14.0.0.0/8,HK\n2400:c800::/32,CN\n"
CONTROL: Final = ("--control", "meeting_system:control")


class Meetings:
    """Meetings in memory. An ejection leaves a ban, and a meeting without a host is over."""

    def __init__(self, folder: Path | None = None) -> None:
        self.there = {
            row["connection"]: (
                row["meeting"],
                Present(
                    connection=row["connection"],
                    participant=row["participant"],
                    addresses=(row["address"],),
                    is_host=row["role"] == "host",
                ),
            )
            for row in ROWS
        }
        self.bans: dict[str, str] = {}
        self.asked: list[str] = []
        self.answer: Answer | None = None
        """What every removal is answered with, where nothing is done."""
        self.raises: Exception | None = None
        self.log = None if folder is None else folder / "server.jsonl"

    def present(self, meeting: str, /) -> Iterator[Present]:
        self.asked.append("present")
        return iter([person for where, person in self.there.values() if where == meeting])

    def handover(self, meeting: str, leaving: str, to: str, /) -> Answer:
        self.asked.append("handover")
        assert leaving in self.there
        person = self.there[to][1]
        self.there[to] = (
            meeting,
            Present(connection=to, participant=person.participant, addresses=person.addresses, is_host=True),
        )
        return Answer(outcome=Outcome.DONE)

    def eject(self, meeting: str, removals: Sequence[Removal], /) -> list[Answer]:
        self.asked.append("eject")
        if self.raises is not None:
            raise self.raises
        return [self.answer or self.remove(meeting, removal) for removal in removals]

    def remove(self, meeting: str, removal: Removal) -> Answer:
        if self.there.pop(removal.connection, None) is None:
            return Answer(outcome=Outcome.ALREADY_GONE)
        assert any(person.is_host for where, person in self.there.values() if where == meeting), "the meeting ended"
        ban = f"ban-{len(self.bans)}"
        self.bans[ban] = removal.connection
        self.write("ejected", meeting, removal.connection)
        return Answer(outcome=Outcome.DONE, residue=ban)

    def hold(self, meeting: str, removals: Sequence[Removal], /) -> list[Answer]:  # noqa: ARG002 - of the protocol
        raise AssertionError

    def admit(self, meeting: str, releases: Sequence[Release], /) -> list[Answer]:  # noqa: ARG002 - of the protocol
        raise AssertionError

    def clear(self, meeting: str, releases: Sequence[Release], /) -> list[Answer]:  # noqa: ARG002 - of the protocol
        self.asked.append("clear")
        return [
            Answer(outcome=Outcome.ALREADY_GONE if self.bans.pop(one.residue or "", None) is None else Outcome.DONE)
            for one in releases
        ]

    def write(self, event: str, meeting: str, connection: str) -> None:
        if self.log is not None:
            at = datetime.now(UTC).isoformat()
            line = json.dumps({"time": at, "meeting": meeting, "connection": connection, "event": event})
            with self.log.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


def key_of(number: int) -> Ed25519PrivateKey:
    """Always the same one."""
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public(number: int) -> str:
    """The public half in base64."""
    raw = key_of(number).public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def pem(number: int, passphrase: bytes | None = None) -> bytes:
    """The private half as `openssl genpkey` writes it."""
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        encryption = serialization.BestAvailableEncryption(passphrase)
    return key_of(number).private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


def stamp(hours: float) -> str:
    """A time so many hours from now."""
    return (datetime.now(UTC).replace(microsecond=0) + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


class Desk:
    """An operator's folder: policy, deployment, table, roster, keys, and the system that `--control` names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.start, self.end = stamp(-24), stamp(24)
        self.policy = self.put("policy.toml", self.order())
        self.deployment = self.put(
            "deployment.toml",
            f"""
[[issuer]]
id = "cn-authority"
jurisdiction = "CN"
[[approver]]
id = "ops-1"
key = "{public(1)}"
person = "A. First"
[[approver]]
id = "ops-2"
key = "{public(2)}"
person = "B. Second"
[limits]
share = 1
[audit]
directory = "{folder / "audit"}"
keys = "{folder / "keys"}"
checkpoint-key = "{public(3)}"
""",
        )
        self.database = folder / "table.rft"
        rf.open(self.put("table.csv", DATABASE), built_at=datetime.now(UTC) - timedelta(days=2)).save(self.database)
        self.roster = self.put("roster.csv", ROSTER)
        for number in (1, 2, 3):
            (folder / f"{number}.pem").write_bytes(pem(number))
        self.put(
            "meeting_system.py",
            "import pathlib\nfrom cli.acting import Meetings\ncontrol = Meetings(pathlib.Path(__file__).parent)\n",
        )

    def put(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def order(self, state: str = "active", meetings: str = '["m1", "m2"]') -> str:
        return f"""
version = 1
[[order]]
id = "cn-1"
issuer = "cn-authority"
reference = "r-77"
law = "Law on X, article 12"
contest = "https://court.example/contest"
state = "{state}"
territory = "CN"
regions = ["CN"]
meetings = {meetings}
from = {self.start}
until = {self.end}
join = "deny"
present = "eject"
"""

    @property
    def control(self) -> Meetings:
        """What the commands in this process act on."""
        found = controls.load(("meeting_system", "control"))
        assert isinstance(found, Meetings)
        return found

    @property
    def given(self) -> list[str]:
        """What acting is given."""
        files = {"policy": self.policy, "deployment": self.deployment, "database": self.database}
        return [word for name, file in files.items() for word in (f"--{name}", str(file))]

    def save(self, name: str = "cn-1.plan", *words: object) -> Path:
        """Save the plan."""
        path = self.folder / name
        saved = run("plan", "save", self.roster, *self.given, "--by", "cn-1", "-o", path, *words)
        assert saved.exit_code == 0, saved.output
        return path

    def sign(self, plan: Path, *numbers: int) -> list[str]:
        """Approve it, and say so to `plan apply`."""
        words = []
        for number in numbers:
            path = self.folder / f"{plan.stem}-{number}.json"
            signed = run(
                *("plan", "sign", plan, "--key", self.folder / f"{number}.pem", "--as", f"ops-{number}", "-o", path)
            )
            assert signed.exit_code == 0, signed.output
            words += ["--approval", str(path)]
        return words

    def apply(self, plan: Path, *words: object) -> Result:
        """Act on it."""
        return run("plan", "apply", plan, self.roster, *self.given, *CONTROL, *words)

    def undo(self, *words: object) -> Result:
        """Undo it."""
        return run("plan", "undo", "--by", "cn-1", *self.given, *CONTROL, *words)

    def done(self) -> Result:
        """All of it: saved, signed, acted on."""
        plan = self.save()
        applied = self.apply(plan, *self.sign(plan, 1, 2), "--json")
        assert applied.exit_code == 0, applied.output
        return applied

    def audit(self, command: str, *words: object) -> Result:
        """Ask the audit."""
        return run("audit", command, *words, "--deployment", self.deployment)


@contextmanager
def own_system() -> Iterator[None]:
    """The system is forgotten after it, as when the process of a command ends."""
    path = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = path
        sys.modules.pop("meeting_system", None)


def names_nobody(*texts: str) -> None:
    """Neither people nor connections nor addresses."""
    for text in texts:
        for name in (*PEOPLE, *ADDRESSES, *(row["connection"] for row in ROWS)):
            assert name not in text


def listed(text: str) -> dict[str, str]:
    """What stands beside each name of a listing."""
    pairs = (re.split(r"\s{2,}", line, maxsplit=1) for line in text.splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


def objects(result: Result, code: int = 0) -> Any:
    """What `--json` printed."""
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)
