"""Every ejection by the id of a connection: ids come back, and each ejection may have left something behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import TypeAlias

from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.record import Record, records

Name: TypeAlias = tuple[str, str]
"""Scope and pseudonym of a connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ejection:
    """One connection that one plan ejected, or may have. Its `repr` names nobody."""

    plan: str
    """Hash of the plan."""
    participant: str | None = field(repr=False)
    """Who had the connection then."""
    residue: str | None = field(repr=False)
    """What the control reported of this ejection; `None` where it reported nothing, or its answer was lost."""


class Ejections:
    """The ejections under an order or rule that were not undone, of each connection the earliest first."""

    def __init__(self, directory: str | PathLike[str], keys: KeyStore, by: str) -> None:
        """Read the chains, O(records).

        Raises:
            AuditError: A chain is broken, or a key does not fit.
        """
        self._keys = keys
        self._intents: dict[Name, dict[str, Record]] = {}
        """By connection, then plan."""
        self._residues: dict[tuple[Name, str], Record] = {}
        self._nothing: set[tuple[Name, str]] = set()
        """Of which a result says that nothing was done."""
        for record in records(directory):
            if record.text("by") == by:
                self._take(record)

    def of(self, name: Name, last: str) -> list[Ejection]:
        """Those of one connection, and in any case that by the plan `last`, which the audit shows as outstanding."""
        found = []
        for plan, intent in self._intents.get(name, {}).items():
            value = self._opened(intent)
            if value is not None and (plan == last or (name, plan) not in self._nothing):
                residue = self._residues.get((name, plan))
                said = None if residue is None else self._opened(residue)
                found.append(
                    Ejection(
                        plan=plan,
                        participant=_text(value, "participant"),
                        residue=None if said is None else _text(said, "residue"),
                    )
                )
        return found

    def _take(self, record: Record) -> None:
        name, plan, effect = (
            (record.text("scope"), record.text("connection")),
            record.text("plan"),
            record.text("effect"),
        )
        outcome = record.text("outcome")
        if record.kind == "intent" and effect == "eject":
            self._intents.setdefault(name, {})[plan] = record
        elif record.kind != "result":
            return
        elif effect in {"admit", "clear"}:
            if outcome in {"done", "already-gone"}:
                self._intents.pop(name, None)
        elif record.fields.get("sealed") is not None:
            self._residues[name, plan] = record
        elif outcome in {"stale", "would-end-meeting"}:
            self._nothing.add((name, plan))

    def _opened(self, record: Record) -> Mapping[str, object] | None:
        scope, plan, connection = record.text("scope"), record.text("plan"), record.text("connection")
        return self._keys.open(scope, plan, connection, record.kind, record.text("sealed"))


def _text(value: Mapping[str, object], name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) else None
