"""Erasure: the keys of an order or rule are destroyed, and with them what its records tell of people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final

from regionfast.errors import AuditError
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import Removed, check_key
from regionfast.meetings.audit.record import records
from regionfast.names import plain

_WRITER: Final = "act"
"""The chain of whoever acts: while it is held nobody acts, and no row is begun under a key that is being destroyed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was destroyed."""

    by: str
    """Id of the order or rule."""
    scopes: tuple[str, ...]
    """Pseudonyms of its meetings whose keys were destroyed now, sorted; none where there was nothing to destroy."""
    outstanding: int
    """Connections that were still outstanding and that nobody can let in again now; 0 unless it was forced."""


def erase(
    directory: str | PathLike[str],
    keys: str | PathLike[str] | KeyStore,
    *,
    by: str,
    meeting: str | None = None,
    reason: str,
    force: bool = False,
) -> Erased:
    """Destroy the keys of all meetings of an order or rule, or of one, and record that it was done.

    The record is written first: after a crash in between, erasing again destroys what is left. What is destroyed
    already is left out, so a second time does nothing. The chains stay and verify as before.

    Args:
        directory: The audit directory.
        keys: Its keys, or their directory.
        by: Id of the order or rule. It need not be in any policy any more.
        meeting: Only the key of this one.
        reason: Why, for the record; it must name nobody.
        force: Destroy also while somebody is kept out, who then cannot be let in by the audit alone; and mark as
            destroyed what was lost.

    Cost: O(records), twice.

    Raises:
        AuditError: Connections are outstanding; a process acts now; a chain is broken; the keys are elsewhere, or
            cannot be destroyed.
        ImportError: `filelock` is not installed.
        ValueError: There is no reason.
    """
    if not reason.strip():
        raise ValueError("`reason` is empty: say why the keys are destroyed")
    store = keys if isinstance(keys, KeyStore) else KeyStore(keys)
    directory = Path(directory)
    if not directory.is_dir():
        raise AuditError(f"there is no directory {directory}")
    # A chain is opened, which may begin one, only where there is something to record.
    all_scopes, scopes, _ = _scopes(directory, store, by, meeting)
    if not scopes:
        _destroy(store, all_scopes)
        return Erased(by=by, scopes=(), outstanding=0)
    with Chain.open(directory, _WRITER) as chain:
        all_scopes, scopes, outstanding = _scopes(directory, store, by, meeting)
        if outstanding and not force:
            raise AuditError(
                f"{outstanding:,} connections that `{by}` removed are not let in again, and nobody could do it without "
                "the keys: undo it first, or force it"
            )
        for scope in () if force else scopes:
            check_key(store, scope)
        if scopes:
            chain.append([{"kind": "destroyed", "by": by, "scopes": list(scopes), "reason": reason.strip()}])
        _destroy(store, all_scopes)
    return Erased(by=by, scopes=scopes, outstanding=outstanding)


def _destroy(keys: KeyStore, scopes: Iterable[str]) -> None:
    """Destroy keys, also those that are marked as destroyed: a crash can come between the mark and the deed."""
    for scope in scopes:
        keys.destroy(scope)


def _scopes(directory: Path, keys: KeyStore, by: str, meeting: str | None) -> tuple[list[str], tuple[str, ...], int]:
    """All scopes that are meant, those whose keys are not destroyed, and how many connections these leave kept out."""
    removed = Removed()
    found = set()
    for record in records(directory):
        if record.text("by") == by:
            removed.take(record)
            found.add(record.text("scope"))
    found.discard("")
    lost = [scope for scope in found if keys.existing(scope) is None and not keys.is_destroyed(scope)]
    if lost and len(lost) == len(found):
        # Marks of destroyed keys in a wrong directory would make believe that the right ones are gone.
        check_key(keys, lost[0])
    if found and meeting is not None:
        found &= {keys.scope(by, plain(meeting))}
    living = {scope for scope in found if not keys.is_destroyed(scope)}
    return sorted(found), tuple(sorted(living)), sum(scope in living for scope, _ in removed.rows)
