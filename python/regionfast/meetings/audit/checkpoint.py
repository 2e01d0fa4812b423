"""Checkpoints: signed statements of how far the chains had come, which show later that nothing was cut off since.

A chain alone shows every change inside it, but not that its end is missing or that all of it was written anew. Whoever
keeps a checkpoint where the writer of the chains cannot reach it finds both.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final

from regionfast.errors import AuditError, DocumentError
from regionfast.meetings.audit.examine import ChainState, Findings, examine
from regionfast.meetings.audit.plainfile import open_file
from regionfast.meetings.audit.record import CHECKPOINTS, LONGEST, WRITER, chain_paths, is_there, lines
from regionfast.meetings.audit.signing import missing, verify_signature
from regionfast.meetings.audit.sync import sync_names
from regionfast.pseudonym import canonical

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PURPOSE: Final = b"regionfast checkpoint 1\n"
"""So that no signature over something else is one over a checkpoint."""
_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Where all chains ended at one time."""

    at: datetime
    """When it was signed, UTC, in whole seconds, by the clock of who signed."""
    heads: Mapping[str, tuple[int, str]]
    """By writer: number and hash of its last record."""
    previous: str | None
    """SHA-256 of the checkpoint before, as `to_json` writes it; `None` of the first one."""
    signature: bytes = field(repr=False)
    """Ed25519 (RFC 8032) over `covered`."""

    @property
    def covered(self) -> bytes:
        """What is signed: a line that says what for, and JSON with sorted keys, without blanks, in ASCII."""
        return _PURPOSE + canonical(self._statement())

    def to_json(self) -> str:
        """As one line of JSON, without its end."""
        signature = base64.b64encode(self.signature).decode("ascii")
        return canonical({**self._statement(), "signature": signature}).decode("ascii")

    @classmethod
    def from_json(cls, text: str) -> Checkpoint:
        """Read one back.

        Raises:
            DocumentError: It is no checkpoint, or not written as `to_json` writes it.
        """
        try:
            found = json.loads(text)
            checkpoint = cls(
                at=datetime.strptime(found["at"], _TIME).replace(tzinfo=UTC),
                heads={_writer(name): _head(head) for name, head in found["heads"].items()},
                previous=None if found["previous"] is None else _hash(found["previous"]),
                signature=base64.b64decode(found["signature"], validate=True),
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, binascii.Error):
            raise DocumentError("is no checkpoint, or was changed") from None
        # Every other spelling is refused, with it members that are there twice or that nobody knows.
        if checkpoint.to_json() != text:
            raise DocumentError("is not written as checkpoints are: it was changed")
        return checkpoint

    @property
    def digest(self) -> str:
        """What the next one names it by."""
        return hashlib.sha256(self.to_json().encode("ascii")).hexdigest()

    def is_signed_by(self, public: bytes) -> bool:
        """Whether the key with these 32 bytes signed it."""
        return verify_signature(public, self.signature, self.covered)

    def _statement(self) -> dict[str, object]:
        heads = {writer: list(head) for writer, head in self.heads.items()}
        return {"at": self.at.strftime(_TIME), "heads": heads, "previous": self.previous}


def read_checkpoints(path: str | PathLike[str]) -> tuple[Checkpoint, ...]:
    """The checkpoints of a file, one a line, the oldest first.

    An unfinished last line, which a crash leaves, is left out.

    Raises:
        DocumentError: The file cannot be read, or one of them is none, or does not name the one before it.
    """
    path = Path(path)
    try:
        return _parsed(lines(path), path.name)
    except AuditError as error:
        raise DocumentError(str(error)) from None


def _parsed(written: Iterable[bytes], name: str) -> tuple[Checkpoint, ...]:
    found: list[Checkpoint] = []
    for number, line in enumerate(written, 1):
        try:
            found.append(Checkpoint.from_json(line.removesuffix(b"\n").removesuffix(b"\r").decode("latin-1")))
        except DocumentError as error:
            if not line.endswith(b"\n") and len(line) <= LONGEST and found:
                break
            raise DocumentError(f"{name}, line {number} {error}") from None
        if len(found) > 1 and found[-1].previous != found[-2].digest:
            raise DocumentError(f"{name}, line {number} does not name the checkpoint before it: lines are missing")
    return tuple(found)


def sign_checkpoint(directory: str | PathLike[str], key: Ed25519PrivateKey, *, at: datetime) -> Checkpoint:
    """Verify all chains, also against the checkpoints so far, and sign where they end now.

    It is added to `checkpoints.jsonl` of the directory. Keep what is returned somewhere else: whoever can cut a chain
    can cut this file. With another key than before begin a new file, and keep the old one.

    Args:
        directory: The audit directory. Its chains may be open for writing.
        key: The private key.
        at: The time, taken in whole seconds.

    Cost: O(bytes of the chains).

    Raises:
        AuditError: There is no record, a chain is broken or was cut, or another process signs now.
        DocumentError: `checkpoints.jsonl` was changed.
        OSError: The checkpoint cannot be written; no part of it is left.
        ImportError: `cryptography` or `filelock` is not installed.
        ValueError: The time is naive.
    """
    if at.tzinfo is None:
        raise ValueError("a checkpoint has a time in UTC, not a naive one")
    try:
        from filelock import FileLock, Timeout
    except ImportError:
        raise missing("filelock") from None
    directory = Path(directory)
    if not is_there(directory):  # which the lock would make
        raise AuditError(f"there is no directory {directory}")
    path = directory / CHECKPOINTS
    try:
        with FileLock(path.with_suffix(".lock"), timeout=0):
            kept = [line for line in lines(path) if line.endswith(b"\n")] if path.exists() else []
            checkpoints = _parsed(kept, path.name)
            findings = Findings()
            states = examine_all(directory, checkpoints, findings)
            if findings.listed:
                raise AuditError(f"no checkpoint of what is broken: {findings.listed[0]}: see `audit verify`")
            heads = {state.writer: (state.records - 1, state.head) for state in states if state.head is not None}
            if not heads:
                raise AuditError(f"there is no record in {directory}: nothing to sign")
            _sync_chains(directory)
            unsigned = Checkpoint(
                at=at.astimezone(UTC).replace(microsecond=0),
                heads=heads,
                previous=checkpoints[-1].digest if checkpoints else None,
                signature=b"",
            )
            signed = Checkpoint(
                at=unsigned.at, heads=heads, previous=unsigned.previous, signature=key.sign(unsigned.covered)
            )
            _append(path, sum(map(len, kept)), signed.to_json().encode("ascii") + b"\n")
    except Timeout:
        raise AuditError(f"another process writes {path} now") from None
    return signed


def examine_all(directory: Path, checkpoints: Sequence[Checkpoint], findings: Findings) -> list[ChainState]:
    """Read all chains of a directory, and hold them against checkpoints, the oldest first."""
    wanted: dict[str, set[int]] = {}
    for checkpoint in checkpoints:
        for writer, (number, _) in checkpoint.heads.items():
            wanted.setdefault(writer, set()).add(number)
    states = []
    for path in chain_paths(directory):
        if WRITER.fullmatch(path.stem):
            states.append(examine(path, wanted.get(path.stem, ()), findings))
        else:
            findings.add(None, None, f"`{path.name}` is called as no chain is, and was not read")
    by_writer = {state.writer: state for state in states}
    contradicted = set()
    for checkpoint in checkpoints:
        for writer, (number, known) in checkpoint.heads.items():
            why = _contradiction(by_writer.get(writer), number, known)
            # One is enough: all that were signed later saw at least as much of the chain.
            if why is not None and writer not in contradicted:
                contradicted.add(writer)
                findings.add(writer, None, f"{why} the checkpoint of {checkpoint.at.strftime(_TIME)} saw")
    return states


def _contradiction(state: ChainState | None, number: int, known: str) -> str | None:
    if state is None:
        return f"the chain is gone, of which {number + 1} records"
    if state.records <= number:
        return f"the chain was cut: it has {state.records} of the {number + 1} records that"
    if state.hashes.get(number) != known:
        return f"the chain was written anew: record {number} is not the one that"
    return None


def _sync_chains(directory: Path) -> None:
    """Have on disk what was read: a record that a crash takes away again would look like one that was cut off."""
    if os.name == "posix":
        for path in chain_paths(directory):
            with open_file(path) as file:
                os.fsync(file.fileno())


def _append(path: Path, size: int, line: bytes) -> None:
    """Write a line behind the whole ones, over what a crash left of another."""
    with open_file(path, os.O_RDWR | os.O_CREAT) as file:
        try:
            file.truncate(size)
            file.seek(size)
            left = memoryview(line)
            while left:
                left = left[file.write(left) :]
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(size)
            raise
    sync_names(path.parent)


def _writer(name: str) -> str:
    if not WRITER.fullmatch(name):
        raise ValueError(name)
    return name


def _head(head: tuple[int, str]) -> tuple[int, str]:
    number, known = head
    if type(number) is not int or not 0 <= number < 1 << 53:
        raise ValueError(number)
    return number, _hash(known)


def _hash(text: str) -> str:
    if not _HASH.fullmatch(text):
        raise ValueError(text)
    return text
