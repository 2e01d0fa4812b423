"""Erasure: the keys of an order or rule are destroyed, and with them what its records tell of people."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from regionfast.errors import AuditError
from regionfast.meetings.audit.chain import Chain
from regionfast.meetings.audit.keys import KeyStore
from regionfast.meetings.audit.outstanding import Removed, check_key
from regionfast.meetings.audit.record import ACTING, is_there, records
from regionfast.names import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """What was destroyed."""

    by: str
    """Id of the order or rule."""
    scopes: tuple[str, ...]
    """Pseudonyms of its meetings whose keys were destroyed now, sorted; none where there was nothing to destroy."""
    outstanding: int
    """Connections that were still outstanding and that nobody can let in again now; 0 unless it was forced."""
    unnamed: int
    """Keys that are left and that no record names, of any order: those of plans that were saved and not applied. Of
    which order they are, nobody can say without naming the meeting."""


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

    Saving a plan makes the keys of its meetings, and where it is never applied no record names them. They open nothing
    but the saved plan, and go when their meeting is named.

    Args:
        directory: The audit directory.
        keys: Its keys, or their directory.
        by: Id of the order or rule. It need not be in any policy any more.
        meeting: Only the key of this one, also where no record names it.
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
    if not is_there(directory):
        raise AuditError(f"there is no directory {directory}")
    # A chain is opened, which may begin one, only where there is something to record.
    meant = _meant(directory, store, by, meeting)
    if not meant.living:
        _destroy(store, meant.scopes)
        return Erased(by=by, scopes=(), outstanding=0, unnamed=meant.unnamed)
    # While the chain of acting is held nobody acts, and no row is begun under a key that is being destroyed.
    with Chain.open(directory, ACTING) as chain:
        meant = _meant(directory, store, by, meeting)
        if meant.outstanding and not force:
            raise AuditError(
                f"{meant.outstanding:,} connections that `{by}` removed are not let in again, and nobody could do it "
                "without the keys: undo it first, or force it"
            )
        for scope in () if force else meant.living:
            check_key(store, scope)
        if meant.living:
            chain.append([{"kind": "destroyed", "by": by, "scopes": list(meant.living), "reason": reason.strip()}])
        _destroy(store, meant.scopes)
    return Erased(by=by, scopes=meant.living, outstanding=meant.outstanding, unnamed=meant.unnamed)


class _Meant(NamedTuple):
    """What is to be erased."""

    scopes: list[str]
    """All that are meant."""
    living: tuple[str, ...]
    """Those whose keys are not destroyed."""
    outstanding: int
    """How many connections these leave kept out."""
    unnamed: int
    """How many other keys there are that no record names."""


def _destroy(keys: KeyStore, scopes: Iterable[str]) -> None:
    """Destroy keys, also those that are marked as destroyed: a crash can come between the mark and the deed."""
    for scope in scopes:
        keys.destroy(scope)


def _meant(directory: Path, keys: KeyStore, by: str, meeting: str | None) -> _Meant:
    removed = Removed()
    found, others = set(), {""}
    for record in records(directory):
        if record.text("by") == by:
            removed.take(record)
            found.add(record.text("scope"))
        else:
            others.add(record.text("scope"))
    found.discard("")
    lost = [scope for scope in found if keys.existing(scope) is None and not keys.is_destroyed(scope)]
    if lost and len(lost) == len(found):
        # Marks of destroyed keys in a wrong directory would make believe that the right ones are gone.
        check_key(keys, lost[0])
    there = keys.scopes()
    unnamed = there - found - others
    if meeting is not None:
        # Where there are no keys at all, asking for the scope would make one.
        found = (found | there) & ({keys.scope(by, plain(meeting))} if there else set())
    living = {scope for scope in found if not keys.is_destroyed(scope)}
    return _Meant(
        scopes=sorted(found),
        living=tuple(sorted(living)),
        outstanding=sum(scope in living for scope, _ in removed.rows),
        unnamed=sum(not keys.is_destroyed(scope) for scope in unnamed - found),
    )
