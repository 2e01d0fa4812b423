"""The chain of one writer: records are appended in groups, and a group is on disk before anybody acts on it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Self

from regionfast._lib import __version__
from regionfast.errors import AuditError
from regionfast.meetings.audit.plainfile import open_file
from regionfast.meetings.audit.record import (
    LONGEST,
    SUFFIX,
    WRITER,
    BrokenLineError,
    beginning,
    follow,
    line_of,
    parse,
    stated_hash,
    written,
)
from regionfast.meetings.audit.signing import missing
from regionfast.meetings.audit.sync import sync_names

if TYPE_CHECKING:
    from filelock import FileLock


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain."""

    n: int
    """Number of the last record; -1 where there is none."""
    hash: str
    """Its hash."""


class Chain:
    """A chain that is open for writing, by this process alone, and in it by one thread at a time."""

    def __init__(self, path: Path, lock: FileLock, file: FileIO, clock: Callable[[], datetime]) -> None:
        """Made by `open`."""
        self._path = path
        self._lock = lock
        self._file = file
        self._clock = clock
        self._head = Head(-1, beginning(path.stem))
        self._size = 0
        """Where the next record goes: behind the last whole one."""

    @classmethod
    def open(
        cls,
        directory: str | PathLike[str],
        writer: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> Self:
        """Open the chain of a writer, or begin it.

        What a crash left of an unfinished last line is cut off, and a record of kind `torn` says so. The end of the
        chain is read, not all of it: `verify` and `records` do that.

        Args:
            directory: The audit directory, made where it is missing.
            writer: At most 40 of the letters a to z, digits and `-`.
            clock: What the time is, for records.

        Raises:
            AuditError: Another process writes the chain now; its last line is no record; or it cannot be opened.
            ImportError: `filelock` is not installed.
        """
        if not WRITER.fullmatch(writer) or writer == "checkpoints":
            raise AuditError("the name of a writer has at most 40 of the letters a to z, digits and `-`")
        try:
            from filelock import FileLock, Timeout
        except ImportError:
            raise missing("filelock") from None
        path = Path(directory, f"{writer}{SUFFIX}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = FileLock(path.with_suffix(".lock"), timeout=0)
            lock.acquire()
        except Timeout:
            raise AuditError(f"another process writes {path} now: one process a writer") from None
        except OSError as error:
            raise AuditError(f"cannot open {path}: {error.strerror}") from None
        try:
            chain = cls(path, lock, open_file(path, os.O_RDWR | os.O_CREAT), clock)
        except BaseException as error:
            lock.release()
            if isinstance(error, OSError):
                raise AuditError(f"cannot open {path}: {error.strerror}") from None
            raise
        try:
            chain._begin(writer)
        except BaseException as error:
            chain.close()
            if isinstance(error, OSError):
                raise AuditError(f"cannot open {path}: {error.strerror}") from None
            raise
        return chain

    @property
    def head(self) -> Head:
        """Where it ends now."""
        return self._head

    def append(self, records: Sequence[Mapping[str, object]]) -> None:
        """Add records, each with its `kind`, in one write, and return when they are on disk.

        Cost: some microseconds a record, and one sync of the disk a call.

        Raises:
            AuditError: They could not be written; what was written of them is cut off again where that is possible,
                and the chain takes no more. Or one is too long, or the file is not as it was left: nothing is written.
            ValueError: A record has no kind, or members that are the chain's own.
        """
        group, head = self._lines(records)
        self._check_file()
        self._write(group, head)

    def _begin(self, writer: str) -> None:
        """Read the end of the file, and write what is due: that the chain begins, or that a crash tore its end."""
        torn = self._read_end()
        due: list[dict[str, object]] = []
        if self._head.n < 0:
            due.append({"kind": "open", "writer": writer, "software": f"regionfast {__version__}"})
        if torn:
            due.append({"kind": "torn", "bytes": len(torn), "digest": hashlib.sha256(torn).hexdigest()})
        if due:
            # Written over the torn line, not after cutting it off: a crash in between leaves a torn line again, and so
            # no tear goes unrecorded.
            self._write(*self._lines(due))
            os.ftruncate(self._file.fileno(), self._size)
            os.fsync(self._file.fileno())
            sync_names(self._path.parent)

    def _lines(self, records: Sequence[Mapping[str, object]]) -> tuple[bytes, Head]:
        """The bytes of new records, and where the chain ends with them."""
        at = written(self._clock())
        number, previous = self._head.n, self._head.hash
        group = []
        for record in records:
            number += 1
            previous, line = line_of(previous, number, at, record)
            if len(line) > LONGEST:
                raise AuditError(f"a record would have {len(line):,} bytes, more than {LONGEST:,}: write several")
            group.append(line)
        return b"".join(group), Head(number, previous)

    def _check_file(self) -> None:
        """See that the file is still there and ends where this process left it."""
        if self._file.closed:
            raise AuditError(f"{self._path} is closed, or could not be written before")
        mine = os.fstat(self._file.fileno())
        try:
            named = self._path.stat()
        except OSError:
            named = None
        if named is None or not os.path.samestat(mine, named) or mine.st_size != self._size:
            raise AuditError(f"{self._path} was changed by somebody else since it was opened: see `audit verify`")

    def _write(self, group: bytes, head: Head) -> None:
        try:
            self._file.seek(self._size)
            left = memoryview(group)
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except BaseException as error:
            # Also an interrupt: nobody knows what of the group is on disk, so the next one would not follow it.
            self._give_up()
            if isinstance(error, OSError):
                raise AuditError(f"cannot write {self._path}: {error.strerror}") from None
            raise
        self._head = head
        self._size += len(group)

    def _give_up(self) -> None:
        """Cut off what is written of a group: whoever opens the chain again must not take it for what was done."""
        try:
            os.ftruncate(self._file.fileno(), self._size)
            os.fsync(self._file.fileno())
        except OSError:
            pass  # whoever opens it next cuts a torn line off
        finally:
            self.close()

    def _read_end(self) -> bytes:
        """Find the last whole record, and give what stands behind it: an unfinished line, empty where there is none."""
        size = os.fstat(self._file.fileno()).st_size
        # The two last whole lines and an unfinished one, each as long as can be.
        start = max(0, size - 3 * LONGEST)
        self._file.seek(start)
        tail = bytearray()
        while part := self._file.read(size - start - len(tail)):
            tail += part
        end = tail.rfind(b"\n") + 1
        torn = bytes(tail[end:])
        self._size = start + end
        if len(torn) > LONGEST:
            raise AuditError(f"{self._path.name}: what stands at its end is too long for a record: see `audit verify`")
        if end:
            try:
                self._head = _head(bytes(tail[:end]), self._head.hash if start == 0 else None)
            except BrokenLineError as error:
                raise AuditError(f"{self._path.name}: its last line {error}: see `audit verify`") from None
        return torn

    def close(self) -> None:
        """Let others write; a second time does nothing."""
        if not self._file.closed:
            self._file.close()
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Chain of {self._path.stem}: {self._head.n + 1} records>"


def _head(tail: bytes, beginning_hash: str | None) -> Head:
    """The last of some whole lines, seen to follow the one before it, or to be the first of its chain."""
    *before, last = tail[:-1].rsplit(b"\n", 2)
    found = parse(last)
    is_first = beginning_hash is not None and not before
    if is_first != (found["n"] == 0):
        raise BrokenLineError("has a number that it cannot have")
    previous = beginning_hash if is_first else stated_hash(before[-1]) if before else ""
    assert previous is not None
    return Head(int(str(found["n"])), follow(previous, last + b"\n"))
