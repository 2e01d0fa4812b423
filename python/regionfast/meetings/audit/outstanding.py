"""Who is still kept out by what was done: the rows that an undoing would be about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Final

from regionfast.errors import AuditError
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.record import ACTING, Record, records

_DONE: Final = ("eject", "hold")
_UNDONE: Final = ("admit", "clear")
_NOTHING_DONE: Final = ("stale", "would-end-meeting", "failed")
_NOTHING_LEFT: Final = ("done", "already-gone")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outstanding:
    """One connection that was removed, or may have been, and was not let in again. Its `repr` names nobody."""

    plan: str
    """Hash of the plan by which it was removed last."""
    by: str
    scope: str
    connection: str
    """Pseudonym."""
    effect: str
    """`eject` or `hold`."""
    meeting: str = field(repr=False)
    id: str = field(repr=False)
    """Of the connection, as rosters have it."""
    participant: str | None = field(repr=False)
    account: str | None = field(repr=False)
    series: str | None = field(repr=False)
    role: str | None = field(repr=False)
    addresses: tuple[str, ...] = field(repr=False)
    region: str | None
    """As the table claimed it."""
    residue: str | None = field(repr=False)
    """What the control reported that keeps the person out, the last one; `None` where it reported nothing."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is outstanding."""

    rows: tuple[Outstanding, ...] = field(repr=False)
    """In the order in which they were acted on first."""
    unreadable: int
    """Rows whose key was destroyed: they cannot be undone."""

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Outstanding]:
        return iter(self.rows)


def outstanding(directory: str | PathLike[str], keys: str | PathLike[str] | KeyStore, by: str | None = None) -> Found:
    """The connections that acting removed and that nobody has let in again.

    A connection is outstanding from the intent to remove it on, unless the control said that it did not: so it is
    after a crash too, when nobody knows. It is no longer once it was admitted, or what it left was cleared. Each is
    there once, with what the last plan that may have removed it says of it.

    Args:
        directory: The audit directory.
        keys: Its keys, or their directory: what was sealed is opened.
        by: Only those of this order or rule.

    Cost: O(records).

    Raises:
        AuditError: A chain is broken, or a key does not fit, or is missing without having been destroyed.
    """
    store = keys if isinstance(keys, KeyStore) else KeyStore(keys)
    removed = Removed()
    for record in records(directory):
        if by in {None, record.text("by")}:
            removed.take(record)
    opened = [_opened(row, store) for row in removed.rows.values()]
    found = tuple(row for row in opened if row is not None)
    return Found(found, len(opened) - len(found))


@dataclass(slots=True)
class RemovedRow:
    """What the chains say of one connection under one order."""

    intent: Record = field(repr=False)
    """The last one to remove it."""
    residue: Record | None = field(default=None, repr=False)
    """The last result that holds one."""
    is_certain: bool = False
    """Whether some result does not exclude that it was removed."""
    before: RemovedRow | None = field(default=None, repr=False)
    """What was outstanding before the intent, and is again where nothing comes of it."""


class Removed:
    """Who was, or may have been, removed and was not let in again, by all records that it was given in their order."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], RemovedRow] = {}
        self._begun: dict[str, int] = {}
        """By plan the number of the record with which it was begun last."""

    @property
    def rows(self) -> Mapping[tuple[str, str], RemovedRow]:
        """By scope and connection, in the order in which they were acted on first."""
        return self._rows

    def take(self, record: Record) -> None:
        """Take the next record, of any kind and chain."""
        if record.writer != ACTING:
            return
        if record.kind == "plan":
            self._begun[record.text("plan")] = record.n
        elif record.kind == "intent" and record.text("effect") in _DONE:
            name = record.text("scope"), record.text("connection")
            before = self._rows.get(name)
            if before is not None and not before.is_certain and before.before is not None:
                before = before.before  # only the last that is certain is worth returning to: no list grows
            residue = None if before is None else before.residue
            self._rows[name] = RemovedRow(record, residue=residue, before=before)
        elif record.kind == "result":
            self._settle(record)

    def _settle(self, record: Record) -> None:
        name = record.text("scope"), record.text("connection")
        row = self._rows.get(name)
        if row is None:
            return
        if record.text("effect") in _UNDONE:
            if record.text("outcome") in _NOTHING_LEFT:
                del self._rows[name]
            return
        if record.fields.get("sealed") is not None:
            row.residue = record
        if not self._did_nothing(row, record):
            row.is_certain, row.before = True, None
        elif not row.is_certain:
            if row.before is None:
                del self._rows[name]
            else:
                self._rows[name] = row.before

    def _did_nothing(self, row: RemovedRow, result: Record) -> bool:
        """Whether a result says for certain that the connection was not removed."""
        # After a crash the row was asked for before; what came of that, a look at who is present does not tell.
        was_asked_before = self._begun.get(row.intent.text("plan"), -1) > row.intent.n
        # An answer that was lost may have been one to a deed that a slow server does after it was looked at.
        was_asked_twice = result.text("outcome") == "failed" and result.fields.get("attempts") not in {0, 1}
        has_residue = result.fields.get("sealed") is not None
        return result.text("outcome") in _NOTHING_DONE and not (was_asked_before or was_asked_twice or has_residue)


def _opened(row: RemovedRow, keys: KeyStore) -> Outstanding | None:
    """The row with what its seals hold; `None` where the key is gone."""
    intent = row.intent
    scope, connection = intent.text("scope"), intent.text("connection")
    value = _value(intent, keys)
    if value is None:
        check_key(keys, scope)
        return None
    residue = None if row.residue is None else _value(row.residue, keys)
    meeting, identity, addresses = value.get("meeting"), value.get("connection"), value.get("addresses")
    if not (isinstance(meeting, str) and isinstance(identity, str) and isinstance(addresses, list)):
        raise AuditError(f"a sealed intent of scope {scope} lacks what an intent has")
    return Outstanding(
        plan=intent.text("plan"),
        by=intent.text("by"),
        scope=scope,
        connection=connection,
        effect=intent.text("effect"),
        meeting=meeting,
        id=identity,
        participant=_text(value, "participant"),
        account=_text(value, "account"),
        series=_text(value, "series"),
        role=_text(value, "role"),
        addresses=tuple(map(str, addresses)),
        region=_text(value, "region"),
        residue=None if residue is None else _text(residue, "residue"),
    )


def check_key(keys: KeyStore, scope: str) -> None:
    """See that the key of a scope is there or was destroyed.

    Raises:
        AuditError: It is neither: these are the keys of other records, or it was lost.
    """
    if keys.existing(scope) is None and not keys.is_destroyed(scope):
        raise AuditError(
            f"the key of scope {scope} is not among the keys, and no mark says that it was destroyed: "
            "give the directory of the keys that belong to these records"
        )


def _value(record: Record, keys: KeyStore) -> dict[str, object] | None:
    return keys.open(
        record.text("scope"), record.text("plan"), record.text("connection"), record.kind, record.text("sealed")
    )


def _text(value: dict[str, object], name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) else None
