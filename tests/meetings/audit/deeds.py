"""Records as acting writes them, written by hand at chosen times: what the readers of the audit are asked about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.receipt import Receipt, Row

START: Final = datetime(2026, 11, 24, 12, tzinfo=UTC)
PLAN: Final = "a" * 64
OTHER_PLAN: Final = "b" * 64
INVERSE: Final = "c" * 64
ORDER: Final = "cn-2020-06-04"
MEETING: Final = "937-221-004"
TABLE: Final = {"kind": "DBIP-Country", "digest": "d" * 64, "built_at": "2026-11-01T00:00:00Z"}
NAMES: Final = ("con-", "person-", "36.1.2.", "937-221", "ban-")
"""Parts of all names here, which no record and no `repr` may hold."""


class Deeds:
    """An audit directory, its keys, and a clock that is set by hand."""

    def __init__(self, folder: Path) -> None:
        self.audit = folder / "audit"
        self.key_folder = folder / "keys"
        self.keys = KeyStore(self.key_folder)
        self.now = START

    def at(self, seconds: float) -> None:
        """Set the clock, seconds after the start."""
        self.now = START + timedelta(seconds=seconds)

    def write(self, *records: Mapping[str, object], writer: str = "act") -> None:
        """Append records at the time of the clock."""
        with Chain.open(self.audit, writer, clock=lambda: self.now) as chain:
            chain.append(records)

    def row(self, name: str, meeting: str = MEETING) -> Row:
        """Somebody."""
        return Row(meeting=meeting, connection=f"con-{name}", participant=f"person-{name}", addresses=("36.1.2.3",))

    def receipt(self, name: str, *, by: str = ORDER, meeting: str = MEETING, plan: str | None = PLAN) -> Receipt:
        """What somebody was given."""
        scope = self.keys.scope(by, meeting)
        return Receipt.of(self.keys.key(scope), scope, by, self.row(name, meeting), plan=plan, name=[f"con-{name}"])

    def plan(
        self,
        plan: str = PLAN,
        *,
        by: str = ORDER,
        resumed: bool = False,
        approvers: Sequence[str] = ("ops-1", "ops-2"),
    ) -> None:
        """A plan is begun, or goes on."""
        entry = {
            "type": "order",
            "issuer": "cn-authority",
            "reference": "r-7",
            "law": "l",
            "contest": "https://c.example",
        }
        self.write(
            {
                "kind": "plan",
                "plan": plan,
                "by": by,
                "entry": entry | {"until": "2026-12-01T00:00:00Z"},
                "policy": "e" * 64,
                "table": TABLE,
                "planned_at": "2026-11-24T12:00:00Z",
                "counts": {"eject": 1, "hold": 0},
                "approvals": [
                    {"approver": name, "expires": "2026-11-25T00:00:00Z", "signature": "A" * 86 + "=="}
                    for name in approvers
                ],
                "seal": None,
                "resumed": resumed,
            }
        )

    def intend(
        self, *names: str, effect: str = "eject", plan: str = PLAN, by: str = ORDER, meeting: str = MEETING
    ) -> None:
        """Somebody is about to be asked for."""
        group = []
        for name in names:
            receipt = self.receipt(name, by=by, meeting=meeting, plan=plan)
            value = receipt.row.to_dict() | {"account": "z", "series": None, "role": None, "region": "CN"}
            group.append(
                self.named("intent", receipt, effect)
                | {
                    "region": "CN",
                    "commitment": receipt.commitment,
                    "sealed": self.keys.seal(receipt.scope, plan, receipt.connection, "intent", value),
                }
            )
        self.write(*group)

    def settle(
        self,
        *names: str,
        effect: str = "eject",
        outcome: str = "done",
        plan: str = PLAN,
        by: str = ORDER,
        meeting: str = MEETING,
        attempts: int = 1,
        residue: str | None = None,
    ) -> None:
        """What came of it."""
        group = []
        for name in names:
            receipt = self.receipt(name, by=by, meeting=meeting, plan=plan)
            sealed = None
            if residue is not None:
                sealed = self.keys.seal(receipt.scope, plan, receipt.connection, "result", {"residue": residue})
            result = {"outcome": outcome, "attempts": attempts, "sealed": sealed}
            group.append(self.named("result", receipt, effect) | result)
        self.write(*group)

    def eject(self, *names: str, plan: str = PLAN, by: str = ORDER, meeting: str = MEETING) -> None:
        """All of it, with a residue each."""
        self.intend(*names, plan=plan, by=by, meeting=meeting)
        for name in names:
            self.settle(name, plan=plan, by=by, meeting=meeting, residue=f"ban-{name}")

    def undo(self, *names: str, effect: str = "clear", outcome: str = "done", by: str = ORDER) -> None:
        """They may come back."""
        counts = {"admit": 0, "clear": len(names)}
        undo = {"kind": "undo", "plan": INVERSE, "by": by, "of": [PLAN], "reason": "ended", "counts": counts}
        self.write(undo | {"approvals": []})
        self.intend(*names, effect=effect, plan=INVERSE, by=by)
        self.settle(*names, effect=effect, outcome=outcome, plan=INVERSE, by=by)

    def finish(self, plan: str = PLAN, *, by: str = ORDER, **counts: int) -> None:
        """Nothing is left to do."""
        self.write({"kind": "finished", "plan": plan, "by": by, "counts": counts})

    def join(self, name: str, effect: str = "deny", *, by: str = ORDER) -> Receipt:
        """Somebody is not let in at the door."""
        receipt = self.receipt(name, by=by, plan=None)
        record = {
            "kind": "join",
            "by": by,
            "scope": receipt.scope,
            "connection": receipt.connection,
            "effect": effect,
            "region": "CN",
            "commitment": receipt.commitment,
            "table": TABLE["digest"],
        }
        self.write(record, writer="door")
        return receipt

    @staticmethod
    def named(kind: str, receipt: Receipt, effect: str) -> dict[str, object]:
        """What intents and results begin with."""
        return {
            "kind": kind,
            "plan": receipt.plan,
            "by": receipt.by,
            "scope": receipt.scope,
            "connection": receipt.connection,
            "effect": effect,
        }


def names_nobody(*texts: str) -> None:
    """No name, address or residue."""
    for text in texts:
        for name in NAMES:
            assert name not in text
