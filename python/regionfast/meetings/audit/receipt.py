"""What one person gets who was acted on: it opens that person's own row of the audit, and no other."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Final, Self

from regionfast.errors import DocumentError
from regionfast.meetings.audit import document
from regionfast.meetings.audit.document import HASH, PSEUDONYM, VERSION, Section
from regionfast.meetings.audit.record import ACTING, Record, records
from regionfast.pseudonym import KEY_BYTES, commit, derive, pseudonym

_LARGEST: Final = 1 << 20
"""Bytes of a file; one has some hundred, and more only where a connection shows many addresses."""
_RELEASED: Final = ("admit", "clear")
_NOTHING_LEFT: Final = ("done", "already-gone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What a commitment covers. Its `repr` names nobody."""

    meeting: str = field(repr=False)
    connection: str | None = field(repr=False)
    participant: str | None = field(repr=False)
    addresses: tuple[str, ...] = field(repr=False)
    """Those that are addresses, as `ipaddress` writes them, sorted as text."""

    def to_dict(self) -> dict[str, object]:
        """As plain values: what `commit` takes, and what stands in a receipt."""
        return {
            "addresses": list(self.addresses),
            "connection": self.connection,
            "meeting": self.meeting,
            "participant": self.participant,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """The key to one row of the audit."""

    plan: str | None
    """Hash of the plan; `None` for a decision at the door."""
    by: str
    """Id of the order or rule."""
    scope: str
    """Pseudonym of order and meeting."""
    connection: str
    """Pseudonym of the connection."""
    row_key: bytes = field(repr=False)
    row: Row

    @classmethod
    def of(cls, key: bytes, scope: str, by: str, row: Row, *, plan: str | None, name: Sequence[str]) -> Receipt:
        """For a row under the key of its scope.

        Args:
            key: The destroyable key of order and meeting.
            scope: Its pseudonym.
            by: Id of the order or rule.
            row: What is committed to.
            plan: Hash of the plan; `None` at the door.
            name: What the pseudonym of the connection is made of: its id, or random text where it has none.
        """
        connection = pseudonym(key, "connection", *name)
        return cls(
            plan=plan,
            by=by,
            scope=scope,
            connection=connection,
            row_key=derive(key, "row", plan or "", connection),
            row=row,
        )

    @property
    def commitment(self) -> str:
        """What the audit holds of the row."""
        return commit(self.row_key, self.row.to_dict())

    def to_json(self) -> str:
        """As text, ASCII, some hundred bytes: for the person whose row it is, and for nobody else."""
        whole = {
            "version": VERSION,
            "plan": self.plan,
            "by": self.by,
            "scope": self.scope,
            "connection": self.connection,
            "row_key": base64.b64encode(self.row_key).decode("ascii"),
            "row": self.row.to_dict(),
        }
        return json.dumps(whole, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes, source: str = "receipt") -> Self:
        """Read a receipt. Whether it fits a record is asked by `open_receipt`.

        Raises:
            DocumentError: It is none; `source` is what the error calls it.
        """
        names = ("plan", "by", "scope", "connection", "row_key", "row")
        found = Section.of(text, names, kind="receipt", source=source)
        row = found.inside("row", ("addresses", "connection", "meeting", "participant"))
        return cls(
            plan=found.text_or_none("plan", HASH),
            by=found.text("by"),
            scope=found.text("scope", PSEUDONYM),
            connection=found.text("connection", PSEUDONYM),
            row_key=found.octets("row_key", KEY_BYTES),
            row=Row(
                meeting=row.text("meeting"),
                connection=row.text_or_none("connection"),
                participant=row.text_or_none("participant"),
                addresses=row.texts("addresses"),
            ),
        )

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read the file of a receipt.

        Raises:
            DocumentError: It cannot be read, or is none.
        """
        return cls.from_json(document.load(path, largest=_LARGEST), str(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedRow:
    """What the records hold of the one person who has a receipt. It names the person no more than the chain does."""

    by: str
    """Id of the order or rule."""
    plan: str | None
    """Hash of the plan; `None` for a decision at the door."""
    connection: str
    """Pseudonym of the connection."""
    effect: str
    """What was to be done: `eject` or `hold`; at the door `deny` or `hold`."""
    at: datetime
    """When it was decided at the door, or written down before it was asked for."""
    outcome: str | None
    """What came of it, see `Outcome`; `None` at the door, and where a crash left no record of it."""
    settled_at: datetime | None
    """When the outcome was written."""
    region: str | None
    """Where the table placed an address: a claim of the table, not of where the person was."""
    table: Mapping[str, object] | None
    """The table: `digest`, and for a plan `kind` and `built_at`."""
    entry: Mapping[str, object] | None
    """What the record of the plan says of the order or rule: issuer, law, reference, where to contest; else `None`."""
    approvers: tuple[str, ...]
    """Ids of those who approved the plan, sorted; none at the door."""
    released_at: datetime | None
    """When the connection was admitted again, or what had been left was cleared; `None` where that was not."""

    def to_dict(self) -> dict[str, object]:
        """As plain values, for JSON; times are UTC as in `2020-06-05T00:00:00.000Z`."""
        found: dict[str, object] = asdict(self) | {"approvers": list(self.approvers)}
        for name in ("at", "settled_at", "released_at"):
            at = getattr(self, name)
            found[name] = None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return found


def open_receipt(directory: str | PathLike[str], receipt: Receipt) -> OpenedRow:
    """Find the row of a receipt in the chains and say what was done.

    The key in the receipt shows that the row with these names and addresses is the one that the chain has committed
    to. It opens no other row, needs no other key, and works also after the keys were destroyed.

    Cost: O(records); all hashes are verified on the way.

    Raises:
        AuditError: A chain is broken.
        DocumentError: No record fits the receipt: it was changed, or is of another audit.
    """
    opened = None
    plans: list[Record] = []  # more than one where it was resumed, and then perhaps approved by others
    for record in records(Path(directory)):
        if record.writer != ACTING and record.kind != "join":
            continue
        if record.kind == "plan" and record.text("plan") == receipt.plan:
            plans.append(record)
        elif record.text("connection") != receipt.connection or record.text("scope") != receipt.scope:
            continue
        elif record.kind in {"intent", "join"} and _is_of(record, receipt):
            opened = _Opened(record)
        elif record.kind == "result" and opened is not None:
            opened.take(record, receipt)
    if opened is None:
        raise DocumentError(
            "no record fits the receipt: it was changed, or is of another audit, or its record is on a chain that is "
            "not in this directory"
        )
    return opened.row(receipt, plans)


class _Opened:
    """The record of a row, and those that came of it."""

    def __init__(self, intent: Record) -> None:
        self.intent = intent
        self.result: Record | None = None
        self.release: Record | None = None

    def take(self, result: Record, receipt: Receipt) -> None:
        """Take a result of the same connection under the same order."""
        if result.text("effect") in _RELEASED:
            if result.text("outcome") in _NOTHING_LEFT and self.release is None:
                self.release = result
        elif result.text("plan") == receipt.plan:
            self.result = result

    def row(self, receipt: Receipt, plans: Sequence[Record]) -> OpenedRow:
        """What they say, with the records of the plan."""
        intent, result = self.intent, self.result
        digest = intent.text("table")
        table: object = {"digest": digest} if digest else None
        entry: object = None
        approvers = set()
        for plan in plans:
            table, entry = plan.fields.get("table"), plan.fields.get("entry")
            approvals = plan.fields.get("approvals")
            for approval in approvals if isinstance(approvals, list) else ():
                if isinstance(approval, dict):
                    approvers.add(str(approval.get("approver")))
        return OpenedRow(
            by=receipt.by,
            plan=receipt.plan,
            connection=receipt.connection,
            effect=intent.text("effect"),
            at=intent.at,
            outcome=None if result is None else result.text("outcome"),
            settled_at=None if result is None else result.at,
            region=intent.text("region") or None,
            table=table if isinstance(table, dict) else None,
            entry=entry if isinstance(entry, dict) else None,
            approvers=tuple(sorted(approvers)),
            released_at=None if self.release is None else self.release.at,
        )


def _is_of(record: Record, receipt: Receipt) -> bool:
    plan = None if record.kind == "join" else record.text("plan")
    said = plan, record.text("by"), record.text("commitment")
    return said == (receipt.plan, receipt.by, receipt.commitment)
