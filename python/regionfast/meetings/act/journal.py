"""What was intended and what came of it: the audit as acting writes it, and reads it again after a crash."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, Self

from regionfast.errors import AuditError
from regionfast.meetings.act.control import Outcome
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.receipt import Receipt
from regionfast.meetings.audit.record import ACTING, records
from regionfast.policy.deployment import Audit
from regionfast.types import Effect

_UNDOING: Final = ("admit", "clear")


class Named(Protocol):
    """A row by its pseudonyms: a receipt, a row of a saved plan."""

    @property
    def scope(self) -> str:
        """Of order and meeting."""
        ...

    @property
    def connection(self) -> str:
        """Of the connection."""
        ...


class Journal:
    """The records of one plan in the chain of acting, open for more of them.

    One process writes that chain, so two can never act at once under one deployment.
    """

    def __init__(self, chain: Chain, keys: KeyStore, plan: str, by: str) -> None:
        """Made by `open`."""
        self._chain = chain
        self._keys = keys
        self._plan = plan
        self._by = by
        self.has_begun = False
        """Whether the plan was begun before."""
        self.finished_at: datetime | None = None
        """When all was done."""
        self._intended: set[str] = set()
        self._undone: set[str] = set()
        """Connections that were let in again, or were about to be, after the plan had acted on them."""
        self._outcomes: dict[str, Outcome] = {}

    @classmethod
    def open(cls, audit: Audit, keys: KeyStore, *, plan: str, by: str, clock: Callable[[], datetime]) -> Self:
        """Open the chain and read what it says of a plan.

        Raises:
            AuditError: Another process acts, or the chain is broken.
        """
        chain = Chain.open(audit.directory, ACTING, clock=clock)
        try:
            journal = cls(chain, keys, plan, by)
            journal._read(Path(audit.directory))
        except BaseException:
            chain.close()
            raise
        return journal

    def _read(self, directory: Path) -> None:
        for record in records(directory, ACTING, plan=self._plan):
            connection = record.text("connection")
            if record.kind in {"plan", "undo"}:
                self.has_begun = True
            elif record.kind == "finished":
                self.finished_at = record.at
            elif record.kind == "intent":
                self._intended.add(connection)
            elif record.kind == "result":
                self._outcomes[connection] = _outcome(record.text("outcome"))
        if self.has_begun and self.finished_at is None:
            self._read_undone(directory)

    def _read_undone(self, directory: Path) -> None:
        """Whom an undoing was about since the plan acted on him. Undoings have hashes of their own: all is read."""
        intended = set()
        for record in records(directory, ACTING):
            if record.kind == "intent":
                connection = record.text("connection")
                if record.text("plan") == self._plan:
                    intended.add(connection)
                elif connection in intended and record.text("effect") in _UNDOING:
                    self._undone.add(connection)

    def outcome(self, row: Named) -> Outcome | None:
        """What came of a row, once it is final. Who was let in again is not removed by what is left of a plan."""
        found = self._outcomes.get(row.connection)
        if found in {None, Outcome.RETRY}:
            return Outcome.STALE if row.connection in self._undone else None
        return found

    def was_intended(self, row: Named) -> bool:
        """Whether the control may have been asked for a row already."""
        return row.connection in self._intended

    def refused(self, reasons: Sequence[str]) -> None:
        """Somebody tried."""
        self._chain.append([{"kind": "refused", "plan": self._plan, "by": self._by, "reasons": list(reasons)}])

    def begin(self, kind: str, fields: Mapping[str, object]) -> None:
        """The plan, or the undoing, begins or goes on."""
        self._chain.append([{"kind": kind, "plan": self._plan, "by": self._by, **fields}])

    def intend(self, rows: Iterable[tuple[Receipt, Effect, str | None, Mapping[str, object]]]) -> None:
        """What is asked for next: receipt, effect, region claimed, and what is sealed. Rows that were intended stay."""
        group = [
            {
                "kind": "intent",
                **self._row(receipt, effect),
                "region": region,
                "commitment": receipt.commitment,
                "sealed": self._keys.seal(receipt.scope, self._plan, receipt.connection, "intent", sealed),
            }
            for receipt, effect, region, sealed in rows
            if not self.was_intended(receipt)
        ]
        if group:
            self._chain.append(group)
            self._intended.update(str(record["connection"]) for record in group)

    def hand_over(self, leaving: Named, to: str, outcome: str) -> None:
        """The role of a host is asked for, or went, from one connection to another; both by their pseudonyms."""
        self._chain.append(
            [
                {
                    "kind": "handover",
                    "plan": self._plan,
                    "by": self._by,
                    "scope": leaving.scope,
                    "leaving": leaving.connection,
                    "to": to,
                    "outcome": outcome,
                }
            ]
        )

    def settle(self, rows: Iterable[tuple[Named, Effect, Outcome, int, str | None]]) -> None:
        """What came of rows: who, effect, outcome, how often it was asked, residue."""
        group: list[dict[str, object]] = []
        for row, effect, outcome, attempts, residue in rows:
            sealed = None
            if residue is not None:
                value = {"residue": residue}
                sealed = self._keys.seal(row.scope, self._plan, row.connection, "result", value)
            result = {"outcome": str(outcome), "attempts": attempts, "sealed": sealed}
            group.append({"kind": "result", **self._row(row, effect), **result})
            self._outcomes[row.connection] = outcome
        if group:
            self._chain.append(group)

    def finish(self, outcomes: Iterable[Outcome]) -> None:
        """Nothing is left to be done."""
        counts = Counter(str(outcome) for outcome in outcomes)
        self._chain.append([{"kind": "finished", "plan": self._plan, "by": self._by, "counts": dict(counts)}])

    def _row(self, row: Named, effect: Effect) -> dict[str, object]:
        return {
            "plan": self._plan,
            "by": self._by,
            "scope": row.scope,
            "connection": row.connection,
            "effect": str(effect),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._chain.close()


def _outcome(text: str) -> Outcome:
    try:
        return Outcome(text)
    except ValueError:
        raise AuditError(f"the chain of `{ACTING}` has an outcome that this release does not know") from None
