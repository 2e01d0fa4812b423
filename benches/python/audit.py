"""The audit: records written and synced in groups as acting writes them, verified as somebody else does, and acting.

Acting is one plan of a thousand rows in one meeting, approved by two, on a control in memory that does as it is asked.
"""

from __future__ import annotations

import atexit
import base64
import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from tempfile import mkdtemp

from cases import Case, Codes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from decisions import ORDER

import regionfast as rf
from regionfast.meetings.act.apply import Applied
from regionfast.meetings.act.approval import Approval
from regionfast.meetings.act.control import Answer, Outcome, Present, Release, Removal
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.verify import Verification, verify

RECORDS = 100_000
GROUPS = {100: "", 1000: ", by 1,000"}
"""Acting writes a hundred at a time, which is what it asks a control for."""
ROWS = 1000
AT = datetime(2026, 11, 24, tzinfo=UTC)


def result(number: int) -> dict[str, object]:
    """What is written of one person: about 380 bytes."""
    return {
        "kind": "result",
        "plan": f"{1:064x}",
        "by": "cn-2020-06-04",
        "scope": f"{2:032x}",
        "connection": f"{number:032x}",
        "effect": "eject",
        "outcome": "done",
        "attempts": 1,
        "sealed": None,
    }


def write(folder: Path, records: list[dict[str, object]], group: int) -> str:
    """Write a chain anew; the hash of its end."""
    (folder / "bench.jsonl").unlink(missing_ok=True)
    with Chain.open(folder, "bench", clock=lambda: AT) as chain:
        for first in range(0, len(records), group):
            chain.append(records[first : first + group])
        return chain.head.hash


def ends(found: object) -> Codes:
    """The end of the chain, which is the same however it was grouped, and whether it is sound."""
    if isinstance(found, Verification):
        (state,) = found.chains
        return [state.head if found.is_sound else None, str(state.records)]
    return [str(found), str(RECORDS + 1)]


class Control:
    """One meeting in memory; the host is in it, and whom the order reaches."""

    def __init__(self) -> None:
        people = [("host", "2.0.0.1"), *((f"c{row}", f"1.0.{row >> 8}.{row & 255}") for row in range(ROWS))]
        self.room = {
            connection: Present(
                connection=connection, participant=f"u-{connection}", addresses=(address,), is_host=connection == "host"
            )
            for connection, address in people
        }

    def present(self, _: str, /) -> list[Present]:
        return list(self.room.values())

    def handover(self, _: str, _leaving: str, _to: str, /) -> Answer:
        return Answer(outcome=Outcome.FAILED)

    def eject(self, _: str, removals: Sequence[Removal], /) -> list[Answer]:
        gone = [self.room.pop(removal.connection, None) for removal in removals]
        return [Answer(outcome=Outcome.ALREADY_GONE if one is None else Outcome.DONE) for one in gone]

    hold = eject

    def admit(self, _: str, releases: Sequence[Release], /) -> list[Answer]:
        return [Answer(outcome=Outcome.FAILED) for _ in releases]

    clear = admit


def deployment(folder: Path, keys: dict[str, Ed25519PrivateKey]) -> rf.Deployment:
    """Two persons, and an audit in a folder."""
    text = '[[issuer]]\nid = "authority-0"\njurisdiction = "CN"\n[limits]\npeople = 1000\nshare = 1\n'
    for name, key in keys.items():
        public = base64.b64encode(key.public_key().public_bytes_raw()).decode()
        text += f'[[approver]]\nid = "{name}"\nperson = "{name}"\nkey = "{public}"\n'
    return rf.Deployment.from_text(f'{text}[audit]\ndirectory = "{folder}/audit"\nkeys = "{folder}/keys"\n')


def acting(folder: Path) -> Iterator[Case]:
    """Each call acts by a deployment of its own, since a plan is done once; what making it takes is left in."""
    networks = folder / "networks.csv"
    networks.write_text("1.0.0.0/8,CN\n2.0.0.0/8,US\n", "utf-8")
    answering = rf.open(networks, built_at=AT - timedelta(days=3))
    keys = {name: Ed25519PrivateKey.generate() for name in ("ann", "bob")}
    people = Control().present("m0")
    roster = rf.Roster(
        [one.participant for one in people],
        [one.addresses[0] for one in people],
        meetings=["m0"] * len(people),
        connections=[one.connection for one in people],
    )
    text = ORDER.format(number=0, country="CN", first=0, second=1)
    number = count()

    def apply() -> Applied:
        operator = deployment(folder / f"{next(number)}", keys)
        policy = rf.Policy.from_text(f"version = 1\n{text}", deployment=operator)
        plan = rf.plan_ejections(answering, policy, roster, by="order-0", at=AT)
        expires = AT + timedelta(hours=8)
        approvals = [Approval.sign(plan, key, approver=name, expires=expires) for name, key in keys.items()]
        applied = plan.apply(Control(), operator, approvals=approvals, clock=lambda: AT)
        assert applied.is_finished
        assert applied.counts[Outcome.DONE] == ROWS
        return applied

    yield Case("acting, 1,000 rows in one meeting", "regionfast", apply, ROWS, ours=True)


def audit() -> Iterator[Case]:
    """The rows of the issue. What is written is written where temporary files are: the disk is a part of the figure."""
    folder = Path(mkdtemp(prefix="regionfast-audit-"))
    atexit.register(shutil.rmtree, folder)  # cases may be listed first and called later
    records = [result(number) for number in range(RECORDS)]
    for group, words in GROUPS.items():
        name = f"audit, records written{words}"
        yield Case(name, "regionfast", partial(write, folder, records, group), RECORDS, ends, ours=True)
    write(folder, records, max(GROUPS))
    yield Case("audit, records verified", "regionfast", partial(verify, folder), RECORDS + 1, ends, ours=True)
    yield from acting(folder)
